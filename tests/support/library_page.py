"""A page with nothing but the library over a real store of 132 runs; remembers every event that reaches the server.

For browser tests of the list itself; the whole app's wiring is tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr

from engine import run_scores
from engine.host import ModelHost
from engine.limits import Limits
from storage.database import Store
from storage.records import RunQuery
from tests.storage.examples import realistic_trace
from tests.support.app_server import free_port
from tests.support.piece_page import QUIET, ServedPage, address, launched
from ui import examples, library_view, plots
from ui.access import Viewer
from ui.actions import Workbench
from ui.components.library import RunLibrary
from ui.components.plot_bridge import PlotBridge
from ui.page import build_page
from ui.serve import open_port
from ui.settings import Settings
from ui.shelf import Shelf

HOSTILE = "<img src=x onerror=window.__ran=1> ${window.__ran=2} {{window.__ran=3}} \u202eevil\u200b <b>bold</b>"
ME = Viewer("local", "test", True)
COUNT = 130
WAIT_SECONDS = 30
OTHER_MODEL = "somebody/elses-model"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Served(ServedPage):
    """The running page, its store, and every event that reached the server.

    answers, unasked: what the server says to a search, and what it says to none, waits until this is set.
    """

    file: Path
    store: Store
    shelf: Shelf
    answers: Event = field(default_factory=Event, kw_only=True)
    unasked: Event = field(default_factory=Event, kw_only=True)

    def stored(self, **query: Any) -> dict[str, str]:
        """Uid -> title of every run, in the order asked for."""
        return {run.uid: run.title for run in self.store.runs.list(RunQuery("local", limit=200, **query)).rows}


def fill(store: Store) -> None:
    trace = realistic_trace(1, tokens=24)
    scores = run_scores.compute(trace)
    other = replace(trace, model=replace(trace.model, name=OTHER_MODEL))
    for i in range(COUNT):
        store.runs.add(
            other if i == 3 else trace, uid=f"run-{i:03}", title=f"Run number {i}", status="finished",
            tags=("even",) if i % 2 == 0 else (), created_at=START + timedelta(minutes=i),
            run_scores={**scores, "perplexity": float("nan") if i == 7 else 1.0 + (i * 37) % 101},
        )  # fmt: skip
    last: dict[str, Any] = {"run_scores": scores, "created_at": START + timedelta(days=1)}
    store.runs.add(trace, uid="hostile", title=HOSTILE, tags=("<i>t</i>",), note=HOSTILE, status="stopped", **last)
    store.runs.add(trace, uid="example", title="An example", status="finished", example=True, **last)


def unasked(served: Served) -> str:
    """What the page sends when the tab is opened or a file was imported: late, and without the reader's filters."""
    page = served.shelf.listing({}, ME, message="Said once.")
    served.unasked.wait(WAIT_SECONDS)
    return page


def build(served: Served) -> gr.Blocks:
    shelf, runs = served.shelf, served.store.runs

    def heard(event: gr.EventData, name: str) -> dict[str, Any]:
        served.heard.append((name, event._data))
        return event._data

    def query(event: gr.EventData) -> str:
        page = shelf.listing(heard(event, "library_query"), ME)
        served.answers.wait(WAIT_SECONDS)
        return page

    def label(event: gr.EventData) -> Any:
        asked = heard(event, "run_label")
        if asked["title"] == "refused":
            return gr.skip()
        shelf.label(asked["uid"], asked, ME)
        return shelf.listing(asked["query"], ME)

    def delete(event: gr.EventData) -> str:
        asked = heard(event, "runs_delete")
        shelf.delete(asked["uids"], ME)
        return shelf.listing(asked["query"], ME, deleted=asked["uids"])

    def restore(event: gr.EventData) -> str:
        asked = heard(event, "runs_restore")
        shelf.restore(asked["uids"], ME)
        return shelf.listing(asked["query"], ME)

    def note(name: str) -> Any:
        def listen(event: gr.EventData) -> None:
            heard(event, name)

        return listen

    with gr.Blocks() as demo:
        with gr.Tab("Runs"):
            library = RunLibrary(elem_id="library-piece")
            answer = gr.Button("Answer unasked")
        # drawn when opened: plotly's script is large
        with gr.Tab("Glance"):
            figure = gr.Plot(elem_id="glance", elem_classes="fl-glance", show_label=False)
        bridge = PlotBridge("glance", elem_id="bridge")
        for event, handler in (
            (library.library_query, query), (library.run_label, label), (library.runs_delete, delete),
            (library.runs_restore, restore),
        ):  # fmt: skip
            event(handler, None, library, trigger_mode="multiple", **QUIET)
        for name in ("run_open", "runs_compare", "runs_export"):
            getattr(library, name)(note(name), None, None, **QUIET)
        bridge.plot_click(note("plot_click"), None, None, **QUIET)
        demo.load(lambda: shelf.listing({}, ME), None, library, **QUIET)
        answer.click(lambda: unasked(served), None, library, **QUIET)
        demo.load(
            lambda: plots.runs_at_a_glance(library_view.glance(runs.list(RunQuery("local", limit=200)))),
            None, figure, **QUIET,
        )  # fmt: skip
    return demo


@contextmanager
def serve(file: Path) -> Iterator[Served]:
    """The page on a free port over a new store at `file`."""
    with Store(file) as store:
        fill(store)
        port = free_port()
        served = Served(address(port), file, store, Shelf(store))
        with launched(build(served), port):
            yield served


@contextmanager
def serve_whole_page(folder: Path, own_runs: int) -> Iterator[Served]:
    """The whole page without a model, over a new store with the shipped examples and so many runs of one's own."""
    file = folder / "forklore.db"
    with Store(file) as store:
        examples.install(store)
        trace = realistic_trace(2, tokens=12)
        for i in range(own_runs):
            named: dict[str, Any] = {"uid": f"own-{i}", "title": f"Own run {i}", "status": "finished"}
            store.runs.add(trace, run_scores=run_scores.compute(trace), **named)
        settings = Settings("embedded", None, None, None, file, folder, "127.0.0.1", free_port(), 1, "local")
        shelf = Shelf(store)
        page = build_page(Workbench(store, ModelHost(), Limits()), shelf, settings)
        open_port(page, settings)
        yield Served(address(settings.port), file, store, shelf)
        page.close()
