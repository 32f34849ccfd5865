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


def stopped_midway(page: Page, seed: int) -> tuple[dict[str, str], int]:
    """An answer that was stopped before its end, and its limit of tokens: the first that is far enough off."""
    for limit in (60, 120, 240, 480):
        generate(page, PROMPT, tokens=limit, seed=seed)
        at_least(page, 6)
        # not a click of the mouse, which would wait for ever where the answer came to its end before
        page.get_by_role("button", name="Stop").evaluate("button => button.click()")
        stopped = finished(page)
        if stopped["state"] == "stopped":
            return stopped, limit
    raise AssertionError(f"no answer could be stopped before its end: {stopped}")


def watch(page: Page) -> None:
    """From now on every change of the instrument is noted, however soon the next one comes."""
    page.evaluate(
        """text => {
          const [root, words] = [document.querySelector('.fl-explorer'), document.querySelector(text)];
          const [first, generate] = [words.querySelector('[role=option]'), document.querySelector('#generate')];
          const note = () => window.__seen.push({
            ...root.dataset, top: words.getBoundingClientRect().top, drawn: first.isConnected,
            waits: (generate.querySelector('button') || generate).disabled,
          });
          window.__seen = [];
          new MutationObserver(note).observe(root, { attributes: true });
          note();
        }""",
        TEXT,
    )


def test_a_stopped_answer_goes_on_to_its_end_as_the_same_run(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    expect(page.get_by_role("button", name="Continue")).to_have_count(0)
    stopped, limit = stopped_midway(page, seed=11)
    short = int(stopped["tokens"])
    assert short < limit
    page.locator(f"{TEXT} [role=option]").nth(2).click()
    expect(explorer(page)).to_have_attribute("data-pinned", "2")

    watch(page)
    more = page.get_by_role("button", name="Continue")
    more.focus()
    page.keyboard.press("Enter")
    expect(explorer(page)).to_have_attribute("data-state", "finished", timeout=60_000)
    done, seen = finished(page), page.evaluate("window.__seen")
    streaming = [now for now in seen if now["state"] == "streaming"]
    assert [now for now in streaming if int(now["tokens"]) > short], "it grows before one's eyes"
    assert any(now["waits"] for now in streaming), "nothing else can be asked for meanwhile"
    assert {(now["run"], now["pinned"]) for now in seen} == {(stopped["run"], "2")}
    assert {now["top"] for now in streaming} == {seen[0]["top"]}, "nothing jumps"
    assert all(now["drawn"] for now in seen), "what was on show is not drawn again"

    text = page.locator(TEXT).inner_text()
    expect(page).to_have_url(re.compile(stopped["run"]))
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", stopped["run"])
    assert page.locator(TEXT).inner_text() == text
    assert page.evaluate("window.__seen === undefined")

    generate(page, PROMPT, tokens=limit, seed=11)
    whole = finished(page)
    assert whole["run"] != done["run"] and whole["tokens"] == done["tokens"]
    assert page.locator(TEXT).inner_text() == text, "as if it had never been stopped"


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
