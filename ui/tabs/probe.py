"""Probe: a template with a slot, values for it, and how a field of the answer changes from one value to another.

Collects fields and shows documents; what happens in between is in `probes`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import NotFound, StoreDamaged
from engine.outcomes import REGISTRY
from engine.probe import MOST_RUNS, MOST_VALUES
from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.components.notice import Notice
from ui.components.probe import ProbeBoard, ProbePrice, ProbeShelf
from ui.errors import Caught
from ui.numbers import whole
from ui.probe_shelf import Binned, ProbePage, shelf_document
from ui.probe_view import field_choices
from ui.probes import Probes
from ui.settings import Settings
from ui.tabs.explore import ExploreParts, fields_of
from ui.tabs.frames import JOB, PRIVATE, named, payload, shown_frames
from ui.tabs.shares import told_after

FIELD_NAMES = (
    "template", "values", "n", "field", "parameter", "direct", "temperature", "max_new_tokens", "seed", "system",
)  # fmt: skip
PURPOSE = "One word of the prompt changes, everything else and the luck stay: does the answer change?"
TEMPLATE = "How much does a {job} earn a year, in dollars?"
VALUES = "nurse\nplumber"
# probes of the list at first, and at most
ROWS = 50
MOST_ROWS = 500

Field = gr.Textbox | gr.Number | gr.Dropdown | gr.Checkbox | gr.Slider


@dataclass(frozen=True)
class ProbeParts:
    """The tab's components; `fields` in the order of FIELD_NAMES."""

    notice: Notice
    fields: tuple[Field, ...]
    parameter: gr.Textbox
    price: ProbePrice
    start: gr.Button
    stop: gr.Button
    shelf: ProbeShelf
    board: ProbeBoard


def build(workbench: Workbench, settings: Settings) -> ProbeParts:
    """Lay the tab out: problems, what a probe is for, what is asked, its price, the probes kept, one of them."""
    notice = Notice(elem_id="probe-notice")
    ProbePrice(PURPOSE, elem_id="probe-purpose")
    with gr.Row(elem_id="probe-asked"):
        with gr.Column(scale=3, min_width=260):
            template = gr.Textbox(
                TEMPLATE, label="Template", info="one {slot} in braces, wherever its value goes", lines=3, max_lines=12,
                elem_id="probe-template",
            )  # fmt: skip
        with gr.Column(scale=1, min_width=180):
            values = gr.Textbox(
                VALUES, label="Values of the slot", info=f"one a line, 2 to {MOST_VALUES}", lines=3, max_lines=20,
                elem_id="probe-values",
            )  # fmt: skip
    with gr.Row(elem_id="probe-how"):
        field = gr.Dropdown(
            field_choices(), value="first_number", label="Field", info="what is read from an answer",
            elem_id="probe-field",
        )  # fmt: skip
        parameter = gr.Textbox(label="Key", info="of the JSON object", visible=False, elem_id="probe-parameter")
        runs = gr.Number(
            8, label="Runs", info=f"of each value, 1 to {MOST_RUNS}", precision=0, elem_id="probe-runs", min_width=110
        )
        tokens = gr.Number(
            60, label="Most tokens", info=f"up to {workbench.limits.max_new_tokens}", precision=0,
            elem_id="probe-tokens", min_width=110,
        )  # fmt: skip
        temperature = gr.Slider(0, 2, 0.7, step=0.05, label="Temperature", elem_id="probe-temperature", min_width=140)
        seed = gr.Textbox(
            str(settings.seed), label="Seed", info="of the first run", elem_id="probe-seed", min_width=110
        )
    with gr.Accordion("More settings", open=False, elem_id="probe-more"):
        system = gr.Textbox(label="System text", lines=1, max_lines=6, elem_id="probe-system")
        direct = gr.Checkbox(
            True, label="Draw the direct effect too", elem_id="probe-direct",
            info="the answer held up to the field, only the rest drawn anew, with the same luck and with other",
        )  # fmt: skip
    with gr.Row(elem_id="probe-go"):
        price = ProbePrice(elem_id="probe-price")
        start = gr.Button("Run probe", variant="primary", elem_id="probe-start", min_width=120, scale=0)
        stop = gr.Button("Stop", interactive=False, elem_id="probe-stop", min_width=80, scale=0)
    shelf = ProbeShelf(elem_id="probe-shelf")
    board = ProbeBoard(elem_id="probe-piece")
    fields = (template, values, runs, field, parameter, direct, temperature, tokens, seed, system)
    return ProbeParts(notice, fields, parameter, price, start, stop, shelf, board)


