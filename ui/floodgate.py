"""Keeps one caller from filling the server's own queue: calls a second, requests at once and bytes sent, of each person
and of each network address.

Stands before gradio's queue, which takes whatever comes until it is full for everybody. A page in use stays far below
these bounds. Does not know what a call does.
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.access import SCOPE_KEY, Identity
from ui.addresses import network_of
from ui.body_limit import MEBIBYTE, answer

# calls that gradio puts into its queue
QUEUED = ("/queue/join", "/call/")
# what is put together anew for everybody who opens it
PAGES = ("/", "/config", "/gradio_api/info", "/gradio_api/openapi.json")
# how many addresses' worth of calls the network may make in which one person can have thousands of them
NETWORK = 4


@dataclass(frozen=True)
class FloodLimits:
    """Of one caller: queued calls (a burst, and so many a second after it), all others that send something, open
    requests, bytes sent (a burst, and so many an hour), and openings of the page. callers: how many are remembered."""

    queued: float
    queued_a_second: float
    direct: float
    direct_a_second: float
    open: int
    bytes: float
    callers: int = 5_000
    pages: float = 60
    pages_a_second: float = 1.0

    def times(self, many: int) -> FloodLimits:
        """So many times as much of everything."""
        counted = {one.name: getattr(self, one.name) * many for one in fields(self) if one.name != "callers"}
        return replace(self, **counted)

    @classmethod
    def of_person(cls, mode: str) -> FloodLimits | None:
        """Of one person; nothing bounds the one who uses a page of their own."""
        if mode == "local":
            return None
        stranger = cls(20, 2.0, 120, 20.0, 32, 128 * MEBIBYTE)
        return stranger if mode == "public" else replace(stranger, queued_a_second=5.0, bytes=4096 * MEBIBYTE)

    @classmethod
    def of_address(cls, mode: str) -> FloodLimits | None:
        """Of one address, less than the whole queue; people with links of their own may share one."""
        bounds = cls(40, 8.0, 400, 80.0, 128, 512 * MEBIBYTE, pages=240, pages_a_second=2.0)
        return bounds if mode == "public" else None


class _Bucket:
    """So many at once, and more with time."""

    __slots__ = ("left", "since")

    def __init__(self, most: float, now: float) -> None:
        self.left, self.since = most, now

    def take(self, amount: float, most: float, a_second: float, now: float) -> float:
        """Take so many; seconds until they will be there where they are not, else 0."""
        self.left = min(most, self.left + (now - self.since) * a_second)
        self.since = now
        if self.left >= amount:
            self.left -= amount
            return 0.0
        return (amount - self.left) / a_second


class _Callers:
    """The buckets and open requests of many callers, those that called last."""

    def __init__(self, limits: FloodLimits, clock: Callable[[], float]) -> None:
        self.limits, self._clock = limits, clock
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()
        self.open: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._buckets) + len(self.open)

    def take(self, who: str, kind: str) -> float:
        """Count a call; seconds to wait where the bound is reached, else 0."""
        bucket, most, a_second, now = self._bucket(who, kind)
        return bucket.take(0.0 if kind == "bytes" else 1.0, most, a_second, now)

    def sent(self, who: str, size: int) -> None:
        """Count bytes that have come: what is too much of them is paid off before the next call."""
        self._bucket(who, "bytes")[0].left -= size

    def _bucket(self, who: str, kind: str) -> tuple[_Bucket, float, float, float]:
        limits = self.limits
        most, a_second = {
            "queued": (limits.queued, limits.queued_a_second),
            "direct": (limits.direct, limits.direct_a_second),
            "bytes": (limits.bytes, limits.bytes / 3600.0),
            "page": (limits.pages, limits.pages_a_second),
        }[kind]
        now = self._clock()
        bucket = self._buckets.setdefault((who, kind), _Bucket(most, now))
        self._buckets.move_to_end((who, kind))
        while len(self._buckets) > limits.callers:
            self._buckets.popitem(last=False)
        return bucket, most, a_second, now

    def leave(self, who: str) -> None:
        """One open request less."""
        self.open[who] -= 1
        if not self.open[who]:
            del self.open[who]


class Floodgate:
    """Middleware behind the one that says who calls. It runs in the server's one loop, so it needs no lock."""

    def __init__(
        self,
        app: ASGIApp,
        person: FloodLimits | None,
        address: FloodLimits | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self._persons = _Callers(person, clock) if person else None
        self._addresses = _Callers(address, clock) if address else None
        self._networks = _Callers(address.times(NETWORK), clock) if address else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = scope.get(SCOPE_KEY)
        if scope["type"] != "http" or not isinstance(identity, Identity):
            return await self.app(scope, receive, send)
        callers = [
            (these, who)
            for these, who in (
                (self._persons, identity.name),
                (self._addresses, identity.address),
                (self._networks, network_of(identity.address)),
            )
            if these is not None and who
        ]
        kind = _kind(scope)
        for counted in (kind, "bytes") if kind else ():
            for these, who in callers:
                # in this order, so that what a person is refused is not counted for their address
                if wait := these.take(who, counted):
                    return await _refuse(send, wait)
        if any(these.open[who] >= these.limits.open for these, who in callers):
            return await _refuse(send, 1.0)
        for these, who in callers:
            these.open[who] += 1
        try:
            await self.app(scope, _counting(receive, callers), send)
        finally:
            for these, who in callers:
                these.leave(who)


def _kind(scope: Scope) -> str:
    """What a request counts as; "" for reading what is there."""
    path = scope["path"]
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return "page" if (path.rstrip("/") or "/") in PAGES else ""
    return "queued" if any(part in path for part in QUEUED) else "direct"


def _counting(receive: Receive, callers: list[tuple[_Callers, str]]) -> Receive:
    """A `receive` that counts bytes; who has sent too many waits with the next request, not in the middle of one."""

    async def wrapped() -> Message:
        message = await receive()
        size = len(message.get("body", b""))
        for these, who in callers:
            if size:
                these.sent(who, size)
        return message

    return wrapped


async def _refuse(send: Send, seconds: float) -> None:
    wait = max(1, math.ceil(seconds))
    when = f"{wait} seconds" if wait < 120 else f"{math.ceil(wait / 60)} minutes"
    sentence = f"Too many calls came from you or your network at once: try again in {when}."
    await answer(send, 429, sentence, (b"retry-after", str(wait).encode()))
