"""How values travel to the browser: strict JSON lines, numbers of six digits, tokens with what their text cannot say.

Knows nothing of documents; every view writes its values through here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from engine.types import Trace

REPLACEMENT = "\ufffd"


def wire_line(fields: Mapping[str, Any]) -> str:
    """One JSON object on a line of its own; raises ValueError for a number that JSON does not have."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def document_fields(document: str) -> dict[str, Any]:
    """All lines of a document of JSON objects together; a later one's fields stand over an earlier one's."""
    together: dict[str, Any] = {}
    # not splitlines: texts may hold other ends of lines
    for line in filter(None, document.split("\n")):
        together |= json.loads(line)
    return together


def number(value: float | int | None) -> float | int | None:
    """A JSON number with six significant digits, or None for what does not exist."""
    if value is None or isinstance(value, int):
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def minute(value: datetime | None) -> str | None:
    """A moment in UTC to the minute, as 2026-12-31T18:00Z; None for none."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="minutes").replace("+00:00", "Z")


def token_fields(trace: Trace, i: int) -> dict[str, Any]:
    """Token i as {t, id, c: 1 for a control token, x: hex bytes where the piece is part of a character}."""
    token_id = int(trace.token_ids[i])
    raw = trace.token_bytes.get(token_id, b"")
    return piece_fields(trace.pieces[i], token_id, raw, special=token_id in trace.special_ids)


def piece_fields(piece: str, token_id: int, raw: bytes, *, special: bool) -> dict[str, Any]:
    """A token from its parts; see `token_fields`."""
    token: dict[str, Any] = {"t": piece, "id": token_id}
    if (not piece and raw) or REPLACEMENT in piece:
        token["x"] = raw.hex(" ")
    if special:
        token["c"] = 1
    return token
