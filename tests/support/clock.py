"""Clocks for tests: one that jumps, for what modules read as the time of day, and one that is moved by hand only.

Knows the two ways in which the program reads the time of day; does not know what it is read for.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("engine", "storage", "ui")


def readers() -> list[ModuleType]:
    """Every module of the program that asks for the time of day by `datetime`."""
    files = [file for part in PARTS for file in sorted((ROOT / part).rglob("*.py"))]
    asking = [file.relative_to(ROOT) for file in files if "datetime.now(" in file.read_text(encoding="utf-8")]
    return [importlib.import_module(".".join(file.with_suffix("").parts)) for file in asking]


class Clock:
    """The time of day as these modules read it until the patch ends."""

    def __init__(self, patch: pytest.MonkeyPatch, modules: Iterable[ModuleType]) -> None:
        self._off = timedelta()
        clock = self
        self._real = time.time

        class Jumping(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(clock.seconds(), tz)

        for module in modules:
            patch.setattr(module, "datetime", Jumping)
        patch.setattr(time, "time", self.seconds)

    def seconds(self) -> float:
        """Since 1970, as `time.time` tells it."""
        return self._real() + self._off.total_seconds()

    def hold(self, at: datetime) -> None:
        """Let it stand still at this moment, but for jumps."""
        self._real = at.timestamp

    def jump(self, **by: float) -> None:
        """Set it ahead, or back."""
        self._off += timedelta(**by)


class HandClock:
    """Seconds that pass only when `now` is set."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
