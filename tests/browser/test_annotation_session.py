"""A whole annotation session in real browsers: an owner, two annotators, real answers, and a server that restarts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import VIEWPORT, Watch
from tests.browser.test_page import finished, generate, open_page, wait_for_model
from tests.support.annotate_page import settled
from tests.support.app_server import AppServer
from tests.support.endpoints import Endpoints
from ui.example_session import SESSION

PATIENCE = 60_000
# while the server is away a browser says that its calls fail
RESTART = (r"ERR_CONNECTION_REFUSED", r"Failed to load resource", r"net::ERR_", r"Failed to fetch", r"BodyStreamBuffer")
QUESTIONS = ("What is 7 + 5? Give only the number.", "What is 30 + 12? Give only the number.")


@pytest.fixture
def people(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[list[Page]]:
    """Two annotators, each with a browser of their own; their consoles count, too."""
    watch = Watch(RESTART)
    contexts: list[BrowserContext] = [chromium.new_context(viewport=VIEWPORT) for _ in range(2)]
    for context in contexts:
        context.on("page", watch.attach)
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.set_default_timeout(PATIENCE)
    yield pages
    for context in contexts:
        context.close()
    assert not watch.complaints, "a page complained:\n" + "\n".join(watch.complaints)


def make_session(page: Page) -> Locator:
    """Through the form: both answers, everything else as it is proposed."""
    page.get_by_role("tab", name="Results").click()
    piece = page.locator(".fl-results")
    piece.get_by_role("button", name="New session").click()
    piece.get_by_label("Title").fill("Two sums")
    piece.get_by_placeholder("Search prompts").fill("Give only the number")
    piece.get_by_role("button", name="Add all 2").click()
    expect(piece.get_by_text("Chosen: 2 items")).to_be_visible()
    piece.get_by_role("button", name="Create the session").click()
    expect(piece.get_by_role("heading", name="Two sums")).to_be_visible()
    return piece


def invite(piece: Locator, name: str) -> str:
    piece.get_by_label("Add a person").fill(name)
    piece.get_by_role("button", name="Add", exact=True).click()
    return piece.get_by_label(f"Labelling link for {name}").input_value()


def begin(page: Page, link: str) -> Locator:
    page.goto(link)
    panel = page.locator(".fl-annotate")
    panel.get_by_role("button", name="Begin").click()
    expect(panel.get_by_text("0 of 2 done")).to_be_visible()
    return panel


def select(panel: Locator, start: int, stop: int) -> None:
    """Tokens [start, stop), with the keyboard from the first one on."""
    panel.locator(f".fl-an-words [data-t='{start}']").click()
    for _ in range(stop - start - 1):
        panel.page.keyboard.press("Shift+ArrowRight")


def saved(panel: Locator) -> None:
    expect(panel.locator(".fl-an-saved")).to_have_text(re.compile("^Saved "), timeout=PATIENCE)
    settled(panel.page)


def choose(panel: Locator, correct: str) -> None:
    option = panel.get_by_role("radio", name=correct, exact=True)
    if option.get_attribute("aria-checked") != "true":
        option.click()
    expect(option).to_be_checked()


def answer_and_submit(panel: Locator, correct: str, done: str) -> None:
    choose(panel, correct)
    panel.page.keyboard.press("Control+Enter")
    expect(panel.get_by_text(done).first).to_be_visible(timeout=PATIENCE)


@pytest.mark.console_ok(*RESTART)
def test_two_annotators_and_an_owner_through_a_whole_session_with_a_restart(
    page: Page, people: list[Page], app: AppServer, tmp_path: Path
) -> None:
    open_page(page, app)
    wait_for_model(page)
    for seed, question in enumerate(QUESTIONS, 1):
        generate(page, question, tokens=10, seed=seed)
        finished(page)
    piece = make_session(page)
    ada, grace = (begin(who, invite(piece, name)) for who, name in zip(people, ("Ada", "Grace"), strict=True))

    # Ada labels and answers; the server goes away and comes back in the middle of her item
    select(ada, 0, 1)
    people[0].keyboard.press("1")
    saved(ada)
    app.stop()
    choose(ada, "no")
    expect(ada.locator(".fl-an-saved")).to_have_text(re.compile("Not saved"))
    app.start()
    # not that it is said: the page may load itself anew before the words are seen
    settled(people[0])
    expect(ada.locator(".fl-an-tag")).to_have_text(["Factual error"])
    people[0].reload()
    expect(ada.locator(".fl-an-tag")).to_have_text(["Factual error"])
    expect(ada.get_by_role("radio", name="no", exact=True)).to_be_checked()
    answer_and_submit(ada, "no", "Item 2")
    answer_and_submit(ada, "yes", "2 of 2")

    # Grace sees nothing of it, differs on the label, and agrees on the rest
    assert "Factual" not in " ".join(grace.locator(".fl-an-tag").all_text_contents())
    people[1].reload()
    answer_and_submit(grace, "yes", "Item 2")
    answer_and_submit(grace, "yes", "2 of 2")

    check_results(page, app, tmp_path)


def check_results(page: Page, app: AppServer, folder: Path) -> None:
    """Progress, agreement, adjudication, scores and file, as the owner finds them."""
    page.goto(app.url)
    page.get_by_role("tab", name="Results").click()
    piece = page.locator(".fl-results")
    piece.get_by_role("button", name="Two sums").click()
    expect(piece).to_contain_text("4 of 4 answers are in", timeout=PATIENCE)
    piece.get_by_role("tab", name="Agreement").click()
    piece.get_by_label("Agreement on").select_option("question:correct")
    # of two items one is agreed on: alpha of [no yes; yes yes] is 0
    row = piece.get_by_role("row", name=re.compile("^Percent"))
    expect(row).to_contain_text("0.500")
    piece.get_by_role("tab", name="Adjudication").click()
    piece.get_by_role("button", name=re.compile("see its sides")).click()
    said_no = page.locator("dd").filter(has_text=re.compile(r"^\s*no\s*$"))
    # whose side is A is decided by the item's id
    side = piece.get_by_role("region", name=re.compile("^Side")).filter(has=said_no)
    expect(side).to_have_count(1)
    letter = str(side.get_attribute("aria-label")).split()[-1]
    piece.get_by_label("Reason").fill("Checked by hand.")
    piece.get_by_role("button", name=f"Accept {letter}").click()
    expect(piece.get_by_text("Nothing is left to settle.").first).to_be_visible()
    piece.get_by_role("tab", name="Scores against labels").click()
    piece.get_by_label("Predict").select_option("question:correct")
    piece.get_by_label("As given by").select_option("gold")
    expect(piece.get_by_role("heading", name=re.compile(r"^Scores \("))).to_be_visible(timeout=PATIENCE)
    piece.get_by_role("tab", name="Files").click()
    with page.expect_download() as waiting:
        piece.get_by_role("button", name=re.compile("JSONL")).first.click()
    file = folder / "session.jsonl"
    waiting.value.save_as(file)
    lines: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().split("\n") if line]
    kinds = [line["action"] for line in lines if line.get("kind") == "event"]
    assert kinds.count("submit") == 4 and kinds.count("label") == 1, "nothing lost, nothing doubled"


def test_an_adjudicators_link_leads_to_the_results(page: Page, app: AppServer) -> None:
    owner = Endpoints(app.url)
    schema = "questions: [{name: correct, title: Is it correct?, kind: choice, options: [yes, no]}]"
    made = owner.call("create_session", "To settle", ["example-1-1", "example-1-2"], schema, "", {})
    link = owner.call("add_annotator", made["session"], "Judge", "adjudicator", None)["link"]
    page.goto(f"{app.url}/{link}")
    piece = page.locator(".fl-results")
    expect(piece.get_by_role("heading", name="To settle")).to_be_visible(timeout=PATIENCE)
    expect(piece.get_by_role("button", name="Delete")).to_have_count(0)
    assert "Judge" not in piece.inner_text(), "pseudonyms for an adjudicator"


def test_the_first_page_leads_to_the_demonstration_and_from_there_to_a_token_that_a_score_misjudges(
    page: Page, app: AppServer
) -> None:
    page.goto(app.url)
    page.get_by_role("link", name="An annotation session").click()
    piece = page.locator(".fl-results")
    expect(piece).to_contain_text("Simulated annotators", timeout=PATIENCE)
    piece.get_by_role("tab", name="Scores against labels").click()
    piece.get_by_role("button", name=re.compile("show its curves")).first.click(timeout=PATIENCE)
    wrong = piece.get_by_role("button", name=re.compile("open in Explore")).first
    wrong.click(timeout=PATIENCE)
    owner = Endpoints(app.url)
    best = owner.call("session_scores", SESSION, "set:errors", "majority", None, "")["rows"][0]["name"]
    curves = owner.call("session_curves", SESSION, "set:errors", best, "majority", None, "")
    expect(page.locator(".fl-explorer")).to_have_attribute("data-run", curves["wrong"][0]["run"], timeout=PATIENCE)
    expect(page.locator(".fl-explorer")).to_have_attribute("data-pinned", str(curves["wrong"][0]["token"]))
