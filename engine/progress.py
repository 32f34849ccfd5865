"""How slow work says what it is doing: a plain callable, so that nobody needs to know who listens."""

from __future__ import annotations

from collections.abc import Callable

# progress(message, fraction): a sentence without a full stop; fraction in [0, 1], or None when nobody can tell.
Progress = Callable[[str, float | None], None]


def silent(message: str, fraction: float | None) -> None:
    """For callers that do not ask to be told."""
