"""A whole session from a file before it is stored: every part checked like what comes from a person.

Takes no lock and writes nothing; one part that does not fit refuses the whole. Does not know the form of files.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, get_args

from engine.errors import BadInput
from engine.label_events import (
    ItemState,
    LabelEvent,
    check_event,
    check_milliseconds,
    check_result,
    check_uuid,
    fold,
)
from engine.label_schema import LabelSchema
from storage.annotation_items import item_rows
from storage.annotation_records import (
    ACCEPTED,
    WRONG_SOURCE,
    EventRecord,
    FrozenRun,
    ItemRecord,
    MemberRecord,
    Role,
    TextVersion,
    WholeSession,
)
from storage.annotation_rows import Row, to_micros
from storage.annotation_sessions import clean_guidelines, clean_title
from storage.annotation_settings import check_part, clean_schema, schema_of_text, settings_row
from storage.limits import StoreLimits
from storage.values import clean_json, clean_text, clean_uid, microseconds, whole_number


@dataclass(frozen=True)
class Checked:
    """A whole session that may be written: cleaned values, rows of items.

    members: uid in the contents -> uid to be; the rows of the items have theirs already, in the order of the items.
    payloads: of the events, as they are stored. states: what the events come to, by member and item.
    """

    contents: WholeSession
    settings: Row
    rows: tuple[tuple[Row, list[Row]], ...]
    payloads: tuple[str, ...]
    states: Mapping[tuple[str, str], ItemState]
    members: Mapping[str, str]


def check_whole(contents: WholeSession, limits: StoreLimits) -> Checked:
    """BadInput unless all parts of a session are possible and fit together; takes no lock."""
    record = replace(contents.session, title=clean_title(contents.session.title, limits))
    if record.status not in ("open", "closed"):
        raise BadInput("A session is open or closed.")
    for moment in (record.created_at, record.updated_at):
        microseconds(moment)
    texts = _checked_texts(contents.texts, limits)
    schemas = {text.version: schema_of_text(text.body) for text in texts if text.kind == "schema"}
    members = _checked_members(contents.members, limits)
    items = _checked_items(contents.items, limits)
    newest = schemas[max(schemas)]
    rows = item_rows((replace(item, uid=secrets.token_hex(8)) for item in items), newest, limits)
    tokens = {item.uid: [len(run.pieces) for run in item.runs] for item in items}
    guidelines = sum(text.kind == "guidelines" for text in texts)
    events = tuple(_checked_events(contents.events, {m.uid for m in members}, tokens, schemas, guidelines))
    for final in contents.finals:
        if final.item not in tokens or (final.by and final.by not in {member.uid for member in members}):
            raise BadInput("Final labels are of an item or by a member that the session does not have.")
        clean_text(final.reason, "The reason", limits.note_chars)
        _check_source(final.source, members)
        if final.confidence is not None:
            whole_number(final.confidence, "The confidence", 1, 5)
        microseconds(final.at)
    finals = tuple(
        replace(final, state=check_result(newest, final.state, tokens[final.item])) for final in contents.finals
    )
    return Checked(
        contents=WholeSession(record, texts, members, items, events, finals),
        settings=settings_row(record.settings, limits),
        rows=tuple(rows),
        payloads=tuple(clean_json(row.event.payload, "An action", limits) for row in events),
        states=_states(events, newest),
        members={member.uid: secrets.token_hex(8) for member in members},
    )


def _checked_texts(texts: Sequence[TextVersion], limits: StoreLimits) -> tuple[TextVersion, ...]:
    ordered = sorted(texts, key=lambda text: (text.kind, text.version))
    for kind in ("guidelines", "schema"):
        versions = [text.version for text in ordered if text.kind == kind]
        if not versions or versions != list(range(1, len(versions) + 1)):
            raise BadInput(f"The versions of the {kind} must be numbered from 1 without a gap.")
    cleaned = []
    for text in ordered:
        microseconds(text.at)
        if text.kind == "schema":
            cleaned.append(replace(text, body=clean_schema(_object(text.body, "The schema"), limits)))
        elif text.kind == "guidelines":
            cleaned.append(replace(text, body=clean_guidelines(text.body, limits)))
        else:
            raise BadInput(f"There are no texts of the kind {text.kind[:40]!a} in a session.")
    return tuple(cleaned)


def _check_source(source: object, members: Sequence[MemberRecord]) -> None:
    if source != "written" and source not in {ACCEPTED + member.uid for member in members}:
        raise BadInput(WRONG_SOURCE)


def _object(text: str, field: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"{field} is not JSON.") from error


def _checked_members(members: Sequence[MemberRecord], limits: StoreLimits) -> tuple[MemberRecord, ...]:
    ordered = sorted(members, key=lambda member: member.number)
    if [member.number for member in ordered] != list(range(1, len(ordered) + 1)):
        raise BadInput("The members must be numbered from 1 without a gap.")
    if len(ordered) > limits.session_members or len({member.uid for member in ordered}) < len(ordered):
        raise BadInput(f"A session has at most {limits.session_members:,} members, each with an id of its own.")
    for member in ordered:
        clean_uid(member.uid, "A member's id")
        clean_text(member.name, "A member's name", limits.name_chars, empty=False)
        if member.role not in get_args(Role):
            raise BadInput(f"The role {str(member.role)[:40]!a} of a member is unknown.")
        for moment in (member.created_at, member.begun_at, member.expires_at):
            to_micros(moment)
    return tuple(ordered)


def _checked_items(items: Sequence[ItemRecord], limits: StoreLimits) -> tuple[ItemRecord, ...]:
    ordered = sorted(items, key=lambda item: item.place)
    if not 1 <= len(ordered) <= limits.session_items:
        raise BadInput(f"A session has 1 to {limits.session_items:,} items, not {len(ordered):,}.")
    if [item.place for item in ordered] != list(range(len(ordered))) or len({i.uid for i in ordered}) < len(ordered):
        raise BadInput("The items must have places from 0 without a gap, and ids of their own.")
    for item in ordered:
        clean_uid(item.uid, "An item's id")
        check_part(item.part, item.expected, f"Item {item.place + 1}")
        if len(item.runs) not in (1, 2):
            raise BadInput(f"Item {item.place + 1} must hold one run, or two to compare.")
        for run in item.runs:
            check_run(run, f"Item {item.place + 1}", limits)
    return tuple(ordered)


def check_run(run: FrozenRun, what: str, limits: StoreLimits) -> None:
    """BadInput unless a frozen run from a file is one: its pieces make up its text, its hash is that of the text."""
    clean_uid(run.uid, f"{what}: the run's id")
    for field, value in (("prompt", run.prompt), ("system text", run.system or ""), ("text", run.text)):
        clean_text(value, f"{what}: the {field}", limits.text_chars)
    clean_text(run.model_name, f"{what}: the model's name", limits.note_chars)
    whole_number(len(run.pieces), f"{what}: the number of tokens", 0, limits.tokens)
    if not all(isinstance(piece, str) for piece in run.pieces) or "".join(run.pieces) != run.text:
        raise BadInput(f"{what}: the pieces of the text do not make it up.")
    if run.text_hash != sha256(run.text.encode()).hexdigest():
        raise BadInput(f"{what}: the text is not the one that its checksum is of.")
    for position in run.special:
        whole_number(position, f"{what}: the position of a control token", 0, max(0, len(run.pieces) - 1))
    if run.seed is not None:
        whole_number(run.seed, f"{what}: the seed")


def _checked_events(
    events: Sequence[EventRecord],
    members: set[str],
    tokens: Mapping[str, Sequence[int]],
    schemas: Mapping[int, LabelSchema],
    guidelines: int,
) -> Iterator[EventRecord]:
    """The events with cleaned payloads. guidelines: how many versions there are."""
    seen = set()
    for number, row in enumerate(events, 1):
        event, key = row.event, (row.member, row.event.uuid)
        if row.member not in members or row.item not in tokens:
            raise BadInput(f"Event {number} is by a member or on an item that the session does not have.")
        if key in seen:
            raise BadInput(f"Event {number} has the id of an earlier one.")
        seen.add(key)
        schema = schemas.get(event.schema_version)
        if schema is None or event.at is None:
            raise BadInput(f"Event {number} has no time, or was made under a schema that the session does not have.")
        check_uuid(event.uuid)
        whole_number(event.guidelines_version, f"Event {number}: the version of the guidelines", 1, guidelines)
        for value in (event.active_ms, event.wall_ms):
            check_milliseconds(value)
        microseconds(event.at)
        try:
            payload = check_event(schema, event.kind, event.payload, tokens[row.item])
        except BadInput as problem:
            raise BadInput(f"Event {number}: {problem}") from problem
        yield replace(row, event=replace(event, payload=payload))


def _states(events: Sequence[EventRecord], schema: LabelSchema) -> dict[tuple[str, str], ItemState]:
    own: dict[tuple[str, str], list[LabelEvent]] = {}
    for row in events:
        own.setdefault((row.member, row.item), []).append(row.event)
    return {key: fold(found, schema) for key, found in own.items()}
