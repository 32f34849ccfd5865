"""How a forking analysis is drawn: colours, marks, keyboard, sentences, files, hostile words; hand-made documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page import open_page
from tests.support import fork_documents as documents
from tests.support.app_server import AppServer

FORKS = "Forklore.forksPiece.forks"


def show(page: Page, document: str) -> Locator:
    """Puts a document of the run on show into the panel, as the server would."""
    page.evaluate(f"document => {FORKS}.load(document)", document)
    return page.locator(".fl-forks")


@pytest.fixture
def run(page: Page, app: AppServer) -> Iterator[str]:
    """The run on show, the Forks tab open, its own document there."""
    open_page(page, app)
    uid = page.locator(".fl-explorer").get_attribute("data-run") or ""
    page.get_by_role("tab", name="Forks").click()
    expect(page.locator(".fl-forks")).to_have_attribute("data-run", uid)
    yield uid
    assert page.evaluate("window.__ran") is None, "words of a model never run"


def test_the_sentence_names_the_token_that_decides_and_leads_there(page: Page, run: str) -> None:
    panel = show(page, documents.whole(run))
    said = panel.locator(".fl-fk-sentence")
    expect(said).to_contain_text("The answer forks most at token 4: with “13” (20 %) instead of “12”, 90 % end in")
    expect(said).to_contain_text("Of 2 alternatives it is the only one that is told from noise.")
    said.get_by_role("button").click()
    expect(panel.locator(".fl-fk-detail")).to_contain_text("Token 4")
    rows = panel.locator(".fl-fk-detail tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("a fork")
    expect(rows.nth(2)).to_contain_text("not distinguishable from noise p = 0.400")
    expect(rows.nth(1)).to_contain_text(re.compile(r"90.%\s*80 to 100"))
    expect(panel.locator(".fl-fk-detail")).to_contain_text("20 % of the probability here is unexplored")


def test_one_outcome_or_none_is_said_and_no_fork_claimed(page: Page, run: str) -> None:
    panel = show(page, documents.whole(run, labels=("12",)))
    expect(panel.locator(".fl-fk-sentence")).to_contain_text("every continuation has the same outcome")
    expect(panel.locator(".fl-fk-jump")).to_have_count(0)
    panel = show(page, documents.whole(run, labels=("unparsed", "truncated")))
    expect(panel.locator(".fl-fk-sentence")).to_contain_text("No continuation has an outcome that could be read")


def test_an_outcome_has_one_colour_everywhere_and_none_of_another(page: Page, run: str) -> None:
    panel = show(page, documents.whole(run))
    panel.locator(".fl-fk-ranking tbody tr").first.click()

    def colour(selector: str) -> str:
        return page.locator(selector).first.evaluate(
            "node => node.tagName === 'path' ? getComputedStyle(node).fill : getComputedStyle(node).backgroundColor"
        )

    area, chip = colour(".fl-fk-strips path[data-label='12']"), colour(".fl-fk-chip[data-label='12'] i")
    assert area == chip != colour(".fl-fk-chip:not([data-label='12']) i")
    assert colour(".fl-fk-detail .fl-fk-name:has-text('12') i") == area
    # the ranking names the outcome that is moved most, which is the other one here
    assert colour(".fl-fk-ranking .fl-fk-name i") == colour(".fl-fk-chip[aria-pressed='false'] i") != area
    assert colour(".fl-fk-bar .fl-fk-fill-0") == area


def test_a_late_document_of_fewer_draws_or_another_run_changes_nothing(page: Page, run: str) -> None:
    panel = show(page, documents.whole(run))
    early = documents.whole(run, since=7).replace(documents.standing(), documents.standing("stopped", 20))
    show(page, early)
    expect(panel).to_have_attribute("data-draws", "90")
    show(page, documents.whole("another-run"))
    expect(panel).to_have_attribute("data-run", run)
    show(page, early.replace("analysis-1", "analysis-2"))
    expect(panel).to_have_attribute("data-draws", "20")


def test_an_outcome_that_is_none_is_not_what_an_answer_ends_in(page: Page, run: str) -> None:
    panel = show(page, documents.whole(run, labels=("12", "truncated")))
    expect(panel.locator(".fl-fk-sentence")).to_contain_text("only 10\u00a0% instead of 90\u00a0% end in 12.")
    expect(panel.locator(".fl-fk-sentence")).not_to_contain_text("truncated")


def test_marks_come_and_go_with_their_switches(page: Page, run: str) -> None:
    panel = show(page, documents.whole(run))
    expect(panel.locator(".fl-fk-jump")).to_have_count(1)
    expect(panel.locator(".fl-fk-blamed")).to_have_text("12")
    expect(panel.locator(".fl-fk-change")).to_have_count(1)
    expect(panel.locator(".fl-fk-unseen")).to_have_count(1)
    dashed = panel.locator(".fl-fk-strips path[stroke-dasharray]")
    expect(dashed).to_have_count(0)
    panel.get_by_label("Survival", exact=True).select_option("0.6")
    assert dashed.count() > 0
    panel.get_by_label("Change points", exact=True).uncheck()
    expect(panel.locator(".fl-fk-change")).to_have_count(0)
    panel.get_by_label("Jumps", exact=True).select_option("")
    expect(panel.locator(".fl-fk-jump")).to_have_count(0)
    expect(panel.locator(".fl-fk-blamed")).to_have_count(0)
    page.reload()
    page.get_by_role("tab", name="Forks").click()
    expect(page.get_by_label("Survival", exact=True)).to_have_value("0.6")


def test_strips_stand_over_the_words_they_belong_to(page: Page, run: str) -> None:
    show(page, documents.whole(run))
    page.get_by_role("radio", name="Along the text").click()
    off = page.evaluate(
        """() => [...document.querySelectorAll('.fl-fk-token')].filter((one) => one.textContent.trim()).map((node) => {
          const words = node.getBoundingClientRect();
          const t = node.dataset.t;
          const strip = document.querySelector(`.fl-fk-target[data-t="${t}"]`).getBoundingClientRect();
          return [Math.abs(words.left - strip.left), words.top - strip.bottom];
        })"""
    )
    assert len(off) >= 9
    assert all(beside < 45 and -12 < below < 20 for beside, below in off), off


def test_a_run_that_is_left_before_its_analysis_came_does_not_stand_in_the_way(page: Page, app: AppServer) -> None:
    open_page(page, app)
    left = page.locator(".fl-explorer").get_attribute("data-run")
    page.evaluate(
        """() => {
          const named = (nodes, text) => [...nodes].find((node) => node.textContent.includes(text));
          named(document.querySelectorAll('.fl-strip-item'), 'Capital').click();
          named(document.querySelectorAll('.fl-explorer [role=tab]'), 'Forks').click();
        }"""
    )
    page.wait_for_function("run => document.querySelector('.fl-explorer').dataset.run !== run", arg=left)
    now = page.locator(".fl-explorer").get_attribute("data-run") or ""
    expect(page.locator(".fl-forks")).to_have_attribute("data-run", now)
    expect(page.get_by_role("form", name="New forking analysis")).to_be_visible()


def test_the_keyboard_goes_over_tokens_and_from_fork_to_fork(page: Page, run: str) -> None:
    panel = show(page, documents.whole(run))
    words = panel.get_by_role("listbox", name="Tokens of the answer, with their outcomes")
    words.focus()
    page.keyboard.press("Home")
    expect(panel.locator(".fl-fk-detail .fl-fk-title").first).to_contain_text("Token 1")
    page.keyboard.press("ArrowRight")
    expect(panel.locator(".fl-fk-detail .fl-fk-title").first).to_contain_text("Token 2")
    page.keyboard.press("n")
    expect(panel.locator(".fl-fk-detail .fl-fk-title").first).to_contain_text("Token 4")
    chosen = words.get_attribute("aria-activedescendant")
    assert page.locator(f"#{chosen}").get_attribute("aria-selected") == "true"
    assert page.locator(".fl-explorer").get_attribute("data-pinned") == "3", (
        "one selection for text, inspector and forks"
    )


def test_another_outcome_can_stand_on_the_ground(page: Page, run: str) -> None:
    panel = show(page, documents.whole(run))
    chips = panel.get_by_role("group", name=re.compile("^Outcomes")).get_by_role("button")
    assert chips.first.get_attribute("aria-pressed") == "true"
    chips.nth(1).click()
    expect(chips.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(chips.first).to_have_attribute("aria-pressed", "false")
    lowest = panel.locator(".fl-fk-strips path[data-label]").first.get_attribute("data-label")
    assert lowest == documents.HOSTILE


def test_nothing_jumps_while_the_curve_fills_in(page: Page, run: str) -> None:
    running = documents.standing("running", 20)
    early = documents.whole(run, since=7).replace(documents.standing(), running)
    panel = show(page, early)
    expect(panel.locator("progress")).to_be_visible()
    expect(panel).to_contain_text("20 of 90 continuations, about 33 s to go")
    before = panel.locator(".fl-fk-token").first.bounding_box()
    show(page, documents.whole(run, since=2).replace(documents.standing(), documents.standing("running", 60)))
    after = panel.locator(".fl-fk-token").first.bounding_box()
    assert before and after and abs(before["y"] - after["y"]) < 2


def test_pictures_and_numbers_can_be_taken_away(page: Page, run: str, tmp_path: Path) -> None:
    panel = show(page, documents.whole(run))

    def saved(name: str) -> str:
        panel.get_by_role("button", name="Take away").click()
        with page.expect_download() as saving:
            panel.get_by_role("menuitem", name=name).click()
        saving.value.save_as(tmp_path / saving.value.suggested_filename)
        return (tmp_path / saving.value.suggested_filename).read_text("utf-8-sig", "replace")

    picture = saved("Picture as SVG")
    assert picture.startswith("<svg") and "A sum" in picture and "var(--" not in picture
    curve = saved("Curve as CSV").splitlines()
    assert len(curve) > len(documents.PIECES) and curve[0].startswith("token,text,kept_mass,12,12 low,12 high")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_is_accessible_and_fits(page: Page, run: str, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    if page.evaluate("document.body.classList.contains('dark')") != dark:
        page.locator(".fl-theme-switch").click()
    panel = show(page, documents.whole(run))
    panel.locator(".fl-fk-ranking tbody tr").first.click()
    for layout in ("Along the text", "All at once"):
        page.get_by_role("radio", name=layout).click()
        found = Axe().run(page, context={"include": [["#explorer"]]}, options={"resultTypes": ["violations"]})
        bad = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
        assert not bad, [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["any"][:1]) for v in bad]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
