"""Stands in for the `spaces` package of a Space with a lent GPU: its way of running a generator, without the lender.

Written after spaces 0.51.3, zero/wrappers.py: the decorated generator runs in a process forked at the call and used
again for later ones, arguments and items are pickled, closing the generator sets an event that is looked at after the
next item, an exception comes back as its class's name, and a process that dies ends the call. What it leaves out is
the lender's service (schedules, shares, tokens), CUDA, and moving weights: the forked process computes on the CPU.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import gradio as gr

_context = multiprocessing.get_context("fork")
_forked = False
# durations asked for, one line each, and how long a loan lasts at most: both for tests to see and to set
LOANS = os.environ.get("LENT_GPU_LOANS", "")
DIES_AFTER = int(os.environ.get("LENT_GPU_DIES_AFTER", "0"))
# a file with the seconds between two items, for tests that need a call to be in its middle
PAUSE = os.environ.get("LENT_GPU_PAUSE", "")


def GPU(task: Any = None, *, duration: Any = None) -> Any:
    """The decorator."""
    if task is None:
        return functools.partial(GPU, duration=duration)
    return _generator_wrapper(task, duration)


class _Worker:
    """A process forked at the first call, and used again for later ones."""

    def __init__(self, task: Callable[..., Iterator[Any]]) -> None:
        self.arguments: Any = _context.SimpleQueue()
        self.results: Any = _context.SimpleQueue()
        self.stop = _context.Event()
        given = (task, self.arguments, self.results, self.stop)
        self.process = _context.Process(target=_serve, args=given, daemon=True)
        self.process.start()
        Thread(target=self._told_of_its_death, daemon=True).start()

    def _told_of_its_death(self) -> None:
        self.process.join()
        self.results.put(None)


def _generator_wrapper(task: Callable[..., Iterator[Any]], duration: Any) -> Callable[..., Iterator[Any]]:
    workers: list[_Worker] = []

    @functools.wraps(task)
    def handler(*given: Any, **named: Any) -> Iterator[Any]:
        if _forked:
            yield from task(*given, **named)
            return
        _note(duration(*given, **named) if callable(duration) else duration)
        worker = workers.pop() if workers and workers[-1].process.is_alive() else _Worker(task)
        worker.arguments.put((given, named))
        came: Queue[tuple[str, Any]] = Queue()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_fill, came, worker, workers)
            yield from _items(came, worker)

    return handler


def _fill(came: Queue[tuple[str, Any]], worker: _Worker, workers: list[_Worker]) -> None:
    """Pass on what the process says until the call is over; a process that ended well waits for the next call."""
    while True:
        result = worker.results.get()
        kind = "aborted" if result is None else result[0]
        if kind == "end":
            workers.append(worker)
        came.put((kind, None if result is None else result[1]))
        if kind != "item":
            return


def _items(came: Queue[tuple[str, Any]], worker: _Worker) -> Iterator[Any]:
    while True:
        kind, value = came.get(timeout=120)
        if kind == "aborted":
            raise _error("GPU task aborted")
        if kind == "error":
            print(value[1])
            raise _error(value[0])
        if kind == "end":
            return
        try:
            yield value
        except GeneratorExit:
            worker.stop.set()
            raise


def _serve(task: Callable[..., Iterator[Any]], arguments: Any, results: Any, stop: Any) -> None:
    global _forked
    _forked = True
    while True:
        given, named = arguments.get()
        stop.clear()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_iterate, task(*given, **named), results, stop).result()
        results.put(("end", None))


def _iterate(items: Iterator[Any], results: Any, stop: Any) -> None:
    count = 0
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 (whatever it is goes back as its name)
            results.put(("error", (type(error).__name__, "".join(traceback.format_exception(error)))))
            return
        if stop.is_set():
            items.close()  # type: ignore[attr-defined]
            return
        results.put(("item", item))
        count += 1
        time.sleep(_pause())
        if DIES_AFTER and count >= DIES_AFTER:
            os._exit(1)  # the loan is over


def _pause() -> float:
    return float(Path(PAUSE).read_text() or 0) if PAUSE and Path(PAUSE).exists() else 0.0


def _note(seconds: Any) -> None:
    if LOANS:
        with open(LOANS, "a") as file:  # noqa: PTH123
            file.write(f"{seconds} {os.getpid()}\n")


def _error(message: str) -> gr.Error:
    return gr.Error(message, title="ZeroGPU worker error")
