"""How the branching tree feels in a browser: quick with 2,000 tokens, steady while it grows, plain in its words,
open to everybody.

A page of its own over documents made by hand; what the piece does is tested beside this.
"""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support import tree_page
from tests.support.piece_page import ServedPage
from tests.support.tree_page import TREE, chip, focus, press, selected

MOST_MILLISECONDS = 300


TIMED = """() => {
  const tree = Forklore.branchesPiece.tree, frame = tree.frame;
  const timed = (act) => {
    const began = performance.now();
    act();
    void frame.getBoundingClientRect().height;
    void tree.root.offsetHeight;
    return performance.now() - began;
  };
  const path = tree.data.runPath, out = {};
  const grown = (from, count) => {
    const row = (_, i) => [5000 + from + i, path[60], " w" + i, -3, 1, 0.1, 0, 0];
    return tree.data.text + JSON.stringify({n: Array.from({length: count}, row)}) + "\\n";
  };
  out.open = timed(() => { const text = tree.data.text; tree.load(""); tree.load(text); });
  out.everything = timed(() => tree.step({prune: 0, collapse: false}));
  out.move = timed(() => tree.pick(path[60], "key"));
  out.fold = timed(() => tree.act("fold", path[40]));
  out.undo = timed(() => tree.travel(-1));
  out.recolour = timed(() => tree.view.set({colour: "entropy"}));
  out.again = timed(() => tree.view.set({colour: "share"}));
  out.hoist = timed(() => tree.act("hoist", path[5]));
  out.back = timed(() => tree.back(0));
  out.append = timed(() => tree.load(grown(0, 50)));
  out.scroll = timed(() => { frame.scrollLeft += 400; tree.drawing.paint(); });
  out.prune = timed(() => tree.step({prune: 0.05}));
  out.icicle = timed(() => tree.view.set({mode: "icicle"}));
  out.icicleAppend = timed(() => tree.load(grown(50, 50)));
  out.chips = timed(() => tree.view.set({mode: "chips"}));
  out.drawn = tree.drawing.drawn.size;
  out.nodes = tree.data.size;
  return out;
}"""


def test_two_thousand_tokens_answer_every_action_at_once(page: Page, tree: Locator) -> None:
    page.get_by_role("button", name="Large").click()
    expect(tree).to_have_attribute("data-nodes", "2000")
    times = page.evaluate(TIMED)
    print({name: round(value, 1) for name, value in times.items()})
    drawn, nodes = times.pop("drawn"), times.pop("nodes")
    assert nodes == 2100 and 0 < drawn < 600, "only what is near the frame is drawn"
    assert max(times.values()) < MOST_MILLISECONDS, times


def test_while_growing_the_selected_token_stays_at_its_place(page: Page, tree: Locator) -> None:
    page.get_by_role("button", name="Large").click()
    expect(tree).to_have_attribute("data-nodes", "2000")
    page.evaluate(f"{TREE}.pick({TREE}.data.runPath[60], 'key')")
    # a place that the new lines push down: an alternative of an earlier token
    node = page.evaluate(
        f"""() => {{ const t = {TREE}, others = t.shape.kids(t.data.runPath[50]);
        t.pick(others[others.length - 1], 'key'); return t.selected; }}"""
    )
    before = chip(tree, node).bounding_box()
    told = page.evaluate(
        f"""() => {{ const t = {TREE}, at = t.data.runPath[51]; const was = t.drawing.box(t.selected).y;
        const rows = Array.from({{length: 8}}, (_, i) => [6000 + i, at, " grown" + i, -2.3, 1, 0.1, 0, 0]);
        t.load(t.data.text + JSON.stringify({{n: rows}}) + "\\n"); return [was, t.drawing.box(t.selected).y]; }}"""
    )
    after = chip(tree, node).bounding_box()
    assert told[1] != told[0], "the new alternatives moved it on the canvas, so the frame had to follow"
    assert before and after and (before["x"], before["y"]) == pytest.approx((after["x"], after["y"]), abs=1.5)


