"""What a reader wrote into the tree is taken away again, with the real model: by Undo, by Remove, and for good."""

from __future__ import annotations

import re
from collections.abc import Callable

from gradio_client import Client
from playwright.sync_api import Locator, Page, Response, expect

from tests.browser.test_branching_page import parent_run
from tests.browser.test_page import explorer
from tests.browser.test_tree_tags import opened, pick, write_tags
from tests.support.app_server import AppServer
from tests.support.tree_page import TREE

WRITTEN = " purple elephants"
SLOW = 60_000
# whether a step back (-1) or forth (1) asks the server for a mark
MARKS_AHEAD = f"""(direction) => {{
  const deed = {TREE}.shape.ahead(direction);
  return Boolean(deed) && deed[direction < 0 ? "undo" : "redo"].type === "tree_mark";
}}"""
# three presses in a row, before any answer; what the tree then says
PRESSED = """(frame) => {
  for (let i = 0; i < 3; i += 1) frame.dispatchEvent(new KeyboardEvent("keydown", { key: "u", bubbles: true }));
  return frame.closest(".fl-tree").querySelector(".fl-tr-state").textContent;
}"""


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


def written(tree: Locator, place: int, words: str) -> Locator:
    """Own words beside a token of the run; the chosen one, their last."""
    pick(tree, place)
    tree.get_by_role("group", name="With this token").get_by_role("button", name="Edit…", exact=True).click()
    form = tree.get_by_role("form", name="Edit into a sibling")
    form.get_by_role("textbox").fill(words)
    form.get_by_role("button", name="Add beside it").click()
    chosen = tree.locator(".fl-tr-chip.fl-tr-forced.fl-tr-selected")
    expect(chosen).to_be_visible(timeout=60_000)
    return chosen


def expand(page: Page, tree: Locator, budget: int) -> None:
    """Grows the tree from the chosen token."""
    page.keyboard.press("e")
    form = tree.get_by_role("form", name="Expand here")
    form.get_by_label("Nodes to look into").fill(str(budget))
    form.get_by_role("button", name="Expand", exact=True).click()
    expect(tree.locator(".fl-tr-state")).to_contain_text(f"{budget} nodes looked into", timeout=60_000)


def reloaded(page: Page, run: str) -> Locator:
    """The tree of the same run on a page loaded anew."""
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    page.reload()
    expect(explorer(page)).to_have_attribute("data-run", run)
    return opened(page)


def step(page: Page, direction: int, act: Callable[[], None]) -> None:
    """One step back (-1) or forth (1), by `act`; all that it asked for is answered and drawn."""

    def marked(response: Response) -> bool:
        return '"bookmark"' in (response.request.post_data or "")

    if page.evaluate(MARKS_AHEAD, direction):
        with page.expect_response(marked, timeout=SLOW) as answer:
            act()
        answer.value.finished()
    else:
        act()
    page.wait_for_function(f"!{TREE}.deeds.awaited", timeout=SLOW)


