"""The people of a team: added, known again by the secret of a personal link, sent away.

A secret is 32 random bytes, told once, of which only the SHA-256 is stored. Knows rows; does not know links, cookies
or what people do.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput, NotFound
from storage.annotation_rows import Row, change_row, find, insert_rows, next_id, query, read, sealed, to_moment
from storage.connections import Connections
from storage.limits import StoreLimits
from storage.schema import PersonRow
from storage.values import clean_text, microseconds, moment

SECRET_BYTES = 32
LABEL = "The list of people"
# how the name of who was erased begins, which no name of anybody can
_NAMELESS = " "


@dataclass(frozen=True)
class Person:
    """One person of the team. seen_at: the hour in which they last came, None for never; revoked: may not come
    any more."""

    uid: str
    name: str
    created_at: datetime
    seen_at: datetime | None
    revoked: bool

    @property
    def viewer(self) -> str:
        """The owner of what this person makes."""
        return f"person:{self.uid}"


class PeopleStore:
    """The people of one database."""

    def __init__(self, connections: Connections, limits: StoreLimits) -> None:
        self._connections = connections
        self._limits = limits

    def add(self, name: str) -> tuple[Person, str]:
        """A new person and the secret of their link, which is told this once. BadInput for a name that is taken."""
        clean = clean_text(name, "The name", self._limits.name_chars, empty=False).strip()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        with self._connections.write() as session:
            if known := find(session, PersonRow, LABEL, name=clean):
                remedy = "renew" if known[0]["revoked"] else "choose another name, or renew"
                raise BadInput(f"{clean!r} is on the list already; {remedy} their link.")
            row = sealed(
                PersonRow,
                {
                    "id": next_id(session, PersonRow),
                    "uid": secrets.token_hex(8),
                    "name": clean,
                    "secret_hash": hashed(secret),
                    "created_at": microseconds(datetime.now(UTC)),
                    "seen_at": None,
                    "revoked": 0,
                },
            )
            insert_rows(session, PersonRow, [row])
        return _to_person(row), secret

    def list(self) -> tuple[Person, ...]:
        """Everybody, those who were sent away included, by name; not who was erased. StoreDamaged."""
        with self._connections.read() as session:
            return tuple(_to_person(row) for row in _everybody(session) if not is_nameless(row))

    def renew(self, name: str) -> tuple[Person, str]:
        """A new link for a person, also for one who was sent away; the old one ends at once. NotFound."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        with self._connections.write() as session:
            row = change_row(session, PersonRow, _named(session, name), secret_hash=hashed(secret), revoked=0)
        return _to_person(row), secret

    def remove(self, name: str) -> Person:
        """End a person's link at once; what they made is kept. NotFound."""
        with self._connections.write() as session:
            return _to_person(change_row(session, PersonRow, _named(session, name), secret_hash="", revoked=1))

    def named(self, name: str) -> Person:
        """Who is called so. NotFound."""
        with self._connections.read() as session:
            return _to_person(_named(session, name))

    def erase(self, name: str) -> None:
        """End a person's link and take name and times out, overwritten in the file and its log. NotFound.

        What stays is a row of nobody, by which a copy that is put back later knows whom it must let go of.
        """
        with self._connections.erase() as session:
            row = _named(session, name)
            nobody = {"name": f"{_NAMELESS}{row['uid']}", "secret_hash": "", "revoked": 1, "created_at": 0}
            change_row(session, PersonRow, row, **nobody, seen_at=None)

    def by_secret(self, secret: str) -> Person | None:
        """Whose link this is the secret of, None for nobody's. StoreDamaged."""
        wanted = hashed(secret)
        with self._connections.read() as session:
            rows = find(session, PersonRow, LABEL, secret_hash=wanted) if secret else []
        if not rows or rows[0]["revoked"] or not hmac.compare_digest(rows[0]["secret_hash"], wanted):
            return None
        return _to_person(rows[0])

    def saw(self, uid: str, now: datetime) -> None:
        """Note that a person came, of which only the hour is kept."""
        with self._connections.write() as session:
            for row in find(session, PersonRow, LABEL, uid=uid, revoked=0):
                change_row(session, PersonRow, row, seen_at=microseconds(_hour(now)))


def verify_people(session: Session) -> None:
    """StoreDamaged unless every person's row is what was written."""
    _everybody(session)


def _everybody(session: Session) -> list[Row]:
    return read(session, query(PersonRow).order_by(col(PersonRow.name)), PersonRow, LABEL)


def is_nameless(row: Row) -> bool:
    """Whether a row is what stays of somebody who was erased."""
    return str(row["name"]).startswith(_NAMELESS)


def hashed(secret: str) -> str:
    """What is stored of a secret."""
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


def _named(session: Session, name: str) -> Row:
    rows = find(session, PersonRow, LABEL, name=str(name).strip())
    if not rows:
        raise NotFound(f"There is nobody called {str(name)[:64]!r} on the list; list the people to see who is.")
    return rows[0]


def _to_person(row: Row) -> Person:
    seen = to_moment(row["seen_at"])
    # rounded here too: older libraries hold the moment
    hour = None if seen is None else _hour(seen)
    return Person(row["uid"], row["name"], moment(row["created_at"]), hour, bool(row["revoked"]))


def _hour(when: datetime) -> datetime:
    return when.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
