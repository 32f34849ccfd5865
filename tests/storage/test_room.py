"""What one owner may keep, and how large the file may become: refused in a sentence, nothing half written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.types import Trace
from storage.database import Store
from storage.limits import StoreLimits
from storage.records import RunQuery
from storage.transfer import export_runs, import_runs
from tests.storage.examples import shortened, small_trace

ME, OTHER = "visitor:me", "visitor:other"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Store]:
    limits = StoreLimits(runs_each=3, tokens_each=40, analyses_each=2, sessions_each=1)
    with Store(tmp_path / "forklore.db", limits=limits) as store:
        yield store


def kept(store: Store, owner: str = ME) -> int:
    return store.runs.list(RunQuery(owner)).total


def add(
    store: Store, owner: str = ME, tokens: int = 5, seed: int = 0, trace: Trace | None = None, **more: object
) -> str:
    return store.runs.add(trace or trace_of(tokens, seed), owner=owner, status="finished", run_scores={}, **more)  # type: ignore[arg-type]


def trace_of(tokens: int, seed: int = 0) -> Trace:
    return small_trace(seed, tokens)


def test_an_owner_keeps_so_many_runs_and_others_keep_theirs(small: Store) -> None:
    uids = [add(small, seed=n) for n in range(3)]
    with pytest.raises(UserError, match="at most 3 runs here, and this would be 4"):
        add(small, seed=4)
    with pytest.raises(UserError, match="at most 3 runs"):
        small.runs.check_room(viewer=ME)
    assert kept(small) == 3
    add(small, OTHER)
    small.runs.delete(uids[:1], viewer=ME)
    with pytest.raises(UserError, match="in the bin count too"):
        add(small, seed=5)
    small.belongings.delete_runs(uids[:1], viewer=ME, with_branches=False)
    add(small, seed=5)
    add(small, ME, seed=6, example=True)


def test_an_owner_keeps_so_many_tokens_also_by_going_on_with_a_run(small: Store) -> None:
    add(small, tokens=30, seed=1)
    with pytest.raises(UserError, match="at most 40 tokens in your runs here, and this would be 45"):
        add(small, tokens=15, seed=2)
    longer = small_trace(3, 50)
    uid = add(small, OTHER, trace=shortened(longer, 10))
    with pytest.raises(UserError, match="this would be 50"):
        small.runs.extend(uid, longer, viewer=OTHER, status="finished", run_scores={})
    assert len(small.runs.get(uid, viewer=OTHER).trace) == 10 and kept(small) == 1


def test_an_import_that_would_be_too_much_leaves_nothing_behind(small: Store, tmp_path: Path) -> None:
    with Store(tmp_path / "other.db") as other:
        uids = [other.runs.add(trace_of(4, n), owner=ME, status="finished", run_scores={}) for n in range(4)]
        data = "".join(export_runs(other, uids, viewer=ME))
    with pytest.raises(UserError, match="at most 3 runs"):
        import_runs(small, data, owner=ME)
    assert kept(small) == 0


def test_an_owner_keeps_so_many_analyses(small: Store) -> None:
    run = add(small)
    for _ in range(2):
        small.analyses.add(run, "chain", {}, viewer=ME)
    with pytest.raises(UserError, match="at most 2 analyses"):
        small.analyses.add(run, "chain", {}, viewer=ME)


def test_a_full_library_takes_nothing_new_and_opens_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "forklore.db"
    with Store(path) as store:
        uid = add(store)
    with Store(path, limits=StoreLimits(file_bytes=4096)) as full:
        with pytest.raises(UserError, match="library is full"):
            add(full, seed=1)
        with pytest.raises(UserError, match="library is full"):
            full.analyses.add(uid, "chain", {}, viewer=ME)
        assert len(full.runs.get(uid, viewer=ME).trace) == 5
        full.belongings.delete_runs([uid], viewer=ME, with_branches=True)
    with Store(path, limits=StoreLimits(file_bytes=2**20)) as roomy:
        add(roomy, seed=2)
