"""Reading what became of a changed run: what stands against what, how far chance goes, what stays where it was.

Documents are written by hand, so every state has one; the same page as for asking.
"""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.support import whatif_page as whatif
from tests.support.whatif_page import (
    CAME_OUT,
    CHILDREN,
    EDIT,
    PRICE,
    VERSUS,
    changed_run,
    child,
    feed,
    form,
    heard,
    line,
    panel,
    pieces,
    pin,
    replaced,
    replicates,
    rival,
    run,
    show,
)  # fmt: skip
from ui import assets


def shown(page: Page) -> list[tuple[str, str, str]]:
    """Each column of the two texts: what stood there, what stands there, its kind."""
    return [
        tuple(column)
        for column in page.evaluate(
            """[...document.querySelectorAll('.fl-wi-col')].map((node) => {
              const above = node.querySelector('.fl-wi-above');
              const below = node.querySelector('.fl-wi-below') || node;
              const kinds = ['kept', 'edit', 'held', 'drawn', 'borrowed', 'gone'];
              const kind = kinds.find((name) => node.classList.contains(`fl-wi-${name}`));
              return [above ? above.textContent : below.textContent, below.textContent, kind];
            })"""
        )
    ]


def test_what_was_asked_for_opens_by_itself_and_grows_without_jumping(page: Page) -> None:
    show(page, run())
    pin(page, 15)
    rival(page, "19").click()
    page.keyboard.press("Enter")
    feed(page, line({"state": "queued", "text": "One person before you"}))
    own = replaced(others=CAME_OUT)
    feed(page, changed_run(own[:18], EDIT, done=False))
    expect(page.get_by_role("tab", name="What if")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".fl-wi-lead")).to_have_text(
        "Token 16 ‘\u00a017’ became ‘\u00a019’, same luck: so far 2 of 2 tokens that kept their noise row are the same."
    )
    place = "document.querySelectorAll('.fl-wi-col')[12].getBoundingClientRect().x"
    first, before = page.locator(".fl-wi-col").nth(12).element_handle(), page.evaluate(place)
    feed(page, changed_run(own[:30], EDIT, done=False))
    assert len(shown(page)) == 30
    feed(page, changed_run(own, EDIT))
    assert first is not None and first.evaluate("node => node.isConnected")
    assert page.evaluate(place) == before
    expect(page.locator(".fl-wi-lead")).to_contain_text("19 of 21 tokens that kept their noise row are the same.")


def test_a_run_opened_otherwise_leaves_the_reader_where_they_were(page: Page) -> None:
    show(page, run())
    feed(page, child())
    expect(page.get_by_role("tab", name="Curves")).to_have_attribute("aria-selected", "true")


def test_tokens_stand_against_those_of_their_noise_row(page: Page) -> None:
    show(page, child() + VERSUS)
    panel(page)
    columns = shown(page)
    assert len(columns) == len(pieces(whatif.ORIGINAL))
    differ = [column for column in columns if column[0] != column[1]]
    assert differ == [(" 17", " 19", "edit"), (" 42", " 44", "drawn"), (" 33", " 35", "drawn")]
    assert {kind for *_, kind in columns[:15]} == {"kept"}
    first = page.locator(".fl-wi-first")
    expect(first).to_have_count(1)
    expect(first).to_have_attribute("aria-label", "44 instead of 42, first difference behind the edit, same noise row")
    close = page.locator(".fl-wi-text .fl-wi-close")
    expect(close).to_have_count(1)
    expect(close).to_have_attribute("title", re.compile("margin below 0.001: another machine may decide otherwise"))
    expect(close).to_have_attribute("aria-label", re.compile("another machine"))


