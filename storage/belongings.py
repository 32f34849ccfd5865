"""All that belongs to one person at once: deleted for good, expired, or handed over to an account.

Knows whose rows are whose, one transaction per call; removing itself is in erasing.py. Does not know how somebody
proves to be whom.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text, update
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

# a family: all runs of one owner that come from one first run, with the analyses of them
_FAMILIES = """
    SELECT coalesce(run.root_id, run.id) AS family, run.owner AS owner,
        max(max(run.updated_at), max(coalesce(analysis.updated_at, 0))) AS changed
    FROM run LEFT JOIN analysis ON analysis.run_id = run.id
    WHERE run.owner >= :low AND run.owner < :high AND run.example = 0
    GROUP BY family, run.owner
"""
_STALE_RUNS = text(f"""
    SELECT run.id FROM run JOIN ({_FAMILIES}) AS old
    ON old.owner = run.owner AND old.family = coalesce(run.root_id, run.id)
    WHERE old.changed < :before AND run.example = 0
""")
_FIRST_FAMILY = text(f"SELECT min(changed) FROM ({_FAMILIES})")
_SESSIONS = """
    SELECT s.id AS id, max(s.updated_at,
        coalesce((SELECT max(e.created_at) FROM annotation_event AS e WHERE e.session_id = s.id), 0),
        coalesce((SELECT max(f.created_at) FROM annotation_final AS f WHERE f.session_id = s.id), 0)) AS changed
    FROM annotation_session AS s WHERE s.owner >= :low AND s.owner < :high AND s.example = 0
"""
_STALE_SESSIONS = text(f"SELECT id FROM ({_SESSIONS}) WHERE changed < :before")
_FIRST_SESSION = text(f"SELECT min(changed) FROM ({_SESSIONS})")
# analyses that a stranger made of a run that is not theirs
_STALE_ANALYSES = text("""
    DELETE FROM analysis WHERE owner >= :low AND owner < :high AND updated_at < :before
        AND NOT EXISTS (SELECT 1 FROM run WHERE run.id = analysis.run_id AND run.owner = analysis.owner)
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
        """Remove everything that is the viewer's for good, in one transaction.

        Labels in sessions of others stay there without name and login.
        """
        check_viewer(viewer)
        with self._connections.erase() as session:
            mine = select(col(RunRow.id)).where(col(RunRow.owner) == viewer, col(RunRow.example) == 0)
            sessions = select(col(AnnotationSession.id)).where(
                col(AnnotationSession.owner) == viewer, col(AnnotationSession.example) == 0
            )
            analyses = remove_analyses(session, viewer)
            runs = remove_runs(session, _ids(session, mine))
            gone = remove_sessions(session, _ids(session, sessions))
            return Removed(runs, gone, analyses, leave_sessions(session, viewer))

    def expire(self, *, before: datetime) -> Removed:
        """Remove for good what strangers have not changed since a moment: runs with all that was made of them, analyses
        and annotation sessions. A branch or an analysis of a run keeps it. Busy."""
        asked = _asked(before=microseconds(before))
        with self._connections.erase() as session:
            analyses = session.execute(_STALE_ANALYSES, asked).rowcount  # type: ignore[attr-defined]
            runs = remove_runs(session, {int(row[0]) for row in session.execute(_STALE_RUNS, asked)})
            sessions = [int(row[0]) for row in session.execute(_STALE_SESSIONS, asked)]
            return Removed(runs, remove_sessions(session, sessions), int(analyses))

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
            runs = _ids(session, select(col(RunRow.id)).where(col(RunRow.owner) == giver, col(RunRow.example) == 0))
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


def _hand_over_sessions(session: Session, giver: str, to: str) -> None:
    owned = query(AnnotationSession, col(AnnotationSession.owner) == giver)
    for row in list(scan(session, owned, AnnotationSession, label_of("?"))):
        change_row(session, AnnotationSession, row, owner=to)
    parts = query(AnnotationMember, col(AnnotationMember.viewer) == giver)
    for row in list(scan(session, parts, AnnotationMember, label_of("?"))):
        there = find(session, AnnotationMember, label_of("?"), session_id=row["session_id"], viewer=to)
        if not there:
            change_row(session, AnnotationMember, row, viewer=to)


def _asked(before: int) -> dict[str, object]:
    low, high = STRANGERS
    return {"low": low, "high": high, "before": before}


def _ids(session: Session, statement: object) -> set[int]:
    return {int(found) for found in session.execute(statement).scalars()}  # type: ignore[call-overload]
