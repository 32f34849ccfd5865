"""The page says how much of the model is left, keeps its place while it does, and refuses where the person acts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from engine.testing import save_tiny_folder
from storage.database import Store
from tests.support.app_server import AppServer
from tests.support.gradio_fields import opened
from ui.access import digest_of
from ui.identity import COOKIE
from ui.quotas import HOUR, QuotaLimits

READY = 90_000
SECRET = "a-visitor-who-has-had-the-tokens-of-a-day"
MOST = QuotaLimits.of("public").tokens or 0


@pytest.fixture(scope="module")
def public_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A public page whose store knows that one visitor has had the tokens of a day."""
    folder = tmp_path_factory.mktemp("limits")
    save_tiny_folder(folder / "model")
    path = folder / "forklore.db"
    with Store(path) as store:
        store.usage.add({(digest_of(f"visitor:{digest_of(SECRET)}"), int(time.time() // HOUR)): MOST}, 0)
    server = AppServer(path, arguments=["--mode", "public", "--model", str(folder / "model")]).start()
    yield server
    server.stop()


def ready(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(".fl-model-chip")).to_have_attribute("data-status", "ready", timeout=READY)
    # the run on show has come, and its settings with it
    expect(page.locator(".fl-reading [role=option]").first).to_be_visible()


def test_what_is_left_stands_near_the_button_and_nothing_moves_when_it_changes(
    page: Page, public_app: AppServer
) -> None:
    ready(page, public_app.url)
    line = page.locator("#shares .fl-shares")
    expect(line).to_have_text(re.compile(r"60 of 60 answers left in 10 minutes, ([\d,]+) of \1 tokens left today"))
    settings = page.locator("#settings")
    before = settings.bounding_box()
    page.get_by_label("Prompt", exact=True).fill("Name a fruit.")
    opened(page.get_by_role("button", name="Settings"), page.get_by_label("Most tokens")).fill("8")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Generate").click()
    expect(page).to_have_url(re.compile(r"\?run=(?!example)"), timeout=READY)
    expect(line).to_contain_text("59 of 60 answers left", timeout=15_000)
    expect(line).not_to_contain_text(f"{MOST:,} of {MOST:,}", timeout=15_000)
    left, of = (int(found.replace(",", "")) for found in re.findall(r"([\d,]{5,})", line.inner_text()))
    assert 0 < of - left < 200
    after = settings.bounding_box()
    assert before and after and (before["y"], before["height"]) == (after["y"], after["height"])


def test_who_has_used_up_the_day_is_told_beside_the_button_and_nobody_else_is(
    page: Page, public_app: AppServer
) -> None:
    page.context.add_cookies([{"name": COOKIE, "value": SECRET, "url": public_app.url}])
    ready(page, public_app.url)
    line = page.locator("#shares .fl-shares")
    expect(line).to_contain_text(f" 0 of {MOST:,} tokens left today")
    expect(line).to_have_attribute("data-low", "true")
    shown = page.locator(".fl-explorer").get_attribute("data-run")
    page.get_by_label("Prompt", exact=True).fill("Name a fruit.")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#notice")).to_contain_text(
        re.compile(rf"Your share of {MOST:,} tokens a day is used up: there is more in \d+ (hours|minutes)")
    )
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    expect(page.locator(".fl-explorer")).to_have_attribute("data-run", shown or "")
