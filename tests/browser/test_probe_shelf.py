"""Kept probes on the page: found after a reload, opened at a click, deleted with Undo, gone on with after a crash."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_page import wait_for_model
from tests.support.app_server import AppServer

SLOW = 60_000


@pytest.fixture(scope="module")
def probing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """An app in which nobody has probed anything yet."""
    server = AppServer(tmp_path_factory.mktemp("probing") / "forklore.db").start().ready()
    yield server
    server.stop()


def arrive(page: Page, app: AppServer) -> Locator:
    """The Probe tab of a freshly loaded page; its list of kept probes."""
    page.goto(app.url)
    page.get_by_role("tab", name="Probe").click()
    shelf = page.get_by_role("region", name="Kept probes")
    expect(shelf).to_be_visible()
    return shelf


def draw(page: Page, template: str, tokens: int = 6, runs: int = 1) -> None:
    page.locator("#probe-template textarea").fill(template)
    page.locator("#probe-runs input").fill(str(runs))
    page.locator("#probe-tokens input").fill(str(tokens))
    page.get_by_role("button", name="Run probe").click()


def board(page: Page) -> Locator:
    return page.locator("#probe-piece")


def rows(shelf: Locator) -> Locator:
    return shelf.get_by_role("listitem")


def serious(page: Page) -> list[str]:
    shown = {"include": [["#probe-shelf"], ["#probe-piece"], ["#probe-purpose"]]}
    found = Axe().run(page, context=shown, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in ("serious", "critical")]


def test_probes_are_kept_opened_deleted_and_brought_back(page: Page, probing: AppServer) -> None:
    shelf = arrive(page, probing)
    expect(shelf).to_contain_text("No probe is kept yet.")
    expect(rows(shelf)).to_have_count(0)
    assert serious(page) == []
    wait_for_model(page)
    for template in ("A {job} earns 1", "Where does a {job} live?"):
        draw(page, template)
        expect(rows(shelf).first).to_contain_text(template.split("{")[0].strip(), timeout=SLOW)
        expect(rows(shelf).first).to_contain_text(re.compile("1 run · first number · finished, 6 answers · .*20"))
    expect(rows(shelf)).to_have_count(2)

    shelf = arrive(page, probing)
    newest, oldest = rows(shelf).nth(0), rows(shelf).nth(1)
    expect(board(page).locator(".fl-pr-template")).to_have_text("Where does a {job} live?")
    expect(newest.get_by_role("button").first).to_have_attribute("aria-current", "true")
    oldest.get_by_role("button").first.click()
    expect(board(page).locator(".fl-pr-template")).to_have_text("A {job} earns 1")
    expect(oldest.get_by_role("button").first).to_have_attribute("aria-current", "true")
    expect(newest.get_by_role("button").first).not_to_have_attribute("aria-current", "true")

    newest.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(rows(shelf)).to_have_count(1)
    expect(board(page).locator(".fl-pr-template")).to_have_text("A {job} earns 1")
    gone = shelf.get_by_role("status")
    expect(gone).to_contain_text("Moved to the bin with 2 runs: Where does a {job} live?")
    expect(gone.get_by_role("button", name="Undo")).to_be_focused()
    assert serious(page) == []
    # the offer outlives every new list
    page.get_by_role("tab", name="Library").click()
    page.get_by_role("tab", name="Probe").click()
    page.wait_for_timeout(1_000)
    expect(gone).to_contain_text("Where does a {job} live?")
    gone.get_by_role("button", name="Undo").press("Enter")
    expect(rows(shelf)).to_have_count(2)
    expect(gone).to_be_hidden()
    expect(rows(shelf).first.get_by_role("button").first).to_be_focused()

    rows(shelf).nth(1).get_by_role("button", name="Delete").click()
    expect(rows(shelf)).to_have_count(1)
    expect(board(page).locator(".fl-pr-template")).to_be_hidden()
    shelf.get_by_role("button", name="Undo").click()
    expect(rows(shelf)).to_have_count(2)
    expect(board(page).locator(".fl-pr-template")).to_have_text("A {job} earns 1")


def test_a_probe_whose_program_was_killed_is_gone_on_with_from_the_list(page: Page, probing: AppServer) -> None:
    shelf = arrive(page, probing)
    before = rows(shelf).count()
    wait_for_model(page)
    draw(page, "Why is a {job} late?", tokens=12, runs=30)
    expect(board(page).locator(".fl-pr-status")).to_contain_text(
        re.compile(r"([7-9]|1\d) of 180 answers"), timeout=SLOW
    )
    page.goto("about:blank")
    probing.kill()
    probing.start().ready()
    shelf = arrive(page, probing)
    expect(rows(shelf)).to_have_count(before + 1)
    killed = rows(shelf).first
    expect(killed).to_contain_text(re.compile(r"30 runs · first number · stopped after \d+ of 180 answers"))
    expect(board(page).locator(".fl-pr-status")).to_contain_text("Stopped after")
    wait_for_model(page)
    stopped = int(re.search(r"after (\d+) of", killed.inner_text())[1])  # type: ignore[index]
    killed.get_by_role("button", name="Go on").click()
    expect(board(page).get_by_role("progressbar")).to_be_visible(timeout=SLOW)
    expect(board(page).locator(".fl-pr-status")).not_to_contain_text(f"{stopped} of 180", timeout=SLOW)
    # nothing takes the buttons from the one that is being drawn
    for other in shelf.get_by_role("button", name=re.compile("^Go on")).all():
        expect(other).to_have_attribute("aria-disabled", "true")
        other.click(force=True)
    page.wait_for_timeout(500)
    expect(page.locator("#probe-start")).to_be_disabled()
    expect(page.locator("#probe-stop")).to_be_enabled()
    expect(page.locator("#probe-notice")).not_to_contain_text("already at work")
    # another one is not shown over the one that is being drawn
    rows(shelf).nth(1).get_by_role("button").first.click()
    expect(page.locator("#probe-notice")).to_contain_text("press Stop first")
    page.locator("#probe-stop").click()
    expect(board(page).locator(".fl-pr-status")).to_contain_text("Stopped after", timeout=SLOW)
    expect(killed).not_to_contain_text(f"after {stopped} of", timeout=SLOW)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_list_has_no_serious_violation_and_fits_the_screen(
    chromium: Browser, probing: AppServer, scheme: str, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    shelf = arrive(page, probing)
    expect(rows(shelf).first).to_be_visible()
    expect(board(page).locator(".fl-pr-template")).to_be_visible()
    page.wait_for_timeout(300)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    rows(shelf).first.get_by_role("button").first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows(shelf).nth(1).get_by_role("button").first).to_be_focused()
    context.close()
