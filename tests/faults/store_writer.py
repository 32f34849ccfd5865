"""A process that forks writers on demand, so that killing many of them does not cost as many imports.

Reads one line per writer from stdin (seed) and answers "pid". Each writer stores runs without end, alternating plain
runs and forks of its last one, and prints "uid seed step" only after the commit; the parent kills it whenever it likes.
With "grow" as second argument a writer continues stopped runs instead: see `grow_forever`; with "save" it takes a
snapshot after each run: see `save_forever`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.types import Trace
from storage.database import Store
from storage.snapshots import Snapshots
from tests.storage.examples import continued, shortened, small_trace

TOKENS = 60
OVER_RUN = "score 1 ü"
SNAPSHOTS = "snapshots"


def write_forever(path: Path, seed: int) -> None:
    """Store runs until killed; every printed line is a promise that the run is on disk."""
    with Store(path) as store:
        step = 0
        while True:
            trace = small_trace(seed * 1000 + step, TOKENS)
            uid = store.runs.add(trace, status="finished", run_scores={"step": float(step)}, tags=["killed"])
            os.write(1, f"{uid} {seed * 1000 + step} -1\n".encode())
            fork = continued(trace, 40, seed * 1000 + step + 500, TOKENS)
            child = store.runs.add(fork, status="finished", run_scores={}, parent=uid, fork_position=40)
            os.write(1, f"{child} {seed * 1000 + step} {seed * 1000 + step + 500}\n".encode())
            store.runs.update(uid, viewer="local", title=f"step {step}")
            step += 1


def grow_forever(path: Path, seed: int) -> None:
    """Store a stopped run and a fork of it, then continue it token by token; prints "uid seed tokens" as promises.

    A fork is printed with its number of tokens below zero. Each step changes a score that forks share.
    """
    with Store(path) as store:
        for step in range(seed * 1000, seed * 1000 + 1000):
            trace = grown(step, 30)
            uid = store.runs.add(trace, status="stopped", run_scores={"tokens": 30.0}, tags=["killed"])
            os.write(1, f"{uid} {step} 30\n".encode())
            fork = continued(trace, 20, step + 500, TOKENS)
            child = store.runs.add(fork, status="finished", run_scores={}, parent=uid, fork_position=20)
            os.write(1, f"{child} {step} -{TOKENS}\n".encode())
            for tokens in (31, 45, TOKENS):
                scores = {"tokens": float(tokens)}
                store.runs.extend(
                    uid, grown(step, tokens), viewer="local", status="stopped", run_scores=scores, over_run={OVER_RUN}
                )
                os.write(1, f"{uid} {step} {tokens}\n".encode())


def save_forever(path: Path, seed: int) -> None:
    """Store runs and take snapshots until killed; every printed line is a promise that the run is in a snapshot."""
    with Store(path) as store:
        snapshots = Snapshots(store, path.parent / SNAPSHOTS)
        for step in range(seed * 1000, seed * 1000 + 1000):
            uid = store.runs.add(small_trace(step, TOKENS), status="finished", run_scores={}, tags=["killed"])
            snapshots.take()
            os.write(1, f"{uid} {step} -1\n".encode())


def grown(seed: int, tokens: int) -> Trace:
    """The first tokens of a run, with one score that depends on how many there are."""
    cut = shortened(small_trace(seed, TOKENS), tokens)
    return replace(cut, scores={**cut.scores, OVER_RUN: cut.scores[OVER_RUN] + np.float32(tokens)})


def main() -> None:
    """Serve writers until stdin closes."""
    path = Path(sys.argv[1])
    work = {"grow": grow_forever, "save": save_forever}.get("".join(sys.argv[2:]), write_forever)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.close(0)
            work(path, int(line))
            os._exit(0)
        os.write(1, f"pid {pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
