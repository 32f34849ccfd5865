"""What members did, read back: each row verified, and their number and order against a running hash.

What may not be seen is left out by the query itself. Knows rows; does not know what events mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.label_events import LabelEvent
from storage.annotation_dealing import find_place
from storage.annotation_records import EventRecord
from storage.annotation_rows import Row, by_id, damaged, find, label_of, query, read
from storage.schema import AnnotationEvent, AnnotationItem, AnnotationMember, AnnotationPlace, AnnotationSession
from storage.values import digest, moment


def linked(chain: str, row_hash: str) -> str:
    """The running hash after one more event."""
    return digest((chain, row_hash))


def read_own(session: Session, found: Row, item: Row, member: Row) -> list[Row]:
    """The verified events of one member on one item, oldest first; StoreDamaged when one is missing or out of place."""
    keys = {"item_id": item["id"], "member_id": member["id"]}
    rows = find(session, AnnotationEvent, label_of(found["uid"]), order="id", **keys)
    check_chain(found, find_place(session, found, item["id"], member["id"]), rows)
    return rows


def check_chain(found: Row, place: Row | None, rows: Sequence[Row]) -> None:
    """StoreDamaged unless these are all events of a place, in their order."""
    chain = ""
    for row in rows:
        chain = linked(chain, row["row_hash"])
    expected = (0, "") if place is None else (place["events"], place["chain"])
    if (len(rows), chain) != expected:
        raise damaged(label_of(found["uid"]), "some of what was labelled is missing, doubled or out of order")


def read_others(session: Session, found: Row, item: Row, member: Row) -> tuple[EventRecord, ...]:
    """The events of all others on an item, with pseudonyms; the query finds nothing in a blind session."""
    open_eyed = select(col(AnnotationSession.id)).where(
        col(AnnotationSession.id) == found["id"], col(AnnotationSession.blind) == 0
    )
    statement = query(
        AnnotationEvent,
        col(AnnotationEvent.session_id).in_(open_eyed),
        col(AnnotationEvent.item_id) == item["id"],
        col(AnnotationEvent.member_id) != member["id"],
    )
    rows = read(session, statement.order_by(col(AnnotationEvent.id)), AnnotationEvent, label_of(found["uid"]))
    members = by_id(session, found, AnnotationMember, (row["member_id"] for row in rows))
    names = {row_id: f"A{row['number']}" for row_id, row in members.items()}
    return to_events(rows, names, {item["id"]: item["uid"]})


def read_all(session: Session, found: Row, *, after: int = 0) -> tuple[EventRecord, ...]:
    """The events of everybody in the order of arrival, from behind `after`; StoreDamaged when events are missing."""
    own = col(AnnotationEvent.session_id) == found["id"]
    there = session.execute(select(func.count()).where(own)).scalar_one()
    counted = select(func.coalesce(func.sum(col(AnnotationPlace.events)), 0))
    if there != session.execute(counted.where(col(AnnotationPlace.session_id) == found["id"])).scalar_one():
        raise damaged(label_of(found["uid"]), "some of what was labelled is missing or doubled")
    statement = query(AnnotationEvent, own, col(AnnotationEvent.id) > after)
    rows = read(session, statement.order_by(col(AnnotationEvent.id)), AnnotationEvent, label_of(found["uid"]))
    members = by_id(session, found, AnnotationMember, (row["member_id"] for row in rows))
    items = by_id(session, found, AnnotationItem, (row["item_id"] for row in rows))
    uids = ({row_id: str(row["uid"]) for row_id, row in rows_by_id.items()} for rows_by_id in (members, items))
    return to_events(rows, *uids)


def to_events(rows: Sequence[Row], members: Mapping[int, str], items: Mapping[int, str]) -> tuple[EventRecord, ...]:
    """Verified rows as records; members, items: how they are called, by row id."""
    return tuple(
        EventRecord(row["id"], row["uuid"], members[row["member_id"]], items[row["item_id"]], to_event(row))
        for row in rows
    )


def to_event(row: Row) -> LabelEvent:
    """A verified row as the event that was saved."""
    return LabelEvent(
        uuid=row["uuid"],
        kind=row["kind"],
        payload=json.loads(row["payload"]),
        active_ms=row["active_ms"],
        wall_ms=row["wall_ms"],
        at=moment(row["created_at"]),
        schema_version=row["schema_version"],
        guidelines_version=row["guidelines_version"],
    )
