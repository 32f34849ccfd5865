"""Promises for bad days of annotators: kills in the middle of saves, full disks, twenty people at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from engine.errors import NotFound, StoreDamaged, UserError
from storage.annotation_records import MemberRecord, NewItem
from storage.database import Store
from tests.faults.annotation_writer import ITEMS_EACH
from tests.faults.counts import DAMAGED_SESSIONS, KILLED_ANNOTATORS
from tests.faults.test_store_damage import WAYS
from tests.faults.test_store_full import limit_pages
from tests.storage.annotating import OWNER, Desk, answer, desk, event, label
from tests.storage.examples import small_trace
from tests.support.unvarying import unvarying

KILLS = KILLED_ANNOTATORS
PEOPLE = 20
SAVES = 25
COPIES = DAMAGED_SESSIONS


def test_kill_9_loses_no_acknowledged_action_and_leaves_no_half_one(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    with Store(path) as store:
        # for each kill its share, and one that is left for the end
        items = [NewItem((f"run-{i % 3}",)) for i in range(-(-KILLS // 4) * ITEMS_EACH + 1)]
        at = desk(store, runs=3, items=items, members=4, overlap=0)
    acknowledged: dict[str, list[tuple[str, str]]] = {member.uid: [] for member in at.members}
    command = [sys.executable, "-m", "tests.faults.annotation_writer", str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, cwd=root, **pipes) as server:  # type: ignore[call-overload]
        for kill in range(KILLS):
            member = at.members[kill % 4]
            acknowledged[member.uid] += kill_one_annotator(server, at, member, kill)
        server.stdin.close()
        assert server.wait(timeout=10) == 0
    promised = sum(map(len, acknowledged.values()))
    assert promised >= KILLS, "the annotators were killed before they saved anything: the test shows nothing"
    with Store(path) as store:
        assert store.check().ok
        events = store.annotations.all_events(at.uid, viewer=OWNER)
        assert promised <= len(events) <= promised + KILLS, "at most one action per kill came without an answer"
        for uid, lines in acknowledged.items():
            own = [(row.item, row.uuid) for row in events if row.member == uid]
            assert len(set(own)) == len(own), "nothing is doubled"
            assert [line for line in own if line in set(lines)] == lines, "all that was promised, in its order"
        at.store = store
        for member in at.members:
            assert at.submit(member) is not None
        assert store.check().ok


def kill_one_annotator(
    server: subprocess.Popen[str], at: Desk, member: MemberRecord, kill: int
) -> list[tuple[str, str]]:
    """Start an annotator, let it work for a random moment, kill it; returns what it had been promised by then."""
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(f"{at.uid} {member.uid} {kill + 1}\n")
    server.stdin.flush()
    found: list[tuple[str, str]] = []
    pid, killed = None, False
    for line in server.stdout:
        words = line.split()
        if words == ["dead"]:
            return found
        if words[0] == "pid":
            pid = int(words[1])
        else:
            found.append((words[0], words[1]))
        if pid is not None and found and not killed:
            time.sleep(random.Random(kill).uniform(0, 0.06))
            os.kill(pid, signal.SIGKILL)
            killed = True
    raise AssertionError("the process that starts the annotators ended")


def test_twenty_people_at_once_lose_nothing_and_wait_little(tmp_path: Path) -> None:
    """Each saves as soon as the last save has returned and a short breath is over: far more often than people do."""
    with Store(tmp_path / "library.db") as store:
        items = [NewItem((f"run-{i % 3}",)) for i in range(200)]
        at = desk(store, runs=3, items=items, members=PEOPLE)
        seconds: list[float] = []
        start = threading.Barrier(PEOPLE)

        def work(member: MemberRecord) -> list[str]:
            session, me = at.api.who(secret=at.secrets[member.number - 1])
            saved = []
            start.wait()
            while len(saved) < SAVES:
                item = at.api.take_next(session, me)
                assert item is not None
                for one in (label(1, 3), label(4, 6), event("comment", text="x" * 200), answer(), event("submit")):
                    time.sleep(random.random() * 0.3)
                    began = time.perf_counter()
                    at.api.save(session, me, item.uid, [one])
                    seconds.append(time.perf_counter() - began)
                    saved.append(one.uuid)
            return saved

        with ThreadPoolExecutor(PEOPLE) as pool:
            saved = [uuid for found in pool.map(work, at.members) for uuid in found]
        events = at.api.all_events(at.uid, viewer=OWNER)
        assert Counter(row.uuid for row in events) == Counter(saved) and len(saved) == PEOPLE * SAVES
        assert store.check().ok
        assert max(Counter(row.item for row in events if row.event.kind == "submit").values()) <= 2
        assert np.quantile(seconds, 0.95) < 0.3, f"95 % of saves within {np.quantile(seconds, 0.95):.3f} s"


@pytest.mark.parametrize("extra", [0, 1, 2, 5])
def test_a_full_disk_leaves_nothing_half(tmp_path: Path, extra: int) -> None:
    with Store(tmp_path / "library.db") as store:
        at = desk(store, runs=2, members=2)
        item = at.take(at.members[0])
        assert item is not None
        at.save(at.members[0], item, label())
        for seed in range(10, 40):
            store.runs.add(small_trace(seed, 100), status="finished", run_scores={}, uid=f"run-{seed}")
        whole = at.api.whole(at.uid, viewer=OWNER)
        limit_pages(store, extra)
        full = r"no room left.*nothing is lost"
        long = [event("comment", text="x" * 9_000) for _ in range(20)]
        with pytest.raises(UserError, match=full):
            at.save(at.members[0], item, *long)
        with pytest.raises(UserError, match=full):
            at.api.create(
                owner=OWNER, title="T", schema=whole.session.schema, guidelines="x" * 100_000,
                settings=whole.session.settings, items=[NewItem((f"run-{s}",)) for s in range(10, 40)], viewer=OWNER,
            )  # fmt: skip
        with pytest.raises(UserError, match=full):
            at.api.import_labels(at.uid, {item.uid: long}, viewer=OWNER)
        with pytest.raises(UserError, match=full):
            at.api.change(at.uid, viewer=OWNER, guidelines="x" * 150_000)
        assert store.check().ok and at.api.whole(at.uid, viewer=OWNER) == whole
        limit_pages(store, None)
        assert at.save(at.members[0], item, *long) == 21 and store.check().ok


def read_all(store: Store, uid: str) -> dict[str, Callable[[], object]]:
    """Everything that can be read of a session, each by itself."""
    api = store.annotations
    return {
        "session": lambda: api.get(uid, viewer=OWNER),
        "members": lambda: api.members(uid, viewer=OWNER),
        "items": lambda: api.items(uid, viewer=OWNER),
        "outline": lambda: api.outline(uid),
        "events": lambda: api.all_events(uid, viewer=OWNER),
        "places": lambda: api.places(uid, viewer=OWNER),
        "finals": lambda: api.finals(uid, viewer=OWNER, history=True),
        "whole": lambda: api.whole(uid, viewer=OWNER),
    }


@pytest.fixture
def unvaried() -> Iterator[None]:
    """Of one test only: others of this file need a clock that goes."""
    with unvarying():
        yield


@pytest.mark.usefixtures("unvaried")
def test_a_damaged_copy_gives_back_what_was_entered_or_says_that_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    with Store(path) as store:
        at = desk(store, runs=3, items=[NewItem((f"run-{i % 3}",)) for i in range(30)], members=3)
        for member in at.members:
            while at.submit(member) is not None:
                pass
        for row in at.api.outline(at.uid)[:10]:
            at.api.add_final(at.uid, row.uid, {"answers": {"correct": "no"}}, viewer=OWNER, reason="so")
        expected = {name: read() for name, read in read_all(store, at.uid).items()}
        assert len(at.api.all_events(at.uid, viewer=OWNER)) == 180
    content = path.read_bytes()
    seen: Counter[str] = Counter()
    for copy in range(COPIES):
        changed = bytearray(content)
        WAYS[copy % len(WAYS)](changed, np.random.default_rng(copy))
        damaged = tmp_path / f"copy{copy}.db"
        damaged.write_bytes(changed)
        try:
            with Store(damaged) as store:
                for name, read in read_all(store, at.uid).items():
                    try:
                        assert read() == expected[name], name
                        seen["exact"] += 1
                    except (StoreDamaged, NotFound) as refusal:
                        assert isinstance(refusal, StoreDamaged), "what is damaged is not called absent"
                        seen["damaged"] += 1
        except StoreDamaged:
            seen["refused"] += 1
    assert seen["exact"] > 0 and seen["damaged"] > COPIES / 2 and seen["refused"] > 0, seen
