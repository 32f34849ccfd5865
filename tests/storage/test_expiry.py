"""What strangers leave behind goes when they have not touched it for as long as the page says; nothing else goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from storage import belongings
from storage.annotation_records import NewItem, SessionSettings
from storage.database import Store
from storage.records import RunQuery
from tests.storage.annotating import SCHEMA, answer
from tests.storage.examples import assert_same_trace, continued, small_trace

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime.now(UTC)
LIMIT = NOW - timedelta(days=7)
ME, OTHER = "visitor:me", "visitor:other"
TRACE = small_trace(1, 30)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Store]:
    """A store in which everything there is was made long ago."""
    with Store(tmp_path / "library.db") as store:
        yield store


def keep(store: Store, uid: str, owner: str, *, at: datetime = LONG_AGO, **more: object) -> str:
    trace = more.pop("trace", TRACE)
    return store.runs.add(trace, owner=owner, status="finished", run_scores={}, uid=uid, created_at=at, **more)  # type: ignore[arg-type]


def there(store: Store) -> set[str]:
    with store.read() as session:
        return set(session.connection().exec_driver_sql("SELECT uid FROM run").scalars())


def test_only_what_strangers_have_not_changed_since_goes(old: Store) -> None:
    for owner in ("local", "person:1", "account:1", "examples", ME, "visitor:session-x"):
        keep(old, f"old-{owner.replace(':', '-')}", owner, example=owner == "examples")
    keep(old, "new", ME, at=NOW)
    keep(old, "labelled", OTHER)
    old.runs.update("labelled", viewer=OTHER, note="still wanted")
    gone = old.belongings.expire(before=LIMIT)
    assert gone.runs == 2 and old.check().ok
    assert there(old) == {"old-local", "old-person-1", "old-account-1", "old-examples", "new", "labelled"}
    assert old.belongings.expire(before=LIMIT).runs == 0


def test_a_branch_or_an_analysis_keeps_all_that_belongs_together(old: Store) -> None:
    keep(old, "first", ME)
    keep(old, "branch", ME, at=NOW, trace=continued(TRACE, 20, 2, 35), parent="first", fork_position=20)
    keep(old, "analysed", ME)
    old.analyses.add("analysed", "forking", {}, viewer=ME)
    keep(old, "alone", ME)
    assert old.belongings.expire(before=LIMIT).runs == 1 and there(old) == {"first", "branch", "analysed"}
    assert old.belongings.expire(before=NOW + timedelta(days=1)).runs == 3 and there(old) == set()


def test_a_branch_of_somebody_else_stays_whole_when_the_run_under_it_goes(old: Store) -> None:
    keep(old, "first", ME, visibility="unlisted")
    trace = continued(TRACE, 20, 2, 35)
    keep(old, "theirs", OTHER, at=NOW, trace=trace, parent="first", fork_position=20)
    keep(old, "member", "person:1", trace=trace, parent="first", fork_position=20)
    assert old.belongings.expire(before=LIMIT).runs == 1 and there(old) == {"theirs", "member"}
    assert_same_trace(old.runs.get("theirs", viewer=OTHER).trace, trace)
    assert_same_trace(old.runs.get("member", viewer="person:1").trace, trace)


def test_sessions_of_strangers_go_unless_somebody_labelled_lately(old: Store) -> None:
    keep(old, "kept", "local", visibility="unlisted")
    for uid, owner in (("quiet", ME), ("busy", ME), ("owned", "local")):
        old.annotations.create(
            owner=owner, title=uid, schema=SCHEMA, guidelines="", settings=SessionSettings(), viewer=owner, uid=uid,
            items=[NewItem(("kept",))],
        )  # fmt: skip
    member, _ = old.annotations.add_member("busy", viewer=ME, name="Ada", role="annotator")
    old.annotations.begin("busy", member)
    later = NOW + timedelta(days=30)
    item = old.annotations.take_next("busy", member, now=later)
    assert item is not None
    old.annotations.save("busy", member, item.uid, [answer()], now=later)
    assert old.belongings.expire(before=NOW + timedelta(days=20)).sessions == 1
    assert [session.uid for session in old.annotations.sessions(viewer=ME)] == ["busy"]
    assert old.belongings.expire(before=NOW + timedelta(days=40)).sessions == 1
    assert [session.uid for session in old.annotations.sessions(viewer="local")] == ["owned"] and there(old) == {"kept"}


def test_an_analysis_of_an_example_goes_when_its_stranger_does_not_come_back(old: Store) -> None:
    keep(old, "shown", "examples", example=True)
    old.analyses.add("shown", "forking", {}, viewer=ME)
    assert old.belongings.expire(before=LIMIT).analyses == 0
    assert old.belongings.expire(before=NOW + timedelta(days=1)).analyses == 1 and there(old) == {"shown"}


def test_when_the_first_thing_goes_is_known(old: Store) -> None:
    assert old.belongings.oldest(viewer=ME) is None
    keep(old, "first", ME)
    keep(old, "branch", ME, at=NOW, trace=continued(TRACE, 20, 2, 35), parent="first", fork_position=20)
    keep(old, "theirs", "visitor:met")
    assert abs((old.belongings.oldest(viewer=ME) or LONG_AGO) - NOW) < timedelta(seconds=1)
    keep(old, "alone", ME, at=LONG_AGO + timedelta(days=1))
    assert old.belongings.oldest(viewer=ME) == LONG_AGO + timedelta(days=1)
    assert old.runs.list(RunQuery(ME)).total == 3


def test_much_goes_in_portions_between_which_others_write(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one transaction thousands of runs would keep everybody's saves waiting until they are refused."""
    most, many = 8, 30
    branch = {"trace": continued(TRACE, 20, 2, 35), "fork_position": 20}
    for number in range(many):
        keep(old, f"run{number}", f"visitor:{number % 3}")
        if number % 10 == 0:
            keep(old, f"branch{number}", f"visitor:{number % 3}", parent=f"run{number}", **branch)
    keep(old, "large0", ME)
    for number in range(1, 12):
        keep(old, f"large{number}", ME, parent="large0", **branch)
    writer, seen = old.belongings._connections._writing, [there(old)]

    def rest(seconds: float) -> None:
        assert not writer.locked() and seconds >= 0.01, "others get their turn"
        old.runs.add(TRACE, owner="local", status="finished", run_scores={}, uid=f"local{len(seen)}")
        seen.append({uid for uid in there(old) if not uid.startswith("local")})

    monkeypatch.setattr(belongings, "AT_ONCE", most)
    monkeypatch.setattr(belongings.time, "sleep", rest)
    assert old.belongings.expire(before=LIMIT).runs == many + 3 + 12 and seen[-1] == set()
    sizes = sorted(len(before - after) for before, after in pairwise(seen))
    assert sizes[-1] == 12 and sizes[-2] <= most and len(sizes) >= 5, "one large family, all else little by little"
    for after in seen:
        assert all((f"run{number}" in after) == (f"branch{number}" in after) for number in range(0, many, 10))
        assert len({uid for uid in after if uid.startswith("large")}) in (0, 12)
    assert old.check().ok and len(there(old)) == len(seen) - 1


