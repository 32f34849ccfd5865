"""The library in a browser: it finds, labels, deletes, brings back and opens runs, and shows any text exactly.

A page of its own over a real store with 132 runs; what the server is asked is recorded.
"""

from __future__ import annotations

import re
import sqlite3

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.at_rest import at_rest
from tests.support.library_page import HOSTILE, ME, OTHER_MODEL, Served
from tests.support.piece_page import until
from tests.support.stopped_clock import typed


def rows(library: Locator) -> Locator:
    return library.locator(".fl-lib-row")


def titles(library: Locator) -> list[str]:
    return library.locator(".fl-lib-title").all_inner_texts()


def test_fifty_runs_are_sent_at_a_time_and_more_on_request(library: Locator, served: Served) -> None:
    expect(library.locator(".fl-lib-count").first).to_have_text("132 runs")
    library.get_by_role("button", name="Show 50 more").click()
    expect(rows(library)).to_have_count(100)
    library.get_by_role("button", name="Show 32 more").click()
    expect(rows(library)).to_have_count(132)
    expect(library.get_by_role("button", name=re.compile("more$"))).to_have_count(0)
    assert [(e["offset"], e["limit"]) for e in served.events("library_query")] == [(50, 50), (100, 50)]
    assert len(set(titles(library))) == 132


def test_typing_asks_once_and_finds(page: Page, library: Locator, served: Served) -> None:
    typed(library.get_by_role("searchbox"), "number 12", pace=20)
    page.clock.resume()
    expect(rows(library)).to_have_count(11)
    assert [e["text"] for e in served.events("library_query")] == ["number 12"]
    page.keyboard.press("Escape")
    expect(rows(library)).to_have_count(50)


def test_an_answer_that_nobody_asked_for_changes_neither_filters_nor_selection(
    page: Page, library: Locator, served: Served
) -> None:
    served.unasked.clear()
    page.get_by_role("button", name="Answer unasked").click()
    library.get_by_role("searchbox").fill("number 12")
    expect(rows(library)).to_have_count(11)
    library.locator("input[type=checkbox]").nth(0).check()
    library.locator("input[type=checkbox]").nth(1).check()
    served.unasked.set()
    expect(library.get_by_text("Said once.")).to_be_visible()
    until(page, lambda: len(served.events("library_query")) == 2)
    page.wait_for_timeout(300)
    expect(rows(library)).to_have_count(11)
    expect(library.get_by_role("searchbox")).to_have_value("number 12")
    expect(library.locator(".fl-lib-selection")).to_contain_text("2 selected")
    library.get_by_role("button", name="Compare").click()
    until(page, lambda: len(served.events("runs_compare")) == 1)


def test_what_an_import_says_is_not_lost_while_a_search_is_awaited(
    page: Page, library: Locator, served: Served
) -> None:
    served.answers.clear()
    library.get_by_role("searchbox").fill("number 12")
    until(page, lambda: len(served.events("library_query")) == 1)
    page.get_by_role("button", name="Answer unasked").click()
    expect(library.get_by_text("Said once.")).to_be_visible()
    expect(rows(library)).to_have_count(50)
    served.answers.set()
    expect(rows(library)).to_have_count(11)
    # the search began before the import ended: it is asked again, and only once
    until(page, lambda: len(served.events("library_query")) == 2)
    page.wait_for_timeout(300)
    expect(rows(library)).to_have_count(11)
    assert [e["text"] for e in served.events("library_query")] == ["number 12", "number 12"]


def test_filters_add_up_are_shown_and_cleared(library: Locator) -> None:
    library.get_by_label("Tag", exact=True).select_option("even")
    expect(library.locator(".fl-lib-count").first).to_have_text("65 runs")
    library.get_by_role("searchbox").fill("number 12")
    expect(rows(library)).to_have_count(6)
    library.locator(".fl-lib-filter").click()
    expect(rows(library)).to_have_count(11)
    library.get_by_label("Status").select_option("failed")
    expect(library.locator(".fl-lib-empty")).to_contain_text("No run matches.")
    library.get_by_role("button", name="Clear search and filters").click()
    expect(rows(library)).to_have_count(50)
    library.get_by_label("Examples").select_option("only")
    expect(rows(library)).to_have_count(1)


