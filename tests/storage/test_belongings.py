"""What belongs to somebody goes for good when they say so, changes hands whole, and nobody else loses a number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text

from engine.errors import BadInput, NotFound
from engine.types import Trace
from storage.annotation_records import NewItem, SessionSettings
from storage.database import Store
from storage.records import RunQuery
from storage.tidying import tidy
from tests.storage.annotating import SCHEMA, Desk, answer, desk, event
from tests.storage.examples import assert_same_trace, continued, small_trace

ME, OTHER = "visitor:me", "visitor:other"
FIRST = small_trace(1, 30)
SECOND = continued(FIRST, 20, 2, 35)
THIRD = continued(SECOND, 30, 3, 40)


def keep(store: Store, trace: Trace, uid: str, owner: str = ME, parent: str | None = None, fork: int = 0) -> str:
    where = {"parent": parent, "fork_position": fork} if parent else {}
    named = {"status": "finished", "run_scores": {"h": 1.0}, "visibility": "unlisted", "title": f"title of {uid}"}
    return store.runs.add(trace, owner=owner, uid=uid, **named, **where)  # type: ignore[arg-type]


def family(store: Store, last: str = ME) -> None:
    """first <- second <- third, the last perhaps somebody else's, which shares tokens over two steps."""
    keep(store, FIRST, "first")
    keep(store, SECOND, "second", parent="first", fork=20)
    keep(store, THIRD, "third", last, "second", 30)


def owned(store: Store, viewer: str) -> set[str]:
    return {row.uid for row in store.runs.list(RunQuery(viewer, limit=100)).rows}


def rows(store: Store) -> dict[str, int]:
    with store.read() as session:
        names = session.connection().exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
        return {n: session.connection().exec_driver_sql(f"SELECT count(*) FROM {n}").scalar_one() for n in list(names)}


def test_a_run_goes_for_good_with_all_its_branches_and_analyses(store: Store) -> None:
    before = rows(store) | {"model": 1}
    family(store)
    analysis = store.analyses.add("second", "forking", {}, viewer=ME)
    store.analyses.put_array(analysis, "site/1", np.ones(3, dtype=np.float32), viewer=ME)
    assert store.belongings.branches(["first"], viewer=ME) == 2
    assert store.belongings.delete_runs(["first"], viewer=ME, with_branches=True) == 3
    assert rows(store) == before and store.check().ok
    with pytest.raises(NotFound):
        store.runs.restore(["first"], viewer=ME)


def test_branches_that_stay_keep_every_bit(store: Store) -> None:
    family(store)
    assert store.belongings.delete_runs(["first"], viewer=ME, with_branches=False) == 1
    assert_same_trace(store.runs.get("second", viewer=ME).trace, SECOND)
    assert_same_trace(store.runs.get("third", viewer=ME).trace, THIRD)
    second, third = (store.runs.header(uid, viewer=ME) for uid in ("second", "third"))
    assert (second.parent, second.root, second.fork_position) == (None, None, None)
    assert (third.parent, third.root, third.fork_position) == ("second", "second", 30)
    assert [row.uid for row in store.runs.family("third", viewer=ME)] == ["second", "third"]
    assert store.check().ok


def test_what_others_made_of_a_run_stays_theirs_whole(store: Store) -> None:
    family(store, OTHER)
    below = keep(store, continued(THIRD, 10, 4, 20), "fourth", OTHER, "third", 10)
    assert store.belongings.delete_runs(["first"], viewer=ME, with_branches=True) == 2
    assert_same_trace(store.runs.get("third", viewer=OTHER).trace, THIRD)
    assert_same_trace(store.runs.get(below, viewer=OTHER).trace, continued(THIRD, 10, 4, 20))
    assert owned(store, ME) == set() and owned(store, OTHER) == {"third", "fourth"} and store.check().ok
    assert_same_trace(store.runs.get("third", viewer=OTHER).trace, THIRD)


def test_a_damaged_branch_of_somebody_else_does_not_keep_a_run_from_going(store: Store) -> None:
    family(store, OTHER)
    with store.write() as session:
        session.connection().exec_driver_sql(
            "UPDATE run_array SET data = x'00' WHERE name = 'margin' AND run_id = "
            "(SELECT id FROM run WHERE uid = 'third')"
        )
    assert store.belongings.delete_runs(["first", "second"], viewer=ME, with_branches=True) == 2
    assert [uid for uid, _ in store.check().damaged_runs] == ["third"], "it is named and not shown with wrong numbers"


def test_nobody_deletes_what_is_not_theirs(store: Store) -> None:
    family(store)
    shown = store.runs.add(small_trace(5), owner="examples", status="finished", run_scores={}, example=True)
    for uid in ("first", "nothing", "", "a b"):
        for ask in (store.belongings.branches, store.belongings.delete_runs):
            more = {"with_branches": True} if ask == store.belongings.delete_runs else {}
            with pytest.raises(NotFound, match="There is no run"):
                ask([uid], viewer=OTHER, **more)  # type: ignore[operator]
    with pytest.raises(NotFound):
        store.belongings.delete_runs(["first", "nothing"], viewer=ME, with_branches=True)
    with pytest.raises(BadInput, match="example"):
        store.belongings.delete_runs([shown], viewer=ME, with_branches=True)
    with pytest.raises(BadInput, match="Name between"):
        store.belongings.delete_runs([], viewer=ME, with_branches=True)
    assert owned(store, ME) == {"first", "second", "third", shown}


