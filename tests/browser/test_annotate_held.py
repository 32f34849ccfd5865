"""What is refused because nothing is taken for now is kept; an item that is being handed in is left alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support import annotate_page as annotate
from tests.support.annotate_page import (
    ADDRESS,
    drawn,
    html,
    kinds,
    labels,
    open_page,
    settled,
    state,
    token,
    waiting,
    words,
)


@pytest.mark.parametrize("how", ["closed", "link"])
def test_what_a_closed_session_or_ended_link_refuses_arrives_once_it_is_open_again(page: Page, how: str) -> None:
    panel = open_page(page)
    closed = "This session is closed." if how == "closed" else "This personal link was withdrawn."
    page.evaluate(
        "([how, closed]) => { if (how === 'link') world.closed = closed; else world.session.status = 'closed'; }",
        [how, closed],
    )
    token(panel, 5).click()
    page.keyboard.press("1")
    alert = panel.locator(".fl-an-refused")
    expect(alert).to_have_text(closed)
    page.keyboard.press("2")
    page.keyboard.press("f")
    saved = panel.locator(".fl-an-saved")
    expect(saved).to_have_text("Not saved: 3 actions kept in this browser")
    assert waiting(page) == 3 and kinds(page) == [] and len(drawn(panel)) == 1
    panel.get_by_role("button", name="Retry").click()
    expect(alert).to_have_text(closed)
    assert waiting(page) == 3, "asked again and still refused"
    page.evaluate("() => { world.session.status = 'open'; world.closed = ''; }")
    panel.get_by_role("button", name="Retry").click()
    settled(page)
    assert kinds(page) == ["label", "label", "flag"] and labels(page) == [("arithmetic", 5, 6)]
    expect(alert).to_be_hidden()
    expect(saved).to_have_text(re.compile("^Saved "))


def test_a_session_that_was_closed_over_a_reload_says_what_is_kept(page: Page) -> None:
    panel = open_page(page)
    page.evaluate("world.down = 'before'")
    token(panel, 5).click()
    page.keyboard.press("1")
    page.on("dialog", lambda dialog: dialog.accept())
    closed = html(session=annotate.session(status="closed"), shut="This session is closed.")
    page.unroute(f"{ADDRESS}**")
    page.route(f"{ADDRESS}**", lambda route: route.fulfill(body=closed, content_type="text/html; charset=utf-8"))
    page.goto(ADDRESS)
    alert = panel.get_by_role("alert")
    expect(alert).to_have_text("This session is closed. Not saved: 1 action kept in this browser.")
    page.evaluate("() => { world.session.status = 'open'; world.shut = ''; }")
    panel.get_by_role("button", name="Try again").click()
    settled(page)
    assert labels(page) == [("factual", 5, 6)]


def test_nothing_reaches_an_item_between_submit_and_the_next_one(page: Page) -> None:
    panel = open_page(page)
    panel.get_by_role("radio", name="yes", exact=True).click()
    settled(page)
    page.evaluate("world.delay = 700")
    panel.get_by_label("Comment").press_sequentially("Written before")
    no = panel.get_by_role("radio", name="no", exact=True).bounding_box()
    first = token(panel, 5).bounding_box()
    assert no and first
    page.keyboard.press("Control+Enter")
    for box in (no, first):
        page.mouse.click(box["x"] + 5, box["y"] + 5)
    for key in ("a", "1", "f", "u", "s", "Control+Enter"):
        page.keyboard.press(key)
    expect(panel.locator(".fl-an-place")).to_have_text("Item 1")
    expect(panel.locator(".fl-an-place")).to_have_text("Item 2")
    assert kinds(page) == ["answer", "comment", "submit"] and kinds(page, "i2") == []
    assert state(page)["comment"] == "Written before" and state(page)["answers"] == {"correct": "yes"}
    expect(words(panel)).to_be_focused()
    page.evaluate("world.delay = 0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("1")
    settled(page)
    assert kinds(page, "i2") == ["label"], "the next item takes keys again"


def test_an_item_that_cannot_be_handed_in_may_still_be_changed(page: Page) -> None:
    panel = open_page(page)
    panel.get_by_role("radio", name="yes", exact=True).click()
    settled(page)
    page.evaluate("world.down = 'before'")
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".fl-an-saved")).to_have_text("Not saved – trying again")
    panel.get_by_role("radio", name="no", exact=True).click()
    page.evaluate("() => { world.down = ''; document.querySelector('.fl-an-retry').click(); }")
    settled(page)
    assert kinds(page) == ["answer", "submit", "reopen", "answer"]
    expect(panel.locator(".fl-an-place")).to_have_text("Item 1")
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".fl-an-place")).to_have_text("Item 2")


def test_a_training_item_takes_keys_again_once_it_is_judged(page: Page) -> None:
    told = {"right": 1, "of": 1, "lines": ["Is the answer correct?: as expected"]}
    panel = open_page(page, items=[annotate.item("i1", part="training", feedback=told), annotate.item("i2")])
    panel.get_by_role("radio", name="yes", exact=True).click()
    settled(page)
    words(panel).focus()
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".fl-an-feedback")).to_be_visible()
    expect(words(panel)).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".fl-an-place")).to_have_text("Item 2")
