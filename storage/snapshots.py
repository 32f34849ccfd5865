"""Copies of the library on lasting storage, for machines whose own disk does not outlive a restart.

Each is made by SQLite under a temporary name, flushed and renamed, so that it is there whole or not at all; the newest
sound one becomes the library where there is none. They are numbered: a clock that was wrong must not make an older one
the newest. Knows files and times; does not know who asks for a copy, or when.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.errors import BadInput, StoreDamaged, UserError
from storage.database import Store
from storage.restoring import restore

NEWEST_KEPT = 3
DAYS_KEPT = 7
_NAME = re.compile(r"forklore-(\d{8}T\d{6}\.\d{6})Z(?:-n(\d{6,12})|-[0-9a-f]{4})\.db")
_TIME = "%Y%m%dT%H%M%S.%f"
_UNREADABLE = ".unreadable"


@dataclass(frozen=True)
class SnapshotState:
    """saved_at: up to when the library is known to be in a copy, UTC; None before the first one. problem: why the
    last attempt failed, "" when it did not."""

    saved_at: datetime | None
    problem: str

    def age(self, now: datetime | None = None) -> timedelta | None:
        """Since when nothing is known to be saved."""
        return None if self.saved_at is None else (now or datetime.now(UTC)) - self.saved_at


@dataclass(frozen=True)
class Restored:
    """source: name of the copy that became the library. skipped: name and reason of newer ones that could not."""

    source: str
    skipped: tuple[tuple[str, str], ...]


class Snapshots:
    """Copies of one store in one folder. Safe to call from several threads: one copy is made at a time."""

    def __init__(self, store: Store, folder: Path) -> None:
        """folder: made when it is missing. UserError when it cannot be used."""
        self._store = store
        self._folder = folder
        self._one = threading.Lock()
        self._seen: object = None
        self._state = SnapshotState(None, "")
        usable(folder)
        for leftover in folder.glob(".forklore-*.part*"):
            leftover.unlink(missing_ok=True)

    @property
    def state(self) -> SnapshotState:
        """How the last attempt went."""
        return self._state

    def take(self) -> bool:
        """Make a copy if the library has changed since the last one; whether there was a need. UserError on failure.

        A failure changes nothing but the state; the copies there stay.
        """
        with self._one:
            now, seen = datetime.now(UTC), self._look()
            if seen == self._seen:
                self._state = SnapshotState(now, "")
                return False
            try:
                self._store.backup(self._folder / _name(now, _next_number(self._folder)), overwrite=True)
                self._prune()
            except (UserError, OSError) as error:
                problem = f"The snapshot of the library could not be written: {_reason(error)}"
                self._state = SnapshotState(self._state.saved_at, problem)
                raise UserError(problem) from error
            # looked at before: what was written meanwhile counts as new
            self._seen, self._state = seen, SnapshotState(now, "")
            return True

    def _look(self) -> object:
        """Something that differs after every write."""
        path = self._store.path
        found = []
        for one in (path, path.with_name(path.name + "-wal")):
            try:
                stat = one.stat()
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except FileNotFoundError:
                found.append((0, 0, 0))
        return tuple(found)

    def _prune(self) -> None:
        """Keep the newest few and the last of each day of a week."""
        names = snapshot_names(self._folder)
        kept = set(names[:NEWEST_KEPT])
        days: dict[str, str] = {}
        for name in names:
            days.setdefault(name[:17], name)
        kept.update(list(days.values())[:DAYS_KEPT])
        for name in names:
            if name not in kept:
                (self._folder / name).unlink(missing_ok=True)


def usable(folder: Path) -> None:
    """Make the folder; UserError when that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"The folder {folder} for snapshots cannot be made ({error.strerror}); give another with --snapshots."
        ) from error


def snapshot_names(folder: Path) -> list[str]:
    """Names of the copies in a folder, newest first: in the order in which they were made, whatever the clock said."""
    return sorted((path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=_order, reverse=True)


def restore_missing(database: Path, folder: Path) -> Restored | None:
    """Where there is no library, make it of the newest sound copy; None when there is one, or no copy.

    A copy that cannot be read is renamed, so that it is neither tried again nor taken away, and named in the answer.
    StoreDamaged when none can be read: starting without it would look like an empty library.
    """
    if (database.exists() and database.stat().st_size) or not folder.is_dir():
        return None
    skipped: list[tuple[str, str]] = []
    for name in snapshot_names(folder):
        try:
            restore(folder / name, database)
        except (StoreDamaged, BadInput) as damage:
            # BadInput: nothing in it, as a disk that was full or a storage that lost its last writes leaves behind
            skipped.append((name, str(damage)))
        else:
            for bad, _ in skipped:
                (folder / bad).rename(folder / f"{bad}{_UNREADABLE}")
            return Restored(name, tuple(skipped))
    if skipped:
        raise StoreDamaged(
            f"None of the {len(skipped)} snapshots of the library can be restored; the newest: {skipped[0][1]} "
            "Move them out of their folder to start with an empty library."
        )
    return None


def _name(now: datetime, number: int = 0) -> str:
    return f"forklore-{now.strftime(_TIME)}Z-n{number:06d}.db"


def _order(name: str) -> tuple[int, str]:
    """By number, then by time: copies made before they were numbered have none, and are older than all others."""
    found = _NAME.fullmatch(name)
    return int(found[2] or 0) if found else 0, name


def _next_number(folder: Path) -> int:
    return max((_order(name)[0] for name in snapshot_names(folder)), default=0) + 1


def _reason(error: Exception) -> str:
    """The reason, without the remedies that are meant for the library itself."""
    if isinstance(error, OSError):
        return f"{error.strerror or 'its folder does not answer'}."
    return f"{error.__cause__}." if isinstance(error.__cause__, sqlite3.Error) else str(error)
