"""Analyses of stored runs: settings, progress to resume from, a small JSON result and named arrays.

Knows nothing of what an analysis computes; forking, chains and probes all live in these two tables.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput, NotFound, StoreDamaged
from storage.access import check_viewer, find_run
from storage.arrays import pack, unpack
from storage.chain import to_packed, to_row
from storage.connections import Connections
from storage.headers import columns
from storage.limits import StoreLimits
from storage.records import AnalysisHeader, AnalysisStatus, StoredAnalysis
from storage.room import check_room
from storage.schema import AnalysisArray, AnalysisRow, RunRow
from storage.values import Scalar, clean_json, clean_text, digest, is_uid, microseconds, moment

_PACKED = ("dtype", "stored", "shape", "codec", "crc32", "data")
_SEALED = ("name", "dtype", "stored", "shape", "codec", "crc32")


class AnalysisStore:
    """Analyses of one database. A viewer sees own ones and those the run's owner made, on runs the viewer may open."""

    def __init__(self, connections: Connections, limits: StoreLimits) -> None:
        self._connections = connections
        self._limits = limits

    def add(self, run: str, kind: str, settings: Mapping[str, Any], *, viewer: str) -> str:
        """Begin an analysis of a run (status "running", no progress) and return its uid. NotFound, BadInput, Busy."""
        now = microseconds(datetime.now(UTC))
        values = {
            "uid": secrets.token_hex(12),
            "kind": clean_text(kind, "The kind of analysis", self._limits.name_chars, empty=False),
            "settings": clean_json(settings, "The settings of the analysis", self._limits),
            "status": "running",
            "progress": "",
            "result": "{}",
            "created_at": now,
            "updated_at": now,
            "header_hash": "",
        }
        with self._connections.write() as session:
            run_id = find_run(session, run, viewer).run["id"]
            check_room(session, self._limits, viewer, analyses=1)
            row = insert(AnalysisRow).values(**values, run_id=run_id, owner=viewer)
            analysis_id = session.execute(row.returning(*columns(AnalysisRow, ["id"]))).scalar_one()
            seal_analysis(session, int(analysis_id))
        return str(values["uid"])

    def get(self, uid: str, *, viewer: str) -> StoredAnalysis:
        """One analysis with every array. NotFound; StoreDamaged when any bit of it is wrong."""
        with self._connections.read() as session:
            row, names = _find(session, uid, viewer)
            statement = select(*columns(AnalysisArray, ("name", *_PACKED)))
            rows = session.execute(statement.where(col(AnalysisArray.analysis_id) == row["id"])).all()
        owner = f"Analysis {uid}"
        arrays = {name: unpack(to_packed(packed), owner=owner, name=str(name)) for name, *packed in rows}
        return StoredAnalysis(_header(row, names), arrays)

    def list(self, run: str, *, viewer: str, kind: str | None = None) -> tuple[AnalysisHeader, ...]:
        """The analyses of a run that `viewer` may see, oldest first; reads no array data. NotFound, StoreDamaged."""
        with self._connections.read() as session:
            raw = find_run(session, run, viewer).run
            statement = select(col(AnalysisRow.uid)).where(
                col(AnalysisRow.run_id) == raw["id"], col(AnalysisRow.owner).in_([viewer, raw["owner"]])
            )
            if kind is not None:
                statement = statement.where(col(AnalysisRow.kind) == kind)
            uids = session.execute(statement.order_by(col(AnalysisRow.id))).scalars().all()
            return tuple(_header(*_find(session, uid, viewer)) for uid in uids)

    def put_array(self, uid: str, name: str, array: np.ndarray, *, viewer: str, progress: str | None = None) -> None:
        """Store or replace one array, together with where to resume. NotFound, BadInput, Busy, StoreDamaged."""
        self.save(uid, viewer=viewer, arrays={name: array}, progress=progress)

    def save(
        self,
        uid: str,
        *,
        viewer: str,
        arrays: Mapping[str, np.ndarray] | None = None,
        progress: str | None = None,
        status: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        """Store arrays and whatever else is not None in one transaction. Only its owner may: NotFound for others."""
        changes: dict[str, Any] = {"updated_at": microseconds(datetime.now(UTC))}
        if progress is not None:
            changes["progress"] = clean_text(progress, "The progress", self._limits.json_chars)
        if result is not None:
            changes["result"] = clean_json(result, "The result of the analysis", self._limits)
        if status is not None:
            if status not in get_args(AnalysisStatus):
                raise BadInput(f"The status '{status}' is unknown; use one of {', '.join(get_args(AnalysisStatus))}.")
            changes["status"] = status
        rows = [
            {"name": clean_text(name, "An array's name", self._limits.name_chars, empty=False), **to_row(pack(array))}
            for name, array in (arrays or {}).items()
        ]
        with self._connections.write() as session:
            row, _ = _find(session, uid, viewer)
            if row["owner"] != viewer:
                raise _not_found(uid)
            for values in rows:
                statement = upsert(AnalysisArray).values(**values, analysis_id=row["id"])
                replaced = {field: values[field] for field in _PACKED}
                key = [col(AnalysisArray.analysis_id), col(AnalysisArray.name)]
                session.execute(statement.on_conflict_do_update(index_elements=key, set_=replaced))
            session.execute(update(AnalysisRow).where(col(AnalysisRow.id) == row["id"]).values(**changes))
            seal_analysis(session, int(row["id"]))

    def delete(self, uid: str, *, viewer: str) -> None:
        """Remove an analysis and its arrays for good, damaged or not. Only its owner may: NotFound for others."""
        check_viewer(viewer)
        with self._connections.write() as session:
            row = _load(session, col(AnalysisRow.uid) == uid) if is_uid(uid) else None
            if row is None or row["owner"] != viewer:
                raise _not_found(uid)
            session.execute(delete(AnalysisRow).where(col(AnalysisRow.id) == row["id"]))


def verify_analysis(session: Session, analysis_id: int) -> int:
    """StoreDamaged unless the analysis and all its arrays are what was stored; returns the number of arrays."""
    row = _load(session, col(AnalysisRow.id) == analysis_id)
    if row is None:
        raise StoreDamaged("The index names an analysis that is not there; restore the library from a backup.")
    statement = select(*columns(AnalysisArray, ("name", *_PACKED)))
    rows = session.execute(statement.where(col(AnalysisArray.analysis_id) == row["id"])).all()
    _verify(session, row)
    for name, *packed in rows:
        unpack(to_packed(packed), owner=f"Analysis {row['uid']}", name=str(name))
    return len(rows)


def _find(session: Session, uid: str, viewer: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The verified row and array names of an analysis that `viewer` may see."""
    check_viewer(viewer)
    row = _load(session, col(AnalysisRow.uid) == uid) if is_uid(uid) else None
    if row is None:
        raise _not_found(uid)
    names = _verify(session, row)
    try:
        run = find_run(session, row["run"], viewer).run
    except NotFound:
        # which run it is of is told to nobody who may not open that one
        raise _not_found(uid) from None
    if row["owner"] not in (viewer, run["owner"]):
        raise _not_found(uid)
    return row, names


def _load(session: Session, condition: ColumnElement[bool]) -> dict[str, Any] | None:
    join = col(RunRow.id) == col(AnalysisRow.run_id)
    found = session.execute(select(*load_columns()).outerjoin(RunRow, join).where(condition)).first()
    return None if found is None else loaded_row(found)


def describe_arrays(session: Session, ids: Iterable[int]) -> dict[int, list[tuple[Any, ...]]]:
    """The descriptions of the arrays of these analyses, sealed in their headers; analyses without arrays are absent."""
    owner = col(AnalysisArray.analysis_id)
    described: dict[int, list[tuple[Any, ...]]] = {}
    for analysis_id, *found in session.execute(select(owner, *columns(AnalysisArray, _SEALED)).where(owner.in_(ids))):
        described.setdefault(int(analysis_id), []).append(tuple(found))
    return described


def verified_header(row: Mapping[str, Any], described: Iterable[tuple[Any, ...]]) -> AnalysisHeader:
    """The header of a loaded row (see `load_columns`) with the descriptions of its arrays. StoreDamaged."""
    return _header(row, _checked_names(row, described))


def load_columns() -> tuple[Any, ...]:
    """What a row of an analysis is made of, for a query that joins the run it belongs to."""
    return *columns(AnalysisRow), col(RunRow.uid)


def loaded_row(found: Iterable[Any]) -> dict[str, Any]:
    """What a query for `load_columns` found, by name."""
    return dict(zip((*AnalysisRow.model_fields, "run"), tuple(found), strict=True))


def _hash(row: Mapping[str, Any], described: Iterable[tuple[Any, ...]]) -> tuple[str, tuple[str, ...]]:
    """What `header_hash` must be, over the row and the descriptions of its arrays; and their names."""
    ordered = sorted(described, key=str)
    values: list[Scalar] = [value for name, value in row.items() if name != "header_hash"]
    for description in ordered:
        values += description
    return digest(values), tuple(str(description[0]) for description in ordered)


def _verify(session: Session, row: Mapping[str, Any]) -> tuple[str, ...]:
    return _checked_names(row, describe_arrays(session, [row["id"]]).get(row["id"], []))


def _checked_names(row: Mapping[str, Any], described: Iterable[tuple[Any, ...]]) -> tuple[str, ...]:
    expected, names = _hash(row, described)
    if row["header_hash"] != expected:
        raise StoreDamaged(
            f"Analysis {row['uid']} is damaged: its description does not match its checksum. "
            "Nothing was changed; delete it and run the analysis again."
        )
    return names


def seal_analysis(session: Session, analysis_id: int) -> None:
    """Write the hash of what the rows hold now; the caller has verified or written every one of them."""
    row = _load(session, col(AnalysisRow.id) == analysis_id)
    if row is not None:
        expected, _ = _hash(row, describe_arrays(session, [analysis_id]).get(analysis_id, []))
        session.execute(update(AnalysisRow).where(col(AnalysisRow.id) == analysis_id).values(header_hash=expected))


def _header(row: Mapping[str, Any], names: tuple[str, ...]) -> AnalysisHeader:
    return AnalysisHeader(
        uid=row["uid"],
        run=row["run"],
        owner=row["owner"],
        kind=row["kind"],
        settings=json.loads(row["settings"]),
        status=row["status"],
        progress=row["progress"],
        result=json.loads(row["result"]),
        arrays=names,
        created_at=moment(row["created_at"]),
        updated_at=moment(row["updated_at"]),
    )


def _not_found(uid: str) -> NotFound:
    return NotFound(f"There is no analysis {str(uid)[:64]!a} here; open the run to see which there are.")
