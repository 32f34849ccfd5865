"""Several devices and visits of one person: what was on show is handed in, and nothing typed is lost on leaving."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.support.annotate_page import (
    SHORT,
    calls,
    drawn,
    kinds,
    open_page,
    payloads,
    session,
    settled,
    state,
    token,
    words,
)  # fmt: skip

CHANGED = "This item was changed elsewhere, look at it again before you submit."
ELSEWHERE = """event => {
  const data = JSON.parse(localStorage.getItem('test-server'));
  (data.events.i1 = data.events.i1 || []).push({uuid: 'elsewhere', active_ms: 0, wall_ms: 0, ...event});
  localStorage.setItem('test-server', JSON.stringify(data));
}"""
DEEDS: list[dict[str, Any]] = [
    {"kind": "label", "payload": {"set": "errors", "label": "vague", "run": 0, "start": 10, "stop": 12}},
    {"kind": "answer", "payload": {"question": "correct", "value": "no"}},
    {"kind": "comment", "payload": {"text": "From the phone"}},
]


def answered(page: Page) -> Locator:
    panel = open_page(page, session=session(schema=SHORT))
    token(panel, 5).click()
    page.keyboard.press("1")
    panel.get_by_role("radio", name="yes", exact=True).click()
    settled(page)
    return panel


@pytest.mark.parametrize("deed", DEEDS, ids=[deed["kind"] for deed in DEEDS])
def test_what_another_device_changed_is_shown_before_it_is_submitted(page: Page, deed: dict[str, Any]) -> None:
    panel = answered(page)
    page.evaluate(ELSEWHERE, deed)
    submit = panel.get_by_role("button", name="Submit", exact=True)
    submit.click()
    expect(panel.get_by_role("alert").filter(has_text=CHANGED)).to_be_visible()
    settled(page)
    assert "submit" not in kinds(page)
    there = state(page)
    assert len(drawn(panel)) == len(there["labels"])
    expect(panel.get_by_role("radio", name=there["answers"]["correct"], exact=True)).to_be_checked()
    expect(panel.get_by_label("Comment")).to_have_value(there["comment"])
    submit.click()
    expect(panel.locator(".fl-an-place")).to_have_text("Item 2")
    assert state(page)["status"] == "submitted"
    expect(panel.get_by_text(CHANGED)).to_have_count(0)


def test_what_nobody_changed_is_submitted_at_once(page: Page) -> None:
    panel = answered(page)
    page.evaluate(ELSEWHERE, {"kind": "time", "payload": {}})
    panel.get_by_role("button", name="Submit", exact=True).click()
    expect(panel.locator(".fl-an-place")).to_have_text("Item 2")
    assert [args[1] for args in calls(page, "open_item")] == ["i1"]


def test_a_server_that_cannot_be_asked_keeps_nobody_from_submitting(page: Page) -> None:
    panel = answered(page)
    page.evaluate("world.down = 'before'")
    panel.get_by_role("button", name="Submit", exact=True).click()
    expect(panel.locator(".fl-an-saved")).to_contain_text("Not saved")
    page.evaluate("() => { world.down = ''; document.querySelector('.fl-an-retry').click(); }")
    settled(page)
    assert kinds(page)[-1] == "submit"


@pytest.mark.parametrize("field", ["Comment", "Why?"])
def test_words_typed_just_before_a_reload_are_kept(page: Page, field: str) -> None:
    panel = open_page(page)
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.evaluate("world.down = 'before'")
    panel.get_by_label(field).fill("Half a sen")
    assert kinds(page) == []
    page.reload()
    assert asked == ["beforeunload"]
    settled(page)
    expect(panel.get_by_label(field)).to_have_value("Half a sen")
    kind = "comment" if field == "Comment" else "answer"
    assert [list(one.values())[-1] for one in payloads(page, kind)] == ["Half a sen"]


def test_a_page_that_goes_without_a_question_keeps_what_was_typed(page: Page) -> None:
    panel = open_page(page)
    page.evaluate("world.down = 'before'")
    panel.get_by_label("Comment").fill("Half a sen")
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    kept = "Object.values(localStorage).filter((one) => one.includes('Half a sen')).length"
    assert page.evaluate(kept) == 1


def test_whoever_finished_comes_back_to_their_items_and_the_guidelines(page: Page) -> None:
    panel = open_page(page, query="?annotate=SeCrEt", value="", session=session(schema=SHORT))
    for number in (1, 2, 3):
        expect(panel.locator(".fl-an-place")).to_have_text(f"Item {number}")
        panel.get_by_role("radio", name="yes", exact=True).click()
        panel.get_by_role("button", name="Submit", exact=True).click()
    done = panel.get_by_role("heading", name="Done. Thank you.")
    expect(done).to_be_visible()
    page.reload()
    expect(done).to_be_visible()
    panel.get_by_role("button", name="Guidelines").click()
    expect(panel.get_by_role("heading", name="Marking errors")).to_be_visible()
    panel.get_by_role("button", name="Go on").click()
    expect(done).to_be_visible()
    panel.get_by_role("button", name="Look at my items").click()
    expect(panel.locator(".fl-an-place")).to_have_text("Item 3")
    expect(words(panel)).to_be_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_answers_to_the_guidelines_questions_look_like_one_choice_of_several(page: Page, dark: bool) -> None:
    quiz = [{"question": "Is a wrong sum an error?", "options": ["yes", "no"]}]
    panel = open_page(page, dark=dark, session=session(guidelines_read=False, quiz=quiz))
    panel.get_by_role("radio", name="yes").check()
    look = "node => { const s = getComputedStyle(node); return [s.borderRadius, s.borderTopWidth, s.backgroundColor]; }"
    on = panel.get_by_role("radio", name="yes").evaluate(look)
    off = panel.get_by_role("radio", name="no").evaluate(look)
    assert on[0] == off[0] == "50%"
    assert (on[1], off[1]) == ("5px", "1px") and on[2] == off[2]
