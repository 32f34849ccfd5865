"""Which analyses of one kind a person has, over all runs, newest first: uids only.

Reads no settings and no arrays. Knows rows and who may see them; does not know what an analysis is about.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlmodel import col

from storage.access import check_viewer, visible
from storage.database import Store
from storage.schema import AnalysisRow, RunRow
from storage.values import clean_text, whole_number


@dataclass(frozen=True)
class Place:
    """Where an analysis is: its uid, and that of the run it belongs to."""

    uid: str
    run: str


def newest_analyses(
    store: Store, kind: str, *, viewer: str, limit: int = 50, offset: int = 0
) -> tuple[tuple[Place, ...], int]:
    """One page of `viewer`'s own analyses of a kind, on runs that the library shows, and how many there are in all.

    BadInput for a page out of range.
    """
    check_viewer(viewer)
    whole_number(limit, "The number of rows", 0, store.limits.list_rows)
    whole_number(offset, "The first row", 0)
    named = clean_text(kind, "The kind of analysis", store.limits.name_chars, empty=False)
    mine = and_(col(AnalysisRow.owner) == viewer, col(AnalysisRow.kind) == named, visible(viewer))
    joined = col(RunRow.id) == col(AnalysisRow.run_id)
    with store.read() as session:
        counted = select(func.count()).select_from(AnalysisRow).join(RunRow, joined).where(mine)
        total = int(session.execute(counted).scalar_one())
        found = select(col(AnalysisRow.uid), col(RunRow.uid)).join(RunRow, joined).where(mine)
        rows = session.execute(found.order_by(col(AnalysisRow.id).desc()).limit(limit).offset(offset)).all()
    return tuple(Place(str(uid), str(run)) for uid, run in rows), total
