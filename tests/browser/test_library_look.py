"""How the library looks in a browser: what stays in view, what is said once, what fits.

The same page of its own over a real store with 132 runs that the tests of its behaviour use.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.at_rest import comes_to


def test_an_empty_search_keeps_the_pages_width_and_says_what_to_do(page: Page, library: Locator) -> None:
    width = "document.querySelector('#library-piece').getBoundingClientRect().width"
    before = page.evaluate(width)
    library.get_by_role("searchbox").fill("\u202enowhere <b>")
    expect(library.locator(".fl-lib-empty-head")).to_have_text("No run holds “⟨RLO⟩nowhere <b>”.")
    assert page.evaluate(width) == before > 1000
    library.get_by_role("button", name="Clear the search").click()
    expect(library.locator(".fl-lib-row")).to_have_count(50)
    expect(library.get_by_role("searchbox")).to_be_focused()
    expect(library.get_by_role("searchbox")).to_have_value("")


@pytest.mark.parametrize("width", [1280, 390])
def test_what_can_be_done_with_selected_rows_stays_in_view(page: Page, library: Locator, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    library.locator("[data-uid=run-128] input").check()
    before = library.locator("[data-uid=run-100]").bounding_box()
    library.locator("[data-uid=run-090] input").check()
    compare = library.locator(".fl-lib-selection").get_by_role("button", name="Compare")
    expect(library.locator("[data-uid=run-090]")).to_be_in_viewport()
    expect(compare).to_be_in_viewport(ratio=1)
    assert page.evaluate("scrollY") > 1000 and before is not None
    compare.click(trial=True)
    # a row that the keyboard goes to is not hidden under the bar
    library.locator("[data-uid=run-090] a").focus()
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    bar, row = library.locator(".fl-lib-selection").bounding_box(), page.locator(":focus").bounding_box()
    assert bar is not None and row is not None and row["y"] >= bar["y"] + bar["height"] - 1


def drawn(page: Page, **run: object) -> list[str]:
    """What a row says of a run, part by part."""
    base = {
        "uid": "u", "title": "", "prompt": "", "answer": "", "kind": "scored", "status": "scored", "tokens": 3,
        "model_name": "m", "quantization": "", "created_at": "2026-01-01T00:00:00+00:00", "tags": [], "note": "",
        "run_scores": {}, "example": False, "fork_position": None, "damaged": False,
    }  # fmt: skip
    return page.evaluate(
        """run => {
            const view = {columns: [], now: Date.now(), chosen: false, titles: {}, acts: {}};
            const row = Forklore.libraryRows.row(run, view);
            const parts = row.querySelectorAll(".fl-lib-title, .fl-lib-prompt, .fl-lib-answer, .fl-lib-origin");
            return [...parts].map(part => part.textContent);
        }""",
        {**base, **run},
    )


def test_a_text_that_is_its_own_title_is_shown_once(page: Page, library: Locator) -> None:
    text = "The Eiffel Tower stands in the centre of Berlin. It was finished in 1889."
    for title in ("", text, text[:48], "The Eiffel …", "The Eiffel Tower  stands..."):
        assert drawn(page, title=title, answer=text) == [text, "m"], title
    assert drawn(page, title="What is it?", prompt="What is it?", answer=text) == ["What is it?", text, "m"]
    assert drawn(page, title="The", answer=text) == ["The", text, "m"], "a short title may be a person's own"
    assert drawn(page, title="Tower", prompt="P", answer=text) == ["Tower", "P", text, "m"]


def test_three_figures_at_most_are_chosen_and_remembered(page: Page, library: Locator) -> None:
    for name in ("Largest entropy", "Curvature"):
        library.get_by_role("button", name="Figures").click()
        library.get_by_role("menuitemradio", name=name).click()
    heads = library.get_by_role("columnheader").all_inner_texts()
    assert [head.split("\n")[0].strip() for head in heads if "entropy" in head or "Curv" in head or "Perp" in head] == [
        "Perplexity", "Largest entropy nats", "Curvature",
    ]  # fmt: skip
    page.reload()
    expect(library.get_by_role("columnheader", name="Curvature")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 900, 390])
def test_nothing_sticks_out_at_any_width(page: Page, library: Locator, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(200)
    comes_to(page, f"Math.max({width}, document.documentElement.scrollWidth)", width)
    comes_to(
        page,
        "[...document.querySelectorAll('#library-piece .fl-lib-row > *, #library-piece .fl-lib-line > *')]"
        f".filter((node) => node.getBoundingClientRect().right > {width}).length",
        0,
    )
