"""The tables of people with personal links and of what strangers used, as the third migration makes them.

Never edited after its release. Of a link only a digest is kept, and nothing at all of addresses.
"""

from __future__ import annotations

import sqlite3

_TABLES = (
    """CREATE TABLE person (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE CHECK (length(uid) BETWEEN 1 AND 64),
        name TEXT NOT NULL UNIQUE CHECK (name <> ''),
        secret_hash TEXT NOT NULL CHECK (length(secret_hash) IN (0, 64)),
        created_at INTEGER NOT NULL,
        seen_at INTEGER,
        revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
        row_hash TEXT NOT NULL,
        CHECK ((revoked = 1) = (secret_hash = ''))
    ) STRICT""",
    "CREATE UNIQUE INDEX person_secret ON person (secret_hash) WHERE secret_hash <> ''",
    """CREATE TABLE usage (
        who TEXT NOT NULL,
        hour INTEGER NOT NULL,
        tokens INTEGER NOT NULL CHECK (tokens >= 0),
        PRIMARY KEY (who, hour)
    ) STRICT, WITHOUT ROWID""",
)


def add_people(connection: sqlite3.Connection) -> None:
    """Make both tables and their indexes."""
    for statement in _TABLES:
        connection.execute(statement)
