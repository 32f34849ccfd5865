"""Where a person stands on an item, followed one action after another: what decides whether the next one may come.

Says the same of status, flag and answers as the fold of all events (label_events.py), at a cost for each action that
does not grow with those before it. Pure; does not know the store or who may do what.
"""

from __future__ import annotations

from typing import Any

from engine.label_actions import LabelEvent
from engine.label_events import UNDOABLE, Status, status_after
from engine.label_types import LabelSchema

_FLAG = ""  # no question has this name


class Course:
    """The actions so far. events: how many; changed in place by `add`, each event once."""

    def __init__(self) -> None:
        self.status: Status = "new"
        self.events = 0
        self._kinds: dict[str, str] = {}
        self._void: set[str] = set()
        self._said: dict[str, list[tuple[str, Any]]] = {}

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._kinds

    def add(self, event: LabelEvent) -> None:
        """Follow one more action."""
        self.events += 1
        self._kinds[event.uuid] = event.kind
        self.status = status_after(self.status, event.kind)
        if event.kind == "answer":
            self._said.setdefault(event.payload["question"], []).append((event.uuid, event.payload["value"]))
        elif event.kind == "flag":
            self._said.setdefault(_FLAG, []).append((event.uuid, event.payload["on"]))
        elif event.kind == "undo" and self._kinds.get(event.payload["target"]) in UNDOABLE:
            self._void.add(event.payload["target"])
        elif event.kind == "redo":
            self._void.discard(event.payload["target"])

    @property
    def flagged(self) -> bool:
        """Whether the item is flagged."""
        return bool(self._last(_FLAG))

    def missing(self, schema: LabelSchema) -> tuple[str, ...]:
        """Titles of the required questions that have no answer."""
        return tuple(one.title for one in schema.questions if one.required and self._last(one.name) is None)

    def _last(self, name: str) -> Any:
        """What was said last and not undone."""
        return next((value for uuid, value in reversed(self._said.get(name, [])) if uuid not in self._void), None)
