"""Arrays of one run across its ancestors: a fork keeps its own tokens and takes the earlier ones from its parent.

What differs from the parent in a single bit is kept whole instead, so that reading is exact whatever was stored.
Knows packed rows and the recursion; does not know headers, owners or the library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from engine.errors import BadInput, StoreDamaged
from storage.arrays import PackedArray, pack, unpack
from storage.traces import ARRAY_NAMES, TOKEN_ARRAYS, Arrays, needed_ids, vocabulary, vocabulary_arrays

# columns of the matrix of scores that differ from the parent's within the shared tokens (scores that depend on the
# whole run): float32 [c, 1 + fork], the column's number and then its values; there only where something differs
PATCH = "score_columns"

_READ = text("""
    WITH RECURSIVE chain (id, parent_id, depth, level) AS (
        SELECT id, parent_id, chain_depth, 0 FROM run WHERE id = :run_id
        UNION ALL
        SELECT run.id, run.parent_id, run.chain_depth, chain.level + 1
        FROM chain JOIN run ON run.id = chain.parent_id AND run.chain_depth = chain.depth - 1
        WHERE chain.depth > 0
    )
    SELECT chain.level, a.name, a.start, a.dtype, a.stored, a.shape, a.codec, a.crc32, a.data
    FROM chain JOIN run_array AS a ON a.run_id = chain.id
    ORDER BY chain.level DESC
