"""Every checksum of an annotation session, and that its tables tell the same story. Reads only.

Knows rows; does not know what a check is for.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from storage.annotation_events import linked
from storage.annotation_finals import read_finals
from storage.annotation_items import items_hash, read_outline
from storage.annotation_members import read_members
from storage.annotation_rows import Row, damaged, label_of, query, read, scan
from storage.annotation_sessions import read_texts
from storage.schema import AnnotationEvent, AnnotationItem, AnnotationPlace, AnnotationSession


def verify_session(session: Session, session_id: int) -> int:
    """StoreDamaged unless everything of a session is what was written; returns the number of its events."""
    uid = session.execute(
        query(AnnotationSession, col(AnnotationSession.id) == session_id).with_only_columns(col(AnnotationSession.uid))
    ).scalar()
    label = label_of(uid)
    rows = read(session, query(AnnotationSession, col(AnnotationSession.id) == session_id), AnnotationSession, label)
    if not rows:
        raise damaged(label, "the library's index names it and it is not there")
    found = rows[0]
    read_texts(session, found)
    read_members(session, found)
    read_outline(session, found)
    if items_hash(session, found) != found["items_hash"]:
        raise damaged(label, "some of its items are missing or are not those it was made with")
    read_finals(session, found)
    return _verify_events(session, found, label)


def _verify_events(session: Session, found: Row, label: str) -> int:
    """Follow the running hash of every place through all events."""
    chains: dict[tuple[int, int], tuple[int, str]] = {}
    statement = query(AnnotationEvent, col(AnnotationEvent.session_id) == found["id"]).order_by(col(AnnotationEvent.id))
    total = 0
    for row in scan(session, statement, AnnotationEvent, label):
        key = row["item_id"], row["member_id"]
        count, chain = chains.get(key, (0, ""))
        chains[key] = count + 1, linked(chain, row["row_hash"])
        total += 1
    # by item, so that the rows themselves are read and not what an index repeats of them
    items = select(col(AnnotationItem.id)).where(col(AnnotationItem.session_id) == found["id"])
    statement = query(AnnotationPlace, col(AnnotationPlace.item_id).in_(items))
    for row in scan(session, statement, AnnotationPlace, label):
        if (row["events"], row["chain"]) != chains.pop((row["item_id"], row["member_id"]), (0, "")):
            raise damaged(label, "some of what was labelled is missing, doubled or out of order")
    if chains:
        raise damaged(label, "its progress is missing for some of what was labelled")
    return total
