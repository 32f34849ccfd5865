"""Promises of upkeep: which chores an app has, what the bin and strangers' old work lose, what asks for a copy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from storage.database import Store
from storage.in_use import sole_use
from storage.snapshots import Snapshots
from storage.tidying import remove_leftovers, tidy
from tests.storage.annotating import desk
from tests.storage.examples import small_trace
from ui import chores
from ui.access import LOCAL, Viewer
from ui.session_results import Results
from ui.sessions import Sessions
from ui.settings import parse

ME = Viewer(LOCAL, "page", True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "library.db") as opened:
        yield opened


def add(store: Store, owner: str = LOCAL) -> str:
    return store.runs.add(small_trace(1, 20), owner=owner, status="finished", run_scores={})


def test_an_app_has_the_chores_of_its_settings(store: Store, tmp_path: Path) -> None:
    local, public = parse(["--mode", "local"], {}), parse(["--mode", "public"], {})
    assert [task.name for task in chores.tasks(store, local, None)] == ["bin", "file"]
    kept = Snapshots(store, tmp_path / "copies")
    assert [task.name for task in chores.tasks(store, public, kept)] == ["snapshot", "expiry", "bin", "file"]
    for task in chores.tasks(store, public, kept):
        task.run()
    assert kept.state.saved_at is not None
    every = {task.name: (task.every, task.first) for task in chores.tasks(store, public, kept)}
    assert every["snapshot"] == (5 * 60, 20), "every five minutes, as the page and the README say"
    assert every["expiry"] == every["bin"] == (3_600, 20) and every["file"] == (3_600, 3_600)
    assert timedelta(days=30) == chores.DELETED_KEPT


def test_the_bin_loses_what_is_old_in_small_transactions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    uids = [add(store) for _ in range(5)]
    store.runs.delete(uids[:4], viewer=LOCAL)
    assert chores.empty_bin(store) == 0, "it lies there for thirty days"
    monkeypatch.setattr(chores, "DELETED_KEPT", timedelta(seconds=-1))
    monkeypatch.setattr("storage.runs.PURGED_AT_ONCE", 3)
    assert chores.empty_bin(store) == 4
    assert store.check().ok and store.check().runs == 1


def test_only_strangers_old_work_expires(store: Store) -> None:
    add(store), add(store, "visitor:abc")
    chores.expire(store, timedelta(days=1))
    assert store.check().runs == 2
    chores.expire(store, timedelta(seconds=-1))
    assert store.check().ok and store.check().runs == 1


def test_a_session_that_is_closed_asks_for_a_copy_and_nothing_else_does(store: Store) -> None:
    asked: list[int] = []
    uid = desk(store, runs=2, members=1).uid
    sessions = Sessions(store, Results(store), closed=lambda: asked.append(1))
    sessions.edit(uid, {"title": "Other"}, ME)
    assert asked == []
    sessions.edit(uid, {"status": "closed"}, ME)
    assert asked == [1]


def test_tidying_takes_nothing_away_but_leftovers_of_copies(store: Store, tmp_path: Path) -> None:
    uid = add(store)
    leftover, other = tmp_path / ".library.db.ab12cd34.part", tmp_path / ".other.db.ab12cd34.part"
    for path in (leftover, other):
        path.write_bytes(b"half")
    tidy(store.path)
    assert remove_leftovers(store.path) == 1 and other.exists() and not leftover.exists()
    assert store.runs.header(uid, viewer=LOCAL).tokens == 20 and store.check().ok


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_use(tmp_path / "x.lock", "{pid}"):
            assert (tmp_path / "x.lock").read_text().isdigit()
