"""What annotators do, one event an action, and the state that a person's events on an item come to.

Events are never changed: undo and redo are events too, and the state is a fold over all of them in order of arrival.
Pure; does not know the store or who may do what. The page folds by the same rules in annotate_state.js.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from engine.errors import BadInput
from engine.label_actions import KINDS, LabelEvent, check_event, check_milliseconds, check_uuid
from engine.label_layers import AppliedLabel, Layers, place
from engine.label_types import LabelSchema, LabelSet

__all__ = [
    "KINDS", "UNDOABLE", "AppliedLabel", "ItemState", "LabelEvent", "Status", "check_event", "check_milliseconds",
    "check_result", "check_uuid", "fold", "grid", "missing", "result_fields", "result_state",
    "standing", "state_fields", "status_after",
]  # fmt: skip

Status = Literal["new", "open", "submitted", "skipped"]

# what undo takes back; submitting and skipping are lifted by "reopen"
UNDOABLE = ("label", "unlabel", "answer", "comment", "flag")
_BEGINS = (*UNDOABLE, "undo", "redo")
_OPENS_SKIPPED = ("label", "unlabel", "answer")


@dataclass(frozen=True)
class ItemState:
    """What one person has said of one item.

    labels: from left to right. undoable, redoable: the event that undo and redo would take. changes: how often it was
    opened again after it was submitted or skipped. events: how many there are, undone ones included.
    """

    labels: tuple[AppliedLabel, ...] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""
    flagged: bool = False
    status: Status = "new"
    skip_reason: str = ""
    active_seconds: float = 0.0
    wall_seconds: float = 0.0
    events: int = 0
    undoable: str | None = None
    redoable: str | None = None
    changes: int = 0
    guidelines_versions: tuple[int, ...] = ()


def fold(events: Iterable[LabelEvent], schema: LabelSchema) -> ItemState:
    """The state that a person's events on an item come to, in order of their arrival; one that came twice counts once.

    In a set without overlap a label takes its tokens away from the set's earlier labels; the same label on the same
    tokens again is the one that is there.
    """
    arrived = _once(events)
    void, undoable, redoable = _undone(arrived)
    layers = Layers(schema)
    answers: dict[str, Any] = {}
    comment, flagged = "", False
    for event in arrived:
        if event.uuid in void:
            continue
        payload = event.payload
        if event.kind == "label":
            layers.add(AppliedLabel(event.uuid, **payload))
        elif event.kind == "unlabel":
            layers.remove(payload["target"])
        elif event.kind == "answer" and payload["value"] is None:
            answers.pop(payload["question"], None)
        elif event.kind == "answer":
            answers[payload["question"]] = payload["value"]
        elif event.kind == "comment":
            comment = payload["text"]
        elif event.kind == "flag":
            flagged = payload["on"]
    status, reason, changes = _status(arrived)
    return ItemState(
        labels=layers.standing(),
        answers=dict(sorted(answers.items())),
        comment=comment,
        flagged=flagged,
        status=status,
        skip_reason=reason,
        active_seconds=sum(event.active_ms for event in arrived) / 1000,
        wall_seconds=sum(event.wall_ms for event in arrived) / 1000,
        events=len(arrived),
        undoable=undoable,
        redoable=redoable,
        changes=changes,
        guidelines_versions=tuple(sorted({event.guidelines_version for event in arrived})),
    )


def standing(events: Iterable[LabelEvent]) -> tuple[LabelEvent, ...]:
    """The events that count in the end, in order: each once, without those that were undone."""
    arrived = _once(events)
    void = _undone(arrived)[0]
    return tuple(event for event in arrived if event.uuid not in void)


def _once(events: Iterable[LabelEvent]) -> list[LabelEvent]:
    found: dict[str, LabelEvent] = {}
    for event in events:
        found.setdefault(event.uuid, event)
    return list(found.values())


def _undone(events: Sequence[LabelEvent]) -> tuple[set[str], str | None, str | None]:
    """The events that are void in the end, the one that undo would take, and the one that redo would."""
    void: set[str] = set()
    # dicts as ordered sets: taking one out of the middle of a list would take longer the more there are
    done: dict[str, None] = {}
    taken_back: dict[str, None] = {}
    for event in events:
        if event.kind in UNDOABLE:
            done[event.uuid] = None
            taken_back.clear()
        elif event.kind == "undo" and (target := event.payload["target"]) in done:
            del done[target]
            taken_back[target] = None
            void.add(target)
        elif event.kind == "redo" and (target := event.payload["target"]) in void:
            void.remove(target)
            done[target] = None
            taken_back.pop(target, None)
    return void, next(reversed(done), None), next(reversed(taken_back), None)


def _status(events: Sequence[LabelEvent]) -> tuple[Status, str, int]:
    """Status, reason of skipping, and how often it was opened again."""
    status: Status = "new"
    reason, changes = "", 0
    for event in events:
        if event.kind == "skip" and status != "submitted":
            reason = event.payload["reason"]
        elif event.kind == "reopen" and status in {"submitted", "skipped"}:
            changes += 1
        status = status_after(status, event.kind)
    return status, reason if status == "skipped" else "", changes


def status_after(status: Status, kind: str) -> Status:
    """What an action of this kind makes of an item's status."""
    if kind == "submit":
        return "submitted"
    if kind == "skip":
        return status if status == "submitted" else "skipped"
    if kind == "reopen":
        return "open" if status in {"submitted", "skipped"} else status
    begun = status == "new" and kind in _BEGINS
    return "open" if begun or (status == "skipped" and kind in _OPENS_SKIPPED) else status


