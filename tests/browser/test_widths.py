"""At every width of the window the parts of the page's head leave each other room."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.test_page import open_page
from tests.support.app_server import AppServer


def test_the_masthead_and_the_views_leave_each_other_room(page: Page, app: AppServer) -> None:
    """At every width the tabs of the views lie beside or below the chips, in the page's own type."""
    open_page(page, app)
    for width in (1600, 1280, 1120, 1090, 900, 650, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        found = page.evaluate(
            """() => {
              const box = (name) => document.querySelector(name).getBoundingClientRect();
              const tabs = [...document.querySelectorAll('#views > .tab-wrapper button[role=tab]')];
              const last = tabs.at(-1).getBoundingClientRect(), chip = box('.fl-model-chip');
              const type = (node) => getComputedStyle(node).fontFamily.split(',')[0];
              return {
                apart: last.right < chip.left || last.top >= chip.bottom, whole: last.right <= innerWidth + 1,
                types: [type(tabs[0]), type(document.querySelector('.fl-masthead'))],
              };
            }"""
        )
        assert found == {"apart": True, "whole": True, "types": ["Inter", "Inter"]}, width
