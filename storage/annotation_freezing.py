"""Runs as they are now, copied for the items of a session: texts and pieces, without scores and alternatives.

Reads many runs at once and of each only the few arrays that make up its text; the text's own hash says whether they
are what was stored. Knows how runs lie in the store; does not know sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import StoreDamaged
from storage.access import check_viewer, may_open, not_found
from storage.annotation_records import FrozenRun
from storage.arrays import unpack
from storage.chain import join_rows, to_packed
from storage.headers import RawHeader, load_headers
from storage.schema import RunRow
from storage.traces import cut
from storage.values import is_uid

_NAMES = ("text", "piece_sizes", "token_ids", "special_ids")
_AT_ONCE = 400

# as for whole runs: a fork's arrays begin with those of the ancestors that it shares them with
_READ = text("""
    WITH RECURSIVE chain (run_id, id, parent_id, depth, level) AS (
        SELECT id, id, parent_id, chain_depth, 0 FROM run WHERE id IN :ids
        UNION ALL
        SELECT chain.run_id, run.id, run.parent_id, run.chain_depth, chain.level + 1
        FROM chain JOIN run ON run.id = chain.parent_id AND run.chain_depth = chain.depth - 1
        WHERE chain.depth > 0
    )
    SELECT chain.run_id, chain.level, a.name, a.start, a.dtype, a.stored, a.shape, a.codec, a.crc32, a.data
    FROM chain JOIN run_array AS a ON a.run_id = chain.id
    WHERE a.name IN :names
    ORDER BY chain.level DESC
""").bindparams(bindparam("ids", expanding=True), bindparam("names", expanding=True))


def freeze(session: Session, uids: Iterable[str], viewer: str) -> dict[str, FrozenRun]:
    """Copies of runs that `viewer` may open, by uid. NotFound, StoreDamaged."""
    check_viewer(viewer)
    frozen: dict[str, FrozenRun] = {}
    for chunk in _chunks(dict.fromkeys(uids)):
        frozen |= _freeze(session, chunk, viewer)
    return frozen


def _chunks(uids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(uids)
    while chunk := list(islice(rest, _AT_ONCE)):
        yield chunk


def _freeze(session: Session, uids: Sequence[str], viewer: str) -> dict[str, FrozenRun]:
    known = [uid for uid in uids if is_uid(uid)]
    pairs = session.execute(select(col(RunRow.uid), col(RunRow.id)).where(col(RunRow.uid).in_(known)))
    ids = {str(uid): int(run_id or 0) for uid, run_id in pairs}
    headers = load_headers(session, list(ids.values()))
    rows: dict[int, list[Any]] = {}
    for run_id, *row in session.execute(_READ, {"ids": list(ids.values()), "names": _NAMES}):
        rows.setdefault(run_id, []).append(row)
    found = {}
    for uid in uids:
        raw = headers.get(ids.get(uid, -1))
        if raw is None:
            raise not_found(uid)
        raw.verify()
        if raw.run["uid"] != uid or not may_open(raw, viewer):
            raise not_found(uid)
        found[uid] = _frozen(raw, rows.get(int(raw.run["id"]), []))
    return found


def _frozen(raw: RawHeader, rows: Sequence[Any]) -> FrozenRun:
    arrays = _arrays(rows, raw.label)
    parts = cut(arrays["text"].tobytes(), arrays["piece_sizes"])
    joined = b"".join(parts or ())
    special = set(arrays["special_ids"].tolist())
    ids = arrays["token_ids"].tolist()
    if parts is None or len(parts) != len(ids) or sha256(joined).hexdigest() != raw.run["text_hash"]:
        raise _unfit(raw.label)
    try:
        pieces = tuple(part.decode() for part in parts)
    except UnicodeDecodeError as error:
        raise _unfit(raw.label) from error
    return FrozenRun(
        uid=raw.run["uid"],
        prompt=raw.text["prompt"],
        system=raw.text["system"],
        text="".join(pieces),
        pieces=pieces,
        special=tuple(i for i, token_id in enumerate(ids) if token_id in special),
        text_hash=raw.run["text_hash"],
        model_name=raw.model["name"],
        seed=raw.run["seed"],
    )


def _arrays(rows: Sequence[Any], label: str) -> dict[str, np.ndarray]:
    """The named arrays of one run; rows: the oldest ancestor first."""
    arrays: dict[str, np.ndarray] = {}
    for _, name, start, *packed in rows:
        own = unpack(to_packed(packed), owner=label, name=str(name))
        arrays[name] = join_rows(arrays.get(name), start, own, label, name)
    if set(arrays) != set(_NAMES):
        raise _unfit(label)
    return arrays


def _unfit(label: str) -> StoreDamaged:
    return StoreDamaged(
        f"{label} is damaged: its text does not match its checksum. "
        "Nothing was changed; restore it from a backup or an export, or choose another run."
    )
