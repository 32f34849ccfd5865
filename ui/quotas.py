"""What one person may ask of the model: jobs in ten minutes and tokens in a day, and wider shares of a network address.

Who drops a cookie is a new visitor, yet not a new address. Tokens are those the model reads, counted at the model.
Persons' tokens outlive a restart through a ledger; addresses are known to this process only. Does not know the queue.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine.errors import Busy, UserError
from ui.access import Viewer, digest_of
from ui.addresses import network_of

HOUR = 3600
HOURS = 24
# how many addresses' shares the network has in which one person may have thousands of them
NETWORK = 4
MINUTE = 60
# what is brought in counts as the tokens that writing it here would have taken: a token is recorded in about as much
BYTES_A_TOKEN = 512


@dataclass(frozen=True)
class QuotaLimits:
    """The shares; None: as much as wanted. accounts: how many persons and how many addresses are remembered at most,
    those that were at work last; who is forgotten begins anew."""

    jobs: int | None = None
    tokens: int | None = None
    address_jobs: int | None = None
    address_tokens: int | None = None
    window_seconds: float = 10 * MINUTE
    accounts: int = 20_000

    @classmethod
    def of(cls, mode: str) -> QuotaLimits:
        """mode: local, team or public. None for one trusted person, generous ones for people with links of their own,
        bounds for strangers."""
        if mode == "local":
            return cls()
        if mode == "team":
            # people of one house share an address
            return cls(jobs=600, tokens=20_000_000)
        return cls(jobs=60, tokens=250_000, address_jobs=240, address_tokens=1_000_000)

    @property
    def any(self) -> bool:
        """Whether there is anything to count."""
        return any(each is not None for each in (self.jobs, self.tokens, self.address_jobs, self.address_tokens))

    @property
    def of_address(self) -> QuotaLimits:
        """The shares of an address, in the place of a person's."""
        return replace(self, jobs=self.address_jobs, tokens=self.address_tokens)

    @property
    def of_network(self) -> QuotaLimits:
        """The shares of a network of many addresses that may all be one person's."""
        jobs, tokens = (None if each is None else NETWORK * each for each in (self.address_jobs, self.address_tokens))
        return replace(self, jobs=jobs, tokens=tokens)


@dataclass(frozen=True)
class Shares:
    """What is left to somebody, and of how much; None where nothing bounds it."""

    jobs_left: int | None
    jobs: int | None
    tokens_left: int | None
    tokens: int | None
    window_seconds: float

    @property
    def bounded(self) -> bool:
        """Whether anything is."""
        return self.jobs is not None or self.tokens is not None

    @property
    def low(self) -> bool:
        """Whether less than a tenth of a share is left."""
        pairs = ((self.jobs_left, self.jobs), (self.tokens_left, self.tokens))
        return any(left is not None and most is not None and left * 10 < most for left, most in pairs)

    @property
    def sentence(self) -> str:
        """As it stands on the page, "" where nothing is bounded."""
        parts = []
        if self.jobs is not None:
            minutes = round(self.window_seconds / MINUTE)
            parts.append(f"{self.jobs_left:,} of {self.jobs:,} answers left in {minutes} minutes")
        if self.tokens is not None:
            parts.append(f"{self.tokens_left:,} of {self.tokens:,} tokens left today")
        return ", ".join(parts)


class Ledger(Protocol):
    """Where tokens are written down for the next start: a digest of the person's name, hour since 1970, tokens."""

    def add(self, spent: Mapping[tuple[str, int], int], forget: int) -> None:
        """Add tokens by (who, hour); hours up to `forget` are forgotten. Raises UserError."""

    def since(self, hour: int) -> Iterable[tuple[str, int, int]]:
        """(who, hour, tokens) from this hour on."""
        ...


