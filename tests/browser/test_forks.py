"""Forking analyses in a real browser with the real model: price, draw, stop, go on, read, add draws, take a fork."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page import explorer, finished, generate, open_page, wait_for_model
from tests.support.app_server import AppServer
from tests.support.piece_page import until

QUESTION = "What is 7 + 5? Answer in one short sentence."
PATIENCE = 240_000


def forks(page: Page) -> Locator:
    return page.locator(".fl-forks")


def open_forks(page: Page) -> Locator:
    """The tab of the run on show, once its document is there."""
    page.get_by_role("tab", name="Forks").click()
    run = explorer(page).get_attribute("data-run") or ""
    expect(forks(page)).to_have_attribute("data-run", run)
    return forks(page)


def ended(page: Page, how: str = "finished") -> Locator:
    expect(forks(page)).to_have_attribute("data-state", how, timeout=PATIENCE)
    return forks(page)


def asked(page: Page, app: AppServer, seed: int, tokens: int = 14) -> str:
    """An answer of the model to an arithmetic question; the run's uid."""
    open_page(page, app)
    wait_for_model(page)
    generate(page, QUESTION, tokens=tokens, seed=seed)
    return finished(page)["run"]


def ask(panel: Locator, **fields: str) -> None:
    """Fill the form of a new analysis: a label's words and a value each."""
    labels = {"draws": "Draws", "least": "Least probability, %", "longest": "Longest answer", "last": "To token",
              "first": "From token"}  # fmt: skip
    panel.get_by_text("Range, precision, seed").click()
    for name, value in fields.items():
        panel.get_by_label(labels[name], exact=True).fill(value)


def drawn(panel: Locator) -> int:
    return int(panel.get_attribute("data-draws") or 0)


def first_alternative(panel: Locator) -> Locator:
    """The row of the first alternative that was drawn from."""
    return (
        panel.locator(".fl-fk-detail tbody tr")
        .filter(has=panel.page.get_by_role("button", name="Take this fork"))
        .first
    )


def test_an_arithmetic_answer_is_analysed_read_deepened_and_taken(page: Page, app: AppServer) -> None:
    run = asked(page, app, 31)
    panel = open_forks(page)
    ask(panel, draws="6", least="10", longest="30")
    expect(panel.locator(".fl-fk-price")).to_contain_text(re.compile(r"\d+ branches, [\d,]+ continuations, about"))
    panel.get_by_role("button", name="Analyse", exact=True).click()
    expect(panel.locator("progress")).to_be_visible()
    ended(page)
    expect(panel.locator(".fl-fk-sentence")).to_contain_text(re.compile("alternative|outcome"))
    expect(panel.get_by_role("group", name=re.compile("^Outcomes"))).to_contain_text("%")
    expect(panel.locator(".fl-fk-facts")).to_contain_text("last number")
    assert panel.locator(".fl-fk-strips path").count() > 0, "the curve is drawn"

    panel.locator(".fl-fk-ranking tbody tr").first.get_by_role("button").click()
    row = first_alternative(panel)
    before = drawn(panel)
    row.get_by_role("button", name="Read them").click()
    groups = panel.get_by_role("region", name="Continuations by outcome")
    expect(groups).to_contain_text("continuations")
    shown = groups.locator("summary .fl-fk-soft").all_inner_texts()
    assert abs(sum(int(re.search(r"(\d+) %", text.replace("\u00a0", " "))[1]) for text in shown) - 100) <= len(shown)
    row.get_by_role("button", name="+20 draws").click()
    until(page, lambda: drawn(panel) == before + 20, 120)
    ended(page)

    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", run)
    panel = open_forks(page)
    ended(page)
    assert drawn(panel) == before + 20, "what was drawn is stored"

    panel.locator(".fl-fk-ranking tbody tr").first.get_by_role("button").click()
    expect(panel.locator(".fl-fk-detail .fl-fk-title").first).to_contain_text("Token")
    wait_for_model(page)
    word = first_alternative(panel).locator("th .fl-fk-word").inner_text().strip()
    first_alternative(panel).get_by_role("button", name="Take this fork").click()
    page.wait_for_function("run => document.querySelector('.fl-explorer').dataset.run !== run", arg=run)
    assert finished(page)["run"] != run
    assert word in page.locator(".fl-reading [role=listbox]").inner_text()


def test_a_stopped_analysis_keeps_its_draws_and_goes_on(page: Page, app: AppServer) -> None:
    asked(page, app, 32, tokens=16)
    panel = open_forks(page)
    ask(panel, draws="12", least="8", longest="30")
    panel.get_by_role("button", name="Analyse", exact=True).click()
    until(page, lambda: drawn(panel) > 0, 200)
    panel.get_by_role("button", name="Stop", exact=True).click()
    ended(page, "stopped")
    kept = drawn(panel)
    assert kept > 0
    expect(panel).to_contain_text(re.compile(rf"Stopped after {kept} of"))
    page.reload()
    panel = open_forks(page)
    ended(page, "stopped")
    assert drawn(panel) == kept
    wait_for_model(page)
    panel.get_by_role("button", name="Go on").click()
    ended(page)
    assert drawn(panel) > kept


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"last": "999"}, "999"),
        ({"draws": "0"}, "Draws"),
        ({"longest": "2"}, "allow longer"),
        ({"least": "200"}, "Least probability"),
    ],
)
def test_what_cannot_be_analysed_is_refused_in_the_form(
    page: Page, app: AppServer, fields: dict[str, str], words: str
) -> None:
    open_page(page, app)
    wait_for_model(page)
    page.locator(".fl-strip-item", has_text="Capital of Australia").click()
    # not its state: that of the run before is the same
    expect(explorer(page)).to_have_attribute("data-run", "example-1-2")
    panel = open_forks(page)
    ask(panel, **fields)
    expect(panel.locator(".fl-fk-problem")).to_contain_text(words)
    panel.get_by_role("button", name="Analyse", exact=True).click()
    expect(panel.locator(".fl-fk-problem")).to_contain_text(words)
    assert drawn(panel) == 0
