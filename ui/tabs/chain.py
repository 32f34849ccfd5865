"""Attention chains on the page: connects what the panel asks for to the use cases.

Hands over what was asked and shows documents; what is said beside them goes through a piece of its own. Does not know
what a chain is.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import gradio as gr

from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.chain_view import refusal
from ui.chains import Chains
from ui.errors import Caught
from ui.tabs.explore import ExploreParts
from ui.tabs.frames import JOB, PRIVATE, payload
from ui.tabs.shares import told_after
from ui.wire import wire_line

QUICK: dict[str, Any] = {"queue": False, **PRIVATE}


def wire_chain(parts: ExploreParts, workbench: Workbench, chains: Chains) -> None:
    """Connect the panel's events; every answer is a document or one line beside it."""

    def viewer(request: gr.Request) -> Viewer:
        return viewer_of(request)

    def show(event: gr.EventData, request: gr.Request) -> str:
        asked = payload(event)
        run, uid = str(asked.get("run", "")), str(asked.get("uid") or "")
        with Caught() as problem:
            return chains.open(uid, viewer(request)) if uid else chains.of_run(run, viewer(request))
        return refusal(run, problem.sentence)

    def trace(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked = payload(event)
        run, fields = str(asked.get("run", "")), asked.get("fields")
        begun = False
        with Caught() as problem:
            for document in chains.trace(run, dict(fields) if isinstance(fields, dict) else {}, viewer(request)):
                yield document, gr.skip()
                begun = True
        if problem.sentence:
            # nothing goes on any more, whatever the last document said
            yield (_kept(chains, run, viewer(request)) if begun else gr.skip()), aside(run, problem.sentence)

    def stop(request: gr.Request) -> None:
        workbench.stop(viewer(request))

    def scores(event: gr.EventData, request: gr.Request) -> Any:
        """The run again, now that attention has made more of its scores known."""
        with Caught():
            return workbench.open_run(str(payload(event).get("run", "")), viewer(request))
        return gr.skip()

    piece = parts.chain
    # each answered: a second one asked while the first is on its way would be dropped
    piece.chain_open(show, None, piece, trigger_mode="multiple", **QUICK)
    traced = piece.chain_trace(trace, None, [piece, parts.chain_aside], **JOB)
    told_after([traced], parts.shares, workbench)
    piece.chain_stop(stop, None, None, **QUICK)
    piece.chain_scores(scores, None, parts.explorer, trigger_mode="multiple", **QUICK)


def aside(run: str, problem: str) -> str:
    """A line beside the document; marked, as the same answer twice has to arrive twice."""
    return wire_line({"run": run, "n": secrets.token_hex(4), "problem": problem})


def _kept(chains: Chains, run: str, viewer: Viewer) -> str:
    """The newest chain of the run on show, else why there can be none."""
    with Caught() as problem:
        return chains.of_run(run, viewer)
    return refusal(run, problem.sentence)
