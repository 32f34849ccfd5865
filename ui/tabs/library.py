"""Library: find, open, label, delete and bring back, compare, export and import runs.

Hands what the list asks for to `shelf`; does not know how rows are drawn or stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr

from ui import library_view, plots
from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.components.compare import Compare
from ui.components.library import RunLibrary
from ui.components.notice import Notice
from ui.components.plot_bridge import PlotBridge
from ui.errors import Caught
from ui.shelf import Shelf
from ui.tabs.explore import ExploreParts, fields_of
from ui.tabs.frames import brought, payload

PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
PLOT_ID = "glance-plot"


@dataclass(frozen=True)
class LibraryParts:
    """The tab's components; `compared` keeps the two uids on show, so that they can change sides.

    download, said: never seen; they carry the exported file's address and the line about it to the browser.
    """

    notice: Notice
    compare: Compare
    runs: RunLibrary
    compared: gr.State
    bring_in: gr.UploadButton
    download: gr.DownloadButton
    said: gr.Textbox
    glance: gr.Accordion
    across: gr.Dropdown
    up: gr.Dropdown
    plot: gr.Plot
    bridge: PlotBridge


def build() -> LibraryParts:
    """Lay the tab out: problems, a comparison when there is one, files in and out, the list."""
    notice = Notice(elem_id="library-notice")
    compare = Compare(elem_id="compare")
    # any file may be chosen: what is no file of runs is answered by a sentence, not by the upload's own red box
    bring_in = gr.UploadButton("Import runs (.jsonl, .zip)", elem_id="import-runs", size="sm")
    download = gr.DownloadButton("Exported runs", visible="hidden", elem_id="export-file")
    said = gr.Textbox(visible="hidden", show_label=False, elem_id="export-said")
    with gr.Accordion("Runs at a glance", open=False, elem_id="glance") as glance:
        choices = [(axis.label, name) for name, axis in library_view.axes().items()]
        with gr.Row():
            across = gr.Dropdown(choices, value="tokens", label="Across", elem_id="glance-across")
            up = gr.Dropdown(choices, value="mean_entropy", label="Up", elem_id="glance-up")
        plot = gr.Plot(show_label=False, elem_id=PLOT_ID, elem_classes="fl-glance")
    bridge = PlotBridge(PLOT_ID, elem_id="glance-bridge")
    runs = RunLibrary(elem_id="library-piece", own=True)
    return LibraryParts(notice, compare, runs, gr.State(()), bring_in, download, said, glance, across, up, plot, bridge)


def wire(
    parts: LibraryParts,
    tab: gr.Tab,
    tabs: gr.Tabs,
    explored: ExploreParts,
    workbench: Workbench,
    shelf: Shelf,
) -> None:
    """Connect the list's events to the shelf; every answer is a fresh list or one sentence."""

    def viewer(request: gr.Request) -> Viewer:
        return viewer_of(request)

    def show(request: gr.Request) -> tuple:
        return _listed(lambda: shelf.listing({}, viewer(request)))

    def ask(event: gr.EventData, request: gr.Request) -> tuple:
        return _listed(lambda: shelf.listing(payload(event), viewer(request)))

    def update(event: gr.EventData, request: gr.Request) -> tuple:
        def work() -> str:
            asked = payload(event)
            shelf.label(asked.get("uid"), asked, viewer(request))
            return shelf.listing(asked.get("query") or {}, viewer(request))

        return _listed(work)

    def delete(event: gr.EventData, request: gr.Request) -> tuple:
        def work() -> str:
            asked = payload(event)
            uids = asked.get("uids", ())
            shelf.delete(uids, viewer(request))
            return shelf.listing(asked.get("query") or {}, viewer(request), deleted=uids)

        return _listed(work)

    def restore(event: gr.EventData, request: gr.Request) -> tuple:
        def work() -> str:
            asked = payload(event)
            shelf.restore(asked.get("uids", ()), viewer(request))
            return shelf.listing(asked.get("query") or {}, viewer(request))

        return _listed(work)

    outputs = [parts.runs, parts.notice]
    tab.select(show, None, outputs, **PRIVATE)
    parts.runs.library_query(ask, None, outputs, trigger_mode="always_last", **PRIVATE)
    parts.runs.run_label(update, None, outputs, trigger_mode="multiple", **PRIVATE)
    parts.runs.runs_delete(delete, None, outputs, trigger_mode="multiple", **PRIVATE)
    parts.runs.runs_restore(restore, None, outputs, trigger_mode="multiple", **PRIVATE)
    _wire_opening(parts, tabs, explored, workbench, viewer)
    _wire_compare(parts, tabs, explored, shelf, viewer)
    _wire_files(parts, shelf, viewer)
    _wire_glance(parts, shelf, viewer)


