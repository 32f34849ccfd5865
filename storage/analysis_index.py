"""Which analyses of one kind a person has, over all runs, newest first, and what can be read of a damaged one.

Reads a page of headers in one query, arrays only for a single analysis. Knows rows and who may see them; does not know
what an analysis is about.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, and_, func, select
from sqlmodel import col

from engine.errors import NotFound, StoreDamaged
from storage.access import check_viewer, visible
from storage.analyses import describe_arrays, load_columns, loaded_row, verified_header
from storage.arrays import unpack
from storage.chain import to_packed
from storage.database import Store
from storage.headers import columns
from storage.records import AnalysisHeader
from storage.schema import AnalysisArray, AnalysisRow, RunRow
from storage.values import clean_text, is_uid, whole_number

_PACKED = ("name", "dtype", "stored", "shape", "codec", "crc32", "data")


@dataclass(frozen=True)
class Listed:
    """One analysis: its uid, that of the run it belongs to, and its verified header.

    header: None where it is damaged; problem then says so.
    """

    uid: str
    run: str
    header: AnalysisHeader | None
    problem: str = ""


def newest_analyses(
    store: Store, kind: str, *, viewer: str, limit: int = 50, offset: int = 0
) -> tuple[tuple[Listed, ...], int]:
    """One page of `viewer`'s own analyses of a kind, on runs that the library shows, and how many there are in all.

    BadInput for a page out of range.
    """
    whole_number(limit, "The number of rows", 0, store.limits.list_rows)
    whole_number(offset, "The first row", 0)
    return _page(store, _own(store, kind, viewer), limit, offset)


def own_analysis(store: Store, kind: str, uid: str, *, viewer: str) -> Listed:
    """One of `viewer`'s own analyses of a kind, damaged or not. NotFound."""
    here = _own(store, kind, viewer)
    found, _ = _page(store, and_(here, col(AnalysisRow.uid) == uid), 1, 0) if is_uid(uid) else ((), 0)
    if not found:
        raise NotFound(f"There is no {kind} {str(uid)[:64]!a} of yours here.")
    return found[0]


def readable_arrays(store: Store, uid: str) -> dict[str, np.ndarray]:
    """Those arrays of an analysis that are what was stored; the damaged ones are absent."""
    joined = col(AnalysisRow.id) == col(AnalysisArray.analysis_id)
    statement = select(*columns(AnalysisArray, _PACKED)).join(AnalysisRow, joined).where(col(AnalysisRow.uid) == uid)
    with store.read() as session:
        rows = session.execute(statement).all()
    arrays = {}
    for name, *packed in rows:
        try:
            arrays[str(name)] = unpack(to_packed(packed), owner=f"Analysis {uid}", name=str(name))
        except StoreDamaged:
            continue
    return arrays


def _own(store: Store, kind: str, viewer: str) -> ColumnElement[bool]:
    check_viewer(viewer)
    named = clean_text(kind, "The kind of analysis", store.limits.name_chars, empty=False)
    return and_(col(AnalysisRow.owner) == viewer, col(AnalysisRow.kind) == named, visible(viewer))


def _page(store: Store, which: ColumnElement[bool], limit: int, offset: int) -> tuple[tuple[Listed, ...], int]:
    joined = col(RunRow.id) == col(AnalysisRow.run_id)
    with store.read() as session:
        counted = select(func.count()).select_from(AnalysisRow).join(RunRow, joined).where(which)
        total = int(session.execute(counted).scalar_one())
        statement = select(*load_columns()).join(RunRow, joined).where(which).order_by(col(AnalysisRow.id).desc())
        rows = [loaded_row(found) for found in session.execute(statement.limit(limit).offset(offset))]
        described = describe_arrays(session, [row["id"] for row in rows])
    listed = []
    for row in rows:
        uid, run = str(row["uid"]), str(row["run"])
        try:
            listed.append(Listed(uid, run, verified_header(row, described.get(row["id"], []))))
        except StoreDamaged as error:
            listed.append(Listed(uid, run, None, str(error)))
    return tuple(listed), total