def test_an_insertion_moves_the_text_and_keeps_its_rows_together(page: Page) -> None:
    own = pieces(whatif.ORIGINAL)
    tokens = [(text, i) for i, text in enumerate(own)]
    grown = [*tokens[:15], (" about", None), (" a", None), *tokens[15:36]]
    show(page, changed_run(grown, {"start": 15, "stop": 15, "shift": 2, "held": 17}))
    expect(panel(page)).to_contain_text("‘\u00a0about a’ was put in before token 16, same luck: 21 of 21 tokens")
    assert [column for column in shown(page) if column[2] not in ("kept", "drawn")] == [
        ("", " about", "edit"), ("", " a", "edit"), (" .", "", "gone"),
    ]  # fmt: skip
    gone = page.locator(".fl-wi-text .fl-wi-gone")
    expect(gone).to_have_attribute("aria-label", "., no longer there, first difference behind the edit")


def test_a_deletion_and_several_edits_are_told_apart_from_what_was_left_standing(page: Page) -> None:
    tokens = [(text, i) for i, text in enumerate(pieces(whatif.ORIGINAL))]
    left_out = [*tokens[:13], *tokens[16:]]
    show(page, changed_run(left_out, {"start": 13, "stop": 16, "shift": -3, "held": 13}))
    expect(panel(page)).to_contain_text("Tokens 14 to 16 ‘\u00a025 to 17’ were left out")
    both = [*tokens[:13], (" 26", None), (" to", None), (" 19", None), *tokens[16:]]
    feed(page, changed_run(both, {"start": 13, "stop": 16, "shift": 0, "held": 16}))
    expect(panel(page)).to_contain_text("2 edits between tokens 14 and 16")
    assert shown(page)[13:16] == [(" 25", " 26", "edit"), (" to", " to", "held"), (" 17", " 19", "edit")]


def test_edits_named_by_the_document_are_taken_as_they_are(page: Page) -> None:
    """An edit may write what stood there before; what stood between two edits was left standing."""
    tokens = [(text, i) for i, text in enumerate(pieces(whatif.ORIGINAL))]
    own = [*tokens[:13], (" 26", None), (" 25", None), (" to", None), (" to", None), *tokens[16:]]
    edit = {"start": 13, "stop": 16, "shift": 1, "held": 17, "edits": [[13, 14, 2], [15, 16, 1]]}
    show(page, changed_run(own, edit))
    panel(page)
    assert shown(page)[13:17] == [(" 25", " 26", "edit"), ("", " 25", "edit"), (" to", " to", "held"),
                                  (" 17", " to", "edit")]  # fmt: skip


def test_a_beginning_left_standing_under_other_settings_is_not_drawn(page: Page) -> None:
    own = pieces(whatif.ORIGINAL)
    tokens = [(" goats" if i == 34 else text, None if i < 10 else i) for i, text in enumerate(own)]
    show(page, changed_run(tokens, None, changed=["temperature"]))
    expect(panel(page)).to_contain_text("The temperature changed, same luck: 26 of 27 tokens")
    assert [kind for *_, kind in shown(page)] == ["held"] * 10 + ["drawn"] * 27


def test_a_run_whose_original_is_gone_says_so(page: Page) -> None:
    document = "".join(part for part in child().splitlines(keepends=True) if not part.startswith('{"from"'))
    show(page, document)
    expect(panel(page)).to_have_text(re.compile("^This run was changed from another one, which is not here any more"))
    assert panel(page).locator("button:visible").count() == 0


def test_a_text_without_rows_and_a_changed_prompt_are_aligned_from_the_start(page: Page) -> None:
    own = pieces(whatif.ORIGINAL)
    tokens = [(" goats" if text == " sheep" else text, i) for i, text in enumerate(own)]
    show(page, changed_run(tokens, None, rows=[-1] * len(own), luck="inferred", changed=["prompt", "temperature"]))
    expect(panel(page)).to_contain_text("The prompt and the temperature changed, inferred luck")
    differ = [column for column in shown(page) if column[0] != column[1]]
    assert differ == [(" sheep", " goats", "borrowed")] * 2 and len(shown(page)) == len(own)


