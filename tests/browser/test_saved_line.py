"""The masthead's line about copies of the library: quiet while they come, red when they do not, absent without them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from tests.support.piece_page import ServedPage, served_page
from ui.components.masthead import Masthead

RED = {"light": "rgb(179, 38, 30)", "dark": "rgb(255, 180, 171)"}
STATES: dict[str, Any] = {
    "none": None,
    "quiet": {"text": "library copied 3 min ago", "late": False},
    "late": {"text": "library copied 20 min ago", "late": True},
}


def build(served: ServedPage) -> gr.Blocks:
    with gr.Blocks() as demo:
        masthead = Masthead(elem_id="masthead")
        chosen = gr.Radio(list(STATES), elem_id="state")

        def show(name: str) -> str:
            model = {"status": "ready", "message": "SmolLM2 · float32 · cpu", "fraction": 1.0}
            return json.dumps({**model, "saved": STATES[name]})

        chosen.change(show, chosen, masthead, queue=False, show_progress="hidden", api_visibility="private")
    return demo


@pytest.fixture(scope="module")
def served() -> Iterator[ServedPage]:
    with served_page(build) as page:
        yield page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_line_is_quiet_then_red_and_gone_where_no_copies_are_made(
    page: Page, served: ServedPage, theme: str
) -> None:
    page.set_viewport_size({"width": 1280, "height": 600})
    page.goto(f"{served.url}?__theme={theme}")
    line = page.locator(".fl-saved")
    page.get_by_label("quiet").check()
    expect(line).to_have_text("· library copied 3 min ago")
    expect(line).not_to_have_css("color", RED[theme])
    page.set_viewport_size({"width": 390, "height": 600})
    expect(line).to_be_hidden()
    page.get_by_label("late").check()
    expect(line).to_be_visible()
    expect(line).to_have_text("· library copied 20 min ago")
    expect(line).to_have_css("color", RED[theme])
    expect(page.locator(".fl-model-chip")).to_have_attribute(
        "title", "SmolLM2 · float32 · cpu · library copied 20 min ago"
    )
    page.get_by_label("none").check()
    expect(line).to_be_hidden()