def test_a_model_of_a_run_on_another_page_can_be_chosen(library: Locator) -> None:
    expect(library.locator("[data-uid=run-003]")).to_have_count(0)
    library.get_by_label("Model", exact=True).select_option(OTHER_MODEL)
    expect(rows(library)).to_have_count(1)
    expect(library.locator("[data-uid=run-003]")).to_contain_text(OTHER_MODEL)


def test_a_figure_sorts_in_both_directions_with_missing_ones_last(library: Locator, served: Served) -> None:
    library.get_by_label("Sort by").select_option("perplexity")
    head = library.get_by_role("columnheader", name="Perplexity")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert titles(library)[:5] == list(served.stored(sort="perplexity").values())[:5]
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(rows(library).first).not_to_contain_text("n/a")
    for more in ("Show 50 more", "Show 32 more"):
        library.get_by_role("button", name=more).click()
    expect(rows(library)).to_have_count(132)
    expect(rows(library).last).to_contain_text("n/a")


def test_the_figure_that_sorts_is_on_show_and_keys_stay_where_they_were(page: Page, library: Locator) -> None:
    head = library.get_by_role("columnheader", name="Largest entropy")
    expect(head).to_have_count(0)
    library.get_by_label("Sort by").select_option("max_entropy")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(rows(library).first.locator(".fl-lib-figure-label")).to_have_text(
        ["Mean entropy", "Perplexity", "Largest entropy", "Tokens"]
    )
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(head.get_by_role("button")).to_be_focused()
    library.get_by_role("button", name="Show 50 more").focus()
    page.keyboard.press("Enter")
    expect(rows(library)).to_have_count(100)
    expect(rows(library).nth(50).locator(".fl-lib-title")).to_be_focused()
    library.get_by_label("Sort by").select_option("created")
    expect(head).to_have_count(0)


def test_undo_waits_for_the_reader(page: Page, library: Locator) -> None:
    page.clock.install()
    page.reload()
    row = library.locator("[data-uid=run-112]")
    row.hover()
    row.get_by_role("button", name=re.compile("^Delete")).click()
    expect(library.get_by_role("button", name="Undo")).to_be_visible()
    page.clock.fast_forward(600_000)
    library.get_by_role("button", name="Undo").click()
    expect(row).to_have_count(1)


def test_hostile_words_are_shown_exactly_and_do_nothing(page: Page, library: Locator) -> None:
    row = library.locator("[data-uid=hostile]")
    expect(row.locator(".fl-lib-title")).to_have_text(HOSTILE.replace("\u202e", "⟨RLO⟩").replace("\u200b", "⟨ZWSP⟩"))
    expect(row.locator(".fl-lib-tag")).to_have_text("<i>t</i>")
    expect(row.locator(".fl-lib-chip-stopped")).to_have_text("stopped")
    assert row.locator("img, b, i:not([class]), script").count() == 0
    assert page.evaluate("window.__ran") is None


def test_a_click_opens_a_run_and_a_click_with_control_opens_a_page(
    page: Page, library: Locator, served: Served
) -> None:
    link = library.locator("[data-uid=run-129] a")
    assert link.get_attribute("href") == "?run=run-129"
    link.click()
    until(page, lambda: served.events("run_open") == [{"uid": "run-129"}])
    context: BrowserContext = page.context
    with context.expect_page() as opened:
        link.click(modifiers=["ControlOrMeta"])
    assert opened.value.url.endswith("?run=run-129")
    opened.value.close()
    library.locator("[data-uid=run-128] .fl-lib-answer").click()
    until(page, lambda: served.events("run_open") == [{"uid": "run-129"}, {"uid": "run-128"}])


