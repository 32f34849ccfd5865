"""How much memory this process holds, now and at its highest while something is done. Says nothing away from Linux."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE = 0.005


def resident() -> int:
    """Bytes of this process in memory now, on Linux; 0 elsewhere."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 if status.exists() else 0


@contextmanager
def peak() -> Iterator[list[int]]:
    """What `resident` said every few milliseconds in between."""
    seen, done = [resident()], threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(resident())
            time.sleep(PAUSE)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
        seen.append(resident())
