"""A session as its owner sees it: what it asks, how far it is, who does what, how fast, and what checks say.

Pure: from what was read to JSON. Does not know where it was read, nor measures of agreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from engine.label_events import ItemState
from engine.label_schema import LabelSchema, schema_fields, schema_yaml
from storage.annotation_records import FinalRecord, ItemOutline, MemberRecord, SessionRecord
from ui.known_answers import compare
from ui.session_fields import settings_fields
from ui.session_states import SessionStates
from ui.wire import minute, number

HASTY_SECONDS = 2.0
# of the person's own median
SLOW_TIMES = 5.0
LEVELS = {"choice": "nominal", "multi": "nominal", "likert": "interval", "token": "nominal", "preference": "nominal"}


def overview(
    session: SessionRecord,
    role: str,
    found: SessionStates,
    finals: Sequence[FinalRecord],
    places: Sequence[tuple[str, str, str]],
) -> dict[str, Any]:
    """The whole overview. places: (member, item, status) of everything dealt."""
    parts = [item.part for item in found.outline]
    return {
        "session": session.uid, "title": session.title, "status": session.status, "role": role,
        "blind": session.settings.blind, "example": session.example, "created": minute(session.created_at),
        "settings": settings_fields(session.settings), "answered": session.answered,
        "schema": schema_fields(found.schema), "schema_yaml": schema_yaml(found.schema),
        "schema_version": session.schema_version, "guidelines": session.guidelines,
        "guidelines_version": session.guidelines_version,
        "items": len(parts), "counts": {part: parts.count(part) for part in ("work", "training", "check")},
        "progress": _progress(session, found),
        "members": [_member(member, found, places, named=role != "adjudicator") for member in found.members],
        "targets": targets(found.schema),
        "finals": len({final.item for final in finals}), "disputed": len(disputed(found)),
    }  # fmt: skip


def targets(schema: LabelSchema) -> list[dict[str, str]]:
    """What agreement and scores can be asked for."""
    found = []
    for label_set in schema.label_sets:
        every = f"{label_set.title}: any label"
        found.append({"id": f"set:{label_set.name}", "title": every, "kind": label_set.unit, "level": "nominal"})
        for label in label_set.labels if len(label_set.labels) > 1 else ():
            uid, title = f"label:{label_set.name}/{label.name}", f"{label_set.title}: {label.title}"
            found.append({"id": uid, "title": title, "kind": label_set.unit, "level": "nominal"})
    for question in schema.questions:
        if question.kind in LEVELS:
            level = LEVELS[question.kind]
            uid = f"question:{question.name}"
            found.append({"id": uid, "title": question.title, "kind": question.kind, "level": level})
    return found


def disputed(found: SessionStates) -> list[tuple[ItemOutline, list[ItemState], float]]:
    """Items of the work that two or more submitted and that they differ on, most disagreement first."""
    rows = []
    for item in found.outline:
        states = list(found.submitted(item.uid).values()) if item.part == "work" else []
        distance = found.differences.get(item.uid, 0.0) if len(states) > 1 else 0.0
        if distance > 0:
            rows.append((item, states, distance))
    return sorted(rows, key=lambda row: (-row[2], row[0].place))


def item_row(item: ItemOutline, found: SessionStates, gone: frozenset[str], settled: bool) -> dict[str, Any]:
    """One line of the list of items."""
    states = found.submitted(item.uid)
    names = {member.uid: member.pseudonym for member in found.members}
    every = {member: state for (member, uid), state in found.states.items() if uid == item.uid}
    return {
        "item": item.uid, "place": item.place + 1, "part": item.part, "runs": list(item.runs),
        "gone": [run in gone for run in item.runs], "text": item.text, "answers": len(states), "final": settled,
        "flags": sum(state.flagged for state in every.values()),
        "skips": sum(state.status == "skipped" for state in every.values()),
        "seconds": number(median([state.active_seconds for state in states.values()])) if states else None,
        "disagreement": number(found.differences.get(item.uid)) if len(states) > 1 else None,
        "comments": [{"by": names[uid], "text": state.comment} for uid, state in every.items() if state.comment],
    }  # fmt: skip


def _progress(session: SessionRecord, found: SessionStates) -> dict[str, int]:
    """Labels made elsewhere are nobody's work; more answers than were asked for count as those asked for."""
    work = [item for item in found.outline if item.part == "work"]
    people = [member for member in found.members if member.role != "import"]
    answered = {who for (who, _), state in found.states.items() if state.status == "submitted"}
    annotators = sum(one.role == "annotator" and (not one.revoked or one.uid in answered) for one in people)
    each = session.settings.overlap or annotators
    known = {member.uid for member in people}
    counts = [min(each, len(known & found.submitted(item.uid).keys())) for item in work]
    return {
        "answers": sum(counts), "needed": each * len(work), "items": len(work),
        "complete_items": sum(count >= each > 0 for count in counts),
    }  # fmt: skip


def _member(
    member: MemberRecord, found: SessionStates, places: Sequence[tuple[str, str, str]], *, named: bool
) -> dict[str, Any]:
    """named: with the id that tells who is behind a side of a dispute."""
    parts = {item.uid: item for item in found.outline}
    own = {uid: state for (who, uid), state in found.states.items() if who == member.uid}
    work = {uid: state for uid, state in own.items() if parts[uid].part == "work"}
    times = [state.active_seconds for state in work.values() if state.status == "submitted"]
    if member.role == "import":
        times = []  # nobody sat there
    done = sum(state.status == "submitted" for state in work.values())
    skipped = sum(state.status == "skipped" for uid, state in own.items() if parts[uid].part != "training")
    middle = median(times) if times else None
    return {
        "uid": member.uid if named else "", "me": member.pseudonym, "name": member.name, "role": member.role,
        "done": done, "skipped": skipped,
        "open": sum(who == member.uid and status in ("new", "open") for who, _, status in places),
        "flags": sum(state.flagged for state in own.values()), "seconds": number(middle),
        "hasty": sum(time < HASTY_SECONDS for time in times),
        "slow": sum(time > SLOW_TIMES * middle for time in times) if middle else 0,
        "checks": _checks(found.schema, own, parts), "revoked": member.revoked, "linked": member.link,
        "expires": minute(member.expires_at), "begun": member.begun_at is not None, "last": found.last.get(member.uid),
    }  # fmt: skip


def _checks(schema: LabelSchema, own: dict[str, ItemState], parts: dict[str, ItemOutline]) -> dict[str, int]:
    """Check items that were met wholly, of those that were submitted or skipped."""
    right = of = 0
    for uid, state in own.items():
        item = parts[uid]
        if item.part == "check" and item.expected is not None and state.status in ("submitted", "skipped"):
            found = compare(schema, item.expected, state, [[""] * count for count in item.tokens])
            right, of = right + (state.status == "submitted" and found.right == found.of), of + 1
    return {"right": right, "of": of}
