"""Small upkeep of the file itself: the log folded in, the planner's statistics kept, leftovers of cut copies removed.

Takes no lock for long. Does not know what the tables hold.
"""

from __future__ import annotations

import glob
from contextlib import closing
from pathlib import Path

from storage.connections import connect, translated

BUSY_SECONDS = 1.0


def tidy(path: Path) -> None:
    """Empty the log into the file where readers allow it; let SQLite look at what queries need. Busy, UserError."""
    with translated(path), closing(connect(path, busy_seconds=BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA optimize")


def remove_leftovers(path: Path) -> int:
    """Remove what a copy of this library that was cut off has left beside it; how many files. Nobody else may be
    copying meanwhile."""
    leftovers = list(path.parent.glob(f".{glob.escape(path.name)}.*.part*"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return len(leftovers)
