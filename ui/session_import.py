"""A session back from the JSON lines that session_lines.py wrote: everything in it, or a refusal with its line.

A file is one thing: a single line that is wrong, missing or changed refuses it whole. Nothing of it is believed before
it is checked as if somebody had typed it. Does not know the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, get_args

from engine.errors import BadInput
from engine.label_events import LabelEvent, check_event, check_milliseconds, check_result, check_uuid
from engine.label_nodes import shown
from engine.label_schema import LabelSchema, schema_fields, schema_of
from storage.annotation_records import (
    ACCEPTED,
    EventRecord,
    FinalRecord,
    ItemRecord,
    MemberRecord,
    Part,
    Role,
    SessionRecord,
    SessionStatus,
    TextVersion,
    WholeSession,
)
from storage.limits import ImportLimits
from storage.strict_json import parse
from ui.session_labels import read_labels
from ui.session_lines import FORMAT, VERSION
from ui.session_parts import (
    flag,
    moment,
    one_of,
    read_run,
    read_settings,
    required_moment,
    string,
    whole_number,
)

__all__ = ["read_labels", "read_session"]

MOST_LINES = 2_000_000
_NO_SESSION = "This is no file of an annotation session: choose one that was exported here as JSONL."
_EXPECTED_LINE = f'Its first line must be {{"format":"{FORMAT}","version":{VERSION},…}}'


def read_session(data: str | bytes, limits: ImportLimits | None = None) -> WholeSession:
    """Everything of a session. BadInput names what is wrong with the file and where.

    The session has no owner and an id of this file; items and members have ids of this file too.
    """
    bounds = limits or ImportLimits()
    lines = _whole_lines(data, bounds)
    reader = _Reader(_manifest(lines[0], bounds))
    for number, line in enumerate(lines[1:-1], start=2):
        try:
            reader.take(parse(line, bounds))
        except BadInput as problem:
            raise BadInput(f"Line {number} of the file: {str(problem).rstrip('.')}. Nothing was imported.") from problem
    return reader.session()


def _whole_lines(data: str | bytes, bounds: ImportLimits) -> list[bytes]:
    """The lines, after size and checksum were found right."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > bounds.file_bytes:
        raise BadInput(f"The file has {len(raw):,} bytes; at most {bounds.file_bytes:,} can be imported.")
    if raw.startswith(b"PK\x03\x04"):
        raise BadInput(f"{_NO_SESSION} This is an archive; a data set of a session cannot be imported again.")
    raw = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if raw.count(b"\n") > MOST_LINES:
        raise BadInput(f"The file has more than {MOST_LINES:,} lines; no session is that large.")
    lines = raw.split(b"\n")
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    longest = max(map(len, lines))
    if longest > bounds.line_bytes:
        raise BadInput(f"The file has a line of {longest:,} bytes; at most {bounds.line_bytes:,} are allowed.")
    _manifest(lines[0], bounds)
    end = _fields_of_end(lines[-1], bounds)
    body = b"".join(line + b"\n" for line in lines[:-1])
    if end.get("lines") != len(lines) - 1 or end.get("sha256") != sha256(body).hexdigest():
        raise BadInput(
            "The file was changed or damaged since it was exported: its checksum is another. Export it anew."
        )
    return lines


def _fields_of_end(line: bytes, bounds: ImportLimits) -> dict[str, Any]:
    try:
        end = parse(line, bounds)
    except BadInput:
        end = {}
    if end.get("kind") != "end":
        raise BadInput("The file was cut short: its last line, the checksum, is missing. Copy or export it again.")
    return end


def _manifest(line: bytes, bounds: ImportLimits) -> dict[str, Any]:
    try:
        manifest = parse(line, bounds)
    except BadInput as problem:
        raise BadInput(f"{_NO_SESSION} {_EXPECTED_LINE}; {str(problem).rstrip('.')}.") from problem
    if manifest.get("format") != FORMAT or type(manifest.get("version")) is not int:
        raise BadInput(f"{_NO_SESSION} {_EXPECTED_LINE}.")
    if not 1 <= manifest["version"] <= VERSION:
        raise BadInput(f"The file has version {manifest['version']}, this program reads {VERSION}; update the program.")
    return manifest


