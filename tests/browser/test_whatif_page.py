"""A run changed and taken back in the whole app, with the real embedded model."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.app_server import AppServer

EXAMPLE = "example-1-2"


def test_an_alternative_is_written_compared_and_undone(page: Page, app: AppServer) -> None:
    page.goto(f"{app.url}/?run={EXAMPLE}")
    explorer = page.locator(".fl-explorer")
    expect(explorer).to_have_attribute("data-run", EXAMPLE)
    expect(page.locator(".fl-model-chip")).to_have_attribute("data-status", "ready", timeout=90_000)
    page.locator(".fl-reading [role=option]").nth(3).click()
    page.locator(".fl-rival[data-row]:not(.fl-rival-drawn)").first.click()
    expect(page.get_by_label("What shall stand there")).to_be_focused()
    page.keyboard.press("Enter")
    expect(explorer).to_have_attribute("data-state", "finished", timeout=60_000)
    expect(explorer).not_to_have_attribute("data-run", re.compile("^(live|example)"), timeout=60_000)
    expect(page.get_by_role("tab", name="What if")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".fl-wi-lead")).to_contain_text(re.compile("^Token 4 .* became .*, same luck: \\d+ of \\d+"))
    expect(page.locator(".fl-wi-figures .fl-figure")).to_have_count(5)
    child = explorer.get_attribute("data-run")
    page.get_by_role("button", name="Capital of Australia").last.click()
    expect(explorer).to_have_attribute("data-run", EXAMPLE)
    page.locator(".fl-wi-children button").first.click()
    expect(explorer).to_have_attribute("data-run", str(child))
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(explorer).to_have_attribute("data-run", EXAMPLE)
    expect(page.locator(".fl-wi-children button:visible")).to_have_count(0)
