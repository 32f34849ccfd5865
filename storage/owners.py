"""What belongs to whom, over the whole library: for the operator's commands, which look at it as a whole.

Knows owners and uids; whoever calls answers for what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlmodel import col

from storage.database import Store
from storage.schema import AnnotationSession, RunRow

_Owned = RunRow | AnnotationSession


def runs_by_owner(store: Store, *, without: str) -> Mapping[str, list[str]]:
    """Owner -> uids of the runs outside the bin, oldest first, left out what every library has: examples, and all of
    the owner `without`."""
    return _by_owner(store, RunRow, without)


def sessions_by_owner(store: Store, *, without: str) -> Mapping[str, list[str]]:
    """The same of annotation sessions."""
    return _by_owner(store, AnnotationSession, without)


@dataclass(frozen=True)
class OtherRows:
    """How many runs and sessions are in the library beside those listed: that every library has, and in the bin."""

    built_in_runs: int
    built_in_sessions: int
    binned_runs: int
    binned_sessions: int


def count_others(store: Store, *, without: str) -> OtherRows:
    """What `runs_by_owner` and `sessions_by_owner` leave out."""
    found = []
    with store.read() as session:
        for wanted in (lambda table: _built_in(table, without), lambda table: _binned(table, without)):
            for table in (RunRow, AnnotationSession):
                found.append(session.execute(select(func.count()).select_from(table).where(wanted(table))).scalar_one())
    return OtherRows(*found)


def _by_owner(store: Store, table: type[_Owned], without: str) -> Mapping[str, list[str]]:
    there = and_(col(table.deleted_at).is_(None), not_(_built_in(table, without)))
    found: dict[str, list[str]] = {}
    with store.read() as session:
        for owner, uid in session.execute(
            select(col(table.owner), col(table.uid)).where(there).order_by(col(table.id))
        ):
            found.setdefault(owner, []).append(uid)
    return found


def _built_in(table: type[_Owned], owner: str) -> ColumnElement[bool]:
    return or_(col(table.example) == 1, col(table.owner) == owner)


def _binned(table: type[_Owned], without: str) -> ColumnElement[bool]:
    return and_(col(table.deleted_at).is_not(None), not_(_built_in(table, without)))
