"""A quick look whether a library can be read and written, without changing it or waiting for others.

Opens the file anew, as a start of the program would: what an open connection still sees may be gone for good.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from engine.errors import Busy
from storage.connections import translated

WAIT_SECONDS = 0.2


def probe(path: Path) -> Literal["writable", "busy"]:
    """Whether the library answers; "busy" while somebody else writes. UserError or StoreDamaged when it does not."""
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    try:
        with (
            translated(path),
            closing(sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)) as connection,
        ):
            connection.execute("SELECT count(*) FROM (SELECT id FROM run LIMIT 1)").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except Busy:
        return "busy"
    return "writable"
