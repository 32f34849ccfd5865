"""JSON from strangers: bounded before it is parsed, and nothing that JSON does not have.

Knows text only; what an object must hold is checked in exchange.py.
"""

from __future__ import annotations

import json
import re
from typing import Any

from engine.errors import BadInput
from storage.limits import ImportLimits

_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def parse(line: bytes, bounds: ImportLimits) -> dict[str, Any]:
    """A JSON object from bytes: UTF-8, nesting bounded before parsing, no repeated names, no NaN or Infinity."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"it is not UTF-8 (byte {error.start})") from error
    if _depth(text) > bounds.json_depth:
        raise BadInput(f"it is nested more than {bounds.json_depth} levels deep")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadInput(f"it is not JSON ({error.msg} at column {error.colno})") from error
    except ValueError as error:  # a whole number with thousands of digits
        raise BadInput(f"it is not JSON that can be read ({error})") from error
    if not isinstance(value, dict):
        raise BadInput("it is not a JSON object")
    return value


def _depth(text: str) -> int:
    """How deep brackets nest outside strings."""
    deepest = depth = 0
    for sign in re.findall(r"[\[\]{}]", _STRINGS.sub("", text)):
        depth += 1 if sign in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise BadInput("it names a field twice")
    return values


def _no_constant(name: str) -> float:
    raise BadInput(f"it holds {name}, which is no JSON number")
