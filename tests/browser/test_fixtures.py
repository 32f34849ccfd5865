"""The browser fixtures notice what they promise to notice: complaints of a page, and a missing browser in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Watch
from tests.support.piece_page import until

COMPLAINTS = {
    "console.error('broken')": "console: broken",
    "setTimeout(() => { throw new Error('late'); }, 0)": "uncaught: late",
    "Promise.reject(new Error('unheard'))": "uncaught: unheard",
}


@pytest.mark.parametrize("script", COMPLAINTS)
@pytest.mark.parametrize("allowed", [False, True])
def test_a_complaint_is_noticed_unless_it_was_expected(chromium: Browser, script: str, allowed: bool) -> None:
    watch = Watch((r"broken|late|unheard",) if allowed else ("something else",))
    page = chromium.new_page()
    watch.attach(page)
    page.set_content(f"<script>{script}</script>")
    if allowed:
        page.wait_for_timeout(100)
    else:
        until(page, lambda: watch.complaints)
    page.close()
    assert len(watch.complaints) == (0 if allowed else 1)
    assert allowed or watch.complaints[0].startswith(COMPLAINTS[script])


def test_a_quiet_page_passes_and_has_the_size_asked_for(page: Page) -> None:
    page.set_content("<script>console.log('fine'); console.warn('fine too')</script><p>Hello</p>")
    assert page.locator("p").inner_text() == "Hello"
    assert page.evaluate("innerWidth") == 1280


@pytest.mark.parametrize(("in_ci", "exit_code", "word"), [("true", 1, "1 error"), ("", 0, "1 skipped")])
def test_a_missing_browser_skips_for_a_person_and_fails_in_ci(
    root: Path, in_ci: str, exit_code: int, word: str
) -> None:
    test = f"{Path(__file__).relative_to(root)}::test_a_quiet_page_passes_and_has_the_size_asked_for"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        cwd=root,
        env={**os.environ, "CI": in_ci, "CHROMIUM": "/no/such/browser"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == exit_code, run.stdout
    assert word in run.stdout
