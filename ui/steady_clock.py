"""The time of day for what deletes old things: a clock that suddenly stands far ahead is believed a day later.

Compares the time of day with the time that has passed. Does not know what is deleted. At a start the clock is taken as
it is, since nothing is known of the time before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

JUMP = timedelta(hours=1)
BELIEVED_AFTER = timedelta(days=1)


def _today() -> datetime:
    return datetime.now(UTC)


class SteadyClock:
    """passed: seconds on a clock that nobody sets."""

    def __init__(self, passed: Callable[[], float] = time.monotonic) -> None:
        self._passed = passed
        self._trusted = self._claimed = (_today(), passed())

    def now(self) -> datetime:
        """The time of day, UTC; after a jump forward the time that it would be without, until a day has passed."""
        told, passed = _today(), self._passed()
        if abs(told - _later(self._claimed, passed)) > JUMP:
            self._claimed = told, passed
        if told - _later(self._trusted, passed) <= JUMP or passed - self._claimed[1] >= BELIEVED_AFTER.total_seconds():
            # also when it was set back: too early a time deletes nothing
            self._trusted = told, passed
        return _later(self._trusted, passed)


def _later(reference: tuple[datetime, float], passed: float) -> datetime:
    at, then = reference
    return at + timedelta(seconds=passed - then)
