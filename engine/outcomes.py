"""What an answer says, as a label: named, versioned extractors that can be run again on stored text.

An extractor is one pure function and one entry of REGISTRY. Knows text only; does not know models, tokens' ids or who
compares the labels. An extractor whose labels are found `jointly`, from all answers at once, is no function of one
text: its entry says how it is asked for, `meaning` finds the labels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine import patterns
from engine.clusters import DISTANCE, distance_of
from engine.errors import BadInput
from engine.outcome_json import find_key

UNPARSED = "unparsed"
TRUNCATED = "truncated"
PARAMETER_CHARS = 100
# how many statements are looked at from the end, and how long one may be
MOST_STATEMENTS = 20
PHRASE_CHARS = 400

NUMBER = re.compile(
    r"(?:(?<![\w)])[-+\u2212])?(?:[$€£¥]\s?)?(?<!\w)"
    r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?"
)
_IS = r"(?:\s+(?:is|was|are|would be|must be|should be)\b\s{0,8}:?|[*_]{0,3}\s{0,8}[:=])"
_ANSWER_IS = re.compile(rf"\banswers?{_IS}\s{{0,8}}", re.IGNORECASE)
_ENDS_STATING = re.compile(rf"\banswers?{_IS}[\s*_\"'`:(]{{0,12}}\Z", re.IGNORECASE)
_CHOICE_SAID = re.compile(
    rf"(?i:\b(?:answer|choice|option){_IS}\s{{0,8}}(?:(?:option|choice)\s+)?)"
    r"(?P<mark>[\s*_\"'`$(\[{\\]{0,8}(?:(?:boxed|text|mathrm)\{[\s\\({]{0,6}){0,2})(?P<letter>[A-Ja-j])(?![\w'’])"
)
_CHOICE_FIRST = re.compile(
    r"\s{0,40}[*_(\[\"]{0,4}(?P<letter>[A-J])(?:[*_)\]\"]{1,4}(?! +(?:or|and)\b)|[.:,](?=\s|$)|\s{0,40}$|[ \t]{0,8}\n)"
)
_CHOICE_BRACKET = re.compile(r"\((?P<letter>[A-J])\)")
_GOES_ON = re.compile(r"[*_]{0,4} +(?!because|since|as\b|for\b|due|which|and\b|or\b|with\b)[a-z]")
_YES_NO = re.compile(
    r"(?<![\w'’-])(?:yes|no(?!\s+(?:one|matter|doubt|idea|longer|more|single|two)\b))(?![\w'’-])", re.IGNORECASE
)
_YES_AND_NO = re.compile(r"\s+(?:and|or)\s+(?:yes|no)\b", re.IGNORECASE)
_STANDS_ALONE = re.compile(r"[*_\"'`)]{0,4}(?:[.,;:!\n]|\s{0,8}\Z)")
_BOXED = re.compile(r"\\f?boxed\s{0,4}\{")
_SENTENCE_END = re.compile(r"[.!?](?=\s|\Z)|[.!?][*_\"”')\]]|\n")
_LEAD = " \t\r\n*_\"'`(-•"


@dataclass(frozen=True)
class Found:
    """A field in a text: its label, the half-open range of its characters, and its value where it is a number."""

    label: str
    start: int
    stop: int
    number: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What an answer says. label: the field's, or `unparsed` or `truncated`; found: None for those two."""

    label: str
    found: Found | None = None

    @property
    def number(self) -> float | None:
        """The field's value where it is a number."""
        return self.found.number if self.found else None


Find = Callable[[str, str], Found | None]


@dataclass(frozen=True)
class Extractor:
    """One way of reading an answer. find(text, parameter) -> Found or None; a change of its rule raises `version`.

    parameter: what the parameter is, "" where there is none; default: what stands for an empty one, "" where one is
    needed; check(parameter): raises BadInput; longest: its characters. numeric: whether its labels are numbers.
    settled(text, found): whether no further text could change what was found; None means never.
    jointly: its labels come from all answers together. seconds: all texts of an analysis together may take so long,
    None where no text can take long; guarded: only for whoever runs the page, never for strangers.
    """

    name: str
    version: int
    label: str
    short: str
    find: Find
    numeric: bool = False
    parameter: str = ""
    settled: Callable[[str, Found], bool] | None = None
    default: str = ""
    check: Callable[[str], object] | None = None
    longest: int = PARAMETER_CHARS
    jointly: bool = False
    seconds: float | None = None
    guarded: bool = False

    @property
    def single(self) -> bool:
        """Whether anybody may have one answer read by it, by itself."""
        return not self.jointly and not self.guarded


