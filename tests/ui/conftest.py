"""A workbench over the tiny model and a fresh store, which shows every token at once; a run in it and its tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import generate
from engine.host import ModelHost
from engine.limits import Limits
from engine.models import LanguageModel
from engine.types import GenerationRequest, Trace
from storage.database import Store
from tests.support.bench import FIELDS, ME
from ui import actions, tree_growing
from ui.actions import Workbench
from ui.trees import Trees


@pytest.fixture
def bench(tiny: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """The use cases of one person's app."""
    monkeypatch.setattr(actions, "FRAME_SECONDS", 0.0)
    host = ModelHost(patience=0.0)
    host.hold(tiny)
    with Store(tmp_path / "forklore.db") as store:
        yield Workbench(store, host, Limits())


# drawn once for all tests here, which change what is in their store and never the run itself
@pytest.fixture(scope="session")
def recorded(tiny: LanguageModel) -> Trace:
    """A run of 40 tokens."""
    return generate.run(tiny, GenerationRequest(**FIELDS))


@pytest.fixture
def run(bench: Workbench, recorded: Trace, monkeypatch: pytest.MonkeyPatch) -> str:
    """The uid of that run in the store."""
    monkeypatch.setattr(tree_growing, "FRAME_SECONDS", 0.0)
    return bench.keep(recorded, ME)


@pytest.fixture
def grove(bench: Workbench, run: str) -> Trees:
    """The trees of that store."""
    return Trees(bench)
