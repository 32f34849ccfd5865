"""A public page in real browsers: a visitor finds their run again after a reload, and nobody else finds it at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.app_server import AppServer

READY = 90_000


@pytest.fixture(scope="module")
def public_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    server = AppServer(tmp_path_factory.mktemp("public") / "forklore.db", arguments=["--mode", "public"]).start()
    yield server
    server.stop()


def test_a_visitor_comes_back_to_their_run_and_a_stranger_finds_nothing(
    page: Page, chromium: Browser, public_app: AppServer
) -> None:
    page.goto(public_app.url)
    expect(page.locator(".fl-model-chip")).to_have_attribute("data-status", "ready", timeout=READY)
    page.get_by_label("Prompt", exact=True).fill("Name a secret animal.")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".fl-explorer")).to_have_attribute("data-state", "finished", timeout=60_000)
    expect(page).to_have_url(re.compile(r"\?run=(?!example)"), timeout=60_000)
    link = page.url
    run = page.locator(".fl-explorer").get_attribute("data-run")
    page.reload()
    expect(page.locator(".fl-explorer")).to_have_attribute("data-run", run or "")

    stranger = chromium.new_context().new_page()
    stranger.goto(link)
    expect(stranger.locator("#notice")).to_contain_text("There is no run")
    stranger.get_by_role("tab", name="Library").click()
    expect(stranger.locator("#library-piece")).to_contain_text("17 sheep")
    assert "secret animal" not in stranger.locator("body").inner_text()
    stranger.context.close()


def test_who_keeps_no_cookies_is_told_how_long_their_work_is_theirs(page: Page, public_app: AppServer) -> None:
    page.goto(public_app.url)
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible(timeout=60_000)
    page.get_by_role("tab", name="Library").click()
    line = page.locator(".fl-own-kept")
    expect(line).to_contain_text("kept for 7 days after its last change, for this browser alone", timeout=30_000)
    page.reload()
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible(timeout=60_000)
    page.context.clear_cookies()
    page.get_by_role("tab", name="Library").click()
    expect(line).to_contain_text("for as long as this page is open", timeout=30_000)
    expect(line).not_to_contain_text("7 days")
