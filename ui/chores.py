"""What the app does for itself while it runs, and how often: copies, the bin, strangers' old work, the file.

Knows intervals; does not know how any of it is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from storage.database import Store
from storage.snapshots import Snapshots
from storage.tidying import tidy
from ui.settings import Settings
from ui.steady_clock import SteadyClock
from ui.upkeep import Task

SNAPSHOT = "snapshot"
SNAPSHOT_SECONDS = 5 * 60.0
HOUR = 3600.0
# how long a deleted run may still be brought back
DELETED_KEPT = timedelta(days=30)
# the first minute belongs to whoever opens the page
START_SECONDS = 20.0


def tasks(store: Store, settings: Settings, snapshots: Snapshots | None) -> list[Task]:
    """The app's tasks for these settings."""
    return list(_tasks(store, settings, snapshots))


def _tasks(store: Store, settings: Settings, snapshots: Snapshots | None) -> Iterator[Task]:
    clock = SteadyClock()
    if snapshots:
        yield Task(SNAPSHOT, SNAPSHOT_SECONDS, snapshots.take, first=START_SECONDS)
    if settings.public:
        kept = timedelta(days=settings.keep_days)
        yield Task("expiry", HOUR, lambda: expire(store, kept, clock), first=START_SECONDS)
    yield Task("bin", HOUR, lambda: empty_bin(store, clock), first=START_SECONDS)
    yield Task("file", HOUR, lambda: tidy(store.path), first=HOUR)


def empty_bin(store: Store, clock: SteadyClock | None = None) -> int:
    """Remove for good what was deleted long ago; how many runs."""
    return store.runs.purge(before=(clock or SteadyClock()).now() - DELETED_KEPT)


def expire(store: Store, kept: timedelta, clock: SteadyClock | None = None) -> object:
    """Remove what strangers made and have not touched for so long."""
    return store.belongings.expire(before=(clock or SteadyClock()).now() - kept)
