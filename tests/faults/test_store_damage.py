"""A promise for bad disks: a damaged copy gives back exactly what was stored or says that it is damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.errors import StoreDamaged
from storage.database import Store
from storage.records import RunQuery, StoredRun
from tests.faults.counts import DAMAGED_LIBRARIES
from tests.storage.examples import assert_same_trace, continued, small_trace

RUNS = 30
COPIES = DAMAGED_LIBRARIES

# what fails once fails again
pytestmark = pytest.mark.usefixtures("same_every_time")


@pytest.fixture(scope="module")
def original(same_every_time: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, StoredRun]]:
    """The bytes of a sound store, and what it holds."""
    path = tmp_path_factory.mktemp("sound") / "library.db"
    with Store(path) as store:
        for seed in range(RUNS):
            trace = small_trace(seed, 80, 20, 8)
            uid = store.runs.add(
                trace, status="finished", run_scores={"h": seed / 7}, title=f"run {seed}", tags=[f"t{seed}"], note="n"
            )
            if seed % 3 == 0:
                fork = continued(trace, 60, seed + 500, 80)
                store.runs.add(fork, status="finished", run_scores={}, parent=uid, fork_position=60)
        rows = store.runs.list(RunQuery("local", limit=500)).rows
        runs = {row.uid: store.runs.get(row.uid, viewer="local") for row in rows}
        assert store.check().ok
    return path.read_bytes(), runs


def flip(content: bytearray, rng: np.random.Generator) -> None:
    for position in rng.integers(0, len(content), int(rng.integers(1, 40))):
        content[position] ^= int(rng.integers(1, 256))


def scribble(content: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(0, len(content) - 600))
    content[start : start + 600] = rng.bytes(600)


def blank_a_page(content: bytearray, rng: np.random.Generator) -> None:
    page = int(rng.integers(1, len(content) // 4096)) * 4096
    content[page : page + 4096] = bytes(4096)


def swap_pages(content: bytearray, rng: np.random.Generator) -> None:
    one, two = (int(page) * 4096 for page in rng.choice(np.arange(1, len(content) // 4096), 2, replace=False))
    content[one : one + 4096], content[two : two + 4096] = content[two : two + 4096], content[one : one + 4096]


def cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(0, len(content))) :]


def cut_and_refill(content: bytearray, rng: np.random.Generator) -> None:
    """A file whose end was lost and came back as zeros, as after a crash of the machine."""
    size = len(content)
    cut(content, rng)
    content.extend(bytes(size - len(content)))


WAYS: list[Callable[[bytearray, np.random.Generator], None]] = [flip, flip, flip, scribble, blank_a_page, swap_pages]
WAYS += [cut, cut_and_refill]


def open_all(path: Path, runs: dict[str, StoredRun]) -> Counter[str]:
    """Open every run; returns how many came back exactly and how many were called damaged. Anything else fails."""
    seen: Counter[str] = Counter()
    try:
        store = Store(path)
    except StoreDamaged:
        return Counter({"refused": 1})
    with store:
        for uid, expected in runs.items():
            try:
                found = store.runs.get(uid, viewer="local")
            except StoreDamaged as damage:
                assert str(damage).endswith(".")
                seen["damaged"] += 1
                continue
            assert found.header == expected.header
            assert_same_trace(found.trace, expected.trace)
            seen["exact"] += 1
        named = {uid for uid, _ in store.check().damaged_runs}
        for row in list_rows(store):
            assert row.damaged or row == runs[row.uid].header
            assert not row.damaged or row.uid in named or row.uid not in runs
    return seen


def list_rows(store: Store) -> tuple:  # type: ignore[type-arg]
    try:
        return store.runs.list(RunQuery("local", limit=500)).rows
    except StoreDamaged:
        return ()


def test_a_damaged_copy_never_gives_wrong_numbers(original: tuple[bytes, dict[str, StoredRun]], tmp_path: Path) -> None:
    content, runs = original
    total: Counter[str] = Counter()
    noticed = 0
    for copy in range(COPIES):
        rng = np.random.default_rng(copy)
        changed = bytearray(content)
        WAYS[copy % len(WAYS)](changed, rng)
        path = tmp_path / f"copy{copy}.db"
        path.write_bytes(changed)
        seen = open_all(path, runs)
        noticed += bool(seen["damaged"] or seen["refused"])
        total += seen
    assert noticed >= COPIES // 2, "most of these copies must have lost something, else the test shows nothing"
    assert total["exact"] > total["damaged"] > 0 and total["refused"] > 0, total


def test_the_sound_original_opens_completely(original: tuple[bytes, dict[str, StoredRun]], tmp_path: Path) -> None:
    content, runs = original
    path = tmp_path / "copy.db"
    path.write_bytes(content)
    assert open_all(path, runs) == Counter({"exact": len(runs)})


def test_a_refused_file_is_not_changed_by_the_refusal(
    original: tuple[bytes, dict[str, StoredRun]], tmp_path: Path
) -> None:
    content, _ = original
    for name, changed in {
        "cut": content[: len(content) // 2],
        "header": b"X" + content[1:],
        "page one": content[:100] + bytes(400) + content[500:],
    }.items():
        path = tmp_path / f"{name}.db"
        path.write_bytes(changed)
        with pytest.raises(StoreDamaged):
            Store(path)
        assert path.read_bytes() == changed and [p.name for p in tmp_path.iterdir() if p.name.startswith(name)] == [
            path.name
        ]
