"""Promises of what comes of a session: everybody's events, final labels, whole sessions out and in, imported labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import BadInput, NotFound
from engine.label_events import LabelEvent
from storage.annotation_records import NewItem, WholeSession
from storage.database import Store
from tests.storage.annotating import KNOWN, NOW, OWNER, Desk, answer, desk, event, label


@pytest.fixture
def at(store: Store) -> Desk:
    """A finished session: two annotators, a judge, training and check items, pairs, final labels."""
    items = [
        NewItem(("run-0", "run-1"), "training", KNOWN),
        *(NewItem((f"run-{i}", f"run-{i + 1}")) for i in range(3)),
        NewItem(("run-3", "run-0"), "check", {"labels": [], "answers": {"correct": "no"}}),
    ]
    made = desk(store, items=items, check_every=2, order="fixed")
    made.add("Judge", "adjudicator")
    for member in made.members[:2]:
        while made.submit(member) is not None:
            made.wait(seconds=90)
    return made


def test_all_events_come_in_the_order_of_arrival_and_from_where_one_was(at: Desk) -> None:
    everything = at.api.all_events(at.uid, viewer=OWNER)
    assert len(everything) == 2 * 5 * 3 and [row.seq for row in everything] == sorted(row.seq for row in everything)
    assert {row.member for row in everything} == {member.uid for member in at.members[:2]}
    assert at.api.all_events(at.uid, viewer=OWNER, after=everything[9].seq) == everything[10:]
    assert at.api.all_events(at.uid, viewer=OWNER, after=everything[-1].seq) == ()
    assert at.api.all_events(at.uid, member=at.members[2]) == everything


def test_places_tell_where_everybody_stands(at: Desk) -> None:
    judge = at.members[2]
    places = at.api.places(at.uid, member=judge)
    assert len(places) == 10 and {status for _, _, status in places} == {"submitted"}
    own = [row[0] for row in at.api.own_items(at.uid, at.members[0])]
    assert [item for member, item, _ in places if member == at.members[0].uid] == own


def test_final_labels_are_added_never_replaced_and_the_newest_holds(at: Desk) -> None:
    first, second = (row.uid for row in at.api.outline(at.uid)[1:3])
    labels = [{"set": "errors", "label": "vague", "run": 1, "start": 2, "stop": 4}]
    judge, ada = at.members[2], at.members[0]
    one = at.api.add_final(at.uid, second, {"labels": labels, "answers": {}}, member=judge, reason="so", confidence=4)
    assert (one.by, one.reason, one.confidence, one.source) == (judge.uid, "so", 4, "written")
    two = at.api.add_final(at.uid, first, KNOWN, viewer=OWNER, source=f"accepted:{ada.uid}")
    assert two.by == "" and two.state == {"labels": [], "answers": {"correct": "yes"}}
    three = at.api.add_final(at.uid, second, {"answers": {"correct": "no"}}, member=judge)
    assert at.api.finals(at.uid, viewer=OWNER) == (two, three)
    assert at.api.finals(at.uid, member=judge, history=True) == (one, two, three)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"state": {"answers": {"correct": "maybe"}}}, "maybe"),
        ({"state": {"labels": [{"set": "errors", "label": "vague", "run": 2, "start": 0, "stop": 1}]}}, "run"),
        ({"state": []}, "labels"),
        ({"confidence": 0}, "confidence"),
        ({"confidence": 6}, "confidence"),
        ({"reason": "x" * 20_001}, "reason"),
        ({"source": "guessed"}, "source"),
        ({"source": "accepted:nobody"}, "source"),
    ],
)
def test_final_labels_that_cannot_be_are_refused(at: Desk, changes: dict[str, Any], match: str) -> None:
    item = at.api.outline(at.uid)[1].uid
    with pytest.raises(BadInput, match=match):
        at.api.add_final(at.uid, item, **{"state": KNOWN, "viewer": OWNER, **changes})
    assert at.api.finals(at.uid, viewer=OWNER) == ()


def test_final_labels_are_no_business_of_annotators(at: Desk) -> None:
    """Neither of one who labelled the item nor of one who never saw it; the judge may, who did not either."""
    item = at.api.outline(at.uid)[1].uid
    late = at.add("Late")
    for member in (at.members[0], late):
        with pytest.raises(BadInput, match="Only adjudicators and the session's owner write final labels"):
            at.api.add_final(at.uid, item, KNOWN, member=member)
    assert at.api.finals(at.uid, viewer=OWNER, history=True) == ()
    at.api.add_final(at.uid, item, KNOWN, member=at.members[2])
    assert len(at.api.finals(at.uid, viewer=OWNER)) == 1


def test_who_labelled_an_item_does_not_decide_on_it_unless_alone(store: Store) -> None:
    at = desk(store, members=0, overlap=1)
    owner = at.add("Me", "annotator", member_viewer=OWNER)
    judge = at.add("Judge", "adjudicator")
    mine = at.submit(owner)
    assert mine is not None
    free = next(row.uid for row in at.api.outline(at.uid) if row.uid != mine.uid)
    for asking in ({"viewer": OWNER}, {"member": owner}):
        with pytest.raises(BadInput, match="labelled this item yourself"):
            at.api.add_final(at.uid, mine.uid, KNOWN, **asking)
        at.api.add_final(at.uid, free, KNOWN, **asking)
    at.api.add_final(at.uid, mine.uid, KNOWN, member=judge)
    at.api.change_member(at.uid, judge, viewer=OWNER, revoked=True)
    assert at.api.add_final(at.uid, mine.uid, KNOWN, viewer=OWNER).by == owner.uid, "alone now"


def test_an_adjudicator_who_labelled_before_leaves_that_item_to_the_owner(at: Desk) -> None:
    at.api.change_member(at.uid, at.members[0], viewer=OWNER, role="adjudicator")
    at.api.change_member(at.uid, at.members[2], viewer=OWNER, revoked=True)
    with pytest.raises(BadInput, match="labelled this item yourself"):
        at.api.add_final(at.uid, at.api.outline(at.uid)[1].uid, KNOWN, member=at.members[0])


def same(one: WholeSession, other: WholeSession) -> None:
    """Equal in everything but ids, logins and links."""
    names = {a.uid: b.uid for a, b in zip(one.members, other.members, strict=True)} | {"": ""}
    items = {a.uid: b.uid for a, b in zip(one.items, other.items, strict=True)}
    uid, owner = other.session.uid, other.session.owner
    assert replace(one.session, uid=uid, owner=owner, example=other.session.example) == other.session
    assert one.texts == other.texts
    stripped = [replace(m, uid=names[m.uid], viewer="", link=False) for m in one.members]
    assert stripped == list(other.members)
    assert [replace(item, uid=items[item.uid]) for item in one.items] == list(other.items)
    assert [(names[row.member], items[row.item], row.event) for row in one.events] == [
        (row.member, row.item, row.event) for row in other.events
    ]
    for a, b in zip(one.finals, other.finals, strict=True):
        kind, _, by = a.source.partition(":")
        source = f"{kind}:{names[by]}" if by else kind
        assert replace(a, item=items[a.item], by=names[a.by], source=source) == b


def test_a_whole_session_is_restored_exactly_with_ids_of_its_own(at: Desk, other: Store) -> None:
    item, ada = at.api.outline(at.uid)[1].uid, at.members[0]
    at.api.add_final(at.uid, item, KNOWN, member=at.members[2], source=f"accepted:{ada.uid}", confidence=2)
    at.api.add_final(at.uid, item, KNOWN, viewer=OWNER, reason="ü")
    at.api.change(at.uid, viewer=OWNER, guidelines="# Second", status="closed")
    at.api.change_member(at.uid, ada, viewer=OWNER, expires_at=NOW, revoked=True)
    whole = at.api.whole(at.uid, viewer=OWNER)
    for target in (other, at.store):
        uid = target.annotations.restore_export(whole, viewer="bob")
        restored = target.annotations.whole(uid, viewer="bob")
        same(whole, restored)
        assert restored.session.owner == "bob" and uid != at.uid
        assert not {m.uid for m in restored.members} & {m.uid for m in whole.members}
        assert target.check().ok and not any(member.link for member in restored.members)
        places = target.annotations.places(uid, viewer="bob")
        assert len(places) == 10 and {status for _, _, status in places} == {"submitted"}
        assert target.annotations.gone(uid) == {f"run-{i}" for i in range(4)}, "not there, or not for bob"
    own = at.api.restore_export(whole, viewer=OWNER)
    assert at.api.gone(own) == frozenset()


def test_work_goes_on_in_a_restored_session(at: Desk, other: Store) -> None:
    whole = at.api.whole(at.uid, viewer=OWNER)
    uid = other.annotations.restore_export(whole, viewer=OWNER)
    member, secret = other.annotations.add_member(uid, viewer=OWNER, name="New", role="annotator")
    other.annotations.begin(uid, member)
    assert member.number == 4 and other.annotations.who(secret=secret)[1].number == 4
    first = other.annotations.take_next(uid, member)
    assert first is not None and first.part == "training"
    old = other.annotations.members(uid, viewer=OWNER)[0]
    mine = other.annotations.own_items(uid, old)[0][0]
    other.annotations.save(uid, old, mine, [event("reopen"), label(5, 6)])
    _, secret = other.annotations.change_member(uid, old, viewer=OWNER, new_secret=True)
    assert other.annotations.who(secret=secret)[1].uid == old.uid and other.check().ok


def test_a_restored_example_is_for_everybody(at: Desk, other: Store) -> None:
    whole = at.api.whole(at.uid, viewer=OWNER)
    uid = other.annotations.restore_export(whole, viewer="examples", example=True, uid="example-session")
    assert uid == "example-session" and len(other.annotations.all_events(uid, viewer="anybody")) == 30
    member = other.annotations.members(uid, viewer="anybody")[0]
    item = other.annotations.own_items(uid, member)[0][0]
    with pytest.raises(BadInput, match="demonstration"):
        other.annotations.save(uid, member, item, [event("reopen")])
    with pytest.raises(BadInput, match="comes with the page"):
        other.annotations.add_final(uid, item, KNOWN, viewer="examples")
    with pytest.raises(BadInput, match="here already"):
        other.annotations.restore_export(whole, viewer="examples", example=True, uid="example-session")


def change_event(whole: WholeSession, **changes: Any) -> WholeSession:
    first, *rest = whole.events
    return replace(whole, events=(replace(first, event=replace(first.event, **changes)), *rest))


def change_item(whole: WholeSession, **changes: Any) -> WholeSession:
    first, *rest = whole.items
    return replace(whole, items=(replace(first, **changes), *rest))


def change_run(whole: WholeSession, **changes: Any) -> WholeSession:
    item = whole.items[0]
    return change_item(whole, runs=(replace(item.runs[0], **changes), item.runs[1]))


WRONG: list[tuple[Callable[[WholeSession], WholeSession], str]] = [
    (lambda w: replace(w, texts=w.texts[1:]), "versions of the guidelines"),
    (lambda w: replace(w, texts=w.texts[:1]), "versions of the schema"),
    (lambda w: replace(w, texts=(w.texts[0], replace(w.texts[1], body="{"))), "not JSON"),
    (lambda w: replace(w, texts=(w.texts[0], replace(w.texts[1], body="[]"))), "schema"),
    (lambda w: replace(w, texts=(*w.texts, replace(w.texts[0], kind="poem"))), "poem"),
    (lambda w: replace(w, members=w.members[1:]), "numbered from 1"),
    (lambda w: replace(w, members=(replace(w.members[0], role="boss"), *w.members[1:])), "boss"),
    (lambda w: replace(w, members=(replace(w.members[0], uid=w.members[1].uid), *w.members[1:])), "id of its own"),
    (lambda w: replace(w, items=()), "1 to 10,000"),
    (lambda w: replace(w, items=w.items[1:]), "places from 0"),
    (lambda w: change_item(w, uid=w.items[1].uid), "ids of their own"),
    (lambda w: change_item(w, runs=()), "one run, or two"),
    (lambda w: change_item(w, part="play"), "play"),
    (lambda w: change_item(w, expected={"answers": {"correct": "maybe"}}), "maybe"),
    (lambda w: change_run(w, text=w.items[0].runs[0].text + "x"), "do not make it up"),
    (lambda w: change_run(w, text_hash="0" * 64), "checksum"),
    (lambda w: change_run(w, special=(12,)), "control token"),
    (lambda w: change_run(w, seed=-1), "seed"),
    (lambda w: change_run(w, uid="a b"), "letters"),
    (lambda w: change_event(w, payload={"set": "errors"}), "Event 1"),
    (lambda w: change_event(w, kind="dance"), "Event 1"),
    (lambda w: change_event(w, at=None), "Event 1"),
    (lambda w: change_event(w, at=datetime(2026, 1, 1)), "time zone"),
    (lambda w: change_event(w, schema_version=2), "Event 1"),
    (lambda w: change_event(w, guidelines_version=0), "Event 1"),
    (lambda w: change_event(w, uuid=w.events[1].event.uuid), "Event 2 has the id"),
    (lambda w: change_event(w, active_ms=-1), "time of an action"),
    (lambda w: replace(w, events=(replace(w.events[0], member="nobody"), *w.events[1:])), "Event 1"),
    (lambda w: replace(w, events=(replace(w.events[0], item="nothing"), *w.events[1:])), "Event 1"),
    (lambda w: replace(w, finals=(replace(w.finals[0], item="nothing"),)), "Final labels"),
    (lambda w: replace(w, finals=(replace(w.finals[0], by="nobody"),)), "Final labels"),
    (lambda w: replace(w, finals=(replace(w.finals[0], source="accepted:nobody"),)), "source"),
    (lambda w: replace(w, finals=(replace(w.finals[0], confidence=9),)), "confidence"),
    (lambda w: replace(w, finals=(replace(w.finals[0], state={"answers": {"correct": 1}}),)), "correct"),
    (lambda w: replace(w, session=replace(w.session, title="")), "title"),
    (lambda w: replace(w, session=replace(w.session, status="burnt")), "open or closed"),
    (lambda w: replace(w, session=replace(w.session, settings=replace(w.session.settings, overlap=-1))), "overlap"),
    (lambda w: replace(w, session=replace(w.session, settings=replace(w.session.settings, show_scores=True))), "blind"),
]


def test_a_session_whose_parts_do_not_fit_is_refused_whole(at: Desk, other: Store) -> None:
    at.api.add_final(at.uid, at.api.outline(at.uid)[1].uid, KNOWN, viewer=OWNER)
    whole = at.api.whole(at.uid, viewer=OWNER)
    assert [text.kind for text in whole.texts] == ["guidelines", "schema"]
    for change, match in WRONG:
        with pytest.raises(BadInput, match=match):
            other.annotations.restore_export(change(whole), viewer="bob")
    assert other.annotations.sessions(viewer="bob") == ()
    other.annotations.restore_export(whole, viewer="bob")


def test_labels_made_elsewhere_come_in_once_under_a_name_of_their_own(at: Desk) -> None:
    first, second = (row.uid for row in at.api.outline(at.uid)[1:3])
    at.api.change(at.uid, viewer=OWNER, status="closed")
    made: dict[str, list[LabelEvent]] = {
        first: [label(uuid="a"), answer(uuid="b"), event("submit", "c")],
        second: [event("reopen", "d"), *(label(i % 9, i % 9 + 1, uuid=f"many-{i}") for i in range(600))],
    }
    assert at.api.import_labels(at.uid, made, viewer=OWNER) == 2
    assert at.api.import_labels(at.uid, made, viewer=OWNER) == 0
    (member,) = [one for one in at.api.members(at.uid, viewer=OWNER) if one.role == "import"]
    assert (member.name, member.link) == ("import", False)
    assert len([row for row in at.api.all_events(at.uid, viewer=OWNER) if row.member == member.uid]) == 604
    assert at.store.check().ok
    other = at.api.import_labels(at.uid, {first: [label(uuid="a")]}, viewer=OWNER, name="model X")
    assert other == 1 and len(at.api.members(at.uid, viewer=OWNER)) == 5
    with pytest.raises(BadInput):
        at.api.import_labels(at.uid, {first: [event("reopen", "x")], second: [label(1, 99)]}, viewer=OWNER)
    assert len(at.api.all_events(at.uid, viewer=OWNER)) == 30 + 605, "all or nothing"
    with pytest.raises(NotFound):
        at.api.import_labels(at.uid, made, viewer="bob")
    with pytest.raises(BadInput, match="imported"):
        at.api.change_member(at.uid, member, viewer=OWNER, new_secret=True)


def test_times_of_the_store_are_utc(at: Desk) -> None:
    record = at.api.get(at.uid, viewer=OWNER)
    assert record.created_at.tzinfo is UTC and at.api.all_events(at.uid, viewer=OWNER)[0].event.at == NOW
