"""Ending the program when it is asked to: what runs is stopped and kept, who waits is told, all within seconds.

Ctrl-C and SIGTERM (a service manager, a Space that restarts) end it in the same way. Does not know what is stopped.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from _thread import start_new_thread
from asyncio import CancelledError
from contextlib import suppress
from types import FrameType
from typing import Any

from engine.errors import UserError
from storage.snapshots import Snapshots
from ui.actions import SAVING
from ui.commands import INTERRUPTED
from ui.turns import Turnstile
from ui.upkeep import Upkeep

# a service manager waits for ten seconds or more; promised are five
MOST_SECONDS = 4.4
# when the system ends it, should no thread of the program come to its turn
LAST_SECONDS = 4.7
# of them: for jobs to keep what they have, for a chore at work, for the server to close its connections
JOBS_SECONDS, CHORE_SECONDS, SERVER_SECONDS = 3.2, 0.4, 0.3
POLL_SECONDS, WAIT_SECONDS = 0.02, 0.1
SENTENCE = "Forklore is being restarted. What there was is kept; reload the page in a minute and go on with it."


class Ending:
    """Takes the signals over. Before `wait` a signal ends the start at once: there is nothing to keep yet."""

    def __init__(self) -> None:
        # plain values: the handler may run while this very thread holds any lock, also an event's own
        self._asked = False
        self._waiting = False
        self.code = 0
        self.began = 0.0
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._heard)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            return
        self.began = time.monotonic()
        self.code = INTERRUPTED if number == signal.SIGINT else 0
        signal.setitimer(signal.ITIMER_REAL, LAST_SECONDS)
        # whatever hangs from now on, the program ends in time; a thread without `threading`, whose locks may be held
        start_new_thread(_end_late, (MOST_SECONDS, self.code))
        self._asked = True
        if not self._waiting:
            # an orderly way out takes as long as the start did where a machine is busy, and an import may swallow it
            os._exit(self.code)

    def wait(self) -> None:
        """Wait until the program is asked to end."""
        self._waiting = True
        # a wait without an end would keep signals from being heard on some systems
        while not self._asked:
            time.sleep(WAIT_SECONDS)

    def left(self) -> float:
        """Seconds until the program ends in any case."""
        return max(0.0, self.began + MOST_SECONDS - time.monotonic())

    def leave(self) -> None:
        """End the program here: a thread that still computes would break the orderly way out, with another code."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


def _end_late(seconds: float, code: int) -> None:
    time.sleep(seconds)
    os._exit(code)


def end_jobs(turns: Turnstile, seconds: float) -> bool:
    """Ask every job to stop, also who comes meanwhile, and wait until each has kept what it has; whether all have."""
    deadline = time.monotonic() + seconds
    while turns.stop_all(SENTENCE):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end_saves(seconds: float) -> bool:
    """Wait for what is still being saved of jobs whose page was closed; whether all of it has been."""
    deadline = time.monotonic() + seconds
    saving = [thread for thread in threading.enumerate() if thread.name == SAVING]
    for thread in saving:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in saving)


def _no_cut(record: logging.LogRecord) -> bool:
    """Whether a record of the server is more than that a connection was closed because the program ends."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, CancelledError) and not str(record.msg).startswith("Cancel %s running task")


def end_app(ending: Ending, turns: Turnstile, upkeep: Upkeep, server: Any, snapshots: Snapshots | None) -> None:
    """End everything in an order in which nothing is lost: jobs, chores, the page, and a last copy of the library."""
    stopped = end_jobs(turns, JOBS_SECONDS)
    # also beside a job that hangs: what others made is saved meanwhile
    kept = end_saves(ending.left() - SERVER_SECONDS) and stopped
    upkeep.stop(max(0.0, min(CHORE_SECONDS, ending.left() - SERVER_SECONDS)))
    with suppress(UserError):
        # nobody's share is given back by a restart
        turns.quotas.write_down()
    logging.getLogger("uvicorn.error").addFilter(_no_cut)
    # connections that only listen would keep it open for ever
    server.config.timeout_graceful_shutdown = 0
    server.should_exit = True
    server.thread.join(SERVER_SECONDS)
    saved = "none"
    if snapshots:
        try:
            saved = "new" if snapshots.take() else "current"
        except UserError:
            saved = "failed"
    seconds = time.monotonic() - ending.began
    outcome = "kept" if kept else "cut"
    logging.getLogger("forklore").info(
        "ended", extra={"outcome": outcome, "kind": f"snapshot {saved}", "seconds": seconds}
    )
