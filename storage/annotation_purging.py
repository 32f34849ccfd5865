"""What annotation sessions keep from being purged, and how they are purged themselves.

Knows rows, and of runs who may open them; does not know what they hold.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from storage.schema import AnnotationItem, AnnotationSession, RunRow


def in_sessions(uid: Any) -> ColumnElement[bool]:
    """Whether a run of the enclosing query belongs to an item of a session whose owner may open it.

    Sessions that came from files may name anybody's runs; those keep nothing.
    """
    named = or_(col(AnnotationItem.run) == uid, col(AnnotationItem.other_run) == uid)
    of_session = col(AnnotationSession.id) == col(AnnotationItem.session_id)
    return select(col(AnnotationItem.id)).where(named, of_session, open_to(col(AnnotationSession.owner))).exists()


def open_to(owner: Any) -> ColumnElement[bool]:
    """Whether a run of the enclosing query would be open to the owner of a session, were it not in the bin."""
    return or_(col(RunRow.owner) == owner, col(RunRow.example) == 1, col(RunRow.visibility) == "unlisted")


def purge_session(session: Session, before: int) -> bool:
    """Remove one session that was deleted before a moment, with everything in it; whether there was one."""
    table = AnnotationSession
    gone = session.execute(select(col(table.id)).where(col(table.deleted_at) < before).limit(1)).scalar()
    if gone is None:
        return False
    session.execute(delete(table).where(col(table.id) == gone))
    return True
