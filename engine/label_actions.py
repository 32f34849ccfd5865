"""What annotators do, one event an action, and what an event of each kind may carry.

Pure; does not know what events come to (label_events.py), who may do what, or the store.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.errors import BadInput
from engine.label_nodes import shown
from engine.label_schema import check_answer, check_label, check_text
from engine.label_types import ANSWER_CHARS, LabelSchema

REASON_CHARS = 1_000
# a month: more than a tab can have been open between two actions and be believed
MOST_MS = 31 * 86_400_000
_UUID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class LabelEvent:
    """One action of one person on one item; payload: what `check_event` lets through for its kind.

    active_ms: time since the person's event before, with pauses left out; wall_ms: by the clock.
    schema_version, guidelines_version: those it was made under; 0 for guidelines that nobody named, the current ones.
    """

    uuid: str
    kind: str
    payload: Mapping[str, Any]
    active_ms: int = 0
    wall_ms: int = 0
    at: datetime | None = None
    schema_version: int = 1
    guidelines_version: int = 0


def check_event(schema: LabelSchema, kind: str, payload: Mapping[str, Any], tokens: Sequence[int]) -> dict[str, Any]:
    """An event's payload, cleaned. tokens: length of each run of the item. BadInput for an unknown kind, other fields
    than the kind has, and values that schema or item do not allow."""
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise BadInput(f"There is no action {shown(kind)}; the actions are: {', '.join(_READERS)}.")
    fields, read = reader
    if not isinstance(payload, Mapping) or set(payload) != set(fields):
        said = ", ".join(fields) or "nothing"
        raise BadInput(f"The action '{kind}' carries exactly: {said}.")
    return read(schema, payload, tokens)


def _label(schema: LabelSchema, payload: Mapping[str, Any], tokens: Sequence[int]) -> dict[str, Any]:
    run = payload["run"]
    if isinstance(run, bool) or not isinstance(run, int) or not 0 <= run < len(tokens):
        raise BadInput(f"The run of a label is {shown(run)}; this item has {len(tokens)}, counted from 0.")
    check_label(schema, payload["set"], payload["label"], payload["start"], payload["stop"], tokens[run])
    return {name: payload[name] for name in ("set", "label", "run", "start", "stop")}


def _target(_: LabelSchema, payload: Mapping[str, Any], __: Sequence[int]) -> dict[str, Any]:
    return {"target": check_uuid(payload["target"], "The target of an action")}


def check_uuid(value: Any, what: str = "The id of an action") -> str:
    """An event's id: 1 to 64 letters, digits, '-' or '_'."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise BadInput(f"{what} is {shown(value)}; it must be 1 to 64 letters, digits, '-' or '_'.")
    return value


def _answer(schema: LabelSchema, payload: Mapping[str, Any], tokens: Sequence[int]) -> dict[str, Any]:
    name, value = payload["question"], payload["value"]
    if value is None and isinstance(name, str) and schema.question(name):
        return {"question": name, "value": None}
    value = check_answer(schema, name, value, tokens[0] if tokens else 0)
    empty = value == [] or (isinstance(value, str) and not value.strip())
    return {"question": name, "value": None if empty else value}


def _comment(_: LabelSchema, payload: Mapping[str, Any], __: Sequence[int]) -> dict[str, Any]:
    return {"text": check_text(payload["text"], "The comment", ANSWER_CHARS)}


def _flag(_: LabelSchema, payload: Mapping[str, Any], __: Sequence[int]) -> dict[str, Any]:
    if not isinstance(payload["on"], bool):
        raise BadInput(f"A flag is on or off (true or false), not {shown(payload['on'])}.")
    return {"on": payload["on"]}


def _skip(_: LabelSchema, payload: Mapping[str, Any], __: Sequence[int]) -> dict[str, Any]:
    reason = check_text(payload["reason"], "The reason for skipping", REASON_CHARS).strip()
    if not reason:
        raise BadInput("Skipping needs a reason: choose one, or write it.")
    return {"reason": reason}


def _nothing(_: LabelSchema, __: Mapping[str, Any], ___: Sequence[int]) -> dict[str, Any]:
    return {}


_Reader = Callable[[LabelSchema, Mapping[str, Any], Sequence[int]], dict[str, Any]]
# kind -> the fields of its payload, and what checks them
_READERS: dict[str, tuple[tuple[str, ...], _Reader]] = {
    "label": (("set", "label", "run", "start", "stop"), _label),
    "unlabel": (("target",), _target),
    "answer": (("question", "value"), _answer),
    "comment": (("text",), _comment),
    "flag": (("on",), _flag),
    "skip": (("reason",), _skip),
    "submit": ((), _nothing),
    "reopen": ((), _nothing),
    "undo": (("target",), _target),
    "redo": (("target",), _target),
    "time": ((), _nothing),
}
KINDS = tuple(_READERS)


def check_milliseconds(value: Any) -> int:
    """A time an action took, whole milliseconds of at most a month; BadInput for what is no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_MS:
        raise BadInput(f"The time of an action is {shown(value)}; it must be 0 to {MOST_MS:,} milliseconds.")
    return round(value)
