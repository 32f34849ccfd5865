"""A workbench over the tiny model, which shows every step of every job, a short answer to work on, and files that are
written the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import generate
from engine.models import LanguageModel
from engine.types import GenerationRequest, Trace
from storage.database import Store
from tests.support.bench import bench_of
from tests.support.jobs import SHORT
from tests.support.unvarying import unvarying
from ui import actions, chains, fork_job, probe_board, tree_growing
from ui.actions import Workbench


@pytest.fixture(scope="session")
def ten(tiny: LanguageModel) -> Trace:
    """An answer of ten tokens."""
    return generate.run(tiny, GenerationRequest(**SHORT))


@pytest.fixture(scope="module")
def same_every_time() -> Iterator[None]:
    """Uids and secrets that are drawn alike and time that stands still, in all of a file."""
    with unvarying():
        yield


@pytest.fixture
def bench(tiny: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """The use cases over a store in a temporary folder."""
    for module in (actions, chains, fork_job, probe_board, tree_growing):
        monkeypatch.setattr(module, "FRAME_SECONDS", 0.0)
    with Store(tmp_path / "library.db") as store:
        yield bench_of(tiny, store)
