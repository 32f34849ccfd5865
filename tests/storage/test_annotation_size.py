"""Promises of size: a session of 10,000 items and twenty members is made, dealt and listed without waiting."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.errors import BadInput
from storage.annotation_records import NewItem
from storage.database import Store
from tests.storage.annotating import OWNER, Desk, answer, desk, event, label
from tests.storage.examples import small_trace

ITEMS = 10_000
PEOPLE = 20


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """10,000 items of 200 tokens, every one labelled by one of twenty people."""
    with Store(tmp_path_factory.mktemp("large") / "library.db") as store:
        for seed in range(40):
            store.runs.add(small_trace(seed, 200), status="finished", run_scores={}, uid=f"large-{seed}")
        items = [NewItem((f"large-{i % 40}",)) for i in range(ITEMS)]
        began = time.perf_counter()
        made = desk(store, runs=0, members=PEOPLE, items=items)
        assert time.perf_counter() - began < 20
        with store.write() as session:  # places alone, as if the labels had been saved
            session.execute(
                text("""
                INSERT INTO annotation_place
                SELECT i.id, 1 + i.place % :people, 1, 1 + i.place / :people, 'submitted', 0, 0, 0, '', ''
                FROM annotation_item AS i WHERE i.place % 3 > 0
                """),
                {"people": PEOPLE - 1},
            )
        yield made


def quickest(work: Callable[[], object], times: int = 5) -> float:
    """Seconds of the quickest of some calls: what the work takes where nobody else is in the way."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def test_the_next_item_is_dealt_at_once(at: Desk) -> None:
    last = at.members[-1]

    def one_more() -> None:
        item = at.submit(last)
        assert item is not None and item.place % 3 == 0, "the fewest labelled come first"

    assert quickest(one_more) < 0.1
    assert quickest(lambda: at.take(last)) < 0.05
    assert at.api.progress(at.uid, last, now=at.now).total == ITEMS
    assert quickest(lambda: at.api.progress(at.uid, last, now=at.now)) < 0.1


def test_dealing_new_items_to_everybody_is_quick(at: Desk) -> None:
    people = iter(at.members[:-1])
    assert quickest(lambda: at.take(next(people)), 10) < 0.05


def test_a_save_is_quick(at: Desk) -> None:
    last = at.members[-1]
    item = at.take(last)
    assert item is not None
    assert quickest(lambda: at.save(last, item, label())) < 0.03


def own_seconds(work: Callable[[], object]) -> float:
    """What a call itself computes: what the lock is held for where the disk does not wait."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


@pytest.fixture
def quiet_collector() -> Iterator[None]:
    """The collector walks what a test makes itself, not the millions of objects that earlier tests left alive."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("quiet_collector")
def test_a_save_after_thousands_of_labels_is_quick(tmp_path: Path) -> None:
    """One person may not hold the others up by labelling every span there is."""
    spans = [(start, stop) for start in range(100) for stop in range(start + 1, 101)][:4000]
    with Store(tmp_path / "library.db") as store:
        store.runs.add(small_trace(0, 100), status="finished", run_scores={}, uid="long")
        at = desk(store, runs=0, members=1, items=[NewItem(("long",))])
        ada, item = at.members[0], at.take(at.members[0])
        assert item is not None
        for first in range(0, len(spans), 500):
            part = [label(start, stop) for start, stop in spans[first : first + 500]]
            assert own_seconds(partial(at.save, ada, item, *part)) < 0.5
        assert min(own_seconds(lambda: at.save(ada, item, event("time"))) for _ in range(9)) < 0.1
        turns = [event(kind) for _ in range(160) for kind in ("submit", "reopen")]
        assert own_seconds(lambda: at.save(ada, item, answer(), *turns, event("submit"))) < 0.5
        rest = store.annotations.own_events(at.uid, ada, item.uid)
        with pytest.raises(BadInput, match="at most 5,000 actions"):
            for _ in range(3):
                at.save(ada, item, *(event("time") for _ in range(400)))
        assert len(rest) < len(store.annotations.own_events(at.uid, ada, item.uid)) <= 5_000


def test_lists_are_quick(at: Desk) -> None:
    assert quickest(lambda: at.api.sessions(viewer=OWNER)) < 0.05
    assert quickest(lambda: at.api.items(at.uid, viewer=OWNER, offset=5000, limit=50)) < 0.2
    assert quickest(lambda: at.api.outline(at.uid), 2) < 2
    assert quickest(lambda: at.api.gone(at.uid), 2) < 1


def test_a_forked_session_of_that_size_is_made_soon(at: Desk) -> None:
    record = at.api.get(at.uid, viewer=OWNER)
    began = time.perf_counter()
    fork = at.api.fork(at.uid, viewer=OWNER, title="Fork", schema=record.schema)
    assert time.perf_counter() - began < 20 and at.api.get(fork, viewer=OWNER).items == ITEMS
