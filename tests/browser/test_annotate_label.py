"""Labelling an item in the browser, by mouse, by finger and by keys: what is selected, what is sent, what is drawn."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.annotate_page import (
    drag,
    drawn,
    kinds,
    labels,
    open_page,
    payloads,
    selected,
    settled,
    state,
    token,
    words,
)  # fmt: skip
from tests.support.at_rest import two_frames


def test_a_drag_selects_whole_tokens_and_a_digit_labels_them(page: Page) -> None:
    panel = open_page(page)
    drag(page, token(panel, 22), token(panel, 28))
    assert selected(panel) == list(range(22, 29))
    expect(panel.locator(".fl-an-target")).to_have_text("‘25 = 41’, tokens 23 to 29")
    page.keyboard.press("2")
    assert drawn(panel) == ["Arithmetic"]
    settled(page)
    assert labels(page) == [("arithmetic", 22, 29)]
    assert payloads(page, "label") == [{"set": "errors", "label": "arithmetic", "run": 0, "start": 22, "stop": 29}]
    expect(panel.locator(".fl-an-saved")).to_have_text(re.compile(r"^Saved \d\d:\d\d:\d\d$"))


@pytest.mark.parametrize("above", [-8, 6, 60])
def test_a_drag_backwards_between_the_lines_or_beyond_them_selects_the_same(page: Page, above: int) -> None:
    panel = open_page(page)
    token(panel, 22).scroll_into_view_if_needed()
    start, stop = (token(panel, t).locator(".fl-an-w").bounding_box() for t in (28, 22))
    assert start and stop
    page.mouse.move(start["x"] + 2, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(stop["x"] + 2, stop["y"] - above, steps=5)
    page.mouse.up()
    assert selected(panel) == list(range(22, 29))


def test_click_shift_click_and_arrows_select(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    assert selected(panel) == [5]
    token(panel, 9).click(modifiers=["Shift"])
    assert selected(panel) == [5, 6, 7, 8, 9]
    for key, expected in (
        ("Shift+ArrowLeft", [5, 6, 7, 8]), ("ArrowRight", [9]), ("Shift+ArrowRight", [9, 10]), ("Home", [0]),
        ("Control+ArrowRight", [1]), ("Control+Shift+ArrowRight", [1, 2]), ("Shift+ArrowLeft", [1]),
        ("End", [46]), ("ArrowRight", [46]), ("Home", [0]), ("ArrowLeft", [0]),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert selected(panel) == expected, key
    token(panel, 16).click()
    page.keyboard.press("Control+ArrowRight")
    assert selected(panel) == [17]
    page.keyboard.press("Control+ArrowRight")
    assert selected(panel) == [18], "the blank begins a word of its own"
    page.keyboard.press("Escape")
    assert selected(panel) == []


def test_down_and_up_go_by_line(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    panel = open_page(page)
    token(panel, 2).click()
    top = token(panel, 2).bounding_box()
    page.keyboard.press("ArrowDown")
    below = panel.locator(".fl-an-head").bounding_box()
    assert top and below and below["y"] > top["y"] + 20
    page.keyboard.press("ArrowUp")
    assert selected(panel) == [2]


def test_one_tab_stop_and_every_token_can_be_heard(page: Page) -> None:
    panel = open_page(page)
    assert panel.locator(".fl-an-words [tabindex]").count() == 0
    expect(words(panel)).to_be_focused()
    token(panel, 5).click()
    page.keyboard.press("1")
    chosen = page.locator(f"#{words(panel).get_attribute('aria-activedescendant')}")
    expect(chosen).to_have_attribute("aria-label", "7, token 6, Factual error")
    expect(token(panel, 46)).to_have_attribute("aria-label", "⟨end⟩")


def test_several_sets_are_chosen_by_t_and_by_their_switch(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    page.keyboard.press("t")
    expect(panel.get_by_role("radio", name="Steps")).to_have_attribute("aria-checked", "true")
    page.keyboard.press("1")
    panel.get_by_role("radio", name="Errors").click()
    page.keyboard.press("1")
    settled(page)
    assert labels(page) == [("factual", 5, 6), ("plan", 5, 6)]


def test_labels_of_one_set_give_way_and_overlapping_ones_lie_in_lanes(page: Page) -> None:
    panel = open_page(page)
    drag(page, token(panel, 2), token(panel, 9))
    page.keyboard.press("1")
    drag(page, token(panel, 4), token(panel, 5))
    page.keyboard.press("3")
    expect(panel.locator(".fl-an-tag")).to_have_count(3)
    page.keyboard.press("t")
    drag(page, token(panel, 0), token(panel, 9))
    page.keyboard.press("1")
    drag(page, token(panel, 3), token(panel, 12))
    page.keyboard.press("2")
    settled(page)
    assert labels(page) == [
        ("plan", 0, 10), ("factual", 2, 4), ("compute", 3, 13), ("vague", 4, 6), ("factual", 6, 10),
    ]  # fmt: skip
    tags = panel.locator(".fl-an-tag").evaluate_all(
        "nodes => nodes.map((node) => node.getBoundingClientRect()).map((b) => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(tags) == 5

    def meet(a: list[float], b: list[float]) -> bool:
        return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

    assert not [(a, b) for i, a in enumerate(tags) for b in tags[i + 1 :] if meet(a, b)], "no name lies on another"


def test_strokes_stand_under_the_words_they_label(page: Page) -> None:
    panel = open_page(page)
    drag(page, token(panel, 22), token(panel, 28))
    page.keyboard.press("2")
    for width in (1280, 800, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("width => innerWidth === width", arg=width)
        # strokes are moved at the end of the next frame
        two_frames(page)
        ends = panel.evaluate(
            """panel => {
              const boxes = (name) => [...panel.querySelectorAll(name)].map((node) => node.getBoundingClientRect());
              const [words, lines] = [boxes('[data-t] > .fl-an-w').slice(22, 29), boxes('.fl-an-line')];
              const [word, line] = [words.at(-1), lines.at(-1)];
              return [words[1].left - lines[0].left, word.right - line.right, line.top - word.bottom];
            }"""
        )
        assert abs(ends[0]) < 2 and abs(ends[1]) < 2 and -6 < ends[2] < 8, (width, ends)


def test_enter_gives_the_label_given_last_and_x_takes_labels_off(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    page.keyboard.press("3")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    settled(page)
    assert labels(page) == [("vague", 5, 6), ("vague", 46, 47)]
    page.keyboard.press("x")
    settled(page)
    assert labels(page) == [("vague", 5, 6)]
    page.keyboard.press("x")
    token(panel, 5).click()
    for key in ("Backspace", "Delete"):
        page.keyboard.press(key)
    settled(page)
    assert labels(page) == [("vague", 5, 6)], "nothing is lost by Backspace or Delete"
    assert kinds(page) == ["label", "label", "unlabel"]


def test_undo_and_redo_append(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("u")
    assert drawn(panel) == ["Factual error"]
    page.keyboard.press("u")
    assert drawn(panel) == []
    page.keyboard.press("Shift+U")
    page.keyboard.press("Shift+U")
    assert drawn(panel) == ["Arithmetic"]
    expect(panel.get_by_role("button", name="Redo")).to_be_disabled()
    panel.get_by_role("button", name="Undo").click()
    settled(page)
    assert labels(page) == [("factual", 5, 6)]
    assert kinds(page) == ["label", "label", "undo", "undo", "redo", "redo", "undo"]


def test_the_same_label_twice_is_one_action(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    panel.get_by_role("button", name="Factual error").dblclick()
    page.keyboard.press("1")
    settled(page)
    assert kinds(page) == ["label"]


def test_without_a_selection_a_label_says_what_to_do(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    page.keyboard.press("Escape")
    panel.get_by_role("button", name="Factual error").click()
    expect(panel.locator(".fl-an-sr").last).to_have_text("Select tokens of the text first.")
    assert kinds(page) == []


def test_labels_are_listed_and_lead_to_their_place(page: Page) -> None:
    panel = open_page(page)
    drag(page, token(panel, 22), token(panel, 28))
    page.keyboard.press("2")
    given = panel.get_by_role("region", name="Labels of this item")
    expect(given).to_contain_text("1 label")
    token(panel, 0).click()
    given.get_by_role("button", name="Arithmetic ‘25 = 41’", exact=True).click()
    assert selected(panel) == list(range(22, 29))
    given.get_by_role("button", name="Remove Arithmetic on ‘25 = 41’").click()
    expect(given).to_contain_text("No label yet")
    expect(words(panel)).to_be_focused()


def test_typing_is_never_taken_for_a_key(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    panel.get_by_label("Comment").fill("")
    panel.get_by_label("Comment").press_sequentially("1 2 x u s [ ] ? f")
    page.locator("#elsewhere").focus()
    page.keyboard.type("12xusf[]")
    page.wait_for_function("(stored().events.i1 || []).some((one) => one.kind === 'comment')")
    assert set(kinds(page)) == {"comment"} and state(page)["comment"] == "1 2 x u s [ ] ? f"


def test_keys_of_a_view_that_is_not_on_show_do_nothing(page: Page) -> None:
    panel = open_page(page)
    token(panel, 5).click()
    page.evaluate("document.activeElement.blur()")
    page.locator("#annotate").evaluate("node => { node.style.display = 'none'; }")
    for key in ("1", "f", "s", "Control+Enter"):
        page.keyboard.press(key)
    assert kinds(page) == []
    page.locator("#annotate").evaluate("node => { node.style.display = ''; }")
    page.keyboard.press("1")
    settled(page)
    assert kinds(page) == ["label"], "they work again"
