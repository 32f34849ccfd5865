"""Connections and transactions: one writer at a time, readers that cannot write, SQLite's complaints as sentences.

Knows pragmas, locks and error codes; does not know tables. Sessions live for one call and must not be held while a
generator is suspended.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from engine.errors import Busy, StoreDamaged, UserError
from storage.private_files import begin_private

# how long readers of an older state are waited for; nobody else can write meanwhile
FOLD_MILLISECONDS = 1_000
_PRIMARY = 0xFF  # the low byte of an extended SQLite result code
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_TOOBIG}
_DISK = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
GONE = (
    "The database {} is not there any more. Put it back, from a backup if need be, and try again; start the app again "
    "for an empty library."
)


def lenient_text(raw: bytes) -> str:
    """Damaged bytes become U+FFFD instead of an exception, so that a checksum can name the run they belong to."""
    return raw.decode("utf-8", "replace")


def connect(path: Path, *, busy_seconds: float, query_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode with every pragma the store relies on; the file is created when missing."""
    begin_private(path)
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = lenient_text
        _use_log(connection, time.monotonic() + busy_seconds)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "cell_size_check=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA trusted_schema=OFF")
        # without it, REPLACE removes rows past the triggers that keep them
        connection.execute("PRAGMA query_only=ON" if query_only else "PRAGMA recursive_triggers=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_log(connection: sqlite3.Connection, deadline: float) -> None:
    """Switch to the write-ahead log. While a file is new, several openers may switch at once, and SQLite refuses all
    but one without waiting: the others ask again."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY not in _BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


class Connections:
    """Sessions on one database file. `read` runs in one snapshot, `write` in one immediate transaction.

    Threads of one process queue at a lock, processes at SQLite's own; each wait ends in Busy after `busy_seconds`.
    """

    def __init__(self, path: Path, *, busy_seconds: float) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._writing = threading.Lock()
        self._writer = self._engine("BEGIN IMMEDIATE", query_only=False, size=1, overflow=0)
        self._readers = self._engine("BEGIN", query_only=True, size=4, overflow=28)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one snapshot and cannot write."""
        with translated(self._path), Session(self._readers) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose work is committed at the end of the block, or undone whole when the block raises."""
        if not self._writing.acquire(timeout=self._busy_seconds):
            raise busy(self._busy_seconds)
        try:
            with translated(self._path), Session(self._writer) as session, session.begin():
                session.connection()  # takes the write lock now, not at the first statement
                yield session
        finally:
            self._writing.release()

    @contextmanager
    def erase(self) -> Iterator[Session]:
        """As `write`; what is removed within is overwritten, in the file and in the log beside it."""
        with self.write() as session:
            connection = session.connection()
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
            try:
                yield session
            finally:
                connection.exec_driver_sql("PRAGMA secure_delete=OFF")
        self.fold()

    def fold(self) -> bool:
        """Empty the write-ahead log into the file; False where somebody read an older state for too long."""
        if not self._writing.acquire(timeout=self._busy_seconds):
            return False
        try:
            with translated(self._path), closing(self._writer.raw_connection()) as raw:
                cursor = raw.cursor()
                cursor.execute(f"PRAGMA busy_timeout={FOLD_MILLISECONDS}")
                try:
                    return not cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                finally:
                    cursor.execute(f"PRAGMA busy_timeout={round(self._busy_seconds * 1000)}")
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close every idle connection; the last one folds the write-ahead log into the file."""
        self._readers.dispose()
        self._writer.dispose()

    def _engine(self, begin: str, *, query_only: bool, size: int, overflow: int) -> Engine:
        def creator() -> sqlite3.Connection:
            if not self._path.exists():
                # SQLite would make an empty one in its place, and everything would seem lost
                raise UserError(GONE.format(self._path.name))
            return connect(self._path, busy_seconds=self._busy_seconds, query_only=query_only)

        engine = create_engine(
            "sqlite://",
            creator=creator,
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=overflow,
            pool_timeout=self._busy_seconds,
            hide_parameters=True,  # what people wrote has no place in a log
        )

        def start(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        event.listen(engine, "begin", start)
        return engine


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file into sentences; errors that are defects of the code pass unchanged."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error) and (sentence := explain(error.orig, path)):
            raise sentence from error
        raise
    except sqlite3.Error as error:
        if sentence := explain(error, path):
            raise sentence from error
        raise
    except UnicodeDecodeError as error:
        # Values are decoded leniently, so this is SQLite quoting damaged bytes in a message of its own.
        raise _damaged(path, "its description of the tables is unreadable") from error
    except PoolTimeout as error:
        raise busy(None) from error


def explain(error: sqlite3.Error, path: Path) -> UserError | None:
    """The sentence for an error that concerns the file rather than the code, or None."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code in _BUSY:
        return busy(None)
    if code in _DAMAGED or str(error).startswith("malformed database schema"):
        return _damaged(path, str(error))
    if code in _FULL:
        return UserError(
            "There is no room left for the library. Nothing was saved and nothing is lost; "
            "free some disk space or delete runs, then save again."
        )
    if code in _DISK:
        return UserError(
            f"The database {path.name} cannot be read or written ({error}). "
            "Check that the folder exists, is writable and that the disk works, then try again."
        )
    return None


def _damaged(path: Path, reason: str) -> StoreDamaged:
    return StoreDamaged(
        f"The database {path.name} is damaged ({reason}). Nothing was changed; "
        "restore it from a backup, or move it away to start with an empty library."
    )


def busy(seconds: float | None) -> Busy:
    """The one sentence for a lock that did not come free in time."""
    waited = f" for {seconds:g} seconds" if seconds else ""
    return Busy(f"The library has been busy with another save{waited}. Nothing was changed; try again in a moment.")
