"""The whole path in a real browser with the real embedded model: look, ask, stop, choose, pin, come back, compare."""

from __future__ import annotations

import itertools
import json
import re
import time

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.support.app_server import AppServer
from tests.support.at_rest import comes_to
from tests.support.gradio_fields import opened
from tests.support.ticks import but_for_ticks

HOSTILE = (
    "<img src=x onerror=window.__ran=1> ${window.__ran=2} {{window.__ran=3}} "
    "\u202eabc\u200b <script>window.__ran=4</script>"
)


def explorer(page: Page):
    return page.locator(".fl-explorer")


def open_page(page: Page, app: AppServer, path: str = "/?run=example-1-1") -> None:
    """The page at a run that was sampled, whose settings then stand in the fields; the model is loaded."""
    app.ready()
    page.goto(app.url + path)
    expect(page.locator(".fl-explorer [role=option]").first).to_be_visible()


def state(page: Page) -> dict[str, str]:
    return page.evaluate("({...document.querySelector('.fl-explorer').dataset})")


def wait_for_model(page: Page) -> None:
    expect(page.locator(".fl-model-chip")).to_have_attribute("data-status", "ready", timeout=90_000)


def generate(page: Page, prompt: str, tokens: int = 24, seed: int = 1) -> None:
    before = state(page)["run"]
    asked = page.get_by_label("Prompt", exact=True)
    # of what opens with a run its question comes last
    expect(asked).not_to_have_value("")
    seeded = opened(page.locator("#settings button").first, page.get_by_label("Seed"))
    fields = [(seeded, str(seed)), (page.get_by_label("Most tokens"), str(tokens)), (asked, prompt)]
    for field, value in fields:
        field.fill(value)
    assert [field.input_value() for field, _ in fields] == [value for _, value in fields]
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function("run => document.querySelector('.fl-explorer').dataset.run !== run", arg=before)


def finished(page: Page) -> dict[str, str]:
    page.wait_for_function(
        """() => {
          const { state, run } = document.querySelector('.fl-explorer').dataset;
          return ['finished', 'stopped', 'failed', 'scored', 'imported'].includes(state) && !run.startsWith('live');
        }""",
        timeout=60_000,
    )
    return state(page)


def test_a_first_visitor_sees_a_finished_example_with_its_best_fork_selected(page: Page, app: AppServer) -> None:
    open_page(page, app, "/")
    seen = state(page)
    assert int(seen["tokens"]) > 20 and int(seen["pinned"]) >= 0
    expect(explorer(page)).to_contain_text(re.compile("At “.+ the answer forks: with “.+” .* instead"))
    expect(page.locator(".fl-strip-item[data-uid]")).to_have_count(7)
    expect(page.get_by_role("link", name="An annotation session")).to_be_visible()
    assert page.locator(".fl-inspector").inner_text().strip()


def test_the_instrument_is_dressed_as_text_beside_an_inspector(page: Page, app: AppServer) -> None:
    """Every part keeps its style: a style sheet that is not served leaves a bare list of words."""
    open_page(page, app)
    dressed = page.evaluate(
        """() => {
          const style = (name) => getComputedStyle(document.querySelector(name));
          const box = (name) => document.querySelector(name).getBoundingClientRect();
          return {
            tint: style('.fl-pinned > .fl-w').backgroundColor, pin: style('.fl-pinned > .fl-w').outlineStyle,
            prose: style('.fl-prose').whiteSpace, beside: box('.fl-inspector').left >= box('.fl-reading').right,
            stays: style('.fl-inspector').position, bar: box('.fl-inspector .fl-bar-p').height,
            tip: style('.fl-tip').position, panel: style('.fl-panel').borderTopStyle,
          };
        }"""
    )
    assert dressed.pop("tint") != "rgba(0, 0, 0, 0)"
    assert dressed == {
        "pin": "solid", "prose": "pre-wrap", "beside": True, "stays": "sticky", "bar": 8, "tip": "fixed",
        "panel": "solid",
    }  # fmt: skip


