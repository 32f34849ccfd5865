"""A page with nothing but the probe's piece and a hand-made document; remembers every event that reaches the server.

For browser tests of the piece itself; what makes such documents is tested elsewhere.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import gradio as gr

from engine.outcomes import outcome
from engine.probe import Cell, plan_probe, price
from engine.probe_effects import effects
from engine.types import GenerationRequest, ModelCard
from tests.support.piece_page import QUIET, ServedPage, served_page
from ui.components.probe import ProbeBoard, ProbePrice
from ui.probe_record import KeptCell
from ui.probe_view import Progress, probe_document

HOSTILE = "<img src=x onerror=window.__ran=1> ${window.__ran=2} \u202eevil"
CARD = ModelCard("embedded", "repo", "1", "none", "float32", "cpu", "hash", 100, 100)
RUNS = 50


def made(state: str = "finished", runs: int = RUNS, **more: Any) -> str:
    """A probe of three values: the first two differ by 5,000 in every second run, the third is hostile and yields no
    number in run 1. Direct effects are none."""
    plan = plan_probe(
        "{Sex} earns how much?", ["A woman", "A man", HOSTILE], runs, "first_number", GenerationRequest("x", seed=11)
    )
    plan = replace(plan, baseline=False)
    cells = []
    for i in range(runs):
        for v in range(3):
            amount = 30_000 + 1_000 * (i % 4) + (5_000 if v == 1 and i % 2 else 0)
            text = "I cannot say." if v == 2 and i == 0 else f"It is $ {amount:,} a year. {HOSTILE if v == 2 else ''}"
            found = outcome("first_number", text)
            at = 2 if found.found else -1
            cells.append(Cell("run", i, v, v, found.label, found.number, (1, 2, 3), 0, at, text, "stop"))
        cells += [
            replace(cells[3 * i + i * 6 + a], kind="direct", value=b, held=2)
            for a in range(3)
            for b in range(3)
            if a != b
        ]
    kept = [KeptCell(cell, f"run-{cell.run}-{cell.value}" if cell.kind == "run" else "") for cell in cells]
    total = price(plan).answers + price(plan).continuations
    return probe_document(
        plan,
        price(plan),
        state=state,
        progress=Progress(len(cells), total, 0, 3.0, more.pop("left", None)),
        cells=kept,
        effects=effects(plan, cells),
        uid="probe-1",
        model=CARD,
        **more,
    )


def states() -> dict[str, str]:
    """Documents by the name of the button that shows them."""
    growing = json.loads(made("running", runs=4))
    growing["progress"].update(done=20, left=12.0)
    empty = json.loads(made("waiting", runs=1, message="Waiting for the model: 1 person is before you."))
    return {
        "Finished": made(),
        "Running": json.dumps(growing),
        "Stopped": made("stopped", runs=4),
        "Failed": made("failed", runs=2, message="There was not enough memory."),
        "Waiting": json.dumps({**empty, "cells": [], "effects": []}),
        "Nothing": "",
    }


def build(served: ServedPage) -> gr.Blocks:
    def note(name: str) -> Any:
        def listen(event: gr.EventData) -> None:
            served.heard.append((name, event._data))

        return listen

    with gr.Blocks() as demo:
        buttons = {name: gr.Button(name) for name in states()}
        ProbePrice("6 answers: at most 36 tokens.", elem_id="probe-price")
        board = ProbeBoard(elem_id="probe-piece")
        for name, document in states().items():
            buttons[name].click(lambda document=document: document, None, board, **QUIET)
        board.run_open(note("run_open"), None, None, **QUIET)
        board.probe_resume(note("probe_resume"), None, None, **QUIET)
        demo.load(lambda: made(), None, board, **QUIET)
    return demo


def serve() -> AbstractContextManager[ServedPage]:
    """The page on a free port."""
    return served_page(build)