def test_the_list_is_worked_with_the_keyboard_alone(page: Page, library: Locator, served: Served) -> None:
    page.keyboard.press("/")
    expect(library.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(library.locator(".fl-lib-title").nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(library.locator("[data-uid=run-129] a")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    expect(library.locator(".fl-lib-selection")).to_contain_text("2 selected")
    page.keyboard.press("c")
    until(page, lambda: served.events("runs_compare") == [{"a": "run-128", "b": "run-129"}])
    page.keyboard.press("Enter")
    until(page, lambda: served.events("run_open") == [{"uid": "run-128"}])
    page.keyboard.press("Escape")
    expect(library.locator(".fl-lib-selection")).to_be_hidden()
    # Tab leaves the list after one row: only the row one is at can be tabbed into
    assert library.locator(".fl-lib-row:has(:is(a, button, input):not([tabindex='-1']))").count() == 1


def test_no_key_destroys_and_keys_leave_typing_alone(page: Page, library: Locator, served: Served) -> None:
    library.locator("[data-uid=run-129] a").focus()
    for key in ("Delete", "Backspace", "d"):
        page.keyboard.press(key)
    library.get_by_role("searchbox").fill("")
    page.keyboard.type("xec/")
    expect(library.get_by_role("searchbox")).to_have_value("xec/")
    page.keyboard.press("Escape")
    expect(rows(library)).to_have_count(50)
    assert not served.events("runs_delete") and not served.events("run_label")
    expect(library.locator(".fl-lib-selection")).to_be_hidden()


def test_a_title_tags_and_a_note_are_edited_in_place(page: Page, library: Locator, served: Served) -> None:
    row = library.locator("[data-uid=run-115]")
    row.locator("a").focus()
    page.keyboard.press("e")
    expect(library.get_by_label("Title of Run number 115")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Ice & density")
    page.keyboard.press("Enter")
    expect(row.locator(".fl-lib-title")).to_have_text("Ice & density")
    expect(row.locator("a")).to_be_focused()
    page.keyboard.press("t")
    page.keyboard.type("physics, ev")
    row.locator(".fl-lib-suggest button", has_text="even").click()
    row.get_by_role("button", name="Save").click()
    expect(row.locator(".fl-lib-tag")).to_have_text(["even", "physics"])
    row.hover()
    row.get_by_role("button", name=re.compile("^Note on")).click()
    page.keyboard.type("Two\nlines")
    page.keyboard.press("ControlOrMeta+Enter")
    expect(row.locator(".fl-lib-note")).to_have_text("Two\nlines")
    until(page, lambda: served.store.runs.header("run-115", viewer="local").note == "Two\nlines")
    stored = served.store.runs.header("run-115", viewer="local")
    assert stored.title == "Ice & density" and set(stored.tags) == {"even", "physics"}


def test_leaving_an_editor_without_a_change_asks_nothing(page: Page, library: Locator, served: Served) -> None:
    library.locator("[data-uid=run-114] a").focus()
    for leave in ("Escape", "Enter"):
        page.keyboard.press("e")
        if leave == "Escape":
            page.keyboard.type("thrown away")
        page.keyboard.press(leave)
        expect(library.locator("[data-uid=run-114] .fl-lib-title")).to_have_text("Run number 114")
    page.wait_for_timeout(200)
    assert served.events("run_label") == []


def test_a_title_that_is_not_saved_is_not_lost(page: Page, library: Locator) -> None:
    row = library.locator("[data-uid=run-113]")
    row.locator("a").focus()
    page.keyboard.press("e")
    row.locator(".fl-lib-field").fill("refused")
    page.keyboard.press("Enter")
    expect(row.get_by_role("alert")).to_contain_text("Not saved", timeout=12_000)
    expect(row.locator(".fl-lib-field")).to_have_value("refused")
    expect(row.locator(".fl-lib-title")).to_have_text("Run number 113")
    row.locator(".fl-lib-field").fill("accepted")
    row.get_by_role("button", name="Try again").click()
    expect(row.locator(".fl-lib-title")).to_have_text("accepted")


def test_a_deleted_run_comes_back_to_its_place(page: Page, library: Locator, served: Served) -> None:
    library.get_by_role("button", name="Show 50 more").click()
    expect(rows(library)).to_have_count(100)
    before = titles(library)
    row = library.locator("[data-uid=run-060]")
    row.scroll_into_view_if_needed()
    row.hover()
    row.get_by_role("button", name=re.compile("^Delete")).click()
    expect(row).to_have_count(0)
    assert titles(library) == [title for title in before if title != "Run number 60"] + ["Run number 31"]
    expect(library.get_by_role("status").filter(has_text="Deleted")).to_contain_text("Run number 60")
    library.get_by_role("button", name="Undo").click()
    expect(row).to_have_count(1)
    assert titles(library)[:100] == before
    assert served.store.runs.header("run-060", viewer="local").title == "Run number 60"


def test_selected_runs_are_deleted_together_and_examples_stay(library: Locator, served: Served) -> None:
    for uid in ("example", "run-110", "run-111"):
        library.locator(f"[data-uid={uid}] input").check()
    selection = library.locator(".fl-lib-selection")
    expect(selection.get_by_role("button", name="Compare")).to_be_disabled()
    selection.get_by_role("button", name="Delete").click()
    expect(library.locator("[data-uid=run-110]")).to_have_count(0)
    assert served.events("runs_delete")[0]["uids"] == ["run-110", "run-111"]
    library.get_by_role("button", name="Undo").click()
    expect(library.locator("[data-uid=run-110]")).to_have_count(1)


def test_an_example_is_marked_and_cannot_be_changed(page: Page, library: Locator, served: Served) -> None:
    row = library.locator("[data-uid=example]")
    # the day on which it was made says nothing and is not shown
    expect(row.locator(".fl-lib-chip-example")).to_have_text("Example")
    assert row.locator("time").count() == 0 and "ago" not in row.inner_text()
    assert row.get_by_role("button").count() == 0
    row.locator("a").focus()
    for key in "etn":
        page.keyboard.press(key)
    expect(row.locator("form")).to_have_count(0)
    assert served.heard == []


def test_selected_or_all_matching_runs_are_exported(page: Page, library: Locator, served: Served) -> None:
    library.get_by_role("searchbox").fill("number 12")
    expect(rows(library)).to_have_count(11)
    library.get_by_role("button", name="Export all 11").click()
    until(page, lambda: len(served.events("runs_export")) == 1)
    library.locator("[data-uid=run-127] input").check()
    library.locator(".fl-lib-selection").get_by_role("button", name="Export").click()
    until(page, lambda: len(served.events("runs_export")) == 2)
    everything, one = served.events("runs_export")
    assert everything["all"] is True and everything["query"]["text"] == "number 12"
    assert one == {**everything, "uids": ["run-127"], "all": False}
    assert len(served.shelf.matching(everything["query"], ME)) == 11


def test_a_damaged_run_is_named_and_not_opened(page: Page, library: Locator, served: Served) -> None:
    file = served.file
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE run SET tokens = tokens + 1 WHERE uid = 'run-100'")
    page.reload()
    row = library.locator("[data-uid=run-100]")
    expect(row).to_contain_text("damaged")
    assert row.locator("a, input, button").count() == 0
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE run SET tokens = tokens - 1 WHERE uid = 'run-100'")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_runs_at_a_glance_are_drawn_in_the_pages_colours_and_a_dot_opens_its_run(
    page: Page, served: Served, theme: str
) -> None:
    page.goto(f"{served.url}?__theme={theme}")
    page.get_by_role("tab", name="Glance").click()
    expect(page.locator("#glance .points path")).to_have_count(132, timeout=20_000)
    colour = "e => getComputedStyle(e).getPropertyValue('fill')"
    soft = {"light": "rgb(96, 92, 85)", "dark": "rgb(168, 162, 152)"}[theme]
    assert page.locator("#glance .xtick text").first.evaluate(colour) == soft
    served.heard.clear()
    example = page.locator("#glance .trace").last.locator(".points path")
    example.scroll_into_view_if_needed()
    # another layer of the figure lies over its dots and hears the click, wherever they then are
    at_rest(example)
    example.click(force=True)
    until(page, lambda: len(served.events("plot_click")) == 1)
    assert served.events("plot_click")[0]["uid"] in served.stored()
