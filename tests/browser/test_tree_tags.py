"""Tags in the tree with the real model: written in the note's form, found again by the menu, undone like a step."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.test_branching_page import panel, parent_run
from tests.browser.test_page import explorer
from tests.support.app_server import AppServer
from tests.support.tree_page import selected


def opened(page: Page) -> Locator:
    """The tree of the run on show, with something of it looked into."""
    page.get_by_role("tab", name="Branches").click()
    tree = page.locator(".fl-tree").filter(visible=True)
    expect(tree.get_by_role("treeitem").nth(5)).to_be_visible()
    return tree


def pick(tree: Locator, place: int) -> int:
    """Selects the token at this place of the run; its node."""
    tree.locator(".fl-tr-chip.fl-tr-run").nth(place).click()
    return selected(tree)


def write_tags(tree: Locator, words: str, note: str | None = None) -> None:
    tree.get_by_role("group", name="With this token").get_by_role("button", name="note…").click()
    form = tree.get_by_role("form", name="Note and tags")
    if note is not None:
        form.get_by_label("Note at").fill(note)
    form.get_by_label("Tags").fill(words)
    form.get_by_role("button", name="Save").click()


def test_tags_are_written_shown_walked_through_undone_and_kept(page: Page, app: AppServer) -> None:
    parent = parent_run(page, app, 31)
    tree = opened(page)
    menu = tree.get_by_role("button", name="Tags", exact=True)
    pills = tree.get_by_role("list", name="Tags").get_by_role("listitem")
    signs = tree.locator(".fl-tr-mark")
    expect(menu).to_be_hidden()
    first = pick(tree, 1)
    write_tags(tree, ",".join("abcdefghi"))
    form = tree.get_by_role("form", name="Note and tags")
    expect(form).to_contain_text("These are 9 tags; one token has at most 8.")
    form.get_by_label("Tags").fill("Odd , to check,odd")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    expect(pills).to_have_text(["Odd", "to check"])
    expect(signs).to_have_text(["#"])
    second = pick(tree, 4)
    expect(pills).to_have_count(0)
    write_tags(tree, "ODD", note="look")
    expect(pills).to_have_text(["ODD"])
    expect(signs).to_have_text(["#", "✎"])

    def jump(name: str) -> None:
        menu.click()
        tree.get_by_role("menuitem", name=name).click()

    jump("Odd")
    assert selected(tree) == first, "behind the last one comes the first"
    jump("Odd")
    assert selected(tree) == second
    jump("to check")
    assert selected(tree) == first
    menu.click()
    expect(tree.get_by_role("menuitem")).to_have_text(["Odd2 tokens", "to check1 token"])
    page.keyboard.press("Escape")

    for _ in range(4):
        tree.get_by_role("button", name="Undo").click()
    expect(signs).to_have_text(["#"])
    tree.get_by_role("button", name="Redo").click()
    expect(signs).to_have_text(["#", "✎"])
    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", parent["run"])
    tree = opened(page)
    expect(panel(page).locator(".fl-tr-mark")).to_have_text(["#", "✎"])
    menu.click()
    tree.get_by_role("menuitem", name="to check").click()
    tree.get_by_role("button", name="Edit tags…").click()
    form.get_by_role("button", name="Remove").click()
    expect(signs).to_have_text(["✎"])
    expect(menu).to_be_visible()
