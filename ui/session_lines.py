"""A session as JSON lines, exactly: what session_import.py reads back comes out as the same bytes again.

Items and people are called by numbers of the file, never by ids of a store, which are others elsewhere. The first line
is a manifest, the last one a checksum of everything above it. Characters stand in ASCII, so that no reader breaks
lines where there are none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from engine.label_events import state_fields
from storage.annotation_records import ACCEPTED, EventRecord, FinalRecord, FrozenRun, MemberRecord, SessionSettings
from ui.fork_files import cleaned
from ui.session_voices import Item, Told, Voice, bounds, covered

FORMAT, VERSION = "forklore-session", 1
ABOUT = (
    "One JSON object a line. text: guidelines and schema, all versions. item: frozen texts; token i of a run is "
    "text[token_starts[i]:token_starts[i + 1]], the last one ends with the text; offsets count Unicode code points. "
    "event: every action in order of arrival. final: adjudicated labels. state: what the events come to, derived. "
    "end: number of the lines above and their SHA-256."
)


def jsonl(told: Told, names: bool = False) -> bytes:
    """The whole file."""
    lines = [_line(one) for one in _objects(told, names)]
    body = b"".join(lines)
    return body + _line({"kind": "end", "lines": len(lines), "sha256": sha256(body).hexdigest()})


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def _objects(told: Told, names: bool) -> Iterator[dict[str, Any]]:
    yield manifest(told, names)
    for text in sorted(told.whole.texts, key=lambda text: (text.kind, text.version)):
        head = {"kind": "text", "text": text.kind, "version": text.version, "at": time_text(text.at)}
        # a schema as it is meant, however a store writes it down
        yield {**head, "body": cleaned(json.loads(text.body) if text.kind == "schema" else text.body)}
    for member in told.members:
        yield _member(member, names)
    for item in told.items:
        yield _item(item)
    for event in told.whole.events:
        yield _event(event, told)
    for final in told.whole.finals:
        yield _final(final, told)
    for item in told.items:
        for voice in item.voices:
            if voice.state.events:
                yield _state(item, voice)


def manifest(told: Told, names: bool) -> dict[str, Any]:
    """What kind of file this is, of which session, under which versions."""
    session = told.whole.session
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": cleaned(session.title),
        "created_at": time_text(session.created_at),
        "status": session.status,
        "schema_version": session.schema_version,
        "guidelines_version": session.guidelines_version,
        "settings": settings_fields(session.settings),
        "names": names,
        "items": len(told.items),
        "members": len(told.members),
        "events": len(told.whole.events),
        "finals": len(told.whole.finals),
        "about": ABOUT,
    }


def settings_fields(settings: SessionSettings) -> dict[str, Any]:
    """The settings as JSON has them."""
    values = {one.name: getattr(settings, one.name) for one in fields(SessionSettings)}
    values |= {name: time_text(values[name]) for name in ("opens_at", "closes_at")}
    return cleaned({**values, "quiz": [dict(question) for question in settings.quiz]})


def time_text(moment: datetime | None) -> str | None:
    """A time as text, UTC to the microsecond."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _member(member: MemberRecord, names: bool) -> dict[str, Any]:
    head = {"kind": "member", "member": member.pseudonym, "role": member.role, "revoked": member.revoked}
    times = {"begun_at": time_text(member.begun_at), "created_at": time_text(member.created_at)}
    return {**head, **({"name": cleaned(member.name)} if names else {}), **times}


def _item(item: Item) -> dict[str, Any]:
    record = item.record
    head = {"kind": "item", "item": item.number, "part": record.part}
    return {**head, "runs": [_run(run) for run in record.runs], "expected": cleaned(record.expected)}


def _run(run: FrozenRun) -> dict[str, Any]:
    return {
        "run": run.uid,
        "model": run.model_name,
        # as text: it may need 63 bits
        "seed": None if run.seed is None else str(run.seed),
        "prompt": run.prompt,
        "system": run.system,
        "text": run.text,
        "text_hash": run.text_hash,
        "token_starts": bounds(run)[:-1],
        "special": list(run.special),
    }


def _event(record: EventRecord, told: Told) -> dict[str, Any]:
    event = record.event
    return {
        "kind": "event",
        "item": told.numbers[record.item],
        "member": told.pseudonym(record.member),
        "uuid": event.uuid,
        "action": event.kind,
        "payload": dict(event.payload),
        "active_ms": event.active_ms,
        "wall_ms": event.wall_ms,
        "at": time_text(event.at),
        "schema_version": event.schema_version,
        "guidelines_version": event.guidelines_version,
    }


def _final(final: FinalRecord, told: Told) -> dict[str, Any]:
    source = final.source
    if source.startswith(ACCEPTED):
        source = ACCEPTED + told.pseudonym(source.removeprefix(ACCEPTED))
    return {
        "kind": "final",
        "item": told.numbers[final.item],
        "by": told.pseudonym(final.by) or None,
        "state": cleaned(dict(final.state)),
        "reason": cleaned(final.reason),
        "confidence": final.confidence,
        "source": source,
        "at": time_text(final.at),
    }


def _state(item: Item, voice: Voice) -> dict[str, Any]:
    fields_of_state = state_fields(voice.state)
    places = [bounds(run) for run in item.record.runs]
    for fields_of_label, label in zip(fields_of_state["labels"], voice.state.labels, strict=True):
        start, stop, text = covered(label, item.record.runs[label.run], places[label.run])
        fields_of_label |= {"start_char": start, "stop_char": stop, "text": text}
    return {"kind": "state", "item": item.number, "member": voice.who, **fields_of_state}