class _Reader:
    """Takes one line after another; what a line names must have come before it."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._manifest = manifest
        self._texts: list[TextVersion] = []
        self._schemas: dict[int, LabelSchema] = {}
        self._members: dict[str, MemberRecord] = {}
        self._items: dict[int, ItemRecord] = {}
        self._events: list[EventRecord] = []
        self._seen: set[tuple[str, str]] = set()
        self._finals: list[FinalRecord] = []
        self._takers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "text": self._text,
            "member": self._member,
            "item": self._item,
            "event": self._event,
            "final": self._final,
            # follows from the events
            "state": lambda fields: None,
        }

    def take(self, fields: Mapping[str, Any]) -> None:
        """Check and keep one line. BadInput."""
        kind = fields.get("kind")
        taker = self._takers.get(kind) if isinstance(kind, str) else None
        if taker is None:
            raise BadInput(f"there is no line of kind {shown(kind)}")
        try:
            taker(fields)
        except KeyError as missing:
            raise BadInput(f"it has no field {missing}") from missing

    def _text(self, fields: Mapping[str, Any]) -> None:
        kind, version = one_of(fields["text"], ("guidelines", "schema"), "text"), whole_number(fields["version"], 1)
        if any((text.kind, text.version) == (kind, version) for text in self._texts):
            raise BadInput(f"version {version} of the {kind} is there twice")
        if kind == "schema":
            self._schemas[version] = schema_of(fields["body"])
            body = json.dumps(schema_fields(self._schemas[version]), ensure_ascii=False, separators=(",", ":"))
        else:
            body = string(fields["body"], "body")
        self._texts.append(TextVersion(kind, version, body, required_moment(fields["at"], "at")))

    def _member(self, fields: Mapping[str, Any]) -> None:
        who = string(fields["member"], "member")
        digits = who.removeprefix("A")
        if who in self._members or not (digits.isascii() and digits.isdigit() and len(digits) < 7 and int(digits) > 0):
            raise BadInput(f"the member {shown(who)} is there twice, or is not called A1, A2 and so on")
        if who != f"A{int(digits)}":
            raise BadInput(f"the member {shown(who)} must be called A{int(digits)}")
        self._members[who] = MemberRecord(
            uid=who,
            number=int(digits),
            name=string(fields.get("name", who), "name"),
            role=one_of(fields["role"], get_args(Role), "role"),
            viewer="",
            expires_at=None,
            revoked=flag(fields["revoked"], "revoked"),
            begun_at=moment(fields["begun_at"], "begun_at"),
            created_at=required_moment(fields["created_at"], "created_at"),
        )

    def _item(self, fields: Mapping[str, Any]) -> None:
        number = whole_number(fields["item"], 1)
        runs = fields["runs"]
        if number != len(self._items) + 1:
            raise BadInput(f"item {number} stands where item {len(self._items) + 1} must stand")
        if not isinstance(runs, list) or not 1 <= len(runs) <= 2:
            raise BadInput("an item has a list of one or two runs")
        frozen = tuple(read_run(run) for run in runs)
        expected = fields["expected"]
        if expected is not None:
            cleaned = check_result(self._newest(), expected, [len(run.pieces) for run in frozen])
            expected = {name: cleaned[name] for name in ("labels", "answers") if name in expected}
        part = one_of(fields["part"], get_args(Part), "part")
        self._items[number] = ItemRecord(f"i{number}", number - 1, part, frozen, expected)

    def _event(self, fields: Mapping[str, Any]) -> None:
        item, member = self._known_item(fields["item"]), self._known_member(fields["member"])
        schema_version = whole_number(fields["schema_version"], 1)
        if schema_version not in self._schemas:
            raise BadInput(f"the file has no version {schema_version} of the schema")
        kind, tokens = fields["action"], [len(run.pieces) for run in item.runs]
        event = LabelEvent(
            uuid=check_uuid(fields["uuid"]),
            kind=kind,
            payload=check_event(self._schemas[schema_version], kind, fields["payload"], tokens),
            active_ms=check_milliseconds(fields["active_ms"]),
            wall_ms=check_milliseconds(fields["wall_ms"]),
            at=required_moment(fields["at"], "at"),
            schema_version=schema_version,
            guidelines_version=whole_number(fields["guidelines_version"], 1),
        )
        if (member.uid, event.uuid) in self._seen:
            raise BadInput(f"the action {shown(event.uuid)} of {member.uid} is there twice")
        self._seen.add((member.uid, event.uuid))
        self._events.append(EventRecord(len(self._events) + 1, event.uuid, member.uid, item.uid, event))

    def _final(self, fields: Mapping[str, Any]) -> None:
        item = self._known_item(fields["item"])
        source = string(fields["source"], "source")
        if source.startswith(ACCEPTED):
            self._known_member(source.removeprefix(ACCEPTED))
        elif source != "written":
            raise BadInput(f"the source {shown(source)} is neither 'written' nor '{ACCEPTED}' with a member")
        confidence = fields["confidence"]
        state = check_result(self._newest(), fields["state"], [len(run.pieces) for run in item.runs])
        self._finals.append(
            FinalRecord(
                item=item.uid,
                by="" if fields["by"] is None else self._known_member(fields["by"]).uid,
                state=state,
                reason=string(fields["reason"], "reason"),
                confidence=None if confidence is None else whole_number(confidence, 1, 5),
                source=source,
                at=required_moment(fields["at"], "at"),
            )
        )

    def _newest(self) -> LabelSchema:
        if not self._schemas:
            raise BadInput("the schema must stand above the items")
        return self._schemas[max(self._schemas)]

    def _known_item(self, number: Any) -> ItemRecord:
        if isinstance(number, bool) or not isinstance(number, int) or number not in self._items:
            raise BadInput(f"there is no item {shown(number)} above this line")
        return self._items[number]

    def _known_member(self, who: Any) -> MemberRecord:
        if not isinstance(who, str) or who not in self._members:
            raise BadInput(f"there is no member {shown(who)} above this line")
        return self._members[who]

    def session(self) -> WholeSession:
        """The session, when every line was taken. BadInput where texts or items are missing."""
        manifest = self._manifest
        versions = {text.kind: text for text in sorted(self._texts, key=lambda text: text.version)}
        if set(versions) != {"guidelines", "schema"} or not self._items:
            raise BadInput("The file has no guidelines, no schema or no items; it was not made by an export.")
        for kind, text in versions.items():
            if manifest.get(f"{kind}_version") != text.version:
                raise BadInput(f"Line 1 of the file names another version of the {kind} than its newest. "
                               "Nothing was imported.")  # fmt: skip
        try:
            record = SessionRecord(
                uid="imported",
                owner="",
                title=string(manifest["title"], "title"),
                schema=schema_fields(self._newest()),
                schema_version=versions["schema"].version,
                guidelines=versions["guidelines"].body,
                guidelines_version=versions["guidelines"].version,
                settings=read_settings(manifest["settings"]),
                status=one_of(manifest["status"], get_args(SessionStatus), "status"),
                items=len(self._items),
                created_at=(created := required_moment(manifest["created_at"], "created_at")),
                updated_at=created,
                example=False,
                answered=bool(self._events),
            )
        except (BadInput, KeyError) as problem:
            said = str(problem).rstrip(".") if isinstance(problem, BadInput) else f"it has no field {problem}"
            raise BadInput(f"Line 1 of the file: {said}. Nothing was imported.") from problem
        people, items = tuple(self._members.values()), tuple(self._items.values())
        return WholeSession(record, tuple(self._texts), people, items, tuple(self._events), tuple(self._finals))
