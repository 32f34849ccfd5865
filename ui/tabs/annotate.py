"""Annotation on the page: the annotator's view and the owner's, and the ways that lead from one view to another.

The two pieces talk to the named endpoints themselves; here is only what changes the page around them. Does not know
sessions.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.components.annotate import Annotate
from ui.components.results import Results
from ui.errors import Caught
from ui.session_results import Results as SessionResults
from ui.tabs.explore import ExploreParts, fields_of
from ui.tabs.frames import PRIVATE, payload
from ui.wire import wire_line


@dataclass(frozen=True)
class AnnotationParts:
    """The two pieces, each alone in its tab."""

    annotate: Annotate
    results: Results


def build_annotate() -> Annotate:
    """The annotator's tab."""
    return Annotate(elem_id="annotate-piece")


def build_results() -> Results:
    """The owner's tab."""
    return Results(elem_id="results-piece")


def wire(
    page: gr.Blocks,
    parts: AnnotationParts,
    tabs: gr.Tabs,
    explored: ExploreParts,
    workbench: Workbench,
    results: SessionResults,
) -> None:
    """Connect what leads out of a piece, and the addresses that lead into one."""

    def arrive(request: gr.Request) -> tuple:
        """?annotate=SECRET opens the annotator's view, which reads the secret itself, and for an adjudicator that of
        the results; ?session=UID the owner's."""
        link = str(request.query_params.get("annotate") or "")
        if link:
            session = results.led_to(link)
            tab = gr.Tabs(selected="results" if session else "annotate")
            return tab, opened(session, link) if session else gr.skip()
        session = str(request.query_params.get("session") or "")
        return (gr.Tabs(selected="results"), opened(session)) if session else (gr.skip(), gr.skip())

    def show_session(event: gr.EventData) -> tuple:
        return gr.Tabs(selected="results"), opened(str(payload(event).get("session") or ""))

    def annotate(event: gr.EventData) -> tuple:
        return gr.Tabs(selected="annotate"), opened(str(payload(event).get("session") or ""))

    page.load(arrive, None, [tabs, parts.results], queue=False, **PRIVATE)
    for shown in (parts.annotate.session_show, explored.examples.session_show):
        shown(show_session, None, [tabs, parts.results], queue=False, **PRIVATE)
    parts.results.annotate_open(annotate, None, [tabs, parts.annotate], queue=False, **PRIVATE)
    _wire_run(parts, tabs, explored, workbench, viewer_of)


def _wire_run(
    parts: AnnotationParts,
    tabs: gr.Tabs,
    explored: ExploreParts,
    workbench: Workbench,
    viewer: Callable[[gr.Request], Viewer],
) -> None:
    def open_run(event: gr.EventData, request: gr.Request) -> tuple:
        asked = payload(event)
        with Caught() as problem:
            document = workbench.open_run(str(asked.get("uid", "")), viewer(request))
            return pointed(document, asked.get("token")), "", gr.Tabs(selected="explore"), *fields_of(document)
        return gr.skip(), problem.sentence, gr.Tabs(selected="explore"), *fields_of(None)

    outputs = [explored.explorer, explored.notice, tabs, *explored.asked]
    parts.results.run_open(open_run, None, outputs, queue=False, **PRIVATE)


def pointed(document: str, token: Any) -> str:
    """A run's document that begins at a token (from 0), where one was asked for."""
    if isinstance(token, bool) or not isinstance(token, int):
        return document
    head, _, rest = document.partition("\n")
    return wire_line({**json.loads(head), "select": token}) + rest


def opened(session: str, link: str = "") -> str:
    """The value that lets a piece open a session; "" opens none. Marked: the same session may be asked for again."""
    return json.dumps({"open": session, "link": link, "n": secrets.token_hex(4)}) if session else ""
