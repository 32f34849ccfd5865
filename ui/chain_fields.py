"""What may be asked of an attention chain: raw values to settings, settings to plain values and back.

Every refusal names value and remedy. Does not know the store or how a chain is traced.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from engine.answer_span import NOT_FOUND, AnswerSpan, check_span, find_answers
from engine.chain_settings import RANGES, WORDS, ChainSettings, checked
from engine.errors import BadInput
from engine.types import Trace
from ui.access import Viewer
from ui.numbers import whole

SPAN = ("start", "stop")
# variants are what takes time: at most this many of each for strangers
PUBLIC_MOST = {"similar": 20, "more": 20}
# and as many tokens an answer may have there
PUBLIC_ANSWER = 200


def settings_of(asked: Mapping[str, Any], viewer: Viewer) -> ChainSettings:
    """Settings from raw values, numbers also as text; None and "" mean the default. Raises BadInput."""
    usual = asdict(ChainSettings())
    unknown = [name for name in asked if name not in usual and name not in SPAN]
    if unknown:
        raise BadInput(
            f"A chain has no setting {str(unknown[0])[:40]!r}; the settings are: {', '.join(sorted(usual))}."
        )
    given: dict[str, Any] = {name: value for name, value in asked.items() if name in usual and value not in (None, "")}
    for name, (low, high) in RANGES.items():
        if name not in given:
            continue
        most = high if viewer.trusted else min(high, PUBLIC_MOST.get(name, high))
        label = f"The {WORDS[name]}"
        given[name] = whole(label, given[name], int(low), int(most)) if isinstance(low, int) else _real(given[name])
    if "extra_stop_words" in given:
        given["extra_stop_words"] = _words(given["extra_stop_words"])
    for name in ("language", "reduction"):
        if name in given:
            given[name] = str(given[name])
    return checked(ChainSettings(**given))


def span_of(asked: Mapping[str, Any], trace: Trace) -> AnswerSpan:
    """The answer that was asked for, else the first one that the rules find. Raises BadInput."""
    given = [asked.get(name) for name in SPAN]
    if all(value in (None, "") for value in given):
        found = find_answers(trace)
        if not found:
            raise BadInput(NOT_FOUND)
        return found[0]
    if any(value in (None, "") for value in given):
        raise BadInput("An answer needs both ends, start and stop; without either it is looked for in the text.")
    # a place before the response is told in words of its own
    low = -(2**31)
    start, stop = (whole(f"The answer's {name}", value, low, 2**31) for name, value in zip(SPAN, given, strict=True))
    return check_span(trace, (start, stop))


def check_length(span: AnswerSpan, viewer: Viewer) -> AnswerSpan:
    """The span again; BadInput where it is longer than this person may ask for."""
    length = span.stop - span.start
    if length > PUBLIC_ANSWER and not viewer.trusted:
        raise BadInput(f"The answer has {length:,} tokens; at most {PUBLIC_ANSWER} are allowed here: select fewer.")
    return span


def to_plain(settings: ChainSettings) -> dict[str, Any]:
    """Settings as JSON has them."""
    plain = asdict(settings)
    plain["extra_stop_words"] = list(settings.extra_stop_words)
    return plain


def from_plain(plain: Mapping[str, Any]) -> ChainSettings:
    """Settings as they were stored; what is not known any more is left out."""
    known = {field.name for field in fields(ChainSettings)}
    values = {name: value for name, value in plain.items() if name in known}
    values["extra_stop_words"] = tuple(values.get("extra_stop_words", ()))
    return ChainSettings(**values)


def _real(value: Any) -> Any:
    """A number from text; anything else is left for `checked` to refuse."""
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        return value
    return value if isinstance(number, float) and not math.isfinite(number) else number


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(r"[\s,;]+", value)
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise BadInput("Further stop words must be text, with blanks or commas between the words.")
    return tuple(word[:60] for word in value if word)
