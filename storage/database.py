"""The store: opens or refuses a file, brings it to the newest version, and hands out runs, analyses, annotation
sessions, people and what belongs to them.

Knows how the rooms of storage fit together; queries live in those.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from sqlalchemy.orm import Session

from engine.errors import BadInput, UserError
from storage.analyses import AnalysisStore
from storage.annotations import AnnotationStore
from storage.belongings import Belongings
from storage.checking import check_store
from storage.connections import Connections, connect, translated
from storage.copies import copy_database
from storage.inspection import stored_version
from storage.limits import StoreLimits
from storage.migrations import MIGRATIONS, Migration, migrate, newest
from storage.people import PeopleStore
from storage.records import CheckReport
from storage.runs import RunStore
from storage.usage import UsageStore

_OLDEST_SQLITE = (3, 37, 0)  # the first with STRICT tables


class Store:
    """One SQLite file with runs, analyses and annotation sessions; safe to use from several threads and processes.

    A missing or empty file is created. A file that is damaged, cut off, no database, somebody else's or newer than
    this program raises StoreDamaged and is left untouched. An older one is copied beside itself, then migrated.
    """

    def __init__(
        self, path: str | Path, *, limits: StoreLimits | None = None, migrations: Sequence[Migration] = MIGRATIONS
    ) -> None:
        self.path = Path(path)
        self.limits = limits or StoreLimits()
        _open(self.path, self.limits, migrations)
        self._connections = Connections(self.path, busy_seconds=self.limits.busy_seconds)
        self.runs = RunStore(self._connections, self.limits)
        self.analyses = AnalysisStore(self._connections, self.limits)
        self.annotations = AnnotationStore(self._connections, self.limits)
        self.people = PeopleStore(self._connections, self.limits)
        self.belongings = Belongings(self._connections, self.limits)
        self.usage = UsageStore(self._connections)

    def read(self) -> AbstractContextManager[Session]:
        """A session in one snapshot that cannot write; for one call, never held across a yield."""
        return self._connections.read()

    def write(self) -> AbstractContextManager[Session]:
        """A session in one immediate transaction: committed at the end, undone whole by an exception. Busy."""
        return self._connections.write()

    def backup(self, target: str | Path, *, overwrite: bool = False) -> Path:
        """Copy the whole store to a file while it is in use; returns its path. BadInput when the target exists."""
        destination = Path(target)
        if destination.exists() and destination.samefile(self.path):
            raise BadInput("A backup needs another name than the library itself.")
        with translated(self.path):
            connection = connect(self.path, busy_seconds=self.limits.busy_seconds)
            try:
                return copy_database(connection, destination, overwrite=overwrite)
            finally:
                connection.close()

    def check(self) -> CheckReport:
        """Verify the whole file: SQLite's own checks and every checksum. Names what is damaged; changes nothing."""
        return check_store(self._connections)

    def close(self) -> None:
        """Close all connections; the store opens new ones when it is used again."""
        self._connections.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(path: Path, limits: StoreLimits, migrations: Sequence[Migration]) -> None:
    """Check the file, copy it when it is about to change, migrate it."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise UserError(f"SQLite {sqlite3.sqlite_version} is too old for the library; install 3.37 or newer.")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {path.parent} for the library; create it or choose another path.")
    if stored_version(path, migrations) == newest(migrations):
        return
    with translated(path):
        connection = connect(path, busy_seconds=limits.busy_seconds)
        try:
            migrate(connection, migrations, keep=lambda version: _keep(path, limits, version))
        finally:
            connection.close()


def _keep(path: Path, limits: StoreLimits, version: int) -> None:
    """Copy a file that is about to be migrated; another connection may read it while ours holds the write lock."""
    connection = connect(path, busy_seconds=limits.busy_seconds)
    try:
        copy_database(connection, _free_name(path, version))
    finally:
        connection.close()


def _free_name(path: Path, version: int) -> Path:
    """Where the copy of an older file goes: never over an earlier copy."""
    base = path.with_name(f"{path.name}.version-{version}")
    candidates = [base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 100))]
    return next((name for name in candidates if not name.exists()), candidates[-1])
