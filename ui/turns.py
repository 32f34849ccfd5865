"""One model, several people: whose turn it is, how long a turn may last, and how to ask a job to stop.

Fair between people: who was served less recently goes before others, of one person the job that came first. Nobody
starves: once `overtaking` later jobs have gone before a job, none does any more, so that it begins after at most
`capacity` - 1 + `overtaking` others. Does not know gradio, the engine or what a job does.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.errors import Busy
from ui.access import Viewer
from ui.addresses import network_of
from ui.quotas import QuotaLimits, Quotas

NEVER = -1
# how many people's and addresses' last turns are remembered; whoever is forgotten was served longest ago
REMEMBERED = 2_000
# a long job is charged on its way, so that what is left can be seen to go
CHARGED_AT_ONCE = 512
OUT_OF_TIME = (
    "Cut after {limit} of the model's time, the most one job has here; what there was is kept, and you can go on with "
    "it from there."
)


@dataclass(frozen=True)
class TurnLimits:
    """capacity: jobs in the queue, the one at work among them; each_page, each_person, each_address: of one open page,
    person, network address. overtaking: later jobs that may go before one that waits; overtaking_long: before a long
    one. short_seconds, long_seconds: time at the model of one job, from its first pass on and without its pauses."""

    capacity: int = 20
    each_page: int = 1
    each_person: int = 20
    each_address: int = 20
    overtaking: int = 6
    overtaking_long: int = 1_000_000
    short_seconds: float = math.inf
    long_seconds: float = math.inf

    @classmethod
    def of(cls, mode: str) -> TurnLimits:
        """mode: local, team or public: for one trusted person, for people with links of their own, for strangers."""
        if mode == "local":
            return cls()
        if mode == "team":
            return cls(each_person=4, overtaking_long=40, short_seconds=600.0, long_seconds=3_600.0)
        return cls(each_person=2, each_address=6, overtaking_long=40, short_seconds=120.0, long_seconds=600.0)


@dataclass(frozen=True)
class Others:
    """people: how many persons have jobs there, pages: how many jobs are the same person's own, of other pages."""

    people: int = 0
    pages: int = 0

    def __bool__(self) -> bool:
        return bool(self.people or self.pages)

    def before(self) -> str:
        """Who comes first, as a part of a sentence; where nobody does, "" is none."""
        people = "1 person" if self.people == 1 else f"{self.people} people"
        pages = "another page of yours" if self.pages == 1 else f"{self.pages} other pages of yours"
        if not self.pages:
            return f"{people} {'is' if self.people == 1 else 'are'} before you"
        if not self.people:
            return f"{pages} {'is' if self.pages == 1 else 'are'} before this one"
        return f"{people} and {pages} are before this one"


@dataclass(eq=False)
class Ticket:
    """A place in the queue. `cancelled` is set by the person who holds it, by closing the page, by Stop, or when its
    time or its share of tokens is used up: then `cut` is a sentence about that.

    long: the job takes minutes and lets others go first between its steps. most_seconds: how long it may have the
    model. allowed: tokens the model may still read for it, None for any number; tokens: all that it has read, unspent:
    those not yet charged for. rank: the least goes first; overtaken: how many later ones went before it.
    """

    viewer: Viewer
    long: bool = False
    number: int = 0
    most_seconds: float = math.inf
    clock: Callable[[], float] = time.monotonic
    cancelled: threading.Event = field(default_factory=threading.Event)
    cut: str = ""
    rank: tuple[int, ...] = ()
    overtaken: int = 0
    allowed: int | None = None
    tokens: int = 0
    unspent: int = 0
    had_turn: bool = False
    _used: float = 0.0
    _since: float | None = None

    @property
    def seconds(self) -> float:
        """How long it has had the model, from its first pass on and without its pauses."""
        return self._used + (self.clock() - self._since if self._since is not None else 0.0)

    def stopped(self) -> bool:
        """Whether the job should end within one step; asked between any two steps."""
        if self.seconds >= self.most_seconds:
            self.end(OUT_OF_TIME.format(limit=_spoken(self.most_seconds)))
        return self.cancelled.is_set()

    def end(self, why: str) -> None:
        """Ask the job to stop for a reason that is none of its person's."""
        if not self.cancelled.is_set():
            self.cut = why
            self.cancelled.set()

    def read(self, tokens: int) -> None:
        """The model reads so many tokens for it now."""
        if self._since is None:
            self._since = self.clock()
        self.tokens += tokens
        self.unspent += tokens

    def pause(self) -> None:
        """Its turn is over, for good or for a while."""
        if self._since is not None:
            self._used += self.clock() - self._since
            self._since = None


