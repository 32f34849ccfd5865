"""Waits until what a page shows has come to rest, or to what is wanted of it; says what it shows instead."""

from __future__ import annotations

from playwright.sync_api import FloatRect, Locator, Page

SECONDS = 10.0
STEP = 50


def two_frames(page: Page) -> None:
    """Let the page draw twice: what was to happen at its next frame, and what follows from that, has happened."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def at_rest(found: Locator) -> FloatRect:
    """Wait until an element stands still; where it stands."""
    before = found.bounding_box()
    for _ in range(round(SECONDS * 1000 / STEP)):
        found.page.wait_for_timeout(STEP)
        two_frames(found.page)
        now = found.bounding_box()
        if now is not None and now == before:
            return now
        before = now
    raise AssertionError(f"it still moves after {SECONDS:g} seconds: {before}")


def comes_to(page: Page, expression: str, wanted: object, about: object = "") -> None:
    """Wait until an expression of the page is what is wanted; an AssertionError with what it is when it does not."""
    for _ in range(round(SECONDS * 1000 / STEP)):
        found = page.evaluate(expression)
        if found == wanted:
            return
        page.wait_for_timeout(STEP)
    assert found == wanted, about
