"""Promises of the signals that end the program: heard whatever the main thread is at, and an end in time."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from asyncio import CancelledError
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ui import ending
from ui.actions import SAVING
from ui.ending import SERVER_SECONDS, end_app

# each child is signalled at one more step of its waiting, in the main thread, with whatever lock that holds
EVERY_STEP = """
import os, signal, sys, time
from ui.ending import Ending

def child(step):
    ending, left = Ending(), step
    ending._waiting = True

    def trace(frame, event, given):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return trace

    sys.settrace(trace)
    ending.wait()
    sys.settrace(None)
    os._exit(7 if ending.began else 8)

pids = {}
for step in range(1, int(sys.argv[1]) + 1):
    pid = os.fork()
    if not pid:
        child(step)
    pids[pid] = step
deadline, codes = time.monotonic() + 30, {}
while pids and time.monotonic() < deadline:
    pid, status = os.waitpid(-1, os.WNOHANG)
    if pid:
        codes[pids.pop(pid)] = os.waitstatus_to_exitcode(status)
    time.sleep(0.01)
for pid in pids:
    os.kill(pid, signal.SIGKILL)
print({step for step, code in codes.items() if code != 7} | set(pids.values()) or "all heard")
"""
HANGING = """
import os, signal, sys, threading, time
from ui import ending
ending.MOST_SECONDS = 0.5
asked = ending.Ending()
asked._waiting = True
# as in the middle of starting a thread: no other can be started in the usual way
threading._active_limbo_lock = threading.Lock()
with threading._active_limbo_lock:
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    time.sleep(60)
os._exit(9)
"""
# no thread of the program runs any more, as on a machine with far too much to do: the lock of all of Python is held;
# of the two that end it the system is the only one whose time comes, also where the child is stopped before it holds it
NO_TURN = """
import ctypes, os, signal, threading, time
from ui import ending
ending.MOST_SECONDS, ending.LAST_SECONDS = 600.0, 1.0
asked = ending.Ending()
asked._waiting = True
os.kill(os.getpid(), signal.SIGTERM)
ctypes.PyDLL(None).poll(None, 0, 60_000)
os._exit(9)
"""
STEPS = 40


@pytest.fixture(autouse=True)
def filters() -> Iterator[None]:
    """What an end keeps from the server's log is told again to whoever comes after it."""
    logger = logging.getLogger("uvicorn.error")
    before = list(logger.filters)
    yield
    logger.filters[:] = before


def python(code: str, *words: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], cwd=root, capture_output=True, text=True, timeout=120)


def test_a_signal_is_heard_at_every_step_of_the_waiting(root: Path) -> None:
    run = python(EVERY_STEP, str(STEPS), root=root)
    assert run.stdout.strip() == "all heard", run


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 0), ("SIGINT", 130)])
def test_a_main_thread_that_hangs_is_ended_in_time_with_the_right_code(root: Path, number: str, code: int) -> None:
    run = python(HANGING, number, root=root)
    assert run.returncode == code, run


def test_a_program_none_of_whose_threads_comes_to_its_turn_is_ended_by_the_system(root: Path) -> None:
    began = time.monotonic()
    run = python(NO_TURN, root=root)
    assert run.returncode == -signal.SIGALRM and time.monotonic() - began < 40, run


def test_closing_connections_at_the_end_is_no_error_and_everything_else_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger, began = logging.getLogger("uvicorn.error"), time.monotonic()
    turns = SimpleNamespace(stop_all=lambda why: 0, quotas=SimpleNamespace(write_down=lambda: None))

    def close(seconds: float) -> None:
        logger.error("Cancel %s running task(s), timeout graceful shutdown exceeded", 2)
        for error in (CancelledError(), ValueError("a defect")):
            logger.error("Exception in ASGI application", exc_info=error)

    server = SimpleNamespace(config=SimpleNamespace(), should_exit=False, thread=SimpleNamespace(join=close))
    ends = SimpleNamespace(began=began, left=lambda: 1.0)
    end_app(ends, turns, SimpleNamespace(stop=lambda seconds: True), server, None)  # type: ignore[arg-type]
    told = [record for record in caplog.records if record.name == "uvicorn.error"]
    assert [type(record.exc_info[1]) for record in told if record.exc_info] == [ValueError] and len(told) == 1


def parts(jobs: int, seconds: float, chores: list[tuple[float, int]]) -> list[Any]:
    """What `end_app` is given: so many jobs that never stop, so many seconds, and no snapshots. chores: filled with the
    seconds that a chore at work was given, and how many saves were under way then."""

    def stop(given: float) -> bool:
        chores.append((given, sum(thread.name == SAVING for thread in threading.enumerate())))
        return True

    began = time.monotonic()
    ends = SimpleNamespace(began=began, left=lambda: max(0.0, began + seconds - time.monotonic()))
    turns = SimpleNamespace(stop_all=lambda why: jobs, quotas=SimpleNamespace(write_down=lambda: None))
    server = SimpleNamespace(config=SimpleNamespace(), thread=SimpleNamespace(join=lambda seconds: None))
    return [ends, turns, SimpleNamespace(stop=stop), server, None]


@pytest.mark.parametrize(("jobs", "outcome"), [(0, "kept"), (1, "cut")])
def test_what_is_being_saved_is_waited_for_also_beside_a_job_that_hangs(
    jobs: int, outcome: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ending, "JOBS_SECONDS", 0.05)
    chores: list[tuple[float, int]] = []
    saving = threading.Thread(target=time.sleep, args=(0.5,), name=SAVING, daemon=True)
    saving.start()
    with caplog.at_level(logging.INFO, "forklore"):
        end_app(*parts(jobs, 60.0, chores))
    assert chores == [(ending.CHORE_SECONDS, 0)] and not saving.is_alive()
    assert [record.outcome for record in caplog.records] == [outcome]  # type: ignore[attr-defined]


def test_a_save_that_hangs_beside_a_job_that_hangs_takes_no_time_from_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ending, "JOBS_SECONDS", 0.05)
    chores: list[tuple[float, int]] = []
    over = threading.Event()
    saving = threading.Thread(target=over.wait, args=(60,), name=SAVING, daemon=True)
    saving.start()
    try:
        with caplog.at_level(logging.INFO, "forklore"):
            end_app(*parts(1, SERVER_SECONDS + 0.3, chores))
    finally:
        over.set()
        saving.join(60)
    ((given, saves),) = chores
    assert 0 <= given < 0.05 and saves == 1
    assert [record.outcome for record in caplog.records] == ["cut"]  # type: ignore[attr-defined]