def test_ask_stop_and_come_back(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    generate(page, "Write a long story about a lighthouse.", tokens=300)
    page.wait_for_function("Number(document.querySelector('.fl-explorer').dataset.tokens) >= 5")
    expect(explorer(page)).to_have_attribute("data-state", "streaming")
    page.get_by_role("button", name="Stop").click()
    stopped = finished(page)
    assert stopped["state"] == "stopped" and 5 <= int(stopped["tokens"]) < 300
    text = page.locator(".fl-reading [role=listbox]").inner_text()
    expect(page).to_have_url(re.compile(stopped["run"]))
    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", stopped["run"])
    assert page.locator(".fl-reading [role=listbox]").inner_text() == text
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()


def test_a_page_that_is_left_in_the_middle_of_an_answer_complains_of_nothing(page: Page, app: AppServer) -> None:
    for leave in (page.reload, lambda: page.goto("about:blank"), lambda: page.goto(f"{app.url}/?run=example-1-1")):
        open_page(page, app)
        wait_for_model(page)
        generate(page, "Write a long story about a lighthouse.", tokens=300)
        page.wait_for_function("Number(document.querySelector('.fl-explorer').dataset.tokens) >= 5")
        leave()
        page.wait_for_timeout(300)


def test_choose_a_score_hover_pin_and_walk_by_keyboard(page: Page, app: AppServer) -> None:
    open_page(page, app)
    page.get_by_role("radio", name="Surprisal").click()
    expect(explorer(page)).to_have_attribute("data-score", "surprisal")
    tokens = page.locator(".fl-reading [role=option]")
    tokens.nth(3).hover()
    expect(page.locator(".fl-tip[role=tooltip]")).to_be_visible()
    tokens.nth(3).click()
    expect(explorer(page)).to_have_attribute("data-pinned", "3")
    expect(page.locator(".fl-inspector")).to_contain_text("token 4 of")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(explorer(page)).to_have_attribute("data-pinned", "4")
    page.keyboard.press("n")
    assert int(state(page)["cursor"]) > 4
    page.keyboard.press("Escape")


def test_keys_work_without_a_step_into_the_text_and_leave_typing_alone(page: Page, app: AppServer) -> None:
    open_page(page, app)
    first = int(state(page)["pinned"])
    page.keyboard.press("n")
    assert int(state(page)["cursor"]) > first and state(page)["pinned"] == "-1"
    shown = page.locator(".fl-inspector .fl-insp-sub")
    expect(shown).to_contain_text(f"token {int(state(page)['cursor']) + 1} of")
    page.keyboard.press("ArrowRight")
    expect(shown).to_contain_text(f"token {int(state(page)['cursor']) + 1} of")
    before = state(page)["cursor"]
    page.get_by_label("Prompt", exact=True).fill("")
    page.keyboard.type("no pin?")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("no pin?")
    assert state(page)["cursor"] == before and not page.locator(".fl-help").is_visible()
    page.get_by_role("button", name="Keys of the text").click()
    page.get_by_label("also work while nothing has the focus").uncheck()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("n")
    assert state(page)["cursor"] == before, "switched off"


def test_a_given_text_opens_tinted_by_surprise_until_the_reader_chooses(page: Page, app: AppServer) -> None:
    open_page(page, app)
    page.get_by_role("link", name="Two slips in a given text").click()
    expect(explorer(page)).to_have_attribute("data-score", "surprisal")
    expect(explorer(page)).to_contain_text("surprised the model most")
    expect(page.get_by_role("tab", name="Score a text")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Text to score")).to_have_value(re.compile("stands in the centre of Berlin"))
    expect(page.get_by_label("Prompt before it")).to_have_value("Tell me about the Eiffel Tower.")
    page.get_by_role("link", name="17 sheep").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(re.compile("^A farmer has 17 sheep"))
    page.locator("#settings button").first.click()
    expect(page.get_by_label("Seed")).to_have_value("2")
    expect(page.get_by_label("Most tokens")).to_have_value("160")
    expect(explorer(page)).to_have_attribute("data-score", "entropy")
    page.get_by_role("radio", name="Probability").click()
    page.get_by_role("link", name="Two slips in a given text").click()
    expect(explorer(page)).to_contain_text("surprised the model most")
    expect(explorer(page)).to_have_attribute("data-score", "probability")


def test_back_leads_to_the_run_that_was_open_before(page: Page, app: AppServer) -> None:
    open_page(page, app)
    page.get_by_role("link", name="Capital of Australia").click()
    expect(explorer(page)).to_have_attribute("data-run", "example-1-2")
    page.locator(".fl-reading [role=option]").nth(2).click()
    page.go_back()
    expect(explorer(page)).to_have_attribute("data-run", "example-1-1")


def test_words_written_from_right_to_left_stay_in_their_order(page: Page, app: AppServer) -> None:
    """Tokens of one Hebrew or Arabic word run leftwards; a direction mark in the text moves nothing."""
    open_page(page, app)
    wait_for_model(page)
    words = "The word שלום עולם is Hebrew, مرحبا بالعالم Arabic. \u202eabc"
    opened(page.get_by_role("tab", name="Score a text"), page.get_by_label("Text to score")).fill(words)
    page.get_by_role("button", name="Score", exact=True).click()
    page.wait_for_function("document.querySelector('.fl-explorer').dataset.state === 'scored'", timeout=60_000)
    places = page.evaluate(
        """() => [...document.querySelectorAll('.fl-prose [role=option]')].map((node) => {
          const { left, top } = node.lastChild.getBoundingClientRect();
          return { text: node.textContent, left, line: Math.round(top / 30) };
        })"""
    )

    def steps(pattern: str) -> list[float]:
        """Moves to the right between neighbouring tokens of one line that both match."""
        pairs = itertools.pairwise(places)
        return [
            b["left"] - a["left"]
            for a, b in pairs
            if a["line"] == b["line"] and re.search(pattern, a["text"]) and re.search(pattern, b["text"])
        ]

    hebrew, arabic, latin = steps("[\u05d0-\u05ea]"), steps("[\u0627-\u064a]"), steps("^ ?[a-z]+$")
    assert len(hebrew) >= 3 and len(arabic) >= 3
    assert max(hebrew) < 0 and max(arabic) < 0, (hebrew, arabic)
    assert not latin or min(latin) > 0, latin


def test_hovering_never_asks_the_server(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    page.wait_for_timeout(500)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "gradio_api" in request.url else None)
    for i in range(0, 20, 2):
        page.locator(".fl-reading [role=option]").nth(i).hover()
    page.get_by_role("radio", name="Varentropy").click()
    page.wait_for_timeout(300)
    assert but_for_ticks(page, asked) == [], "only the model's state may be asked for"


def test_the_same_seed_gives_the_same_answer_and_both_runs_compare(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    texts = []
    for seed in (5, 5, 6):
        generate(page, "Name an animal.", tokens=16, seed=seed)
        assert finished(page)["state"] == "finished"
        texts.append(page.locator(".fl-reading [role=listbox]").inner_text())
    assert texts[0] == texts[1] != texts[2]
    page.get_by_role("tab", name="Library").click()
    page.get_by_role("searchbox").fill("Name an animal")
    boxes = page.locator("#library-piece input[type=checkbox]")
    expect(boxes).to_have_count(3)
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.locator("#library-piece").get_by_role("button", name=re.compile("compare", re.I)).first.click()
    expect(page.locator("#compare")).to_be_visible()
    expect(page.locator("#compare")).to_contain_text("Name an animal")


def test_a_run_is_renamed_found_deleted_and_brought_back(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    generate(page, "Name a colour that nobody likes.", tokens=8)
    finished(page)
    page.get_by_role("tab", name="Library").click()
    page.get_by_role("searchbox").fill("nobody likes")
    library = page.locator("#library-piece")
    expect(library.locator("a[href*='?run=']")).to_have_count(1)
    library.get_by_role("row").get_by_role("button", name=re.compile("^delete", re.I)).first.click()
    expect(library.locator("a[href*='?run=']")).to_have_count(0)
    library.get_by_role("button", name=re.compile("undo", re.I)).click()
    expect(library.locator("a[href*='?run=']")).to_have_count(1)
    library.locator("a[href*='?run=']").first.click()
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("Name a colour that nobody likes.")


def test_a_pasted_hostile_text_is_shown_exactly_and_runs_nothing(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    opened(page.get_by_role("tab", name="Score a text"), page.get_by_label("Text to score")).fill(HOSTILE)
    page.get_by_role("button", name="Score", exact=True).click()
    page.wait_for_function("document.querySelector('.fl-explorer').dataset.state === 'scored'", timeout=60_000)
    shown = page.locator(".fl-reading [role=listbox]").inner_text()
    for part in ("<img src=x onerror=window.__ran=1>", "${window.__ran=2}", "{{window.__ran=3}}", "</script>"):
        assert part in shown
    generate_again = page.evaluate("window.__ran")
    page.get_by_role("tab", name="Library").click()
    page.get_by_role("searchbox").fill("onerror")
    expect(page.locator("#library-piece")).to_contain_text("onerror=window.__ran")
    assert generate_again is None and page.evaluate("window.__ran") is None


def test_log_probabilities_of_an_api_are_drawn_with_bounds_marked(page: Page, app: AppServer) -> None:
    open_page(page, app)
    rivals = [{"token": "Yes", "logprob": -0.2}, {"token": "Oh", "logprob": -2}]
    content = [
        {"token": "Yes", "logprob": -0.2, "top_logprobs": rivals},
        {"token": " no", "logprob": -0.7, "top_logprobs": [{"token": " no", "logprob": -0.7}]},
    ]
    field = page.get_by_label(re.compile("A response with log-probabilities"))
    opened(page.get_by_role("tab", name="Import log-probabilities"), field).fill(
        json.dumps(
            {"model": "remote", "choices": [{"message": {"content": "Yes no"}, "logprobs": {"content": content}}]}
        )
    )
    page.get_by_role("button", name="Import", exact=True).click()
    expect(explorer(page)).to_have_attribute("data-state", "imported")
    expect(explorer(page)).to_contain_text("≥")


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("   ", "The prompt is empty"), ("x" * 1_000_000, "1,000,000"), ("word " * 19_000, "too many")],
)
def test_bad_prompts_are_one_sentence_and_leave_the_run_on_show(
    page: Page, app: AppServer, prompt: str, words: str
) -> None:
    open_page(page, app)
    wait_for_model(page)
    before = state(page)["run"]
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#notice")).to_contain_text(words)
    assert state(page)["run"] == before and "Traceback" not in page.locator("body").inner_text()
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()


def test_two_people_generate_at_once_and_both_are_told(page: Page, app: AppServer, chromium: Browser) -> None:
    open_page(page, app)
    wait_for_model(page)
    context = chromium.new_context()
    other = context.new_page()
    open_page(other, app)
    generate(page, "Tell me everything about the sea.", tokens=150)
    other.get_by_label("Prompt", exact=True).fill("Name a fruit.")
    other.get_by_role("button", name="Generate").click()
    expect(other.locator("#explorer")).to_contain_text("1 person is before you")
    expect(page.locator("#explorer")).to_contain_text("1 person waits for this to end")
    page.get_by_role("button", name="Stop").click()
    finished(page)
    other.wait_for_function("Number(document.querySelector('.fl-explorer').dataset.tokens) > 0", timeout=30_000)
    finished(other)
    context.close()


def test_closing_the_tab_in_mid_run_stops_it_and_keeps_the_part(page: Page, app: AppServer, chromium: Browser) -> None:
    open_page(page, app)
    wait_for_model(page)
    context = chromium.new_context()
    leaving = context.new_page()
    open_page(leaving, app)
    generate(leaving, "Recite the alphabet backwards in words.", tokens=400)
    leaving.wait_for_function("Number(document.querySelector('.fl-explorer').dataset.tokens) >= 3")
    context.close()
    page.get_by_role("tab", name="Library").click()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        page.get_by_role("searchbox").fill("")
        page.get_by_role("searchbox").fill("alphabet backwards")
        page.wait_for_timeout(900)
        if page.locator("#library-piece .fl-lib-chip-stopped").count():
            return
    pytest.fail("the run of the closed tab was not kept as stopped")


def test_methods_name_every_score(page: Page, app: AppServer) -> None:
    from engine import run_scores, token_scores

    open_page(page, app)
    page.get_by_role("tab", name="Methods").click()
    methods = page.locator("#methods-piece")
    for entry in (*token_scores.REGISTRY.values(), *run_scores.REGISTRY.values()):
        expect(methods).to_contain_text(entry.label)


@pytest.mark.console_ok("Failed to load resource")
def test_everything_is_there_after_a_restart(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    generate(page, "Say one word.", tokens=6)
    run = finished(page)["run"]
    text = page.locator(".fl-reading [role=listbox]").inner_text()
    app.restart().ready()
    open_page(page, app, f"/?run={run}")
    expect(explorer(page)).to_have_attribute("data-run", run)
    assert page.locator(".fl-reading [role=listbox]").inner_text() == text


def test_an_unknown_link_says_so_and_shows_an_example(page: Page, app: AppServer) -> None:
    open_page(page, app, "/?run=nobody-knows-this")
    expect(page.locator("#notice")).to_contain_text("There is no run")


@pytest.mark.parametrize("width", [390, 900])
def test_nothing_is_cut_off_on_narrow_screens(chromium: Browser, app: AppServer, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    open_page(page, app)
    page.wait_for_timeout(300)
    comes_to(page, f"Math.max({width}, document.documentElement.scrollWidth)", width)
    context.close()
