"""Numbered steps from an empty file to the newest tables; each is one transaction together with its version number.

A step is a plain function of a connection and is never edited after its release: a golden file of every released
version is migrated in a test. Longer ones have a file of their own. Knows no rows of meaning and never looks at
schema.py, which moves on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import StoreDamaged
from storage.annotation_tables import add_annotations
from storage.people_tables import add_people

APPLICATION_ID = 0x464B4C52  # "FKLR"


@dataclass(frozen=True)
class Migration:
    """One step: the version it leads to, what it is for, and the function that does it."""

    version: int
    name: str
    apply: Callable[[sqlite3.Connection], None]


_FIRST_TABLES = (
    """CREATE TABLE model (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL, repo TEXT NOT NULL, revision TEXT NOT NULL, quantization TEXT NOT NULL,
        dtype TEXT NOT NULL, device TEXT NOT NULL, tokenizer_hash TEXT NOT NULL,
        vocabulary_size INTEGER NOT NULL CHECK (vocabulary_size >= 0),
        context_length INTEGER NOT NULL CHECK (context_length >= 0),
        card TEXT NOT NULL UNIQUE
    ) STRICT""",
    """CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE CHECK (length(uid) BETWEEN 1 AND 64),
        owner TEXT NOT NULL CHECK (owner <> ''),
        visibility TEXT NOT NULL CHECK (visibility IN ('private', 'unlisted')),
        example INTEGER NOT NULL CHECK (example IN (0, 1)),
        kind TEXT NOT NULL CHECK (kind IN ('generation', 'branch', 'counterfactual', 'import', 'scored')),
        status TEXT NOT NULL CHECK (status IN ('finished', 'stopped', 'failed', 'imported', 'scored')),
        finish_reason TEXT NOT NULL CHECK (finish_reason IN
            ('stop', 'length', 'stop_string', 'cancelled', 'failed', 'scored', 'imported')),
        root_id INTEGER REFERENCES run (id),
        parent_id INTEGER REFERENCES run (id),
        fork_position INTEGER CHECK (fork_position >= 0),
        chain_depth INTEGER NOT NULL CHECK (chain_depth >= 0),
        model_id INTEGER NOT NULL REFERENCES model (id),
        seed INTEGER CHECK (seed >= 0),
        noise_version TEXT,
        tokens INTEGER NOT NULL CHECK (tokens >= 0),
        seconds REAL,
        title TEXT NOT NULL,
        note TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        deleted_at INTEGER,
        text_hash TEXT NOT NULL CHECK (length(text_hash) = 64),
        content_hash TEXT NOT NULL CHECK (length(content_hash) = 32),
        header_hash TEXT NOT NULL,
        CHECK ((parent_id IS NULL) = (fork_position IS NULL)),
        CHECK ((parent_id IS NULL) = (root_id IS NULL)),
        CHECK (parent_id IS NOT NULL OR chain_depth = 0)
    ) STRICT""",
    "CREATE INDEX run_owner_created ON run (owner, created_at)",
    "CREATE INDEX run_parent ON run (parent_id)",
    "CREATE INDEX run_root ON run (root_id)",
    "CREATE INDEX run_example ON run (example) WHERE example = 1",
    """CREATE TABLE run_text (
        run_id INTEGER PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
        prompt TEXT NOT NULL, system TEXT, answer TEXT NOT NULL,
        settings TEXT, details TEXT NOT NULL, search TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE run_score (
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        name TEXT NOT NULL CHECK (name <> ''),
        value REAL,
        PRIMARY KEY (run_id, name)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE run_tag (
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        tag TEXT NOT NULL CHECK (tag <> ''),
        PRIMARY KEY (run_id, tag)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX run_tag_tag ON run_tag (tag)",
    """CREATE TABLE run_array (
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        name TEXT NOT NULL CHECK (name <> ''),
        start INTEGER NOT NULL CHECK (start >= 0),
        dtype TEXT NOT NULL, stored TEXT NOT NULL, shape TEXT NOT NULL, codec TEXT NOT NULL,
        crc32 INTEGER NOT NULL CHECK (crc32 BETWEEN 0 AND 4294967295),
        data BLOB NOT NULL,
        PRIMARY KEY (run_id, name)
    ) STRICT""",
    """CREATE TABLE analysis (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE CHECK (length(uid) BETWEEN 1 AND 64),
        run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
        owner TEXT NOT NULL CHECK (owner <> ''),
        kind TEXT NOT NULL CHECK (kind <> ''),
        settings TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'stopped', 'failed')),
        progress TEXT NOT NULL,
        result TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        header_hash TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX analysis_run ON analysis (run_id, kind)",
    """CREATE TABLE analysis_array (
        analysis_id INTEGER NOT NULL REFERENCES analysis (id) ON DELETE CASCADE,
        name TEXT NOT NULL CHECK (name <> ''),
        dtype TEXT NOT NULL, stored TEXT NOT NULL, shape TEXT NOT NULL, codec TEXT NOT NULL,
        crc32 INTEGER NOT NULL CHECK (crc32 BETWEEN 0 AND 4294967295),
        data BLOB NOT NULL,
        PRIMARY KEY (analysis_id, name)
    ) STRICT""",
)


def _runs_and_analyses(connection: sqlite3.Connection) -> None:
    for statement in _FIRST_TABLES:
        connection.execute(statement)


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "runs and analyses", _runs_and_analyses),
    Migration(2, "annotation sessions", add_annotations),
    Migration(3, "people and what strangers used", add_people),
)


def newest(steps: Sequence[Migration] = MIGRATIONS) -> int:
    """The version that this code reads and writes."""
    return steps[-1].version


def expected_objects(steps: Sequence[Migration], version: int) -> set[tuple[str, str | None]]:
    """Name and definition of every table and index that a file of that version holds, found by making an empty one."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for step in steps:
            if step.version <= version:
                step.apply(connection)
        return set(connection.execute("SELECT name, sql FROM sqlite_master"))
    finally:
        connection.close()


def migrate(
    connection: sqlite3.Connection, steps: Sequence[Migration] = MIGRATIONS, *, keep: Callable[[int], object]
) -> list[str]:
    """Apply every step the file lacks; returns the names of the steps that ran.

    keep: called once with the old version, under the write lock, before the first step changes a file that holds
    something: to make a copy. The connection must be in autocommit mode. Each step reads the version again under the
    write lock, so that processes starting together apply it once. A step that raises leaves the file as before it.
    """
    applied: list[str] = []
    connection.execute("PRAGMA foreign_keys=OFF")  # steps may rebuild tables; the check below replaces it
    for step in steps:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version < step.version:
                if version and not applied:
                    keep(version)
                _apply(connection, step)
                applied.append(step.name)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    connection.execute("PRAGMA foreign_keys=ON")
    return applied


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    step.apply(connection)
    broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise StoreDamaged(
            f"The store cannot be brought to version {step.version} ({step.name}): {len(broken)} rows point to rows "
            "that do not exist. Nothing was changed; open it with the version that wrote it and export the runs."
        )
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={step.version}")
