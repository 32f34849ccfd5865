"""What lies at a path before anything is opened for writing: nothing, our database, or something to leave alone.

Reads the file's header itself and asks SQLite only through a connection that cannot write, so that a refused file
stays as it was to the last byte and gains no files beside it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from engine.errors import StoreDamaged
from storage.connections import lenient_text, translated
from storage.migrations import APPLICATION_ID, Migration, expected_objects, newest

_MAGIC = b"SQLite format 3\x00"
_HEADER_BYTES = 100
_OTHER = "Nothing was changed; choose another path for the library."
BACKUP = "Nothing was changed; restore it from a backup, or move it away to start with an empty library."


def stored_version(path: Path, steps: Sequence[Migration], remedy: str = BACKUP) -> int:
    """The version of the tables in the file, 0 when there is nothing yet.

    StoreDamaged, naming which: no SQLite file, cut off, damaged, somebody else's database, or newer than `steps`.
    remedy: what to do about damage.
    """
    if not path.exists():
        return 0
    if not path.is_file():
        raise StoreDamaged(f"{path.name} is not a file, so it cannot hold the library. {_OTHER}")
    if path.stat().st_size == 0:
        return 0
    _check_header(path, remedy)
    with translated(path):
        application, version, objects = _ask(path)
    if (application, version, len(objects)) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID:
        raise StoreDamaged(f"{path.name} is a SQLite database of another program. {_OTHER}")
    if version > newest(steps):
        raise StoreDamaged(
            f"{path.name} was written by a newer version of this program (its tables have version {version}, this one "
            f"knows {newest(steps)}). Nothing was changed; update the program or choose another path for the library."
        )
    if version < 1:
        raise StoreDamaged(f"{path.name} is damaged: its version number is impossible. {remedy}")
    if lacking := expected_objects(steps, version) - objects:
        names = ", ".join(sorted(name for name, _ in lacking))
        raise StoreDamaged(f"{path.name} is damaged: the description of its tables has changed ({names}). {remedy}")
    return version


def _check_header(path: Path, remedy: str) -> None:
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        size = file.seek(0, 2)
    if not header.startswith(_MAGIC):
        if _MAGIC.startswith(header[: len(_MAGIC)]):
            raise StoreDamaged(f"{path.name} is cut off after {size} bytes. {remedy}")
        raise StoreDamaged(f"{path.name} is not a SQLite database. {_OTHER}")
    page = int.from_bytes(header[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(header[28:32], "big")
    recorded = header[24:28] == header[92:96]  # else an old SQLite wrote the file and the count means nothing
    # A log beside the file may still hold the missing pages: then SQLite's own checks must find out.
    if len(header) < _HEADER_BYTES or (recorded and size < page * pages and not has_log(path)):
        raise StoreDamaged(f"{path.name} is cut off: {size:,} of {page * pages:,} bytes are there. {remedy}")


def read_only(path: Path) -> str:
    """The address at which SQLite reads a database and writes nothing, also no file beside it."""
    # without a log the file alone is the truth
    mode = "mode=ro" if has_log(path) else "immutable=1"
    return f"file:{quote(str(path.absolute()))}?{mode}"


def has_log(path: Path) -> bool:
    """Whether a write-ahead log with something in it lies beside a database."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _ask(path: Path) -> tuple[int, int, set[tuple[str, str | None]]]:
    """application_id, user_version, and name and definition of every table and index."""
    connection = sqlite3.connect(read_only(path), uri=True, timeout=5)
    connection.text_factory = lenient_text
    try:
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        objects = set(connection.execute("SELECT name, sql FROM sqlite_master"))
    finally:
        connection.close()
    return application, version, objects
