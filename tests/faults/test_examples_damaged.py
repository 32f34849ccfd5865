"""A shipped example that was damaged on disk costs that example and nothing else: the app starts, the page opens."""

from __future__ import annotations

import sqlite3
import zipfile
from pathlib import Path

import pytest

from engine.errors import StoreDamaged
from engine.host import ModelHost
from engine.limits import Limits
from storage.database import Store
from ui import examples
from ui.access import LOCAL, Viewer
from ui.actions import Workbench
from ui.shelf import Shelf

# what ships beside the runs, by the name of its file in `install` and as the store calls it
KINDS = {"forks", "chain"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    path = tmp_path / "library.db"
    with Store(path) as store:
        assert examples.install(store) == 7
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE run SET title = 'something else' WHERE uid = ?", (examples.example_uid(1),))
    return Store(path)


def test_the_app_starts_and_the_other_examples_open(store: Store) -> None:
    viewer = Viewer(LOCAL, "s", True)
    assert examples.install(store) == 0
    workbench = Workbench(store, ModelHost(), Limits())
    uids = [run.uid for run in Shelf(store).examples(viewer)]
    with pytest.raises(StoreDamaged):
        workbench.open_run(examples.example_uid(1), viewer)
    others = [uid for uid in uids if uid != examples.example_uid(1)]
    assert len(others) == 6 and all(workbench.open_run(uid, viewer) for uid in others)
    store.close()


@pytest.mark.parametrize(
    "damage", ["cut to nothing", "cut in the middle", "cut at its end", "changed", "no zip at all"]
)
@pytest.mark.parametrize("which", ["runs", "forks", "chain"])
def test_a_damaged_file_of_examples_is_logged_and_the_app_starts(
    tmp_path: Path, damage: str, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = {"runs": examples.EXAMPLES, "forks": examples.FORKS, "chain": examples.CHAIN}[which].read_bytes()
    changed = bytearray(whole)
    for at in range(len(whole) // 4, 3 * len(whole) // 4, 997):
        changed[at] ^= 0xFF
    file = tmp_path / "damaged.zip"
    file.write_bytes(
        {
            "cut to nothing": b"",
            "cut in the middle": whole[: len(whole) // 2],
            "cut at its end": whole[:-1],
            "changed": bytes(changed),
            "no zip at all": b"PK\x03\x04" + bytes(4000),
        }[damage]
    )
    with Store(tmp_path / "library.db") as store:
        if which in KINDS:
            assert examples.install(store, **{which: file}) == examples.COUNT
            run = examples.example_uid(examples.FIRST_SHOWN)
            assert [one.kind for one in store.analyses.list(run, viewer=examples.OWNER)] == [*KINDS - {which}]
        else:
            assert examples.install(store, file) == 0
        assert any("left out" in record.message and str(file) in record.message for record in caplog.records)
        # and with the file as it should be, nothing is missing
        examples.install(store)
        assert len(Shelf(store).examples(Viewer(LOCAL, "s", True))) == examples.COUNT


@pytest.mark.parametrize("which", sorted(KINDS))
def test_a_damaged_file_takes_nothing_away_that_was_installed_before(tmp_path: Path, which: str) -> None:
    file, whole = tmp_path / "damaged.zip", {"forks": examples.FORKS, "chain": examples.CHAIN}[which]
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(file, "w") as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name)[:-9] if name.endswith(".npy") else archive.read(name))
    with Store(tmp_path / "library.db") as store:
        examples.install(store)
        run = examples.example_uid(examples.FIRST_SHOWN)
        before = store.analyses.list(run, viewer=examples.OWNER)
        examples.install(store, **{which: file})
        assert store.analyses.list(run, viewer=examples.OWNER) == before and len(before) == len(KINDS)
