"""What belongs to whom, over the whole library: for the operator's commands, which look at it as a whole.

Knows owners and uids; whoever calls answers for what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlmodel import col

from storage.database import Store
from storage.schema import AnnotationSession, RunRow


def runs_by_owner(store: Store) -> Mapping[str, list[str]]:
    """Owner -> uids of the runs outside the bin, oldest first; examples, which every library has, left out."""
    table = RunRow
    statement = select(col(table.owner), col(table.uid)).where(col(table.deleted_at).is_(None), col(table.example) == 0)
    found: dict[str, list[str]] = {}
    with store.read() as session:
        for owner, uid in session.execute(statement.order_by(col(table.id))):
            found.setdefault(owner, []).append(uid)
    return found


def sessions_by_owner(store: Store) -> Mapping[str, list[str]]:
    """Owner -> uids of annotation sessions outside the bin, without the demonstration."""
    table = AnnotationSession
    statement = select(col(table.owner), col(table.uid)).where(col(table.deleted_at).is_(None), col(table.example) == 0)
    found: dict[str, list[str]] = {}
    with store.read() as session:
        for owner, uid in session.execute(statement.order_by(col(table.id))):
            found.setdefault(owner, []).append(uid)
    return found
