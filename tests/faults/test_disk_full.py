"""A promise for full disks: every write of the library is refused whole at each of its steps, and works again later.

On a real file system that has 0, 1, 2, ... free blocks left until the write goes through. In between nothing of the
library may have changed, every checksum must hold, and what is refused says what to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from engine import conversion
from engine.errors import UserError
from engine.testing import save_tiny_folder
from storage.annotation_records import NewItem
from storage.database import Store
from storage.records import RunQuery
from storage.snapshots import Snapshots
from storage.transfer import export_runs, import_runs
from tests.storage.annotating import KNOWN, OTHER_SCHEMA, OWNER, SCHEMA, Desk, answer, desk, event, label
from tests.storage.examples import small_trace
from tests.support.small_disk import SmallDisk, mounted

DISK_MEGABYTES = 12
# a write that takes more blocks than this is no write of this library
MOST_BLOCKS = 2_000
TOKENS = 60
BEGINNING = 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk", DISK_MEGABYTES) as disk:
        yield disk


class Library:
    """A store with a little of everything, on a disk that can be filled."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.desk: Desk = desk(store, runs=3, members=2, items=[NewItem((f"run-{i % 3}",)) for i in range(6)])
        self.item = self.desk.take(self.desk.members[0])
        self.other = self.desk.take(self.desk.members[1])
        self.begun = store.runs.add(small_trace(7, TOKENS), status="stopped", run_scores={}, uid="begun")
        self.gone = store.runs.add(small_trace(8, TOKENS), status="finished", run_scores={"h": 1.0}, uid="gone")
        store.runs.delete([self.gone], viewer=OWNER)
        self.analysis = store.analyses.add("run-0", "forks", {}, viewer=OWNER)
        store.analyses.save(self.analysis, viewer=OWNER, arrays={"a": np.arange(9_000)}, status="stopped")
        self.lines = "".join(export_runs(store, ["run-0", "run-1"], viewer=OWNER))
        self.whole = store.annotations.whole(self.desk.uid, viewer=OWNER)
        store.people.add("Ada")

    def fingerprint(self) -> str:
        """Of every value in every table."""
        found = hashlib.sha256()
        with self.store.read() as session:
            names = session.execute(text("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"))
            for name in [str(row[0]) for row in names if not str(row[0]).startswith("sqlite_")]:
                for row in session.execute(text(f'SELECT * FROM "{name}" ORDER BY 1, 2')):
                    found.update(f"{name}{tuple(row)!r}".encode())
        return found.hexdigest()

    def fold(self) -> None:
        """Bring the write-ahead log into the file, so that the next write has to ask for room again."""
        with self.store._connections._writer.connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]


