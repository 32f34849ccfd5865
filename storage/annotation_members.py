"""People in a session: how they are added, known again and sent away.

A labelling link carries a secret of 32 random bytes of which only the SHA-256 is stored. Knows rows; does not know what
members do.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput, NotFound
from storage.access import check_viewer
from storage.annotation_records import MemberRecord, Role
from storage.annotation_rows import (
    Row,
    change_row,
    damaged,
    find,
    find_member,
    find_session,
    insert_rows,
    label_of,
    next_id,
    no_session,
    sealed,
    to_micros,
    to_moment,
)
from storage.annotation_settings import settings_of_row
from storage.limits import StoreLimits
from storage.schema import AnnotationMember, AnnotationSession
from storage.values import clean_text, microseconds, moment

SECRET_BYTES = 32
_UNKNOWN = "This labelling link is not known here; check that it is complete, or ask for a new one."
_LABELLERS = ("annotator", "owner")
_DECIDERS = ("adjudicator", "owner")


def to_member(row: Row, *, named: bool = True) -> MemberRecord:
    """A verified row as a record; not named: the pseudonym stands for the name."""
    return MemberRecord(
        uid=row["uid"],
        number=row["number"],
        name=row["name"] if named else f"A{row['number']}",
        role=row["role"],
        viewer=row["viewer"] if named else "",
        expires_at=to_moment(row["expires_at"]),
        revoked=bool(row["revoked"]),
        begun_at=to_moment(row["begun_at"]),
        created_at=moment(row["created_at"]),
        link=row["secret_hash"] != "",
    )


def check_role(role: object) -> str:
    """A role that can be given: not "import", which is nobody's."""
    given = [name for name in get_args(Role) if name != "import"]
    if role not in given:
        raise BadInput(f"The role {str(role)[:40]!a} is unknown; use one of {', '.join(given)}.")
    return str(role)


def add_member(
    session: Session,
    found: Row,
    limits: StoreLimits,
    *,
    name: str,
    role: str,
    viewer: str = "",
    expires_at: datetime | None = None,
    linked: bool = True,
) -> tuple[Row, str]:
    """A new member and the secret of the labelling link; none for one with a viewer. BadInput."""
    if found["members"] >= limits.session_members:
        raise BadInput(f"A session has at most {limits.session_members:,} members; make a second one.")
    if viewer and member_of(session, found, viewer) is not None:
        raise BadInput("This person is a member of the session already; change what is there.")
    secret = secrets.token_urlsafe(SECRET_BYTES) if linked and not viewer else ""
    now = microseconds(datetime.now(UTC))
    row = sealed(
        AnnotationMember,
        {
            "id": next_id(session, AnnotationMember),
            "session_id": found["id"],
            "uid": secrets.token_hex(8),
            "number": found["members"] + 1,
            "name": clean_text(name, "The name", limits.name_chars, empty=False).strip(),
            "role": role,
            "viewer": clean_text(viewer, "The login", limits.owner_chars),
            "secret_hash": hashed(secret),
            "expires_at": to_micros(expires_at),
            "revoked": 0,
            "begun_at": None,
            "created_at": now,
        },
    )
    insert_rows(session, AnnotationMember, [row])
    change_row(session, AnnotationSession, found, members=found["members"] + 1, updated_at=now)
    return row, secret


def change_member(
    session: Session,
    row: Row,
    limits: StoreLimits,
    *,
    name: str | None,
    role: str | None,
    revoked: bool | None,
    expires_at: datetime | Literal["as it was"] | None,
    new_secret: bool,
) -> tuple[Row, str]:
    """Change what is not None; returns the row and the new secret, "" where there is none. BadInput."""
    if row["role"] == "import":
        raise BadInput("These labels were imported; there is nobody whose name, role or link could change.")
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = clean_text(name, "The name", limits.name_chars, empty=False).strip()
    if role is not None:
        changes["role"] = check_role(role)
    if revoked is not None:
        changes["revoked"] = int(revoked)
    if expires_at != "as it was":
        changes["expires_at"] = to_micros(expires_at)
    secret = ""
    if new_secret:
        if row["viewer"]:
            raise BadInput("This person comes by login and needs no labelling link.")
        secret = secrets.token_urlsafe(SECRET_BYTES)
        changes["secret_hash"] = hashed(secret)
    return change_row(session, AnnotationMember, row, **changes), secret