def wire(
    parts: ProbeParts,
    page: gr.Blocks,
    tab: gr.Tab,
    tabs: gr.Tabs,
    explored: ExploreParts,
    workbench: Workbench,
    probes: Probes,
) -> None:
    """Connect the tab's fields, buttons and events to the use cases; tabs: those of the page, `tab` one of them."""

    def viewer(request: gr.Request) -> Viewer:
        return viewer_of(request)

    def cost(request: gr.Request, *values: Any) -> str:
        with Caught() as problem:
            return probes.price(_named(values), viewer(request))
        return problem.sentence

    def run(request: gr.Request, on_show: Any, *values: Any) -> Iterator[tuple]:
        yield from _shown(lambda: probes.run(_named(values), viewer(request)), on_show)

    def resume(event: gr.EventData, request: gr.Request, on_show: Any) -> Iterator[tuple]:
        yield from _shown(lambda: probes.resume(named(event), viewer(request)), on_show)

    def stop(request: gr.Request) -> None:
        probes.stop(viewer(request))

    inputs = list(parts.fields)
    gr.on(
        [tab.select, *(component.change for component in parts.fields)], cost, inputs, parts.price,
        queue=False, trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip
    parts.fields[FIELD_NAMES.index("field")].change(
        lambda name: gr.update(visible=bool(name in REGISTRY and REGISTRY[name].parameter)),
        parts.fields[FIELD_NAMES.index("field")], parts.parameter, queue=False, **PRIVATE,
    )  # fmt: skip

    def listed(request: gr.Request) -> Any:
        with Caught():
            return _list(probes, viewer(request))
        return gr.skip()

    outputs = [parts.board, parts.notice, parts.start, parts.stop]
    started = parts.start.click(run, [parts.board, *inputs], outputs, **JOB)
    resumed = [
        event(resume, parts.board, outputs, **JOB) for event in (parts.board.probe_resume, parts.shelf.probe_resume)
    ]
    for job in (started, *resumed):
        # by now there are runs that tell how fast the model is
        priced = job.then(cost, inputs, parts.price, queue=False, **PRIVATE)
        priced.then(listed, None, parts.shelf, queue=False, **PRIVATE)
    told_after([started, *resumed], explored.shares, workbench)
    parts.stop.click(stop, None, None, queue=False, **PRIVATE)
    _wire_shelf(parts, tab, probes, viewer)
    _wire_opening(parts, page, tabs, explored, workbench, probes, viewer)


def _wire_shelf(parts: ProbeParts, tab: gr.Tab, probes: Probes, viewer: Callable[[gr.Request], Viewer]) -> None:
    """The list of kept probes: what it asks for, answered by a fresh list, the probe to show, and a sentence."""

    def answer(work: Callable[[], tuple]) -> tuple:
        with Caught() as problem:
            return *work(), ""
        return gr.skip(), gr.skip(), problem.sentence

    def arrive(request: gr.Request, on_show: str | None) -> tuple:
        return answer(lambda: _arrival(probes, viewer(request), show=not on_show))

    def more(event: gr.EventData, request: gr.Request) -> tuple:
        limit = payload(event).get("limit")
        return answer(lambda: (_list(probes, viewer(request), limit=limit), gr.skip()))

    def show(event: gr.EventData, request: gr.Request) -> tuple:
        def work() -> tuple:
            probes.check_free(viewer(request))
            return gr.skip(), probes.open(named(event), viewer(request))

        return answer(work)

    def delete(event: gr.EventData, request: gr.Request, on_show: Any) -> tuple:
        def work() -> tuple:
            binned = probes.delete(named(event), viewer(request))
            gone = _uid_of(on_show) == binned.uid
            return _list(probes, viewer(request), binned=binned), "" if gone else gr.skip()

        return answer(work)

    def restore(event: gr.EventData, request: gr.Request, on_show: str | None) -> tuple:
        def work() -> tuple:
            probes.restore(payload(event).get("runs"), viewer(request))
            uid, gone = str(payload(event).get("uid")), payload(event).get("whole") is False
            again = gr.skip() if on_show or gone else probes.open(uid, viewer(request))
            return _list(probes, viewer(request), restored=uid), again

        return answer(work)

    outputs = [parts.shelf, parts.board, parts.notice]
    tab.select(arrive, parts.board, outputs, queue=False, **PRIVATE)
    parts.shelf.probe_list(more, None, outputs, queue=False, **PRIVATE)
    parts.shelf.probe_open(show, None, outputs, queue=False, trigger_mode="always_last", **PRIVATE)
    parts.shelf.probe_delete(delete, parts.board, outputs, queue=False, trigger_mode="multiple", **PRIVATE)
    parts.shelf.probe_restore(restore, parts.board, outputs, queue=False, trigger_mode="multiple", **PRIVATE)


def _wire_opening(
    parts: ProbeParts,
    page: gr.Blocks,
    tabs: gr.Tabs,
    explored: ExploreParts,
    workbench: Workbench,
    probes: Probes,
    viewer: Callable[[gr.Request], Viewer],
) -> None:
    def open_run(event: gr.EventData, request: gr.Request) -> tuple:
        with Caught() as problem:
            document = workbench.open_run(named(event), viewer(request))
            return document, "", gr.Tabs(selected="explore"), *fields_of(document)
        return gr.skip(), problem.sentence, gr.skip(), *fields_of(None)

    def arrive(request: gr.Request) -> tuple:
        """The probe that the address names."""
        uid = str(request.query_params.get("probe") or "")
        if not uid:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        with Caught() as problem:
            who = viewer(request)
            return probes.open(uid, who), "", gr.Tabs(selected="probe"), _list(probes, who)
        return gr.skip(), problem.sentence, gr.Tabs(selected="probe"), gr.skip()

    outputs = [explored.explorer, parts.notice, tabs, *explored.asked]
    parts.board.run_open(open_run, None, outputs, queue=False, **PRIVATE)
    page.load(arrive, None, [parts.board, parts.notice, tabs, parts.shelf], queue=False, **PRIVATE)


def _list(
    probes: Probes, who: Viewer, *, limit: object = None, binned: Binned | None = None, restored: str = ""
) -> str:
    rows = whole("The number of probes", limit, 1, MOST_ROWS, ROWS)
    return shelf_document(probes.list(who, limit=rows), binned=binned, restored=restored)


def _arrival(probes: Probes, who: Viewer, *, show: bool) -> tuple[str, Any]:
    """The list, and to show the newest probe of it that can be opened; no change where there is none."""
    page = probes.list(who, limit=ROWS)
    return shelf_document(page), _newest(probes, page, who) if show else gr.skip()


def _newest(probes: Probes, page: ProbePage, who: Viewer) -> Any:
    for row in page.rows:
        if row.problem:
            continue
        # the next one instead of a damaged one, which says so itself when it is opened
        with suppress(StoreDamaged, NotFound):
            return probes.open(row.uid, who)
    return gr.skip()


def _named(values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(FIELD_NAMES, values, strict=True))


def _uid_of(on_show: Any) -> str:
    """Which probe the browser says is on show; "" for none, and for what is no probe."""
    try:
        return str(json.loads(on_show)["uid"])
    except (TypeError, ValueError, LookupError):
        return ""


def _shown(start: Callable[[], Iterator[str]], on_show: Any = "") -> Iterator[tuple]:
    """Documents of a job as page updates.

    A refusal becomes a sentence; it and a stop before the first answer leave on show what was: `on_show`.
    """

    on_show = on_show if isinstance(on_show, str) else ""

    def ending(last: str, sentence: str) -> tuple[Any, str]:
        if sentence:
            return on_show if last else gr.skip(), sentence
        ended = json.loads(last) if last else {}
        nothing = bool(ended and not ended["cells"] and on_show)
        return (on_show, ended["message"]) if nothing else (gr.skip(), "")

    return shown_frames(start, pairs=1, ending=ending)
