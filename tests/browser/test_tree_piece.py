"""The branching tree in a browser: every token can be reached, every step undone, nothing of the text is run.

A page of its own over documents made by hand; what the server is asked is recorded.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support import tree_page
from tests.support.piece_page import ServedPage, until
from tests.support.tree_page import HOSTILE, TREE, chip, focus, heard, press, selected


def test_arrows_walk_to_parent_best_child_and_siblings(page: Page, tree: Locator) -> None:
    frame = focus(tree)
    assert selected(tree) == 1, "a tree opens at the first token of the run on show"
    press(page, "ArrowRight", "ArrowRight")
    assert selected(tree) == 5
    press(page, "ArrowDown")
    assert selected(tree) == 7, "the next sibling is the next most likely one"
    press(page, "ArrowUp", "ArrowLeft")
    assert selected(tree) == 4
    press(page, "Home")
    assert selected(tree) == 0
    active = frame.get_attribute("aria-activedescendant")
    assert active and tree.locator(f"#{active}").get_attribute("data-node") == "0"


def test_a_screen_reader_hears_numbers_and_place(tree: Locator) -> None:
    answer = chip(tree, 7)
    expect(answer).to_have_attribute(
        "aria-label", re.compile("42, probability 30.0.%, share .*entropy 0.2.* nats, bookmarked")
    )
    expect(answer).to_have_attribute("aria-level", "4")
    expect(answer).to_have_attribute("aria-posinset", "2")
    expect(chip(tree, 4)).to_have_attribute("aria-expanded", "true")


def test_fold_hides_what_follows_and_undo_brings_it_back(page: Page, tree: Locator) -> None:
    focus(tree)
    press(page, "ArrowRight", "f")
    expect(chip(tree, 5)).to_have_count(0)
    expect(tree.locator(".fl-tr-pill-fold")).to_have_text("+5")
    expect(chip(tree, 4)).to_have_attribute("aria-expanded", "false")
    press(page, "u")
    expect(chip(tree, 5)).to_be_visible()
    press(page, "Shift+U")
    expect(chip(tree, 5)).to_have_count(0)
    tree.locator(".fl-tr-pill-fold").click()
    expect(chip(tree, 5)).to_be_visible()


def test_hoist_shows_only_what_follows_and_the_breadcrumb_leads_back(page: Page, tree: Locator) -> None:
    chip(tree, 4).click()
    focus(tree)
    press(page, "h")
    expect(chip(tree, 2)).to_have_count(0)
    expect(chip(tree, 7)).to_have_attribute("aria-level", "2")
    crumbs = tree.locator(".fl-tr-crumbs")
    expect(crumbs).to_contain_text("He")
    crumbs.get_by_role("button", name="Back to the whole tree").click()
    expect(chip(tree, 2)).to_be_visible()
    expect(crumbs).to_be_hidden()


def test_pruning_says_what_it_hides_and_spares_runs_bookmarks_and_own_words(tree: Locator) -> None:
    slider = tree.get_by_label("Prune below")
    assert chip(tree, 3).count() == 0, "2 % is below the usual 5 %"
    slider.fill("0")
    expect(chip(tree, 3)).to_be_visible()
    expect(tree.locator(".fl-tr-hidden")).to_have_text("34 tokens, none hidden")
    slider.fill("9")
    expect(tree.locator(".fl-tr-hidden")).to_have_text("24 tokens are hidden below 50\u00a0%: show")
    # 9 is a prefix that the last growth brought out
    for kept in (6, 7, 8, 9, 30, 31):
        expect(chip(tree, kept)).to_be_visible()
    for gone in (2, 3):
        expect(chip(tree, gone)).to_have_count(0)
    tree.locator(".fl-tr-hidden").get_by_role("button").click()
    expect(chip(tree, 3)).to_be_visible()
    expect(slider).to_have_value("0")
    expect(slider).to_be_focused()
    expect(tree.locator(".fl-tr-hidden")).to_have_text("34 tokens, none hidden")


def test_a_long_chain_is_drawn_together_until_asked_for(tree: Locator) -> None:
    expect(tree.locator(".fl-tr-pill-chain")).to_have_text("⋯ 8 tokens ⋯")
    expect(chip(tree, 20)).to_have_count(0)
    tree.locator(".fl-tr-pill-chain").click()
    expect(chip(tree, 20)).to_be_visible()
    tree.get_by_role("button", name="Undo").click()
    expect(chip(tree, 20)).to_have_count(0)
    tree.get_by_label("Draw long chains together").uncheck()
    expect(chip(tree, 20)).to_be_visible()


def test_what_is_selected_is_not_drawn_away(tree: Locator) -> None:
    tree.get_by_label("Draw long chains together").uncheck()
    chip(tree, 20).click()
    tree.get_by_label("Draw long chains together").check()
    assert selected(tree) == 20
    expect(chip(tree, 20)).to_be_visible()


def test_expanding_names_its_price_and_can_be_stopped(page: Page, tree: Locator, served_tree: ServedPage) -> None:
    chip(tree, 7).click()
    focus(tree)
    press(page, "e")
    form = tree.get_by_role("form", name="Expand here")
    expect(form).to_contain_text("The most probable answers first.")
    expect(form).to_contain_text("64 nodes, about 8.0 s")
    nodes, expand = form.get_by_label("Nodes to look into"), form.get_by_role("button", name="Expand")
    nodes.fill("513")
    expect(form.locator(".fl-tr-price")).to_have_text("Nodes to look into: at most 512")
    expect(expand).to_be_disabled()
    page.evaluate(f"{TREE}.data.header.seconds_per_node = 30; 0")
    nodes.fill("512")
    expect(form).to_contain_text("512 nodes, about 4.3 hours")
    page.evaluate(f"{TREE}.data.header.seconds_per_node = 0.125; 0")
    nodes.fill("100")
    expect(expand).to_be_enabled()
    expect(form).to_contain_text("100 nodes, about 13 s")
    expect(form.get_by_label("Seed")).to_be_hidden()
    form.get_by_label("fair").check()
    form.get_by_label("Seed").fill("11")
    form.get_by_role("button", name="Expand").click()
    assert heard(page, served_tree, "tree_grow") == {
        "run": "run-a", "node": 7, "policy": "fair", "width": 5, "depth": 32, "budget": 100, "leaves": None, "seed": 11,
    }  # fmt: skip
    expect(chip(tree, 40)).to_be_visible()
    expect(tree.locator(".fl-tr-state")).to_contain_text("Growing: 3 of 64 nodes")
    tree.get_by_role("button", name="Stop").click()
    assert heard(page, served_tree, "tree_stop") == {"run": "run-a"}
    expect(tree.locator(".fl-tr-state")).to_contain_text("Stopped by you; what was found stays.")
    expect(chip(tree, 40)).to_be_visible()


def test_one_more_answer_asks_for_one_beyond_those_that_came_out(
    page: Page, tree: Locator, served_tree: ServedPage
) -> None:
    chip(tree, 4).click()
    tree.get_by_role("button", name="Expand here").click()
    tree.get_by_role("button", name="One more answer").click()
    asked = heard(page, served_tree, "tree_grow")
    assert (asked["leaves"], asked["policy"], asked["seed"]) == ("more", "likely", None)


def test_an_edit_becomes_a_sibling_and_the_original_stays(page: Page, tree: Locator, served_tree: ServedPage) -> None:
    chip(tree, 5).click()
    tree.get_by_role("button", name="Edit…").click()
    field = tree.get_by_label(re.compile("^Instead of"))
    expect(field).to_have_value(" 33")
    press(page, "Escape")
    expect(field).to_be_hidden()
    tree.get_by_role("button", name="Edit…").click()
    field.fill(" fb<b>")
    expect(tree.get_by_role("button", name="Add beside it")).to_be_visible()
    press(page, "Enter")
    assert heard(page, served_tree, "tree_edit") == {"run": "run-a", "node": 5, "text": " fb<b>"}
    expect(chip(tree, 41)).to_contain_text("fb<b>")
    expect(chip(tree, 5)).to_contain_text("33")
    expect(chip(tree, 41)).to_have_attribute("aria-label", re.compile("put there by a person"))
    assert selected(tree) == 41, "what was written is gone to"


def test_an_edit_that_changes_nothing_is_not_sent(page: Page, tree: Locator, served_tree: ServedPage) -> None:
    chip(tree, 5).click()
    tree.get_by_role("button", name="Edit…").click()
    tree.get_by_role("button", name="Add beside it").click()
    expect(tree.locator("[role=status][aria-live]")).to_have_text("That is the text that stands there.")
    page.wait_for_timeout(200)
    assert not served_tree.events("tree_edit")


def test_bookmarks_and_notes_reach_the_server_and_stay_on_show(
    page: Page, tree: Locator, served_tree: ServedPage
) -> None:
    chip(tree, 2).click()
    focus(tree)
    press(page, "b")
    assert heard(page, served_tree, "tree_mark") == {"run": "run-a", "node": 2, "bookmark": True, "note": None}
    expect(chip(tree, 2)).to_contain_text("★")
    tree.get_by_role("button", name="Note…").click()
    tree.get_by_label("Note at").fill("look <i>here</i>")
    press(page, "ControlOrMeta+Enter")
    until(page, lambda: served_tree.events("tree_mark")[-1]["note"] == "look <i>here</i>")
    expect(tree.locator(".fl-tr-note")).to_have_text("look <i>here</i>")


def test_two_branches_are_compared_from_where_they_part(page: Page, tree: Locator) -> None:
    chip(tree, 6).click()
    focus(tree)
    press(page, "c")
    chip(tree, 8).click()
    focus(tree)
    press(page, "c")
    sides = tree.locator(".fl-tr-side")
    expect(tree.locator(".fl-tr-compare")).to_contain_text("The branches part after “has”")
    expect(sides.nth(0)).to_contain_text("45.00 % from the fork on")
    expect(sides.nth(0)).to_contain_text("33")
    expect(sides.nth(1)).to_contain_text("24.00 % from the fork on")
    press(page, "Escape")
    expect(sides).to_have_count(0)


def test_runs_are_named_where_they_end_and_open_on_a_click(page: Page, tree: Locator, served_tree: ServedPage) -> None:
    pills = tree.locator(".fl-tr-pill-run")
    expect(pills).to_have_count(2)
    expect(tree.locator(".fl-tr-pill.fl-tr-current")).to_have_text("How many sheep?")
    pills.filter(has_text="The other way").click()
    assert heard(page, served_tree, "run_open")["uid"] == "run-b"
    tags = tree.get_by_role("group", name="Runs in this tree")
    tags.get_by_role("button", name="The other way").click()
    assert selected(tree) == 7, "a run's name leads to where it leaves the run on show"
    served_tree.heard.clear()
    tree.get_by_role("button", name="Open “The other way”").click()
    assert heard(page, served_tree, "run_open")["uid"] == "run-b"


def test_a_path_is_made_a_run_with_the_same_or_fresh_luck(page: Page, tree: Locator, served_tree: ServedPage) -> None:
    page.evaluate("window.__taken = 0; Forklore.branchesPiece.onTake = () => { window.__taken += 1; }; 0")
    chip(tree, 31).click()
    tree.get_by_role("button", name="Make this a run").click()
    assert page.evaluate("window.__taken") == 0
    tree.get_by_role("menuitem", name="Fresh luck").click()
    assert heard(page, served_tree, "tree_take") == {"run": "run-a", "node": 31, "luck": "fresh"}
    assert page.evaluate("window.__taken") == 1, "the instrument is told, so that it can wait for the run"


def test_coverage_answers_and_estimates_are_said_with_their_limits(page: Page, tree: Locator) -> None:
    results = tree.locator(".fl-tr-results")
    for words in ("finished69.0 %", "cut off by depth5.0 %", "open20.0 %", "left out6.0 %", "2.500 ± 0.25"):
        expect(results).to_contain_text(words.replace(" %", "\u00a0%"))
    lines = results.locator("tbody tr")
    expect(lines).to_have_count(3)
    expect(lines.nth(0)).to_contain_text("exact")
    expect(lines.nth(1)).not_to_contain_text("exact")
    expect(lines.nth(2)).to_contain_text("a prefix, not an answer")
    expect(tree.locator(".fl-tr-pill-prefix")).to_have_text("… a prefix")
    lines.nth(1).get_by_role("button").click()
    assert selected(tree) == 8
    table = page.evaluate(f"Forklore.format.tsv({TREE}.answers.rows())").split("\n")
    assert table[0].startswith("rank\ttext\tprobability") and table[1].startswith("1\t33\t0.45")


def test_a_growth_under_way_lists_its_latest_answers_with_their_place(page: Page, tree: Locator) -> None:
    leaf = {"node": 6, "logprob": -1.0, "finished": True, "weight": None}
    status = tree_page.idle(state="growing", evaluated=9, out=21, exact=20, leaves=[leaf, {**leaf, "node": 8}])
    page.evaluate(f"(line) => {TREE}.load({TREE}.data.text + line)", tree_page.line(s=status))
    lines = tree.locator(".fl-tr-results tbody tr")
    expect(lines.locator("td:first-child")).to_have_text(["20", "21"])
    expect(lines.nth(0)).to_contain_text("exact")
    expect(lines.nth(1)).not_to_contain_text("exact")
    expect(tree.locator(".fl-tr-answers")).to_contain_text("the latest 2 of 21 that came out")


def test_a_tree_that_gets_its_name_keeps_what_the_reader_folded(page: Page, tree: Locator) -> None:
    named = tree_page.small()
    page.evaluate(f"(text) => {TREE}.load(text)", named.replace('"tree": "tree-a"', '"tree": ""'))
    chip(tree, 4).click()
    focus(tree)
    press(page, "f")
    expect(chip(tree, 5)).to_have_count(0)
    page.evaluate(f"(text) => {TREE}.load(text)", named)
    expect(chip(tree, 4)).to_be_visible()
    expect(chip(tree, 5)).to_have_count(0)


def test_hostile_words_and_unfinished_characters_are_shown_exactly(page: Page, tree: Locator) -> None:
    shown = HOSTILE.replace("\u202e", "⟨RLO⟩").replace("\u200b", "⟨ZWSP⟩")
    expect(chip(tree, 9).locator("bdi")).to_have_text(shown)
    tree.get_by_label("Prune below").fill("0")
    expect(chip(tree, 32).locator("bdi")).to_have_text("⟨e2 82⟩")
    assert page.evaluate(f"{TREE}.data.pathText([32, 33])") == "€", (
        "the token that completes a character carries it whole"
    )
    assert page.evaluate(f"{TREE}.data.pathText([32])") == "⟨e2 82⟩"
    assert page.evaluate("window.__ran") is None


def test_the_icicle_is_as_tall_as_probable(page: Page, tree: Locator) -> None:
    tree.get_by_role("radio", name="Icicle").click()
    heights = {node: (chip(tree, node).bounding_box() or {"height": 0.0})["height"] for node in (0, 1, 2, 4)}
    assert heights[1] / heights[0] == pytest.approx(0.7, abs=0.02)
    assert heights[2] / heights[0] == pytest.approx(0.25, abs=0.02)
    assert heights[4] / heights[1] == pytest.approx(0.6, abs=0.02)
    chip(tree, 4).dblclick()
    expect(chip(tree, 1)).to_have_count(0)
    assert (chip(tree, 4).bounding_box() or {"height": 0.0})["height"] == pytest.approx(heights[0], abs=2)
    picture = page.evaluate(f"Forklore.treeFiles.picture({TREE}).text")
    assert "height = probability" in picture and ">33<" in picture


def test_pictures_and_json_are_saved_and_json_is_brought_back(
    page: Page, tree: Locator, served_tree: ServedPage, tmp_path: Path
) -> None:
    def saved(item: str) -> bytes:
        tree.get_by_role("button", name="Save", exact=True).first.click()
        with page.expect_download() as download:
            tree.get_by_role("menuitem", name=item).click()
        return Path(download.value.path()).read_bytes()

    picture = saved("As SVG").decode("utf-8")
    assert ">33<" in picture and "tokens in the tree" in picture and "<img" not in picture
    assert saved("As PNG")[:8] == b"\x89PNG\r\n\x1a\n"
    assert saved("Save as JSON") == b'{"tree": 1}'
    file = tmp_path / "tree.json"
    file.write_text('{"some": "tree"}', "utf-8")
    tree.get_by_role("button", name="Save", exact=True).first.click()
    with page.expect_file_chooser() as chooser:
        tree.get_by_role("menuitem", name="Load JSON").click()
    chooser.value.set_files(file)
    assert heard(page, served_tree, "tree_import") == {"run": "run-a", "text": '{"some": "tree"}'}


def test_a_run_is_asked_for_once_and_the_instrument_is_followed(
    page: Page, tree: Locator, served_tree: ServedPage
) -> None:
    page.evaluate("for (let i = 0; i < 3; i += 1) Forklore.branchesPiece.open('run-z')")
    until(page, lambda: len(served_tree.events("tree_open")) == 1)
    page.wait_for_timeout(200)
    assert served_tree.events("tree_open") == [{"run": "run-z"}]
    page.evaluate("window.__told = []; Forklore.branchesPiece.onSelect = (i) => window.__told.push(i); 0")
    chip(tree, 5).click()
    chip(tree, 7).click()
    assert page.evaluate("window.__told") == [2], "only tokens of the run on show are told"
    page.evaluate("Forklore.branchesPiece.mark(1)")
    assert selected(tree) == 4
    assert page.evaluate("window.__told") == [2], "what the instrument said is not said back"


def test_the_instrument_takes_the_tree_as_one_of_its_tabs(page: Page, tree: Locator, served_tree: ServedPage) -> None:
    page.evaluate(
        """() => {
          const host = document.createElement("section");
          host.id = "taken";
          document.body.append(host);
          window.__chosen = [];
          const trace = {stored: false, run: "live-1"}, place = {state: {pinned: 2}};
          window.__context = {trace, place, root: host, select: (i) => window.__chosen.push(i)};
          window.__tab = Forklore.branchesPiece.panel.build(host, window.__context);
        }"""
    )
    taken = page.locator("#taken .fl-tree")
    expect(chip(taken, 5)).to_be_visible()
    assert selected(taken) == 5
    expect(taken).to_have_class(re.compile("fl-tr-stale"))
    page.wait_for_timeout(200)
    assert not served_tree.events("tree_open"), "a run that is still being written has no tree yet"
    page.evaluate("window.__context.trace = {stored: true, run: 'run-q'}; window.__tab.update({data: true})")
    assert heard(page, served_tree, "tree_open") == {"run": "run-q"}
    chip(taken, 4).click()
    assert page.evaluate("window.__chosen") == [1]
    page.evaluate("Forklore.branchesPiece.onTake()")
    assert page.evaluate("window.__context.awaiting"), "the run that comes of a path opens where it is compared"


def test_keys_leave_typing_alone_and_destroy_nothing(page: Page, tree: Locator, served_tree: ServedPage) -> None:
    chip(tree, 5).click()
    focus(tree)
    press(page, "Delete", "Backspace", "d", "ControlOrMeta+b")
    tree.get_by_role("button", name="Edit note…").click()
    page.keyboard.type("fhbcue?")
    expect(tree.get_by_label("Note at")).to_have_value("fhbcue?")
    press(page, "Escape")
    assert not served_tree.heard
    assert selected(tree) == 5
    expect(tree.get_by_role("tree")).to_be_focused()


def test_an_empty_tree_says_what_will_appear(page: Page, tree: Locator) -> None:
    page.get_by_role("button", name="Empty").click()
    expect(tree.locator(".fl-tr-message")).to_contain_text("The tree of a run appears here")
    expect(tree.get_by_role("tree")).to_be_hidden()