def read_members(session: Session, found: Row) -> list[Row]:
    """The verified rows of all members, by number; StoreDamaged when one is missing."""
    label = label_of(found["uid"])
    rows = find(session, AnnotationMember, label, session_id=found["id"], order="number")
    if [row["number"] for row in rows] != list(range(1, found["members"] + 1)):
        raise damaged(label, "some of its members are missing")
    return rows


def hashed(secret: str) -> str:
    """What is stored of a secret."""
    return sha256(secret.encode("utf-8", "replace")).hexdigest() if secret else ""


def by_secret(session: Session, secret: object, now: datetime) -> tuple[Row, Row]:
    """Session and member of a labelling link. NotFound in one sentence for unknown ones; BadInput for ended ones."""
    if not isinstance(secret, str) or not 0 < len(secret) <= 200:
        raise NotFound(_UNKNOWN)
    wanted = hashed(secret)
    asked = select(col(AnnotationSession.uid), col(AnnotationMember.uid)).join(
        AnnotationMember, col(AnnotationMember.session_id) == col(AnnotationSession.id)
    )
    pair = session.execute(asked.where(col(AnnotationMember.secret_hash) == wanted)).first()
    if pair is None:
        raise NotFound(_UNKNOWN)
    found = find_session(session, pair[0], binned=True)
    member = find_member(session, found, pair[1])
    if not hmac.compare_digest(member["secret_hash"], wanted):
        raise NotFound(_UNKNOWN)
    if found["deleted_at"] is not None:
        raise NotFound("This annotation session was deleted by its owner; ask them whether it will come back.")
    check_living(member, now)
    return found, member


def by_viewer(session: Session, uid: str, viewer: str, now: datetime) -> tuple[Row, Row]:
    """Session and member of somebody the server knows. NotFound, BadInput for one who was sent away."""
    check_viewer(viewer)
    found = find_session(session, uid)
    member = member_of(session, found, viewer)
    if member is None:
        raise no_session(uid)
    check_living(member, now)
    return found, member


def check_living(member: Row, now: datetime) -> None:
    """BadInput for a member whose part in the session has ended."""
    if member["revoked"]:
        raise BadInput(
            "Your part in this session was ended by its owner; what you entered is kept. Ask them for a new link."
        )
    expires = to_moment(member["expires_at"])
    if expires is not None and expires <= now:
        raise BadInput(
            f"This labelling link expired on {expires:%Y-%m-%d %H:%M} UTC; what you entered is kept. Ask for a new one."
        )


def living_member(session: Session, found: Row, uid: str, now: datetime) -> Row:
    """A member that may still do something. NotFound, BadInput."""
    member = find_member(session, found, uid)
    check_living(member, now)
    return member


def check_labels(member: Row) -> None:
    """BadInput for one whose role is not to label."""
    if member["role"] not in _LABELLERS:
        raise BadInput("You decide between the answers of others here and do not label yourself; ask for another role.")


def may_decide(member: Row) -> bool:
    """Whether this member sees everybody's labels and writes final ones."""
    return member["role"] in _DECIDERS


def begin(session: Session, found: Row, member: Row, answers: Sequence[Any], now: datetime) -> Row:
    """Note that the guidelines were read; BadInput names the question on them that was answered wrongly."""
    quiz = settings_of_row(found).quiz
    if isinstance(answers, str) or len(answers) != len(quiz):
        raise BadInput(f"Answer all {len(quiz)} questions on the guidelines; {len(answers)} answers came.")
    for number, (row, answer) in enumerate(zip(quiz, answers, strict=True), 1):
        if answer != row["answer"]:
            raise BadInput(
                f"The answer to question {number} (“{row['question']}”) is not right; read the guidelines again."
            )
    if member["begun_at"] is not None:
        return member
    return change_row(session, AnnotationMember, member, begun_at=microseconds(now))


def find_import(session: Session, found: Row, limits: StoreLimits, name: str) -> Row:
    """The member of that name that stands for labels made elsewhere; made where there is none. BadInput."""
    for row in read_members(session, found):
        if row["role"] == "import" and row["name"] == name:
            return row
    return add_member(session, found, limits, name=name, role="import", linked=False)[0]


def member_of(session: Session, found: Row, viewer: str) -> Row | None:
    """The verified row of the member that comes as this viewer, or None."""
    rows = find(session, AnnotationMember, label_of(found["uid"]), session_id=found["id"], viewer=viewer)
    return rows[0] if rows else None
