"""A workbench over the tiny model and a fresh store, which shows every token at once; runs, trees and sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import generate
from engine.models import LanguageModel
from engine.types import GenerationRequest, Trace
from storage.database import Store
from tests.support.bench import FIELDS, ME, bench_of, lines
from tests.support.chains import SUM
from tests.support.sessions import Desk, make, with_runs
from ui import actions, fork_job, tree_growing
from ui import chains as chains_module
from ui.actions import Workbench
from ui.chains import Chains
from ui.forks import Forks
from ui.trees import Trees


@pytest.fixture
def bench(tiny: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """The use cases of one person's app."""
    monkeypatch.setattr(actions, "FRAME_SECONDS", 0.0)
    with Store(tmp_path / "forklore.db") as store:
        yield bench_of(tiny, store)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store of its own, beside the workbench's."""
    with Store(tmp_path / "library.db") as opened:
        yield opened


@pytest.fixture
def runs(store: Store, tiny: LanguageModel) -> list[str]:
    """The uids of three short answers in that store."""
    return with_runs(store, tiny, 3)


@pytest.fixture
def desk(store: Store, runs: list[str]) -> Desk:
    """An annotation session on them."""
    return make(store, runs, order="fixed")


# drawn once for all tests here, which change what is in their store and never the run itself
@pytest.fixture(scope="session")
def recorded(tiny: LanguageModel) -> Trace:
    """A run of 40 tokens."""
    return generate.run(tiny, GenerationRequest(**FIELDS))


@pytest.fixture(scope="session")
def ten_tokens(tiny: LanguageModel) -> Trace:
    """The likeliest answer of 10 tokens."""
    return generate.run(tiny, GenerationRequest("Tell me", max_new_tokens=10, temperature=0.0))


@pytest.fixture
def answer(bench: Workbench, ten_tokens: Trace) -> str:
    """The uid of that answer in the store."""
    return bench.keep(ten_tokens, ME)


@pytest.fixture
def run(bench: Workbench, recorded: Trace, monkeypatch: pytest.MonkeyPatch) -> str:
    """The uid of that run in the store."""
    monkeypatch.setattr(tree_growing, "FRAME_SECONDS", 0.0)
    return bench.keep(recorded, ME)


@pytest.fixture
def grove(bench: Workbench, run: str) -> Trees:
    """The trees of that store."""
    return Trees(bench)


@pytest.fixture
def forks(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Forks:
    """The forking analyses of that store, which show every step."""
    monkeypatch.setattr(fork_job, "FRAME_SECONDS", 0.0)
    return Forks(bench)


@pytest.fixture
def chains(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Chains:
    """The attention chains of that store, which show every step."""
    monkeypatch.setattr(chains_module, "FRAME_SECONDS", 0.0)
    return Chains(bench)


@pytest.fixture
def sum_run(bench: Workbench) -> str:
    """The uid of a text whose answer can be found."""
    return str(lines(list(bench.score_text("How many?", SUM, ME))[-1])[-1]["run"])
