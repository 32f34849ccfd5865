"""What the app does for itself, at intervals and when asked: one thread, one task after the other.

A task that fails is logged and tried again when its time comes; it never stops the others. Does not know what the
tasks do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import StoreDamaged, UserError

# what is done more often than this is told of only when it fails
TOLD_SECONDS = 60.0
LOGGER = logging.getLogger("forklore.upkeep")


@dataclass(frozen=True)
class Task:
    """Something to do every so many seconds; first: seconds after the start; least: between two times on request."""

    name: str
    every: float
    run: Callable[[], object]
    first: float = 0.0
    least: float = 20.0


class Upkeep:
    """The thread. It is a daemon: what must not be cut off is done by whoever ends the program."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._change = threading.Condition()
        now = time.monotonic()
        self._due = {task.name: now + task.first for task in tasks}
        self._begun = {task.name: now - task.least for task in tasks}
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="upkeep", daemon=True)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is done here."""
        return tuple(self._tasks.values())

    def start(self) -> None:
        """Begin; tasks whose time has come run at once."""
        self._thread.start()

    def soon(self, name: str) -> None:
        """Have a task run before its interval is over; returns at once. One that is unknown here is not run."""
        with self._change:
            if name in self._due:
                self._due[name] = min(self._due[name], self._begun[name] + self._tasks[name].least)
                self._change.notify_all()

    def stop(self, seconds: float) -> bool:
        """Begin no task any more and wait for the one at work, at most so long; whether it has ended."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            began = time.monotonic()
            outcome = attempt(task)
            if task.every >= TOLD_SECONDS:
                seconds = time.monotonic() - began
                LOGGER.info("upkeep", extra={"kind": task.name, "seconds": seconds, "outcome": outcome})

    def _next(self) -> Task | None:
        """The task whose turn has come, waited for; None at the end."""
        with self._change:
            while not self._ended and self._due:
                name = min(self._due, key=self._due.__getitem__)
                left = self._due[name] - time.monotonic()
                if left <= 0:
                    self._begun[name] = time.monotonic()
                    self._due[name] = self._begun[name] + self._tasks[name].every
                    return self._tasks[name]
                self._change.wait(left)
            return None


def attempt(task: Task) -> str:
    """Run a task; "done" or "failed", the reason in the log."""
    try:
        task.run()
    except Exception as error:  # the thread serves all tasks and must outlive a defect in one
        # of damage the sentence names a run by its title, which is somebody's word
        told = {"reason": str(error)} if isinstance(error, UserError) and not isinstance(error, StoreDamaged) else {}
        LOGGER.error("upkeep failed", extra={"kind": task.name, **told}, exc_info=error)
        return "failed"
    return "done"
