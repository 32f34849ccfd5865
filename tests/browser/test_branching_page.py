"""Branches in a real browser with the real model: another token, the same luck, chance beside it, the tree."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page import explorer, finished, generate, open_page, state, wait_for_model
from tests.support.app_server import AppServer

PROMPT = "Name three animals of the sea."
TEXT = ".fl-reading [role=listbox]"
AT = 3


def parent_run(page: Page, app: AppServer, seed: int) -> dict[str, str]:
    open_page(page, app)
    wait_for_model(page)
    generate(page, PROMPT, tokens=24, seed=seed)
    return finished(page)


def choose(page: Page, at: int = AT) -> Locator:
    """Pins a token and asks what if: the form."""
    page.locator(f"{TEXT} [role=option]").nth(at).click()
    page.get_by_role("button", name="What if…").click()
    return page.locator(".fl-inspector form, .fl-inspector .fl-branch").first


def written(page: Page, before: str) -> dict[str, str]:
    """The branch that was asked for, at its end."""
    page.wait_for_function("run => document.querySelector('.fl-explorer').dataset.run !== run", arg=before)
    return finished(page)


def panel(page: Page) -> Locator:
    return page.locator(".fl-panel").filter(visible=True)


def test_another_token_with_the_same_luck_is_written_compared_and_undone(page: Page, app: AppServer) -> None:
    parent = parent_run(page, app, 21)
    text = page.locator(TEXT).inner_text()
    page.locator(f"{TEXT} [role=option]").nth(AT).click()
    drawn = page.locator(".fl-rival-drawn")
    rivals = page.locator(".fl-rival[data-row]:not(.fl-rival-drawn)")
    expect(drawn).to_have_count(1)
    rivals.first.click()
    page.get_by_role("button", name="Write it").click()
    child = written(page, parent["run"])
    assert child["run"] != parent["run"] and page.locator(TEXT).inner_text() != text
    expect(panel(page)).to_contain_text(f"Token {AT + 1}")
    expect(panel(page)).to_contain_text("same luck")
    expect(page).to_have_url(re.compile(child["run"]))
    shown = page.locator(TEXT).inner_text()

    page.get_by_role("button", name=re.compile("^Draw 8 replicates")).click()
    expect(page.get_by_role("button", name=re.compile("^Draw 16"))).to_be_visible(timeout=180_000)

    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", child["run"])
    assert page.locator(TEXT).inner_text() == shown
    page.get_by_role("tab", name="What if").click()
    expect(panel(page)).to_contain_text("same luck")
    expect(page.get_by_role("button", name=re.compile("^Draw 16"))).to_be_visible()

    panel(page).get_by_role("button", name="Undo").click()
    expect(explorer(page)).to_have_attribute("data-run", parent["run"])
    assert page.locator(TEXT).inner_text() == text
    panel(page).get_by_role("button", name="Bring back the branch just undone").click()
    expect(explorer(page)).to_have_attribute("data-run", child["run"])
    assert page.locator(TEXT).inner_text() == shown


def test_any_words_with_fresh_luck_and_the_run_lists_its_branches(page: Page, app: AppServer) -> None:
    parent = parent_run(page, app, 22)
    choose(page)
    page.locator(".fl-inspector").get_by_role("textbox").first.fill(" purple elephants")
    page.get_by_text("Fresh luck", exact=True).click()
    page.get_by_role("button", name="Write it").click()
    child = written(page, parent["run"])
    expect(panel(page)).to_contain_text("fresh luck")
    assert "purple elephants" in page.locator(TEXT).inner_text()
    panel(page).get_by_role("button", name="the original").click()
    expect(explorer(page)).to_have_attribute("data-run", parent["run"])
    page.get_by_role("tab", name="What if").click()
    expect(panel(page)).to_contain_text("purple elephants")
    page.get_by_role("tab", name="Library", exact=True).click()
    row = page.locator(f".fl-lib-row[data-uid='{child['run']}']")
    expect(row).to_contain_text("branch")
    row.get_by_role("link", name=re.compile("leaves its run at token 4")).click()
    expect(explorer(page)).to_have_attribute("data-run", parent["run"])


def test_bad_edits_are_one_sentence_and_leave_the_run_on_show(page: Page, app: AppServer) -> None:
    parent = parent_run(page, app, 23)
    choose(page)
    field = page.locator(".fl-inspector").get_by_role("textbox").first
    field.fill("x" * 10_000)
    page.get_by_role("button", name="Write it").click()
    expect(page.locator("body")).to_contain_text("4,000")
    assert state(page)["run"] == parent["run"]


def test_a_given_text_branches_by_inferred_luck(page: Page, app: AppServer) -> None:
    open_page(page, app)
    wait_for_model(page)
    before = state(page)["run"]
    page.get_by_role("tab", name="Score a text").click()
    page.get_by_label("Text to score").fill("The sea is full of whales and small boats.")
    page.get_by_role("button", name="Score", exact=True).click()
    given = written(page, before)
    choose(page, 5)
    expect(page.locator(".fl-inspector")).to_contain_text("Inferred luck")
    page.locator(".fl-inspector").get_by_role("textbox").first.fill(" dolphins")
    page.get_by_role("button", name="Write it").click()
    written(page, given["run"])
    expect(panel(page)).to_contain_text("inferred luck")


def test_the_tree_of_a_run_grows_is_marked_kept_and_taken(page: Page, app: AppServer, tmp_path: Path) -> None:
    parent = parent_run(page, app, 24)
    page.locator(f"{TEXT} [role=option]").nth(AT).click()
    page.get_by_role("tab", name="Branches").click()
    page.get_by_role("button", name="Expand here…").click()
    form = page.get_by_role("form", name="Expand here")
    form.get_by_label("Nodes").first.fill("8")
    form.get_by_role("button", name="Expand", exact=True).click()
    expect(panel(page)).to_contain_text("8 nodes looked into", timeout=60_000)
    expect(panel(page)).to_contain_text("Of all that can follow")
    page.get_by_role("button", name="Bookmark", exact=True).click()
    marked = page.get_by_role("treeitem").filter(has_text="★")
    expect(marked).to_have_count(1)
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", parent["run"])
    page.get_by_role("tab", name="Branches").click()
    expect(marked).to_have_count(1)
    page.get_by_role("button", name=re.compile("^Save")).last.click()
    with page.expect_download() as saving:
        page.get_by_text(re.compile("JSON")).filter(visible=True).first.click()
    path = tmp_path / "tree.json"
    saving.value.save_as(path)
    assert "philox4x64-v1" in json.dumps(json.loads(path.read_text()))
