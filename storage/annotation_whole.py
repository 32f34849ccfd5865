"""A whole session at once: read in one snapshot for a file, written from one in one transaction.

What is written was checked in annotation_incoming.py. Knows rows; does not know the form of files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from engine.label_events import check_milliseconds
from storage.annotation_events import linked, read_all
from storage.annotation_finals import read_finals, write_final
from storage.annotation_incoming import Checked
from storage.annotation_items import read_items
from storage.annotation_members import read_members, to_member
from storage.annotation_records import ACCEPTED, WholeSession
from storage.annotation_rows import Row, change_row, find, insert_rows, label_of, next_id, sealed, to_micros
from storage.annotation_sessions import read_texts, to_record, write_session
from storage.limits import StoreLimits
from storage.room import check_room
from storage.schema import AnnotationEvent, AnnotationItem, AnnotationMember, AnnotationPlace, AnnotationSession
from storage.values import microseconds

_AT_ONCE = 5_000


def read_whole(session: Session, found: Row, *, named: bool) -> WholeSession:
    """Everything of a session. named: members with their names rather than pseudonyms. StoreDamaged."""
    return WholeSession(
        session=to_record(session, found),
        texts=read_texts(session, found),
        members=tuple(to_member(row, named=named) for row in read_members(session, found)),
        items=read_items(session, found, 0, None),
        events=read_all(session, found),
        finals=read_finals(session, found),
    )


def write_whole(session: Session, checked: Checked, *, owner: str, example: bool, uid: str, limits: StoreLimits) -> Row:
    """Insert a checked session with everything in it; its items and members get ids of their own."""
    record = checked.contents.session
    if not example:
        check_room(session, limits, owner, sessions=1)
    found = write_session(
        session,
        owner=owner,
        title=record.title,
        example=example,
        settings=checked.settings,
        uid=uid,
        texts=checked.contents.texts,
        rows=checked.rows,
        created=record.created_at,
        status=record.status,
    )
    members = _write_members(session, found, checked)
    stored = find(session, AnnotationItem, label_of(uid), session_id=found["id"], order="place")
    items = {item.uid: row["id"] for item, row in zip(checked.contents.items, stored, strict=True)}
    _write_events(session, found, checked, members, items)
    for final in checked.contents.finals:
        by = checked.members.get(final.source.removeprefix(ACCEPTED))
        renamed = final if by is None else replace(final, source=ACCEPTED + by)
        write_final(session, found, items[final.item], members.get(final.by), limits, renamed, final.state)
    events = checked.contents.events
    return change_row(
        session,
        AnnotationSession,
        found,
        members=len(members),
        finals=len(checked.contents.finals),
        answered_at=to_micros(events[0].event.at) if events else None,
        updated_at=microseconds(record.updated_at),
    )


def _write_members(session: Session, found: Row, checked: Checked) -> dict[str, int]:
    """Insert members without logins and links; returns their row ids by their uids in the contents."""
    members = checked.contents.members
    first = next_id(session, AnnotationMember)
    rows = [
        sealed(
            AnnotationMember,
            {
                "id": member_id,
                "session_id": found["id"],
                "uid": checked.members[member.uid],
                "number": member.number,
                "name": member.name,
                "role": member.role,
                "viewer": "",
                "secret_hash": "",
                "expires_at": to_micros(member.expires_at),
                "revoked": int(member.revoked),
                "begun_at": to_micros(member.begun_at),
                "created_at": microseconds(member.created_at),
            },
        )
        for member_id, member in enumerate(members, first)
    ]
    insert_rows(session, AnnotationMember, rows)
    return {member.uid: row["id"] for member, row in zip(members, rows, strict=True)}


def _write_events(
    session: Session, found: Row, checked: Checked, members: Mapping[str, int], items: Mapping[str, int]
) -> None:
    """Insert the events in their order, and the places that follow from them."""
    first = next_id(session, AnnotationEvent)
    chains: dict[tuple[str, str], str] = {}
    rows = []
    for i, (record, payload) in enumerate(zip(checked.contents.events, checked.payloads, strict=True)):
        event, key = record.event, (record.member, record.item)
        row = {
            "id": first + i,
            "session_id": found["id"],
            "item_id": items[record.item],
            "member_id": members[record.member],
            "uuid": event.uuid,
            "kind": event.kind,
            "payload": payload,
            "active_ms": check_milliseconds(event.active_ms),
            "wall_ms": check_milliseconds(event.wall_ms),
            "schema_version": event.schema_version,
            "guidelines_version": event.guidelines_version,
            "created_at": to_micros(event.at),
        }
        rows.append(sealed(AnnotationEvent, row))
        chains[key] = linked(chains.get(key, ""), rows[-1]["row_hash"])
    for start in range(0, len(rows), _AT_ONCE):
        insert_rows(session, AnnotationEvent, rows[start : start + _AT_ONCE])
    insert_rows(session, AnnotationPlace, list(_places(found, checked, chains, members, items)))


def _places(
    found: Row,
    checked: Checked,
    chains: Mapping[tuple[str, str], str],
    members: Mapping[str, int],
    items: Mapping[str, int],
) -> Iterator[Row]:
    """Places in the order of their first events; who comes back to one that was left has it no longer reserved."""
    dealt: Counter[str] = Counter()
    for (member, item), state in checked.states.items():
        dealt[member] += 1
        yield sealed(
            AnnotationPlace,
            {
                "item_id": items[item],
                "member_id": members[member],
                "session_id": found["id"],
                "dealt": dealt[member],
                "status": state.status,
                "flagged": int(state.flagged),
                "reserved_until": found["created_at"],
                "events": state.events,
                "chain": chains[member, item],
            },
        )