def test_what_is_deleted_as_a_whole_goes_in_portions_too(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        keep(old, f"run{number}", "person:1")
    keep(old, "theirs", "person:11")
    left: list[int] = []
    monkeypatch.setattr(belongings, "AT_ONCE", 6)
    monkeypatch.setattr(belongings, "WHOLE", 6)
    monkeypatch.setattr(belongings.time, "sleep", lambda _: left.append(len(there(old))))
    assert old.belongings.delete_all(viewer="person:1").runs == 20
    assert left == [15, 9, 3, 1] and there(old) == {"theirs"}


def test_a_run_that_somebody_changes_while_others_go_stays(old: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for uid in ("first", "second"):
        keep(old, uid, ME)
    rest = lambda _: old.runs.update(next(iter(there(old))), viewer=ME, note="still wanted")  # noqa: E731
    monkeypatch.setattr(belongings, "AT_ONCE", 1)
    monkeypatch.setattr(belongings, "WHOLE", 1)
    monkeypatch.setattr(belongings.time, "sleep", rest)
    assert old.belongings.expire(before=LIMIT).runs == 1 and len(there(old)) == 1


def test_what_strangers_made_of_each_others_runs_goes_in_one_call(old: Store) -> None:
    """A branch whose first run has gone is a family of its own from then on."""
    keep(old, "first", ME, visibility="unlisted")
    branch = {"trace": continued(TRACE, 20, 2, 35), "parent": "first", "fork_position": 20}
    for uid in ("theirs", "others"):
        keep(old, uid, f"visitor:{uid}", **branch)
    assert old.belongings.expire(before=LIMIT).runs == 3 and there(old) == set()
