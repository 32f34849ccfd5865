"""A check of the whole file: SQLite's own tests and every checksum of every run and analysis.

SQLite's integrity check misses most flipped bytes inside rows; the checksums are what finds them. Reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import StoreDamaged
from storage.analyses import verify_analysis
from storage.connections import Connections
from storage.records import CheckReport
from storage.runs import verify_run
from storage.schema import AnalysisRow, RunRow

Key = TypeVar("Key")


def check_store(connections: Connections) -> CheckReport:
    """Verify everything, one short read per run, so that writers wait for nobody."""
    integrity = _pragma(connections, "PRAGMA integrity_check")
    foreign_keys = _pragma(connections, "PRAGMA foreign_key_check")
    try:
        with connections.read() as session:
            runs = session.execute(select(col(RunRow.uid), col(RunRow.id))).all()
            analyses = session.execute(select(col(AnalysisRow.uid), col(AnalysisRow.id))).all()
    except StoreDamaged as damage:
        return CheckReport((*integrity, str(damage)), foreign_keys, (), (), 0, 0)
    damaged_runs, run_arrays = _each(connections, ((str(uid), key) for uid, key in runs), verify_run)
    damaged_analyses, analysis_arrays = _each(connections, ((str(uid), key) for uid, key in analyses), verify_analysis)
    return CheckReport(integrity, foreign_keys, damaged_runs, damaged_analyses, len(runs), run_arrays + analysis_arrays)


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
    connections: Connections, items: Iterable[tuple[str, Key]], verify: Callable[[Session, Key], int]
) -> tuple[tuple[tuple[str, str], ...], int]:
    damaged, arrays = [], 0
    for uid, key in items:
        try:
            with connections.read() as session:
                arrays += verify(session, key)
        except StoreDamaged as damage:
            damaged.append((uid, str(damage)))
    return tuple(damaged), arrays
