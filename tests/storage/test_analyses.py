"""Promises of stored analyses: resumable, exact, owned, gone with their run, damage named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from engine.errors import BadInput, NotFound, StoreDamaged
from storage.database import Store
from tests.storage.examples import same_bits, small_trace

SETTINGS = {"samples": 30, "estimator": "recursion", "temperature": 0.1 + 0.2, "sites": [1, 2], "none": None}


@pytest.fixture
def run(store: Store) -> str:
    return store.runs.add(small_trace(), owner="ann", status="finished", run_scores={}, visibility="unlisted")


def test_an_analysis_grows_array_by_array_and_says_where_to_resume(store: Store, run: str) -> None:
    uid = store.analyses.add(run, "forking", SETTINGS, viewer="ann")
    arrays = {f"site/{i}": np.random.default_rng(i).random((3, i)).astype(np.float32) for i in range(1, 5)}
    for i, (name, array) in enumerate(arrays.items(), start=1):
        store.analyses.put_array(uid, name, array, viewer="ann", progress=str(i))
    store.close()
    found = store.analyses.get(uid, viewer="ann")
    assert (found.header.status, found.header.progress, found.header.settings) == ("running", "4", SETTINGS)
    assert (found.header.run, found.header.kind, found.header.owner) == (run, "forking", "ann")
    assert found.header.arrays == tuple(sorted(arrays)) and set(found.arrays) == set(arrays)
    assert all(same_bits(found.arrays[name], array) for name, array in arrays.items())
    store.analyses.save(uid, viewer="ann", status="finished", result={"odds": 3.5, "labels": ["17", "19"]})
    (header,) = store.analyses.list(run, viewer="ann")
    assert (header.status, header.progress, header.result) == ("finished", "4", {"odds": 3.5, "labels": ["17", "19"]})


def test_an_array_stored_again_replaces_the_first(store: Store, run: str) -> None:
    uid = store.analyses.add(run, "forking", {}, viewer="ann")
    store.analyses.put_array(uid, "a", np.zeros(3), viewer="ann")
    store.analyses.put_array(uid, "a", np.arange(5), viewer="ann")
    assert store.analyses.get(uid, viewer="ann").arrays["a"].tolist() == [0, 1, 2, 3, 4]


def test_one_bad_value_in_a_save_leaves_everything_as_it_was(store: Store, run: str) -> None:
    uid = store.analyses.add(run, "forking", {}, viewer="ann")
    store.analyses.put_array(uid, "a", np.zeros(3), viewer="ann", progress="1")
    bad: list[dict[str, Any]] = [
        {"arrays": {"a": np.ones(3), "b": np.array(["x"])}},
        {"arrays": {"a": np.ones(3)}, "status": "sleeping"},
        {"arrays": {"a": np.ones(3)}, "result": {"x": float("nan")}},
        {"arrays": {"a": np.ones(3)}, "progress": "\ud800"},
        {"arrays": {"": np.ones(3)}},
    ]
    for options in bad:
        with pytest.raises(BadInput):
            store.analyses.save(uid, viewer="ann", **options)
    found = store.analyses.get(uid, viewer="ann")
    assert found.header.progress == "1" and found.arrays["a"].tolist() == [0, 0, 0]


def test_analyses_are_listed_by_kind_oldest_first(store: Store, run: str) -> None:
    uids = [store.analyses.add(run, kind, {}, viewer="ann") for kind in ("forking", "chain", "forking")]
    assert [a.uid for a in store.analyses.list(run, viewer="ann")] == uids
    assert [a.uid for a in store.analyses.list(run, viewer="ann", kind="forking")] == [uids[0], uids[2]]
    assert store.analyses.list(run, viewer="ann", kind="x") == ()


def test_viewers_see_their_own_analyses_and_the_owners_but_change_only_their_own(store: Store, run: str) -> None:
    anns = store.analyses.add(run, "forking", {}, viewer="ann")
    bobs = store.analyses.add(run, "forking", {}, viewer="bob")
    assert {a.uid for a in store.analyses.list(run, viewer="bob")} == {anns, bobs}
    assert [a.uid for a in store.analyses.list(run, viewer="ann")] == [anns]
    assert store.analyses.get(anns, viewer="bob").header.owner == "ann"
    for action in (
        lambda: store.analyses.get(bobs, viewer="ann"),
        lambda: store.analyses.save(anns, viewer="bob", progress="x"),
        lambda: store.analyses.delete(anns, viewer="bob"),
        lambda: store.analyses.get("0" * 24, viewer="ann"),
        lambda: store.analyses.get("\ud800", viewer="ann"),
    ):
        with pytest.raises(NotFound, match="no analysis"):
            action()
    store.runs.update(run, viewer="ann", visibility="private")
    with pytest.raises(NotFound, match=f"no analysis '{anns}'") as refused:
        store.analyses.get(anns, viewer="bob")
    assert run not in str(refused.value), "whose run it is of is nobody else's to know"


def test_analyses_go_with_their_run_and_alone(store: Store, run: str) -> None:
    first, second = (store.analyses.add(run, "forking", {}, viewer="ann") for _ in range(2))
    store.analyses.put_array(first, "a", np.zeros(3), viewer="ann")
    store.analyses.delete(first, viewer="ann")
    assert [a.uid for a in store.analyses.list(run, viewer="ann")] == [second]
    store.runs.delete([run], viewer="ann")
    with pytest.raises(NotFound):
        store.analyses.get(second, viewer="ann")
    store.runs.purge(before=datetime.now(UTC) + timedelta(seconds=1))
    with store.read() as session:
        for table in ("analysis", "analysis_array", "run_array", "run_text"):
            assert session.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE analysis SET settings = '{\"samples\": 300}'",
        "UPDATE analysis SET progress = '2'",
        "UPDATE analysis_array SET shape = '3,2'",
        "UPDATE analysis_array SET data = zeroblob(length(data))",
        "UPDATE analysis_array SET name = 'b'",
        "DELETE FROM analysis_array",
    ],
)
def test_a_damaged_analysis_is_named_and_never_shown(store: Store, run: str, damage: str) -> None:
    uid = store.analyses.add(run, "forking", {"samples": 30}, viewer="ann")
    store.analyses.put_array(uid, "a", np.random.default_rng(0).random((2, 3)), viewer="ann", progress="1")
    assert store.check().ok
    with store.write() as session:
        session.execute(text(damage))
    with pytest.raises(StoreDamaged, match=uid):
        store.analyses.get(uid, viewer="ann")
    report = store.check()
    assert [name for name, _ in report.damaged_analyses] == [uid] and not report.damaged_runs and not report.ok
