"""A decoding strategy chosen on the page: its meaning and parameters, its note, and what it tried in Branches."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page import explorer, finished, generate, open_page, wait_for_model
from tests.support.app_server import AppServer
from tests.support.gradio_fields import opened

PROMPT = "Name one colour."


def settings(page: Page) -> Locator:
    """Settings, opened."""
    part = page.locator("#settings")
    opened(part.locator("button").first, page.get_by_label("Seed"))
    return part


def choose(page: Page, label: str) -> None:
    settings(page).get_by_label("Strategy").click()
    page.get_by_role("option", name=label, exact=True).click()


def side_by_side(page: Page) -> int:
    """How many tokens of equal depth go on, at most, as the tree shows them."""
    expect(page.get_by_role("treeitem").first).to_be_visible()
    levels = page.get_by_role("treeitem").evaluate_all(
        "items => items.filter(i => i.hasAttribute('aria-expanded')).map(i => i.getAttribute('aria-level'))"
    )
    return max((levels.count(level) for level in levels), default=0)


def test_best_of_n_is_chosen_noted_and_its_answers_hang_in_branches(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    part = settings(page)
    expect(part).to_contain_text("Each token drawn by its probability.")
    expect(part.get_by_label("Parameters")).to_have_count(0)
    choose(page, "Best of N")
    expect(part).to_contain_text("N whole answers; the one with the highest mean log-probability is kept.")
    expect(part.get_by_label("Parameters")).to_have_value("trials=8")
    part.get_by_label("Parameters").fill("trials=4")
    generate(page, PROMPT, tokens=12, seed=5)
    run, tree = finished(page), page.locator(".fl-tree")
    assert run["state"] == "finished" and int(run["tokens"]) <= 12
    page.get_by_role("tab", name="Recipe").click()
    expect(explorer(page)).to_contain_text("Decoded by best of n (best_of_n: trials = 4).")
    page.get_by_role("tab", name="Branches").click()
    expect(tree).to_have_attribute("data-tree", run["run"])
    assert side_by_side(page) > 1, "no answer but the one that was kept goes on"

    choose(page, "Sampling")
    expect(part.get_by_label("Parameters")).to_have_count(0)
    generate(page, PROMPT, tokens=12, seed=5)
    plain = finished(page)
    page.get_by_role("tab", name="Branches").click()
    expect(tree).to_have_attribute("data-tree", plain["run"])
    assert side_by_side(page) == 1, "the negative control: a plain run is the only way that goes on"

    page.goto(f"{app.url}/?run={run['run']}")
    expect(explorer(page)).to_have_attribute("data-run", run["run"])
    expect(settings(page).get_by_label("Parameters")).to_have_value("trials=4")


def test_parameters_that_cannot_be_are_one_sentence_and_leave_the_run_on_show(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    before = explorer(page).get_attribute("data-run")
    choose(page, "Best of N")
    settings(page).get_by_label("Parameters").fill("trials=1")
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#notice")).to_contain_text(re.compile("The number of answers is '1'; .* from 2 to 64"))
    assert explorer(page).get_attribute("data-run") == before
