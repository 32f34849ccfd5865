"""The probe's piece in a browser: what it says, draws and sends, with a hand-made document of known effects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.piece_page import ServedPage, until
from tests.support.probe_page import RUNS, serve


@pytest.fixture(scope="module")
def probed() -> Iterator[ServedPage]:
    """A page with nothing but the piece."""
    with serve() as page:
        yield page


@pytest.fixture
def board(page: Page, probed: ServedPage) -> Locator:
    """The finished probe, drawn, with nothing heard yet."""
    page.goto(probed.url)
    found = page.locator("#probe-piece")
    expect(found.locator(".fl-pr-sentence")).to_contain_text("Luck being the same")
    probed.heard.clear()
    return found


def cell(board: Locator, row: int, column: int) -> Locator:
    return (
        board.get_by_role("region", name="Effects between values")
        .locator("tbody tr")
        .nth(row)
        .locator("td")
        .nth(column)
    )


def test_the_sentence_and_the_table_say_the_effects_with_chance_beside_them(board: Locator) -> None:
    expect(board.locator(".fl-pr-sentence")).to_have_text(
        re.compile(
            "Luck being the same, “A man” instead of “A woman” changes the first number in 50.% of 50 runs "
            r"\(95.% interval \d+ to \d+.%\); with other luck it is 8\d.%, and 7\d.% even where the value stays\."
        )
    )
    total, direct, luck = (cell(board, 0, 1).locator(f".fl-pr-{kind}") for kind in ("total", "direct", "chance"))
    expect(total).to_contain_text(re.compile("total50.%"))
    expect(direct).to_contain_text(re.compile("direct0.%0 to 7.%, n.=.50"))
    expect(direct).to_have_attribute("title", re.compile("all runs agree: exact bound"))
    expect(luck).to_contain_text("other luck")
    expect(cell(board, 0, 0).locator(".fl-pr-cell")).to_have_count(1)
    expect(cell(board, 2, 1).locator(".fl-pr-direct")).to_have_attribute("title", re.compile("1 left out"))


def test_numbers_show_their_mean_difference_with_its_sign(board: Locator) -> None:
    board.get_by_label("Show").select_option("difference")
    expect(cell(board, 0, 1).locator(".fl-pr-total b")).to_have_text("+2,500")
    expect(cell(board, 1, 0).locator(".fl-pr-total b")).to_have_text("−2,500")
    expect(cell(board, 1, 0).locator(".fl-pr-chance b")).to_have_text("−2,500")
    expect(cell(board, 0, 0)).to_have_text("–")
    expect(board.locator(".fl-pr-plot")).to_contain_text("mean difference to “A woman”")


def test_the_plot_tells_what_it_shows_and_follows_the_chosen_value(board: Locator) -> None:
    plot = board.get_by_role("img")
    expect(plot).to_have_attribute("aria-label", re.compile("A man: total 50.%, direct 0.%, other luck 8"))
    assert plot.locator("circle").count() == plot.locator("rect").count() == 2
    board.get_by_label("from", exact=True).select_option("1")
    expect(plot).to_have_attribute(
        "aria-label", re.compile("share of runs that change from “A man”. A woman: total 50")
    )
    expect(board.locator(".fl-pr-sentence")).to_contain_text("“A woman” instead of “A man”")
    expect(board.get_by_role("columnheader", name="held, then A woman")).to_be_visible()


def test_a_click_or_a_key_opens_the_run_of_an_answer(page: Page, board: Locator, probed: ServedPage) -> None:
    answers = board.get_by_role("region", name="Answers, run by run")
    link = answers.get_by_role("link", name="36000").first
    assert link.get_attribute("href") == "?run=run-1-1"
    link.click()
    until(page, lambda: probed.events("run_open") == [{"uid": "run-1-1"}])
    answers.get_by_role("link", name="unparsed").focus()
    page.keyboard.press("Enter")
    until(page, lambda: probed.events("run_open")[1:] == [{"uid": "run-0-2"}])
    expect(answers.locator("tbody tr")).to_have_count(40)
    board.get_by_role("button", name="Show 10 more runs").click()
    expect(answers.locator("tbody tr")).to_have_count(RUNS)
    expect(board.get_by_role("button", name=re.compile("more runs"))).to_be_hidden()


def test_progress_is_shown_and_a_stopped_probe_can_go_on(page: Page, board: Locator, probed: ServedPage) -> None:
    page.get_by_role("button", name="Running").click()
    expect(board.locator(".fl-pr-status")).to_have_text(re.compile("20 of 36 answers, about 12.s to go"))
    expect(board.get_by_role("progressbar")).to_have_attribute("value", "20")
    expect(board.get_by_role("button", name="Go on")).to_have_count(0)
    page.get_by_role("button", name="Stopped").click()
    # four runs are too few for the interval of a mean
    board.get_by_label("Show").select_option("difference")
    for row, column in ((0, 1), (1, 0)):
        for kind in ("total", "chance"):
            expect(cell(board, row, column).locator(f".fl-pr-{kind}")).to_contain_text("interval n/a (n below 5), n")
    board.get_by_label("Show").select_option("changed")
    expect(board.locator(".fl-pr-status")).to_contain_text("Stopped after 36 of 36 answers.")
    board.get_by_role("button", name="Go on").click()
    until(page, lambda: probed.events("probe_resume") == [{"uid": "probe-1"}])
    page.get_by_role("button", name="Failed").click()
    expect(board.locator(".fl-pr-status")).to_contain_text("There was not enough memory.18 of 18 answers are kept.")
    page.get_by_role("button", name="Waiting").click()
    expect(board.locator(".fl-pr-status")).to_have_text("Waiting for the model: 1 person is before you.")
    expect(board.locator(".fl-pr-sentence")).to_be_hidden()
    page.get_by_role("button", name="Nothing").click()
    expect(board.locator(".fl-probe")).to_be_hidden()
    expect(page.locator("#probe-price")).to_have_text("6 answers: at most 36 tokens.")


def test_the_progress_bar_has_the_accent_of_the_page(page: Page, board: Locator) -> None:
    page.get_by_role("button", name="Running").click()
    bar = board.get_by_role("progressbar")
    expect(bar).to_have_css("appearance", "none")
    accent = page.evaluate(
        """() => { const probe = document.createElement("i"); probe.style.color = "var(--fl-accent)";
        document.querySelector(".fl-probe").append(probe); const found = getComputedStyle(probe).color;
        probe.remove(); return found.match(/[0-9]+/g).map(Number).slice(0, 3); }"""
    )
    picture = Image.open(BytesIO(bar.screenshot())).convert("RGB")
    # 20 of 36 answers: the first quarter is full, the last empty
    full, empty = (picture.getpixel((int(picture.width * at), picture.height // 2)) for at in (0.25, 0.9))
    assert max(abs(a - b) for a, b in zip(full, accent, strict=True)) <= 3, (full, accent)
    assert max(abs(a - b) for a, b in zip(empty, accent, strict=True)) > 20


def test_hostile_values_and_answers_are_shown_exactly_and_do_nothing(page: Page, board: Locator) -> None:
    expect(board.get_by_role("columnheader", name=re.compile("^<img src=x onerror")).first).to_be_visible()
    assert board.locator("img[src], script").count() == 0 and page.evaluate("window.__ran") is None
    assert "\u202e" not in board.inner_text()


def test_the_table_is_copied_with_every_effect_and_answer(page: Page, board: Locator) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    board.get_by_role("button", name="Copy table").click()
    expect(board.locator(".fl-pr-said")).to_have_text("Copied.")
    rows = [row.split("\t") for row in page.evaluate("navigator.clipboard.readText()").split("\n")]
    total = next(row for row in rows if row[:3] == ["total", "A woman", "A man"])
    assert (total[3], total[7]) == ("0.5", "2500") and float(total[4]) < 0.5 < float(total[5])
    assert sum(row[0] == "run" for row in rows) == 3 * RUNS and sum(row[0] == "direct" for row in rows) > 6 * RUNS


def test_the_picture_is_saved_as_svg_and_png(page: Page, board: Locator) -> None:
    saved = []
    page.on("download", lambda download: saved.append(download))
    board.get_by_role("button", name="Save picture").click()
    until(page, lambda: len(saved) == 2)
    assert [download.suggested_filename for download in saved] == ["probe-Sex.svg", "probe-Sex.png"]
    drawing = saved[0].path().read_text("utf-8")
    assert "effect of {Sex}" in drawing and "var(--" not in drawing and "&lt;img" in drawing
    assert saved[1].path().read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_piece_has_no_serious_violation_and_fits_the_screen(
    chromium: Browser, probed: ServedPage, scheme: str, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(probed.url)
    expect(page.locator("#probe-piece .fl-pr-sentence")).to_contain_text("Luck being the same")
    page.wait_for_timeout(300)
    options = {"resultTypes": ["violations"]}
    found = Axe().run(page, context={"include": [["#probe-piece"], ["#probe-price"]]}, options=options)
    serious = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
