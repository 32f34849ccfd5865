"""A promise for bad days: kills in the middle of writing lose no acknowledged run and leave no half one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import text

from storage.database import Store
from storage.records import RunQuery
from storage.snapshots import Snapshots, restore_missing
from tests.faults import counts
from tests.faults.store_writer import SNAPSHOTS, TOKENS, grown
from tests.storage.examples import assert_same_trace, continued, small_trace

PART = ".forklore-*.part*"
WAIT_SECONDS = 10.0
LINES_AWAITED = 5


def test_two_hundred_kills_and_two_hundred_damaged_copies_are_tried_in_all() -> None:
    kills = counts.KILLED_WRITERS + counts.KILLED_GROWERS + counts.KILLED_ANNOTATORS + counts.KILLED_SAVERS
    assert kills >= counts.PROMISED_KILLS
    assert counts.DAMAGED_LIBRARIES + counts.DAMAGED_SESSIONS >= counts.PROMISED_COPIES


def test_kill_9_loses_no_acknowledged_run_and_leaves_no_half_run(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    acknowledged: dict[str, tuple[int, int]] = {}
    command = [sys.executable, "-m", "tests.faults.store_writer", str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, cwd=root, **pipes) as server:  # type: ignore[call-overload]
        for kill in range(counts.KILLED_WRITERS):
            acknowledged |= kill_one_writer(server, kill)
        server.stdin.close()
        assert server.wait(timeout=10) == 0
    assert len(acknowledged) >= counts.KILLED_WRITERS, (
        "the writers were killed before they wrote anything: the test shows nothing"
    )
    with Store(path) as store:
        report = store.check()
        assert report.ok, report
        for uid, (seed, fork) in acknowledged.items():
            plain = small_trace(seed, TOKENS)
            expected = plain if fork < 0 else continued(plain, 40, fork, TOKENS)
            assert_same_trace(store.runs.get(uid, viewer="local").trace, expected)
        listed = store.runs.list(RunQuery("local", limit=0)).total
        assert report.runs == listed, "every run that exists at all is whole"
        assert len(acknowledged) <= listed <= len(acknowledged) + counts.KILLED_WRITERS, (
            "at most one unacknowledged run per kill"
        )
        with store.read() as session:
            sizes = session.execute(text("SELECT count(*) FROM run_array GROUP BY run_id")).scalars().all()
        assert set(sizes) == {17} and len(sizes) == listed
        assert store.runs.add(small_trace(), status="finished", run_scores={})


def test_kill_9_leaves_a_continued_run_as_it_was_or_as_it_is_now_and_its_forks_alone(
    root: Path, tmp_path: Path
) -> None:
    path = tmp_path / "library.db"
    promised: dict[str, tuple[int, int]] = {}
    command = [sys.executable, "-m", "tests.faults.store_writer", str(path), "grow"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, cwd=root, **pipes) as server:  # type: ignore[call-overload]
        for kill in range(counts.KILLED_GROWERS):
            promised |= kill_one_writer(server, kill)
        server.stdin.close()
        assert server.wait(timeout=10) == 0
    ahead = 0
    with Store(path) as store:
        assert store.check().ok
        for uid, (seed, tokens) in promised.items():
            stored = store.runs.get(uid, viewer="local")
            if tokens < 0:
                assert_same_trace(stored.trace, continued(grown(seed, 30), 20, seed + 500, TOKENS))
                continue
            # at most the one step that was under way is there without having been promised
            assert len(stored.trace) in steps_from(tokens) and stored.header.run_scores == {"tokens": len(stored.trace)}
            assert_same_trace(stored.trace, grown(seed, len(stored.trace)))
            ahead += len(stored.trace) > tokens
        listed = store.runs.list(RunQuery("local", limit=0)).total
    assert len(promised) <= listed <= len(promised) + counts.KILLED_GROWERS and ahead <= counts.KILLED_GROWERS
    assert len({tokens for _, tokens in promised.values()}) >= 4, (
        "no kill fell between the steps: the test shows nothing"
    )


def test_kill_9_in_a_snapshot_leaves_whole_ones_with_everything_that_was_saved(root: Path, tmp_path: Path) -> None:
    path, folder = tmp_path / "library.db", tmp_path / SNAPSHOTS
    with Store(path) as store:
        for seed in range(40):
            store.runs.add(small_trace(seed, TOKENS), status="finished", run_scores={})
    saved: dict[str, tuple[int, int]] = {}
    cut_off = 0
    command = [sys.executable, "-m", "tests.faults.store_writer", str(path), "save"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, cwd=root, **pipes) as server:  # type: ignore[call-overload]
        for kill in range(counts.KILLED_SAVERS):
            # from the second on, some are killed as soon as one is being written
            saved |= kill_one_writer(server, kill, folder if kill % 3 else None)
            cut_off += bool(list(folder.glob(PART)))
            lost = tmp_path / f"after-{kill}.db"
            found = restore_missing(lost, folder)
            assert found is not None and found.skipped == (), "a snapshot that is there is whole"
            with Store(lost) as store:
                assert store.check().ok
                for uid, (seed, _) in saved.items():
                    assert_same_trace(store.runs.get(uid, viewer="local").trace, small_trace(seed, TOKENS))
        server.stdin.close()
        assert server.wait(timeout=10) == 0
    assert len(saved) >= counts.KILLED_SAVERS and cut_off > 0, "no kill fell into a snapshot: the test shows nothing"
    with Store(path) as store:
        Snapshots(store, folder)
        assert not list(folder.glob(PART)), "what a kill left of one is cleared away"


def steps_from(tokens: int) -> tuple[int, ...]:
    """How long a run may be whose last promise was `tokens`."""
    steps = (30, 31, 45, TOKENS)
    at = steps.index(tokens)
    return steps[at : at + 2]


def kill_one_writer(server: subprocess.Popen[str], kill: int, folder: Path | None = None) -> dict[str, tuple[int, int]]:
    """Start a writer, let it write for a random moment, or until a snapshot is being written in `folder`, and kill it;
    returns the uids it had acknowledged by then."""
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(f"{kill + 1}\n")
    server.stdin.flush()
    found: dict[str, tuple[int, int]] = {}
    pid = None
    deadline = None
    # by what was written and not by time alone, so that a slow machine is cut off at every step, too
    lines, awaited = 0, random.Random(kill).randint(1, LINES_AWAITED)
    for line in server.stdout:
        words = line.split()
        if words == ["dead"]:
            return found
        if words[0] == "pid":
            pid = int(words[1])
        else:
            found[words[0]] = int(words[1]), int(words[2])
            lines += 1
        if pid is not None and lines >= awaited and deadline is None:
            # From here on the kill falls anywhere between two commits, also into the very first page writes.
            last = time.monotonic() + (WAIT_SECONDS if folder else random.Random(kill).uniform(0, 0.08))
            while (left := last - time.monotonic()) > 0 and not (folder and list(folder.glob(PART))):
                time.sleep(0.0005 if folder else left)
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic()
    raise AssertionError("the process that starts the writers ended")
