"""Whole numbers as a page or a script sends them: an int, a float that is whole, or text of digits.

One rule and one sentence for all of them. Does not know what a number is for.
"""

from __future__ import annotations

from engine.errors import BadInput
from engine.limits import EXACT_FLOAT

MOST_DIGITS = 25
SHOWN_CHARS = 40


def whole(label: str, value: object, low: int, high: int | None = None, default: int | None = None) -> int:
    """A whole number in [low, high], or [low, ...) where high is None; BadInput naming value and range for any other.

    default: what None and "" mean; without one they are refused as missing.
    """
    missing = value is None or value == ""
    if missing and default is not None:
        return default
    number = None if missing else _read(value)
    if number is None or number < low or (high is not None and number > high):
        # as ascii, so that nothing invisible in a text is lost; numbers as they were given
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        shown = f"is {str(value)[:SHOWN_CHARS] if plain else ascii(str(value)[:SHOWN_CHARS])}"
        bounds = f"of at least {low:,}" if high is None else f"from {low:,} to {high:,}"
        raise BadInput(f"{label} {'is missing' if missing else shown}; it must be a whole number {bounds}.")
    return number


def _read(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= EXACT_FLOAT else None
    text = value.strip() if isinstance(value, str) else ""
    counts = text.isascii() and text.removeprefix("-").isdigit() and len(text) <= MOST_DIGITS
    return int(text) if counts else None