def _wire_glance(parts: LibraryParts, shelf: Shelf, viewer: Callable[[gr.Request], Viewer]) -> None:
    def draw(across: str, up: str, request: gr.Request) -> tuple:
        with Caught() as problem:
            return plots.runs_at_a_glance(shelf.glance(across, up, viewer(request))), ""
        return gr.skip(), problem.sentence

    for event in (parts.glance.expand, parts.across.change, parts.up.change):
        event(draw, [parts.across, parts.up], [parts.plot, parts.notice], **PRIVATE)


def _wire_opening(
    parts: LibraryParts,
    tabs: gr.Tabs,
    explored: ExploreParts,
    workbench: Workbench,
    viewer: Callable[[gr.Request], Viewer],
) -> None:
    def open_run(event: gr.EventData, request: gr.Request) -> tuple:
        with Caught() as problem:
            document = workbench.open_run(str(payload(event).get("uid", "")), viewer(request))
            return document, "", gr.Tabs(selected="explore"), *fields_of(document)
        return gr.skip(), problem.sentence, gr.skip(), *fields_of(None)

    outputs = [explored.explorer, parts.notice, tabs, *explored.asked]
    for event in (parts.runs.run_open, parts.compare.run_open, parts.bridge.plot_click):
        event(open_run, None, outputs, **PRIVATE)


def _wire_compare(
    parts: LibraryParts,
    tabs: gr.Tabs,
    explored: ExploreParts,
    shelf: Shelf,
    viewer: Callable[[gr.Request], Viewer],
) -> None:
    def compare(event: gr.EventData, request: gr.Request) -> tuple:
        a, b = payload(event).get("a"), payload(event).get("b")
        return (*_listed(lambda: shelf.compare(a, b, viewer(request))), (a, b))

    def swap(pair: tuple[Any, Any], request: gr.Request) -> tuple:
        b, a = pair
        return (*_listed(lambda: shelf.compare(a, b, viewer(request))), (a, b))

    def compare_from_explore(event: gr.EventData, request: gr.Request) -> tuple:
        return *compare(event, request), gr.Tabs(selected="library")

    outputs = [parts.compare, parts.notice, parts.compared]
    explored.explorer.run_compare(compare_from_explore, None, [*outputs, tabs], **PRIVATE)
    parts.runs.runs_compare(compare, None, outputs, **PRIVATE)
    parts.compare.compare_swap(swap, parts.compared, outputs, **PRIVATE)
    parts.compare.compare_close(lambda: "", None, parts.compare, **PRIVATE)


def _wire_files(parts: LibraryParts, shelf: Shelf, viewer: Callable[[gr.Request], Viewer]) -> None:
    def export(event: gr.EventData, request: gr.Request) -> tuple:
        with Caught() as problem:
            name = f"forklore-runs-{datetime.now(UTC).astimezone():%Y-%m-%d}.jsonl"
            target = _passing(parts.download) / name
            written = shelf.export_file(payload(event), target, viewer(request))
            return str(target), library_view.exported_sentence(written.runs, written.matching, name), ""
        return None, "", problem.sentence

    def bring_in(file: object, request: gr.Request) -> tuple:
        def work() -> str:
            report = shelf.import_file(brought(file), viewer(request))
            added, known = len(report["added"]), len(report["skipped"])
            message = library_view.imported_sentence(added, known, report["problems"])
            return shelf.listing({}, viewer(request), message=message)

        return _listed(work)

    # a sentence that was closed and comes again is only shown again when it was taken back in between
    emptied: dict[str, Any] = {"fn": lambda: "", "outputs": parts.notice, **PRIVATE}
    uploaded = parts.bring_in.upload(**emptied)
    uploaded.then(bring_in, parts.bring_in, [parts.runs, parts.notice], **PRIVATE)
    outputs = [parts.download, parts.said, parts.notice]
    written = parts.runs.runs_export(export, None, outputs, **PRIVATE)
    # a browser only saves what a link in its own page names
    handed = {**PRIVATE, "js": "(file, said) => window.Forklore.saveExport(file, said)"}
    written.then(None, [parts.download, parts.said], None, **handed)


def _passing(component: gr.DownloadButton) -> Path:
    """A new folder among the files that the page hands out and forgets after a while; nobody can guess its name."""
    folder = Path(component.GRADIO_CACHE) / f"export-{secrets.token_hex(16)}"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _listed(work: Callable[[], str]) -> tuple:
    """A fresh value and no notice, or no change and a notice."""
    with Caught() as problem:
        return work(), ""
    return gr.skip(), problem.sentence
