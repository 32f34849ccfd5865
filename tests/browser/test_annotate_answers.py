"""Questions about an item, two texts side by side, scores and what others said: what is drawn and what is sent."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support import annotate_page as annotate
from tests.support.annotate_page import (
    ITEMS,
    OTHER,
    SCHEMA,
    SCORES,
    SHORT,
    calls,
    drawn,
    kinds,
    labels,
    open_page,
    payloads,
    run,
    selected,
    settled,
    state,
    token,
    words,
)  # fmt: skip


def test_questions_of_every_kind_are_answered_and_cleared(page: Page) -> None:
    panel = open_page(page)
    panel.get_by_role("radio", name="no", exact=True).click()
    panel.get_by_role("radio", name="4", exact=True).click()
    panel.get_by_role("checkbox", name="too short").click()
    panel.get_by_role("checkbox", name="too long").click()
    token(panel, 28).click()
    panel.get_by_role("button", name="Use selected token").click()
    expect(panel.locator(".fl-an-value")).to_have_text("‘1’ (token 29)")
    panel.get_by_label("Why?").fill("The sum is 42.")
    settled(page)
    page.wait_for_function("(stored().events.i1 || []).some((one) => one.payload.question === 'why')")
    assert state(page)["answers"] == {
        "correct": "no", "quality": 4, "faults": ["too long", "too short"], "where": 28, "why": "The sum is 42.",
    }  # fmt: skip
    panel.get_by_role("button", name="Nowhere").click()
    question = panel.locator("[data-question=quality]")
    question.get_by_role("button", name="Clear").click()
    panel.get_by_role("checkbox", name="too long").click()
    settled(page)
    answers = state(page)["answers"]
    assert answers["where"] == "nowhere" and "quality" not in answers and answers["faults"] == ["too short"]
    assert len(payloads(page, "answer")) == 9, "one event an action"


def test_a_double_click_on_an_option_is_one_answer(page: Page) -> None:
    panel = open_page(page)
    panel.get_by_role("radio", name="yes", exact=True).dblclick()
    settled(page)
    assert payloads(page, "answer") == [{"question": "correct", "value": "yes"}]


def test_options_are_chosen_by_keys_without_labelling(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    panel.get_by_role("radio", name="yes", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert payloads(page, "answer") == [], "moving is not answering"
    page.keyboard.press("Space")
    page.keyboard.press("3")
    panel.get_by_role("radio", name="1", exact=True).focus()
    page.keyboard.press("5")
    settled(page)
    assert state(page)["answers"] == {"correct": "unsure", "quality": 5}
    assert labels(page) == []


def test_a_preference_stands_over_two_texts(page: Page) -> None:
    schema = {"label_sets": [annotate.ERRORS], "questions": [annotate.BETTER]}
    pair = [annotate.item("i1", runs=[run(), run(OTHER)])]
    panel = open_page(page, session=annotate.session(schema=schema), items=pair)
    first, second = words(panel, "Text A").bounding_box(), words(panel, "Text B").bounding_box()
    assert first and second and abs(first["y"] - second["y"]) < 4 and second["x"] > first["x"] + 300
    assert panel.get_by_text(annotate.PROMPT).count() == 1, "their prompt is the same"
    token(panel, 3, text=1).click()
    page.keyboard.press("1")
    token(panel, 4).click()
    assert panel.locator(".fl-an-words").nth(1).locator("[aria-selected=true]").count() == 0
    panel.get_by_role("radio", name="B is better").click()
    settled(page)
    assert payloads(page, "label") == [{"set": "errors", "label": "factual", "run": 1, "start": 3, "stop": 4}]
    assert state(page)["answers"] == {"better": "b"}


def test_uncertain_tokens_are_reached_only_where_scores_are_shown(page: Page) -> None:
    panel = open_page(page, session=annotate.session(blind=False, show_scores=True, scores=SCORES),
                      items=[annotate.item("i1", runs=[annotate.scored()])])  # fmt: skip
    expect(panel.get_by_label("Tint by")).to_have_value("entropy")
    tints = {
        token(panel, t).locator(".fl-an-w").evaluate("node => getComputedStyle(node).backgroundColor")
        for t in (0, 3, 6)
    }
    assert len(tints) == 3
    token(panel, 0).click()
    page.keyboard.press("n")
    assert selected(panel) == [5]
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert selected(panel) == [12]
    page.keyboard.press("p")
    assert selected(panel) == [6]
    panel.get_by_label("Tint by").select_option("none")
    assert panel.locator(".fl-an-tinted").count() == 0


def test_hidden_scores_leave_no_trace(page: Page) -> None:
    panel = open_page(page)
    expect(panel.get_by_label("Tint by")).to_be_hidden()
    token(panel, 0).click()
    page.keyboard.press("n")
    assert selected(panel) == [0]
    panel.get_by_role("button", name="Keys").click()
    assert "uncertain" not in panel.inner_text()


def test_others_are_told_only_where_the_session_lets_them(page: Page) -> None:
    panel = open_page(page)
    assert panel.get_by_text("What others said").count() == 0
    expect(panel.locator(".fl-an-others")).to_be_hidden()


def test_what_others_said_is_folded_away_and_can_be_drawn(page: Page) -> None:
    theirs = {"labels": [{"id": "z", "set": "errors", "label": "vague", "run": 0, "start": 1, "stop": 3}],
              "answers": {"correct": "no", "where": 5}, "comment": "Odd.", "flag": False,
              "status": "submitted"}  # fmt: skip
    panel = open_page(page, session=annotate.session(blind=False),
                      items=[ITEMS[0] | {"others": [{"by": "A2", "state": theirs}]}])  # fmt: skip
    said = panel.get_by_text("What others said (1)")
    expect(panel.get_by_text("Odd.")).to_be_hidden()
    said.click()
    body = panel.locator(".fl-an-others")
    for text in ("A2", "Vague ‘farmer has’", "Is the answer correct?: no", "‘7’ (token 6)", "Comment: Odd."):
        expect(body).to_contain_text(text)
    assert drawn(panel) == []
    body.get_by_role("button", name="Show in the text").click()
    assert drawn(panel) == ["A2: Vague"]
    assert kinds(page) == []


@pytest.mark.parametrize("schema", [SHORT, SCHEMA, {"label_sets": [], "questions": [annotate.CORRECT]}])
def test_an_item_is_drawn_whatever_is_asked(page: Page, schema: dict) -> None:
    panel = open_page(page, session=annotate.session(schema=schema))
    expect(words(panel)).to_contain_text("The farmer has")
    assert len(calls(page, "next_item")) == 1
    if not schema["label_sets"]:
        page.keyboard.press("1")
        assert kinds(page) == []
