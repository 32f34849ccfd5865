"""Asking what would have followed, on the instrument alone: which wish is sent, and that nothing typed is lost.

Documents are written by hand, so every state has one; what the app makes of the events is tested elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support import whatif_page as whatif
from tests.support.whatif_page import CHILDREN, PRICE, VERSUS, child, feed, form, heard, panel, pin, rival, run, show


def asked(page: Page) -> dict[str, Any]:
    events = heard(page, "branch_ask")
    assert len(events) == 1, events
    return events[0]


def test_an_alternative_unchanged_is_sent_as_its_id(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    expect(form(page)).to_be_hidden()
    rival(page, "19").click()
    expect(form(page)).to_contain_text("Instead of “·17” write")
    field = page.get_by_label("What shall stand there")
    expect(field).to_have_value(" 19")
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    assert asked(page) == {
        "edits": [{"start": 15, "stop": 16, "ids": [whatif.VOCABULARY.id(" 19")]}], "luck": "same",
        "alignment": "suffix", "changes": {}, "draw": None, "run": "parent",
    }  # fmt: skip


def test_the_token_that_was_drawn_is_no_change(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    rival(page, "17").click()
    expect(form(page)).to_be_hidden()


def test_the_keyboard_alone_chooses_writes_and_lets_go(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    page.get_by_role("listbox", name="Most likely tokens here").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("What shall stand there")).to_be_focused()
    page.keyboard.press("Escape")
    expect(form(page)).to_be_hidden()
    expect(page.get_by_role("listbox", name="Most likely tokens here")).to_be_focused()
    page.keyboard.press("w")
    expect(page.get_by_label("What shall stand there")).to_be_focused()
    page.keyboard.type(" nine")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("w?")
    page.keyboard.press("Enter")
    assert asked(page)["edits"] == [{"start": 15, "stop": 16, "text": " nine\nw?"}]


@pytest.mark.parametrize(
    ("operation", "typed", "edit"),
    [
        ("Insert before", " about", {"start": 15, "stop": 15, "text": " about"}),
        ("Leave out", None, {"start": 15, "stop": 16, "ids": []}),
        ("Replace", "<b>${x}</b>", {"start": 15, "stop": 16, "text": "<b>${x}</b>"}),
    ],
)
def test_tokens_are_replaced_put_in_and_left_out(
    page: Page, operation: str, typed: str | None, edit: dict[str, Any]
) -> None:
    show(page, run())
    pin(page, 15)
    page.get_by_role("button", name="What if…").click()
    form(page).get_by_role("radio", name=operation).click()
    if typed is not None:
        page.get_by_label("What shall stand there").fill(typed)
    form(page).get_by_role("radio", name="Fresh luck").click()
    form(page).get_by_role("button", name="Write it").click()
    assert asked(page)["edits"] == [edit] and asked(page)["luck"] == "fresh"


def test_a_span_is_replaced_as_one(page: Page) -> None:
    show(page, run())
    pin(page, 13)
    page.locator(".fl-reading [role=option]").nth(15).click(modifiers=["Shift"])
    page.get_by_role("button", name="What if…").click()
    expect(form(page)).to_contain_text("“·25 to 17” (3 tokens)")
    page.get_by_label("What shall stand there").fill(" 7")
    page.keyboard.press("Enter")
    assert asked(page)["edits"] == [{"start": 13, "stop": 16, "text": " 7"}]


def test_several_edits_are_sent_together_and_overlapping_ones_are_refused(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    rival(page, "19").click()
    form(page).get_by_role("button", name="Add another edit").click()
    pin(page, 27)
    page.get_by_label("What shall stand there").fill(" gave")
    form(page).get_by_role("button", name="Add another edit").click()
    expect(form(page).get_by_role("listitem")).to_have_count(2)
    pin(page, 15)
    page.get_by_label("What shall stand there").fill(" 5")
    page.keyboard.press("Enter")
    expect(form(page).get_by_role("alert")).to_contain_text("overlaps the edit at token 16")
    assert heard(page, "branch_ask") == []
    form(page).get_by_role("button", name=re.compile("Drop the edit: token 16")).click()
    form(page).get_by_role("button", name="Write it").click()
    edits = asked(page)["edits"]
    assert [(edit["start"], edit["text"]) for edit in edits] == [(15, " 5"), (27, " gave")]


def test_nothing_changed_asks_nothing_and_settings_alone_are_a_change(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    page.get_by_role("button", name="What if…").click()
    form(page).get_by_role("button", name="Write it").click()
    expect(form(page).get_by_role("alert")).to_contain_text("Nothing is changed yet")
    assert heard(page, "branch_ask") == []
    form(page).get_by_text("Change more").click()
    temperature = form(page).get_by_label("Temperature")
    expect(temperature).to_have_value("0.7")
    temperature.fill("9")
    form(page).get_by_role("button", name="Write it").click()
    expect(form(page).get_by_role("alert")).to_contain_text("Temperature 9")
    temperature.fill("1.2")
    form(page).get_by_label("Prompt").fill("How many goats?")
    form(page).get_by_role("radio", name="stays in place").click()
    expect(form(page)).to_contain_text("Luck stays with the position")
    form(page).get_by_role("button", name="Write it").click()
    sent = asked(page)
    assert sent["edits"] == [] and sent["alignment"] == "absolute" and "first" not in sent
    assert sent["changes"] == {"temperature": 1.2, "prompt": "How many goats?"}


def test_settings_may_change_from_a_token_on(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    page.get_by_role("button", name="What if…").click()
    form(page).get_by_text("Change more").click()
    form(page).get_by_label("Top-k").fill("3")
    form(page).get_by_label("keep the text before this token").check()
    form(page).get_by_role("button", name="Write it").click()
    sent = asked(page)
    assert sent["edits"] == [] and sent["changes"] == {"top_k": 3} and sent["first"] == 15


def test_the_same_luck_is_explained_in_place_with_its_caveat(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    rival(page, "19").click()
    expect(page.get_by_text("not a fact about the network")).to_be_hidden()
    form(page).get_by_role("button", name="What the same luck means").click()
    expect(page.get_by_text("not a fact about the network")).to_be_visible()
    expect(form(page).get_by_role("table")).to_contain_text("17 stays")


def test_a_text_without_recorded_luck_offers_inferred_luck(page: Page) -> None:
    show(page, run(drawn=False))
    pin(page, 15)
    rival(page, "19").click()
    expect(form(page).get_by_role("radio")).to_have_text(
        ["Replace", "Insert before", "Leave out", "Inferred luck", "Fresh luck"]
    )


def test_a_text_from_elsewhere_is_scored_first(page: Page) -> None:
    show(page, run(kind="import", settings=None))
    pin(page, 15)
    rival(page, "19").click()
    expect(form(page)).to_be_hidden()
    page.get_by_role("button", name="Score this text here").click()
    assert heard(page, "score_here") == [{"run": "parent"}] and heard(page, "branch_ask") == []


def test_nothing_is_offered_where_nobody_listens(page: Page) -> None:
    """As in a saved page: the texts and figures stand there, no button leads nowhere."""
    show(page, run() + CHILDREN, branches=False)
    pin(page, 15)
    rival(page, "19").click()
    expect(page.locator(".fl-br")).to_be_hidden()
    expect(panel(page).locator(".fl-wi-children button")).to_have_count(2)
    assert panel(page).locator("button:enabled:visible").count() == 0
    feed(page, child() + VERSUS + PRICE)
    expect(panel(page)).to_contain_text("Token 16")
    named = panel(page).get_by_role("button").all_inner_texts()
    assert [name for name in named if name] == ["17 sheep", "Copy figures"]
    expect(panel(page).get_by_role("button", name="17 sheep")).to_be_disabled()


def test_letting_the_token_go_keeps_what_was_typed_and_where_it_belongs(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    rival(page, "19").click()
    page.get_by_label("What shall stand there").fill(" nineteen")
    page.get_by_role("listbox", name="Tokens of the answer").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator(".fl-reading [role=option]").nth(3).hover()
    expect(page.locator(".fl-insp-sub")).to_contain_text("token 4 of 37")
    expect(form(page)).to_contain_text("Instead of “·17” write")
    form(page).get_by_role("button", name="Write it").click()
    assert asked(page)["edits"] == [{"start": 15, "stop": 16, "text": " nineteen"}]


def test_what_is_typed_survives_lines_that_come_later(page: Page) -> None:
    document = run()
    show(page, document)
    pin(page, 15)
    rival(page, "19").click()
    page.get_by_label("What shall stand there").fill(" nineteen")
    feed(page, document + PRICE + CHILDREN)
    expect(page.get_by_label("What shall stand there")).to_have_value(" nineteen")
    expect(page.get_by_label("What shall stand there")).to_be_focused()
    expect(page.locator(".fl-rival[aria-selected=true]")).to_contain_text("19")
    expect(page.locator(".fl-leaves")).to_have_count(2)
    page.keyboard.press("Enter")
    assert asked(page)["edits"] == [{"start": 15, "stop": 16, "text": " nineteen"}]
