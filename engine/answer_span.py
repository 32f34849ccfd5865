"""Where in an answer its result stands: the tokens of what was asked for, found by a few plain rules.

Each rule reads text and is mapped back to tokens by the bytes they hold; one that finds nothing says nothing. Does not
know models, nor what is done with the span.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import BadInput
from engine.outcomes import Found, extractor, first_token
from engine.types import Trace

NOT_FOUND = (
    "No answer that something stands before was found in this text: no \\boxed{…}, no “answer is”, no option letter "
    "and no number on its last line. Select the tokens of the answer yourself."
)

# words that tell of a number before them; others would belong to it (3 or 4, 5 million, 3 times 4)
_ABOUT = re.compile(
    r",?\s+(?!(?:or|and|to|plus|minus|times|divided|over|by|x|of|hundred|thousand|million|billion|trillion|percent|am|pm)\b)"
    r"[A-Za-z]{2,}"
)


@dataclass(frozen=True)
class AnswerSpan:
    """Tokens start to stop (half-open, from 0) of a run's response. way: which rule found them, label: in words."""

    start: int
    stop: int
    text: str
    way: str = ""
    label: str = ""


def find_answers(trace: Trace) -> tuple[AnswerSpan, ...]:
    """What the rules find, the most explicit first, each place once; () for nothing."""
    text = trace.answer
    found: dict[tuple[int, int], AnswerSpan] = {}
    for way, (label, find) in FINDERS.items():
        field = find(text)
        span = _tokens(trace, field, way, label) if field else None
        if span:
            found.setdefault((span.start, span.stop), span)
    return tuple(found.values())


def check_span(trace: Trace, span: tuple[int, int]) -> AnswerSpan:
    """The span of a run's response that somebody chose. Raises BadInput for one that holds or leaves nothing."""
    start, stop = span
    count = len(trace)
    if start < 0:
        raise BadInput(f"The answer begins at position {start}, in the prompt: choose tokens of the response.")
    if stop <= start:
        raise BadInput("The answer is empty: select at least one token of the response.")
    if stop > count:
        raise BadInput(f"The answer ends at position {stop:,}, but the response has {count:,} tokens only.")
    if start == 0 and stop == count:
        raise BadInput("The whole response is selected: nothing stands before it that it could rest on. Select less.")
    if start == 0:
        raise BadInput("The answer begins with the first token: nothing of the response stands before it.")
    return AnswerSpan(start, stop, "".join(trace.pieces[start:stop]))


def _tokens(trace: Trace, field: Found, way: str, label: str) -> AnswerSpan | None:
    special = [int(i) in trace.special_ids for i in trace.token_ids]
    start = first_token(trace.pieces, special, field.start)
    stop = first_token(trace.pieces, special, field.stop - 1)
    # the last character may be spelt by several tokens, of which the last has its text
    while stop < len(trace) and trace.pieces[stop] == "" and not special[stop]:
        stop += 1
    stop += 1
    if not 0 < start < stop <= len(trace):
        return None
    return AnswerSpan(start, stop, trace.answer[field.start : field.stop], way, label)


def _by(name: str) -> Callable[[str], Found | None]:
    return lambda text: extractor(name).find(text, "")


def _stated(text: str) -> Found | None:
    """What follows “answer is”: its number where words about it follow that, else all of it."""
    found = extractor("answer_is").find(text, "")
    number = extractor("first_number").find(text[found.start : found.stop], "") if found else None
    if not found or not number or number.start or not _ABOUT.match(text, found.start + number.stop):
        return found
    return Found(number.label, found.start, found.start + number.stop, number.number)


def _last_line_number(text: str) -> Found | None:
    """The last number of the last line that is not empty."""
    end = len(text.rstrip())
    begin = text.rfind("\n", 0, end) + 1
    found = extractor("last_number").find(text[begin:end], "")
    return Found(found.label, begin + found.start, begin + found.stop, found.number) if found else None


FINDERS: dict[str, tuple[str, Callable[[str], Found | None]]] = {
    "boxed": ("\\boxed{…}", _by("boxed")),
    "choice_letter": ("Choice letter", _by("choice_letter")),
    "answer_is": ("“The answer is …”", _stated),
    "last_line_number": ("Last number of the last line", _last_line_number),
}
