"""A process that forks writers on demand, so that killing sixty of them does not cost sixty imports.

Reads one line per writer from stdin (seed) and answers "pid". Each writer stores runs without end, alternating plain
runs and forks of its last one, and prints "uid seed step" only after the commit; the parent kills it whenever it likes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from storage.database import Store
from tests.storage.examples import continued, small_trace

TOKENS = 60


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


def main() -> None:
    """Serve writers until stdin closes."""
    path = Path(sys.argv[1])
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.close(0)
            write_forever(path, int(line))
            os._exit(0)
        os.write(1, f"pid {pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
