"""Promises of what is kept in memory between two saves: it says what the library says, or is not believed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.errors import BadInput, StoreDamaged, UserError
from engine.label_events import LabelEvent
from storage import annotation_recent
from storage import annotation_saving as saving_of
from storage.annotation_recent import KnownPlace, Recent
from storage.annotation_records import ItemRecord, MemberRecord
from storage.annotation_rows import change_row, find
from storage.database import Store
from storage.schema import AnnotationEvent, AnnotationPlace
from tests.storage.annotating import OWNER, Desk, answer, break_it, desk, event, label


@pytest.fixture
def at(store: Store) -> Desk:
    return desk(store)


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The row ids of the actions whose hash was computed anew."""
    seen: list[int] = []

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


def test_a_save_whose_transaction_was_not_carried_out_is_not_remembered(
    at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole save was done, and remembered, when the commit failed."""
    ada = at.members[0]
    item = taken(at, ada)
    at.save(ada, item, label(uuid="one"))

    def cut(*given: Any) -> None:
        save(*given)
        raise UserError("the disk is full")

    save = saving_of.save_events
    with monkeypatch.context() as patch, pytest.raises(UserError, match="full"):
        patch.setattr(saving_of, "save_events", cut)
        at.save(ada, item, label(uuid="two"))
    assert at.save(ada, item, label(uuid="three")) == 2
    assert [row.uuid for row in at.api.own_events(at.uid, ada, item.uid)] == ["one", "three"]


def test_a_session_that_comes_back_from_its_file_is_not_mistaken_for_the_one_that_was_purged(at: Desk) -> None:
    """Its rows may be the same to the byte: ids are given out again."""
    item = taken(at, at.members[0])
    at.save(at.members[0], item, label(), answer())
    whole = at.api.whole(at.uid, viewer=OWNER)
    at.api.delete(at.uid, viewer=OWNER)
    at.store.runs.purge(before=datetime.now(UTC) + timedelta(days=1))
    uid = at.api.restore_export(whole, viewer=OWNER)
    ada = at.api.members(uid, viewer=OWNER)[0]
    task = at.api.own_items(uid, ada)[0][0]
    found = at.api.save(uid, ada, task, [event("time")], now=at.now)
    assert found == at.api.own_events(uid, ada, task)
    assert {(row.member, row.item) for row in found} == {(ada.uid, task)} != {(at.members[0].uid, item.uid)}


def test_imported_labels_and_saves_of_the_same_place_go_together(at: Desk) -> None:
    ada = at.members[0]
    item = taken(at, ada)
    at.save(ada, item, label())
    for number in range(3):
        assert at.api.import_labels(at.uid, {item.uid: [label(number, number + 1)]}, viewer=OWNER) == 1
        at.save(ada, item, event("time"))
    member = next(one for one in at.api.members(at.uid, viewer=OWNER) if one.role == "import")
    assert len(at.api.own_events(at.uid, member, item.uid)) == 3 and at.store.check().ok


def test_an_action_that_an_index_has_lost_is_not_kept_twice(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = at.members[0]
    item = taken(at, ada)
    sent = label()
    at.save(ada, item, sent)
    monkeypatch.setattr(saving_of, "_same_uuids", lambda *_: {})
    with pytest.raises(StoreDamaged, match="index"):
        at.save(ada, item, sent)
    assert len(at.api.own_events(at.uid, ada, item.uid)) == 1


def test_a_number_of_actions_that_does_not_fit_is_damage(at: Desk) -> None:
    ada = at.members[0]
    item = taken(at, ada)
    at.save(ada, item, label(), event("time"))
    with at.store.write() as session:
        (place,) = find(session, AnnotationPlace, "", member_id=1)
        change_row(session, AnnotationPlace, place, events=1)
    with pytest.raises(StoreDamaged, match=at.uid):
        at.save(ada, item, event("time"))


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
    small = known("").bytes
    recent = Recent(most_bytes=5 * small)
    for name in "abc":
        recent.keep(name, known("", ""))
    assert recent.take("a") is None and recent.take("b") is not None is not recent.take("c")
    recent.keep("d", known(*[""] * 5))
    recent.keep("e", known(*[""] * 6))
    assert recent.take("d") is None is recent.take("e"), "one that is larger than the bound is not kept"
    recent.keep("f", known(*[""] * 5))
    assert recent.take("f") is not None, "and what was taken or dropped no longer counts"
    recent.keep("g", known("x" * 5 * small))
    assert recent.take("g") is None, "long texts count as what they take"


def known(*comments: str) -> KnownPlace:
    """A place with these comments."""
    place = KnownPlace({"id": 1, "uid": "ada"}, {"id": 1, "uid": "item"})
    for number, comment in enumerate(comments):
        payload = json.dumps({"text": comment})
        place.add(
            dict.fromkeys(AnnotationEvent.model_fields, 1)
            | {"id": number, "uuid": f"u{number}", "kind": "comment", "payload": payload}
        )
    return place
