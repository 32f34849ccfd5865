"""What came of annotation sessions: everybody's events, final labels, whole sessions for files and back.

For owners and adjudicators, one transaction per call. Leaves rows to the other annotation_*.py files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.label_events import LabelEvent
from storage import annotation_dealing as dealing
from storage import annotation_events as events_of
from storage import annotation_finals as deciding
from storage import annotation_items as items_of
from storage import annotation_members as people
from storage import annotation_rows as rows_of
from storage import annotation_saving as saving_of
from storage import annotation_sessions as sessions_of
from storage import annotation_whole as whole_of
from storage.annotation_access import AnnotationAccess, MemberName, SessionName, checked_viewer, uid_of
from storage.annotation_incoming import check_whole
from storage.annotation_records import EventRecord, FinalRecord, ItemOutline, ItemRecord, WholeSession
from storage.values import clean_text


class AnnotationResults(AnnotationAccess):
    """Items and what was entered. Methods that show what several people did take `viewer` (the session's owner) or
    `member` (an adjudicator or owner by role)."""

    def import_labels(
        self, session: SessionName, labels: Mapping[str, Sequence[LabelEvent]], *, viewer: str, name: str = "import"
    ) -> int:
        """Append events (item uid -> events) of the member of that name with the role "import"; returns how many items
        something new was added to. The session's owner may, whether it is open or not. NotFound, BadInput."""
        moment = datetime.now(UTC)
        with self._connections.write() as writing:
            found = sessions_of.find_own(writing, uid_of(session), checked_viewer(viewer))
            row = people.find_import(writing, found, self._limits, name)
            found = rows_of.find_session(writing, uid_of(session))
            added = 0
            for item, events in labels.items():
                task = rows_of.find_item(writing, found, item)
                added += saving_of.import_events(self._saving(writing, found, row, task, moment), events) > 0
                found = rows_of.find_session(writing, uid_of(session))
            return added

    def item(self, session: SessionName, item: str) -> ItemRecord:
        """One item with its texts, for whoever knows of the session. NotFound."""
        with self._connections.read() as reading:
            found = rows_of.find_session(reading, uid_of(session))
            return items_of.read_item(reading, found, rows_of.find_item(reading, found, item)["id"])

    def items(
        self,
        session: SessionName,
        *,
        viewer: str = "",
        member: MemberName | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> tuple[ItemRecord, ...]:
        """Items with their texts in the order of their places."""
        with self._connections.read() as reading:
            found, _ = self._look(reading, session, viewer, member)
            return items_of.read_items(reading, found, offset, limit)

    def outline(self, session: SessionName) -> tuple[ItemOutline, ...]:
        """All items without their texts in the order of their places; for use cases that show their own part of it."""
        with self._connections.read() as reading:
            return items_of.read_outline(reading, rows_of.find_session(reading, uid_of(session)))

    def gone(self, session: SessionName) -> frozenset[str]:
        """Uids of the items' runs that are deleted or missing in the library."""
        with self._connections.read() as reading:
            return items_of.read_gone(reading, rows_of.find_session(reading, uid_of(session)))

    def places(
        self, session: SessionName, *, viewer: str = "", member: MemberName | None = None
    ) -> tuple[tuple[str, str, str], ...]:
        """(member uid, item uid, status) of everything that was dealt; reads no events and no texts."""
        with self._connections.read() as reading:
            found, _ = self._look(reading, session, viewer, member)
            return dealing.read_places(reading, found)

    def all_events(
        self, session: SessionName, *, viewer: str = "", member: MemberName | None = None, after: int = 0
    ) -> tuple[EventRecord, ...]:
        """Every event from behind `after` (a seq) in the order of arrival; members by uid."""
        with self._connections.read() as reading:
            found, _ = self._look(reading, session, viewer, member)
            return events_of.read_all(reading, found, after=after)

    def finals(
        self, session: SessionName, *, viewer: str = "", member: MemberName | None = None, history: bool = False
    ) -> tuple[FinalRecord, ...]:
        """The newest final labels of each item, by place; history: all that were ever written, oldest first."""
        with self._connections.read() as reading:
            found, _ = self._look(reading, session, viewer, member)
            return deciding.read_finals(reading, found, history=history)

    def add_final(
        self,
        session: SessionName,
        item: str,
        state: Mapping[str, Any],
        *,
        viewer: str = "",
        member: MemberName | None = None,
        reason: str = "",
        confidence: int | None = None,
        source: str = "written",
    ) -> FinalRecord:
        """Write the final labels of an item: not for who labelled it, unless nobody else could. BadInput, NotFound."""
        now = datetime.now(UTC)
        new = FinalRecord(item, "", state, reason, confidence, source, now)
        with self._connections.write() as writing:
            if member is None:
                found = sessions_of.find_own(writing, uid_of(session), checked_viewer(viewer))
                row = people.member_of(writing, found, viewer)
            else:
                found, row = self._member(writing, session, member, now)
            task = rows_of.find_item(writing, found, item)
            deciding.check_decider(writing, found, row, task)
            return deciding.add_final(writing, found, row, task, self._limits, new)

    def whole(self, session: SessionName, *, viewer: str = "", member: MemberName | None = None) -> WholeSession:
        """Everything of a session in one snapshot."""
        with self._connections.read() as reading:
            found, named = self._look(reading, session, viewer, member)
            return whole_of.read_whole(reading, found, named=named)

    def restore_export(
        self, contents: WholeSession, *, viewer: str, example: bool = False, uid: str | None = None
    ) -> str:
        """Store a whole session as the viewer's own; returns its uid. Session, items and members get new ids.

        Members keep numbers and names, but nobody's login and no labelling links. BadInput when parts do not fit.
        """
        owner = clean_text(checked_viewer(viewer), "The owner", self._limits.owner_chars, empty=False)
        checked = check_whole(contents, self._limits)
        wanted = sessions_of.new_uid(uid)
        with self._connections.write() as writing:
            whole_of.write_whole(writing, checked, owner=owner, example=example, uid=wanted, limits=self._limits)
        return wanted
