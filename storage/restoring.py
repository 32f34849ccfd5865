"""Puts a copy of the library in the library's place: checked first, and never over what was there before.

Knows files, versions, the check of a whole store and whose links go on; does not know where copies come from. Whoever
calls sees to it that no other process uses the library meanwhile.
"""

from __future__ import annotations

import glob
import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import BadInput, StoreDamaged, UserError
from storage.carried_people import CarriedPeople, carry_people
from storage.connections import connect, translated
from storage.copies import flush
from storage.database import Store
from storage.inspection import read_only, stored_version
from storage.migrations import MIGRATIONS
from storage.private_files import begin_private, make_private
from storage.records import CheckReport

_BESIDE = ("-wal", "-shm", "-journal")
_SHOWN = 3
_ANOTHER = "Nothing was changed; restore another backup."


def complaints(report: CheckReport) -> list[str]:
    """One line for everything that a check found, naming what is damaged; empty for a sound store."""
    lines = [*report.integrity, *(f"A row points to one that is not there ({line})." for line in report.foreign_keys)]
    for found in (report.damaged_runs, report.damaged_analyses, report.damaged_sessions):
        lines += [sentence for _, sentence in found]
    return lines


@dataclass(frozen=True)
class PutBack:
    """kept: where the file that was there is now, if any; people: whose links work now."""

    kept: Path | None
    people: CarriedPeople


def restore(source: Path, database: Path) -> PutBack:
    """Put a copy of the store in `source` at `database`, with the links of people as they are in `database`.

    BadInput when there is no library in `source`; StoreDamaged, naming what, unless every checksum in it is right.
    In both cases, and when there is no room, nothing has changed.
    """
    if source.exists() and database.exists() and source.samefile(database):
        raise BadInput("The copy to restore is the library itself; name another file.")
    if stored_version(source, MIGRATIONS, _ANOTHER) == 0:
        raise BadInput(f"There is no library in {source.name}; name a file that was made by a backup.")
    part = database.with_name(f".{database.name}.{secrets.token_hex(4)}.part")
    try:
        copy_pages(source, part)
        people = _check(part, source.name, database)
        kept = _set_aside(database)
        part.replace(database)
        flush(database.parent)
    except OSError as error:
        raise UserError(
            f"{source.name} could not be restored ({error.strerror}): check the folder of the library and its disk."
        ) from error
    finally:
        for leftover in database.parent.glob(f"{glob.escape(part.name)}*"):
            leftover.unlink(missing_ok=True)
    return PutBack(kept, people)


def copy_pages(source: Path, target: Path) -> None:
    """Copy a store page by page: damage stays where it is and is found, and nothing is written beside the source."""
    begin_private(target)
    with (
        translated(source),
        closing(sqlite3.connect(read_only(source), uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
    flush(target)


def _check(part: Path, name: str, before: Path) -> CarriedPeople:
    """StoreDamaged unless the copy, brought to the newest version, is sound; then the people of the store before."""
    with Store(part) as store:
        found = complaints(store.check())
        if not found:
            return carry_people(before, store)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise StoreDamaged(f"{name} is damaged and was not restored: {' '.join(found[:_SHOWN])}{more}")


def _set_aside(database: Path) -> Path | None:
    """Rename what lies in the library's place, its log with it: a log that stayed would be read into the new file."""
    beside = [database.with_name(database.name + ending) for ending in _BESIDE]
    if not database.exists():
        for leftover in beside:
            leftover.unlink(missing_ok=True)
        return None
    _fold_log(database)
    kept = database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    for path, ending in zip(beside, _BESIDE, strict=True):
        if path.exists():
            make_private(path.replace(kept.with_name(kept.name + ending)))
    make_private(database.replace(kept))
    return kept


def _fold_log(database: Path) -> None:
    """Write the log into the file, where the file is sound enough for it: then a crash between two renames is safe."""
    try:
        with closing(connect(database, busy_seconds=1.0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        # damaged, which may be why a copy is restored: it is kept with its log as it is
        return
