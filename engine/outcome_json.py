"""Finds the value of a key in JSON that stands somewhere in a text, together with where it stands.

Reads with the standard decoder, member by member; what is no JSON is passed over. Does not know what the value means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# how many opening braces are tried, and how deep objects may lie in each other, before a text is given up
MOST_STARTS = 200
MOST_DEPTH = 50
_DECODER = json.JSONDecoder()
_BLANK = " \t\r\n"


@dataclass(frozen=True)
class Member:
    """A value as text (strings without their quotes) and the half-open range of its characters, quotes left out."""

    text: str
    start: int
    stop: int


def find_key(text: str, key: str) -> Member | None:
    """The value of `key` in the first complete JSON object of the text that has it, or None."""
    at, tried = text.find("{"), 0
    while at >= 0 and tried < MOST_STARTS:
        tried += 1
        try:
            members = list(_members(text, at))
        except ValueError:
            members = []
        for name, value, start, stop in members:
            if name == key:
                quoted = isinstance(value, str)
                return Member(_written(value), start + quoted, stop - quoted)
        at = text.find("{", at + 1)
    return None


def _members(text: str, at: int) -> Iterator[tuple[str, Any, int, int]]:
    """The members of the object that opens at `at`, with the range of each value. ValueError where it is no object."""
    if _too_deep(text, at):
        raise ValueError("nested too deeply")
    i = _skip(text, at + 1)
    while text[i : i + 1] != "}":
        name, i = _DECODER.raw_decode(text, i)
        i = _skip(text, i)
        if not isinstance(name, str) or text[i : i + 1] != ":":
            raise ValueError("no member")
        start = _skip(text, i + 1)
        value, stop = _DECODER.raw_decode(text, start)
        yield name, value, start, stop
        i = _skip(text, stop)
        if text[i : i + 1] == ",":
            i = _skip(text, i + 1)
        elif text[i : i + 1] != "}":
            raise ValueError("no end")


def _too_deep(text: str, at: int) -> bool:
    """Whether brackets pile up further than the decoder can follow; those inside strings count too, which is safe."""
    depth = 0
    for char in text[at:]:
        depth += (char in "{[") - (char in "}]")
        if depth <= 0:
            return False
        if depth > MOST_DEPTH:
            return True
    return False


def _skip(text: str, i: int) -> int:
    while i < len(text) and text[i] in _BLANK:
        i += 1
    return i


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
