"""One model, several people: whose turn it is, first come first served, and how to ask a job to stop.

Knows sessions by name only; does not know gradio, the engine or what a job does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.errors import Busy


@dataclass(eq=False)
class Ticket:
    """A place in the queue. `cancelled` is set by the person who holds it, by closing the page, or by Stop.

    long: the job takes minutes and lets others go first between its steps.
    """

    session: str
    long: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)


class Turnstile:
    """Lets one job at a time through, in the order of arrival."""

    def __init__(self, capacity: int, per_session: int) -> None:
        self._capacity = capacity
        self._per_session = per_session
        self._line: deque[Ticket] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def enter(self, session: str, *, long: bool = False) -> Iterator[Ticket]:
        """Join the queue; the place is given up when the block ends, however it ends. long: see `give_way`.

        Raises Busy when the queue is full or this session already has its share of it.
        """
        ticket = Ticket(session, long)
        with self._changed:
            if len(self._line) >= self._capacity:
                raise Busy(f"{len(self._line)} people are waiting already: try again in a minute.")
            if sum(other.session == session for other in self._line) >= self._per_session:
                raise Busy("This page is already at work: press Stop or wait for it to finish.")
            self._line.append(ticket)
        try:
            yield ticket
        finally:
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()

    def ahead(self, ticket: Ticket) -> int:
        """How many jobs come before this one; 0 means it is its turn."""
        with self._changed:
            return self._line.index(ticket)

    def behind(self, ticket: Ticket) -> int:
        """How many people wait for this one to finish."""
        with self._changed:
            return len(self._line) - 1 - self._line.index(ticket)

    def wait(self, ticket: Ticket, seconds: float) -> bool:
        """Wait for a turn at most so long; true when it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._line[0] is ticket or ticket.cancelled.is_set(), seconds) and (
                self._line[0] is ticket
            )

    def give_way(self, ticket: Ticket) -> bool:
        """Between two steps of a long job: let every short one that waits go first. True when there was one.

        The turn is lost then; `wait` for it again before the next step.
        """
        with self._changed:
            short = [other for other in self._line if other is not ticket and not other.long]
            if not short:
                return False
            rest = [other for other in self._line if other is not ticket and other.long]
            self._line = deque([*short, ticket, *rest])
            self._changed.notify_all()
            return True

    def stop(self, session: str) -> int:
        """Ask every job of this session to stop within one step; returns how many there were."""
        with self._changed:
            mine = [ticket for ticket in self._line if ticket.session == session]
            for ticket in mine:
                ticket.cancelled.set()
            self._changed.notify_all()
            return len(mine)
