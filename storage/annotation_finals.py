"""Final labels of items: who may decide, and what was decided; nothing is ever replaced, the newest holds.

Knows rows; leaves the form of labels to the engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from engine.errors import BadInput
from engine.label_events import check_result
from storage.annotation_items import tokens_of
from storage.annotation_members import may_decide, read_members
from storage.annotation_records import ACCEPTED, WRONG_SOURCE, FinalRecord
from storage.annotation_rows import Row, by_id, change_row, damaged, find, insert_rows, label_of, next_id, sealed
from storage.annotation_sessions import current_text
from storage.annotation_settings import schema_of_text
from storage.limits import StoreLimits
from storage.schema import AnnotationFinal, AnnotationItem, AnnotationMember, AnnotationSession
from storage.values import clean_json, clean_text, microseconds, moment, whole_number

_LABELLED = text("""
    SELECT 1 FROM annotation_place WHERE item_id = :item AND member_id = :member AND status = 'submitted'
""")


def read_finals(session: Session, found: Row, *, history: bool = True) -> tuple[FinalRecord, ...]:
    """All final labels ever written, oldest first; not history: the newest of each item, by the item's place.

    StoreDamaged when one is missing.
    """
    rows = find(session, AnnotationFinal, label_of(found["uid"]), session_id=found["id"], order="id")
    if len(rows) != found["finals"]:
        raise damaged(label_of(found["uid"]), "some of its final labels are missing")
    deciders = (row["member_id"] for row in rows if row["member_id"] is not None)
    members = by_id(session, found, AnnotationMember, deciders)
    items = by_id(session, found, AnnotationItem, (row["item_id"] for row in rows))
    if not history:
        newest = {row["item_id"]: row for row in rows}
        rows = sorted(newest.values(), key=lambda row: int(items[row["item_id"]]["place"]))
    return tuple(
        FinalRecord(
            item=items[row["item_id"]]["uid"],
            by="" if row["member_id"] is None else members[row["member_id"]]["uid"],
            state=json.loads(row["state"]),
            reason=row["reason"],
            confidence=row["confidence"],
            source=row["source"],
            at=moment(row["created_at"]),
        )
        for row in rows
    )


def check_decider(session: Session, found: Row, member: Row | None, item: Row) -> None:
    """BadInput for who may not decide on an item: an annotator, or one who labelled it, unless nobody else is there.

    member: None for the session's owner without a part in it.
    """
    if member is None:
        return
    own = member["viewer"] == found["owner"]
    if not own and not may_decide(member):
        raise BadInput("Only adjudicators and the session's owner write final labels.")
    if not _labelled(session, item, member):
        return
    others = [row for row in read_members(session, found) if may_decide(row) and not row["revoked"]]
    free = [row for row in others if row["id"] != member["id"] and not _labelled(session, item, row)]
    if free or not own:
        raise BadInput("You labelled this item yourself; somebody who did not has to decide on it.")


def add_final(
    session: Session,
    found: Row,
    member: Row | None,
    item: Row,
    limits: StoreLimits,
    final: FinalRecord,
) -> FinalRecord:
    """Append final labels, whose item and `by` are taken from the rows. BadInput."""
    source = clean_text(final.source, "The source of the final labels", limits.name_chars, empty=False)
    if source != "written":
        _check_source(session, found, source)
    if final.confidence is not None:
        whole_number(final.confidence, "The confidence", 1, 5)
    schema = schema_of_text(current_text(session, found, "schema"))
    state = check_result(schema, final.state, tokens_of(item))
    reason = clean_text(final.reason, "The reason", limits.note_chars)
    write_final(session, found, item["id"], None if member is None else member["id"], limits, final, state)
    change_row(session, AnnotationSession, found, finals=found["finals"] + 1, updated_at=microseconds(final.at))
    by = "" if member is None else member["uid"]
    return FinalRecord(item["uid"], by, state, reason, final.confidence, source, final.at)


def write_final(
    session: Session,
    found: Row,
    item_id: int,
    member_id: int | None,
    limits: StoreLimits,
    final: FinalRecord,
    state: Mapping[str, Any],
) -> None:
    """Insert one row; the session's count is the caller's business."""
    row = {
        "id": next_id(session, AnnotationFinal),
        "session_id": found["id"],
        "item_id": item_id,
        "member_id": member_id,
        "state": clean_json(state, "The final labels", limits),
        "reason": final.reason,
        "confidence": final.confidence,
        "source": final.source,
        "created_at": microseconds(final.at),
    }
    insert_rows(session, AnnotationFinal, [sealed(AnnotationFinal, row)])


def _check_source(session: Session, found: Row, source: str) -> None:
    known = {row["uid"] for row in read_members(session, found)}
    if not source.startswith(ACCEPTED) or source.removeprefix(ACCEPTED) not in known:
        raise BadInput(WRONG_SOURCE)


def _labelled(session: Session, item: Row, member: Row) -> bool:
    return session.execute(_LABELLED, {"item": item["id"], "member": member["id"]}).first() is not None
