"""What the page knows of copies of the library: when the last one was made, and how to ask for one.

Does not know how they are made, nor where they lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from storage.snapshots import SnapshotState

# a copy is due every five minutes
LATE_SECONDS = 15 * 60.0


@dataclass(frozen=True)
class Copies:
    """state: how the last copy went, None where none are made. soon: asks for one without waiting for it."""

    state: Callable[[], SnapshotState] | None = None
    soon: Callable[[], object] = lambda: None

    def line(self, now: datetime | None = None) -> dict[str, Any] | None:
        """The quiet line of the page: {text, late}; None where no copies are made."""
        return None if self.state is None else line(self.state(), now or datetime.now(UTC))


def late(state: SnapshotState, now: datetime) -> bool:
    """Whether a copy is overdue or failed."""
    age = state.age(now)
    return bool(state.problem) or age is None or age.total_seconds() > LATE_SECONDS


def line(state: SnapshotState, now: datetime) -> dict[str, Any]:
    """How long ago everything was copied, and whether that is longer than it should be."""
    age = state.age(now)
    if age is None:
        text = "library not copied yet" if not state.problem else "library not copied: the copy failed"
        return {"text": text, "late": bool(state.problem)}
    minutes = int(age.total_seconds() // 60)
    ago = "just now" if minutes < 1 else f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"
    text = f"library copied {ago}" + (", the last copy failed" if state.problem else "")
    return {"text": text, "late": late(state, now)}
