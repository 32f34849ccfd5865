"""Makes what is written to a file the same in every run of the tests: ids and secrets as drawn, times as told.

For tests that damage such a file at drawn places, so that what fails once fails again. Does not know what is written.
"""

from __future__ import annotations

import itertools
import random
import secrets
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests.storage import annotating
from tests.support.clock import Clock, HandClock, readers


@contextmanager
def unvarying() -> Iterator[None]:
    """Uids and secrets that are drawn alike, actions numbered from one, and time that stands still, for a block."""
    rng = random.Random(1)
    with pytest.MonkeyPatch.context() as patch:
        Clock(patch, readers()).hold(datetime(2026, 3, 1, 12, tzinfo=UTC))
        patch.setattr(time, "perf_counter", HandClock())
        patch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=rng.randbytes(16), version=4))
        patch.setattr(secrets, "token_hex", lambda size: rng.randbytes(size).hex())
        patch.setattr(
            secrets, "token_urlsafe", lambda size: urlsafe_b64encode(rng.randbytes(size)).decode().rstrip("=")
        )
        patch.setattr(annotating, "_numbers", itertools.count(1))
        yield
