"""Removing runs and sessions for good, so that nothing of them is left in the file and nobody else loses anything.

Runs of others that follow a removed one get all their tokens as their own first. Knows rows within a transaction; does
not know who may remove what.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import StoreDamaged
from storage.annotation_rows import change_row, label_of, query, scan
from storage.chain import assemble, divide, read_rows, to_row
from storage.headers import load_headers, seal
from storage.schema import AnalysisRow, AnnotationMember, AnnotationSession, RunArray, RunRow
from storage.values import microseconds

_AT_ONCE = 500

_BELOW = text("""
    WITH RECURSIVE below (id, depth) AS (
        SELECT id, 1 FROM run WHERE parent_id = :run_id
        UNION ALL
        SELECT run.id, below.depth + 1 FROM below JOIN run ON run.parent_id = below.id
    )
    SELECT id, depth FROM below
""")


def remove_runs(session: Session, ids: Collection[int]) -> int:
    """Remove runs with texts, arrays and analyses; returns how many. What follows them and stays becomes whole."""
    gone = set(ids)
    _cut_loose(session, gone)
    removed = 0
    for some in _portions(sorted(gone)):
        values = {"parent_id": None, "root_id": None, "fork_position": None, "chain_depth": 0}
        session.execute(update(RunRow).where(col(RunRow.id).in_(some)).values(**values))
    for some in _portions(sorted(gone)):
        removed += session.execute(delete(RunRow).where(col(RunRow.id).in_(some))).rowcount  # type: ignore[attr-defined]
    return removed


def branches_of(session: Session, ids: Iterable[int], owner: str) -> set[int]:
    """Rows of all runs of that owner that come from these runs, over any number of steps."""
    below = {int(row[0]) for run_id in ids for row in session.execute(_BELOW, {"run_id": run_id})}
    mine: set[int] = set()
    for some in _portions(sorted(below)):
        asked = select(col(RunRow.id)).where(col(RunRow.id).in_(some), col(RunRow.owner) == owner)
        mine.update(int(found) for found in session.execute(asked).scalars() if found is not None)
    return mine


def remove_analyses(session: Session, owner: str, most: int) -> int:
    """Remove so many of the analyses that somebody made, of whosever runs; returns how many went."""
    some = select(col(AnalysisRow.id)).where(col(AnalysisRow.owner) == owner).limit(most)
    return int(session.execute(delete(AnalysisRow).where(col(AnalysisRow.id).in_(some))).rowcount)  # type: ignore[attr-defined]


def remove_sessions(session: Session, ids: Iterable[int]) -> int:
    """Remove annotation sessions with everything in them; returns how many."""
    now, count = microseconds(datetime.now(UTC)), 0
    for session_id in ids:
        of_session = col(AnnotationSession.id) == session_id
        # the tables let go of a session only from the bin
        session.execute(update(AnnotationSession).where(of_session).values(deleted_at=now))
        session.execute(delete(AnnotationSession).where(of_session))
        count += 1
    return count


def leave_sessions(session: Session, viewer: str) -> int:
    """Take name and login out of every part that somebody has in a session; returns in how many.

    What was labelled stays there as the work of somebody unnamed: others have counted on it.
    """
    found = list(
        scan(session, query(AnnotationMember, col(AnnotationMember.viewer) == viewer), AnnotationMember, label_of("?"))
    )
    for row in found:
        nobody = {"name": f"A{row['number']}", "viewer": "", "secret_hash": "", "revoked": 1}
        change_row(session, AnnotationMember, row, **nobody)
    return len(found)


def _cut_loose(session: Session, gone: set[int]) -> None:
    """Give every run that stays and follows one that goes all its tokens, and take the way to it away."""
    depths: dict[int, int] = {}
    for run_id in gone:
        for row in session.execute(_BELOW, {"run_id": run_id}):
            if int(row[0]) not in gone:
                depths[int(row[0])] = max(int(row[1]), depths.get(int(row[0]), 0))
    # the deepest first: what it shares is still there to be read
    staying = sorted(depths, key=lambda run_id: -depths[run_id])
    sound = {run_id: _make_whole(session, run_id) for run_id in staying}
    for run_id in reversed(staying):
        _link(session, run_id, gone)
        if sound[run_id]:
            seal(session, run_id)


def _make_whole(session: Session, run_id: int) -> bool:
    """Store all arrays of a run as its own; whether it is sound. A damaged one keeps what it has."""
    raw = load_headers(session, [run_id])[run_id]
    if raw.run["chain_depth"] == 0:
        return raw.sound
    try:
        chain = assemble(read_rows(session, run_id), raw.label)
    except StoreDamaged:
        return False
    session.execute(delete(RunArray).where(col(RunArray.run_id) == run_id))
    own = divide(chain.arrays, chain.token_bytes).packed
    rows = [{"run_id": run_id, "name": name, "start": start, **to_row(packed)} for name, (start, packed) in own.items()]
    session.execute(insert(RunArray), rows)
    return raw.sound


def _link(session: Session, run_id: int, gone: set[int]) -> None:
    """A run whose parent goes is a first run from now on; what follows it has it as the first."""
    asked = select(col(RunRow.parent_id)).where(col(RunRow.id) == run_id)
    parent = session.execute(asked).scalar_one()
    values: dict[str, int | None] = {"chain_depth": 0}
    if parent in gone:
        values |= {"parent_id": None, "root_id": None, "fork_position": None}
    else:
        above = session.execute(select(col(RunRow.root_id)).where(col(RunRow.id) == parent)).scalar_one()
        values["root_id"] = parent if above is None else above
    session.execute(update(RunRow).where(col(RunRow.id) == run_id).values(**values))


def _portions(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