LONG = "x" * 9_000
Write = Callable[[Library], object]
WRITES: dict[str, Write] = {
    "a run": lambda at: at.store.runs.add(small_trace(20, TOKENS), status="finished", run_scores={}, uid="new"),
    "a branch": lambda at: at.store.runs.add(
        small_trace(7, TOKENS), status="finished", run_scores={}, parent="begun", fork_position=TOKENS - 1
    ),
    "title and note": lambda at: at.store.runs.update("run-0", viewer=OWNER, title="t", note=LONG, tags=["a", "b"]),
    "into the bin": lambda at: at.store.runs.delete(["run-0", "run-1"], viewer=OWNER),
    "out of the bin": lambda at: at.store.runs.restore(["gone"], viewer=OWNER),
    "the bin emptied": lambda at: at.store.runs.purge(before=datetime.now(UTC) + timedelta(days=1)),
    "an analysis": lambda at: at.store.analyses.add("run-1", "chain", {"long": LONG}, viewer=OWNER),
    "draws of an analysis": lambda at: at.store.analyses.save(
        at.analysis, viewer=OWNER, arrays={"a": np.arange(20_000), "b": np.zeros(9)}, status="finished"
    ),
    "an analysis deleted": lambda at: at.store.analyses.delete(at.analysis, viewer=OWNER),
    "runs imported": lambda at: import_runs(at.store, at.lines, owner="visitor:a"),
    "a session": lambda at: at.store.annotations.create(
        owner=OWNER, title="T", schema=SCHEMA, guidelines=LONG, settings=at.whole.session.settings,
        items=[NewItem(("run-0",)), NewItem(("run-1",))], viewer=OWNER,
    ),
    "a session again": lambda at: at.store.annotations.fork(
        at.desk.uid, viewer=OWNER, title="U", schema=OTHER_SCHEMA
    ),
    "guidelines": lambda at: at.store.annotations.change(at.desk.uid, viewer=OWNER, guidelines=LONG),
    "an annotator": lambda at: at.desk.api.add_member(at.desk.uid, viewer=OWNER, name="New", role="annotator"),
    "an item dealt": lambda at: at.desk.take(at.desk.api.begin(at.desk.uid, at.desk.members[0])),
    "labels": lambda at: at.desk.save(
        at.desk.members[0], at.item, label(), answer(), event("comment", text=LONG)
    ) if at.item else None,
    "a decision": lambda at: at.desk.api.add_final(at.desk.uid, at.item.uid, KNOWN, viewer=OWNER) if at.item else None,
    "labels imported": lambda at: at.desk.api.import_labels(at.desk.uid, {at.item.uid: [label()]}, viewer=OWNER)
    if at.item else None,
    "a session imported": lambda at: at.desk.api.restore_export(at.whole, viewer=OWNER),
    "a session deleted": lambda at: at.store.annotations.delete(at.desk.uid, viewer=OWNER),
    "a person": lambda at: at.store.people.add("Grace"),
    "a person removed": lambda at: at.store.people.remove("Ada"),
    "used tokens": lambda at: at.store.usage.add({("a" * 64, hour): 5 for hour in range(200)}, 0),
    "runs deleted for good": lambda at: at.store.belongings.delete_runs(["run-0"], viewer=OWNER, with_branches=True),
    "everything deleted": lambda at: at.store.belongings.delete_all(viewer=OWNER),
    "a backup": lambda at: at.store.backup(at.folder / "copy.db", overwrite=True),
    "a snapshot": lambda at: Snapshots(at.store, at.folder / "snapshots").take(),
}  # fmt: skip
# the number of steps at which each was refused, for the one test that adds them up
REFUSED: dict[str, int] = {}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_refused_whole_at_every_step_and_works_when_there_is_room(name: str, disk: SmallDisk) -> None:
    with Store(disk.folder / "library.db") as store:
        at = Library(store, disk.folder)
        before = at.fingerprint()
        for blocks in range(MOST_BLOCKS):
            disk.leave(None)
            at.fold()
            disk.leave(blocks)
            try:
                WRITES[name](at)
            except UserError as error:
                said = str(error)
                assert ("room" in said or "space" in said or "written" in said) and said.endswith("."), said
                assert at.fingerprint() == before and store.check().ok
                assert not [path for path in disk.folder.rglob("*.part*") if path.is_file()], "no part is left behind"
                continue
            break
        assert blocks > 0, "it went through on a full disk: the test shows nothing"
        REFUSED[name] = blocks
        disk.leave(None)
        assert store.check().ok
        assert store.runs.add(small_trace(30, TOKENS), status="finished", run_scores={}, uid="after")
    with Store(disk.folder / "library.db") as store:
        assert store.check().ok and store.runs.list(RunQuery(OWNER)).total >= 1


def test_the_steps_at_which_a_write_was_refused_add_up() -> None:
    if len(REFUSED) < len(WRITES):
        pytest.skip("not every kind of write was tried on a full disk here")
    print(f"{len(REFUSED)} kinds of writes, refused at {sum(REFUSED.values())} steps: {REFUSED}")
    assert sum(REFUSED.values()) >= 100


def test_a_model_that_cannot_be_converted_for_lack_of_room_is_converted_when_there_is_some(disk: SmallDisk) -> None:
    source = disk.folder / "any.gguf"
    source.write_bytes(b"GGUF" + bytes(range(256)))

    def convert() -> Path:
        return conversion.converted(
            source, label="it", cache_dir=disk.folder / "cache", progress=lambda *_: None,
            convert=lambda _, target: save_tiny_folder(target),
        )[0]  # fmt: skip

    for blocks in (0, 1, 2, 3, 5, 8, 13, 21):
        disk.leave(blocks)
        with pytest.raises(UserError, match=r"could not be written.*free some space"):
            convert()
        disk.leave(None)
        assert not list((disk.folder / "cache").rglob("*partial*")), "no part is left behind"
    assert conversion.intact(convert())
