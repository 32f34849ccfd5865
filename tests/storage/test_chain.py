"""Promises of forks: only their own tokens are stored, they read back exactly, and they survive their parents."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from engine.errors import BadInput, NotFound
from engine.types import Trace
from storage.chain import read_rows
from storage.database import Store
from storage.limits import StoreLimits
from tests.storage.examples import assert_same_trace, continued, small_trace


def add(store: Store, trace: Trace, parent: str | None = None, fork: int | None = None, **options: Any) -> str:
    values = {"status": "finished", "run_scores": {}, "parent": parent, "fork_position": fork}
    return store.runs.add(trace, **{**values, **options})


def own_rows(store: Store, uid: str) -> dict[str, tuple[int, int]]:
    """name -> (rows taken from the parent, rows stored)."""
    query = text("SELECT name, start, shape FROM run_array JOIN run ON run.id = run_id WHERE uid = :uid")
    with store.read() as session:
        return {name: (start, int(shape.split(",")[0])) for name, start, shape in session.execute(query, {"uid": uid})}


def test_a_fork_stores_only_its_own_tokens_and_reads_back_whole(store: Store) -> None:
    parent = small_trace(1, 40)
    child = continued(parent, 30, 2, 45)
    first = add(store, parent)
    second = add(store, child, first, 30)
    rows = own_rows(store, second)
    for name in ("token_ids", "topk_ids", "topk_logprobs", "scores", "margin", "noise_rows", "piece_sizes"):
        assert rows[name] == (30, 15), name
    assert rows["prompt_ids"] == (7, 0)
    stored = store.runs.get(second, viewer="local")
    assert_same_trace(stored.trace, child)
    assert (stored.header.parent, stored.header.fork_position, stored.header.root) == (first, 30, first)
    assert_same_trace(store.runs.get(first, viewer="local").trace, parent)


@given(
    forks=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_forks_of_forks_read_back_exactly(store: Store, forks: list[tuple[int, int]], seed: int) -> None:
    traces = [small_trace(seed, 12)]
    uids = [add(store, traces[0])]
    for step, (fork, more) in enumerate(forks, start=1):
        fork = min(fork, len(traces[-1]))
        traces.append(continued(traces[-1], fork, seed + step, fork + more))
        uids.append(add(store, traces[-1], uids[-1], fork))
    for uid, trace in zip(uids, traces, strict=True):
        assert_same_trace(store.runs.get(uid, viewer="local").trace, trace)
    assert store.runs.header(uids[-1], viewer="local").root == uids[0]


def test_arrays_that_differ_before_the_fork_are_kept_whole(store: Store) -> None:
    parent = small_trace(1, 20)
    forced = replace(
        continued(parent, 15, 2, 20),
        noise_rows=np.full(20, -1, np.int64),
        margin=np.full(20, np.nan, np.float32),
        scores={"another": np.zeros(20, np.float32)},
        prompt_ids=np.arange(3, dtype=np.int32),
    )
    first = add(store, parent)
    second = add(store, forced, first, 15)
    rows = own_rows(store, second)
    assert rows["noise_rows"] == rows["margin"] == rows["scores"] == (0, 20) and rows["prompt_ids"] == (0, 3)
    assert rows["token_ids"] == rows["topk_ids"] == (15, 5)
    assert_same_trace(store.runs.get(second, viewer="local").trace, forced)


def test_scores_of_the_same_number_but_another_name_are_not_shared(store: Store) -> None:
    parent = small_trace(1, 20, scores=1)
    child = continued(parent, 10, 2, 20)
    child = replace(child, scores={"renamed": next(iter(child.scores.values()))})
    uid = add(store, child, add(store, parent), 10)
    assert own_rows(store, uid)["scores"] == (0, 20)
    assert_same_trace(store.runs.get(uid, viewer="local").trace, child)


def test_scores_that_depend_on_the_whole_run_cost_their_own_columns_only(store: Store) -> None:
    parent = small_trace(1, 40, scores=8)
    child = continued(parent, 30, 2, 45)
    scores = {name: values.copy() for name, values in child.scores.items()}
    second, sixth = list(scores)[1], list(scores)[5]
    scores[second][:30] = np.float32(-0.0)
    scores[sixth][7] = np.float32("nan")
    child = replace(child, scores=scores)
    first = add(store, parent)
    uid = add(store, child, first, 30)
    assert own_rows(store, uid)["scores"] == (30, 15) and own_rows(store, uid)["score_columns"] == (0, 2)
    assert_same_trace(store.runs.get(uid, viewer="local").trace, child)
    grandchild = continued(child, 35, 3, 50)
    deeper = add(store, grandchild, uid, 35)
    assert "score_columns" not in own_rows(store, deeper)
    assert_same_trace(store.runs.get(deeper, viewer="local").trace, grandchild)
    longer = continued(child, 45, 4, 60)
    store.runs.extend(uid, replace(longer, kind=child.kind), viewer="local", status="finished", run_scores={})
    assert_same_trace(store.runs.get(deeper, viewer="local").trace, grandchild)


def test_token_bytes_come_back_exactly_even_when_they_differ_or_hold_more(store: Store) -> None:
    parent = small_trace(1, 20)
    child = continued(parent, 10, 2, 20)
    some_id = int(child.token_ids[-1])
    variants = [
        replace(child, token_bytes={**child.token_bytes, some_id: b"other"}),
        replace(child, token_bytes={**child.token_bytes, 40_000: b"never shown"}),
    ]
    first = add(store, replace(parent, token_bytes={**parent.token_bytes, 41_000: b"parent only"}))
    for variant in variants:
        second = add(store, variant, first, 10)
        third = add(store, variant, second, 20)
        assert_same_trace(store.runs.get(second, viewer="local").trace, variant)
        assert_same_trace(store.runs.get(third, viewer="local").trace, variant)


def test_a_run_that_does_not_follow_its_parent_is_refused(store: Store) -> None:
    parent = add(store, small_trace(1, 20))
    other = small_trace(2, 20)
    with pytest.raises(BadInput, match="first 12 tokens differ"):
        add(store, other, parent, 12)
    with pytest.raises(BadInput, match="lies behind the end"):
        add(store, continued(small_trace(1, 20), 20, 3, 20), parent, 21)
    with pytest.raises(NotFound):
        add(store, other, "missing", 0)
    assert_same_trace(store.runs.get(add(store, other, parent, 0), viewer="local").trace, other)


def test_chains_deeper_than_the_limit_are_stored_whole(tmp_path: Any) -> None:
    with Store(tmp_path / "shallow.db", limits=StoreLimits(chain_depth=2)) as store:
        trace, uid = small_trace(1, 20), ""
        uid = add(store, trace)
        depths = []
        for step in range(1, 6):
            trace = continued(trace, 10, step, 20)
            uid = add(store, trace, uid, 10)
            with store.read() as session:
                depths.append(
                    session.execute(text("SELECT max(chain_depth) FROM run WHERE uid = :u"), {"u": uid}).scalar()
                )
            assert_same_trace(store.runs.get(uid, viewer="local").trace, trace)
        assert depths == [1, 2, 0, 1, 2]


def test_a_fork_outlives_its_deleted_parent_and_purging_waits_for_it(store: Store) -> None:
    parent = small_trace(1, 20)
    child = continued(parent, 15, 2, 20)
    first = add(store, parent)
    second = add(store, child, first, 15)
    store.runs.delete([first], viewer="local")
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert store.runs.purge(before=later) == 0
    assert_same_trace(store.runs.get(second, viewer="local").trace, child)
    assert store.runs.header(second, viewer="local").parent == first
    store.runs.delete([second], viewer="local")
    assert store.runs.purge(before=later + timedelta(minutes=1)) == 2, "once the fork is gone both go"
    assert store.check().ok and store.check().runs == 0


def test_a_fork_of_an_example_belongs_to_who_made_it(store: Store) -> None:
    parent = small_trace(1, 20)
    example = add(store, parent, owner="examples", example=True)
    child = continued(parent, 15, 2, 20)
    mine = add(store, child, example, 15, owner="ann")
    assert_same_trace(store.runs.get(mine, viewer="ann").trace, child)
    with pytest.raises(NotFound):
        store.runs.get(mine, viewer="bob")


def test_a_run_thirty_edits_deep_is_read_in_one_query_and_quickly(store: Store) -> None:
    trace = small_trace(0, 200, 20, 12)
    uid = add(store, trace)
    for depth in range(1, 31):
        grown = continued(trace, 5 * depth, depth, 200)
        uid, trace = add(store, grown, uid, 5 * depth), grown
    with store.read() as session:
        statements: list[str] = []
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement))
        run_id = session.execute(text("SELECT id FROM run WHERE uid = :uid"), {"uid": uid}).scalar_one()
        del statements[:]
        rows = read_rows(session, run_id)
    assert len(statements) == 1 and len(rows) > 30 * 10
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        stored = store.runs.get(uid, viewer="local")
        seconds.append(time.perf_counter() - started)
    assert_same_trace(stored.trace, trace)
    # promised under 100 ms on an idle machine; the bound here is for one that is not
    assert min(seconds) < 0.3, seconds
    print(f"30 edits deep: {1000 * min(seconds):.0f} ms")
