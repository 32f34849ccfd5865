"""The way through the annotator's page: sessions, guidelines, item after item, back again, the end, links that fail."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support import annotate_page as annotate
from tests.support.annotate_page import (
    DEMO,
    MINE,
    calls,
    kinds,
    mend,
    open_page,
    payloads,
    session,
    settled,
    state,
    token,
    words,
)  # fmt: skip

FEEDBACK = {
    "right": 1, "of": 2, "lines": ["correct: no", "arithmetic on ‘41’: missed"],
    "expected": {"labels": [{"set": "errors", "label": "arithmetic", "run": 0, "start": 27, "stop": 29}],
                 "answers": {"correct": "no"}},
}  # fmt: skip


def answer(panel: Locator, name: str = "yes") -> None:
    panel.get_by_role("radio", name=name, exact=True).click()


def place(panel: Locator) -> Locator:
    return panel.locator(".fl-an-place")


def test_a_first_visitor_learns_what_sessions_are_and_where_they_are_made(page: Page) -> None:
    panel = open_page(page, value="", mine=[DEMO])
    expect(panel).to_contain_text("several people label the same answers")
    panel.get_by_role("button", name="New session").click()
    panel.get_by_role("button", name=re.compile("Demonstration: two simulated")).click()
    assert page.evaluate("heard") == [["session_show", {"session": ""}], ["session_show", {"session": "demo"}]]


def test_my_sessions_are_listed_with_my_part_in_them(page: Page) -> None:
    mine = [MINE, MINE | {"session": "s2", "title": "Mine", "role": "owner"},
            MINE | {"session": "s3", "title": "Not joined", "role": "owner", "member": False},
            MINE | {"session": "s4", "title": "Judged", "role": "adjudicator", "status": "closed"}, DEMO]  # fmt: skip
    panel = open_page(page, value="", mine=mine)
    rows = panel.get_by_role("listitem")
    expect(rows).to_have_count(5)
    expect(rows.nth(0)).to_contain_text("1 of 3 done")
    expect(rows.nth(3)).to_contain_text("closed")
    rows.nth(1).get_by_role("button", name="Results of Mine").click()
    for place_ in (2, 3):
        rows.nth(place_).get_by_role("button").first.click()
    assert page.evaluate("heard.map(([, detail]) => detail.session)") == ["s2", "s3", "s4"]
    rows.nth(0).get_by_role("button").click()
    expect(words(panel)).to_contain_text("farmer")
    assert calls(page, "open_annotation") == [["s1", ""]]
    panel.get_by_role("button", name="All sessions").click()
    expect(rows).to_have_count(5)


def test_a_personal_link_leads_straight_into_its_session(page: Page) -> None:
    panel = open_page(page, query="?annotate=SeCrEt", value="", session=session(guidelines_read=False))
    panel.get_by_role("button", name="Begin").click()
    expect(words(panel)).to_contain_text("farmer")
    assert calls(page, "my_annotations") == []
    token(panel, 5).click()
    page.keyboard.press("1")
    settled(page)
    for name in ("open_annotation", "begin_annotating", "next_item", "save_annotation"):
        assert [args[-1] for args in calls(page, name)] == ["SeCrEt"], name
    assert panel.get_by_role("button", name="All sessions").count() == 0
    assert "SeCrEt" not in page.evaluate("JSON.stringify(localStorage)")


def test_guidelines_come_first_with_their_version(page: Page) -> None:
    panel = open_page(page, session=session(guidelines_read=False))
    expect(panel.get_by_role("heading", name="Marking errors")).to_be_visible()
    expect(panel).to_contain_text("Guidelines, version 2 · you work as A1 · nobody sees what others said")
    assert calls(page, "next_item") == []
    panel.get_by_role("button", name="Begin").click()
    expect(words(panel)).to_be_visible()
    page.reload()
    expect(words(panel)).to_be_visible()


def test_questions_on_the_guidelines_have_to_be_answered_rightly(page: Page) -> None:
    quiz = [{"question": "How often is a mistake marked?", "options": ["once", "each time"], "answer": "once"},
            {"question": "When in doubt?", "options": ["mark", "leave out"], "answer": "leave out"}]  # fmt: skip
    panel = open_page(page, session=session(guidelines_read=False, quiz=quiz))
    begin = panel.get_by_role("button", name="Begin")
    panel.get_by_role("radio", name="each time").check()
    begin.click()
    expect(panel.get_by_role("alert")).to_have_text("Answer every question on the guidelines first.")
    expect(panel.get_by_role("radio", name="mark", exact=True)).to_be_focused()
    panel.get_by_role("radio", name="leave out").check()
    begin.click()
    expect(panel.get_by_role("alert")).to_contain_text("Question 1 is not answered as the guidelines say")
    panel.get_by_role("radio", name="once").check()
    begin.click()
    expect(words(panel)).to_be_visible()
    assert calls(page, "begin_annotating")[-1] == ["s1", ["once", "leave out"], ""]


def test_markdown_is_drawn_and_never_acts(page: Page) -> None:
    hostile = f"# {annotate.HOSTILE}\n\n<script>window.__ran=1</script>\n\n![x](http://forklore.test/spy.png)\n"
    panel = open_page(page, session=session(guidelines_read=False, guidelines=annotate.GUIDELINES + hostile))
    text = panel.locator(".fl-an-markdown")
    expect(text.locator("strong").first).to_have_text("once")
    expect(text.locator("em")).to_have_text("mistake")
    expect(text.locator("ol > li")).to_have_count(2)
    expect(text.locator("ol > li ul > li")).to_have_text(["a wrong sum,", "a wrong sign."])
    expect(text.locator("blockquote")).to_have_text("When in doubt, leave it out.")
    expect(text.locator("pre code")).to_have_text("17 + 25 = 42")
    link = text.get_by_role("link", name="the paper")
    expect(link).to_have_attribute("href", "https://example.org/paper")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert text.get_by_role("link").count() == 2, "the picture is a link, the script is none"
    assert text.locator("img, script").count() == 0
    assert page.evaluate("window.__ran") is None


def test_markdown_of_any_kind_is_read_in_no_time(page: Page) -> None:
    open_page(page)
    for text in ("[" * 40_000, "*" * 40_000, "_a" * 20_000, "> " * 20_000, "`" * 40_000, "- " * 20_000, "![" * 20_000,
                 "- a\n" * 5000, "**a " * 10_000, "<" * 40_000):  # fmt: skip
        spent = page.evaluate(
            "text => { const t = performance.now(); Forklore.markdown(text); return performance.now() - t; }", text
        )
        assert spent < 1500, (text[:4], spent)
    assert page.evaluate("Forklore.markdown('a\\n\\n**b').textContent") == "a**b"


def test_submitting_leads_to_the_next_item_and_to_the_end(page: Page) -> None:
    panel = open_page(page)
    for number in (1, 2, 3):
        expect(place(panel)).to_have_text(f"Item {number}")
        expect(words(panel)).to_be_focused()
        answer(panel)
        page.keyboard.press("Control+Enter")
    expect(panel.get_by_role("heading", name="Done. Thank you.")).to_be_visible()
    expect(panel).to_contain_text("You have submitted 3 of 3 items.")
    assert [state(page, uid)["status"] for uid in ("i1", "i2", "i3")] == ["submitted"] * 3
    panel.get_by_role("button", name="Look at my items").click()
    expect(place(panel)).to_have_text("Item 3")


def test_submit_names_what_is_missing_and_goes_there(page: Page) -> None:
    panel = open_page(page)
    expect(words(panel)).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".fl-an-lacking")).to_have_text("Not yet answered: Is the answer correct?")
    expect(panel.get_by_role("radio", name="yes", exact=True)).to_be_focused()
    assert kinds(page) == []
    page.keyboard.press("2")
    expect(panel.locator(".fl-an-lacks")).to_have_count(0)
    page.keyboard.press("Control+Enter")
    expect(place(panel)).to_have_text("Item 2")


def test_pressing_submit_again_and_again_submits_once(page: Page) -> None:
    panel = open_page(page)
    answer(panel)
    page.evaluate("world.delay = 200")
    submit = panel.get_by_role("button", name="Submit")
    submit.dblclick()
    page.keyboard.press("Control+Enter")
    expect(place(panel)).to_have_text("Item 2")
    page.wait_for_timeout(600)
    assert kinds(page).count("submit") == 1
    expect(place(panel)).to_have_text("Item 2")


def test_the_next_item_waits_until_this_one_is_saved(page: Page) -> None:
    panel = open_page(page)
    answer(panel)
    settled(page)
    page.evaluate("world.down = 'before'")
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".fl-an-saved")).to_have_text("Not saved – trying again")
    expect(place(panel)).to_have_text("Item 1")
    expect(panel).to_contain_text("Submitted. A change opens the item again")
    page.keyboard.press("Control+Enter")
    assert len(calls(page, "next_item")) == 1, "it is on its way already"
    mend(page)
    expect(place(panel)).to_have_text("Item 2")


def test_an_item_is_skipped_with_a_reason(page: Page) -> None:
    panel = open_page(page)
    expect(words(panel)).to_be_focused()
    page.keyboard.press("s")
    reasons = panel.get_by_role("group", name="Why is this item skipped?")
    expect(reasons.get_by_role("button").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(reasons).to_be_hidden()
    panel.get_by_role("button", name="Skip …").click()
    reasons.get_by_role("button", name="Skip", exact=True).click()
    expect(panel.locator(".fl-an-lacking")).to_have_text("Say why, or choose one of the reasons.")
    reasons.get_by_label("Another reason").fill("In French")
    page.keyboard.press("Enter")
    expect(place(panel)).to_have_text("Item 2")
    assert payloads(page, "skip") == [{"reason": "In French"}]
    expect(panel.locator(".fl-an-done")).to_have_text("0 of 3 done, 1 skipped")
    panel.get_by_role("button", name="Skip …").click()
    reasons.get_by_role("button", name="The text is damaged or cannot be read").click()
    expect(place(panel)).to_have_text("Item 3")


def test_one_goes_back_and_a_change_opens_the_item_again(page: Page) -> None:
    panel = open_page(page)
    answer(panel)
    page.keyboard.press("Control+Enter")
    expect(place(panel)).to_have_text("Item 2")
    page.keyboard.press("[")
    expect(place(panel)).to_have_text("Item 1")
    expect(panel).to_contain_text("Submitted. A change opens the item again")
    page.keyboard.press("[")
    expect(panel.locator(".fl-an-sr").last).to_have_text("This is your first item.")
    answer(panel, "no")
    settled(page)
    assert kinds(page) == ["answer", "submit", "reopen", "answer"]
    panel.get_by_role("button", name="Submit").click()
    expect(place(panel)).to_have_text("Item 2")
    assert state(page)["changes"] == 1 and state(page)["answers"]["correct"] == "no"
    page.keyboard.press("[")
    expect(place(panel)).to_have_text("Item 1")
    page.keyboard.press("]")
    expect(place(panel)).to_have_text("Item 2")
    page.keyboard.press("[")
    expect(place(panel)).to_have_text("Item 1")
    panel.get_by_role("button", name="Next item", exact=True).click()
    expect(place(panel)).to_have_text("Item 2")
    assert len(kinds(page)) == 5


def test_work_is_taken_up_where_it_was_left(page: Page) -> None:
    panel = open_page(page)
    answer(panel)
    page.keyboard.press("Control+Enter")
    expect(place(panel)).to_have_text("Item 2")
    token(panel, 2).click()
    page.keyboard.press("1")
    settled(page)
    page.reload()
    expect(place(panel)).to_have_text("Item 2")
    expect(panel.locator(".fl-an-tag")).to_have_text(["Factual error"])


def test_training_tells_what_was_expected(page: Page) -> None:
    items: list[Any] = [annotate.item("i1", part="training", feedback=FEEDBACK), annotate.item("i2")]
    panel = open_page(page, items=items)
    expect(place(panel)).to_have_text("Item 1 (training)")
    expect(panel).to_contain_text("Training: once submitted, you are told what was expected.")
    answer(panel, "no")
    page.keyboard.press("Control+Enter")
    told = panel.locator(".fl-an-feedback")
    expect(told).to_contain_text("1 of 2 as expected")
    expect(told).to_contain_text("arithmetic on ‘41’: missed")
    assert annotate.drawn(panel) == ["expected: Arithmetic"]
    expect(place(panel)).to_have_text("Item 1 (training)")
    page.keyboard.press("Control+Enter")
    expect(place(panel)).to_have_text("Item 2")
    expect(told).to_have_count(0)


def test_new_guidelines_are_told_and_read_without_losing_the_place(page: Page) -> None:
    items = [annotate.item("i1"), annotate.item("i2", version=3)]
    panel = open_page(page, items=items)
    answer(panel)
    page.keyboard.press("Control+Enter")
    notice = panel.locator(".fl-an-notice")
    expect(notice).to_contain_text("The guidelines were changed; version 3 holds now.")
    token(panel, 5).click()
    page.keyboard.press("1")
    page.evaluate("Object.assign(world.session, {guidelines: 'Quite new.', guidelines_version: 3})")
    notice.get_by_role("button", name="Read them").click()
    expect(panel).to_contain_text("Quite new.")
    page.keyboard.press("2")
    panel.get_by_role("button", name="Go on").click()
    expect(notice).to_be_hidden()
    expect(panel.locator(".fl-an-tag")).to_have_text(["Factual error"])
    expect(place(panel)).to_have_text("Item 2")


def versions(page: Page, uid: str) -> list[int]:
    """Of the guidelines, as the actions on an item carry them."""
    found: list[int] = page.evaluate("uid => stored().events[uid].map((one) => one.guidelines_version)", uid)
    return found


def test_actions_carry_the_guidelines_that_were_read_not_the_newest(page: Page) -> None:
    panel = open_page(page)
    page.evaluate("world.session.guidelines_version = 3")
    answer(panel)
    settled(page)
    assert set(versions(page, "i1")) == {2}
    page.unroute("**/*")
    newer = annotate.session(guidelines_version=3)
    open_page(page, session=newer)
    notice = panel.locator(".fl-an-notice")
    expect(notice).to_contain_text("The guidelines were changed; version 3 holds now.")
    page.keyboard.press("f")
    settled(page)
    assert set(versions(page, "i1")) == {2}, "opening the page again is not reading them"
    notice.get_by_role("button", name="Read them").click()
    panel.get_by_role("button", name="Go on").click()
    page.keyboard.press("f")
    settled(page)
    assert versions(page, "i1")[-1] == 3
    page.reload()
    expect(words(panel)).to_be_focused()
    expect(notice).to_be_hidden()


@pytest.mark.parametrize(
    "sentence",
    ["This link is not known here; ask for a new one.", "This link expired on 3 May 2026.", "This session is closed."],
)
def test_a_link_that_does_not_open_says_why(page: Page, sentence: str) -> None:
    panel = open_page(page, query="?annotate=x", value="", closed=sentence)
    expect(panel.get_by_role("alert")).to_have_text(sentence)
    panel.get_by_role("button", name="All sessions").click()
    expect(panel.get_by_role("listitem")).to_have_count(2)


def test_a_session_that_closes_meanwhile_says_so_and_can_be_left(page: Page) -> None:
    panel = open_page(page)
    page.evaluate("world.refuse = {submit: 'This session was closed on 3 May 2026.'}")
    answer(panel)
    page.keyboard.press("Control+Enter")
    expect(panel.get_by_role("alert").filter(has_text="not taken")).to_contain_text("closed on 3 May 2026")
    expect(panel.get_by_role("button", name="Submit")).to_be_visible()
    expect(place(panel)).to_have_text("Item 1")


def test_a_session_that_is_not_yet_open_says_when(page: Page) -> None:
    panel = open_page(page, shut="This session opens on 3 May 2026.")
    expect(panel.get_by_role("alert")).to_have_text("This session opens on 3 May 2026.")
    expect(panel.get_by_role("heading")).to_have_text("This does not open")
    assert panel.get_by_role("button", name="Try again").count() == 0


def test_an_unreachable_server_is_tried_again_by_hand(page: Page) -> None:
    panel = open_page(page, down="before")
    expect(panel.get_by_role("alert")).to_have_text("The server cannot be reached.")
    page.evaluate("world.down = ''")
    panel.get_by_role("button", name="Try again").click()
    expect(words(panel)).to_contain_text("farmer")


def test_nothing_to_do_is_said(page: Page) -> None:
    panel = open_page(page, items=[], session=session(progress={"done": 0, "skipped": 0, "total": 0}))
    expect(panel.get_by_role("heading", name="Nothing to do")).to_be_visible()


def test_another_session_is_opened_from_outside(page: Page) -> None:
    panel = open_page(page, value="")
    expect(panel.get_by_role("listitem")).to_have_count(2)
    page.evaluate("""give('{"open": "s1"}')""")
    expect(words(panel)).to_contain_text("farmer")


def test_keys_are_listed(page: Page) -> None:
    panel = open_page(page)
    page.keyboard.press("?")
    help_ = panel.get_by_role("region", name="Keys")
    for text in ("skip with a reason", "next label set", "previous, next item of mine"):
        expect(help_).to_contain_text(text)
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
