"""Long calls that stand beside the queue: one computation for one question, and nobody takes all places.

Answers are kept until the question changes; who asks the same meanwhile waits for the one at work. Does not know what
is worked out.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from engine.errors import Busy
from ui.access import Viewer

Result = TypeVar("Result")
MOST_KEPT = 32
OF_ONE = 4
OF_ALL = 8


class Kept:
    """The last few answers by question."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Future[dict[str, Any]]] = OrderedDict()

    def answer(self, question: Hashable, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The answer, worked out once; an error of `work` is raised and not kept."""
        with self._lock:
            future = self._answers.get(question)
            mine = future is None
            if future is None:
                future = self._answers[question] = Future()
                while len(self._answers) > MOST_KEPT:
                    self._answers.popitem(last=False)
            self._answers.move_to_end(question)
        if mine:
            # the one at work hears of an error itself; who waited for it works it out anew
            try:
                future.set_result(work())
            finally:
                if not future.done():
                    with self._lock:
                        self._answers.pop(question, None)
                    future.cancel()
        try:
            return future.result()
        except CancelledError:
            return work()


class Places:
    """How many long calls go on at once, of one person (an open page) and of all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going: Counter[str] = Counter()

    @contextmanager
    def take(self, place: str) -> Iterator[None]:
        """A place for the time of a block; Busy when too many of them are taken."""
        with self._lock:
            if self._going[place] >= OF_ONE or self._going.total() >= OF_ALL:
                raise Busy("Too much is being worked out at the same time; try again when something has come.")
            self._going[place] += 1
        try:
            yield
        finally:
            with self._lock:
                self._going[place] -= 1
                if not self._going[place]:
                    del self._going[place]


# whatever takes seconds beside the queue, over the whole program: files read and written, answers read again
BESIDE = Places()


def beside(work: Callable[..., Result]) -> Callable[..., Result]:
    """A method of this viewer's (its last value) that takes one of the program's places; raises Busy without one."""

    @wraps(work)
    def placed(*given: Any, **named: Any) -> Result:
        viewer = named.get("viewer", given[-1])
        assert isinstance(viewer, Viewer)
        with BESIDE.take(viewer.place):
            return work(*given, **named)

    return placed
