"""Promises about who may read a library: what is made of it is its user's alone, whatever the system's habit is."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Store
from storage.restoring import restore
from storage.snapshots import Snapshots
from tests.storage.examples import small_trace
from ui import maintenance

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems know no such modes")


@pytest.fixture(autouse=True)
def everybody_reads() -> Iterator[None]:
    """A machine on which new files can be read by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


def test_a_library_its_log_and_every_copy_of_it_are_private(store: Store, tmp_path: Path) -> None:
    store.runs.add(small_trace(1, 30), status="finished", run_scores={})
    store.backup(tmp_path / "copy.db")
    Snapshots(store, tmp_path / "snapshots").take()
    with store.write():
        found = modes(tmp_path)
    assert {"library.db", "library.db-wal", "library.db-shm", "copy.db"} < set(found) and len(found) == 5
    assert set(found.values()) == {0o600}


def test_what_restoring_puts_in_place_and_keeps_beside_it_is_private(store: Store, tmp_path: Path) -> None:
    copy = store.backup(tmp_path / "copy.db")
    store.close()
    store.path.chmod(0o644)
    kept = restore(copy, store.path).kept
    assert kept is not None and {kept.name, store.path.name} < set(modes(tmp_path))
    assert set(modes(tmp_path).values()) == {0o600}


def test_the_copy_of_an_older_library_is_private_and_the_library_keeps_its_mode(root: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    old.write_bytes((root / "tests/golden/store_v1.db").read_bytes())
    old.chmod(0o640)
    with Store(old):
        found = modes(tmp_path)
    assert found.pop("old.db.version-1") == 0o600 and set(found.values()) == {0o640}


def test_an_export_is_private(store: Store, tmp_path: Path) -> None:
    store.runs.add(small_trace(1, 30), status="finished", run_scores={})
    assert maintenance.export(str(tmp_path / "all.zip"), store.path) == 0
    assert modes(tmp_path)["all.zip"] == 0o600 and zipfile.is_zipfile(tmp_path / "all.zip")


def test_the_end_of_a_link_that_led_nowhere_is_private(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    with Store(tmp_path / "link.db"):
        assert modes(tmp_path)["real.db"] == 0o600
