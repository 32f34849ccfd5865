"""What a reader wrote into the tree is taken away again, with the real model: by Undo, by Remove, and for good."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.test_branching_page import parent_run
from tests.browser.test_page import explorer
from tests.browser.test_tree_tags import opened, pick, write_tags
from tests.support.app_server import AppServer

WRITTEN = " purple elephants"


def test_own_words_come_and_go_by_undo_and_by_remove(page: Page, app: AppServer) -> None:
    parent = parent_run(page, app, 32)
    tree = opened(page)
    actions = tree.get_by_role("group", name="With this token")
    own = tree.locator(".fl-tr-chip.fl-tr-forced")
    remove = actions.get_by_role("button", name="Remove", exact=True)
    undo = tree.get_by_role("button", name="Undo")
    redo = tree.get_by_role("button", name="Redo")
    # beside a token of the run, from where it began
    pick(tree, 3)
    expect(remove).to_be_hidden()
    size = tree.get_attribute("data-nodes")
    actions.get_by_role("button", name="Edit…", exact=True).click()
    form = tree.get_by_role("form", name="Edit into a sibling")
    form.get_by_role("textbox").fill(WRITTEN)
    form.get_by_role("button", name="Add beside it").click()
    expect(own.last).to_have_class(re.compile("fl-tr-selected"), timeout=60_000)
    count = own.count()
    assert count >= 2
    expect(tree.locator(".fl-tr-detail > div > .fl-tr-text")).to_contain_text("elephants")

    undo.click()
    expect(own).to_have_count(0)
    expect(tree).to_have_attribute("data-nodes", str(size))
    redo.click()
    expect(own).to_have_count(count, timeout=60_000)
    undo.click()
    expect(own).to_have_count(0)
    redo.click()
    expect(own).to_have_count(count, timeout=60_000)

    other = tree.locator(".fl-tr-chip.fl-tr-run").nth(6)
    other.click()
    write_tags(tree, "keep")
    expect(other).to_have_attribute("aria-label", re.compile("tagged keep$"))
    kept = other.get_attribute("aria-label")
    own.last.click()
    expect(remove).to_be_visible()
    remove.click()
    expect(own).to_have_count(0)
    expect(tree.locator(".fl-tr-state")).to_contain_text(f"Removed {count} tokens: what you wrote")
    expect(tree).to_have_attribute("data-nodes", str(size))
    expect(other).to_have_attribute("aria-label", str(kept))
    expect(other.locator(".fl-tr-mark")).to_have_text("#")
    undo.click()
    expect(own).to_have_count(count, timeout=60_000)
    redo.click()
    expect(own).to_have_count(0)
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", parent["run"])
    tree = opened(page)
    expect(tree).to_have_attribute("data-nodes", str(size))
    expect(own).to_have_count(0)
    expect(tree.locator(".fl-tr-mark")).to_have_text(["#"])