def extractor(name: str, parameter: str = "") -> Extractor:
    """The extractor of that name; BadInput, listing the names, for any other, and for a parameter that is missing or
    wrong."""
    if name not in REGISTRY:
        raise BadInput(f"There is no field {str(name)[:40]!r}; the fields are: {', '.join(REGISTRY)}.")
    entry = REGISTRY[name]
    if entry.parameter and not parameter.strip() and not entry.default:
        raise BadInput(f"The field '{entry.label}' needs {entry.parameter}: write it beside the field.")
    if len(parameter) > entry.longest:
        raise BadInput(f"{entry.parameter or 'The parameter'} has {len(parameter)} characters; at most "
                       f"{entry.longest} are allowed.")  # fmt: skip
    if entry.check:
        entry.check(parameter.strip() or entry.default)
    return entry


def outcome(name: str, text: str, *, parameter: str = "", cut: bool = False) -> Outcome:
    """The label of an answer. cut: it hit the length limit, so that what is found counts only if nothing could follow.

    text: without control tokens. Raises BadInput for an unknown name, a missing or wrong parameter, a name whose labels
    are found jointly, and a pattern that takes too long.
    """
    entry = extractor(name, parameter)
    if entry.jointly:
        raise BadInput(f"The field '{entry.label}' is found from many answers together, not from one: choose another.")
    found = entry.find(text, parameter.strip())
    if cut and not (found and entry.settled and entry.settled(text, found)):
        return Outcome(TRUNCATED)
    return Outcome(found.label, found) if found else Outcome(UNPARSED)


def first_token(pieces: Sequence[str], special: Sequence[bool], start: int) -> int:
    """Index of the token that the character `start` of the answer begins in, n tokens as `Trace.pieces` has them.

    special: which tokens are left out of the answer. Tokens that hold the first bytes of that character count to it.
    """
    end = 0
    for i, piece in enumerate(pieces):
        end += 0 if special[i] else len(piece)
        if end > start:
            while i > 0 and pieces[i - 1] == "" and not special[i - 1]:
                i -= 1
            return i
    return len(pieces)


def canonical_number(text: str) -> tuple[str, float | None] | None:
    """A number as one label, however it is written (1,234.50, $1234.5, 1234.50), and its value; None for no number."""
    match = NUMBER.fullmatch(text.strip().rstrip("%").strip())
    return _written(match) if match else None


def _written(match: re.Match[str]) -> tuple[str, float | None]:
    plain = re.sub(r"[,\s$€£¥+]", "", match[0].replace("\u2212", "-"))
    if len(plain) > 40:
        return plain, None
    value = Decimal(plain)
    shown = "0" if value == 0 else format(value.normalize(), "f" if -20 <= value.adjusted() < 20 else "")
    return shown, float(value) if math.isfinite(float(value)) else None


def _number(match: re.Match[str]) -> Found:
    label, value = _written(match)
    return Found(label, match.start(), match.end(), value)


def _first_number(text: str, _: str) -> Found | None:
    match = NUMBER.search(text)
    return _number(match) if match else None


def _last_number(text: str, _: str) -> Found | None:
    matches = list(NUMBER.finditer(text))
    return _number(matches[-1]) if matches else None


def _number_over(text: str, found: Found) -> bool:
    """A number is over when something follows that cannot be part of it; a dot or comma may yet get digits."""
    rest = text[found.stop : found.stop + 2]
    return bool(rest) and rest[0] not in "eE" and (rest[0] not in ".," or (len(rest) == 2 and not rest[1].isdigit()))


def _boxed(text: str, _: str) -> Found | None:
    """The content of the last \\boxed{...} whose braces are closed."""
    starts = [match.end() for match in _BOXED.finditer(text)]
    for start in reversed(starts[-MOST_STATEMENTS:]):
        depth = 1
        for i in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[i], 0) if text[i - 1] != "\\" else 0
            if depth == 0:
                return _phrase(text, start, i)
    return None


def _phrase(text: str, start: int, stop: int) -> Found | None:
    """A stretch of text without marks and blanks around it, as a number where it is one; None where nothing is left."""
    marks = " \t\r\n*_`\"“”'‘’$"
    while start < stop and text[start] in marks and not (text[start] == "$" and text[start + 1 : start + 2].isdigit()):
        start += 1
    while start < stop and text[stop - 1] in marks + ".:;,!?":
        stop -= 1
    if start == stop:
        return None
    words = " ".join(text[start:stop].split())
    number = canonical_number(words)
    return Found(number[0], start, stop, number[1]) if number else Found(words, start, stop)


def _answer_is(text: str, _: str) -> Found | None:
    """What follows the last "answer is" or "answer:", up to the end of its sentence."""
    for match in reversed(list(_ANSWER_IS.finditer(text))[-MOST_STATEMENTS:]):
        longest = min(len(text), match.end() + PHRASE_CHARS)
        end = _SENTENCE_END.search(text, match.end(), longest)
        found = _phrase(text, match.end(), end.start() if end else longest)
        if found:
            return found
    return None


