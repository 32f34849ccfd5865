"""Who may come after a library was put back: what was decided about people since the copy was made stays decided.

A copy knows of nobody who was sent away, erased or given a new link after it was made. Reads the list of the library
that is replaced without writing there; does not know how libraries are replaced.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from engine.errors import UserError
from storage.annotation_rows import Row, change_row, find, insert_rows, next_id, sealed
from storage.connections import lenient_text, translated
from storage.database import Store
from storage.inspection import read_only, stored_version
from storage.migrations import MIGRATIONS
from storage.people import LABEL, is_nameless
from storage.schema import PersonRow

# the version whose tables hold people
_SINCE = 3
_DECIDED = ("secret_hash", "revoked", "seen_at")


@dataclass(frozen=True)
class CarriedPeople:
    """Names. allowed: everybody with a link that works now. removed, renewed, added: where the library before was
    followed against the copy. erased: how many of the copy had been erased since, and are again. unread: whether its
    list, or some of it, could not be read, so that the copy's stands."""

    allowed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    erased: int = 0
    unread: bool = False


def carry_people(before: Path, copy: Store) -> CarriedPeople:
    """Make the links of a copy those of the library before, wherever that can be read; nothing there is no list."""
    rows, unread = _people_of(before)
    found: dict[str, list[str]] = {"removed": [], "renewed": [], "added": []}
    # first: somebody who has come since may be called the same
    erased = sum(_erase(copy, row) for row in rows if is_nameless(row))
    with copy.write() as session:
        for row in rows:
            if kind := _follow(session, row):
                found[kind].append(row["name"])
    allowed = tuple(person.name for person in copy.people.list() if not person.revoked)
    return CarriedPeople(allowed, **{kind: tuple(names) for kind, names in found.items()}, erased=erased, unread=unread)


def _erase(copy: Store, row: Row) -> bool:
    """Erase in the copy who was erased since; whether there was anybody."""
    with copy.read() as session:
        known = find(session, PersonRow, LABEL, uid=row["uid"])
    if not known or is_nameless(known[0]):
        return False
    copy.belongings.delete_all(viewer=copy.people.named(known[0]["name"]).viewer)
    copy.people.erase(known[0]["name"])
    return True


def _follow(session: Session, row: Row) -> str:
    """Decide about one person as the library before does; what that changed, "" for nothing to tell."""
    known = find(session, PersonRow, LABEL, uid=row["uid"]) or find(session, PersonRow, LABEL, name=row["name"])
    if not known:
        insert_rows(session, PersonRow, [sealed(PersonRow, {**row, "id": next_id(session, PersonRow)})])
        return "" if row["revoked"] else "added"
    if is_nameless(known[0]):
        return ""
    changed = change_row(session, PersonRow, known[0], **{name: row[name] for name in _DECIDED})
    if changed["secret_hash"] == known[0]["secret_hash"]:
        return ""
    return "removed" if row["revoked"] else "renewed"


def _people_of(path: Path) -> tuple[Sequence[Row], bool]:
    """Every row that is what was written, and whether there are others."""
    names = tuple(PersonRow.model_fields)
    try:
        if stored_version(path, MIGRATIONS) < _SINCE:
            return (), False
        with translated(path), closing(sqlite3.connect(read_only(path), uri=True, timeout=5)) as connection:
            connection.text_factory = lenient_text
            found = connection.execute(f"SELECT {', '.join(names)} FROM person ORDER BY id").fetchall()
    except UserError:
        return (), True
    rows = [dict(zip(names, values, strict=True)) for values in found]
    sound = [row for row in rows if sealed(PersonRow, row)["row_hash"] == row["row_hash"]]
    return sound, len(sound) < len(rows)
