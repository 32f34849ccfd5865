"""Promises of snapshots: whole or not there, only when something changed, the right ones kept, the newest sound one
restored, and nothing ever overwritten."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import BadInput, StoreDamaged, UserError
from storage import snapshots as module
from storage.database import Store
from storage.restoring import restore
from storage.snapshots import Snapshots, restore_missing, snapshot_names
from tests.storage.examples import assert_same_trace, small_trace
from tests.support.clock import Clock

# a day does not end while a test runs
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add(store: Store, seed: int) -> str:
    return store.runs.add(small_trace(seed, 30), status="finished", run_scores={}, uid=f"run-{seed}")


def uids(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT uid FROM run ORDER BY uid")]


def spoil(path: Path) -> None:
    """Change one byte of a stored array, which SQLite's own check does not notice."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE run_array SET data = zeroblob(length(data)) WHERE name = 'scores'")


def test_a_snapshot_holds_everything_and_is_made_only_when_something_changed(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "lasting" / "snapshots"
    kept = Snapshots(store, folder)
    assert kept.state.saved_at is None
    add(store, 1)
    assert kept.take() is True and kept.take() is False
    assert [uids(folder / name) for name in snapshot_names(folder)] == [["run-1"]]
    before = kept.state.saved_at
    add(store, 2)
    assert kept.take() is True
    assert [uids(folder / name) for name in snapshot_names(folder)] == [["run-1", "run-2"], ["run-1"]]
    assert before is not None and kept.state.saved_at is not None and kept.state.saved_at > before
    assert sorted(path.name for path in folder.iterdir()) == sorted(snapshot_names(folder))


def test_the_newest_three_and_the_last_of_each_of_seven_days_are_kept(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch, [module]).hold(NOON)
    folder = tmp_path / "snapshots"
    kept = Snapshots(store, folder)
    made = [[NOON - timedelta(days=day, minutes=minute) for minute in (0, 1, 2)] for day in range(1, 12)]
    for moment in (moment for day in made for moment in day):
        (folder / module._name(moment)).write_bytes(b"")
    others = [folder / "notes.txt", folder / "forklore-mine.db"]
    for other in others:
        other.write_bytes(b"")
    kept.take()
    yesterday, *earlier = made
    last = [yesterday[0], yesterday[1], *(day[0] for day in earlier[: module.DAYS_KEPT - 2])]
    assert snapshot_names(folder) == [module._name(NOON, 1), *map(module._name, last)]
    assert all(other.exists() for other in others)


def test_a_target_that_cannot_be_written_is_said_and_the_next_attempt_works(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    kept = Snapshots(store, folder)
    add(store, 1)
    kept.take()
    saved = kept.state.saved_at
    add(store, 2)
    folder.rename(tmp_path / "away")
    with pytest.raises(UserError, match="snapshot of the library could not be written"):
        kept.take()
    assert kept.state.saved_at == saved and "could not be written" in kept.state.problem
    (tmp_path / "away").rename(folder)
    assert kept.take() is True and kept.state.problem == ""
    assert uids(folder / snapshot_names(folder)[0]) == ["run-1", "run-2"]


def test_what_an_interrupted_copy_left_is_cleared_at_the_next_start(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    Snapshots(store, folder)
    (folder / ".forklore-20260101T000000.000000Z-abcd.db.12345678.part").write_bytes(b"half")
    Snapshots(store, folder)
    assert list(folder.iterdir()) == []


def test_a_missing_library_is_the_newest_snapshot_again(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    kept = Snapshots(store, folder)
    for seed in (1, 2):
        add(store, seed)
        kept.take()
    add(store, 3)  # never copied
    log = store.path.with_name(store.path.name + "-wal")
    left = log.read_bytes()
    store.close()
    store.path.unlink()
    log.write_bytes(left)  # as after a kill: a log that belongs to the file that is gone
    assert restore_missing(store.path, folder) is not None
    with Store(store.path) as again:
        assert again.check().ok and again.check().runs == 2
        assert_same_trace(again.runs.get("run-2", viewer="local").trace, small_trace(2, 30))
    assert restore_missing(store.path, folder) is None


def test_a_damaged_snapshot_is_named_and_the_one_before_is_taken(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    kept = Snapshots(store, folder)
    for seed in (1, 2, 3):
        add(store, seed)
        kept.take()
    newest, second, oldest = snapshot_names(folder)
    spoil(folder / newest)
    (folder / second).write_bytes((folder / second).read_bytes()[:5000])
    fresh = tmp_path / "fresh.db"
    found = restore_missing(fresh, folder)
    assert found is not None and found.source == oldest
    assert [name for name, _ in found.skipped] == [newest, second] and "run-" in found.skipped[0][1]
    assert uids(fresh) == ["run-1"]
    assert snapshot_names(folder) == [oldest]  # the others lie there under another name, and are not taken away
    assert len(list(folder.iterdir())) == 3


def test_an_empty_snapshot_is_skipped_like_a_damaged_one(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    kept = Snapshots(store, folder)
    for seed in (1, 2, 3):
        add(store, seed)
        kept.take()
    newest, second, oldest = snapshot_names(folder)
    (folder / newest).write_bytes(b"")
    (folder / second).unlink()
    with closing(sqlite3.connect(folder / second)) as connection, connection:
        connection.execute("PRAGMA user_version = 0")
        connection.execute("VACUUM")
    fresh = tmp_path / "fresh.db"
    found = restore_missing(fresh, folder)
    assert found is not None and found.source == oldest and uids(fresh) == ["run-1"]
    assert [(name, bool(reason)) for name, reason in found.skipped] == [(newest, True), (second, True)]
    (folder / oldest).write_bytes(b"")
    with pytest.raises(StoreDamaged, match="None of the 1 snapshots"):
        restore_missing(tmp_path / "another.db", folder)


def test_a_clock_that_was_ahead_takes_no_place_of_what_is_newer(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshots"
    kept = Snapshots(store, folder)
    clock = Clock(monkeypatch, [module])
    clock.hold(NOON)
    clock.jump(days=3)
    for seed in (1, 2, 3):
        add(store, seed)
        kept.take()
    clock.jump(days=-3)
    for seed in (4, 5, 6, 7):
        add(store, seed)
        kept.take()
    newest, *_ = names = snapshot_names(folder)
    assert uids(folder / newest) == [f"run-{seed}" for seed in range(1, 8)]
    assert [len(uids(folder / name)) for name in names] == [7, 6, 5, 3], "the last of the other day stays too"
    found = restore_missing(tmp_path / "fresh.db", folder)
    assert found is not None and found.source == newest


def test_copies_made_before_they_were_numbered_are_older_than_all_others(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    kept = Snapshots(store, folder)
    later = f"{datetime.now(UTC) + timedelta(days=1):{module._TIME}}"
    (folder / f"forklore-{later}Z-1f3c.db").write_bytes(b"")
    add(store, 1)
    kept.take()
    newest, other = snapshot_names(folder)
    assert uids(folder / newest) == ["run-1"] and other.endswith("-1f3c.db")


def test_without_a_sound_snapshot_nothing_is_started_empty(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots"
    add(store, 1)
    Snapshots(store, folder).take()
    spoil(folder / snapshot_names(folder)[0])
    fresh = tmp_path / "fresh.db"
    with pytest.raises(StoreDamaged, match=r"None of the 1 snapshots.*Move them"):
        restore_missing(fresh, folder)
    assert not fresh.exists() and len(snapshot_names(folder)) == 1
    assert restore_missing(fresh, tmp_path / "nowhere") is None


def test_restoring_keeps_the_library_that_was_there_with_its_last_writes(store: Store, tmp_path: Path) -> None:
    add(store, 1)
    copy = store.backup(tmp_path / "copy.db")
    add(store, 2)
    # as it is while the app runs or after a kill: the second run is in the log only
    live = tmp_path / "live.db"
    for ending in ("", "-wal"):
        shutil.copyfile(f"{store.path}{ending}", f"{live}{ending}")
    kept = restore(copy, live).kept
    assert kept is not None and uids(kept) == ["run-1", "run-2"]
    assert uids(live) == ["run-1"] == uids(copy)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize("wrong", ["missing", "text", "foreign", "spoilt", "itself"])
def test_what_is_no_sound_library_is_not_restored_and_nothing_changes(store: Store, tmp_path: Path, wrong: str) -> None:
    add(store, 1)
    source = tmp_path / "source.db"
    if wrong == "text":
        source.write_text("no database at all, but long enough to be one" * 10)
    elif wrong == "foreign":
        with closing(sqlite3.connect(source)) as connection, connection:
            connection.execute("CREATE TABLE other (id)")
    elif wrong == "spoilt":
        spoil(store.backup(source))
    elif wrong == "itself":
        source = store.path
    store.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises((BadInput, StoreDamaged)):
        restore(source, store.path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_backup_of_an_older_version_is_brought_up_to_date(root: Path, tmp_path: Path) -> None:
    source = shutil.copyfile(root / "tests/golden/store_v1.db", tmp_path / "old.db")
    before = source.read_bytes()
    assert restore(source, tmp_path / "library.db").kept is None
    with Store(tmp_path / "library.db") as store:
        assert store.check().ok and store.check().runs > 0
    assert source.read_bytes() == before