def test_a_long_equal_beginning_is_folded_until_asked_for(page: Page) -> None:
    own = [f" w{i}" for i in range(60)]
    tokens: list[tuple[str, int | None]] = [(text, i) for i, text in enumerate(own)]
    tokens[50] = (" other", None)
    show(page, changed_run(tokens, {"start": 50, "stop": 51, "shift": 0, "held": 51}, original=own))
    panel(page)
    expect(page.locator(".fl-wi-col")).to_have_count(30)
    page.get_by_role("button", name="Show the 30 tokens before it, which are the same").click()
    expect(page.locator(".fl-wi-col")).to_have_count(60)


def test_arrows_walk_over_the_texts_and_from_difference_to_difference(page: Page) -> None:
    show(page, child() + VERSUS)
    panel(page)
    page.get_by_role("listbox", name="The original above").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    said = page.locator(".fl-wi-readout")
    expect(said).to_contain_text("44 instead of 42, first difference behind the edit, same noise row")
    expect(said).to_contain_text("token 20 before · token 20 now · row 19")
    page.keyboard.press("ArrowUp")
    expect(said).to_contain_text("19 instead of 17, changed by hand")
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text(",, the same")
    page.keyboard.press("Enter")
    expect(page.locator(".fl-explorer")).to_have_attribute("data-pinned", "16")


def test_figures_say_what_they_measure_and_links_lead_on(page: Page) -> None:
    show(page, child() + VERSUS)
    shown_here = panel(page)
    figures = shown_here.locator(".fl-wi-figures .fl-figure-value").all_inner_texts()
    assert [re.sub(r"\s+", " ", text).strip() for text in figures] == [
        "0.127 of 1", "0.200 of 1", "token 20", "90.5 % 19 of 21", "22.0 %",
    ]  # fmt: skip
    shown_here.get_by_role("button", name="17 sheep").click()
    shown_here.get_by_role("button", name="Compare side by side").click()
    shown_here.get_by_role("button", name="Undo").click()
    assert heard(page, "run_open") == [{"uid": "parent", "run": "child"}]
    assert heard(page, "run_compare") == [{"a": "parent", "b": "child", "run": "child"}]
    assert heard(page, "branch_undo") == [{"run": "child"}]


def test_replicates_are_priced_first_counted_while_drawn_and_stand_as_dots(page: Page) -> None:
    document = child() + VERSUS + PRICE
    show(page, document)
    shown_here = panel(page)
    shown_here.get_by_role("button", name="Draw 8 replicates (8 × about 21 tokens, about 0.4 s)").click()
    assert heard(page, "replicates_ask") == [{"count": 8, "run": "child"}]
    document += replicates(40, [], False)
    feed(page, document)
    expect(shown_here).to_contain_text("Drawing 8 replicates: the longest has 40 tokens, 0 came to their end")
    stop = shown_here.get_by_role("button", name="Stop")
    kept = stop.element_handle()
    document += replicates(80, [], False)
    feed(page, document)
    expect(shown_here).to_contain_text("the longest has 80 tokens")
    assert kept is not None and kept.evaluate("node => node.isConnected"), "a button must not vanish under the pointer"
    stop.click()
    assert heard(page, "job_stop") == [{"run": "child"}]
    distances = [0.41, 0.52, 0.44, 0.61, 0.09, 0.58, 0.43, 0.7]
    feed(page, document + replicates(168, distances, True, seconds=3.0))
    expect(shown_here).to_contain_text("Closer to the original than 7 of 8 resamplings (n = 8, percentile 13).")
    expect(shown_here.locator(".fl-wi-strip circle")).to_have_count(8)
    expect(shown_here.locator(".fl-wi-strip text").last).to_have_text("same luck 0.13")
    more = shown_here.get_by_role("button", name="Draw 16 replicates (16 × about 21 tokens, about 6.0 s)")
    expect(more).to_be_visible()
    shown_here.get_by_text("The replicates as table and text").click()
    cells = shown_here.locator(".fl-wi-table tbody tr").first.locator("th, td").all_inner_texts()
    assert cells == ["5", "0.090", "0.090", "text 4"]


