"""Annotation sessions of one database: who may do what, one transaction per call.

Knows owners, members and who sees what; leaves rows and rules to the other annotation_*.py files, labels to the engine.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from engine.errors import BadInput
from engine.label_events import LabelEvent
from storage import annotation_dealing as dealing
from storage import annotation_events as events_of
from storage import annotation_items as items_of
from storage import annotation_members as people
from storage import annotation_rows as rows_of
from storage import annotation_saving as saving_of
from storage import annotation_sessions as sessions_of
from storage.annotation_access import MemberName, SessionName, checked_viewer, uid_of
from storage.annotation_freezing import freeze
from storage.annotation_records import (
    EventRecord,
    ItemRecord,
    MemberRecord,
    NewItem,
    Progress,
    SessionRecord,
    SessionSettings,
    TextVersion,
)
from storage.annotation_results import AnnotationResults
from storage.annotation_rows import Row, now_or
from storage.annotation_settings import clean_items, clean_schema, schema_of_text, settings_of_row, settings_row
from storage.room import Allow, check_room, unasked
from storage.schema import AnnotationSession
from storage.values import clean_text, microseconds


class AnnotationStore(AnnotationResults):
    """Sessions of one database. A session that is not the viewer's is NotFound in the words of one that is not there.

    Examples can be read by anybody and changed by nobody. Methods that show what several people did take `viewer` (the
    session's owner) or `member` (an adjudicator or owner by role). Every method may raise Busy and StoreDamaged.
    """

    # sessions

    def create(
        self,
        *,
        owner: str,
        title: str,
        schema: Mapping[str, Any],
        guidelines: str,
        settings: SessionSettings,
        items: Sequence[NewItem],
        viewer: str,
        example: bool = False,
        uid: str | None = None,
        allow: Allow = unasked,
    ) -> str:
        """Freeze the runs, which `viewer` must be able to open, and store the session; returns its uid.

        The items keep the order given. allow: asked about their size. BadInput, NotFound (a run).
        """
        clean_text(owner, "The owner", self._limits.owner_chars, empty=False)
        wanted = clean_items(items, self._limits)
        with self._connections.read() as session:
            frozen = freeze(session, (run for item in wanted for run in item.runs), viewer)
        records = [
            ItemRecord(secrets.token_hex(8), place, item.part, tuple(frozen[run] for run in item.runs), item.expected)
            for place, item in enumerate(wanted)
        ]
        body = clean_schema(schema, self._limits)
        rows = items_of.item_rows(records, schema_of_text(body), self._limits)
        allow(items_of.size_of(rows))
        return self._write_new(
            owner, title, body, sessions_of.clean_guidelines(guidelines, self._limits),
            settings_row(settings, self._limits), rows, example, uid,
        )  # fmt: skip

    def fork(self, uid: str, *, viewer: str, title: str, schema: Mapping[str, Any], allow: Allow = unasked) -> str:
        """A new session of the viewer's with the same items, settings and guidelines, without members and answers."""
        body = clean_schema(schema, self._limits)
        with self._connections.read() as session:
            found = sessions_of.find_readable(session, uid, checked_viewer(viewer))
            rows = items_of.copied_rows(session, found)
            sessions_of.check_expected(session, found, body, self._limits)
            guidelines = sessions_of.current_text(session, found, "guidelines")
        settings = {name: found[name] for name in ("overlap", "blind", "settings")}
        allow(items_of.size_of(rows))
        return self._write_new(viewer, title, body, guidelines, settings, rows, False, None)

    def _write_new(
        self, owner: str, title: str, schema: str, guidelines: str, settings: Row,
        rows: Sequence[tuple[Row, list[Row]]], example: bool, uid: str | None,
    ) -> str:  # fmt: skip
        now = datetime.now(UTC)
        texts = (TextVersion("guidelines", 1, guidelines, now), TextVersion("schema", 1, schema, now))
        cleaned, name = sessions_of.clean_title(title, self._limits), sessions_of.new_uid(uid)
        with self._connections.write() as session:
            if not example:
                check_room(session, self._limits, owner, sessions=1)
            sessions_of.write_session(
                session, owner=owner, title=cleaned, example=example, settings=settings, uid=name, texts=texts,
                rows=rows, created=now,
            )  # fmt: skip
        return name

    def get(self, uid: str, *, viewer: str) -> SessionRecord:
        """One session, for its owner, or anybody where it is an example. NotFound."""
        with self._connections.read() as session:
            return sessions_of.to_record(session, sessions_of.find_readable(session, uid, checked_viewer(viewer)))

    def sessions(self, *, viewer: str) -> tuple[SessionRecord, ...]:
        """Own sessions, those with `viewer` as a member, and examples; the newest first, damaged ones marked."""
        with self._connections.read() as session:
            return sessions_of.list_sessions(session, checked_viewer(viewer))

    def change(
        self,
        uid: str,
        *,
        viewer: str,
        title: str | None = None,
        guidelines: str | None = None,
        schema: Mapping[str, Any] | None = None,
        settings: SessionSettings | None = None,
        status: str | None = None,
    ) -> SessionRecord:
        """Change what is not None. The schema only before the first answer; guidelines get a new version. BadInput."""
        with self._connections.write() as session:
            found = sessions_of.find_own(session, uid, checked_viewer(viewer))
            changed = sessions_of.change_session(
                session, found, self._limits, title=title, guidelines=guidelines, schema=schema, settings=settings,
                status=status,
            )  # fmt: skip
            return sessions_of.to_record(session, changed)

    def delete(self, uid: str, *, viewer: str) -> None:
        """Move the session to the bin; purged together with runs. NotFound, BadInput for an example."""
        self._mark(uid, viewer, microseconds(datetime.now(UTC)))

    def restore(self, uid: str, *, viewer: str) -> None:
        """Take the session out of the bin again. NotFound."""
        self._mark(uid, viewer, None)

    def _mark(self, uid: str, viewer: str, deleted_at: int | None) -> None:
        with self._connections.write() as session:
            found = sessions_of.find_own(session, uid, checked_viewer(viewer), binned=True)
            if deleted_at is None or found["deleted_at"] is None:  # the first moment counts for the purge
                rows_of.change_row(session, AnnotationSession, found, deleted_at=deleted_at)

    # members

    def add_member(
        self,
        uid: str,
        *,
        viewer: str,
        name: str,
        role: str,
        member_viewer: str = "",
        expires_at: datetime | None = None,
    ) -> tuple[MemberRecord, str]:
        """A new member and the secret of the labelling link ("" for one with a viewer), which is told this once."""
        with self._connections.write() as session:
            found = sessions_of.find_own(session, uid, checked_viewer(viewer))
            row, secret = people.add_member(
                session, found, self._limits, name=name, role=people.check_role(role), viewer=member_viewer,
                expires_at=expires_at,
            )  # fmt: skip
            return people.to_member(row), secret

    def change_member(
        self,
        uid: str,
        member: MemberName,
        *,
        viewer: str,
        name: str | None = None,
        role: str | None = None,
        revoked: bool | None = None,
        expires_at: datetime | Literal["as it was"] | None = "as it was",
        new_secret: bool = False,
    ) -> tuple[MemberRecord, str]:
        """Change what is not None; with new_secret the old labelling link ends and the new secret is returned.

        expires_at: None for never.
        """
        with self._connections.write() as session:
            found = sessions_of.find_own(session, uid, checked_viewer(viewer))
            row, secret = people.change_member(
                session, rows_of.find_member(session, found, uid_of(member)), self._limits, name=name, role=role,
                revoked=revoked, expires_at=expires_at, new_secret=new_secret,
            )  # fmt: skip
            return people.to_member(row), secret

    def members(
        self, uid: SessionName, *, viewer: str = "", member: MemberName | None = None
    ) -> tuple[MemberRecord, ...]:
        """The members by number; for an adjudicator with pseudonyms as their names."""
        with self._connections.read() as session:
            found, named = self._look(session, uid, viewer, member)
            return tuple(people.to_member(row, named=named) for row in people.read_members(session, found))

    def who(self, *, secret: str = "", session: str = "", viewer: str = "") -> tuple[SessionRecord, MemberRecord]:
        """Who comes with this secret, or as `viewer` to this session. NotFound, BadInput (withdrawn, expired)."""
        now = datetime.now(UTC)
        with self._connections.read() as reading:
            pair = people.by_secret(reading, secret, now) if secret else people.by_viewer(reading, session, viewer, now)
            return sessions_of.to_record(reading, pair[0]), people.to_member(pair[1])

    def begin(self, session: SessionName, member: MemberName, quiz_answers: Sequence[Any] = ()) -> MemberRecord:
        """The guidelines were read; BadInput names the question on them whose answer is wrong."""
        now = datetime.now(UTC)
        with self._connections.write() as writing:
            found, row = self._member(writing, session, member, now)
            return people.to_member(people.begin(writing, found, row, quiz_answers, now))

    # labelling

    def take_next(self, session: SessionName, member: MemberName, *, now: datetime | None = None) -> ItemRecord | None:
        """The item to label now, reserved for 30 minutes; None when nothing is left for this member. BadInput."""
        moment = now_or(now)
        with self._connections.write() as writing:
            found, row = self._member(writing, session, member, moment)
            people.check_labels(row)
            settings = settings_of_row(found)
            saving_of.check_open(found, settings, moment)
            if row["begun_at"] is None:
                raise BadInput("Read the guidelines first and press Begin.")
            item = dealing.take_next(writing, found, row, settings, moment)
            return None if item is None else items_of.read_item(writing, found, item)

    def progress(self, session: SessionName, member: MemberName, *, now: datetime | None = None) -> Progress:
        """How far this member is."""
        with self._connections.read() as reading:
            found = rows_of.find_session(reading, uid_of(session))
            row = rows_of.find_member(reading, found, uid_of(member))
            return dealing.progress(reading, found, row, settings_of_row(found), now_or(now))

    def own_items(self, session: SessionName, member: MemberName) -> tuple[tuple[str, int, str, str, bool], ...]:
        """(item uid, place, part, status, flagged) of the items this member was given, in that order."""
        with self._connections.read() as reading:
            found = rows_of.find_session(reading, uid_of(session))
            row = rows_of.find_member(reading, found, uid_of(member))
            return dealing.read_own(reading, found, row)

    def own_events(self, session: SessionName, member: MemberName, item: str) -> tuple[EventRecord, ...]:
        """What this member did on that item, oldest first. NotFound."""
        with self._connections.read() as reading:
            found = rows_of.find_session(reading, uid_of(session))
            row = rows_of.find_member(reading, found, uid_of(member))
            task = rows_of.find_item(reading, found, item)
            rows = events_of.read_own(reading, found, task, row)
            return events_of.to_events(rows, {row["id"]: row["uid"]}, {task["id"]: task["uid"]})

    def others_events(self, session: SessionName, member: MemberName, item: str) -> tuple[EventRecord, ...]:
        """What the others did on that item, with pseudonyms for members; () in a blind session. NotFound."""
        with self._connections.read() as reading:
            found = rows_of.find_session(reading, uid_of(session))
            row = rows_of.find_member(reading, found, uid_of(member))
            return events_of.read_others(reading, found, rows_of.find_item(reading, found, item), row)

    def save(
        self,
        session: SessionName,
        member: MemberName,
        item: str,
        events: Sequence[LabelEvent],
        *,
        now: datetime | None = None,
    ) -> tuple[EventRecord, ...]:
        """Append what was done, all or nothing; an event whose uuid is there already is not added again.

        Returns the member's events on that item afterwards. NotFound, and BadInput for what the session refuses.
        """
        moment = now_or(now)
        with self._connections.write() as writing:
            found, row = self._member(writing, session, member, moment)
            people.check_labels(row)
            task = rows_of.find_item(writing, found, item)
            return saving_of.save_events(self._saving(writing, found, row, task, moment), events)
