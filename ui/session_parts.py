"""Single values of a session's file, checked one by one: texts, numbers, times, settings, frozen runs.

Each raises BadInput, half a sentence that the reader of lines completes with the line. Does not know lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from engine.errors import BadInput
from engine.label_events import check_uuid
from engine.label_nodes import shown
from storage.annotation_records import FrozenRun, SessionSettings
from ui.session_lines import settings_fields

MOST_NUMBER = 2**63 - 1


def read_run(fields: Any) -> FrozenRun:
    """A frozen run; BadInput unless hash, tokens and text go together."""
    if not isinstance(fields, Mapping):
        raise BadInput("a run is a mapping")
    text, system, seed = string(fields["text"], "text"), fields["system"], fields["seed"]
    if fields["text_hash"] != sha256(text.encode()).hexdigest():
        raise BadInput("the text_hash of a run is not that of its text")
    pieces = tuple(_pieces(text, fields["token_starts"]))
    special = fields["special"]
    if not isinstance(special, list) or any(whole_number(one, 0) >= len(pieces) for one in special):
        raise BadInput("special must be a list of indices of tokens")
    return FrozenRun(
        uid=check_uuid(fields["run"], "the id of a run"),
        prompt=string(fields["prompt"], "prompt"),
        system=None if system is None else string(system, "system"),
        text=text,
        pieces=pieces,
        special=tuple(special),
        text_hash=fields["text_hash"],
        model_name=string(fields["model"], "model"),
        seed=None if seed is None else _seed(seed),
    )


def _pieces(text: str, starts: Any) -> Iterator[str]:
    if not isinstance(starts, list) or any(isinstance(one, bool) or not isinstance(one, int) for one in starts):
        raise BadInput("token_starts must be a list of whole numbers")
    ends = [*starts[1:], len(text)] if starts else []
    if (starts[0] if starts else len(text)) != 0 or any(a > b for a, b in zip(starts, ends, strict=True)):
        raise BadInput("token_starts must begin at 0 and go up to the end of the text")
    return (text[a:b] for a, b in zip(starts, ends, strict=True))


def read_settings(value: Any) -> SessionSettings:
    """Settings of the right names and times; their values are checked where sessions are made."""
    names = set(settings_fields(SessionSettings()))
    if not isinstance(value, Mapping) or set(value) != names:
        raise BadInput(f"the settings must be exactly: {', '.join(sorted(names))}")
    quiz = value["quiz"]
    if not isinstance(quiz, list) or not all(isinstance(question, Mapping) for question in quiz):
        raise BadInput("the quiz must be a list of questions")
    times = {name: moment(value[name], name) for name in ("opens_at", "closes_at")}
    return SessionSettings(**{**value, **times, "quiz": tuple(dict(question) for question in quiz)})


def string(value: Any, field: str) -> str:
    """A text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise BadInput(f"{field} must be text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{field} holds half of a character (a lone surrogate)") from error
    return value


def whole_number(value: Any, low: int, high: int = MOST_NUMBER) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadInput(f"{shown(value)} stands where a whole number from {low} must stand")
    return value


def _seed(value: Any) -> int:
    if not isinstance(value, str) or not (value.isascii() and value.isdigit() and len(value) < 20):
        raise BadInput("a seed is a whole number written as text")
    return whole_number(int(value), 0)


def flag(value: Any, field: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadInput(f"{field} must be true or false")
    return value


def one_of(value: Any, known: tuple[str, ...], field: str) -> str:
    """One of the known words."""
    if not isinstance(value, str) or value not in known:
        raise BadInput(f"{field} is {shown(value)}; it must be one of {', '.join(known)}")
    return value


def moment(value: Any, field: str) -> datetime | None:
    """A time in UTC, or None."""
    if value is None:
        return None
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{field} must be a time such as 2026-11-22T14:03:22.000000Z") from error


def required_moment(value: Any, field: str) -> datetime:
    """A time in UTC."""
    found = moment(value, field)
    if found is None:
        raise BadInput(f"{field} must be a time")
    return found