class Turnstile:
    """Lets one job at a time through.

    The number of jobs before somebody grows only when somebody comes who was served less recently: by one, and at most
    `overtaking` times; before a waiting long job also when one at work lets short ones pass, `overtaking_long` in all.
    """

    def __init__(
        self,
        limits: TurnLimits | None = None,
        quotas: Quotas | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """ended: told of every job that is over, "done", "stopped", "cut" or "failed"; beside the queue."""
        self.ended: Callable[[Ticket, str], object] | None = None
        self.limits = limits or TurnLimits()
        self.quotas = Quotas(QuotaLimits()) if quotas is None else quotas
        self._clock = clock
        self._turn: Ticket | None = None
        # in the order in which they are served if nobody else comes
        self._line: list[Ticket] = []
        self._came = self._turns = 0
        self._served: OrderedDict[str, int] = OrderedDict()
        self._changed = threading.Condition()

    @contextmanager
    def enter(self, viewer: Viewer, *, long: bool = False) -> Iterator[Ticket]:
        """Join the queue; the place is given up when the block ends, however it ends. long: see `give_way`.

        Raises Busy, before a place is taken, when the queue is full, when this page, person or address has its share
        of it, or when the person's share of jobs or tokens is used up.
        """
        seconds = self.limits.long_seconds if long else self.limits.short_seconds
        ticket, outcome = Ticket(viewer, long, most_seconds=seconds, clock=self._clock), "failed"
        with self._changed:
            self._check_room(viewer)
            self.quotas.admit(viewer)
            self._came += 1
            ticket.number = self._came
            ticket.rank = self._rank(viewer)
            self._line_up(ticket)
            self._call_next()
        try:
            yield ticket
            outcome = ""
        except GeneratorExit:
            outcome = "stopped"
            raise
        finally:
            self._leave(ticket)
            if self.ended is not None:
                asked = "cut" if ticket.cut else "stopped" if ticket.cancelled.is_set() else "done"
                self.ended(ticket, outcome or asked)

    def ahead(self, ticket: Ticket) -> int:
        """How many jobs come before this one if nobody else joins; 0 means it is its turn."""
        with self._changed:
            return self._all().index(ticket)

    def behind(self, ticket: Ticket) -> int:
        """How many jobs wait for this one to finish."""
        with self._changed:
            everybody = self._all()
            return len(everybody) - 1 - everybody.index(ticket)

    def others(self, ticket: Ticket) -> tuple[Others, Others]:
        """Whose jobs come before this one and whose behind it, if nobody else joins."""
        with self._changed:
            everybody = self._all()
            place = everybody.index(ticket)
            return _others(ticket, everybody[:place]), _others(ticket, everybody[place + 1 :])

    def waiting(self) -> int:
        """How many jobs are at work or wait."""
        with self._changed:
            return len(self._all())

    def wait(self, ticket: Ticket, seconds: float) -> bool:
        """Wait for a turn at most so long; true when it has come."""
        with self._changed:
            self._changed.wait_for(lambda: self._turn is ticket or ticket.cancelled.is_set(), seconds)
            return self._turn is ticket

    def give_way(self, ticket: Ticket) -> bool:
        """Between two steps of a long job: let every short one that waits go first. True when there was one.

        The turn is lost then; `wait` for it again before the next step. Not any more when too many have gone before
        this job, or before another long one that waits.
        """
        with self._changed:
            short = [other for other in self._line if not other.long]
            # how many short ones would pass each of those that wait before them
            passed = {
                other: sum(not one.long for one in self._line[place:])
                for place, other in enumerate(self._line)
                if other.long
            }
            if self._turn is not ticket or not short:
                return False
            everybody = [(ticket, len(short)), *passed.items()]
            if any(other.overtaken + more > self.limits.overtaking_long for other, more in everybody):
                return False
            self._settle(ticket)
            self._turn = None
            # nobody who comes while it is paused goes before it
            ticket.rank = ()
            for other, more in everybody:
                other.overtaken += more
            self._line = [*short, ticket, *passed]
            self._call_next()
            return True

    def read(self, tokens: int) -> None:
        """The model reads so many tokens: they count for the job whose turn it is. Called once for each pass."""
        # a turn may be ended from another thread: what is read is charged once, and never to a turn that is over
        with self._changed:
            ticket = self._turn
            if ticket is None:
                return
            ticket.read(tokens)
            if ticket.unspent >= CHARGED_AT_ONCE:
                self._charge(ticket)
            if ticket.allowed is not None and ticket.unspent >= ticket.allowed and not ticket.cancelled.is_set():
                self._charge(ticket)
                used_up = self.quotas.used_up(ticket.viewer)
                ticket.end(f"{used_up} What there was is kept, and you can go on with it then.")

    def stop(self, viewer: Viewer) -> int:
        """Ask the jobs of this page to stop within one step, where it has none all of its person; how many."""
        with self._changed:
            mine = [ticket for ticket in self._all() if ticket.viewer.place == viewer.place]
            here = [ticket for ticket in mine if ticket.viewer.session == viewer.session]
            for ticket in here or mine:
                ticket.cancelled.set()
            self._changed.notify_all()
            return len(here or mine)

    def stop_all(self, why: str) -> int:
        """Ask every job to stop within one step, with the sentence that says why; how many there were."""
        with self._changed:
            everybody = self._all()
            for ticket in everybody:
                ticket.end(why)
            self._changed.notify_all()
            return len(everybody)

    def _check_room(self, viewer: Viewer) -> None:
        everybody, limits = [ticket.viewer for ticket in self._all()], self.limits
        if sum((one.place, one.session) == (viewer.place, viewer.session) for one in everybody) >= limits.each_page:
            raise Busy("This page is already at work: press Stop or wait for it to finish.")
        if sum(one.name == viewer.name for one in everybody) >= limits.each_person:
            raise Busy(
                f"{limits.each_person} jobs of yours are at work or waiting already, the most for one person: stop one "
                "or wait for it to finish."
            )
        network = network_of(viewer.address)
        near = sum(network_of(one.address) == network for one in everybody) if network else 0
        here = sum(one.address == viewer.address for one in everybody) if viewer.address else 0
        if here >= limits.each_address or near >= 2 * limits.each_address:
            raise Busy(
                f"{max(here, near)} jobs from your network are at work or waiting already: try again in a minute."
            )
        if len(everybody) >= limits.capacity:
            raise Busy(f"{len(everybody)} people are waiting already: try again in a minute.")

    def _leave(self, ticket: Ticket) -> None:
        with self._changed:
            self._settle(ticket)
            if self._turn is ticket:
                self._turn = None
            if ticket in self._line:
                self._line.remove(ticket)
            self._call_next()
        if not ticket.had_turn:
            self.quotas.take_back(ticket.viewer)

    def _settle(self, ticket: Ticket) -> None:
        """A turn ends: its time stands still and its tokens are charged."""
        ticket.pause()
        self._charge(ticket)

    def _charge(self, ticket: Ticket) -> None:
        tokens, ticket.unspent = ticket.unspent, 0
        self.quotas.spend(ticket.viewer, tokens)
        if ticket.allowed is not None:
            ticket.allowed = max(0, ticket.allowed - tokens)

    def _call_next(self) -> None:
        """Give the turn to who is next where nobody has it, and tell all who wait."""
        if self._turn is None and self._line:
            ticket = self._line.pop(0)
            self._turn, ticket.had_turn = ticket, True
            ticket.allowed = self.quotas.tokens_left(ticket.viewer)
            if ticket.allowed == 0:
                ticket.end(self.quotas.used_up(ticket.viewer))
            self._turns += 1
            for key in _keys(ticket.viewer):
                self._served[key] = self._turns
                self._served.move_to_end(key)
            while len(self._served) > REMEMBERED:
                self._served.popitem(last=False)
        self._changed.notify_all()

    def _all(self) -> list[Ticket]:
        """Everybody, as they are served if nobody else comes."""
        return [*([self._turn] if self._turn else []), *self._line]

    def _rank(self, viewer: Viewer) -> tuple[int, ...]:
        """Where somebody who comes now stands: by the jobs they have here and their last turn, then by those of their
        address, which a new visitor may share with an old one."""
        here = Counter(key for ticket in self._all() for key in _keys(ticket.viewer))
        return tuple(value for key in _keys(viewer) for value in (here[key], self._served.get(key, NEVER)))

    def _line_up(self, ticket: Ticket) -> None:
        """Before all at the end of the line that have a greater rank and have not been overtaken too often."""
        place = len(self._line)
        while place:
            other = self._line[place - 1]
            most = self.limits.overtaking_long if other.long else self.limits.overtaking
            if other.rank <= ticket.rank or other.overtaken >= most:
                break
            other.overtaken += 1
            place -= 1
        self._line.insert(place, ticket)


def _keys(viewer: Viewer) -> list[str]:
    """Under what a turn is remembered: the person, and the address where there is one."""
    person = f"person {viewer.place}"
    return [person, f"address {viewer.address}"] if viewer.address else [person]


def _others(ticket: Ticket, jobs: list[Ticket]) -> Others:
    places = [job.viewer.place for job in jobs]
    own = places.count(ticket.viewer.place)
    return Others(len(set(places) - {ticket.viewer.place}), own)


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
