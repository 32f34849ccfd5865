"""What the page shows before the server has confirmed it: folded by the same rules as engine.label_events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.annotate_page import SCHEMA, open_page

CASES = json.loads((Path(__file__).parents[1] / "golden" / "label_cases.json").read_text("utf-8"))
FOLD = "([schema, events, base]) => Forklore.annotationState.fold(schema, events, base)"


def event(uuid: str, kind: str, **payload: Any) -> dict[str, Any]:
    return {"uuid": uuid, "kind": kind, "payload": payload, "active_ms": 100, "wall_ms": 200}


def label(uuid: str, name: str, start: int, stop: int, label_set: str = "errors") -> dict[str, Any]:
    return event(uuid, "label", set=label_set, label=name, run=0, start=start, stop=stop)


DEEDS = [
    label("a", "factual", 2, 9), label("b", "vague", 4, 6), event("c", "answer", question="correct", value="no"),
    label("d", "plan", 0, 5, "steps"), label("e", "plan", 2, 5, "steps"), event("f", "unlabel", target="d"),
    event("g", "comment", text="Why not?"), event("h", "flag", on=True), event("i", "undo", target="h"),
    event("j", "redo", target="h"), event("k", "answer", question="why", value=" "), event("l", "submit"),
    event("m", "reopen"), event("n", "undo", target="f"), event("o", "time"), event("p", "skip", reason="Too long"),
]  # fmt: skip


@pytest.fixture
def fold(page: Page) -> Any:
    open_page(page)

    def folded(events: list[dict[str, Any]], base: Any = None, schema: Any = SCHEMA) -> dict[str, Any]:
        script = FOLD if base is not None else FOLD.replace(", base)", ")")
        found: dict[str, Any] = page.evaluate(script, [schema, events, base])
        return found

    return folded


def test_the_page_folds_as_the_engine_does(fold: Any) -> None:
    assert len(CASES["cases"]) > 30
    wrong = {}
    for case in CASES["cases"]:
        found = fold(case["events"], schema=CASES["schema"])
        told = {name: found[name] for name in case["state"]}
        if told != case["state"]:
            wrong[case["name"]] = (told, case["state"])
    assert wrong == {}
    assert any(case["state"] != fold([], schema=CASES["schema"]) for case in CASES["cases"])


def test_events_on_top_of_a_state_come_to_what_all_of_them_come_to(fold: Any) -> None:
    whole = fold(DEEDS)
    assert whole["status"] == "skipped" and whole["changes"] == 1 and whole["flag"] is True
    assert [(one["label"], one["start"], one["stop"]) for one in whole["labels"]] == [
        ("plan", 0, 5), ("factual", 2, 4), ("plan", 2, 5), ("vague", 4, 6), ("factual", 6, 9),
    ]  # fmt: skip
    # wherever the page was opened; what was undone from before it is the server's to say
    for cut in (0, 6, 7, 8, 12, 14):
        base = fold(DEEDS[:cut])
        rest = fold(DEEDS[cut:], base)
        told = ["comment", "flag", "status", "reason", "changes", "answers"] + (["labels"] if cut < 6 else [])
        assert {name: rest[name] for name in told} == {name: whole[name] for name in told}, cut
        assert rest["active"] == pytest.approx(whole["active"])


def test_what_the_server_has_already_is_not_doubled(fold: Any) -> None:
    base = fold(DEEDS[:6])
    again = fold(DEEDS[3:6], base)
    assert again["labels"] == base["labels"] and again["answers"] == base["answers"]


def test_an_undo_from_before_the_page_was_opened_waits_for_the_server(fold: Any) -> None:
    base = fold(DEEDS[:2])
    assert base["undo"] == "b"
    undone = fold([event("z", "undo", target="b")], base)
    assert undone["labels"] == base["labels"]
    assert (undone["undo"], undone["redo"]) == (None, "b")


def test_required_questions_are_missing_until_they_are_answered(page: Page) -> None:
    open_page(page)
    script = "([schema, state]) => Forklore.annotationState.missing(schema, state).map((one) => one.name)"
    assert page.evaluate(script, [SCHEMA, {"answers": {"quality": 3}}]) == ["correct"]
    assert page.evaluate(script, [SCHEMA, {"answers": {"correct": "no"}}]) == []
