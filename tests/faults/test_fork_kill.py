"""A promise for bad days: an analysis whose program is killed goes on to the very draws of one that was left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from engine.fork_draws import ForkDraws, from_arrays
from engine.generate import run
from engine.models import LanguageModel
from engine.types import GenerationRequest
from storage.database import Store
from storage.records import StoredAnalysis

QUESTION = "A box holds 12 pens. I buy 3 boxes and give 5 pens away. How many pens are left?"


def drawer(root: Path, path: Path, order: str, uid: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.fork_drawer", str(path), order, uid]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, bufsize=1)


def analysis(path: Path, run_uid: str) -> StoredAnalysis:
    with Store(path) as store:
        (found,) = store.analyses.list(run_uid, viewer="local", kind="forks")
        return store.analyses.get(found.uid, viewer="local")


def draws(stored: StoredAnalysis) -> ForkDraws:
    return from_arrays(stored.arrays)


def test_kill_9_in_the_middle_costs_seconds_of_work_and_changes_no_draw(
    root: Path, tmp_path: Path, embedded: LanguageModel
) -> None:
    trace = run(embedded, GenerationRequest(QUESTION, max_new_tokens=12, temperature=0.0))
    paths = {name: tmp_path / f"{name}.db" for name in ("killed", "whole")}
    uids = {}
    for name, path in paths.items():
        with Store(path) as store:
            uids[name] = store.runs.add(trace, status="finished", run_scores={}, uid="run-of-pens")
    with drawer(root, paths["whole"], "begin", uids["whole"]) as process:
        assert process.stdout is not None
        total = int(process.stdout.read().splitlines()[-1].split()[0])
    with drawer(root, paths["killed"], "begin", uids["killed"]) as process:
        assert process.stdout is not None
        for line in process.stdout:
            drawn, uid = line.split() if " " in line.strip() else (line.strip(), "")
            if uid and int(drawn) > total // 2:
                process.send_signal(signal.SIGKILL)
                break
        assert process.wait(timeout=20) == -signal.SIGKILL
    before = analysis(paths["killed"], uids["killed"])
    kept = draws(before).rollouts
    assert before.header.status == "running" and 0 < len(kept) < total, "it was not killed in the middle"
    with drawer(root, paths["killed"], "resume", before.header.uid) as process:
        process.communicate(timeout=120)
        assert process.returncode == 0
    after, whole = analysis(paths["killed"], uids["killed"]), analysis(paths["whole"], uids["whole"])
    assert after.header.status == whole.header.status == "finished"
    resumed, straight = draws(after), draws(whole)
    assert resumed.rollouts[: len(kept)] == kept, "what was kept is not drawn again"
    found = {(one.position, one.token_id, one.draw): one for one in resumed.rollouts}
    wanted = {(one.position, one.token_id, one.draw): one for one in straight.rollouts}
    assert set(found) == set(wanted) and len(found) == total > 30
    # those that float noise of another batching may decide are counted as close, and few
    differ = [key for key, one in wanted.items() if (found[key].ids, found[key].ending) != (one.ids, one.ending)]
    assert all(found[key].close or wanted[key].close for key in differ) and len(differ) <= max(1, total // 50)
    with Store(paths["killed"]) as store:
        assert store.check().ok
