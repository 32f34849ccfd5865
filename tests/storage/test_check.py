"""Promises of check and backup: every kind of damage is found and named, a copy is whole and never replaces another."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.errors import BadInput, StoreDamaged, UserError
from storage.database import Store
from storage.records import RunQuery
from tests.storage.examples import assert_same_trace, continued, small_trace


@pytest.fixture
def uids(store: Store) -> list[str]:
    """Three unrelated runs and a fork of the first."""
    made = [
        store.runs.add(small_trace(i, 20), status="finished", run_scores={"h": 1.0}, title=f"t{i}", tags=["a"])
        for i in range(3)
    ]
    fork = continued(small_trace(0, 20), 15, 9, 20)
    return [*made, store.runs.add(fork, status="finished", run_scores={}, parent=made[0], fork_position=15)]


def test_a_sound_store_is_sound(store: Store, uids: list[str]) -> None:
    report = store.check()
    assert report.ok and report.runs == 4 and report.arrays == 3 * 17 + 34


DAMAGE = [
    "UPDATE run SET seed = seed - 1 WHERE uid = :uid",
    "UPDATE run SET owner = 'bob' WHERE uid = :uid",
    "UPDATE run SET title = 'other' WHERE uid = :uid",
    "UPDATE run SET tokens = tokens + 1 WHERE uid = :uid",
    "UPDATE run SET deleted_at = 5 WHERE uid = :uid",
    "UPDATE run SET created_at = 9223372036854775807 WHERE uid = :uid",
    "UPDATE run SET content_hash = upper(content_hash) WHERE uid = :uid",
    "UPDATE run_text SET prompt = 'other' WHERE run_id = :id",
    "UPDATE run_text SET settings = NULL WHERE run_id = :id",
    "UPDATE run_text SET details = '{' WHERE run_id = :id",
    "DELETE FROM run_text WHERE run_id = :id",
    "UPDATE run_score SET value = 2.0 WHERE run_id = :id",
    "DELETE FROM run_score WHERE run_id = :id",
    "UPDATE run_tag SET tag = 'b' WHERE run_id = :id",
    "UPDATE run_array SET data = zeroblob(length(data)) WHERE run_id = :id AND name = 'scores'",
    "UPDATE run_array SET crc32 = 0 WHERE run_id = :id AND name = 'text'",
    "UPDATE run_array SET start = 1 WHERE run_id = :id AND name = 'luck'",
    "UPDATE run_array SET name = 'lucky' WHERE run_id = :id AND name = 'luck'",
    "DELETE FROM run_array WHERE run_id = :id AND name = 'special_ids'",
    "DELETE FROM run_array WHERE run_id = :id",
    "UPDATE run_array SET (dtype, stored, shape, codec, crc32, data) = (SELECT dtype, stored, shape, codec, crc32, data"
    " FROM run_array WHERE run_id = :other AND name = 'luck') WHERE run_id = :id AND name = 'luck'",
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damage_to_one_run_is_named_and_the_others_open(store: Store, uids: list[str], damage: str) -> None:
    with store.write() as session:
        ids = dict(session.execute(text("SELECT uid, id FROM run")).all())
        session.execute(text(damage), {"uid": uids[1], "id": ids[uids[1]], "other": ids[uids[2]]})
    with pytest.raises(StoreDamaged, match=uids[1]):
        store.runs.get(uids[1], viewer="local")
    assert [uid for uid, _ in store.check().damaged_runs] == [uids[1]]
    for seed in (0, 2):
        assert_same_trace(store.runs.get(uids[seed], viewer="local").trace, small_trace(seed, 20))
    for row in store.runs.list(RunQuery("local")).rows:
        assert not row.damaged or (row.uid == uids[1] and row.run_scores == {} and row.prompt == "")


@pytest.mark.parametrize("damage", DAMAGE[:4] + DAMAGE[7:14])
def test_a_damaged_row_is_listed_as_such_without_its_values_and_cannot_be_relabelled(
    store: Store, uids: list[str], damage: str
) -> None:
    with store.write() as session:
        ids = dict(session.execute(text("SELECT uid, id FROM run")).all())
        session.execute(text(damage), {"uid": uids[1], "id": ids[uids[1]]})
    shown = {row.uid: row for row in store.runs.list(RunQuery("local")).rows}
    assert uids[1] not in shown or shown[uids[1]].damaged
    with pytest.raises(StoreDamaged):
        store.runs.update(uids[1], viewer="local", title="whitewash")
    assert [uid for uid, _ in store.check().damaged_runs] == [uids[1]]


def test_damage_to_a_parent_names_the_fork_that_needs_it(store: Store, uids: list[str]) -> None:
    statement = "UPDATE run_array SET data = zeroblob(length(data)) WHERE name = 'margin' AND run_id = 1"
    with store.write() as session:
        session.execute(text(statement))
    assert {uid for uid, _ in store.check().damaged_runs} == {uids[0], uids[3]}
    with pytest.raises(StoreDamaged, match=uids[3]):
        store.runs.get(uids[3], viewer="local")


def test_a_search_text_that_lies_is_found_and_mended_by_saving_a_label(store: Store, uids: list[str]) -> None:
    with store.write() as session:
        session.execute(text("UPDATE run_text SET search = 'lie' WHERE run_id = 2"))
    assert [uid for uid, _ in store.check().damaged_runs] == [uids[1]]
    store.runs.update(uids[1], viewer="local", title="t1")
    assert store.check().ok


def test_rows_that_point_nowhere_are_found(store: Store, uids: list[str]) -> None:
    with store.write() as session:
        connection = session.connection().connection.dbapi_connection
        assert connection is not None
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("INSERT INTO run_tag VALUES (4711, 'nobody')")
    assert len(store.check().foreign_keys) == 1 and not store.check().ok


def test_a_backup_is_a_whole_store_even_while_others_write(store: Store, uids: list[str], tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        seed = 100
        while not stop.is_set():
            store.runs.add(small_trace(seed), status="finished", run_scores={})
            seed += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        copies = [store.backup(tmp_path / f"copy{i}.db") for i in range(5)]
    finally:
        stop.set()
        writer.join()
    counts = []
    for path in copies:
        with Store(path) as copy:
            assert copy.check().ok
            counts.append(copy.check().runs)
            assert_same_trace(copy.runs.get(uids[0], viewer="local").trace, small_trace(0, 20))
    assert counts == sorted(counts) and counts[0] >= 4
    assert not list(tmp_path.glob(".*part"))


def test_a_backup_replaces_a_file_only_when_told_to(store: Store, uids: list[str], tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(BadInput, match="already exists"):
        store.backup(target)
    assert target.read_text() == "precious"
    assert store.backup(target, overwrite=True) == target
    with Store(target) as copy:
        assert copy.check().runs == 4
    with pytest.raises(BadInput, match="another name"):
        store.backup(store.path, overwrite=True)
    with pytest.raises(BadInput, match="no folder"):
        store.backup(tmp_path / "missing" / "copy.db")
    assert store.check().ok


def test_a_reading_session_cannot_write(store: Store, uids: list[str]) -> None:
    with pytest.raises(UserError, match="readonly"), store.read() as session:
        session.execute(text("DELETE FROM run_tag"))
    assert store.check().ok


def test_the_file_is_opened_as_promised(store: Store) -> None:
    with store.write() as session:
        values = {
            name: session.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
        }
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000, "query_only": 0}
    assert values == expected
