"""Numpy arrays as checked bytes: declared dtype, shape, codec and a CRC32 over all of it.

Knows nothing of runs or tables. Integers are kept in the smallest type that holds them and come back in the declared
one; floats come back bit for bit (NaN payloads, infinities and the sign of zero included).
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from engine.errors import BadInput, StoreDamaged

RAW = "raw"
SHUFFLED = "shuffle-zlib"
ZLIB_LEVEL = 6
MAX_DIMENSIONS = 4
MAX_BYTES = 2**31
DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
_INTEGERS = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8")


@dataclass(frozen=True)
class PackedArray:
    """One array as it lies in the store.

    dtype: what unpacking returns; stored: what `data` holds (smaller or equal integers, else the same);
    both little-endian numpy type strings from DTYPES. crc32 covers the header and `data`.
    """

    dtype: str
    stored: str
    shape: tuple[int, ...]
    codec: str
    crc32: int
    data: bytes


def pack(array: np.ndarray) -> PackedArray:
    """Pack any array of at most MAX_DIMENSIONS dimensions with a dtype from DTYPES; BadInput otherwise."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
    dtype = little.dtype.str
    if dtype not in DTYPES or little.ndim > MAX_DIMENSIONS or little.nbytes > MAX_BYTES:
        raise BadInput(
            f"An array of type {array.dtype} and shape {array.shape} cannot be stored; "
            f"use numbers of at most 64 bits, {MAX_DIMENSIONS} dimensions and {MAX_BYTES} bytes."
        )
    narrow = _narrowed(little)
    raw = narrow.tobytes()
    squeezed = zlib.compress(_shuffled(raw, narrow.itemsize), ZLIB_LEVEL)
    codec, data = (SHUFFLED, squeezed) if len(squeezed) < len(raw) else (RAW, raw)
    stored = narrow.dtype.str
    return PackedArray(dtype, stored, little.shape, codec, _checksum(dtype, stored, little.shape, codec, data), data)


def unpack(packed: PackedArray, *, owner: str, name: str) -> np.ndarray:
    """The array that was packed, as a fresh writable array; StoreDamaged naming `owner` and `name` when it is not.

    Every field is checked before it is used: a damaged file may hold any value of any type in any of them.
    """
    try:
        _require(_well_formed(packed), "its description makes no sense")
        checksum = _checksum(packed.dtype, packed.stored, packed.shape, packed.codec, packed.data)
        _require(checksum == packed.crc32, "its checksum does not match")
        stored = np.dtype(packed.stored)
        size = math.prod(packed.shape) * stored.itemsize
        raw = packed.data if packed.codec == RAW else _inflated(packed.data, size, stored.itemsize)
        _require(len(raw) == size, "its length does not match its shape")
        return np.frombuffer(raw, dtype=stored).reshape(packed.shape).astype(np.dtype(packed.dtype))
    except _Damage as damage:
        raise StoreDamaged(
            f"{owner} is damaged: array '{name}' cannot be read because {damage}. "
            "Nothing was changed; restore it from a backup or an export, or delete it."
        ) from damage


class _Damage(Exception):
    """Why an array cannot be trusted, in words."""


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise _Damage(reason)


def _well_formed(packed: PackedArray) -> bool:
    return (
        packed.dtype in DTYPES
        and (packed.stored == packed.dtype or (packed.stored in _INTEGERS and packed.dtype in _INTEGERS))
        and isinstance(packed.shape, tuple)
        and len(packed.shape) <= MAX_DIMENSIONS
        and all(isinstance(side, int) and side >= 0 for side in packed.shape)
        and math.prod(packed.shape) * 8 <= 8 * MAX_BYTES
        and packed.codec in (RAW, SHUFFLED)
        and isinstance(packed.crc32, int)
        and isinstance(packed.data, bytes)
    )


def _narrowed(array: np.ndarray) -> np.ndarray:
    """The same whole numbers in the smallest type that holds them; other arrays unchanged."""
    if array.dtype.kind not in "iu" or array.size == 0:
        return array
    low, high = int(array.min()), int(array.max())
    for name in _INTEGERS:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max and limits.bits <= array.dtype.itemsize * 8:
            return array.astype(name)
    return array


def _shuffled(raw: bytes, width: int) -> bytes:
    """All first bytes, then all second bytes and so on: equal exponents and high bytes come to lie together."""
    return raw if width == 1 else np.frombuffer(raw, dtype=np.uint8).reshape(-1, width).T.tobytes()


def _inflated(data: bytes, size: int, width: int) -> bytes:
    """Undo zlib and the byte transposition, never producing more than `size` + 1 bytes."""
    stream = zlib.decompressobj()
    try:
        shuffled = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise _Damage("its bytes cannot be decompressed") from error
    _require(len(shuffled) == size and stream.eof and not stream.unused_data, "its length does not match its shape")
    return shuffled if width == 1 else np.frombuffer(shuffled, dtype=np.uint8).reshape(width, -1).T.tobytes()


def _checksum(dtype: str, stored: str, shape: tuple[int, ...], codec: str, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(f"{dtype}|{stored}|{shape}|{codec}|".encode()))
