"""What a page asks the server for because somebody did something, told apart from what its clock asks for by itself."""

from __future__ import annotations

from collections.abc import Iterable

from playwright.sync_api import Page, Request

TICKS = "gradio_config.dependencies.filter((one) => one.targets.some(([, on]) => on === 'tick')).map((one) => one.id)"


def but_for_ticks(page: Page, asked: Iterable[Request]) -> list[str]:
    """The addresses of the work that was asked for, without that of the page's clock."""
    ticks = page.evaluate(TICKS)
    assert ticks, "the page has a clock"
    work = [one for one in asked if any(way in one.url for way in ("/queue/", "/run/", "/call/"))]
    return [one.url for one in work if (one.post_data_json or {}).get("fn_index") not in ticks]
