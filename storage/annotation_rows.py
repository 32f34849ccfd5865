"""Rows of annotation sessions: sealed by a hash when written, verified when read.

Each row carries a hash over its own values, so that saving one action never reads another. Knows rows; does not know
who may see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, inspect, select, text
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from engine.errors import NotFound, StoreDamaged
from storage.headers import columns
from storage.schema import AnnotationItem, AnnotationMember, AnnotationSession
from storage.values import digest, is_uid, microseconds, moment

Row = dict[str, Any]

_AT_ONCE = 1000

_SCAN = text("SELECT 1 FROM annotation_session NOT INDEXED WHERE uid = :uid")


def sealed(table: type[SQLModel], values: Mapping[str, Any]) -> Row:
    """The values of a new row in the order of its columns, with their hash."""
    row = {name: values[name] for name in table.model_fields if name != "row_hash"}
    return row | {"row_hash": _hash(table, row)}


def _hash(table: type[SQLModel], row: Mapping[str, Any]) -> str:
    """Over the table's name as well: a page that is read in the place of another may have as many columns."""
    return digest((str(table.__tablename__), *_hashed(table)(row)))


@cache
def _hashed(table: type[SQLModel]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Gives the values that a row's hash covers, in the order of the columns."""
    return itemgetter(*(name for name in table.model_fields if name != "row_hash"))


def query(table: type[SQLModel], *conditions: Any) -> Select[Any]:
    """A query for whole rows."""
    return select(*columns(table)).where(*conditions)


def find(session: Session, table: type[SQLModel], label: str, *, order: str = "", **keys: Any) -> list[Row]:
    """Verified rows whose columns have these values."""
    return [verified(values, table, label) for values in fetch(session, table, order=order, **keys)]


def fetch(session: Session, table: type[SQLModel], *, order: str = "", **keys: Any) -> list[tuple[Any, ...]]:
    """What lies in the rows whose columns have these values, not verified. No statement is built for it."""
    found = session.connection().exec_driver_sql(_select(table, tuple(keys), order), tuple(keys.values()))
    return [tuple(values) for values in found]


def insert_rows(session: Session, table: type[SQLModel], rows: Sequence[Row]) -> None:
    """Insert sealed rows."""
    if rows:
        session.connection().exec_driver_sql(_insert(table), [tuple(row.values()) for row in rows])


def change_row(session: Session, table: type[SQLModel], row: Row, **changes: Any) -> Row:
    """Change a verified row and seal it again; returns the new row."""
    changed = sealed(table, {**row, **changes})
    keys = tuple(column.name for column in inspect(table).primary_key)
    values = (*changed.values(), *(row[key] for key in keys))
    session.connection().exec_driver_sql(_update(table, keys), values)
    return changed


@cache
def _select(table: type[SQLModel], keys: tuple[str, ...], order: str) -> str:
    where = " AND ".join(f"{key} = ?" for key in keys)
    sorted_by = f" ORDER BY {order}" if order else ""
    return f"SELECT {', '.join(table.model_fields)} FROM {table.__tablename__} WHERE {where}{sorted_by}"


@cache
def _insert(table: type[SQLModel]) -> str:
    marks = ", ".join("?" * len(table.model_fields))
    return f"INSERT INTO {table.__tablename__} ({', '.join(table.model_fields)}) VALUES ({marks})"


@cache
def _update(table: type[SQLModel], keys: tuple[str, ...]) -> str:
    values = ", ".join(f"{name} = ?" for name in table.model_fields)
    return f"UPDATE {table.__tablename__} SET {values} WHERE {' AND '.join(f'{key} = ?' for key in keys)}"


def read(session: Session, statement: Select[Any], table: type[SQLModel], label: str) -> list[Row]:
    """Verified rows of a query for whole rows; StoreDamaged naming `label`."""
    return list(scan(session, statement, table, label))


def scan(session: Session, statement: Select[Any], table: type[SQLModel], label: str) -> Iterator[Row]:
    """The same one after another, where they are too many to hold."""
    for values in session.execute(statement):
        yield verified(values, table, label)


def verified(values: Iterable[Any], table: type[SQLModel], label: str) -> Row:
    """The values of a row by its columns; StoreDamaged naming `label` where they do not match its hash."""
    row = dict(zip(table.model_fields, values, strict=True))
    if row["row_hash"] != _hash(table, row):
        raise damaged(label, f"a row of its {_PARTS[str(table.__tablename__)]} does not match its checksum")
    return row


_PARTS = {
    "annotation_session": "description",
    "annotation_text": "guidelines or schema",
    "annotation_member": "members",
    "annotation_item": "items",
    "annotation_run": "texts",
    "annotation_place": "progress",
    "annotation_event": "labels",
    "annotation_final": "final labels",
    "person": "links",
}


def damaged(label: str, reason: str) -> StoreDamaged:
    """The sentence for a session that cannot be trusted."""
    return StoreDamaged(
        f"{label} is damaged: {reason}. Nothing was changed; restore the library from a backup, "
        "or the session from a file it was exported to."
    )


def label_of(uid: object) -> str:
    """How sentences call a session."""
    return f"Session {str(uid)[:64]}"


def no_session(uid: object) -> NotFound:
    """The one sentence for sessions that are not there, deleted, or none of the viewer's business."""
    return NotFound(f"There is no annotation session {str(uid)[:64]!a} here; look in the list for what there is.")


def find_session(session: Session, uid: str, *, binned: bool = False) -> Row:
    """The verified row of a session. NotFound also for one in the bin, unless binned; StoreDamaged."""
    if not is_uid(uid):
        raise no_session(uid)
    rows = find(session, AnnotationSession, label_of(uid), uid=uid)
    if not rows:
        # A damaged index must not pass for an absent session.
        if session.execute(_SCAN, {"uid": uid}).first():
            raise damaged(label_of(uid), "the library's index does not find it")
        raise no_session(uid)
    if rows[0]["uid"] != uid:
        raise damaged(label_of(uid), "the library's index names another one for this id")
    if rows[0]["deleted_at"] is not None and not binned:
        raise no_session(uid)
    return rows[0]


def find_member(session: Session, found: Row, uid: object) -> Row:
    """The verified row of a member of a session. NotFound."""
    keys = {"session_id": found["id"], "uid": uid}
    rows = find(session, AnnotationMember, label_of(found["uid"]), **keys) if is_uid(uid) else []
    if not rows:
        raise NotFound(f"There is no member {str(uid)[:64]!a} in this session; look in its list of members.")
    return rows[0]


def find_item(session: Session, found: Row, uid: object) -> Row:
    """The verified row of an item of a session, without its texts. NotFound."""
    keys = {"session_id": found["id"], "uid": uid}
    rows = find(session, AnnotationItem, label_of(found["uid"]), **keys) if is_uid(uid) else []
    if not rows:
        raise NotFound(f"There is no item {str(uid)[:64]!a} in this session.")
    return rows[0]


def next_id(session: Session, table: type[SQLModel]) -> int:
    """The id of the next row; within a write transaction nobody else takes it."""
    asked = f"SELECT coalesce(max(id), 0) + 1 FROM {table.__tablename__}"
    return int(session.connection().exec_driver_sql(asked).scalar_one())


def now_or(now: datetime | None) -> datetime:
    """The moment given, or this one."""
    return datetime.now(UTC) if now is None else now


def by_id(session: Session, found: Row, table: type[SQLModel], ids: Iterable[int]) -> dict[int, Row]:
    """Verified rows of members or items of a session; StoreDamaged when one of them is not there."""
    wanted, label = list(dict.fromkeys(ids)), label_of(found["uid"])
    rows: dict[int, Row] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        chosen = col(getattr(table, "id")).in_(wanted[start : start + _AT_ONCE])  # noqa: B009
        rows |= {row["id"]: row for row in scan(session, query(table, chosen), table, label)}
    if len(rows) != len(wanted) or any(row["session_id"] != found["id"] for row in rows.values()):
        raise damaged(label, f"a row of its {_PARTS[str(table.__tablename__)]} is missing")
    return rows


def to_micros(value: datetime | None) -> int | None:
    """A time or None as it lies in a column."""
    return None if value is None else microseconds(value)


def to_moment(value: int | None) -> datetime | None:
    """The inverse of `to_micros`."""
    return None if value is None else moment(value)


def joined(hashes: Iterable[str]) -> str:
    """One hash over many, in order."""
    return digest(hashes)
