"""All that belongs to one person at once: deleted for good, expired, or handed over to an account.

Knows whose rows are whose. What may be much goes in portions, each a transaction, so that nobody's save waits for all
of it. Removing itself is in erasing.py. Does not know how somebody proves to be whom.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Select, select, text, update
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput
from storage.access import check_viewer, find_own
from storage.analyses import seal_analysis
from storage.annotation_rows import change_row, find, label_of, query, scan
from storage.connections import Connections
from storage.erasing import branches_of, leave_sessions, remove_analyses, remove_runs, remove_sessions
from storage.headers import seal
from storage.limits import StoreLimits
from storage.schema import AnalysisRow, AnnotationMember, AnnotationSession, RunRow
from storage.values import microseconds, moment

# the names of visitors whom only a cookie tells apart begin so; the end is the next possible name
STRANGERS = ("visitor:", "visitor;")
_EVER = 2**63 - 1
# runs or analyses that go in one transaction, a family of more runs alone
AT_ONCE = 50
# so many runs go in one transaction where somebody deletes all that is theirs
WHOLE = 400
# who waits for the file asks again at longer and longer intervals, up to a tenth of a second
_LEAST_REST, _MOST_REST = 0.01, 0.2

# a family: all runs of one owner that come from one first run, with the analyses of them
_FAMILIES = """
    SELECT coalesce(run.root_id, run.id) AS family, run.owner AS owner, count(DISTINCT run.id) AS runs,
        max(max(run.updated_at), max(coalesce(analysis.updated_at, 0))) AS changed
    FROM run LEFT JOIN analysis ON analysis.run_id = run.id
    WHERE run.owner >= :low AND run.owner < :high AND run.example = 0 {}
    GROUP BY family, run.owner
"""
_STALE_FAMILIES = text(f"SELECT family, owner, runs FROM ({_FAMILIES.format('')}) WHERE changed < :before")
_THESE = "AND (run.id = :family OR run.root_id = :family)"
_STALE_RUNS = text(f"""
    SELECT run.id FROM run JOIN ({_FAMILIES.format(_THESE)}) AS old ON old.owner = run.owner
    WHERE old.changed < :before AND run.example = 0 {_THESE}
""")
_FIRST_FAMILY = text(f"SELECT min(changed) FROM ({_FAMILIES.format('')})")
_SESSIONS = """
    SELECT s.id AS id, max(s.updated_at,
        coalesce((SELECT max(e.created_at) FROM annotation_event AS e WHERE e.session_id = s.id), 0),
        coalesce((SELECT max(f.created_at) FROM annotation_final AS f WHERE f.session_id = s.id), 0)) AS changed
    FROM annotation_session AS s WHERE s.owner >= :low AND s.owner < :high AND s.example = 0
"""
_STALE_SESSIONS = text(f"SELECT id FROM ({_SESSIONS}) WHERE changed < :before LIMIT 1")
_FIRST_SESSION = text(f"SELECT min(changed) FROM ({_SESSIONS})")
# analyses that a stranger made of a run that is not theirs
_STALE_ANALYSES = text("""
    DELETE FROM analysis WHERE id IN (
        SELECT id FROM analysis WHERE owner >= :low AND owner < :high AND updated_at < :before
            AND NOT EXISTS (SELECT 1 FROM run WHERE run.id = analysis.run_id AND run.owner = analysis.owner)
        LIMIT :most)
