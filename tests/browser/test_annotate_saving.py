"""Nothing an annotator enters is lost or doubled: broken lines, restarts, reloads, second pages, refusals; and time."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support import annotate_page as annotate
from tests.support.annotate_page import (
    ADDRESS,
    calls,
    drawn,
    hold,
    html,
    kinds,
    labels,
    let_go,
    mend,
    open_page,
    payloads,
    settled,
    state,
    token,
    waiting,
    words,
)  # fmt: skip

NOT_SAVED = "Not saved – trying again"


def down(page: Page, how: str) -> None:
    """'before': nothing arrives; 'after': it arrives, the answer does not; 'busy': a refusal that may pass."""
    page.evaluate("how => { world.down = how; }", how)


def test_every_action_is_kept_in_the_browser_before_it_is_sent(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    hold(page)
    page.keyboard.press("1")
    assert drawn(panel) == ["Factual error"], "it is shown at once"
    assert waiting(page) == 1 and labels(page) == []
    let_go(page)
    settled(page)
    assert labels(page) == [("factual", 5, 6)]


def test_what_waits_is_sent_together_and_in_order_one_request_at_a_time(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    hold(page)
    for key in ("1", "2", "3", "u", "f"):
        page.keyboard.press(key)
    let_go(page)
    settled(page)
    assert kinds(page) == ["label", "label", "label", "undo", "flag"]
    sent = [[event["kind"] for event in args[2] if event["kind"] != "time"] for args in calls(page, "save_annotation")]
    assert sent == [["label"], ["label", "label", "undo", "flag"]]


def test_a_lost_connection_is_said_in_red_and_mended_by_itself(page: Page) -> None:
    panel = open_page(page)
    down(page, "before")
    token(panel, 5).click()
    page.keyboard.press("1")
    saved = panel.locator(".fl-an-saved")
    expect(saved).to_have_text(NOT_SAVED)
    red = saved.evaluate("node => getComputedStyle(node).color")
    assert red == panel.evaluate(
        "node => { const i = document.createElement('i'); i.style.color = 'var(--fl-danger)'; node.append(i);"
        " const c = getComputedStyle(i).color; i.remove(); return c; }"
    )
    expect(panel.locator(".fl-an-sr").last).to_contain_text("The server cannot be reached.")
    page.keyboard.press("2")
    down(page, "")
    expect(saved).to_have_text(re.compile("^Saved "), timeout=8000)
    assert kinds(page) == ["label", "label"]
    expect(panel.get_by_role("button", name="Retry")).to_be_hidden()


def test_retry_and_coming_back_online_do_not_wait(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    for way in ("button", "online"):
        down(page, "before")
        page.keyboard.press("1" if way == "button" else "2")
        expect(panel.locator(".fl-an-saved")).to_have_text(NOT_SAVED)
        page.wait_for_timeout(1200)
        expect(panel.get_by_role("button", name="Retry")).to_be_visible()
        if way == "button":
            mend(page)
        else:
            page.evaluate("() => { world.down = ''; dispatchEvent(new Event('online')); }")
        page.wait_for_timeout(100)
        assert waiting(page) == 0, way


def test_an_answer_that_was_lost_on_its_way_doubles_nothing(page: Page) -> None:
    panel = open_page(page)
    down(page, "after")
    token(panel, 5).click()
    page.keyboard.press("1")
    expect(panel.locator(".fl-an-saved")).to_have_text(NOT_SAVED)
    down(page, "before")
    panel.get_by_role("radio", name="yes", exact=True).click()
    assert kinds(page) == ["label"], "the server has it, the page does not know"
    page.reload()
    expect(words(panel)).to_contain_text("farmer")
    settled(page)
    assert kinds(page) == ["label", "answer"]
    assert labels(page) == [("factual", 5, 6)] and drawn(panel) == ["Factual error"]
    expect(panel.get_by_role("radio", name="yes", exact=True)).to_have_attribute("aria-checked", "true")


def test_a_full_disk_is_no_reason_to_give_an_action_up(page: Page) -> None:
    panel = open_page(page)
    down(page, "busy")
    token(panel, 5).click()
    page.keyboard.press("1")
    expect(panel.locator(".fl-an-saved")).to_have_attribute("title", "The disk is full.")
    assert waiting(page) == 1
    mend(page)
    settled(page)
    assert labels(page) == [("factual", 5, 6)]


def test_what_was_not_sent_survives_a_reload(page: Page) -> None:
    panel = open_page(page)
    down(page, "before")
    token(panel, 5).click()
    page.keyboard.press("1")
    page.keyboard.press("f")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    settled(page)
    expect(panel.get_by_role("button", name="Flagged")).to_be_visible()
    assert kinds(page) == ["label", "flag"]
    assert drawn(panel) == ["Factual error"]


def test_leaving_with_something_unsent_is_asked_about(page: Page) -> None:
    panel = open_page(page)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    token(panel, 5).click()
    page.reload()
    assert asked == []
    down(page, "before")
    token(panel, 5).click()
    page.keyboard.press("1")
    page.reload()
    assert asked == ["beforeunload"]


def test_a_refused_action_is_told_and_the_others_go_on(page: Page) -> None:
    panel = open_page(page)
    page.evaluate("world.refuse = {flag: 'Flags are not wanted here.'}; world.delay = 200")
    token(panel, 5).click()
    for key in ("1", "f", "2"):
        page.keyboard.press(key)
    alert = panel.get_by_role("alert").filter(has_text="not taken")
    expect(alert).to_contain_text("The flag was not taken: Flags are not wanted here.")
    settled(page)
    assert kinds(page) == ["label", "label"]
    expect(panel.get_by_role("button", name="Flag", exact=True)).to_have_attribute("aria-pressed", "false")
    alert.get_by_role("button", name="Close").click()
    expect(alert).to_be_hidden()


def test_a_refused_comment_can_still_be_read(page: Page) -> None:
    panel = open_page(page)
    page.evaluate("world.refuse = {comment: 'This session is closed.'}")
    panel.get_by_label("Comment").fill("A long thought")
    panel.get_by_label("Comment").blur()
    expect(panel.get_by_role("alert").filter(has_text="not taken")).to_contain_text(
        "The comment “A long thought” was not taken: This session is closed."
    )


def test_two_pages_of_one_person_lose_nothing(page: Page) -> None:
    panel = open_page(page)
    second = page.context.new_page()
    second.route(f"{ADDRESS}**", lambda route: route.fulfill(body=html(), content_type="text/html; charset=utf-8"))
    second.goto(ADDRESS)
    there = second.locator(".fl-annotate")
    token(panel, 5).click()
    page.keyboard.press("1")
    settled(page)
    token(there, 10).click()
    second.keyboard.press("2")
    settled(second)
    assert labels(page) == [("factual", 5, 6), ("arithmetic", 10, 11)]
    page.wait_for_timeout(2100)
    page.bring_to_front()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(panel.locator(".fl-an-tag")).to_have_count(2)
    second.close()


def test_what_waits_in_one_page_is_not_overwritten_by_another(page: Page) -> None:
    panel = open_page(page)
    down(page, "before")
    token(panel, 5).click()
    page.keyboard.press("1")
    second = page.context.new_page()
    body = html().replace("down: ''", "down: 'before'")
    second.route(f"{ADDRESS}**", lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8"))
    second.goto(ADDRESS)
    assert waiting(page) == 1
    second.close(run_before_unload=False)
    mend(page)
    settled(page)
    assert kinds(page) == ["label"]


def test_what_two_people_do_in_one_browser_stays_apart(page: Page) -> None:
    panel = open_page(page)
    down(page, "before")
    token(panel, 5).click()
    page.keyboard.press("1")
    page.on("dialog", lambda dialog: dialog.accept())
    other = html(session=annotate.session(me="A2"))
    page.unroute(f"{ADDRESS}**")
    page.route(f"{ADDRESS}**", lambda route: route.fulfill(body=other, content_type="text/html; charset=utf-8"))
    page.goto(ADDRESS)
    expect(panel.locator(".fl-an-me")).to_have_text("A2")
    page.wait_for_timeout(300)
    assert waiting(page) == 1 and kinds(page) == []


def test_written_words_are_told_when_the_writer_pauses_leaves_or_goes_on(page: Page) -> None:
    page.clock.install(time=0)
    panel = open_page(page)
    # a new item takes the focus
    expect(words(panel)).to_be_focused()
    # a key that comes late is no pause
    page.clock.pause_at(60)
    comment = panel.get_by_label("Comment")
    comment.press_sequentially("One")
    assert payloads(page, "comment") == []
    page.clock.run_for(800)
    assert [one["text"] for one in payloads(page, "comment")] == ["One"]
    comment.press_sequentially(" two")
    panel.get_by_role("radio", name="yes", exact=True).focus()
    comment.press_sequentially(" three")
    page.keyboard.press("Control+Enter")
    panel.get_by_role("radio", name="yes", exact=True).click()
    page.keyboard.press("Control+Enter")
    expect(panel.locator(".fl-an-place")).to_have_text("Item 2")
    assert [one["text"] for one in payloads(page, "comment")] == ["One", "One two", "One two three"]
    expect(comment).to_have_value("")


def test_an_answer_from_the_server_does_not_overwrite_what_is_being_written(page: Page) -> None:
    panel = open_page(page)
    page.evaluate("world.delay = 300")
    panel.get_by_role("radio", name="yes", exact=True).click()
    comment = panel.get_by_label("Comment")
    comment.press_sequentially("Half a though", delay=30)
    settled(page)
    comment.press_sequentially("t")
    expect(comment).to_have_value("Half a thought")


def test_undo_of_something_from_an_earlier_visit_is_settled_by_the_server(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    page.keyboard.press("1")
    settled(page)
    page.reload()
    expect(panel.locator(".fl-an-tag")).to_have_count(1)
    page.keyboard.press("u")
    expect(panel.locator(".fl-an-tag")).to_have_count(0)
    page.keyboard.press("Shift+U")
    expect(panel.locator(".fl-an-tag")).to_have_count(1)
    settled(page)
    assert kinds(page) == ["label", "undo", "redo"]


def test_nothing_moves_while_it_is_saved(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    page.keyboard.press("1")
    settled(page)
    script = """() => ['.fl-an-words', '.fl-an-labels', '.fl-an-end', '.fl-an-bar'].map((name) => {
      const box = document.querySelector(name).getBoundingClientRect(); return [box.left, box.top];
    })"""
    before = page.evaluate(script)
    hold(page)
    page.keyboard.press("f")
    expect(panel.locator(".fl-an-saved")).to_have_text("Saving …")
    assert page.evaluate(script) == before
    down(page, "before")
    let_go(page)
    expect(panel.locator(".fl-an-saved")).to_have_text(NOT_SAVED)
    assert page.evaluate(script) == before
    down(page, "")
    settled(page)
    assert page.evaluate(script) == before


def test_time_is_counted_between_signs_of_life_up_to_a_minute(page: Page) -> None:
    page.clock.install()
    panel = open_page(page)
    page.clock.run_for(100)
    expect(words(panel)).to_contain_text("farmer")
    page.keyboard.press("ArrowRight")
    page.clock.run_for(5000)
    page.keyboard.press("1")
    page.clock.run_for(3_600_000)
    page.keyboard.press("2")
    page.clock.run_for(100)
    found = page.evaluate("stored().events.i1.filter((one) => one.kind !== 'time')")
    spent = page.evaluate("Forklore.annotationState.fold(world.session.schema, stored().events.i1)")
    assert 5000 <= found[0]["active_ms"] <= 5400
    assert 64_000 <= spent["active"] * 1000 <= 66_500, "an hour away counts for a minute"
    assert spent["wall"] > 3600


def test_time_stands_still_while_the_page_is_hidden(page: Page) -> None:
    page.clock.install()
    panel = open_page(page)
    page.clock.run_for(100)
    expect(words(panel)).to_contain_text("farmer")
    page.keyboard.press("ArrowRight")
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true})")
    hide = "away => { window.away = away; document.dispatchEvent(new Event('visibilitychange')); }"
    page.clock.run_for(2000)
    page.evaluate(hide, True)
    page.clock.run_for(50_000)
    page.evaluate(hide, False)
    page.clock.run_for(1000)
    page.keyboard.press("1")
    page.clock.run_for(100)
    assert 3000 <= state(page)["active"] * 1000 <= 3800
    assert kinds(page) == ["label"] and state(page)["wall"] > 50


def test_reading_alone_is_told_as_time_and_not_as_work(page: Page) -> None:
    page.clock.install()
    panel = open_page(page)
    page.clock.run_for(100)
    expect(words(panel)).to_contain_text("farmer")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        page.clock.run_for(10_000)
    page.clock.run_for(20_000)
    assert payloads(page, "time") == [{}]
    assert state(page)["status"] == "new" and state(page)["active"] > 60


def test_selected_tokens_are_copied_as_text(page: Page) -> None:
    panel = open_page(page)
    token(panel, 22).click()
    token(panel, 28).click(modifiers=["Shift"])
    copied = page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          const event = new ClipboardEvent('copy', {clipboardData, bubbles: true, cancelable: true});
          document.activeElement.dispatchEvent(event);
          return event.clipboardData.getData('text/plain');
        }"""
    )
    assert copied == " 25 = 41"
