"""A check of the whole file: SQLite's own tests and every checksum of every run, analysis and annotation session.

SQLite's integrity check misses most flipped bytes inside rows; the checksums are what finds them. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

from engine.errors import StoreDamaged
from storage.analyses import verify_analysis
from storage.annotation_checking import verify_session
from storage.connections import Connections
from storage.people import verify_people
from storage.records import CheckReport
from storage.runs import verify_run


def check_store(connections: Connections) -> CheckReport:
    """Verify everything, one short read per run or session, so that writers wait for nobody."""
    integrity = _pragma(connections, "PRAGMA integrity_check")
    foreign_keys = _pragma(connections, "PRAGMA foreign_key_check")
    runs, lost = _found(connections, "run")
    analyses, lost_analyses = _found(connections, "analysis")
    damaged_runs, run_arrays = _each(connections, runs, verify_run)
    damaged_analyses, analysis_arrays = _each(connections, analyses, verify_analysis)
    sessions, lost_sessions = _found(connections, "annotation_session")
    damaged_sessions, events = _each(connections, sessions, verify_session)
    people = _people(connections)
    findings = tuple(dict.fromkeys((*integrity, *lost, *lost_analyses, *lost_sessions, *people)))
    arrays = run_arrays + analysis_arrays
    return CheckReport(
        findings,
        foreign_keys,
        damaged_runs,
        damaged_analyses,
        len(runs),
        arrays,
        damaged_sessions,
        len(sessions),
        events,
    )


def _people(connections: Connections) -> tuple[str, ...]:
    """What keeps the list of people from being trusted."""
    try:
        with connections.read() as session:
            verify_people(session)
    except StoreDamaged as damage:
        return (str(damage),)
    return ()


def _found(connections: Connections, table: str) -> tuple[dict[int, str], tuple[str, ...]]:
    """Row id -> uid of everything that either the table or its index knows, and what kept them from being read."""
    found: dict[int, str] = {}
    problems = []
    for source in ("NOT INDEXED", f"INDEXED BY sqlite_autoindex_{table}_1"):
        try:
            with connections.read() as session:
                for row_id, uid in session.execute(text(f"SELECT id, uid FROM {table} {source}")):
                    found.setdefault(row_id, str(uid))
        except StoreDamaged as damage:
            problems.append(str(damage))
    return found, tuple(problems)


def _pragma(connections: Connections, pragma: str) -> tuple[str, ...]:
    """What a checking pragma complains about; an error that stops it is a complaint as well."""
    try:
        with connections.read() as session:
            rows = session.execute(text(pragma)).all()
    except StoreDamaged as damage:
        return (str(damage),)
    found = (" ".join(str(value) for value in row) for row in rows)
    return tuple(line for line in found if line != "ok")


def _each(
    connections: Connections, rows: Mapping[int, str], verify: Callable[[Session, int], int]
) -> tuple[tuple[tuple[str, str], ...], int]:
    damaged, verified = [], 0
    for row_id, uid in rows.items():
        try:
            with connections.read() as session:
                verified += verify(session, row_id)
        except StoreDamaged as damage:
            damaged.append((uid, str(damage)))
    return tuple(damaged), verified
