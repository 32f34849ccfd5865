"""Sessions themselves: written, read with their texts, changed, listed.

Knows rows of sessions and of the versions of guidelines and schema; does not know what happens in a session.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput, StoreDamaged
from storage.annotation_items import read_outline, write_items
from storage.annotation_records import SessionRecord, SessionSettings, TextVersion
from storage.annotation_rows import (
    Row,
    change_row,
    damaged,
    find,
    find_session,
    insert_rows,
    label_of,
    no_session,
    sealed,
)
from storage.annotation_settings import (
    clean_schema,
    expected_text,
    schema_of_text,
    settings_of_row,
    settings_row,
)
from storage.limits import StoreLimits
from storage.schema import AnnotationMember, AnnotationSession, AnnotationText
from storage.values import clean_text, clean_uid, microseconds, moment

# may be changed at any time; what decides who is given which item, and what they see, stays
_CHANGEABLE = ("overlap", "check_every", "opens_at", "closes_at", "quiz")
_UNTIL_ANSWERED = ("blind", "show_scores")


def write_session(
    session: Session,
    *,
    owner: str,
    title: str,
    example: bool,
    settings: Row,
    uid: str,
    texts: Sequence[TextVersion],
    rows: Sequence[tuple[Row, list[Row]]],
    created: datetime,
    status: str = "open",
) -> Row:
    """Insert a session with its texts and items, without members. BadInput when the uid is taken."""
    if session.execute(select(col(AnnotationSession.id)).where(col(AnnotationSession.uid) == uid)).first():
        raise BadInput(f"A session with the id {uid} is here already; leave the id out to get a new one.")
    newest = {text.kind: text.version for text in sorted(texts, key=lambda text: text.version)}
    values: Row = {
        "uid": uid,
        "owner": owner,
        "example": int(example),
        "title": title,
        "status": status,
        **settings,
        "schema_version": newest["schema"],
        "guidelines_version": newest["guidelines"],
        "items": len(rows),
        "items_hash": "",
        "members": 0,
        "finals": 0,
        "answered_at": None,
        "created_at": microseconds(created),
        "updated_at": microseconds(created),
        "deleted_at": None,
        "row_hash": "",
    }
    statement = insert(AnnotationSession).values(**values).returning(col(AnnotationSession.id))
    session_id = int(session.execute(statement).scalar_one())  # type: ignore[arg-type]
    for text in texts:
        write_text(session, session_id, text)
    values["items_hash"] = write_items(session, session_id, rows)
    return change_row(session, AnnotationSession, {"id": session_id, **values})


def write_text(session: Session, session_id: int, text: TextVersion) -> None:
    """Insert one version of guidelines or schema."""
    row = {
        "session_id": session_id,
        "kind": text.kind,
        "version": text.version,
        "body": text.body,
        "created_at": microseconds(text.at),
    }
    insert_rows(session, AnnotationText, [sealed(AnnotationText, row)])


def new_uid(uid: str | None) -> str:
    """The uid given, or a fresh one."""
    return secrets.token_hex(12) if uid is None else clean_uid(uid, "The session id")


def clean_title(title: object, limits: StoreLimits) -> str:
    """A title without surrounding blanks. BadInput."""
    return clean_text(title, "The title", limits.title_chars, empty=False).strip()


def clean_guidelines(guidelines: object, limits: StoreLimits) -> str:
    """Guidelines as they are. BadInput."""
    return clean_text(guidelines, "The guidelines", limits.guidelines_chars)


def to_record(session: Session, found: Row) -> SessionRecord:
    """A verified row with the texts that hold now. StoreDamaged."""
    return SessionRecord(
        uid=found["uid"],
        owner=found["owner"],
        title=found["title"],
        schema=json.loads(current_text(session, found, "schema")),
        schema_version=found["schema_version"],
        guidelines=current_text(session, found, "guidelines"),
        guidelines_version=found["guidelines_version"],
        settings=settings_of_row(found),
        status=found["status"],
        items=found["items"],
        created_at=moment(found["created_at"]),
        updated_at=moment(found["updated_at"]),
        example=bool(found["example"]),
        answered=found["answered_at"] is not None,
    )


def current_text(session: Session, found: Row, kind: str) -> str:
    """The guidelines or the schema that hold now. StoreDamaged."""
    keys = {"session_id": found["id"], "kind": kind, "version": found[f"{kind}_version"]}
    rows = find(session, AnnotationText, label_of(found["uid"]), **keys)
    if not rows:
        raise damaged(label_of(found["uid"]), f"its {kind} are missing")
    return str(rows[0]["body"])


def read_texts(session: Session, found: Row) -> tuple[TextVersion, ...]:
    """Every version of guidelines and schema; StoreDamaged when one is missing."""
    label = label_of(found["uid"])
    rows = find(session, AnnotationText, label, session_id=found["id"], order="kind, version")
    expected = [("guidelines", v) for v in range(1, found["guidelines_version"] + 1)]
    expected += [("schema", v) for v in range(1, found["schema_version"] + 1)]
    if [(row["kind"], row["version"]) for row in rows] != expected:
        raise damaged(label_of(found["uid"]), "a version of its guidelines or schema is missing")
    return tuple(TextVersion(row["kind"], row["version"], row["body"], moment(row["created_at"])) for row in rows)


def find_own(session: Session, uid: str, viewer: str, *, binned: bool = False) -> Row:
    """The row of a session that `viewer` may change. NotFound, and BadInput for an example."""
    found = find_session(session, uid, binned=binned)
    if found["owner"] != viewer:
        if found["example"] and found["deleted_at"] is None:
            raise BadInput("This demonstration comes with the page and cannot be changed; make a session of your own.")
        raise no_session(uid)
    if found["example"]:
        raise BadInput("This demonstration comes with the page and cannot be changed; make a session of your own.")
    return found


def find_readable(session: Session, uid: str, viewer: str) -> Row:
    """The row of a session that `viewer` may look into: an own one or an example. NotFound."""
    found = find_session(session, uid)
    if found["owner"] != viewer and not found["example"]:
        raise no_session(uid)
    return found


def list_sessions(session: Session, viewer: str) -> tuple[SessionRecord, ...]:
    """Own sessions, those in which `viewer` takes part, and examples; the newest first, damaged ones marked."""
    part = select(col(AnnotationMember.session_id)).where(
        col(AnnotationMember.viewer) == viewer, col(AnnotationMember.revoked) == 0
    )
    table = AnnotationSession
    visible = or_(col(table.owner) == viewer, col(table.example) == 1, col(table.id).in_(part))
    statement = select(col(table.uid)).where(visible, col(table.deleted_at).is_(None))
    uids = session.execute(statement.order_by(col(table.created_at).desc(), col(table.id).desc())).scalars().all()
    return tuple(_record_or_damage(session, str(uid)) for uid in uids)


def _record_or_damage(session: Session, uid: str) -> SessionRecord:
    try:
        return to_record(session, find_session(session, uid))
    except StoreDamaged:
        nothing = datetime.fromtimestamp(0, UTC)
        settings = SessionSettings()
        return SessionRecord(
            uid, "", "(damaged)", {}, 0, "", 0, settings, "closed", 0, nothing, nothing, False, False, damaged=True
        )


def change_session(
    session: Session,
    found: Row,
    limits: StoreLimits,
    *,
    title: str | None,
    guidelines: str | None,
    schema: Mapping[str, Any] | None,
    settings: SessionSettings | None,
    status: str | None,
) -> Row:
    """Change what is not None; returns the new row. BadInput for what may not change any more."""
    now = datetime.now(UTC)
    changes: dict[str, Any] = {"updated_at": microseconds(now)}
    if title is not None:
        changes["title"] = clean_title(title, limits)
    if status is not None:
        if status not in ("open", "closed"):
            raise BadInput(f"A session is open or closed, not {str(status)[:40]!a}.")
        changes["status"] = status
    if settings is not None:
        _check_settings(found, settings)
        changes |= settings_row(settings, limits)
    if guidelines is not None:
        body = clean_guidelines(guidelines, limits)
        changes |= _new_version(session, found, "guidelines", body, now)
    if schema is not None:
        body = clean_schema(schema, limits)
        if body != current_text(session, found, "schema"):
            _check_schema(session, found, body, limits)
        changes |= _new_version(session, found, "schema", body, now)
    return change_row(session, AnnotationSession, found, **changes)


def _new_version(session: Session, found: Row, kind: str, body: str, now: datetime) -> dict[str, int]:
    """Add a version where the text is another one than the one that holds."""
    if body == current_text(session, found, kind):
        return {}
    version = found[f"{kind}_version"] + 1
    write_text(session, found["id"], TextVersion(kind, version, body, now))
    return {f"{kind}_version": version}


def _check_settings(found: Row, settings: SessionSettings) -> None:
    before = settings_of_row(found)
    fixed = [name for name in vars(before) if name not in (*_CHANGEABLE, *_UNTIL_ANSWERED)]
    if found["answered_at"] is not None:
        fixed += _UNTIL_ANSWERED
    for name in fixed:
        if getattr(before, name) != getattr(settings, name):
            since = "since people have labelled in it" if name in _UNTIL_ANSWERED else "once the session is made"
            raise BadInput(f"The setting {name} cannot change {since}; fork the session to change it.")


def _check_schema(session: Session, found: Row, body: str, limits: StoreLimits) -> None:
    if found["answered_at"] is not None:
        raise BadInput(
            "Somebody has labelled in this session already, so its schema stays as it is; fork it instead: "
            "a new session with the same items and the other schema."
        )
    check_expected(session, found, body, limits)


def check_expected(session: Session, found: Row, body: str, limits: StoreLimits) -> None:
    """BadInput unless what is known of the items fits another schema."""
    for item in read_outline(session, found):
        expected_text(item.expected, schema_of_text(body), item.tokens, f"Item {item.place + 1}", limits)
