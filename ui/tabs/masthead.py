"""Keeps the masthead's word on the model current while it loads, then leaves it alone.

Knows the model host's state; does not know how a model is loaded.
"""

from __future__ import annotations

import json

import gradio as gr

from engine.types import ModelCard
from ui.actions import Workbench
from ui.components.masthead import Masthead
from ui.copies import Copies

LOADING_SECONDS = 1.0


def _card_line(card: ModelCard) -> str:
    """A model in one line: name, quantisation or dtype, device."""
    precision = card.dtype if card.quantization == "none" else f"{card.quantization}, {card.dtype}"
    return f"{card.repo.rsplit('/', 1)[-1] or card.name} · {precision} · {card.device}"


def wire_masthead(page: gr.Blocks, masthead: Masthead, workbench: Workbench, copies: Copies) -> None:
    """Show the model's state at once and every second until it is settled, and when the library was last copied."""
    timer = gr.Timer(LOADING_SECONDS, active=True)

    def refresh() -> tuple[str, gr.Timer]:
        state = workbench.host.state
        message = _card_line(workbench.host.model().card) if state.status == "ready" else state.message
        shown = {"status": state.status, "message": message, "fraction": state.fraction, "saved": copies.line()}
        text = json.dumps(shown)
        return text, gr.Timer(active=True) if state.status == "loading" else gr.Timer(LOADING_SECONDS * 5)

    for event in (page.load, timer.tick):
        event(refresh, None, [masthead, timer], queue=False, show_progress="hidden", api_visibility="private")