def test_where_nothing_is_left_to_chance_no_replicates_are_offered(page: Page) -> None:
    show(page, child(settings={**whatif.SETTINGS, "temperature": 0}) + VERSUS + PRICE)
    expect(panel(page)).to_contain_text("At temperature 0 nothing is left to chance")
    expect(panel(page).get_by_role("button", name=re.compile("Draw"))).to_have_count(0)


def test_a_picture_of_the_replicates_is_saved(page: Page) -> None:
    show(page, child() + VERSUS + replicates(168, [0.4, 0.5], True))
    with page.expect_download() as saved:
        panel(page).get_by_role("button", name="Save picture").click()
    assert saved.value.suggested_filename.endswith("-replicates.png")
    content = saved.value.path().read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 5_000


def test_a_problem_of_the_replicates_is_said_where_they_were_asked_for(page: Page) -> None:
    show(page, child() + VERSUS + PRICE + replicates(10, [], False, problem="The model was unloaded: load it again."))
    expect(panel(page).get_by_role("alert")).to_have_text("The model was unloaded: load it again.")
    expect(panel(page).get_by_role("button", name=re.compile("Draw 8 replicates"))).to_be_enabled()


def test_runs_that_leave_this_one_are_listed_where_they_leave(page: Page) -> None:
    document = run()
    show(page, document)
    feed(page, document + CHILDREN)
    rows = panel(page).get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("token 6")
    expect(rows.nth(0)).to_contain_text("fresh luck · 60 tokens · stopped")
    expect(rows.nth(1)).to_contain_text("19 , <b>which</b>")
    rows.nth(1).get_by_role("button").click()
    assert heard(page, "run_open") == [{"uid": "c1", "run": "parent"}]


def test_a_run_without_branches_says_what_will_appear_and_offers_the_one_action(page: Page) -> None:
    show(page, run())
    expect(panel(page)).to_contain_text("what would have followed, had the luck been the same, appears here")
    page.get_by_role("button", name="Change something here").click()
    expect(page.get_by_label("What shall stand there")).to_be_focused()


def test_a_saved_page_shows_what_was_changed_and_offers_nothing(page: Page) -> None:
    saved = assets.standalone_page(child() + VERSUS + replicates(168, [0.4, 0.5], True), "Saved")
    page.route(whatif.ADDRESS, lambda route: route.fulfill(body=saved, content_type="text/html; charset=utf-8"))
    page.goto(whatif.ADDRESS)
    expect(panel(page)).to_contain_text("Token 16 ‘\u00a017’ became ‘\u00a019’")
    expect(page.locator(".fl-wi-strip circle")).to_have_count(2)
    pin(page, 15)
    expect(page.locator(".fl-br")).to_be_hidden()
    named = panel(page).locator("button:enabled:visible").all_inner_texts()
    assert named == ["Copy figures", "Save picture", "Copy numbers"]


def test_an_unknown_line_behind_the_run_changes_nothing(page: Page) -> None:
    document = child() + VERSUS
    show(page, document)
    before = panel(page).inner_text()
    feed(page, document + line({"weather": "fine"}))
    assert panel(page).inner_text() == before


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_form_and_panel_are_accessible_and_fit(page: Page, dark: bool, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        options = {"resultTypes": ["violations"]}
        violations = Axe().run(page, context={"include": [["#explorer"]]}, options=options).response["violations"]
        found[name] = [f"{v['id']}: {v['nodes'][0]['html'][:200]} {v['nodes'][0]['any'][:1]}" for v in violations]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name

    document = run() + CHILDREN
    show(page, document, dark=dark)
    pin(page, 15)
    rival(page, "19").click()
    form(page).get_by_role("button", name="What the same luck means").click()
    form(page).get_by_text("Change more").click()
    form(page).get_by_role("button", name="Add another edit").click()
    panel(page)
    look("asking")
    feed(page, child() + VERSUS + PRICE + replicates(168, [0.4, 0.45, 0.5], True))
    page.get_by_text("The replicates as table and text").click()
    look("reading")
    assert {name: problems for name, problems in found.items() if problems} == {}
