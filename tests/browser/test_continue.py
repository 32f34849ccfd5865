"""Continue in a real browser with the real model: the same run goes on, nothing jumps, reloading shows the same."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.test_page import explorer, finished, generate, open_page, state, wait_for_model
from tests.support.app_server import AppServer

PROMPT = "Write a long story about a lighthouse and its keeper."
TEXT = ".fl-reading [role=listbox]"


def at_least(page: Page, tokens: int) -> None:
    page.wait_for_function(
        "n => Number(document.querySelector('.fl-explorer').dataset.tokens) >= n", arg=tokens, timeout=60_000
    )


def test_a_stopped_answer_goes_on_to_its_end_as_the_same_run(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    expect(page.get_by_role("button", name="Continue")).to_have_count(0)
    generate(page, PROMPT, tokens=60, seed=11)
    whole = finished(page)
    text = page.locator(TEXT).inner_text()

    generate(page, PROMPT, tokens=60, seed=11)
    at_least(page, 6)
    page.get_by_role("button", name="Stop").click()
    stopped = finished(page)
    short = int(stopped["tokens"])
    assert stopped["state"] == "stopped" and short < int(whole["tokens"])
    page.locator(f"{TEXT} [role=option]").nth(2).click()
    place = page.locator(TEXT).bounding_box()
    page.evaluate("window.__first = document.querySelector('.fl-reading [role=option]')")

    more = page.get_by_role("button", name="Continue")
    more.focus()
    page.keyboard.press("Enter")
    expect(explorer(page)).to_have_attribute("data-state", "streaming")
    at_least(page, short + 2)
    now = state(page)
    assert now["run"] == stopped["run"] and now["pinned"] == "2"
    assert page.locator(TEXT).bounding_box()["y"] == place["y"]
    assert page.evaluate("window.__first.isConnected"), "what was on show is not drawn again"
    expect(page.get_by_role("button", name="Generate")).to_be_disabled()

    done = finished(page)
    assert done["run"] == stopped["run"] and done["tokens"] == whole["tokens"] and done["pinned"] == "2"
    assert page.locator(TEXT).inner_text() == text
    expect(page).to_have_url(re.compile(stopped["run"]))
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", stopped["run"])
    assert page.locator(TEXT).inner_text() == text
    assert page.evaluate("window.__first === undefined")


def test_a_second_stop_leaves_it_to_be_continued_again(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    generate(page, PROMPT, tokens=300, seed=12)
    lengths = []
    for _ in range(3):
        at_least(page, lengths[-1] + 3 if lengths else 4)
        page.get_by_role("button", name="Stop").click()
        stopped = finished(page)
        lengths.append(int(stopped["tokens"]))
        assert stopped["state"] == "stopped"
        page.get_by_role("button", name="Continue").click()
    assert lengths == sorted(set(lengths))
    at_least(page, lengths[-1] + 1)
    page.get_by_role("button", name="Stop").click()
    finished(page)


def test_an_answer_at_its_limit_offers_to_go_on(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    generate(page, PROMPT, tokens=8, seed=13)
    assert finished(page)["tokens"] == "8"
    expect(explorer(page)).to_contain_text("reached its limit of tokens")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_function("Number(document.querySelector('.fl-explorer').dataset.tokens) === 16")
    assert finished(page)["tokens"] == "16"


def test_two_people_wait_in_turn_and_the_answer_on_show_stays(page: Page, app: AppServer, chromium) -> None:
    open_page(page, app)
    wait_for_model(page)
    generate(page, PROMPT, tokens=200, seed=14)
    at_least(page, 4)
    page.get_by_role("button", name="Stop").click()
    short = int(finished(page)["tokens"])
    context = chromium.new_context()
    other = context.new_page()
    open_page(other, app)
    generate(other, PROMPT, tokens=300, seed=15)
    at_least(other, 2)
    page.get_by_role("button", name="Continue").click()
    expect(explorer(page)).to_contain_text("1 person is before you")
    assert int(state(page)["tokens"]) == short
    other.get_by_role("button", name="Stop").click()
    at_least(page, short + 1)
    page.get_by_role("button", name="Stop").click()
    finished(page)
    context.close()
