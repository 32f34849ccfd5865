"""A promise for full disks: a sentence, nothing half written, everything stored before still opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from engine.errors import UserError
from storage.database import Store
from tests.storage.examples import assert_same_trace, small_trace


def limit_pages(store: Store, extra: int | None) -> None:
    """Make the disk full after `extra` more pages of 4 KiB, or not full again."""
    with store.write() as session:
        pages = int(session.execute(text("PRAGMA page_count")).scalar_one())
        session.execute(text(f"PRAGMA max_page_count={pages + extra if extra is not None else 2**30}"))


@pytest.mark.parametrize("extra", [0, 1, 2, 5, 10])
def test_a_full_disk_gives_a_sentence_and_the_store_stays_whole(tmp_path: Path, extra: int) -> None:
    with Store(tmp_path / "library.db") as store:
        before = store.runs.add(small_trace(1, 100), status="finished", run_scores={})
        analysis = store.analyses.add(before, "forking", {}, viewer="local")
        limit_pages(store, extra)
        with pytest.raises(UserError, match=r"no room left.*nothing is lost.*free some disk space"):
            store.runs.add(small_trace(2, 3000, 20, 20), status="finished", run_scores={})
        with pytest.raises(UserError, match="no room left"):
            store.analyses.put_array(analysis, "a", np.random.default_rng(0).random(100_000), viewer="local")
        assert store.check().ok and store.check().runs == 1
        assert_same_trace(store.runs.get(before, viewer="local").trace, small_trace(1, 100))
        assert store.analyses.get(analysis, viewer="local").arrays == {}
        limit_pages(store, None)
        after = store.runs.add(small_trace(2, 3000, 20, 20), status="finished", run_scores={})
        assert_same_trace(store.runs.get(after, viewer="local").trace, small_trace(2, 3000, 20, 20))


def test_a_backup_into_a_place_that_cannot_be_written_leaves_no_part_behind(tmp_path: Path) -> None:
    with Store(tmp_path / "library.db") as store:
        store.runs.add(small_trace(), status="finished", run_scores={})
        with pytest.raises(UserError):
            store.backup(Path("/proc/library-copy.db"))
        assert store.check().ok
