"""What everybody entered in a session, folded into states; kept between questions and brought up to date by what came.

Only for those who may see it all: the store is asked with who is asking each time. Does not know what is made of it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from engine.label_events import ItemState, LabelEvent, fold
from engine.label_schema import LabelSchema, Question, schema_of
from storage.annotation_records import ItemOutline, MemberRecord, SessionRecord
from storage.database import Store

KEPT_SESSIONS = 4
# annotators of one item that are held against each other, pair by pair
MOST_COMPARED = 40
Key = tuple[str, str]
Marked = Mapping[str, set[tuple[str, int, int]]]


@dataclass(frozen=True)
class Desk:
    """Who works on a session's results: its owner by name, or an adjudicator who came by a labelling link."""

    session: SessionRecord
    reader: str | MemberRecord

    @property
    def asking(self) -> dict[str, Any]:
        """Who is asking, in the words of the store."""
        return {"viewer": self.reader} if isinstance(self.reader, str) else {"member": self.reader}


@dataclass(frozen=True)
class SessionStates:
    """A session with everything in it. states: (member uid, item uid) -> state; last: when a member did something;
    seq: number of the newest event. differences: item -> `disagreement` of who submitted it."""

    schema: LabelSchema
    outline: tuple[ItemOutline, ...]
    members: tuple[MemberRecord, ...]
    states: Mapping[Key, ItemState]
    last: Mapping[str, str]
    seq: int = 0
    differences: Mapping[str, float] = field(default_factory=dict)

    def submitted(self, item: str) -> dict[str, ItemState]:
        """Member uid -> state of those who submitted the item, in the order of the members."""
        found = {member.uid: self.states.get((member.uid, item)) for member in self.members}
        return {uid: state for uid, state in found.items() if state is not None and state.status == "submitted"}


@dataclass
class _Kept:
    """What was read of one session so far."""

    seq: int = 0
    events: dict[Key, list[LabelEvent]] = field(default_factory=dict)
    states: dict[Key, ItemState] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class StateBook:
    """Reads sessions; remembers the folded states of the last few."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, desk: Desk) -> SessionStates:
        """Everything of the session as it stands now."""
        annotations, schema = self._store.annotations, schema_of(desk.session.schema)
        outline = annotations.outline(desk.session)
        with self._lock:
            kept = self._kept.setdefault(desk.session.uid, _Kept())
            self._kept.move_to_end(desk.session.uid)
            while len(self._kept) > KEPT_SESSIONS:
                self._kept.popitem(last=False)
        # one session's reading keeps nobody from another's
        with kept.lock:
            self._follow(kept, desk, schema, outline)
            return SessionStates(
                schema,
                outline,
                annotations.members(desk.session, **desk.asking),
                dict(kept.states),
                dict(kept.last),
                kept.seq,
                dict(kept.differences),
            )

    def _follow(self, kept: _Kept, desk: Desk, schema: LabelSchema, outline: tuple[ItemOutline, ...]) -> None:
        """Take in what came since the last reading."""
        changed = set()
        for row in self._store.annotations.all_events(desk.session, after=kept.seq, **desk.asking):
            key = (row.member, row.item)
            kept.events.setdefault(key, []).append(row.event)
            changed.add(key)
            kept.seq = row.seq
            if row.event.at is not None:
                kept.last[row.member] = row.event.at.isoformat(timespec="seconds")
        for key in changed:
            kept.states[key] = fold(kept.events[key], schema)
        tokens = {item.uid: item.tokens for item in outline}
        by_item: dict[str, list[ItemState]] = {}
        wanted = {item for _, item in changed}
        for (_, item), state in kept.states.items():
            if item in wanted and state.status == "submitted":
                by_item.setdefault(item, []).append(state)
        for item in wanted:
            kept.differences[item] = disagreement(schema, by_item.get(item, []), tokens[item])


def disagreement(schema: LabelSchema, states: list[ItemState], tokens: tuple[int, ...]) -> float:
    """How far annotators of one item differ, in [0, 1]: the mean over pairs of them and over the questions and label
    sets that anybody used; NaN where fewer than two answered. Of more than MOST_COMPARED the first are compared.

    A question: 0 or 1, for a scale the distance over its length. A set: 1 - F1 of the labelled tokens, label by label.
    """
    compared = states[:MOST_COMPARED]
    if len(compared) < 2:
        return float("nan")
    marked = [_marked(state, tokens) for state in compared]
    parts = [
        part
        for i, j in combinations(range(len(compared)), 2)
        for part in (
            *(_question(question, compared[i], compared[j]) for question in schema.questions),
            *(_labels(label_set.name, marked[i], marked[j]) for label_set in schema.label_sets),
        )
        if part is not None
    ]
    return float(np.mean(parts)) if parts else 0.0


def _question(question: Question, one: ItemState, other: ItemState) -> float | None:
    a, b = one.answers.get(question.name), other.answers.get(question.name)
    if question.kind == "text" or (a is None and b is None):
        return None
    if question.kind == "likert" and a is not None and b is not None:
        return float(abs(a - b) / max(1, question.high - question.low))
    return float(a != b)


def _marked(state: ItemState, tokens: tuple[int, ...]) -> Marked:
    """Set -> (label, run, token) of everything that is labelled."""
    found: dict[str, set[tuple[str, int, int]]] = {}
    for one in state.labels:
        places = found.setdefault(one.set, set())
        places.update((one.label, one.run, at) for at in range(one.start, min(one.stop, tokens[one.run])))
    return found


def _labels(name: str, one: Marked, other: Marked) -> float | None:
    a, b = one.get(name, set()), other.get(name, set())
    both = len(a) + len(b)
    return 1 - 2 * len(a & b) / both if both else None
