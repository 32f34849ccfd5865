"""Who asks for what in annotation sessions: owners by name, members by uid, each checked where it is used.

The ground that the sessions' methods stand on. Knows rules of access; does not know what is asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from engine.errors import NotFound
from storage import annotation_members as people
from storage import annotation_rows as rows_of
from storage import annotation_sessions as sessions_of
from storage.access import check_viewer
from storage.annotation_recent import Recent
from storage.annotation_records import MemberRecord, SessionRecord
from storage.annotation_rows import Row
from storage.annotation_saving import Saving
from storage.annotation_settings import schema_of_text, settings_of_row
from storage.connections import Connections
from storage.limits import StoreLimits

# A session or member is named by its uid or by a record of it; of a record nothing but the uid is believed.
SessionName = str | SessionRecord
MemberName = str | MemberRecord


class AnnotationAccess:
    """The connections of one database, and who may do what with its sessions."""

    def __init__(self, connections: Connections, limits: StoreLimits) -> None:
        self._connections = connections
        self._limits = limits
        self._recent = Recent()

    def _look(self, session: Session, name: SessionName, viewer: str, member: MemberName | None) -> tuple[Row, bool]:
        """The session for one who may see what everybody did, and whether with names. NotFound, BadInput."""
        if member is None:
            return sessions_of.find_readable(session, uid_of(name), checked_viewer(viewer)), True
        found, row = self._member(session, name, member, datetime.now(UTC))
        if not people.may_decide(row):
            raise NotFound("What others entered in this session is for its owner and its adjudicators.")
        return found, row["role"] == "owner"

    def _member(self, session: Session, name: SessionName, member: MemberName, now: datetime) -> tuple[Row, Row]:
        """A session and a member of it that may still do something. NotFound, BadInput."""
        found = rows_of.find_session(session, uid_of(name))
        return found, people.living_member(session, found, uid_of(member), now)

    def _saving(self, session: Session, found: Row, member: Row, item: Row, now: datetime) -> Saving:
        schema = schema_of_text(sessions_of.current_text(session, found, "schema"))
        return Saving(session, found, member, item, schema, settings_of_row(found), self._limits, now, self._recent)


def uid_of(name: Any) -> str:
    """The uid of what was named by it or by a record."""
    return name.uid if isinstance(name, SessionRecord | MemberRecord) else name


def checked_viewer(viewer: str) -> str:
    check_viewer(viewer)
    return viewer