def test_what_grew_and_was_marked_below_own_words_comes_back_by_undo_and_by_redo(page: Page, app: AppServer) -> None:
    parent = parent_run(page, app, 33)
    tree = opened(page)
    undo, redo = tree.get_by_role("button", name="Undo"), tree.get_by_role("button", name="Redo")
    signs, own = tree.locator(".fl-tr-mark"), tree.locator(".fl-tr-chip.fl-tr-forced")
    remove = tree.get_by_role("group", name="With this token").get_by_role("button", name="Remove", exact=True)
    before = tree.get_attribute("data-nodes")
    written(tree, 3, WRITTEN)
    count = own.count()
    expand(page, tree, 6)
    grown = tree.get_attribute("data-nodes")
    assert int(str(grown)) > int(str(before)) + count + 6
    own.last.click()
    write_tags(tree, "odd", note="look")
    # marks that are asked for at once are answered in any order
    expect(signs).to_have_count(1)
    page.keyboard.press("b")
    expect(signs).to_have_text(["★"])

    def whole() -> None:
        expect(tree).to_have_attribute("data-nodes", str(grown))
        expect(own).to_have_count(count)
        expect(signs).to_have_text(["★"])

    # removed, and back, by Remove and its undo
    remove.click()
    expect(own).to_have_count(0)
    expect(signs).to_have_count(0)
    expect(tree).to_have_attribute("data-nodes", str(before))
    undo.click()
    whole()
    own.last.click()  # a new step: the removal is not done again below
    expect(redo).to_be_disabled()
    # all the way back: marks, then the words themselves; and all the way forth again
    for _ in range(12):
        if int(str(tree.get_attribute("data-nodes"))) == int(str(before)):
            break
        step(page, -1, undo.click)
    expect(own).to_have_count(0)
    expect(tree).to_have_attribute("data-nodes", str(before))
    for _ in range(12):
        if redo.is_disabled():
            break
        step(page, 1, redo.click)
    whole()

    # hidden while something else is kept, over a reload
    own.last.click()
    remove.click()
    expect(own).to_have_count(0)
    pick(tree, 0)  # whichever token of the run is drawn
    page.keyboard.press("b")
    expect(signs).to_have_text(["★"])
    tree = reloaded(page, parent["run"])
    expect(tree).to_have_attribute("data-nodes", str(before))
    back = Client(app.url, verbose=False, analytics_enabled=False).predict(parent["run"], api_name="/restore_in_tree")
    assert len(back["nodes"]) == int(str(grown)) and list(back["notes"].values()) == ["look"]
    assert len(back["bookmarks"]) == 2 and list(back["tags"].values()) == [["odd"]]


def test_a_second_undo_waits_for_the_first_and_none_is_dropped(page: Page, app: AppServer) -> None:
    parent_run(page, app, 34)
    tree = opened(page)
    own = tree.locator(".fl-tr-chip.fl-tr-forced")
    written(tree, 3, WRITTEN)
    first = own.count()
    written(tree, 6, " green whales")
    both = own.count()
    assert both > first
    frame = tree.get_by_role("tree")
    frame.focus()
    # the one that came too early says so, and can be pressed again
    assert "still on its way" in frame.evaluate(PRESSED)
    page.wait_for_function(f"!{TREE}.deeds.awaited", timeout=SLOW)
    expect(own).to_have_count(first)
    for _ in range(10):
        if not own.count():
            break
        step(page, -1, lambda: page.keyboard.press("u"))
    expect(own).to_have_count(0)
    for _ in range(12):
        if own.count() == both:
            break
        step(page, 1, lambda: page.keyboard.press("Shift+U"))
    expect(own).to_have_count(both)


def test_a_page_that_is_behind_is_told_so_and_shown_the_tree_as_it_is(page: Page, app: AppServer) -> None:
    parent = parent_run(page, app, 35)
    tree = opened(page)
    own = tree.locator(".fl-tr-chip.fl-tr-forced")
    written(tree, 3, WRITTEN)
    written(tree, 6, " green whales")
    size = own.count()
    client = Client(app.url, verbose=False, analytics_enabled=False)
    now = client.predict(parent["run"], api_name="/tree")
    first = next(node["node"] for node in now["nodes"] if node["forced"])
    client.predict(parent["run"], first, api_name="/remove_from_tree")
    expect(own).to_have_count(size)
    page.keyboard.press("b")
    expect(tree.locator(".fl-tr-state")).to_contain_text("This tree was changed elsewhere; look again.")
    expect(own).not_to_have_count(size)
    expect(tree.locator(".fl-tr-mark")).to_have_count(0)
    assert client.predict(parent["run"], api_name="/tree")["bookmarks"] == []
    own.last.click()
    page.keyboard.press("b")
    expect(tree.locator(".fl-tr-mark")).to_have_text(["★"])
