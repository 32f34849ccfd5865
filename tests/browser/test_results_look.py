"""The owner's view of sessions is accessible and fits, in light and dark, at the desk and on the phone; words never
run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.support import results_page as results
from tests.support.results_page import HOSTILE, answers, dispute, open_page, open_session, overview

TABS = ("Overview", "Agreement", "Adjudication", "Scores against labels", "Files")


def serious(page: Page) -> list[Any]:
    found = Axe().run(page, context={"include": [["#results-piece"]]}, options={"resultTypes": ["violations"]})
    return [
        (v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["any"][:1])
        for v in found.response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_every_view_is_accessible_and_fits(page: Page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    bad: dict[str, Any] = {}

    def look(name: str) -> None:
        page.wait_for_timeout(120)
        bad[name] = serious(page)
        assert "null" not in piece.inner_text() and "undefined" not in piece.inner_text(), name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name

    piece = open_page(page, dark=dark)
    expect(piece.get_by_role("listitem").first).to_be_visible()
    look("list")
    piece.get_by_role("button", name="New session").click()
    piece.get_by_role("checkbox", name="Question 1").check()
    piece.get_by_role("checkbox", name="Question 2").check()
    piece.get_by_label("What item 1 is for").select_option("check")
    piece.get_by_role("button", name="Known answer of item 1").click()
    piece.get_by_role("button", name="Add a question").click()
    piece.get_by_text("Paste uids").click()
    look("new")
    open_session(page, dark=dark)
    piece.get_by_label("Add a person").fill("Dee")
    piece.get_by_role("button", name="Add", exact=True).click()
    expect(piece.get_by_label("Labelling link for Dee")).to_be_visible()
    look("overview")
    for tab in TABS[1:]:
        piece.get_by_role("tab", name=tab).click()
        look(tab)
    piece.get_by_role("tab", name="Scores against labels").click()
    piece.get_by_role("button", name="Perplexity: show its curves").click()
    expect(piece.get_by_role("heading", name="Perplexity against “Errors: any label”")).to_be_visible()
    look("curves")
    piece.get_by_role("tab", name="Adjudication").click()
    piece.get_by_role("button", name="Item 1: see its sides").click()
    look("sides")
    piece.get_by_role("radio", name="On one text").click()
    piece.get_by_text("Or write the final judgement").click()
    piece.get_by_role("listbox").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("1")
    look("deciding")
    assert {name: found for name, found in bad.items() if found} == {}


def test_an_example_shows_nothing_that_is_not_meant_to_be_read(page: Page) -> None:
    piece = open_session(page, found=answers(session_overview=overview(example=True, role="reader")))
    for tab in TABS:
        piece.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(120)
        shown = piece.inner_text()
        assert not any(word in shown for word in ("null", "undefined", "NaN", "[object")), tab
        assert serious(page) == [], tab


def hostile(value: Any) -> Any:
    """The same document with every text but its names replaced by one that would run."""
    names = ("uid", "item", "run", "name", "id", "session", "set", "label", "kind", "role", "part", "unit", "level",
             "status", "by", "order", "created", "last", "at", "target")  # fmt: skip
    if isinstance(value, dict):
        return {
            key: inner if key in names and isinstance(inner, str) else hostile(inner) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) and not value.startswith("run-") else value


def test_words_of_people_and_models_never_run(page: Page) -> None:
    found = {name: hostile(answer) for name, answer in answers().items()}
    found["dispute"] = hostile(dispute(1))
    found["session_overview"] = hostile(overview())
    piece = open_page(page, found, value=json.dumps({"open": results.SESSION}))
    for tab in TABS:
        piece.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(100)
    piece.get_by_role("tab", name="Scores against labels").click()
    piece.locator(".fl-rs-open:visible").first.click()
    piece.get_by_role("tab", name="Adjudication").click()
    piece.locator(".fl-rs-open:visible").first.click()
    page.wait_for_timeout(100)
    assert HOSTILE in piece.locator(".fl-rs-side").first.inner_text()
    piece.get_by_role("button", name="‹ All sessions").click()
    piece.get_by_role("button", name="New session").click()
    piece.get_by_role("checkbox").first.check()
    page.wait_for_timeout(100)
    assert piece.locator("img").count() == 0
    assert page.evaluate("window.__ran") is None


def test_the_second_cue_tells_labels_apart_without_colour(page: Page) -> None:
    piece = open_session(page)
    lines = piece.locator(".fl-rs-preview .fl-rs-hue").evaluate_all(
        "nodes => nodes.map((node) => getComputedStyle(node).backgroundImage.replace(/rgba?\\([^)]*\\)/g, ''))"
    )
    assert len(lines) == 3 and len(set(lines)) == 3


def test_the_preview_draws_labels_as_annotators_see_them(page: Page) -> None:
    """Colour and kind of line of thirteen labels, in the preview and in the palette of the annotator's page."""
    open_session(page)
    seen = page.evaluate(
        """() => {
          const label = (i) => ({ name: `l${i}`, title: `Label ${i}`, key: null, description: "" });
          const labels = Array.from({ length: 13 }, (_, i) => label(i));
          const schema = { label_sets: [{ name: "s", title: "S", unit: "span", help: "", labels }], questions: [] };
          const theirs = document.createElement("div");
          theirs.className = "fl-annotate";
          const { AnnotationPalette, annotationWords, schemaPreview } = window.Forklore;
          theirs.append(new AnnotationPalette(schema, annotationWords.palette(schema), {}).root);
          const ours = schemaPreview(schema);
          document.querySelector(".fl-results").append(theirs, ours);
          const kind = (image) => (image.startsWith("repeating") ? (image.includes(" 7px") ? "dashed" : "dotted")
            : image.includes("1.3px") ? "double" : "solid");
          return {
            theirs: [...theirs.querySelectorAll(".fl-an-sample")].map((node) => {
              const style = getComputedStyle(node);
              return [style.borderTopColor, style.borderTopStyle];
            }),
            ours: [...ours.querySelectorAll(".fl-rs-hue")].map((node) => {
              const image = getComputedStyle(node).backgroundImage;
              return [image.match(/rgb\\([^)]*\\)/)[0], kind(image)];
            }),
          };
        }"""
    )
    assert len(seen["theirs"]) == 13 and len(set(map(tuple, seen["theirs"]))) == 12
    assert seen["ours"] == seen["theirs"]
