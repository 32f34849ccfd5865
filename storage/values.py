"""The border: values are cleaned and measured here before anything reaches SQLite.

SQLite would store lone surrogates never, integers over 63 bits never and NaN as NULL; this file says so in sentences.
Also holds `digest`, the one way in which stored values are turned into a hash.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from engine.errors import BadInput
from storage.limits import StoreLimits

Scalar = str | bytes | int | float | None

MAX_INTEGER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# what every time zone can show without leaving the calendar
_EARLIEST, _LATEST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def clean_text(value: object, field: str, limit: int, *, empty: bool = True) -> str:
    """`value` itself when it is text that UTF-8 can hold and not longer than `limit` characters; BadInput otherwise."""
    if not isinstance(value, str):
        raise BadInput(f"{field} must be text, not {type(value).__name__}.")
    if not empty and not value.strip():
        raise BadInput(f"{field} is empty; give it at least one character.")
    if len(value) > limit:
        raise BadInput(f"{field} has {len(value):,} characters; shorten it to at most {limit:,}.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{field} holds half of a character at position {error.start} (a lone surrogate); remove it."
        ) from error
    return value


def whole_number(value: object, field: str, low: int = 0, high: int = MAX_INTEGER) -> int:
    """`value` as an int within [low, high]; BadInput for anything else, booleans and floats included."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{field} must be a whole number, not {type(value).__name__}.")
    if not low <= value <= high:
        raise BadInput(f"{field} is {value}; it must lie between {low} and {high}.")
    return value


def real_or_null(value: object, field: str) -> float | None:
    """A float as the store keeps it: NaN becomes None (SQL NULL), minus zero becomes zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadInput(f"{field} must be a number, not {type(value).__name__}.")
    number = float(value)
    return None if math.isnan(number) else number + 0.0


def is_uid(value: object) -> bool:
    """Whether the value could be the id of a run at all."""
    return isinstance(value, str) and _UID.fullmatch(value) is not None


def clean_uid(value: object, field: str = "The run id") -> str:
    """A run id: 1 to 64 letters, digits, '-' or '_'."""
    if not isinstance(value, str) or not is_uid(value):
        raise BadInput(f"{field} must be 1 to 64 letters, digits, '-' or '_'.")
    return value


def clean_tags(tags: Iterable[str], limits: StoreLimits) -> tuple[str, ...]:
    """Tags without surrounding blanks, empty ones and repetitions, in alphabetical order."""
    if isinstance(tags, str):
        raise BadInput("Tags must be a list of texts, not one text.")
    cleaned = {clean_text(tag, "A tag", limits.tag_chars).strip() for tag in tags} - {""}
    if len(cleaned) > limits.tags:
        raise BadInput(f"{len(cleaned)} tags are too many; keep at most {limits.tags}.")
    return tuple(sorted(cleaned))


def clean_json(value: Mapping[str, object], field: str, limits: StoreLimits) -> str:
    """A JSON object as compact text; BadInput for NaN, lone surrogates or what JSON cannot hold."""
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise BadInput(f"{field} cannot be written as JSON: {error}.") from error
    return clean_text(text, field, limits.json_chars)


def microseconds(moment: datetime) -> int:
    """An aware datetime as whole microseconds since 1970 UTC (exact, unlike a float of seconds)."""
    if moment.tzinfo is None:
        raise BadInput("A time needs a time zone.")
    if not _EARLIEST <= moment <= _LATEST:
        raise BadInput(f"The time {moment.isoformat()} is outside the years that can be shown; use one near today.")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=value)


def digest(values: Iterable[Scalar]) -> str:
    """128-bit BLAKE2b of a sequence of values, type and length included, as 32 hex digits."""
    # thousands of rows are verified at a save: one call of the hash, and no call for what most values are
    parts: list[bytes] = []
    for value in values:
        kind = type(value)
        if kind is str:
            body = value.encode("utf-8")  # type: ignore[union-attr]
            parts += (_STR[len(body)] if len(body) < _SHORT else _head(b"s", body), body)
        elif kind is int:
            body = str(value).encode()
            parts += (_INT[len(body)] if len(body) < _SHORT else _head(b"i", body), body)
        else:
            name, body = _encoded(value)
            parts += (_head(name, body), body)
    return blake2b(b"".join(parts), digest_size=16).hexdigest()


def _head(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(8, "little")


_SHORT = 256
_STR = tuple(_head(b"s", bytes(length)) for length in range(_SHORT))
_INT = tuple(_head(b"i", bytes(length)) for length in range(_SHORT))


def _encoded(value: Scalar) -> tuple[bytes, bytes]:
    if value is None:
        return b"n", b""
    if isinstance(value, str):
        return b"s", value.encode("utf-8")
    if isinstance(value, bytes):
        return b"b", value
    if isinstance(value, int):
        return b"i", str(value).encode()
    return b"f", struct.pack("<d", value)
