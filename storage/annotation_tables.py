"""The tables of annotation sessions as the second migration makes them; never edited after its release.

Frozen things and what people entered can only be added: triggers refuse every change, and every removal but that of a
whole session which lies in the bin.
"""

from __future__ import annotations

import sqlite3

_OF_SESSION = "session_id INTEGER NOT NULL REFERENCES annotation_session (id) ON DELETE CASCADE"

_TABLES = (
    """CREATE TABLE annotation_session (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE CHECK (length(uid) BETWEEN 1 AND 64),
        owner TEXT NOT NULL CHECK (owner <> ''),
        example INTEGER NOT NULL CHECK (example IN (0, 1)),
        title TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('open', 'closed')),
        overlap INTEGER NOT NULL CHECK (overlap >= 0),
        blind INTEGER NOT NULL CHECK (blind IN (0, 1)),
        settings TEXT NOT NULL,
        schema_version INTEGER NOT NULL CHECK (schema_version >= 1),
        guidelines_version INTEGER NOT NULL CHECK (guidelines_version >= 1),
        items INTEGER NOT NULL CHECK (items >= 1),
        items_hash TEXT NOT NULL,
        members INTEGER NOT NULL CHECK (members >= 0),
        finals INTEGER NOT NULL CHECK (finals >= 0),
        answered_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        deleted_at INTEGER,
        row_hash TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX annotation_session_owner ON annotation_session (owner, created_at)",
    "CREATE INDEX annotation_session_example ON annotation_session (example) WHERE example = 1",
    f"""CREATE TABLE annotation_text (
        {_OF_SESSION},
        kind TEXT NOT NULL CHECK (kind IN ('guidelines', 'schema')),
        version INTEGER NOT NULL CHECK (version >= 1),
        body TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        row_hash TEXT NOT NULL,
        PRIMARY KEY (session_id, kind, version)
    ) STRICT""",
    f"""CREATE TABLE annotation_member (
        id INTEGER PRIMARY KEY,
        {_OF_SESSION},
        uid TEXT NOT NULL CHECK (length(uid) BETWEEN 1 AND 64),
        number INTEGER NOT NULL CHECK (number >= 1),
        name TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('owner', 'adjudicator', 'annotator', 'import')),
        viewer TEXT NOT NULL,
        secret_hash TEXT NOT NULL CHECK (length(secret_hash) IN (0, 64)),
        expires_at INTEGER,
        revoked INTEGER NOT NULL CHECK (revoked IN (0, 1)),
        begun_at INTEGER,
        created_at INTEGER NOT NULL,
        row_hash TEXT NOT NULL,
        UNIQUE (session_id, uid),
        UNIQUE (session_id, number)
    ) STRICT""",
    "CREATE UNIQUE INDEX annotation_member_secret ON annotation_member (secret_hash) WHERE secret_hash <> ''",
    "CREATE UNIQUE INDEX annotation_member_viewer ON annotation_member (viewer, session_id) WHERE viewer <> ''",
    f"""CREATE TABLE annotation_item (
        id INTEGER PRIMARY KEY,
        {_OF_SESSION},
        uid TEXT NOT NULL CHECK (length(uid) BETWEEN 1 AND 64),
        place INTEGER NOT NULL CHECK (place >= 0),
        part TEXT NOT NULL CHECK (part IN ('work', 'training', 'check')),
        run TEXT NOT NULL,
        tokens INTEGER NOT NULL CHECK (tokens >= 0),
        other_run TEXT,
        other_tokens INTEGER CHECK (other_tokens >= 0),
        preview TEXT NOT NULL,
        expected TEXT,
        row_hash TEXT NOT NULL,
        UNIQUE (session_id, uid),
        UNIQUE (session_id, part, place),
        CHECK ((other_run IS NULL) = (other_tokens IS NULL))
    ) STRICT""",
    "CREATE INDEX annotation_item_run ON annotation_item (run)",
    "CREATE INDEX annotation_item_other_run ON annotation_item (other_run) WHERE other_run IS NOT NULL",
    """CREATE TABLE annotation_run (
        item_id INTEGER NOT NULL REFERENCES annotation_item (id) ON DELETE CASCADE,
        side INTEGER NOT NULL CHECK (side IN (0, 1)),
        prompt TEXT NOT NULL, system TEXT, body TEXT NOT NULL,
        sizes TEXT NOT NULL, special TEXT NOT NULL,
        text_hash TEXT NOT NULL CHECK (length(text_hash) = 64),
        model_name TEXT NOT NULL,
        seed INTEGER,
        row_hash TEXT NOT NULL,
        PRIMARY KEY (item_id, side)
    ) STRICT""",
    f"""CREATE TABLE annotation_place (
        item_id INTEGER NOT NULL REFERENCES annotation_item (id) ON DELETE CASCADE,
        member_id INTEGER NOT NULL REFERENCES annotation_member (id) ON DELETE CASCADE,
        {_OF_SESSION},
        dealt INTEGER NOT NULL CHECK (dealt >= 1),
        status TEXT NOT NULL CHECK (status IN ('new', 'open', 'submitted', 'skipped')),
        flagged INTEGER NOT NULL CHECK (flagged IN (0, 1)),
        reserved_until INTEGER NOT NULL,
        events INTEGER NOT NULL CHECK (events >= 0),
        chain TEXT NOT NULL,
        row_hash TEXT NOT NULL,
        PRIMARY KEY (item_id, member_id),
        UNIQUE (member_id, dealt)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX annotation_place_session ON annotation_place (session_id, item_id, status, reserved_until, events)",
    f"""CREATE TABLE annotation_event (
        id INTEGER PRIMARY KEY,
        {_OF_SESSION},
        item_id INTEGER NOT NULL REFERENCES annotation_item (id),
        member_id INTEGER NOT NULL REFERENCES annotation_member (id),
        uuid TEXT NOT NULL CHECK (length(uuid) BETWEEN 1 AND 64),
        kind TEXT NOT NULL CHECK (kind <> ''),
        payload TEXT NOT NULL,
        active_ms INTEGER NOT NULL CHECK (active_ms >= 0),
        wall_ms INTEGER NOT NULL CHECK (wall_ms >= 0),
        schema_version INTEGER NOT NULL,
        guidelines_version INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        row_hash TEXT NOT NULL,
        UNIQUE (member_id, uuid)
    ) STRICT""",
    "CREATE INDEX annotation_event_session ON annotation_event (session_id)",
    "CREATE INDEX annotation_event_item ON annotation_event (item_id, member_id)",
    f"""CREATE TABLE annotation_final (
        id INTEGER PRIMARY KEY,
        {_OF_SESSION},
        item_id INTEGER NOT NULL REFERENCES annotation_item (id),
        member_id INTEGER REFERENCES annotation_member (id),
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        confidence INTEGER CHECK (confidence BETWEEN 1 AND 5),
        source TEXT NOT NULL CHECK (source <> ''),
        created_at INTEGER NOT NULL,
        row_hash TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX annotation_final_session ON annotation_final (session_id)",
    "CREATE INDEX annotation_final_item ON annotation_final (item_id)",
    "CREATE INDEX annotation_final_member ON annotation_final (member_id) WHERE member_id IS NOT NULL",
    """CREATE TRIGGER annotation_session_kept BEFORE DELETE ON annotation_session WHEN OLD.deleted_at IS NULL
    BEGIN SELECT RAISE(ABORT, 'a living annotation session cannot be removed'); END""",
)

# while a whole session is removed, its own row is gone before those that hang on it
_APPEND_ONLY = {
    "annotation_text": "annotation_session WHERE id = OLD.session_id",
    "annotation_item": "annotation_session WHERE id = OLD.session_id",
    "annotation_run": "annotation_item WHERE id = OLD.item_id",
    "annotation_event": "annotation_session WHERE id = OLD.session_id",
    "annotation_final": "annotation_session WHERE id = OLD.session_id",
}


def add_annotations(connection: sqlite3.Connection) -> None:
    """Make every table, index and trigger of annotation sessions."""
    for statement in _TABLES:
        connection.execute(statement)
    for table, holder in _APPEND_ONLY.items():
        connection.execute(
            f"""CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""
        )
        connection.execute(
            f"""CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} WHEN EXISTS (SELECT 1 FROM {holder})
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""
        )
