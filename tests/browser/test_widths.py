"""At every width of the window the parts of the page's head leave each other room, whoever is signed in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_page import open_page
from tests.support.app_server import AppServer
from tests.support.at_rest import comes_to

WIDTHS = (1600, 1280, 1120, 1101, 1090, 900, 650, 390)
LOADING = {"status": "loading", "message": "Loading SmolLM2-135M-Instruct: reading weights", "fraction": 0.4}
READY = {"status": "ready", "message": "SmolLM2-135M-Instruct · float32 · cpu", "fraction": 1.0}
QUIET = {"text": "library copied 3 min ago", "late": False}
LATE = {"text": "library copied 20 min ago, the last copy failed", "late": True}
MEMBER = {"name": "Annamaria Oberhuber-Kowalski", "out": "./sign-out", "post": True}
ACCOUNT = {"name": "a-rather-long-account-name", "out": "./logout", "post": False}
STATES: dict[str, dict[str, Any]] = {
    "one person": {**READY, "saved": QUIET, "who": None},
    "a team, the model loading": {**LOADING, "saved": LATE, "who": MEMBER},
    "a team": {**READY, "saved": QUIET, "who": {**MEMBER, "name": "Ada"}},
    "a stranger": {**READY, "saved": LATE, "who": {"into": "./login/huggingface"}},
    "an account, the model loading": {**LOADING, "saved": QUIET, "who": ACCOUNT},
    "an account": {**READY, "saved": LATE, "who": ACCOUNT},
}
# in place of the piece that the server keeps current
SHOWN = """value => {
  const element = document.querySelector('#masthead');
  element.querySelector('.fl-piece').replaceChildren();
  Forklore.mountMasthead({element, props: {value}, watch: () => {}});
}"""
BEGINS = """() => {
  const words = document.createRange();
  const left = (node) => { words.selectNodeContents(node); return words.getBoundingClientRect().left; };
  const brand = left(document.querySelector('.fl-brand'));
  return [left(document.querySelector('#views > .tab-wrapper button[role=tab]')) - brand,
          document.querySelector('#ask-row').getBoundingClientRect().left - brand];
}"""
FOUND = """() => {
  const tabs = [...document.querySelectorAll('#views > .tab-wrapper button[role=tab]')];
  const head = document.querySelector('.fl-masthead');
  const all = [...head.querySelectorAll('.fl-model-chip, .fl-who:not([hidden]) > *, .fl-theme-switch'), ...tabs];
  const brand = document.createRange();
  brand.selectNodeContents(head.querySelector('.fl-brand'));
  const boxes = [['Forklore', brand.getBoundingClientRect()],
                 ...all.map((node) => [node.className + node.textContent, node.getBoundingClientRect()])];
  const over = [];
  for (const [i, [one, a]] of boxes.entries())
    for (const [other, b] of boxes.slice(i + 1))
      if (a.left < b.right - .5 && b.left < a.right - .5 && a.top < b.bottom - .5 && b.top < a.bottom - .5)
        over.push([one, other]);
  const seen = boxes.every(([, box]) => box.width >= 20 && box.left >= -1 && box.right <= innerWidth + 1);
  const late = head.querySelector('.fl-saved[data-late=true]');
  const type = (node) => getComputedStyle(node).fontFamily.split(',')[0];
  return {over, seen, late: !late || late.getBoundingClientRect().width >= 12,
          inside: document.body.scrollWidth <= innerWidth + 1, types: [type(tabs[0]), type(head)]};
}"""


def test_the_parts_of_the_head_leave_each_other_room(page: Page, app: AppServer) -> None:
    """The name, the chips, who is signed in and the tabs of the views lie beside or below each other, all in sight,
    in the page's own type."""
    open_page(page, app)
    wanted = {"over": [], "seen": True, "late": True, "inside": True, "types": ["Inter", "Inter"]}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        for name, state in STATES.items():
            page.evaluate(SHOWN, json.dumps(state))
            # gradio moves tabs that have no room into a menu some time after the width has changed
            comes_to(page, FOUND, wanted, (width, name))


@pytest.mark.parametrize("width", [1090, 900, 390])
def test_where_the_views_have_a_line_of_their_own_it_begins_where_the_page_does(
    page: Page, app: AppServer, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_page(page, app)
    assert page.evaluate(BEGINS) == pytest.approx([0, 0], abs=1)


@pytest.mark.console_ok("ERR_FAILED")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_lost_connection_is_said_below_the_head_until_it_is_there_again(
    page: Page, app: AppServer, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    open_page(page, app)
    page.route("**/gradio_api/**", lambda route: route.abort())
    said = page.locator(".toast-body")
    expect(said).to_contain_text("Connection to the server was lost", timeout=30_000)
    page.wait_for_timeout(500)
    box = said.bounding_box()
    assert box and box["y"] > 400 and box["y"] + box["height"] <= 800 and box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.unroute_all()
    expect(said).to_have_count(0, timeout=30_000)
