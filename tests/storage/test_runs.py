"""Promises of the library: exact round trips, refusals before anything is written, who sees what, labels, deletion."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import BadInput, NotFound
from engine.types import Trace
from storage.database import Store
from storage.records import RunQuery
from tests.storage.examples import CARD, assert_same_trace, small_trace

EVERYTHING = RunQuery("local", limit=500)


def add(store: Store, trace: Trace | None = None, **options: Any) -> str:
    values: dict[str, Any] = {"status": "finished", "run_scores": {}} | options
    return store.runs.add(trace if trace is not None else small_trace(), **values)


def count_rows(store: Store) -> int:
    return store.runs.list(replace(EVERYTHING, limit=0)).total


@pytest.mark.parametrize("tokens", [0, 1, 12, 300])
@pytest.mark.parametrize("alternatives", [0, 1, 5])
@pytest.mark.parametrize("scores", [0, 3])
def test_every_field_of_a_trace_comes_back_bit_for_bit(
    store: Store, tokens: int, alternatives: int, scores: int
) -> None:
    trace = small_trace(tokens, tokens, alternatives, scores)
    assert_same_trace(store.runs.get(add(store, trace), viewer="local").trace, trace)


def test_the_comparison_of_traces_notices_one_changed_bit() -> None:
    trace = small_trace()
    luck = trace.luck.copy()
    luck.view(np.uint32)[3] ^= 1
    with pytest.raises(AssertionError, match="luck"):
        assert_same_trace(trace, replace(trace, luck=luck))
    for field in fields(Trace):
        if field.name in ("pieces", "notes"):
            with pytest.raises(AssertionError, match=field.name):
                assert_same_trace(trace, replace(trace, **{field.name: ("x",)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": None, "system": None, "seed": None, "noise_version": None, "notes": (), "kind": "scored"},
        {"settings": replace(small_trace().settings, prompt="another prompt", system=None)},  # type: ignore[type-var]
        {"seconds": math.nan},
        {"finish_reason": "cancelled", "kind": "counterfactual", "seed": 0},
        {"prompt": "", "system": ""},
        {"prompt": "\0 \u2028 🙂 '; DROP TABLE run; --", "special_ids": frozenset()},
        {"model": replace(CARD, has_chat_template=False, name="ünï", vocabulary_size=300)},
    ],
)
def test_absent_empty_and_odd_fields_come_back_as_they_were(store: Store, changes: dict[str, Any]) -> None:
    trace = replace(small_trace(), **changes)
    back = store.runs.get(add(store, trace), viewer="local").trace
    if "seconds" in changes:
        assert math.isnan(back.seconds)
        trace, back = replace(trace, seconds=0.0), replace(back, seconds=0.0)
    assert_same_trace(back, trace)


@given(prompt=st.text(), seed=st.integers(0, 2**63 - 1), seconds=st.floats(0, allow_nan=False), temperature=st.floats())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_and_number_is_kept_exactly_or_refused(
    store: Store, prompt: str, seed: int, seconds: float, temperature: float
) -> None:
    base = small_trace()
    assert base.settings is not None
    request = replace(base.settings, temperature=temperature, prompt=prompt)
    trace = replace(base, prompt=prompt, seed=seed, seconds=seconds, settings=request)
    if math.isfinite(temperature):
        assert_same_trace(store.runs.get(add(store, trace), viewer="local").trace, trace)
    else:
        with pytest.raises(BadInput, match="not finite"):
            add(store, trace)


def test_a_header_holds_what_the_library_shows(store: Store) -> None:
    trace = small_trace(prompt="p" * 1000)
    options: dict[str, Any] = {"title": "Titel", "tags": ["b", " a ", "b", ""], "note": "Notiz", "status": "stopped"}
    before = datetime.now(UTC)
    uid = add(store, trace, **options, run_scores={"perplexity": 1.5, "none": math.nan, "worst": math.inf})
    header = store.runs.get(uid, viewer="local").header
    assert (header.uid, header.title, header.note, header.status) == (uid, "Titel", "Notiz", "stopped")
    assert header.tags == ("a", "b") and header.prompt == "p" * 400 and header.answer == trace.answer[:600]
    assert (header.kind, header.model_name, header.quantization) == ("generation", "embedded", "none")
    assert (header.tokens, header.seed, header.owner, header.example) == (12, 2**63 - 1, "local", False)
    assert header.run_scores["perplexity"] == 1.5 and header.run_scores["worst"] == math.inf
    assert math.isnan(header.run_scores["none"]), "a score that does not exist is NaN, never 0"
    assert before <= header.created_at <= datetime.now(UTC) and header.created_at.utcoffset() == timedelta(0)
    assert store.runs.list(EVERYTHING).rows == (header,) or math.isnan(header.run_scores["none"])


BAD_TRACES: list[tuple[dict[str, Any], str]] = [
    ({"prompt": "half \ud83d of a character"}, "lone surrogate"),
    ({"notes": ("\udfff",)}, "lone surrogate"),
    ({"seed": 2**63}, "The seed is 9223372036854775808"),
    ({"seed": -1}, "The seed is -1"),
    ({"seed": True}, "whole number"),
    ({"text": "something else"}, "do not make up its text"),
    ({"pieces": ()}, "do not make up its text"),
    ({"margin": np.zeros(12)}, "margin must be float32"),
    ({"margin": np.zeros(11, np.float32)}, "shape"),
    ({"topk_ids": np.zeros((12, 4), np.int32)}, "topk_logprobs must be"),
    ({"topk_logprobs": np.full((12, 5), np.nan, np.float32)}, "logarithms of probabilities"),
    ({"topk_logprobs": np.full((12, 5), 0.5, np.float32)}, "logarithms of probabilities"),
    ({"topk_logprobs": np.tile(np.arange(-9, -4, dtype=np.float32), (12, 1))}, "-inf where no id|sorted"),
    ({"tail_mass": np.full(12, 1.5, np.float32)}, "tail_mass"),
    ({"noise_rows": np.full(12, -2, np.int64)}, "noise_rows"),
    ({"token_ids": np.full(12, 49152, np.int32)}, "outside the model's vocabulary"),
    ({"runner_up": np.full(12, -2, np.int32)}, "outside the model's vocabulary"),
    ({"token_bytes": {}}, "lacks the bytes"),
    ({"kind": "dream"}, "kind 'dream' is unknown"),
    ({"finish_reason": "bored"}, "finish_reason 'bored' is unknown"),
    ({"scores": {"": np.zeros(12, np.float32)}}, "name is empty"),
    ({"seconds": -1.0}, "cannot take"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_TRACES)
def test_a_trace_that_breaks_its_promises_is_refused_before_anything_is_written(
    store: Store, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        add(store, replace(small_trace(), **changes))
    assert count_rows(store) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"status": "dreaming"},
        {"title": "x" * 301},
        {"title": "\ud800"},
        {"tags": "one text"},
        {"tags": [str(i) for i in range(33)]},
        {"tags": ["x" * 65]},
        {"note": 7},
        {"owner": ""},
        {"visibility": "public"},
        {"run_scores": {"a": "high"}},
        {"run_scores": {"": 1.0}},
        {"uid": "../x"},
        {"parent": "abc"},
        {"fork_position": 3},
        {"created_at": datetime(2026, 1, 1)},
    ],
)
def test_labels_out_of_range_are_refused_before_anything_is_written(store: Store, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        add(store, **options)
    assert count_rows(store) == 0


def test_an_error_while_writing_leaves_nothing(store: Store) -> None:
    prepared = store.runs.prepare(_new_run())
    with pytest.raises(RuntimeError, match="power cut"), store.write() as session:
        from storage.writing import add_run

        add_run(session, prepared)
        raise RuntimeError("power cut")
    assert count_rows(store) == 0 and store.check().ok
    assert add(store) and count_rows(store) == 1, "the same store goes on working"


def _new_run() -> Any:
    from storage.writing import NewRun

    return NewRun(small_trace(), "local", "finished", {})


def test_a_taken_uid_is_refused_and_the_first_run_stays(store: Store) -> None:
    uid = add(store, small_trace(1), uid="mine")
    with pytest.raises(BadInput, match="already in the library"):
        add(store, small_trace(2), uid="mine")
    assert_same_trace(store.runs.get(uid, viewer="local").trace, small_trace(1))


def test_somebody_elses_run_looks_like_no_run(store: Store) -> None:
    uid = add(store, owner="ann")
    for action in (
        lambda: store.runs.get(uid, viewer="bob"),
        lambda: store.runs.header(uid, viewer="local"),
        lambda: store.runs.update(uid, viewer="bob", title="mine now"),
        lambda: store.runs.delete([uid], viewer="bob"),
        lambda: store.runs.restore([uid], viewer="bob"),
        lambda: add(store, owner="bob", parent=uid, fork_position=0),
    ):
        with pytest.raises(NotFound) as foreign:
            action()
        with pytest.raises(NotFound) as absent:
            store.runs.get("0" * 24, viewer="bob")
        assert str(foreign.value).replace(uid, "") == str(absent.value).replace("0" * 24, "")
    assert store.runs.list(RunQuery("bob")).total == 0
    assert store.runs.get(uid, viewer="ann").header.title == ""


def test_an_unlisted_run_opens_by_its_uid_but_is_listed_and_changed_by_its_owner_only(store: Store) -> None:
    uid = add(store, owner="ann", visibility="unlisted", tags=["secret"])
    assert store.runs.get(uid, viewer="bob").header.owner == "ann"
    page = store.runs.list(RunQuery("bob"))
    assert page.total == 0 and page.tags == ()
    with pytest.raises(NotFound):
        store.runs.update(uid, viewer="bob", title="mine")
    store.runs.update(uid, viewer="ann", visibility="private")
    with pytest.raises(NotFound):
        store.runs.get(uid, viewer="bob")


def test_examples_are_everybodys_to_see_and_nobodys_to_change(store: Store) -> None:
    uid = add(store, owner="examples", example=True, title="Example")
    for viewer in ("local", "ann", "examples"):
        assert store.runs.get(uid, viewer=viewer).header.example
        assert [row.uid for row in store.runs.list(RunQuery(viewer)).rows] == [uid]
        for change in (
            lambda viewer=viewer: store.runs.update(uid, viewer=viewer, title="x"),
            lambda viewer=viewer: store.runs.delete([uid], viewer=viewer),
        ):
            with pytest.raises(BadInput, match="example"):
                change()
    assert store.runs.get(uid, viewer="ann").header.title == "Example"


@pytest.mark.parametrize("viewer", ["", None, 3])
def test_nobody_sees_nothing(store: Store, viewer: Any) -> None:
    uid = add(store)
    with pytest.raises(BadInput):
        store.runs.get(uid, viewer=viewer)
    with pytest.raises(BadInput):
        store.runs.list(RunQuery(viewer))


@pytest.mark.parametrize("uid", ["", "nope", "x" * 500, "' OR 1=1 --", "\ud800", None])
def test_a_uid_that_is_none_is_not_found(store: Store, uid: Any) -> None:
    add(store)
    with pytest.raises(NotFound):
        store.runs.get(uid, viewer="local")


def test_labels_change_one_by_one_and_the_content_stays(store: Store) -> None:
    uid = add(store, title="old", tags=["a"], note="n")
    first = store.runs.header(uid, viewer="local")
    assert store.runs.update(uid, viewer="local", title="new").title == "new"
    header = store.runs.update(uid, viewer="local", tags=["z", "y"])
    assert (header.title, header.tags, header.note) == ("new", ("y", "z"), "n")
    assert store.runs.update(uid, viewer="local", note="").note == ""
    assert store.runs.update(uid, viewer="local", tags=()).tags == ()
    after = store.runs.get(uid, viewer="local")
    assert after.header.created_at == first.created_at and after.header.updated_at > first.created_at
    assert_same_trace(after.trace, small_trace())
    with pytest.raises(BadInput):
        store.runs.update(uid, viewer="local", title="\ud800", note="kept?")
    assert store.runs.header(uid, viewer="local").note == ""


def test_deleted_runs_vanish_and_come_back_all_or_none(store: Store) -> None:
    uids = [add(store, small_trace(i), tags=[f"t{i}"]) for i in range(3)]
    with pytest.raises(NotFound):
        store.runs.delete([*uids[:2], "missing"], viewer="local")
    assert count_rows(store) == 3
    assert store.runs.delete([*uids[:2], uids[0]], viewer="local") == 2
    assert [row.uid for row in store.runs.list(EVERYTHING).rows] == [uids[2]]
    assert store.runs.list(EVERYTHING).tags == ("t2",)
    with pytest.raises(NotFound):
        store.runs.get(uids[0], viewer="local")
    with pytest.raises(NotFound):
        store.runs.update(uids[0], viewer="local", title="x")
    assert store.runs.restore(uids[:1], viewer="local") == 1
    assert_same_trace(store.runs.get(uids[0], viewer="local").trace, small_trace(0))


def test_purging_removes_only_what_was_deleted_before(store: Store) -> None:
    kept, gone = add(store, small_trace(1)), add(store, small_trace(2))
    store.runs.delete([gone], viewer="local")
    assert store.runs.purge(before=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.runs.restore([gone], viewer="local") == 1
    store.runs.delete([gone], viewer="local")
    assert store.runs.purge(before=datetime.now(UTC) + timedelta(seconds=1)) == 1
    with pytest.raises(NotFound):
        store.runs.restore([gone], viewer="local")
    assert store.runs.get(kept, viewer="local") and store.check().ok


def test_times_are_kept_to_the_microsecond_whatever_their_zone(store: Store) -> None:
    when = datetime(2031, 2, 3, 4, 5, 6, 789012, tzinfo=timezone(timedelta(hours=-7)))
    assert store.runs.header(add(store, created_at=when), viewer="local").created_at == when
