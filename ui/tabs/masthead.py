"""Keeps the masthead's word on the model current while it loads, then leaves it alone.

Knows the model host's state; does not know how a model is loaded.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from engine.types import ModelCard
from ui.access import Identity, identity_of, viewer_of
from ui.accounts import ACCOUNT, offered
from ui.actions import Workbench
from ui.components.masthead import Masthead
from ui.components.shares import Shares
from ui.copies import Copies
from ui.tabs.shares import shares_line

LOADING_SECONDS = 1.0


def _card_line(card: ModelCard) -> str:
    """A model in one line: name, quantisation or dtype, device."""
    precision = card.dtype if card.quantization == "none" else f"{card.quantization}, {card.dtype}"
    return f"{card.repo.rsplit('/', 1)[-1] or card.name} · {precision} · {card.device}"


def _who(identity: Identity | None) -> dict[str, Any] | None:
    """Who is signed in and the way out, or the way in where there is one; None where nobody needs either."""
    if identity is None or (identity.anonymous and not offered()):
        return None
    if identity.anonymous:
        return {"into": "./login/huggingface"}
    if identity.name.startswith(ACCOUNT):
        return {"name": identity.label or "your account", "out": "./logout", "post": False}
    return {"name": identity.label, "out": "./sign-out", "post": True} if identity.label else None


def wire_masthead(
    page: gr.Blocks, masthead: Masthead, workbench: Workbench, copies: Copies, shares: Shares | None = None
) -> None:
    """Show the model's state at once and every second until it is settled, and when the library was last copied;
    shares: what is left to this person of the model, in the same step, so that an open page costs one call."""
    timer = gr.Timer(LOADING_SECONDS, active=True)

    def refresh(request: gr.Request) -> tuple:
        state = workbench.host.state
        message = _card_line(workbench.host.model().card) if state.status == "ready" else state.message
        shown = {"status": state.status, "message": message, "fraction": state.fraction, "saved": copies.line()}
        shown["who"] = _who(identity_of(request))
        text = json.dumps(shown)
        tick = gr.Timer(active=True) if state.status == "loading" else gr.Timer(LOADING_SECONDS * 5)
        return (text, tick, shares_line(workbench, viewer_of(request))) if shares else (text, tick)

    shown_in = [masthead, timer, *([shares] if shares else [])]
    for event in (page.load, timer.tick):
        event(refresh, None, shown_in, queue=False, show_progress="hidden", api_visibility="private")
