"""A shipped example that was damaged on disk costs that example and nothing else: the app starts, the page opens."""

from __future__ import annotations

import sqlite3
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