@dataclass
class _Account:
    """What one person or address has had: when jobs began, and tokens by the hour."""

    jobs: deque[float] = field(default_factory=deque)
    hours: dict[int, int] = field(default_factory=dict)

    def settle(self, now: float, window: float) -> None:
        """Forget what no longer counts; what lies ahead, of a clock that was set back, counts from now on."""
        hour = int(now // HOUR)
        if self.jobs and max(self.jobs) > now:
            self.jobs = deque(min(began, now) for began in self.jobs)
        for ahead in [each for each in self.hours if each > hour]:
            self.hours[hour] = self.hours.get(hour, 0) + self.hours.pop(ahead)
        while self.jobs and self.jobs[0] <= now - window:
            self.jobs.popleft()
        for hour in [each for each in self.hours if each <= now // HOUR - HOURS]:
            del self.hours[hour]

    @property
    def tokens(self) -> int:
        return sum(self.hours.values())

    @property
    def empty(self) -> bool:
        return not self.jobs and not self.hours


class _Accounts:
    """The accounts of persons or of addresses, the latest at work last; only who had a job has one."""

    def __init__(self, limits: QuotaLimits, whose: str) -> None:
        self.limits, self.whose = limits, whose
        self._all: OrderedDict[str, _Account] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def seen(self, who: str, now: float) -> _Account:
        """The account as it counts now; one that is not kept where there is none."""
        account = self._all.get(who)
        if account is None:
            return _Account()
        account.settle(now, self.limits.window_seconds)
        if account.empty:
            del self._all[who]
        return account

    def own(self, who: str, now: float) -> _Account:
        """The account, to be written into."""
        account = self._all[who] = self.seen(who, now)
        self._all.move_to_end(who)
        while len(self._all) > self.limits.accounts:
            self._all.popitem(last=False)
        return account

    def check(self, who: str, now: float) -> None:
        """Raises Busy with a sentence where a share is used up."""
        limits, account = self.limits, self.seen(who, now)
        if limits.jobs is not None and len(account.jobs) >= limits.jobs:
            free = account.jobs[len(account.jobs) - limits.jobs] + limits.window_seconds - now
            minutes = round(limits.window_seconds / MINUTE)
            raise Busy(
                f"{self.whose} share of {limits.jobs:,} answers in {minutes} minutes is used up: "
                f"there is more {_in(free)}."
            )
        if limits.tokens is not None and account.tokens >= limits.tokens:
            raise Busy(self.used_up(account, now))

    def used_up(self, account: _Account, now: float) -> str:
        """The sentence about the day's tokens, and when the first of them come back."""
        spent, back = account.tokens - (self.limits.tokens or 0), now
        for hour in sorted(account.hours):
            spent -= account.hours[hour]
            back = (hour + HOURS) * HOUR
            if spent < 0:
                break
        return f"{self.whose} share of {self.limits.tokens:,} tokens a day is used up: there is more {_in(back - now)}."


class Quotas:
    """The shares of all; any thread may ask. clock: seconds since 1970."""

    def __init__(
        self, limits: QuotaLimits, clock: Callable[[], float] = time.time, ledger: Ledger | None = None
    ) -> None:
        self.limits = limits
        self._clock, self._ledger = clock, ledger
        self._lock = threading.Lock()
        self._unwritten: Counter[tuple[str, int]] = Counter()
        self._persons = _Accounts(limits, "Your")
        self._addresses = _Accounts(limits.of_address, "Your network's")
        self._networks = _Accounts(limits.of_network, "Your network's")
        if ledger is not None and limits.tokens is not None:
            self._remember(ledger)

    def __len__(self) -> int:
        """How many persons and addresses are remembered."""
        with self._lock:
            return len(self._persons) + len(self._addresses) + len(self._networks)

    def admit(self, viewer: Viewer) -> None:
        """Count one job that is about to wait for its turn. Raises Busy with the share that is used up and the time
        until there is more; nothing is counted then."""
        if not self.limits.any:
            return
        with self._lock:
            now, accounts = self._clock(), self._of(viewer)
            for these, who in accounts:
                these.check(who, now)
            for these, who in accounts:
                these.own(who, now).jobs.append(now)

    def take_back(self, viewer: Viewer) -> None:
        """A job that was admitted went without having had its turn: it is not counted."""
        if not self.limits.any:
            return
        with self._lock:
            for these, who in self._of(viewer):
                account = these.seen(who, self._clock())
                if account.jobs:
                    account.jobs.pop()

    def spend(self, viewer: Viewer, tokens: int) -> None:
        """Count tokens that the model has read for this person."""
        if not self.limits.any or tokens <= 0:
            return
        with self._lock:
            self._count(viewer, tokens)

    def keep(self, viewer: Viewer, size: int) -> None:
        """Count bytes that somebody brings in as tokens; Busy, and nothing is counted, where they have not as many."""
        if not self.limits.any or size <= 0:
            return
        tokens = -(-size // BYTES_A_TOKEN)
        with self._lock:
            left = self._shares(viewer).tokens_left
            if left is not None and tokens > left:
                raise Busy(
                    f"Keeping this counts as {tokens:,} tokens, one for every {BYTES_A_TOKEN} bytes, and {left:,} are "
                    "left to you today: bring in less, or try again tomorrow."
                )
            self._count(viewer, tokens)

    def write_down(self) -> None:
        """Hand what was spent meanwhile to the ledger; beside the jobs, which wait for no disk."""
        with self._lock:
            spent, self._unwritten = self._unwritten, Counter()
        if self._ledger is None or not spent:
            return
        try:
            self._ledger.add(dict(spent), int(self._clock() // HOUR) - HOURS)
        except UserError:
            with self._lock:
                self._unwritten.update(spent)
            raise

    def tokens_left(self, viewer: Viewer) -> int | None:
        """How many tokens the model may still read for this person today, None for as many as wanted."""
        return self.remaining(viewer).tokens_left

    def used_up(self, viewer: Viewer) -> str:
        """The sentence for somebody whose tokens of the day have just been used up."""
        with self._lock:
            now = self._clock()
            for these, who in self._of(viewer):
                account = these.seen(who, now)
                if these.limits.tokens is not None and account.tokens >= these.limits.tokens:
                    return these.used_up(account, now)
        return ""

    def remaining(self, viewer: Viewer) -> Shares:
        """What is left to this person: the lesser of what they and their address have left."""
        with self._lock:
            return self._shares(viewer)

    def _count(self, viewer: Viewer, tokens: int) -> None:
        now = self._clock()
        hour = int(now // HOUR)
        for these, who in self._of(viewer):
            hours = these.own(who, now).hours
            hours[hour] = hours.get(hour, 0) + tokens
            if these is self._persons and self._ledger is not None:
                self._unwritten[who, hour] += tokens

    def _shares(self, viewer: Viewer) -> Shares:
        jobs, tokens = [], []
        now = self._clock()
        for these, who in self._of(viewer):
            account = these.seen(who, now)
            if these.limits.jobs is not None:
                jobs.append(max(0, these.limits.jobs - len(account.jobs)))
            if these.limits.tokens is not None:
                tokens.append(max(0, these.limits.tokens - account.tokens))
        limits = self.limits
        return Shares(
            min(jobs, default=None) if limits.jobs is not None else None,
            limits.jobs,
            min(tokens, default=None) if limits.tokens is not None else None,
            limits.tokens,
            limits.window_seconds,
        )

    def _of(self, viewer: Viewer) -> list[tuple[_Accounts, str]]:
        mine = [(self._persons, digest_of(viewer.name))]
        # a caller without one came through the same machine
        if viewer.address:
            mine.append((self._addresses, viewer.address))
        if network := network_of(viewer.address):
            mine.append((self._networks, network))
        return mine

    def _remember(self, ledger: Ledger) -> None:
        """Take over what was spent before this start."""
        now = self._clock()
        for who, hour, tokens in ledger.since(int(now // HOUR) - HOURS + 1):
            self._persons.own(who, now).hours[hour] = tokens


def _in(seconds: float) -> str:
    """A time from now on, rounded up."""
    if seconds < 90:
        return f"in {max(1, round(seconds + 0.5)):.0f} seconds"
    minutes = -(-seconds // MINUTE)
    return f"in {minutes:.0f} minutes" if minutes < 100 else f"in {-(-seconds // HOUR):.0f} hours"