def test_a_run_in_the_bin_can_be_deleted_for_good(store: Store) -> None:
    family(store)
    store.runs.delete(["second"], viewer=ME)
    assert store.belongings.delete_runs(["second"], viewer=ME, with_branches=False) == 1
    assert_same_trace(store.runs.get("third", viewer=ME).trace, THIRD)


def with_a_part(store: Store) -> Desk:
    """Somebody else's session in which I labelled, and a session of mine over my run in which they did."""
    theirs = desk(store, runs=2, members=1, overlap=2)
    mine = theirs.add("My very name", member_viewer=ME)
    theirs.submit(mine)
    theirs.submit(theirs.members[0])
    family(store)
    return theirs


def test_everything_of_mine_goes_and_my_labels_stay_without_my_name(store: Store) -> None:
    theirs = with_a_part(store)
    examples = store.runs.add(small_trace(5), owner="examples", status="finished", run_scores={}, example=True)
    store.analyses.add(examples, "forking", {}, viewer=ME)
    store.analyses.add(examples, "forking", {}, viewer=OTHER)
    whole = store.annotations.whole(theirs.uid, viewer="local")
    gone = store.belongings.delete_all(viewer=ME)
    assert (gone.runs, gone.sessions, gone.analyses, gone.parts) == (3, 0, 1, 1)
    after = store.annotations.whole(theirs.uid, viewer="local")
    assert [row.uuid for row in after.events] == [row.uuid for row in whole.events]
    named = [(member.name, member.viewer, member.revoked) for member in after.members]
    assert ("A2", "", True) in named and not any("very name" in name for name, *_ in named)
    assert owned(store, ME) == {examples} and store.check().ok
    with pytest.raises((BadInput, NotFound)):
        theirs.save(theirs.members[1], after.items[0].uid, answer("no"))
    with store.read() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM analysis").scalar() == 1


def test_a_session_of_mine_goes_with_everything_in_it(store: Store) -> None:
    made = desk(store, runs=2, members=2, overlap=2)
    for member in made.members:
        made.submit(member)
    made.save(made.members[0], made.take(made.members[0]).uid, event("comment", text="so"))  # type: ignore[union-attr]
    gone = store.belongings.delete_all(viewer="local")
    assert (gone.runs, gone.sessions) == (2, 1)
    assert {name: n for name, n in rows(store).items() if n} == {"model": 1} and store.check().ok


def test_nothing_that_was_deleted_for_good_can_be_read_in_the_file(store: Store) -> None:
    secret = "a sentence that nobody may find again"
    trace = small_trace(7, 12, prompt=secret)
    store.runs.add(trace, owner=ME, status="finished", run_scores={}, uid="told", note=secret[::-1])
    keep(store, FIRST, "kept", OTHER)
    store.belongings.delete_all(viewer=ME)
    assert found_in_files(store, secret) == []  # at once, with the library in use


def test_what_the_bin_gave_up_cannot_be_read_either(store: Store) -> None:
    secret = "thrown away a month ago"
    store.runs.add(small_trace(7, 12, prompt=secret), owner=ME, status="finished", run_scores={}, uid="told")
    store.runs.delete(["told"], viewer=ME)
    assert found_in_files(store, secret)
    assert store.runs.purge(before=datetime.now(UTC) + timedelta(days=1)) == 1
    assert found_in_files(store, secret) == []


def test_somebody_who_reads_meanwhile_keeps_nothing_readable_for_long(store: Store) -> None:
    secret = "read while it was deleted"
    store.runs.add(small_trace(7, 12, prompt=secret), owner=ME, status="finished", run_scores={}, uid="told")
    with store.read() as session:
        assert session.execute(text("SELECT count(*) FROM run")).scalar() == 1
        assert store.belongings.delete_all(viewer=ME).runs == 1
    tidy(store.path)
    assert found_in_files(store, secret) == []


def found_in_files(store: Store, secret: str) -> list[str]:
    """The names of the library's files in which a text or its mirror image stands."""
    written = secret.encode(), secret[::-1].encode()
    files = (path for path in store.path.parent.iterdir() if path.is_file())
    return [path.name for path in files if any(one in path.read_bytes() for one in written)]


def test_an_account_takes_over_all_that_a_visitor_made(store: Store) -> None:
    theirs = with_a_part(store)
    analysis = store.analyses.add("first", "forking", {"a": 1}, viewer=ME)
    store.annotations.create(
        owner=ME, title="Mine", schema=SCHEMA, guidelines="", settings=SessionSettings(), items=[NewItem(("first",))],
        viewer=ME, uid="mine",
    )  # fmt: skip
    assert store.belongings.hand_over(ME, to="account:7") == 3
    assert owned(store, ME) == set() and owned(store, "account:7") == {"first", "second", "third"}
    assert store.analyses.get(analysis, viewer="account:7").header.settings == {"a": 1}
    assert store.analyses.get(analysis, viewer="account:7").header.owner == "account:7"
    members = store.annotations.whole(theirs.uid, viewer="local").members
    assert [member.viewer for member in members] == ["", "account:7"] and store.check().ok
    assert store.annotations.get("mine", viewer="account:7").owner == "account:7"
    assert store.belongings.hand_over(ME, to="account:7") == 0
