"""Promises of saving: append-only, once and whole, allowed by schema, state and session, and blind where it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event as watch
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from engine.errors import BadInput, NotFound, UserError
from engine.label_events import LabelEvent, fold
from engine.label_schema import schema_of
from storage.annotation_records import ItemRecord, MemberRecord, NewItem
from storage.database import Store
from tests.storage.annotating import KNOWN, NOW, OWNER, SCHEMA, Desk, answer, desk, event, label


@pytest.fixture
def at(store: Store) -> Desk:
    """A session with two members."""
    return desk(store)


@pytest.fixture
def ada(at: Desk) -> MemberRecord:
    return at.members[0]


@pytest.fixture
def item(at: Desk, ada: MemberRecord) -> ItemRecord:
    """What Ada was given."""
    found = at.take(ada)
    assert found is not None
    return found


def kinds(at: Desk, member: MemberRecord, item: ItemRecord) -> list[str]:
    return [row.event.kind for row in at.api.own_events(at.uid, member, item.uid)]


def test_what_was_saved_comes_back_in_order_with_time_and_versions(
    at: Desk, ada: MemberRecord, item: ItemRecord
) -> None:
    sent = [label(), answer(), event("comment", text="‮ größer 🙂"), event("time", active_ms=61_000)]
    returned = at.api.save(at.uid, ada, item.uid, sent, now=at.now)
    read = at.api.own_events(at.uid, ada, item.uid)
    assert returned == read and [row.event for row in read] == [
        replace(one, at=NOW, guidelines_version=1) for one in sent
    ]
    assert [row.uuid for row in read] == [one.uuid for one in sent]
    assert {(row.member, row.item) for row in read} == {(ada.uid, item.uid)}
    assert [row.seq for row in read] == sorted({row.seq for row in read})


def test_an_event_sent_twice_is_kept_once(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    sent = [label(uuid="one"), answer(uuid="two")]
    assert at.save(ada, item, *sent) == 2
    assert at.save(ada, item, *sent) == 2
    assert at.save(ada, item, sent[1], label(5, 6, uuid="three"), sent[0]) == 3
    assert at.save(ada, item, sent[0], sent[0]) == 3
    assert at.save(ada, item, event("flag", "four", on=True), event("flag", "four", on=True)) == 4


def test_the_same_id_with_another_content_is_refused(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    at.save(ada, item, label(uuid="one"))
    for changed in (label(2, 3, uuid="one"), event("flag", "one", on=True)):
        with pytest.raises(BadInput, match="one was saved before with another content"):
            at.save(ada, item, changed)
    at.save(ada, item, answer(), event("submit"))
    second = at.take(ada)
    assert second is not None
    with pytest.raises(BadInput, match="another content"):
        at.save(ada, second, label(uuid="one"))
    assert kinds(at, ada, second) == []


def test_two_people_may_use_the_same_id(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    ben = at.members[1]
    theirs = at.take(ben)
    assert theirs is not None
    assert (at.save(ada, item, label(uuid="one")), at.save(ben, theirs, label(4, 5, uuid="one"))) == (1, 1)


def test_a_repeated_save_is_answered_like_the_first_when_the_session_has_closed_meanwhile(
    at: Desk, ada: MemberRecord, item: ItemRecord
) -> None:
    sent = [answer(), event("submit")]
    at.save(ada, item, *sent)
    at.api.change(at.uid, viewer=OWNER, status="closed")
    assert at.save(ada, item, *sent) == 2
    with pytest.raises(BadInput, match="closed"):
        at.save(ada, item, event("reopen"))


def test_two_tabs_of_one_person_lose_and_double_nothing(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    both = [label(i, i + 1, uuid=f"both-{i}") for i in range(6)]
    tabs = [[*both, *(event("flag", f"tab-{tab}-{i}", on=bool(i % 2)) for i in range(6))] for tab in range(4)]

    def send(events: list[LabelEvent]) -> None:
        for one in events:
            at.save(ada, item, one)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, tabs))
    found = [row.uuid for row in at.api.own_events(at.uid, ada, item.uid)]
    assert sorted(found) == sorted({one.uuid for events in tabs for one in events}) and len(found) == 30
    for events in tabs:
        own = [uuid for uuid in found if uuid in {one.uuid for one in events[6:]}]
        assert own == [one.uuid for one in events[6:]], "each tab's own actions stay in their order"


def test_a_batch_is_saved_whole_or_not_at_all(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    for bad in (label(5, 99), event("answer", question="nothing", value="x"), event("dance"), event("submit")):
        with pytest.raises(BadInput):
            at.save(ada, item, label(), bad)
    assert kinds(at, ada, item) == [] and not at.api.get(at.uid, viewer=OWNER).answered


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (label(3, 3), "3"),
        (label(-1, 2), "-1"),
        (label(0, 13), "13"),
        (event("label", set="errors", label="factual", run=1, start=0, stop=1), "run"),
        (event("label", set="errors", label="wrong", run=0, start=0, stop=1), "wrong"),
        (event("label", set="none", label="factual", run=0, start=0, stop=1), "none"),
        (event("answer", question="correct", value="maybe"), "maybe"),
        (event("answer", question="where", value=12), "12"),
        (event("comment", text="x" * 10_001), "10,001"),
        (event("comment", text="\ud800"), "surrogate|half"),
        (event("skip", reason=" "), "reason"),
        (LabelEvent("", "flag", {"on": True}), "id of an action"),
        (LabelEvent("x" * 65, "flag", {"on": True}), "id of an action"),
        (LabelEvent(7, "flag", {"on": True}), "id of an action"),  # type: ignore[arg-type]
        (LabelEvent("u", None, {}), "action"),  # type: ignore[arg-type]
        (LabelEvent("u", "flag", [True]), "carries"),  # type: ignore[arg-type]
        (LabelEvent("u", "flag", {"on": True}, active_ms=-1), "time of an action"),
        (LabelEvent("u", "flag", {"on": True}, wall_ms=2**70), "time of an action"),
        (event("undo", target="nowhere"), "not among those saved"),
        (event("unlabel", target="nowhere"), "not among those saved"),
    ],
)
def test_what_schema_and_text_do_not_allow_is_refused(
    at: Desk, ada: MemberRecord, item: ItemRecord, bad: LabelEvent, match: str
) -> None:
    with pytest.raises(BadInput, match=match):
        at.save(ada, item, bad)
    assert kinds(at, ada, item) == []


def test_too_much_at_once_is_refused(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    with pytest.raises(BadInput, match="500"):
        at.save(ada, item, *[event("time")] * 501)
    at.save(ada, item, *(event("time") for _ in range(500)))


def test_an_item_is_submitted_only_with_its_required_answers(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    with pytest.raises(BadInput, match=r"needs an answer to: Is it correct\?"):
        at.save(ada, item, label(), event("submit"))
    given = answer(uuid="given")
    with pytest.raises(BadInput, match="needs an answer"):
        at.save(ada, item, given, event("undo", target="given"), event("submit"))
    assert at.save(ada, item, given, event("submit")) == 2


def test_a_submitted_item_changes_only_after_it_was_opened_again(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    first = label()
    at.save(ada, item, first, answer(), event("submit"))
    for late in (label(6, 7), answer("no"), event("unlabel", target=first.uuid), event("undo", target=first.uuid),
                 event("flag", on=True), event("comment", text="x"), event("skip", reason="x")):  # fmt: skip
        with pytest.raises(BadInput, match="open it again"):
            at.save(ada, item, late)
    assert at.save(ada, item, event("time"), event("submit")) == 5, "time goes on, and a double click does no harm"
    with pytest.raises(BadInput, match="open it again"):
        at.save(ada, item, event("reopen"), event("submit"), answer("no"))
    at.save(ada, item, event("reopen"), answer("no"), event("submit"))
    state = fold([row.event for row in at.api.own_events(at.uid, ada, item.uid)], schema_of(SCHEMA))
    assert (state.answers, state.status, state.changes) == ({"correct": "no"}, "submitted", 1)


def test_nothing_is_saved_before_the_opening_after_the_close_and_in_a_closed_session(
    at: Desk, ada: MemberRecord, item: ItemRecord
) -> None:
    settings = at.api.get(at.uid, viewer=OWNER).settings
    for changes, match in [
        ({"opens_at": NOW + timedelta(hours=1)}, "opens on 2026-11-22 15:00 UTC"),
        ({"closes_at": NOW}, "closed on 2026-11-22 14:00 UTC"),
    ]:
        at.api.change(at.uid, viewer=OWNER, settings=replace(settings, **changes))  # type: ignore[arg-type]
        for call in (lambda: at.save(ada, item, label()), lambda: at.take(ada)):
            with pytest.raises(BadInput, match=match):
                call()
    at.api.change(at.uid, viewer=OWNER, settings=replace(settings, opens_at=NOW, closes_at=NOW + timedelta(hours=1)))
    assert at.save(ada, item, label()) == 1
    at.api.change(at.uid, viewer=OWNER, status="closed")
    for call in (lambda: at.save(ada, item, label()), lambda: at.take(ada)):
        with pytest.raises(BadInput, match="session is closed"):
            call()
    at.api.change(at.uid, viewer=OWNER, status="open")
    assert at.save(ada, item, label(4, 6)) == 2


def test_an_item_that_somebody_was_not_given_is_not_theirs(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    others = next(row.uid for row in at.api.outline(at.uid) if row.uid != item.uid)
    with pytest.raises(NotFound, match="not given to you"):
        at.save(ada, others, label())
    with pytest.raises(NotFound, match="no item"):
        at.save(ada, "0" * 16, label())
    assert at.api.own_events(at.uid, ada, others) == ()


def test_a_blind_session_shows_nobody_what_others_did(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    at.wait(hours=1)
    ben = at.members[1]
    while (theirs := at.take(ben)) is not None and theirs.uid != item.uid:
        at.save(ben, theirs, answer(), event("submit"))
    at.save(ada, item, label(), answer(), event("submit"))
    at.save(ben, item, label(3, 5), answer("no"), event("comment", text="mine"), event("submit"))
    for member in (ada, ben):
        assert at.api.others_events(at.uid, member, item.uid) == ()
        assert {row.member for row in at.api.own_events(at.uid, member, item.uid)} == {member.uid}
        for call in (at.api.all_events, at.api.places, at.api.finals, at.api.members, at.api.whole, at.api.items):
            with pytest.raises(NotFound, match="owner and its adjudicators"):
                call(at.uid, member=member)


def test_blindness_is_decided_in_the_query(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    """The negative control: the same call in the same session shows the others as soon as it is not blind."""
    at.save(ada, item, label())
    ben = at.members[1]
    assert at.api.others_events(at.uid, ben, item.uid) == ()
    settings = at.api.get(at.uid, viewer=OWNER).settings
    other = desk(Store(at.store.path.with_name("open.db")), blind=False)
    theirs = other.take(other.members[0])
    assert theirs is not None and settings.blind
    other.save(other.members[0], theirs, label())
    (seen,) = other.api.others_events(other.uid, other.members[1], theirs.uid)
    assert (seen.member, seen.event.kind) == ("A1", "label"), "a pseudonym, never the member's id"
    assert other.api.others_events(other.uid, other.members[0], theirs.uid) == ()
    other.store.close()


@pytest.mark.parametrize("blind", [True, False])
def test_what_others_did_is_asked_for_in_vain_where_a_session_is_blind(store: Store, blind: bool) -> None:
    at = desk(store, runs=1, items=[NewItem(("run-0",))], overlap=0, blind=blind)
    judge = at.add("Judge", "adjudicator")
    for member in at.members[:2]:
        assert at.submit(member) is not None
    item = at.api.outline(at.uid)[0].uid
    assert len(at.api.all_events(at.uid, viewer=OWNER)) == 6
    seen = [at.api.others_events(at.uid, member, item) for member in (*at.members[:2], judge)]
    assert [len(rows) for rows in seen] == ([0, 0, 0] if blind else [3, 3, 6])


def test_events_cannot_be_changed_or_removed_by_anybody(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    at.save(ada, item, label(), answer(), event("submit"))
    at.api.add_final(at.uid, item.uid, KNOWN, viewer=OWNER)
    for statement in (
        "UPDATE annotation_event SET payload = '{}'",
        "UPDATE annotation_event SET row_hash = row_hash",
        "DELETE FROM annotation_event",
        "DELETE FROM annotation_event WHERE kind = 'submit'",
        "UPDATE annotation_final SET reason = ''",
        "DELETE FROM annotation_final",
        "UPDATE annotation_text SET body = ''",
        "DELETE FROM annotation_text",
        "UPDATE annotation_item SET expected = NULL",
        "DELETE FROM annotation_item",
        "UPDATE annotation_run SET body = ''",
        "DELETE FROM annotation_run",
        "DELETE FROM annotation_session",
        *(
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
            for table in (
                "annotation_event",
                "annotation_final",
                "annotation_text",
                "annotation_item",
                "annotation_run",
                "annotation_session",
            )
        ),
        "REPLACE INTO annotation_event SELECT id + 100, session_id, item_id, member_id, uuid, kind, '{}', active_ms, "
        "wall_ms, schema_version, guidelines_version, created_at, row_hash FROM annotation_event",
    ):
        with pytest.raises(IntegrityError, match=r"append-only|cannot be removed"), at.store.write() as session:
            session.execute(text(statement))
    assert kinds(at, ada, item) == ["label", "answer", "submit"] and at.store.check().ok


def test_going_on_after_a_restart_finds_everything(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    at.save(ada, item, label(), answer())
    before = at.api.own_events(at.uid, ada, item.uid)
    with Store(at.store.path) as again:
        session, member = again.annotations.who(secret=at.secrets[0])
        assert again.annotations.own_events(session, member, item.uid) == before
        assert again.annotations.take_next(session, member, now=at.now) == item


def test_a_save_reads_neither_texts_of_items_nor_events_of_others(
    at: Desk, ada: MemberRecord, item: ItemRecord
) -> None:
    """What keeps a save quick however large the session is."""
    seen: list[str] = []
    with at.store.write() as session:
        engine = session.get_bind()
    watch.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    at.save(ada, item, label())
    assert seen and not any("annotation_run" in one for one in seen)
    reads = [one for one in seen if "FROM annotation_event" in one and "max(id)" not in one]
    assert reads and all("member_id = " in one for one in reads)


def test_a_full_disk_is_a_sentence(at: Desk, ada: MemberRecord, item: ItemRecord) -> None:
    with at.store.write() as session:
        pages = int(session.execute(text("PRAGMA page_count")).scalar_one())
        session.execute(text(f"PRAGMA max_page_count={pages}"))
    saved = 0
    with pytest.raises(UserError, match=r"no room left.*nothing is lost"):
        for _ in range(200):
            at.save(ada, item, event("comment", text="x" * 5000))
            saved += 1
    assert len(kinds(at, ada, item)) == saved and at.store.check().ok
    with at.store.write() as session:
        session.execute(text(f"PRAGMA max_page_count={2**30}"))
    assert at.save(ada, item, answer()) == saved + 1
