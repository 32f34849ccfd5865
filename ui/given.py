"""What a browser or a script gave, taken for what it should be or refused in a sentence that names the field.

Does not know what the value is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.errors import BadInput
from engine.label_nodes import shown


def text_of(value: Any, field: str) -> str:
    """The value, which is text; BadInput."""
    if not isinstance(value, str):
        raise BadInput(f"The {field} must be text, not {type(value).__name__}.")
    return value


def texts_of(value: Any, field: str) -> tuple[str, ...]:
    """The value, which is a list of texts; BadInput."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise BadInput(f"The {field} must be a list of texts.")
    return tuple(value)


def whole_of(value: Any, field: str, high: int, low: int = 0) -> int:
    """The value, which is a whole number in [low, high] and no boolean; BadInput."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadInput(f"The {field} must be a whole number from {low} to {high:,}, not {shown(value)}.")
    return value