def _choice(text: str, _: str) -> Found | None:
    """A choice that is stated counts before one that is mentioned; the last statement counts."""
    said = [match for match in _CHOICE_SAID.finditer(text) if _is_choice(text, match)]
    if said:
        return _letter(said[-1])
    first = _CHOICE_FIRST.match(text)
    if first:
        return _letter(first)
    mentioned = list(_CHOICE_BRACKET.finditer(text))
    return _letter(mentioned[-1]) if len({match["letter"] for match in mentioned}) == 1 else None


def _is_choice(text: str, match: re.Match[str]) -> bool:
    """Not the article "a" or the pronoun "I": a small letter needs a mark, those two must not go on as a sentence."""
    marked = bool(match["mark"].strip())
    if match["letter"].islower() and not marked:
        return False
    return match["letter"] not in "AI" or marked or not _GOES_ON.match(text, match.end())


def _letter(match: re.Match[str]) -> Found:
    return Found(match["letter"].upper(), match.start("letter"), match.end("letter"))


def _yes_no(text: str, _: str) -> Found | None:
    """The first word, else the last stated answer, else the only one of the two that stands as a word of its own."""
    words = list(_YES_NO.finditer(text))
    if words and not text[: words[0].start()].strip(_LEAD):
        return None if _YES_AND_NO.match(text, words[0].end()) else _said(words[0])
    for word in reversed(words[-MOST_STATEMENTS:]):
        if _ENDS_STATING.search(text[max(0, word.start() - 60) : word.start()]):
            return _said(word)
    alone = [word for word in words if _STANDS_ALONE.match(text, word.end())]
    return _said(alone[-1]) if len({word[0].lower() for word in alone}) == 1 else None


def _leads(text: str, found: Found) -> bool:
    """Whether the answer opens with what was found and its word is over; "No" may still become "Not" or "No one",
    which may stand on the next line."""
    return not text[: found.start].strip(_LEAD) and text[found.stop : found.stop + 1] in {".", ",", "!", ";", ":"}


def _said(word: re.Match[str]) -> Found:
    return Found(word[0].lower(), word.start(), word.end())


def _first_line(text: str, _: str) -> Found | None:
    start = len(text) - len(text.lstrip())
    end = text.find("\n", start)
    return _exact(text[: end if end >= 0 else len(text)], "")


def _line_over(text: str, found: Found) -> bool:
    return "\n" in text[found.stop :]


def _exact(text: str, _: str) -> Found | None:
    start, stop = len(text) - len(text.lstrip()), len(text.rstrip())
    return Found(" ".join(text.split()), start, stop) if start < stop else None


def _json_key(text: str, key: str) -> Found | None:
    member = find_key(text, key)
    if member is None:
        return None
    words = " ".join(member.text.split())
    label, number = canonical_number(words) or (words, None)
    return Found(label, member.start, member.stop, number)


def _pattern(text: str, pattern: str) -> Found | None:
    """The last match of a free pattern, as a number where it is one."""
    match = patterns.last_match(text, pattern)
    if match is None:
        return None
    words = " ".join(text[match.start : match.stop].split())
    label, number = canonical_number(words) or (words, None)
    return Found(label, match.start, match.stop, number) if label else None


def _outermost(text: str, found: Found) -> bool:
    """Whether the object that has the key lies in no other one: that one, once closed, would come first."""
    before = text[: found.start]
    return before.count("{") - before.count("}") <= 1


REGISTRY: dict[str, Extractor] = {
    entry.name: entry
    for entry in (
        Extractor("first_line", 1, "First line", "the first line that is not empty", _first_line, settled=_line_over),
        Extractor("first_number", 1, "First number", "the first number", _first_number, True, settled=_number_over),
        Extractor("last_number", 1, "Last number", "the last number", _last_number, True),
        Extractor("answer_is", 1, "“The answer is …”", "what follows the last “answer is” or “answer:”", _answer_is),
        Extractor("yes_no", 1, "Yes or no", "yes or no: the first word, else as stated", _yes_no, settled=_leads),
        Extractor("choice_letter", 1, "Choice letter", "the letter A to J of a multiple choice", _choice),
        Extractor("boxed", 1, "\\boxed{…}", "the content of the last \\boxed{…}", _boxed),
        Extractor(
            "json_key", 1, "JSON key", "the value of a key in the first JSON object that has it", _json_key,
            parameter="the name of the key", settled=_outermost,
        ),
        Extractor("exact_text", 1, "Whole answer", "the whole answer, blanks evened out", _exact),
        Extractor(
            "meaning", 1, "Meaning (clusters of answers)",
            "the cluster of the whole answer, by the cosine of embeddings, which is not entailment", _exact,
            parameter="the largest mean distance within a cluster", default=f"{DISTANCE:g}", check=distance_of,
            jointly=True,
        ),
        Extractor(
            "pattern", 1, "Own pattern", "the last match of a regular expression: its first group, else all of it",
            _pattern, parameter="a regular expression", check=patterns.check, longest=patterns.PATTERN_CHARS,
            seconds=patterns.ALL_SECONDS, guarded=True,
        ),
    )
}  # fmt: skip