""")


@dataclass(frozen=True)
class Removed:
    """How much went: runs, annotation sessions, analyses of other people's runs; parts: in how many sessions of others
    the labels stay without a name."""

    runs: int = 0
    sessions: int = 0
    analyses: int = 0
    parts: int = 0


class Belongings:
    """What people own in one database."""

    def __init__(self, connections: Connections, limits: StoreLimits) -> None:
        self._connections = connections
        self._limits = limits

    def branches(self, uids: Iterable[str], *, viewer: str) -> int:
        """How many runs of the viewer's own come from these and are not among them. NotFound, BadInput."""
        with self._connections.read() as session:
            ids = self._own(session, uids, viewer)
            return len(branches_of(session, ids, viewer) - ids)

    def delete_runs(self, uids: Iterable[str], *, viewer: str, with_branches: bool) -> int:
        """Remove runs of the viewer for good, all or none, those in the bin too; returns how many went.

        with_branches: also all that the viewer made of them. Branches that stay, and those of others, keep every
        token. NotFound, BadInput (also for examples), Busy.
        """
        with self._connections.erase() as session:
            ids = self._own(session, uids, viewer)
            if with_branches:
                ids |= branches_of(session, ids, viewer)
            return remove_runs(session, ids)

    def delete_all(self, *, viewer: str) -> Removed:
        """Remove everything that is the viewer's for good, whole or not at all; hundreds of runs, which would keep
        others waiting, go family by family: Busy then means that the rest is still there.

        Labels in sessions of others stay there without name and login.
        """
        check_viewer(viewer)
        runs, sessions = _runs_of(viewer), _sessions_of(viewer)
        with self._connections.read() as reading:
            many = len(_ids(reading, runs.limit(WHOLE + 1))) > WHOLE
        if many:
            analyses = self._while_any(lambda session: remove_analyses(session, viewer, AT_ONCE))
            removed = self._remove_families({"low": viewer, "high": f"{viewer}\0", "before": _EVER})
            gone = self._while_any(lambda session: remove_sessions(session, _ids(session, sessions.limit(1))))
            with self._connections.erase() as session:
                return Removed(removed, gone, analyses, leave_sessions(session, viewer))
        with self._connections.erase() as session:
            analyses = remove_analyses(session, viewer, -1)
            removed = remove_runs(session, _ids(session, runs))
            gone = remove_sessions(session, _ids(session, sessions))
            return Removed(removed, gone, analyses, leave_sessions(session, viewer))

    def held(self, *, viewer: str) -> Removed:
        """How many runs and annotation sessions `delete_all` would remove now."""
        check_viewer(viewer)
        with self._connections.read() as session:
            return Removed(len(_ids(session, _runs_of(viewer))), len(_ids(session, _sessions_of(viewer))))

    def expire(self, *, before: datetime) -> Removed:
        """Remove for good what strangers have not changed since a moment: runs with all that was made of them, analyses
        and annotation sessions. A branch or an analysis of a run keeps it. Busy: the rest is still there."""
        asked = _asked(before=microseconds(before))
        analyses = self._while_any(lambda session: _remove_stale_analyses(session, asked))
        runs = self._remove_families(asked)
        return Removed(runs, self._while_any(lambda session: _remove_stale_session(session, asked)), analyses)

    def _remove_families(self, asked: dict[str, object]) -> int:
        """Remove the families that have not changed since; returns how many runs.

        Asked again after all that were found: a run whose first one went has become a family of its own.
        """
        removed = 0
        while True:
            with self._connections.read() as session:
                found = [(int(row[0]), str(row[1]), int(row[2])) for row in session.execute(_STALE_FAMILIES, asked)]
            before = removed
            for some in _portions(found):
                removed += self._portion(partial(_remove_stale_runs, some=some, asked=asked))
            if removed == before:
                return removed

    def _while_any(self, remove: Callable[[Session], int]) -> int:
        removed = 0
        while count := self._portion(remove):
            removed += count
        return removed

    def _portion(self, remove: Callable[[Session], int]) -> int:
        """One transaction, and a rest as long as it took, in which others write."""
        began = time.monotonic()
        with self._connections.erase() as session:
            count = remove(session)
        if count:
            time.sleep(min(_MOST_REST, max(_LEAST_REST, time.monotonic() - began)))
        return count

    def oldest(self, *, viewer: str) -> datetime | None:
        """When what was changed longest ago was changed, by what `expire` removes together; None for nothing."""
        check_viewer(viewer)
        with self._connections.read() as session:
            asked = {"low": viewer, "high": f"{viewer}\0"}
            found = [session.execute(statement, asked).scalar() for statement in (_FIRST_FAMILY, _FIRST_SESSION)]
        times = [int(value) for value in found if value is not None]
        return moment(min(times)) if times else None

    def anything(self, *, viewer: str) -> bool:
        """Whether there is anything that `hand_over` would hand over."""
        check_viewer(viewer)
        owners = col(RunRow.owner), col(AnalysisRow.owner), col(AnnotationSession.owner), col(AnnotationMember.viewer)
        with self._connections.read() as session:
            return any(session.execute(select(owner).where(owner == viewer).limit(1)).first() for owner in owners)

    def hand_over(self, giver: str, *, to: str) -> int:
        """Make everything of one viewer another one's, in one transaction; returns how many runs. StoreDamaged, Busy.

        Where both have a part in the same session, the giver's stays as it is.
        """
        check_viewer(giver)
        check_viewer(to)
        if giver == to:
            raise BadInput("What is somebody's cannot be handed over to them again.")
        with self._connections.write() as session:
            runs = _ids(session, _runs_of(giver))
            analyses = _ids(session, select(col(AnalysisRow.id)).where(col(AnalysisRow.owner) == giver))
            session.execute(update(RunRow).where(col(RunRow.owner) == giver, col(RunRow.example) == 0).values(owner=to))
            session.execute(update(AnalysisRow).where(col(AnalysisRow.owner) == giver).values(owner=to))
            for run_id in runs:
                seal(session, run_id)
            for analysis_id in analyses:
                seal_analysis(session, analysis_id)
            _hand_over_sessions(session, giver, to)
        return len(runs)

    def _own(self, session: Session, uids: Iterable[str], viewer: str) -> set[int]:
        wanted = (uids,) if isinstance(uids, str) else tuple(dict.fromkeys(uids))
        if not wanted or len(wanted) > self._limits.uids:
            raise BadInput(f"Name between 1 and {self._limits.uids:,} runs to delete; {len(wanted):,} came.")
        return {int(find_own(session, uid, viewer, binned=True).run["id"]) for uid in wanted}