""")


@dataclass(frozen=True)
class ChainArrays:
    """All arrays of a run. token_bytes: exactly those of its trace; known: those of its ancestors as well."""

    arrays: Arrays
    token_bytes: Mapping[int, bytes]
    known: Mapping[int, bytes]


@dataclass(frozen=True)
class OwnArrays:
    """What a run itself has to store: name -> (leading rows that are the parent's, packed rest)."""

    packed: Mapping[str, tuple[int, PackedArray]]

    @property
    def shares(self) -> bool:
        """Whether anything is taken from the parent."""
        return any(start for start, _ in self.packed.values())


def read_rows(session: Session, run_id: int) -> Sequence[Any]:
    """The packed rows of a run and of the ancestors it shares with, oldest ancestor first, in one query."""
    return session.execute(_READ, {"run_id": run_id}).all()


def assemble(rows: Sequence[Any], owner: str) -> ChainArrays:
    """Unpack and join; StoreDamaged naming `owner` when an array is missing, damaged or does not fit."""
    levels: dict[int, dict[str, tuple[int, np.ndarray]]] = {}
    for level, name, start, *packed in rows:
        array = unpack(to_packed(packed), owner=owner, name=str(name))
        levels.setdefault(level, {})[name] = (start, array)
    if not levels or any(set(own) - {PATCH} != set(ARRAY_NAMES) for own in levels.values()):
        raise _lost(owner)
    whole: Arrays = {}
    known: dict[int, bytes] = {}
    for level in sorted(levels, reverse=True):
        own = levels[level]
        plain = (name for name in ARRAY_NAMES if name[:5] != "vocab")
        whole = {name: join_rows(whole.get(name), *own[name], owner, name) for name in plain}
        if PATCH in own:
            whole["scores"] = _patched(whole["scores"], own[PATCH][1], owner)
        shares = bool(own["vocabulary_index"][0])
        news = vocabulary({name: own[name][1] for name in ("vocabulary_index", "vocabulary_bytes")}, owner)
        known = (known if shares else {}) | news
        token_bytes = _visible(whole, known, news) if shares else news
    return ChainArrays(whole, token_bytes, known)


def divide(trace_arrays: Arrays, token_bytes: Mapping[int, bytes]) -> OwnArrays:
    """A run without parent stores everything."""
    arrays = trace_arrays | vocabulary_arrays(token_bytes)
    return OwnArrays({name: (0, pack(arrays[name])) for name in ARRAY_NAMES})


def divide_from(
    parent: ChainArrays, trace_arrays: Arrays, token_bytes: Mapping[int, bytes], *, fork: int, same_scores: bool
) -> OwnArrays:
    """A run that follows `parent` for `fork` tokens stores what comes after; BadInput when it does not follow it.

    same_scores: whether both have the same scores in the same order, so that columns of the matrix mean the same.
    """
    length = min(len(parent.arrays["token_ids"]), len(trace_arrays["token_ids"]))
    if fork > length:
        raise BadInput(f"The fork position {fork} lies behind the end of the run or its parent ({length} tokens).")
    if not same_bits(parent.arrays["token_ids"][:fork], trace_arrays["token_ids"][:fork]):
        raise BadInput(f"The first {fork} tokens differ from the parent's, so the run does not fork from it there.")
    if fork == 0:
        return divide(trace_arrays, token_bytes)
    starts = dict.fromkeys(ARRAY_NAMES, 0)
    starts |= {name: fork for name in TOKEN_ARRAYS if name != "scores" or same_scores}
    starts["text"] = int(parent.arrays["piece_sizes"][:fork].sum())
    starts["prompt_ids"] = len(parent.arrays["prompt_ids"])
    packed = {}
    for name in ARRAY_NAMES:
        if not name.startswith("vocabulary"):
            start, own = starts[name], trace_arrays[name]
            if not same_bits(parent.arrays[name][:start], own[:start]):
                patch = _patch(parent.arrays[name][:start], own[:start]) if name == "scores" else None
                if patch is None:
                    start = 0
                else:
                    packed[PATCH] = (0, pack(patch))
            packed[name] = (start, pack(own[start:]))
    news = {i: raw for i, raw in token_bytes.items() if parent.known.get(i) != raw}
    shares = _visible(trace_arrays, {**parent.known, **news}, news) == dict(token_bytes)
    for name, array in vocabulary_arrays(news if shares else token_bytes).items():
        packed[name] = (int(shares), pack(array))
    return OwnArrays(packed)


def to_packed(values: Sequence[Any]) -> PackedArray:
    """A packed array from the columns dtype, stored, shape, codec, crc32, data."""
    dtype, stored, shape, codec, crc32, data = values
    sides = str(shape).split(",") if shape else []
    numbers = tuple(int(side) if side.isascii() and side.isdigit() and len(side) < 12 else -1 for side in sides)
    return PackedArray(dtype, stored, numbers, codec, crc32, data)


def to_row(packed: PackedArray) -> dict[str, Any]:
    """The columns of a packed array."""
    return {
        "dtype": packed.dtype,
        "stored": packed.stored,
        "shape": ",".join(map(str, packed.shape)),
        "codec": packed.codec,
        "crc32": packed.crc32,
        "data": packed.data,
    }


def _visible(arrays: Arrays, known: Mapping[int, bytes], own: Mapping[int, bytes]) -> dict[int, bytes]:
    """Of all known token bytes those that this run's arrays mention, and its own."""
    wanted = needed_ids(arrays) | set(own)
    return {i: known[i] for i in wanted if i in known}


def _patch(theirs: np.ndarray, own: np.ndarray) -> np.ndarray | None:
    """The columns in which two matrices differ; None when they are too many, or no columns of one shape."""
    if theirs.shape != own.shape or theirs.dtype != np.float32 or own.dtype != np.float32:
        return None
    differ = (np.ascontiguousarray(theirs).view(np.uint32) != np.ascontiguousarray(own).view(np.uint32)).any(axis=0)
    columns = np.flatnonzero(differ)
    if len(columns) * 2 > own.shape[1]:
        return None
    return np.concatenate([columns[:, None].astype(np.float32), own[:, columns].T], axis=1)


def _patched(scores: np.ndarray, patch: np.ndarray, owner: str) -> np.ndarray:
    """The matrix with the columns of a patch; StoreDamaged when they do not fit."""
    if patch.ndim != 2 or scores.ndim != 2 or not 1 <= patch.shape[1] <= len(scores) + 1:
        raise _lost(owner)
    columns = patch[:, 0].astype(np.intp)
    if columns.size and (columns.min() < 0 or columns.max() >= scores.shape[1]):
        raise _lost(owner)
    whole = scores.copy()
    whole[: patch.shape[1] - 1, columns] = patch[:, 1:].T
    return whole


def join_rows(inherited: np.ndarray | None, start: object, own: np.ndarray, owner: str, name: str) -> np.ndarray:
    """The parent's first `start` rows and then the own ones; StoreDamaged when they do not fit."""
    if start == 0:
        return own
    if (
        inherited is None
        or not isinstance(start, int)
        or not 0 < start <= len(inherited)
        or inherited.shape[1:] != own.shape[1:]
        or inherited.dtype != own.dtype
    ):
        raise StoreDamaged(
            f"{owner} is damaged: the part of its array '{name}' that it shares with its parent is missing. "
            "Nothing was changed; restore it from a backup or an export, or delete it."
        )
    return np.concatenate([inherited[:start], own])


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    """Bit for bit, so that NaN equals NaN and minus zero differs from zero."""
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


def _lost(owner: str) -> StoreDamaged:
    return StoreDamaged(
        f"{owner} is damaged: some of its arrays are missing. "
        "Nothing was changed; restore it from a backup or an export, or delete it."
    )
