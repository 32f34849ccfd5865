"""What an owner may ask for: titles, guidelines, settings, items and schemas, checked before anything is written.

Knows bounds and forms; does not know tables or who is asking.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, get_args

from engine.errors import BadInput
from engine.label_events import check_result
from engine.label_schema import LabelSchema, schema_fields, schema_of
from storage.annotation_records import NewItem, Order, Part, SessionSettings
from storage.annotation_rows import Row, to_micros, to_moment
from storage.limits import StoreLimits
from storage.values import clean_json, clean_text, clean_uid, whole_number

MOST_OVERLAP = 1_000
MOST_QUIZ = 40
MOST_OPTIONS = 40
_COLUMNS = ("overlap", "blind")
_TIMES = ("opens_at", "closes_at")


def settings_row(settings: SessionSettings, limits: StoreLimits) -> Row:
    """The columns overlap, blind and settings of a session; BadInput names what is wrong."""
    checked = _checked(settings, limits)
    values = {field.name: getattr(checked, field.name) for field in fields(SessionSettings)}
    values |= {name: to_micros(values[name]) for name in _TIMES}
    values["quiz"] = [dict(row) for row in checked.quiz]
    own = {name: value for name, value in values.items() if name not in _COLUMNS}
    text = clean_json(own, "The settings", limits)
    return {"overlap": checked.overlap, "blind": int(checked.blind), "settings": text}


def settings_of_row(row: Row) -> SessionSettings:
    """The settings of a verified session row."""
    values = json.loads(row["settings"])
    known = {field.name for field in fields(SessionSettings)}
    values = {name: value for name, value in values.items() if name in known}
    values |= {name: to_moment(values[name]) for name in _TIMES}
    values["quiz"] = tuple(values["quiz"])
    return SessionSettings(overlap=row["overlap"], blind=bool(row["blind"]), **values)


def _checked(settings: SessionSettings, limits: StoreLimits) -> SessionSettings:
    whole_number(settings.overlap, "The overlap", 0, MOST_OVERLAP)
    whole_number(settings.seed, "The seed")
    whole_number(settings.check_every, "The number of items between checks", 0, limits.session_items)
    if settings.order not in get_args(Order):
        raise BadInput(f"The order {settings.order!a} is unknown; use one of {', '.join(get_args(Order))}.")
    clean_text(settings.order_score, "The score to order by", limits.name_chars)
    for name in ("blind", "show_scores"):
        if not isinstance(getattr(settings, name), bool):
            raise BadInput(f"The setting {name} must be true or false.")
    if settings.blind and settings.show_scores:
        raise BadInput("A blind session shows no scores to annotators; choose one: blind, or scores shown.")
    for name in _TIMES:
        value = getattr(settings, name)
        if value is not None and not isinstance(value, datetime):
            raise BadInput(f"The setting {name} must be a time or nothing.")
        to_micros(value)
    if settings.opens_at and settings.closes_at and settings.opens_at >= settings.closes_at:
        raise BadInput("The session would close before it opens; choose a later closing date.")
    whole_number(len(settings.quiz), "The number of questions on the guidelines", 0, MOST_QUIZ)
    return replace(settings, quiz=tuple(_quiz_row(row, limits) for row in settings.quiz))


def _quiz_row(row: object, limits: StoreLimits) -> dict[str, Any]:
    if not isinstance(row, Mapping) or set(row) != {"question", "options", "answer"}:
        raise BadInput("A question on the guidelines has question, options and answer.")
    question = clean_text(row["question"], "A question on the guidelines", limits.title_chars, empty=False)
    options = row["options"]
    if isinstance(options, str) or not isinstance(options, Sequence) or not 2 <= len(options) <= MOST_OPTIONS:
        raise BadInput(f"The question “{question}” needs 2 to {MOST_OPTIONS} options.")
    texts = [clean_text(option, "An option", limits.title_chars, empty=False) for option in options]
    if row["answer"] not in texts:
        raise BadInput(f"The right answer to “{question}” must be one of its options.")
    return {"question": question, "options": texts, "answer": row["answer"]}


def clean_schema(schema: Mapping[str, Any], limits: StoreLimits) -> str:
    """A schema as the JSON that is stored; BadInput for one that cannot be used."""
    return clean_json(schema_fields(schema_of(schema)), "The schema", limits)


@lru_cache(maxsize=64)
def schema_of_text(body: str) -> LabelSchema:
    """The schema that a stored text holds; remembered, because every save asks for it."""
    return schema_of(json.loads(body))


def clean_items(items: Sequence[NewItem], limits: StoreLimits) -> tuple[NewItem, ...]:
    """Items whose form is right; what they say of runs is checked when the runs are there."""
    if not 1 <= len(items) <= limits.session_items:
        raise BadInput(f"A session has 1 to {limits.session_items:,} items, not {len(items):,}; choose among the runs.")
    for number, item in enumerate(items, 1):
        if not isinstance(item.runs, tuple) or len(item.runs) not in (1, 2):
            raise BadInput(f"Item {number} must name one run, or two to compare.")
        for uid in item.runs:
            clean_uid(uid, f"The run of item {number}")
        check_part(item.part, item.expected, f"Item {number}")
    if not any(item.part == "work" for item in items):
        raise BadInput("A session needs at least one item to work on beside those for training and checks.")
    return tuple(items)


def check_part(part: object, expected: object, what: str) -> None:
    """BadInput unless the part is known and a check item says what is expected."""
    if part not in get_args(Part):
        raise BadInput(f"{what} is for {str(part)[:40]!a}; use one of {', '.join(get_args(Part))}.")
    if part == "check" and expected is None:
        raise BadInput(f"{what} is a check: say what its right labels or answers are.")


def expected_text(
    expected: Mapping[str, Any] | None, schema: LabelSchema, tokens: Sequence[int], what: str, limits: StoreLimits
) -> str | None:
    """What is known of an item as the JSON that is stored; BadInput where it does not fit schema or runs.

    A part that is absent stays absent: known answers alone say nothing of labels.
    """
    if expected is None:
        return None
    if not isinstance(expected, Mapping) or not set(expected) <= {"labels", "answers"}:
        raise BadInput(f"{what}: what is expected must have labels (a list) or answers (named values).")
    given = {name: value for name, value in expected.items() if value is not None}
    try:
        cleaned = check_result(schema, given, tokens)
    except BadInput as problem:
        raise BadInput(f"{what}: what is expected does not fit. {problem}") from problem
    return clean_json({name: cleaned[name] for name in cleaned if name in given}, "What is expected", limits)