def violations(page: Page) -> list[str]:
    found = Axe().run(page, context={"include": [["#tree-piece"]]}, options={"resultTypes": ["violations"]})
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0]['any'][:1]}" for v in found.response["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_violates_the_rules_of_access_or_sticks_out(
    chromium: Browser, served_tree: ServedPage, scheme: str, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(served_tree.url)
    tree = page.locator("#tree-piece .fl-tree")
    expect(chip(tree, 1)).to_be_visible()
    found = violations(page)
    for colour in ("entropy", "share"):
        tree.get_by_label("Colour").select_option(colour)
        found += violations(page)
    focus(tree)
    press(page, "ArrowRight", "c", "ArrowRight", "c", "h", "?", "e")
    expect(tree.get_by_role("form", name="Expand here")).to_be_visible()
    found += violations(page)
    tree.get_by_role("radio", name="Icicle").click()
    found += violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    assert found == []


def test_only_the_first_leaves_of_a_growth_are_spared_and_stay_while_it_grows(page: Page, tree: Locator) -> None:
    def kept(state: str, nodes: list[int]) -> list[int]:
        leaves = [{"node": node, "logprob": -1.0, "finished": False, "weight": None} for node in nodes]
        said = tree_page.line(s=tree_page.idle(state=state, leaves=leaves))
        page.evaluate(f"(line) => {TREE}.load({TREE}.data.text + line)", said)
        return page.evaluate(f"[...{TREE}.data.kept]")

    page.evaluate(f"(text) => {TREE}.load(text)", tree_page.small().rsplit('{"s"', 1)[0])
    assert kept("growing", [10, 11]) == [10, 11]
    assert kept("growing", [12]) == [10, 11, 12]
    assert kept("idle", list(range(10, 30))) == list(range(10, 22)), "no more than twelve"


def test_a_share_is_said_only_where_a_branch_left_a_run(tree: Locator) -> None:
    def share() -> Locator:
        return tree.locator(".fl-tr-facts > div").filter(has_text=re.compile("^share"))

    for node, words in ((5, "n/a, part of a run"), (8, "n/a, part of a run"), (30, "n/a, written by a person")):
        chip(tree, node).click()
        expect(share()).to_have_text(f"share{words}")
        expect(chip(tree, node)).to_have_attribute("aria-label", re.compile(f"share {words}"))
    chip(tree, 31).click()
    expect(share()).to_have_text("share50.0\u00a0%")
    expect(share()).to_have_attribute("title", re.compile("since the branch left the nearest run"))
    path = tree.locator(".fl-tr-facts > div").filter(has_text="of the whole path")
    expect(path).to_contain_text(re.compile(r"−4\.2\d+\snats, 1\.40\s%"))
    for logprob, said in ((-9.24, "0.0097"), (-11.48, "0.0010"), (-11.61, "9.1×10⁻⁴")):
        shown = tree.page.evaluate("(phi) => Forklore.treeWords.pathOf({ phi: [phi] }, 0)", logprob)
        assert shown.endswith(f"{said}\u00a0%"), "small shares are told in digits that say something"


def test_a_run_whose_first_token_stands_in_the_root_is_followed_to_the_right_token(page: Page, tree: Locator) -> None:
    page.evaluate(
        f"(text) => {TREE}.load(text)",
        tree_page.small().replace('"v": 1', '"v": 1, "offset": 1', 1).replace("tree-a", "tree-b"),
    )
    page.evaluate("window.__told = []; Forklore.branchesPiece.onSelect = (i) => window.__told.push(i); 0")
    for token, node in ((1, 1), (2, 4), (0, 0), (3, 5)):
        page.evaluate("(i) => Forklore.branchesPiece.mark(i)", token)
        assert selected(tree) == node
    page.evaluate("Forklore.branchesPiece.mark(-1)")
    assert selected(tree) == 5, "no token of the run is chosen"
    for node in (4, 1, 0):
        chip(tree, node).click()
    assert page.evaluate("window.__told") == [2, 1, 0]


def test_a_growth_that_found_enough_says_how_many_are_prefixes(page: Page, tree: Locator) -> None:
    leaf = {"node": 6, "logprob": -1.0, "finished": True, "weight": None}
    status = tree_page.idle(reason="leaves", evaluated=9, leaves=[leaf, {**leaf, "node": 9, "finished": False}])
    page.evaluate(f"(line) => {TREE}.load({TREE}.data.text + line)", tree_page.line(s=status))
    said = "Brought out as many as asked for; 1 of them is a prefix cut off by depth."
    expect(tree.locator(".fl-tr-state")).to_contain_text(said)
    expect(tree.locator(".fl-tr-answers")).to_contain_text("the bar counts every finished answer in the tree")


def test_text_and_field_are_as_high_as_what_stands_in_them(page: Page, tree: Locator) -> None:
    def height(found: Locator) -> float:
        return (found.bounding_box() or {"height": 0.0})["height"]

    page.set_viewport_size({"width": 390, "height": 900})
    text = tree.locator(".fl-tr-detail > div > .fl-tr-text")
    chip(tree, 5).click()
    assert 20 < height(text) < 40, "one line"
    chip(tree, 1).click()
    tree.get_by_role("button", name="Edit…").click()
    field = tree.get_by_label(re.compile("^Instead of"))
    low = height(field)
    field.fill(" so many words" * 12)
    assert height(field) > 2 * low
    assert field.evaluate("(field) => field.scrollHeight <= field.clientHeight + 1"), "nothing is scrolled away"
