"""Makes trying wrong secrets slow: each wrong one of an address waits longer than the one before.

Knows addresses and time; does not know what is tried.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

FIRST_SECONDS, MOST_SECONDS = 0.25, 8.0
FORGOTTEN_SECONDS = 600.0
MOST_ADDRESSES, MOST_WAITING = 1_000, 64


class Patience:
    """How often every address was wrong of late; those that were longest silent are forgotten first."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    async def wait(self, address: str) -> bool:
        """Count one more wrong try and let it wait its time; False, at once, when too many wait already."""
        now = self._clock()
        count, last = self._wrong.pop(address, (0, now))
        count = 1 if now - last > FORGOTTEN_SECONDS else count + 1
        self._wrong[address] = (count, now)
        while len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        if self._waiting >= MOST_WAITING:
            return False
        self._waiting += 1
        try:
            await self._sleep(min(FIRST_SECONDS * 2.0 ** min(count - 1, 10), MOST_SECONDS))
        finally:
            self._waiting -= 1
        return True