def missing(schema: LabelSchema, state: ItemState) -> tuple[str, ...]:
    """Titles of the required questions that have no answer; while there are any an item cannot be submitted."""
    return tuple(one.title for one in schema.questions if one.required and one.name not in state.answers)


def grid(state: ItemState, label_set: LabelSet, label: str | None, run: int, tokens: int) -> np.ndarray:
    """Which tokens of a run carry a label: int64 [tokens] of 0 and 1.

    Without a label: the place from 1 in its set of the label that each token carries, 0 for none; of several the one
    that the set lists first.
    """
    cells = np.zeros(tokens, np.int64)
    placed = [(label_set.index(one.label), one) for one in state.labels if (one.set, one.run) == (label_set.name, run)]
    for index, one in sorted(placed, key=lambda pair: -pair[0]):
        if label is None:
            cells[one.start : one.stop] = index + 1
        elif one.label == label:
            cells[one.start : one.stop] = 1
    return cells


def state_fields(state: ItemState) -> dict[str, Any]:
    """A state as the page has it."""
    return {
        "labels": [_label_fields(label, {"id": label.uuid}) for label in state.labels],
        "answers": dict(state.answers),
        "comment": state.comment,
        "flag": state.flagged,
        "status": state.status,
        "reason": state.skip_reason,
        "active": round(state.active_seconds, 3),
        "wall": round(state.wall_seconds, 3),
        "undo": state.undoable,
        "redo": state.redoable,
        "changes": state.changes,
    }


def result_fields(state: ItemState) -> dict[str, Any]:
    """What a state says of the item and nothing of how it came about: {"labels", "answers"}."""
    return {"labels": [_label_fields(label, {}) for label in state.labels], "answers": dict(state.answers)}


def _label_fields(one: AppliedLabel, head: dict[str, Any]) -> dict[str, Any]:
    return {**head, "set": one.set, "label": one.label, "run": one.run, "start": one.start, "stop": one.stop}


def check_result(schema: LabelSchema, fields: Any, tokens: Sequence[int]) -> dict[str, Any]:
    """Labels and answers that somebody wrote down for an item (a final, the known answer of a check item), cleaned.

    fields: {"labels": [{set, label, run, start, stop}], "answers": {question: value}}, either may be absent; a label
    may carry an "id", which is left out. BadInput as `check_event` raises it.
    """
    if not isinstance(fields, Mapping) or not isinstance(fields.get("labels", []), list | tuple):
        raise BadInput("A result is a mapping with a list 'labels' and a mapping 'answers'.")
    if not isinstance(fields.get("answers", {}), Mapping):
        raise BadInput("The answers of a result must be a mapping from questions to values.")
    events = []
    for i, label in enumerate(fields.get("labels", [])):
        own = {name: value for name, value in label.items() if name != "id"} if isinstance(label, Mapping) else label
        events.append(LabelEvent(f"l{i}", "label", check_event(schema, "label", own, tokens)))
    for i, (name, value) in enumerate(fields.get("answers", {}).items()):
        payload = check_event(schema, "answer", {"question": name, "value": value}, tokens)
        events.append(LabelEvent(f"a{i}", "answer", payload))
    return result_fields(fold(events, schema))


def result_state(fields: Mapping[str, Any]) -> ItemState:
    """A checked result as the state of somebody who has submitted it, so that it can be compared with others'."""
    labels = (AppliedLabel(str(i), **one) for i, one in enumerate(fields.get("labels", ())))
    return ItemState(tuple(sorted(labels, key=place)), dict(fields.get("answers", {})), status="submitted")
