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
from ui.addresses import network_of

Result = TypeVar("Result")
MOST_KEPT = 32
OF_ONE = 4
OF_ADDRESS = 4
OF_ALL = 8
TOO_MUCH = "Too much is being worked out at the same time; try again when something has come."


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
    """How many long calls go on at once: of one person, of one network address or network, and of all."""

    def __init__(
        self, of_one: int = OF_ONE, of_address: int = OF_ADDRESS, mine: str = TOO_MUCH, others: str = TOO_MUCH
    ) -> None:
        """mine, others: what is said where this person has no place more, and where nobody has."""
        self._of_one, self._of_address, self._mine, self._others = of_one, of_address, mine, others
        self._lock = threading.Lock()
        self._all = 0
        self._going: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def take(self, viewer: Viewer) -> Iterator[None]:
        """A place for the time of a block; Busy when too many of them are taken."""
        person, bounds = ("person", viewer.place), self._bounds(viewer)
        with self._lock:
            if self._going[person] >= self._of_one:
                raise Busy(self._mine)
            if self._all >= OF_ALL or any(self._going[who] >= most for who, most in bounds.items()):
                raise Busy(self._others)
            self._all += 1
            self._going.update(bounds.keys())
        try:
            yield
        finally:
            with self._lock:
                self._all -= 1
                self._going.subtract(bounds.keys())
                self._going = +self._going

    def _bounds(self, viewer: Viewer) -> dict[tuple[str, str], int]:
        """Among whose places a call counts, and how many each may have; who drops a cookie keeps the address."""
        bounds = {("person", viewer.place): self._of_one}
        if viewer.trusted:
            # all pages of one's own machine have its address
            return bounds
        if viewer.address:
            bounds["address", viewer.address] = self._of_address
        if network := network_of(viewer.address):
            bounds["network", network] = self._of_address
        return bounds


# whatever takes seconds beside the queue, over the whole program: files read and written, answers read again
BESIDE = Places()
# what a document of a long run takes most of a second to write, and as long again to send
LONG_RUNS = Places(of_one=2, of_address=2)


def beside(work: Callable[..., Result]) -> Callable[..., Result]:
    """A method of this viewer's (its last value) that takes one of the program's places; raises Busy without one."""

    @wraps(work)
    def placed(*given: Any, **named: Any) -> Result:
        viewer = named.get("viewer", given[-1])
        assert isinstance(viewer, Viewer)
        with BESIDE.take(viewer):
            return work(*given, **named)

    return placed