def _runs_of(viewer: str) -> Select[Any]:
    return select(col(RunRow.id)).where(col(RunRow.owner) == viewer, col(RunRow.example) == 0)


def _sessions_of(viewer: str) -> Select[Any]:
    mine = col(AnnotationSession.owner) == viewer, col(AnnotationSession.example) == 0
    return select(col(AnnotationSession.id)).where(*mine)


def _hand_over_sessions(session: Session, giver: str, to: str) -> None:
    owned = query(AnnotationSession, col(AnnotationSession.owner) == giver)
    for row in list(scan(session, owned, AnnotationSession, label_of("?"))):
        change_row(session, AnnotationSession, row, owner=to)
    parts = query(AnnotationMember, col(AnnotationMember.viewer) == giver)
    for row in list(scan(session, parts, AnnotationMember, label_of("?"))):
        there = find(session, AnnotationMember, label_of("?"), session_id=row["session_id"], viewer=to)
        if not there:
            change_row(session, AnnotationMember, row, viewer=to)


def _portions(families: Iterable[tuple[int, str, int]]) -> Iterator[list[tuple[int, str]]]:
    """Families (first run, owner) that have up to AT_ONCE runs together; larger ones alone."""
    some: list[tuple[int, str]] = []
    room = AT_ONCE
    for family, owner, runs in families:
        if some and runs > room:
            yield some
            some, room = [], AT_ONCE
        some.append((family, owner))
        room -= runs
    if some:
        yield some


def _remove_stale_runs(session: Session, some: Iterable[tuple[int, str]], asked: dict[str, object]) -> int:
    """Remove those of the families that nobody has changed meanwhile."""
    ids: set[int] = set()
    for family, owner in some:
        these = {"family": family, "low": owner, "high": f"{owner}\0", "before": asked["before"]}
        ids.update(int(row[0]) for row in session.execute(_STALE_RUNS, these))
    return remove_runs(session, ids)


def _remove_stale_analyses(session: Session, asked: dict[str, object]) -> int:
    return int(session.execute(_STALE_ANALYSES, {**asked, "most": AT_ONCE}).rowcount)  # type: ignore[attr-defined]


def _remove_stale_session(session: Session, asked: dict[str, object]) -> int:
    return remove_sessions(session, [int(row[0]) for row in session.execute(_STALE_SESSIONS, asked)])


def _asked(before: int) -> dict[str, object]:
    low, high = STRANGERS
    return {"low": low, "high": high, "before": before}


def _ids(session: Session, statement: object) -> set[int]:
    return {int(found) for found in session.execute(statement).scalars()}  # type: ignore[call-overload]
