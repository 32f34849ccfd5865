"""Promises for a clock that jumps while the app runs: nobody loses what they made, and everybody can go on.

The time of day is changed wherever the program reads it (tests/support/clock.py); time that passes goes on as it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Busy
from engine.host import ModelHost
from engine.limits import Limits
from engine.models import LanguageModel
from storage.database import Store
from storage.records import RunQuery
from storage.snapshots import Snapshots, restore_missing
from tests.storage.annotating import OWNER, answer, desk, event, label
from tests.support.bench import ME
from tests.support.clock import Clock, readers
from tests.support.jobs import SHORT
from ui import chores
from ui.access import Viewer
from ui.actions import Workbench
from ui.quotas import QuotaLimits, Quotas
from ui.settings import parse

STRANGER = Viewer("visitor:a", "page", False, "203.0.113.5")
DAYS = 10
PUBLIC = parse(["--mode", "public"], {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    modules = readers()
    # runs, sessions, people, snapshots, sign-in: more than a few
    assert len(modules) > 12 and {"storage.writing", "ui.steady_clock"} <= {module.__name__ for module in modules}
    return Clock(monkeypatch, modules)


@pytest.fixture
def bench(tiny: LanguageModel, tmp_path: Path, clock: Clock) -> Iterator[Workbench]:
    host = ModelHost(patience=0.0)
    host.hold(tiny)
    with Store(tmp_path / "library.db") as store:
        # as the program makes them, with what the clock's name stands for now
        yield Workbench(store, host, Limits(), quotas=Quotas(QuotaLimits(jobs=3, tokens=10_000), clock.seconds))


def answered(bench: Workbench, viewer: Viewer = ME, seed: int = 3) -> None:
    assert list(bench.generate({**SHORT, "seed": seed}, viewer))


@pytest.mark.parametrize("days", [-DAYS, DAYS])
def test_runs_made_before_and_after_are_all_there(bench: Workbench, clock: Clock, days: int) -> None:
    answered(bench)
    clock.jump(days=days)
    answered(bench, seed=9)
    rows = bench.store.runs.list(RunQuery(ME.name)).rows
    assert len(rows) == 2 and bench.store.check().ok
    # the clock was really another one
    dates = sorted(row.created_at for row in rows)
    assert (dates[1] - dates[0]).days in (DAYS, DAYS - 1)
    assert bench.store.runs.delete([rows[0].uid], viewer=ME.name)
    assert bench.store.runs.restore([rows[0].uid], viewer=ME.name)


@pytest.mark.parametrize("days", [-DAYS, DAYS])
def test_annotators_go_on_and_an_item_that_was_left_is_dealt_to_another(
    bench: Workbench, clock: Clock, days: int
) -> None:
    at = desk(bench.store, runs=2, members=2, overlap=1)
    one, other = at.members
    left = at.api.take_next(at.uid, one)
    mine = at.api.take_next(at.uid, other)
    assert left and mine and left.uid != mine.uid
    clock.jump(days=days)
    at.api.save(at.uid, other, mine.uid, [label(), answer(), event("submit")])
    dealt = at.api.take_next(at.uid, other)
    assert dealt and dealt.uid == left.uid, "nobody waits ten days for whoever left it"
    at.api.save(at.uid, one, left.uid, [label(), answer(), event("submit")])  # kept, though it comes late
    assert len(at.api.all_events(at.uid, viewer=OWNER)) == 6 and bench.store.check().ok


def test_who_used_up_a_share_waits_no_longer_when_the_clock_is_set_back(bench: Workbench, clock: Clock) -> None:
    for seed in range(3):
        answered(bench, STRANGER, seed)
    clock.jump(days=-DAYS)
    with pytest.raises(Busy, match="in 10 minutes"):
        answered(bench, STRANGER, 9)
    clock.jump(minutes=11)
    answered(bench, STRANGER, 9)
    left = bench.quotas.remaining(STRANGER).tokens_left
    assert left is not None and left < 10_000, "tokens of the day are not given back"
    clock.jump(hours=25)
    assert bench.quotas.remaining(STRANGER).tokens_left == 10_000


def test_work_of_strangers_outlives_a_clock_that_jumps_ahead(
    bench: Workbench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 1000.0
    monkeypatch.setattr(chores, "SteadyClock", lambda steady=chores.SteadyClock: steady(lambda: passed))
    tasks = {task.name: task.run for task in chores.tasks(bench.store, PUBLIC, None)}

    def chore(name: str) -> int:
        tasks[name]()
        return bench.store.check().runs

    def wait(hours: float) -> None:
        nonlocal passed
        passed += hours * 3600
        clock.jump(hours=hours)

    answered(bench, STRANGER)
    answered(bench, ME)
    uid = bench.store.runs.list(RunQuery(ME.name)).rows[0].uid
    bench.store.runs.delete([uid], viewer=ME.name)
    assert chore("expiry") == 2
    clock.jump(days=40)
    for _ in range(23):
        assert chore("expiry") == 2 and chore("bin") == 2
        wait(hours=1)
    clock.jump(days=-40)
    assert chore("expiry") == 2 and chore("bin") == 2, "as if nothing had been"
    wait(hours=24 * 7)
    assert chore("bin") == 2
    assert chore("expiry") == 1, "what was not touched for seven days that really passed goes"
    # a clock that stays there is believed after a day, or nothing would ever be deleted where it was wrong at the start
    clock.jump(days=40)
    assert chore("bin") == 1
    wait(hours=12)
    assert chore("bin") == 1
    wait(hours=13)
    assert chore("bin") == 0


def test_a_snapshot_made_after_the_clock_was_set_back_is_the_one_restored(
    bench: Workbench, clock: Clock, tmp_path: Path
) -> None:
    kept = Snapshots(bench.store, tmp_path / "copies")
    clock.jump(days=DAYS)
    answered(bench)
    assert kept.take()
    clock.jump(days=-DAYS)
    answered(bench, seed=9)
    assert kept.take()
    assert kept.state.age() is not None
    assert restore_missing(tmp_path / "again.db", tmp_path / "copies")
    with Store(tmp_path / "again.db") as again:
        assert again.check().ok and again.check().runs == 2
