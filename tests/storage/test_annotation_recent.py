"""Promises of what is kept in memory between two saves: it says what the library says, or is not believed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.errors import BadInput, StoreDamaged
from engine.label_events import LabelEvent
from storage import annotation_recent
from storage.annotation_recent import Recent, Standing
from storage.annotation_records import ItemRecord, MemberRecord
from storage.database import Store
from tests.storage.annotating import OWNER, Desk, answer, break_it, desk, event, label


@pytest.fixture
def at(store: Store) -> Desk:
    return desk(store)


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The running numbers of the actions whose hash was computed anew."""
    seen: list[str] = []

    def counted(values: Any, *more: Any) -> Any:
        seen.append(values[0])
        return verified(values, *more)

    verified = annotation_recent.verified
    monkeypatch.setattr(annotation_recent, "verified", counted)
    return seen


def taken(at: Desk, member: MemberRecord) -> ItemRecord:
    item = at.take(member)
    assert item is not None
    return item


def drawn(random_: random.Random, before: list[LabelEvent]) -> list[LabelEvent]:
    """One to three actions as people do them; some are refused, some were sent before."""
    targets = [one.uuid for one in before] or ["nothing"]
    makers: list[Callable[[], LabelEvent]] = [
        lambda: label(start := random_.randrange(4), start + 1),
        lambda: answer(random_.choice(["yes", "no"])),
        lambda: event("undo", target=random_.choice(targets)),
        lambda: event("redo", target=random_.choice(targets)),
        lambda: event("comment", text="größer"),
        lambda: event(random_.choice(["submit", "reopen", "time"])),
        lambda: random_.choice(before) if before else label(),
    ]
    return [random_.choice(makers)() for _ in range(random_.randint(1, 3))]


@pytest.mark.parametrize("seed", range(4))
def test_a_save_is_answered_as_by_an_app_that_was_just_started(tmp_path: Path, seed: int) -> None:
    """Two apps in turn, one that remembers and one that opens the library anew, both say what lies there."""
    random_, refused = random.Random(seed), 0
    with Store(tmp_path / "library.db") as store:
        at = desk(store, members=3)
        places = [(member, taken(at, member)) for member in at.members]
        sent: dict[str, list[LabelEvent]] = {member.uid: [] for member in at.members}
        for _ in range(120):
            member, item = random_.choice(places)
            events = drawn(random_, sent[member.uid])
            try:
                if random_.random() < 0.2:
                    with Store(tmp_path / "library.db") as fresh:
                        found = fresh.annotations.save(at.uid, member, item.uid, events, now=at.now)
                else:
                    found = store.annotations.save(at.uid, member, item.uid, events, now=at.now)
            except BadInput:
                refused += 1
                continue
            sent[member.uid] += events
            assert found == store.annotations.own_events(at.uid, member, item.uid)
        assert store.check().ok and 0 < refused < 100


def test_what_was_proved_at_the_last_save_is_not_proved_again(at: Desk, proofs: list[str]) -> None:
    ada, ben = at.members
    items = taken(at, ada), taken(at, ben)
    for _ in range(20):
        at.save(ada, items[0], label(), event("time"))
        at.save(ben, items[1], event("time"))
    assert not proofs
    with Store(at.store.path) as fresh:
        fresh.annotations.save(at.uid, ada, items[0].uid, [event("time")], now=at.now)
        assert len(proofs) == 40, "who has not seen the rows proves them all"
        fresh.annotations.save(at.uid, ada, items[0].uid, [event("time")], now=at.now)
        assert len(proofs) == 40
    at.save(ada, items[0], event("time"))
    assert len(proofs) == 82, "and so does who has not seen what another one added"


def test_a_save_that_was_refused_is_not_remembered(at: Desk) -> None:
    ada = at.members[0]
    item = taken(at, ada)
    at.save(ada, item, label(uuid="one"))
    for _ in range(2):
        with pytest.raises(BadInput, match="Before this item can be submitted"):
            at.save(ada, item, label(uuid="two"), event("submit"))
    assert at.save(ada, item, label(uuid="two"), answer(), event("submit")) == 4
    assert at.store.check().ok


def test_a_save_that_could_not_be_carried_out_is_not_remembered(at: Desk) -> None:
    ada = at.members[0]
    item = taken(at, ada)
    at.save(ada, item, label(uuid="one"))
    with at.store.write() as session:
        session.execute(
            text("CREATE TEMP TRIGGER full BEFORE UPDATE ON annotation_place BEGIN SELECT RAISE(ABORT, 'full'); END")
        )
    with pytest.raises(Exception, match="full"):
        at.save(ada, item, label(uuid="two"))
    with at.store.write() as session:
        session.execute(text("DROP TRIGGER full"))
    assert at.save(ada, item, label(uuid="three")) == 2
    assert [row.uuid for row in at.api.own_events(at.uid, ada, item.uid)] == ["one", "three"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE annotation_event SET wall_ms = wall_ms + 1 WHERE id = 2",
        "UPDATE annotation_event SET payload = replace(payload, 'yes', 'no') WHERE id = 2",
        "DELETE FROM annotation_event WHERE id = 2",
        "DELETE FROM annotation_event WHERE id = 3",
        "UPDATE annotation_event SET id = 99 WHERE id = 2",
    ],
)
def test_rows_that_changed_behind_it_are_noticed_at_the_next_save(at: Desk, damage: str) -> None:
    ada = at.members[0]
    item = taken(at, ada)
    at.save(ada, item, label(), answer(), event("time"))
    break_it(at.store, damage)
    for _ in range(2):
        with pytest.raises(StoreDamaged, match=at.uid):
            at.save(ada, item, event("time"))


def test_places_that_nothing_was_done_at_are_not_mistaken_for_each_other(at: Desk) -> None:
    ada, ben = at.members
    items = taken(at, ada), taken(at, ben)
    assert at.save(ada, items[0]) == 0 == at.save(ben, items[1])
    assert at.save(ben, items[1], label()) == 1 == at.save(ada, items[0], label())
    found = at.api.own_events(at.uid, ben, items[1].uid)
    assert [row.member for row in found] == [ben.uid] and at.api.get(at.uid, viewer=OWNER).answered


def test_no_more_is_remembered_than_its_bound() -> None:
    recent = Recent(most=5)
    for name in "abc":
        recent.keep(name, standing(2))
    assert recent.take("a") is None and recent.take("b") is not None is not recent.take("c")
    recent.keep("d", standing(5))
    recent.keep("e", standing(6))
    assert recent.take("d") is None is recent.take("e"), "one that is larger than the bound is not kept"
    recent.keep("f", standing(5))
    assert recent.take("f") is not None, "and what was taken or dropped no longer counts"


def standing(events: int) -> Standing:
    """One with as many actions."""
    return Standing({}, {}, rows=[(i,) for i in range(events)])
