"""Sessions to test with: a schema with every kind of part, runs, members, and people who label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import text

from engine.label_events import LabelEvent
from engine.label_schema import parse_schema, schema_fields
from storage.annotation_records import ItemRecord, MemberRecord, NewItem, SessionSettings
from storage.annotations import AnnotationStore
from storage.database import Store
from tests.storage.examples import small_trace

OWNER = "local"
TOKENS = 12
NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
SCHEMA = schema_fields(
    parse_schema(
        """
labels:
  - {name: errors, title: Errors, unit: span, overlap: true, labels: [factual, vague]}
  - {name: parts, title: Parts, unit: token, labels: [number, name]}
questions:
  - {name: correct, title: Is it correct?, kind: choice, options: [yes, no, unsure], required: true}
  - {name: where, title: Where does it go wrong?, kind: token}
"""
    )
)
OTHER_SCHEMA = schema_fields(
    parse_schema("questions:\n  - {name: good, title: Good?, kind: choice, options: [a, b]}\n")
)
KNOWN: Mapping[str, Any] = {"answers": {"correct": "yes"}}

_numbers = count(1)


def event(kind: str, uuid: str = "", active_ms: int = 100, **payload: Any) -> LabelEvent:
    """One action with an id of its own."""
    return LabelEvent(uuid or f"event-{next(_numbers)}", kind, payload, active_ms, 2 * active_ms)


def label(start: int = 1, stop: int = 3, name: str = "factual", uuid: str = "") -> LabelEvent:
    """A label on the first run."""
    return event("label", uuid, set="errors", label=name, run=0, start=start, stop=stop)


def answer(value: str | None = "yes", uuid: str = "") -> LabelEvent:
    """The answer that is required."""
    return event("answer", uuid, question="correct", value=value)


def add_runs(store: Store, runs: int, *, owner: str = OWNER, tokens: int = TOKENS) -> list[str]:
    """Runs with uids run-0, run-1, ..."""
    return [
        store.runs.add(
            small_trace(seed, tokens),
            owner=owner,
            status="finished",
            run_scores={},
            uid=f"run-{seed}",
            title=f"t{seed}",
        )
        for seed in range(runs)
    ]


@dataclass
class Desk:
    """A session with members, and what they do in it."""

    store: Store
    uid: str
    members: list[MemberRecord] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    now: datetime = NOW

    @property
    def api(self) -> AnnotationStore:
        return self.store.annotations

    def add(self, name: str = "", role: str = "annotator", **more: Any) -> MemberRecord:
        """One more member, who has read the guidelines."""
        member, secret = self.api.add_member(
            self.uid, viewer=OWNER, name=name or f"Person {len(self.members) + 1}", role=role, **more
        )
        self.members.append(self.api.begin(self.uid, member))
        self.secrets.append(secret)
        return self.members[-1]

    def take(self, member: MemberRecord) -> ItemRecord | None:
        """The next item, at the desk's own time."""
        return self.api.take_next(self.uid, member, now=self.now)

    def save(self, member: MemberRecord, item: ItemRecord | str, *events: LabelEvent) -> int:
        """Save at the desk's own time; returns how many events there are then."""
        uid = item if isinstance(item, str) else item.uid
        return len(self.api.save(self.uid, member, uid, events, now=self.now))

    def submit(self, member: MemberRecord) -> ItemRecord | None:
        """Take the next item, answer and submit it."""
        item = self.take(member)
        if item is not None:
            self.save(member, item, label(), answer(), event("submit"))
        return item

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


def desk(store: Store, runs: int = 4, members: int = 2, items: list[NewItem] | None = None, **settings: Any) -> Desk:
    """A session over some runs; its members have begun."""
    uids = add_runs(store, runs)
    uid = store.annotations.create(
        owner=OWNER,
        title="Errors in answers",
        schema=SCHEMA,
        guidelines="# Read this",
        settings=SessionSettings(**settings),
        items=items or [NewItem((run,)) for run in uids],
        viewer=OWNER,
    )
    made = Desk(store, uid)
    for _ in range(members):
        made.add()
    return made


def break_it(store: Store, *statements: str) -> None:
    """Change rows behind the triggers' backs."""
    with store.write() as session:
        connection = session.connection().connection.dbapi_connection
        assert connection is not None
        names = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in names:
            session.execute(text(f"DROP TRIGGER {name}"))
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
        for statement in statements:
            session.execute(text(statement))
