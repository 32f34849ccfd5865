"""A free regular expression as a way to read an answer, held to a limit of time and of size.

Its last match that is not empty counts: the first group where that took part in it, else all of it. Upper and lower
case differ unless the pattern begins with (?i). Knows text only; who may write patterns is for others to decide.
Syntax: https://github.com/mrabarnett/mrab-regex
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import regex

from engine.errors import BadInput

PATTERN_CHARS = 500
# for one text; a pattern that backtracks without end takes about a gigabyte a second besides
SECONDS = 0.5
# for all answers of one analysis
ALL_SECONDS = 20.0
# `regex` writes out what a pattern repeats at least, before any clock runs: (?:a{9}){999999} takes gigabytes
UNROLLED_CHARS = 1_000_000
_LEAST = re.compile(r"\{\s*([0-9]+)")
_RECURSION = re.compile(r"\(\?(?:R|[+-]?[0-9]|&|P>)")


@dataclass(frozen=True)
class Matched:
    """What a pattern found: the half-open range of characters."""

    start: int
    stop: int


def check(pattern: str) -> None:
    """Raises BadInput, one sentence saying what is wrong and where, for a pattern that cannot be used."""
    _compiled(pattern)


def last_match(text: str, pattern: str, *, seconds: float = SECONDS) -> Matched | None:
    """Where the pattern's last match lies in the text, None where there is none. Raises BadInput when it takes long."""
    compiled = _compiled(pattern)
    found = None
    try:
        # the clock runs over all matches together; other people's pages are served meanwhile
        for match in compiled.finditer(text, timeout=seconds, concurrent=True):
            group = 1 if compiled.groups and match.start(1) >= 0 else 0
            if match.start(group) < match.end(group):
                found = Matched(match.start(group), match.end(group))
    except TimeoutError as error:
        raise too_slow(pattern, f"{seconds:g} s for one answer of {len(text):,} characters") from error
    except MemoryError as error:
        raise too_slow(pattern, f"all memory for one answer of {len(text):,} characters") from error
    return found


def too_slow(pattern: str, over: str) -> BadInput:
    """The sentence for a pattern that had to be stopped; over: what it took."""
    return BadInput(
        f"The pattern {_shown(pattern)} was stopped: it takes more than {over}. Repetitions within repetitions, as in "
        "(a|aa)+, are the usual cause: write it more simply."
    )


# a few people's patterns at once; each is compiled anew when it comes back later
@lru_cache(maxsize=32)
def _compiled(pattern: str) -> regex.Pattern[str]:
    if _RECURSION.search(pattern):
        raise BadInput(f"The pattern {_shown(pattern)} calls itself, which is not allowed here: write it without.")
    size = len(pattern) * prod(max(1, int(count[:9])) for count in _LEAST.findall(pattern))
    if size > UNROLLED_CHARS:
        raise BadInput(
            f"The pattern {_shown(pattern)} repeats too much: with all that its braces ask for at least it has "
            f"{size:,} characters, and at most {UNROLLED_CHARS:,} are allowed: use smaller numbers, or + or *."
        )
    try:
        return regex.compile(pattern)
    except regex.error as error:
        place = "" if error.pos is None else f" at character {error.pos + 1}"
        raise BadInput(f"The pattern {_shown(pattern)} is not a regular expression{place}: {error.msg}.") from error


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 60 else pattern[:59] + "…")
