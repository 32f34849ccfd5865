"""Promises of opening a file: released versions migrate, failures leave it as it was, foreign files stay untouched."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from engine.errors import BadInput, StoreDamaged, UserError
from storage import schema
from storage.database import Store
from storage.migrations import APPLICATION_ID, MIGRATIONS, Migration, newest
from storage.records import RunQuery
from storage.transfer import export_runs, import_runs
from tests.storage.examples import assert_same_trace, small_trace

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
VERSIONS = [step.version for step in MIGRATIONS]


def raw(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, isolation_level=None))


def version(path: Path) -> tuple[int, int]:
    with raw(path) as connection:
        ids = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        return next(ids), next(ids)


def filled(path: Path) -> str:
    with Store(path) as store:
        return store.runs.add(small_trace(1), status="finished", run_scores={"h": 1.0})


def _add_stars(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE run ADD COLUMN stars INTEGER NOT NULL DEFAULT 0")
    connection.execute("CREATE TABLE star (run_id INTEGER REFERENCES run (id)) STRICT")


def _add_stars_then_fail(connection: sqlite3.Connection) -> None:
    _add_stars(connection)
    connection.execute("DELETE FROM run_array")
    connection.execute("SELECT no_such_function()")


def _orphan(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO run_tag VALUES (4711, 'nobody')")


def _tag(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO run_tag SELECT id, 'step' FROM run")


STARS = Migration(newest() + 1, "stars", _add_stars)


@pytest.mark.parametrize("released", VERSIONS)
def test_the_golden_file_of_every_released_version_opens_with_its_runs_unchanged(released: int, tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    shutil.copy(GOLDEN / f"store_v{released}.db", path)
    expected = (GOLDEN / f"store_v{released}.jsonl").read_text(encoding="utf-8")
    with Store(path) as store, Store(tmp_path / "imported.db") as other:
        assert store.check().ok and store.check().runs == 6
        uids = ["golden-first", "golden-fork", "golden-leaf", "golden-empty", "golden-example"]
        assert "".join(export_runs(store, uids, viewer="local")) == expected
        report = import_runs(other, expected, owner="local")
        assert list(report.added) == uids and not report.problems
        for uid in uids:
            assert_same_trace(other.runs.get(uid, viewer="local").trace, store.runs.get(uid, viewer="local").trace)
        assert store.runs.header("golden-first", viewer="local").title == "Größe"
        assert store.runs.restore(["golden-deleted"], viewer="local") == 1
        (analysis,) = store.analyses.list("golden-first", viewer="local")
        assert (analysis.progress, analysis.arrays) == ("1", ("site/1",))
        assert store.analyses.get(analysis.uid, viewer="local").arrays["site/1"].shape == (3, 4)


@pytest.mark.parametrize("released", [version for version in VERSIONS if version >= 2])
def test_the_golden_file_of_every_version_with_annotations_keeps_its_labels(released: int, tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    shutil.copy(GOLDEN / f"store_v{released}.db", path)
    with Store(path) as store:
        report = store.check()
        assert report.ok and (report.sessions, report.events) == (1, 3)
        whole = store.annotations.whole("golden-session", viewer="local")
        assert (whole.session.title, whole.session.guidelines_version) == ("Prüfung", 2)
        assert [item.runs[0].uid for item in whole.items] == ["golden-first", "golden-fork", "golden-first"]
        assert [(row.uuid, row.event.kind, row.event.guidelines_version) for row in whole.events] == [
            ("golden-1", "label", 2),
            ("golden-2", "answer", 2),
            ("golden-3", "submit", 2),
        ]
        assert [final.state["answers"] for final in whole.finals] == [{"correct": "no"}]


def test_the_golden_file_is_of_this_code(tmp_path: Path) -> None:
    assert version(GOLDEN / f"store_v{newest()}.db") == (APPLICATION_ID, newest())
    filled(tmp_path / "new.db")
    schemas = []
    for path in (tmp_path / "new.db", GOLDEN / f"store_v{newest()}.db"):
        with raw(path) as connection:
            schemas.append(connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall())
    assert schemas[0] == schemas[1], "a released step was edited; write a new step instead"


def test_the_typed_tables_are_the_migrated_ones(tmp_path: Path) -> None:
    filled(tmp_path / "library.db")
    tables = [t for t in vars(schema).values() if isinstance(t, type) and issubclass(t, SQLModel) and t is not SQLModel]
    with raw(tmp_path / "library.db") as connection:
        for table in tables:
            found = connection.execute(f"PRAGMA table_info({table.__tablename__})").fetchall()
            assert [row[1] for row in found] == list(table.model_fields), table
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {name for (name,) in names} == {str(table.__tablename__) for table in tables}


def test_a_step_migrates_after_making_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    uid = filled(path)
    with Store(path, migrations=(*MIGRATIONS, STARS)) as store:
        with store.read() as session:
            assert session.connection().exec_driver_sql("SELECT stars FROM run").scalar() == 0
        assert_same_trace(store.runs.get(uid, viewer="local").trace, small_trace(1))
    assert version(path) == (APPLICATION_ID, newest() + 1)
    copy = tmp_path / f"library.db.version-{newest()}"
    assert version(copy) == (APPLICATION_ID, newest())
    with Store(copy) as store:
        assert_same_trace(store.runs.get(uid, viewer="local").trace, small_trace(1))


def test_a_migrated_file_is_not_migrated_or_copied_again(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    filled(path)
    for _ in range(2):
        Store(path, migrations=(*MIGRATIONS, STARS)).close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["library.db", f"library.db.version-{newest()}"]


@pytest.mark.parametrize("broken", [_add_stars_then_fail, _orphan])
def test_a_failing_step_leaves_the_file_as_it_was_and_a_repaired_one_works(broken, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "library.db"
    uid = filled(path)
    with raw(path) as connection:
        before = list(connection.iterdump())
    failing = (*MIGRATIONS, Migration(newest() + 1, "broken", broken))
    with pytest.raises((sqlite3.OperationalError, StoreDamaged)):
        Store(path, migrations=failing)
    with raw(path) as connection:
        assert list(connection.iterdump()) == before
    assert version(path) == (APPLICATION_ID, newest())
    with Store(path) as store:
        assert_same_trace(store.runs.get(uid, viewer="local").trace, small_trace(1))
    Store(path, migrations=(*MIGRATIONS, STARS)).close()
    assert version(path) == (APPLICATION_ID, newest() + 1)


def test_steps_before_a_failing_one_stay_done(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    filled(path)
    steps = (*MIGRATIONS, STARS, Migration(newest() + 2, "broken", _orphan))
    with pytest.raises(StoreDamaged, match="do not exist"):
        Store(path, migrations=steps)
    assert version(path) == (APPLICATION_ID, newest() + 1)


def test_a_step_runs_once_when_many_open_the_file_together(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    filled(path)
    steps = (*MIGRATIONS, Migration(newest() + 1, "tag", _tag))  # a second run would violate the primary key
    barrier, errors = threading.Barrier(6), []

    def open_store() -> None:
        barrier.wait()
        try:
            Store(path, migrations=steps).close()
        except (UserError, sqlite3.Error) as error:
            errors.append(error)

    threads = [threading.Thread(target=open_store) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and version(path) == (APPLICATION_ID, newest() + 1)


def test_many_may_create_the_file_together(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    barrier, uids = threading.Barrier(6), []

    def create() -> None:
        barrier.wait()
        with Store(path) as store:
            uids.append(store.runs.add(small_trace(), status="finished", run_scores={}))

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store(path) as store:
        assert {row.uid for row in store.runs.list(RunQuery("local")).rows} == set(uids) and len(uids) == 6


def refused(path: Path, match: str) -> None:
    """Opening raises, and neither the file nor its folder changes by a byte."""
    before = {p.name: p.read_bytes() for p in path.parent.iterdir() if p.is_file()}
    with pytest.raises(StoreDamaged, match=match):
        Store(path)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir() if p.is_file()} == before


def test_a_newer_file_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    filled(path)
    with raw(path) as connection:
        connection.execute("PRAGMA user_version=99")
    refused(path, "newer version")


def test_a_newer_file_with_a_log_beside_it_is_refused_and_the_log_survives(tmp_path: Path) -> None:
    path, away = tmp_path / "library.db", tmp_path / "away.db"
    filled(away)
    with raw(away) as connection:
        connection.execute("PRAGMA user_version=99")
        for suffix in ("", "-wal"):
            shutil.copy(f"{away}{suffix}", f"{path}{suffix}")
    log = Path(f"{path}-wal").read_bytes()
    assert log and version_in_header(path) == newest(), "the new version number stands in the log only"
    with pytest.raises(StoreDamaged, match="newer version"):
        Store(path)
    assert Path(f"{path}-wal").read_bytes() == log and version_in_header(path) == newest()


def version_in_header(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[60:64], "big")


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with raw(path) as connection:
        connection.execute("CREATE TABLE photo (id INTEGER)")
    refused(path, "another program")


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear Sir or Madam,\n" * 500, encoding="utf-8")
    refused(path, "not a SQLite database")


@pytest.mark.parametrize("size", [1, 15, 16, 99, 100, 4095, 4096, 20_000])
def test_a_file_cut_off_anywhere_is_refused_untouched(tmp_path: Path, size: int) -> None:
    path = tmp_path / "library.db"
    filled(path)
    path.write_bytes(path.read_bytes()[:size])
    refused(path, "cut off")


def test_a_file_with_an_impossible_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    filled(path)
    with raw(path) as connection:
        connection.execute("PRAGMA user_version=0")
    refused(path, "impossible")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"SQLite format 3\0", None),
        (b"CREATE TABLE run (", b"CREATE TABLE \xc2\xff\xe2 ("),
        (b"CREATE TABLE run (", b"CREATE TABLES un ("),
        (b"title TEXT NOT NULL", b"titel TEXT NOT NULL"),
        (b"title TEXT NOT NULL", b"title TXET NOT NULL"),
        (b"CHECK (seed >= 0)", b"CHECK (seed >= 9)"),
    ],
)
def test_a_damaged_description_of_the_tables_is_refused_untouched(
    tmp_path: Path, old: bytes, new: bytes | None
) -> None:
    path = tmp_path / "library.db"
    filled(path)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new) if new else content[:100] + b"\xff" * 40 + content[140:])
    refused(path, "damaged")


def test_tables_that_somebody_added_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    uid = filled(path)
    with raw(path) as connection:
        connection.execute("CREATE VIEW mine AS SELECT title FROM run")
        connection.execute("ANALYZE")
    with Store(path) as store:
        assert_same_trace(store.runs.get(uid, viewer="local").trace, small_trace(1))


def test_a_folder_or_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match="not a file"):
        Store(tmp_path)
    with pytest.raises(BadInput, match="no folder"):
        Store(tmp_path / "missing" / "library.db")


def test_an_empty_file_and_an_unfinished_creation_become_a_store(tmp_path: Path) -> None:
    empty, begun = tmp_path / "empty.db", tmp_path / "begun.db"
    empty.touch()
    with raw(begun) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("VACUUM")
    for path in (empty, begun):
        filled(path)
        assert version(path) == (APPLICATION_ID, newest())
