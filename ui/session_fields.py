"""What a session's owner enters, as values of the store, and back; every wrong entry is refused with the field's name.

Does not know the store's tables or how a session goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from engine import run_scores
from engine.errors import BadInput
from engine.label_events import check_result
from engine.label_schema import LabelSchema
from storage.annotation_records import NewItem, SessionSettings
from ui.given import whole_of
from ui.wire import minute

ORDERS = ("shuffled", "fixed", "uncertain")
PARTS = ("work", "training", "check")
MOST_OVERLAP = 100
MOST_ITEMS = 10_000
MOST_QUIZ = 10
QUIZ_CHARS = 400
MAX_SEED = 2**53 - 1
FIELDS = (
    "overlap",
    "order",
    "order_score",
    "seed",
    "blind",
    "show_scores",
    "check_every",
    "opens_at",
    "closes_at",
    "quiz",
)


def settings_of(fields: Any, base: SessionSettings) -> SessionSettings:
    """`base` with what `fields` say; BadInput names a field that is unknown or wrong."""
    if not isinstance(fields, Mapping):
        raise BadInput("The settings must be named values.")
    if unknown := [str(name)[:40] for name in fields if name not in FIELDS]:
        raise BadInput(f"There is no setting {unknown[0]!a}; the settings are {', '.join(FIELDS)}.")
    read = {
        "overlap": lambda value: _whole(value, "overlap", 0, MOST_OVERLAP),
        "order": lambda value: _one_of(value, "order", ORDERS),
        "order_score": _score_name,
        "seed": lambda value: _whole(value, "seed", 0, MAX_SEED),
        "blind": lambda value: _switch(value, "blind"),
        "show_scores": lambda value: _switch(value, "show_scores"),
        "check_every": lambda value: _whole(value, "check_every", 0, MOST_ITEMS),
        "opens_at": lambda value: _moment(value, "opens_at"),
        "closes_at": lambda value: _moment(value, "closes_at"),
        "quiz": _quiz,
    }
    found = replace(base, **{name: read[name](value) for name, value in fields.items()})
    if found.order == "uncertain" and not found.order_score:
        raise BadInput("To begin with the most uncertain runs, name the score they are ordered by (order_score).")
    if found.opens_at and found.closes_at and found.opens_at >= found.closes_at:
        raise BadInput("The session would close before it opens; choose a later closing date.")
    if found.blind and found.show_scores:
        raise BadInput("A blind session hides the scores: switch blind off to show them.")
    return found


def settings_fields(settings: SessionSettings) -> dict[str, Any]:
    """Settings as the page and scripts see them: times as ISO 8601 in UTC or null."""
    return {
        **{name: getattr(settings, name) for name in FIELDS if name not in ("opens_at", "closes_at", "quiz")},
        "opens_at": minute(settings.opens_at),
        "closes_at": minute(settings.closes_at),
        "quiz": [dict(row) for row in settings.quiz],
    }


def items_of(runs: Any) -> list[NewItem]:
    """Items from what was listed: a uid, a pair of uids, or {run | runs, part, expected}."""
    if not isinstance(runs, Sequence) or isinstance(runs, str) or not runs:
        raise BadInput("Choose at least one run for the session: a list of run ids or of pairs of them.")
    if len(runs) > MOST_ITEMS:
        raise BadInput(f"{len(runs):,} items are too many for one session; make several of at most {MOST_ITEMS:,}.")
    items = [_item(row, place) for place, row in enumerate(runs, 1)]
    if not any(item.part == "work" for item in items):
        raise BadInput("A session needs at least one item to work on beside those for training and checks.")
    if len({len(item.runs) for item in items}) > 1:
        raise BadInput("All items of a session must be single runs, or all pairs of runs.")
    return items


def checked_items(schema: LabelSchema, items: Sequence[NewItem], tokens: Sequence[Sequence[int]]) -> list[NewItem]:
    """The items with their known answers cleaned. tokens: of each run of each item.

    BadInput where the schema does not suit the items, or a known answer not the schema.
    """
    pairs = len(items[0].runs) == 2
    checked: list[NewItem] = []
    for question in schema.questions:
        if question.kind == "preference" and not pairs:
            raise BadInput(f"“{question.title}” asks for a preference: choose pairs of runs as items.")
    for place, (item, counts) in enumerate(zip(items, tokens, strict=True), 1):
        if item.expected is None:
            checked.append(item)
            continue
        try:
            known = check_result(schema, item.expected, counts)
            # what is not known stays unknown: no list of labels is another thing than an empty one
            checked.append(replace(item, expected={name: known[name] for name in known if name in item.expected}))
        except BadInput as error:
            raise BadInput(f"The known answer of item {place} does not fit: {error}") from error
    return checked


def _item(row: Any, place: int) -> NewItem:
    part, expected = "work", None
    if isinstance(row, Mapping):
        if unknown := [str(name)[:40] for name in row if name not in ("run", "runs", "part", "expected")]:
            raise BadInput(f"Item {place} has a field {unknown[0]!a}; use run or runs, part and expected.")
        part = _one_of(row.get("part", "work"), f"part of item {place}", PARTS)
        expected = row.get("expected")
        row = row.get("runs", row.get("run"))
    uids = (row,) if isinstance(row, str) else tuple(row) if isinstance(row, list | tuple) else ()
    if len(uids) not in (1, 2) or not all(isinstance(uid, str) for uid in uids):
        raise BadInput(f"Item {place} must name one run or two by their ids.")
    if len(set(uids)) < len(uids):
        raise BadInput(f"Item {place} compares a run with itself; choose two different runs.")
    if expected is not None and not _is_answer(expected):
        raise BadInput(f"The known answer of item {place} must have labels (a list) or answers (named values).")
    if part != "work" and expected is None:
        raise BadInput(f"Item {place} is for {'training' if part == 'training' else 'checks'}: give its known answer.")
    return NewItem(uids, part, expected if part != "work" else None)


def _is_answer(value: Any) -> bool:
    if not isinstance(value, Mapping) or not set(value) <= {"labels", "answers"} or not value:
        return False
    labels, answers = value.get("labels"), value.get("answers")
    return isinstance(labels, list | None) and isinstance(answers, Mapping | None)


def _whole(value: Any, field: str, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return whole_of(value, f"setting {field}", high, low)


def _one_of(value: Any, field: str, known: Sequence[str]) -> Any:
    if not isinstance(value, str) or value not in known:
        raise BadInput(f"The {field} {str(value)[:40]!a} is unknown; use one of {', '.join(known)}.")
    return value


def _switch(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"The setting {field} must be true or false, not {str(value)[:40]!a}.")
    return value


def _score_name(value: Any) -> str:
    known = order_scores()
    if value and (not isinstance(value, str) or value not in known):
        raise BadInput(f"There is no score {str(value)[:40]!a} to order by; the scores are {', '.join(known)}.")
    return str(value or "")


def order_scores() -> dict[str, str]:
    """Scores of runs by which the most uncertain can come first: name -> title."""
    return {name: entry.label for name, entry in run_scores.RECORDED.items()}


def _moment(value: Any, field: str) -> datetime | None:
    if value in (None, ""):
        return None
    try:
        found = datetime.fromisoformat(str(value))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"The date {field} {str(value)[:40]!a} cannot be read; write it as 2026-12-31 18:00.") from error


def _quiz(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MOST_QUIZ:
        raise BadInput(f"The questions on the guidelines (quiz) must be a list of at most {MOST_QUIZ}.")
    found = []
    for place, row in enumerate(value, 1):
        if not isinstance(row, Mapping) or not isinstance(row.get("question"), str):
            raise BadInput(f"Question {place} on the guidelines needs question, options and answer.")
        given = row.get("options")
        options = list(given) if isinstance(given, list | tuple) else []
        if len(options) < 2 or not all(isinstance(option, str) and len(option) <= QUIZ_CHARS for option in options):
            raise BadInput(f"Question {place} on the guidelines needs at least two options, each a text.")
        if row.get("answer") not in options:
            raise BadInput(f"Question {place} on the guidelines: the answer must be one of its options.")
        found.append({"question": row["question"][:QUIZ_CHARS], "options": options, "answer": row["answer"]})
    return tuple(found)
