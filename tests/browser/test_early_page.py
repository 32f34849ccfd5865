"""Who is faster than the page: what is written before the opening run has come stays, and is what is asked."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_page import explorer, finished
from tests.support.app_server import AppServer
from tests.support.piece_page import until

OWN = "Which of my words are still here?"
LOADING = ".gradio-container > .main > .wrap.full > .loading"
# at every change of the page: whether gradio's word for the wait can be seen, without and beside the page's own pieces
WATCH_LOADING = f"""
  window.watched = {{alone: [], beside: []}};
  new MutationObserver(() => {{
    const word = document.querySelector('{LOADING}');
    if (word) watched[document.querySelector('#masthead') ? 'beside' : 'alone'].push(getComputedStyle(word).visibility);
  }}).observe(document, {{subtree: true, childList: true}});
"""


class Held:
    """What the page asks for at once, kept until `let_go`; everything else passes."""

    def __init__(self, page: Page) -> None:
        self.routes: list[Route] = []
        self.free = False
        page.route("**/gradio_api/run/**", self.take)

    def take(self, route: Route) -> None:
        if self.free:
            route.continue_()
        else:
            self.routes.append(route)

    def let_go(self, page: Page) -> None:
        until(page, lambda: self.routes, 60)
        self.free = True
        for route in self.routes:
            route.continue_()


@pytest.mark.parametrize("path", ["/", "/?run=example-1-1"])
def test_a_prompt_written_before_the_opening_run_came_is_kept_and_asked(page: Page, app: AppServer, path: str) -> None:
    held = Held(page)
    page.goto(app.url + path)
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill(OWN)
    page.evaluate("document.activeElement.blur()")
    held.let_go(page)
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible()
    page.wait_for_timeout(500)
    expect(prompt).to_have_value(OWN)
    with page.expect_request(lambda request: request.method == "POST" and "queue/join" in request.url) as asked:
        page.get_by_role("button", name="Generate").click()
    assert OWN in (asked.value.post_data or "")
    expect(page.locator(".fl-explorer .fl-prompt, .fl-explorer").first).to_contain_text(OWN, timeout=90_000)
    assert finished(page)["state"] == "finished"


def test_a_field_somebody_is_in_is_left_alone_and_an_empty_one_gets_the_examples_question(
    page: Page, app: AppServer
) -> None:
    held = Held(page)
    page.goto(app.url)
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill(OWN)
    prompt.fill("")
    expect(prompt).to_be_focused()
    held.let_go(page)
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible()
    page.wait_for_timeout(500)
    expect(prompt).to_have_value("")
    prompt.press_sequentially("mine")
    expect(prompt).to_have_value("mine")
    page.unroute_all()
    page.goto(app.url)
    expect(prompt).not_to_have_value("")
    page.goto(app.url + "/?run=example-1-1")
    page.locator("#settings button").first.click()
    expect(prompt).not_to_have_value("")


def test_a_job_that_does_not_reach_the_server_says_so_beside_its_button(page: Page, app: AppServer) -> None:
    page.goto(app.url + "/?run=example-1-1")
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible()
    held: list[Route] = []
    page.route("**/gradio_api/queue/join*", lambda route: held.append(route))
    button = page.get_by_role("button", name="Generate")
    button.click()
    line = page.locator(".fl-reach")
    expect(line).to_have_text("Waiting for the server …")
    said, pressed = line.bounding_box(), button.bounding_box()
    assert said and pressed and abs(said["y"] - pressed["y"] - pressed["height"]) < 12
    for route in held:
        route.continue_()
    expect(line).to_have_count(0, timeout=30_000)
    page.unroute_all()
    expect(explorer(page)).not_to_have_attribute("data-run", "example-1-1", timeout=60_000)
    assert finished(page)["state"] == "finished"


def test_while_parts_of_the_page_are_on_their_way_nothing_stands_over_what_is_there(page: Page, app: AppServer) -> None:
    page.add_init_script(WATCH_LOADING)
    page.goto(app.url)
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible()
    alone, beside = (page.evaluate(f"watched.{name}") for name in ("alone", "beside"))
    assert "visible" in alone, "on an empty page gradio says that it loads"
    assert set(beside) == {"hidden"}, "and where the page is, it does not"
    expect(page.locator(LOADING)).to_have_count(0)


@pytest.mark.console_ok("ERR_CONNECTION_RE", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY_RESPONSE")
def test_words_not_yet_asked_outlast_a_new_start_of_the_server_once(page: Page, app: AppServer) -> None:
    page.goto(app.url)
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible()
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill(OWN)
    app.stop()
    said = page.locator(".toast-body")
    expect(said).to_contain_text("Connection to the server was lost", timeout=30_000)
    page.wait_for_function("sessionStorage.getItem('forklore-words')")
    prompt.fill(f"{OWN} And these?")
    page.evaluate("document.activeElement.blur()")
    app.start()
    expect(said).to_have_count(0, timeout=60_000)
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible()
    expect(prompt).to_have_value(f"{OWN} And these?")
    page.reload()
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible()
    expect(prompt).not_to_have_value("")
    expect(prompt).not_to_have_value(f"{OWN} And these?")
