"""A promise for long days: five hundred answers in a row cost no memory, no thread and no open file.

Through the app's own use cases: most with the tiny model, branches, replicates, trees, forks and chains among them, and
a stretch with the embedded one; and as many tabs that are closed in the middle. Memory is what this process has for
itself, in the machine or swapped out of it, without the pages that SQLite keeps at hand, of which there is a most.
"""

from __future__ import annotations

import ctypes
import gc
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from engine import generate
from engine.models import LanguageModel
from engine.types import GenerationRequest, Trace
from storage.database import Store
from tests.support.bench import ME, all_saved, bench_of, lines
from tests.support.jobs import KINDS
from ui import actions

ANSWERS = 500
CLOSED = 500
GROWTH = 0.01
# one in so many is the embedded model's, one in so many of another kind than plain sampling
EMBEDDED_EVERY = 12
KIND_EVERY = 8
WARM_UP = 36

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the counters of Linux")


class Held(NamedTuple):
    """What a process holds: bytes of memory, threads, open files, tensors."""

    memory: int
    threads: int
    files: int
    tensors: int


def held(store: Store) -> Held:
    store.close()
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    memory = sum(int(size) * 1024 for size in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+) kB$", status, re.MULTILINE))
    tensors = sum(1 for one in gc.get_objects() if type(one) is torch.Tensor)
    return Held(memory, threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), tensors)


def assert_not_grown(before: Held, store: Store, what: str) -> None:
    now = held(store)
    grown = now.memory - before.memory
    print(f"{what}: {grown / before.memory:+.3%} of {before.memory / 2**20:.0f} MB; {before} {now}")
    assert grown <= GROWTH * before.memory, f"grew by {grown / 2**20:.1f} MB of {before.memory / 2**20:.0f} MB"
    assert now.threads <= before.threads and now.files <= before.files and now.tensors <= before.tensors


def finish(job: Iterator[str]) -> None:
    *_, document = job
    assert not any(line.get("problem") for line in lines(document))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "library.db") as store:
        yield store


@pytest.fixture(scope="module")
def ten(tiny: LanguageModel) -> Trace:
    return generate.run(tiny, GenerationRequest("Tell me", max_new_tokens=10, seed=3))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch's threads would wait for one another by spinning; documents come as often as they can."""
    monkeypatch.setattr(actions, "FRAME_SECONDS", 0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_five_hundred_answers_leave_memory_threads_and_files_as_they_were(
    tiny: LanguageModel, embedded: LanguageModel, ten: Trace, store: Store
) -> None:
    bench, embedded_bench = bench_of(tiny, store), bench_of(embedded, store)

    def answer(number: int) -> None:
        if number % EMBEDDED_EVERY == 0:
            # as short a prompt as there is: reading it is most of the time
            job = embedded_bench.generate({"prompt": "Hi", "system": "x", "max_new_tokens": 4, "seed": number}, ME)
        elif number % KIND_EVERY == 1:
            another(number // KIND_EVERY)
            return
        else:
            job = bench.generate({"prompt": "Tell me", "max_new_tokens": 8, "seed": number}, ME)
        finish(job)

    def another(number: int) -> None:
        finish(KINDS[number % len(KINDS)].begin(bench, ten))

    for number in range(len(KINDS)):
        another(number)
    for number in range(WARM_UP):
        answer(number)
    before = held(store)
    for number in range(ANSWERS):
        answer(number)
    assert_not_grown(before, store, f"{ANSWERS} answers")


def test_five_hundred_closed_tabs_leave_memory_threads_and_files_as_they_were(
    tiny: LanguageModel, store: Store
) -> None:
    bench = bench_of(tiny, store)

    def close(number: int) -> None:
        job = bench.generate({"prompt": "Tell me", "max_new_tokens": 400, "seed": number}, ME)
        for _ in range(number % 4):
            next(job)
        job.close()  # type: ignore[attr-defined]
        all_saved()
        assert bench.turns.stop(ME) == 0, "the turn was given back"

    for number in range(WARM_UP):
        close(number)
    before = held(store)
    for number in range(CLOSED):
        close(number)
    assert_not_grown(before, store, f"{CLOSED} closed tabs")
