"""Promises of listing: filters, literal search, stable order, pages that fit together, and no array is ever read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from engine.errors import BadInput
from storage.database import Store
from storage.records import RunQuery
from tests.storage.examples import CARD, small_trace


def add(store: Store, prompt: str = "", *, model: str = "embedded", kind: Any = "generation", **options: Any) -> str:
    trace = small_trace(prompt=prompt, kind=kind, model=replace(CARD, name=model), settings=None)
    return store.runs.add(trace, **{"status": "finished", "run_scores": {}, **options})


def found(store: Store, **query: Any) -> list[str]:
    return [row.uid for row in store.runs.list(RunQuery(query.pop("viewer", "local"), **query)).rows]


@pytest.mark.parametrize("needle", ["50%", "a_b", "back\\slash", "%", "_", "\\", "'", '"', "%' OR 1=1 --"])
def test_search_takes_every_character_literally(store: Store, needle: str) -> None:
    hit = add(store, f"before {needle} after", uid="hit")
    add(store, "500 axb backslash", uid="miss")
    assert found(store, text=needle) == [hit]


@pytest.mark.parametrize("needle", ["straße", "STRASSE", "Größe", "größe", "ΣΊΣΥΦΟΣ", "σίσυφος"])
def test_search_ignores_case_in_every_script(store: Store, needle: str) -> None:
    hit = add(store, "Straße GRÖSSE Größe Σίσυφος")
    add(store, "Strand")
    assert found(store, text=needle) == [hit]


@pytest.mark.parametrize(
    ("written", "typed"), [("caf\u00e9", "cafe\u0301"), ("cafe\u0301", "caf\u00e9"), ("한글", "\u1112\u1161\u11ab글")]
)
def test_search_does_not_care_how_an_accent_is_encoded(store: Store, written: str, typed: str) -> None:
    hit = add(store, f"at the {written}")
    assert found(store, text=typed) == [hit]


def test_search_looks_at_prompt_answer_title_note_and_tags(store: Store) -> None:
    in_prompt = add(store, "needle")
    in_title = add(store, title="a Needle")
    in_note = add(store, note="the needle\nhere")
    in_tag = add(store, tags=["needles"])
    everywhere_else = add(store, "hay", title="stack")
    assert set(found(store, text="needle")) == {in_prompt, in_title, in_note, in_tag}
    assert everywhere_else in found(store, text="€ t") or everywhere_else in found(store, text="€")
    assert found(store, text="stackhay") == [], "a match never spans two fields"


def test_search_follows_changed_labels(store: Store) -> None:
    uid = add(store, title="old")
    store.runs.update(uid, viewer="local", title="fresh", tags=["label"])
    assert (found(store, text="old"), found(store, text="fresh"), found(store, text="LABEL")) == ([], [uid], [uid])


def test_titles_sort_by_what_a_row_is_called(store: Store) -> None:
    banana = add(store, "Banana", uid="z")
    apple = add(store, "zebra", title="apple", uid="y")
    cherry = add(store, "cherry", title="  ", uid="x")
    assert found(store, sort="title", descending=False) == [apple, banana, cherry]
    assert found(store, sort="title") == [cherry, banana, apple]


def test_text_behind_a_nul_character_is_found(store: Store) -> None:
    uid = add(store, "before\0behind")
    assert found(store, text="behind") == [uid]


def test_filters_narrow_and_combine(store: Store) -> None:
    first = add(store, "x", tags=["a", "b"], model="m1", kind="branch", status="stopped")
    second = add(store, "x", tags=["a"], model="m2")
    example = add(store, "x", owner="examples", example=True, tags=["e"])
    assert set(found(store, tags=("a",))) == {first, second}
    assert found(store, tags=("a", "b")) == [first]
    assert found(store, models=("m2",)) == [second]
    assert set(found(store, models=("m1", "m2"))) == {first, second}
    assert found(store, kinds=("branch",)) == [first]
    assert found(store, statuses=("stopped",)) == [first]
    assert found(store, kinds=("branch",), statuses=("finished",)) == []
    assert found(store, examples=True) == [example]
    assert set(found(store, examples=False)) == {first, second}
    assert store.runs.list(RunQuery("local")).tags == ("a", "b", "e")
    assert store.runs.list(RunQuery("ann")).tags == ("e",)


def test_every_model_of_the_viewers_runs_can_be_chosen_whatever_the_page_shows(store: Store) -> None:
    for model in ("m2", "m1", "m2"):
        add(store, model=model)
    add(store, model="shipped", owner="examples", example=True)
    add(store, model="private", owner="ann")
    gone = add(store, model="deleted")
    store.runs.delete([gone], viewer="local")
    one_row = store.runs.list(RunQuery("local", text="nothing holds this", limit=1))
    assert one_row.rows == () and one_row.models == ("m1", "m2", "shipped")
    assert store.runs.list(RunQuery("ann")).models == ("private", "shipped")


@pytest.mark.parametrize("descending", [True, False])
def test_runs_without_the_sorting_score_come_last_in_either_direction(store: Store, descending: bool) -> None:
    uids = {name: add(store, run_scores=scores) for name, scores in SCORES.items()}
    order = [next(k for k, v in uids.items() if v == uid) for uid in found(store, sort="h", descending=descending)]
    ranked = ["inf", "two", "one"] if descending else ["one", "two", "inf"]
    assert order[:3] == ranked and set(order[3:]) == {"nan", "none"}


SCORES = {"one": {"h": 1.0}, "nan": {"h": math.nan}, "two": {"h": 2.0}, "none": {}, "inf": {"h": math.inf, "x": 0.0}}


def test_sorting_by_title_tokens_and_age(store: Store) -> None:
    uids = [add(store, title=title) for title in ("beta", "Alpha", "gamma")]
    assert found(store, sort="title", descending=False) == [uids[1], uids[0], uids[2]]
    assert found(store) == uids[::-1]
    long = store.runs.add(small_trace(tokens=40), status="finished", run_scores={})
    assert found(store, sort="tokens")[0] == long


def test_pages_cover_everything_once(store: Store) -> None:
    uids = [add(store, run_scores={"h": float(i % 3)}) for i in range(11)]
    for sort in ("created", "tokens", "title", "h", "unknown score"):
        pages = [store.runs.list(RunQuery("local", sort=sort, limit=4, offset=offset)) for offset in (0, 4, 8, 12)]
        assert sorted(row.uid for page in pages for row in page.rows) == sorted(uids)
        assert {page.total for page in pages} == {11}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": -1},
        {"limit": 501},
        {"offset": -1},
        {"text": "x" * 201},
        {"text": "\ud800"},
        {"sort": ""},
        {"limit": 1.5},
    ],
)
def test_queries_out_of_range_are_refused(store: Store, query: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        store.runs.list(RunQuery("local", **query))


def test_library_queries_never_touch_an_array(store: Store) -> None:
    uid = add(store, "needle", tags=["a"], run_scores={"h": 1.0})
    statements: list[str] = []

    def record(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        query = RunQuery("local", "needle", ("a",), ("generation",), ("embedded",), ("finished",), False, "h")
        assert len(store.runs.list(query).rows) == 1
        store.runs.header(uid, viewer="local")
        store.runs.update(uid, viewer="local", title="t", tags=["b"])
        store.runs.delete([uid], viewer="local")
        store.runs.restore([uid], viewer="local")
        assert statements and not [s for s in statements if "run_array" in s or "analysis_array" in s]
        statements.clear()
        store.runs.get(uid, viewer="local")
        assert sum("run_array" in s for s in statements) == 1, "opening a run reads all its arrays in one query"
    finally:
        event.remove(Engine, "before_cursor_execute", record)
