"""Probe: a template with a slot, values for it, and how a field of the answer changes from one value to another.

Collects fields and shows documents; what happens in between is in `probes`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.outcomes import REGISTRY
from engine.probe import MOST_RUNS, MOST_VALUES
from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.components.notice import Notice
from ui.components.probe import ProbeBoard, ProbePrice
from ui.errors import Caught
from ui.probe_view import field_choices
from ui.probes import Probes
from ui.settings import Settings
from ui.tabs.explore import ExploreParts, fields_of

PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
FIELD_NAMES = (
    "template", "values", "n", "field", "parameter", "direct", "temperature", "max_new_tokens", "seed", "system",
)  # fmt: skip
PURPOSE = "One word of the prompt changes, everything else and the luck stay: does the answer change?"
TEMPLATE = "How much does a {job} earn a year, in dollars?"
VALUES = "nurse\nplumber"

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
    board: ProbeBoard


def build(workbench: Workbench, settings: Settings) -> ProbeParts:
    """Lay the tab out: problems, what a probe is for, what is asked, its price, what came of it."""
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
            True, label="Draw the direct effect too", info="the answer held up to the field, only the rest drawn anew",
            elem_id="probe-direct",
        )  # fmt: skip
    with gr.Row(elem_id="probe-go"):
        price = ProbePrice(elem_id="probe-price")
        start = gr.Button("Run probe", variant="primary", elem_id="probe-start", min_width=120, scale=0)
        stop = gr.Button("Stop", interactive=False, elem_id="probe-stop", min_width=80, scale=0)
    board = ProbeBoard(elem_id="probe-piece")
    fields = (template, values, runs, field, parameter, direct, temperature, tokens, seed, system)
    return ProbeParts(notice, fields, parameter, price, start, stop, board)


def wire(
    parts: ProbeParts,
    page: gr.Blocks,
    tab: gr.Tab,
    tabs: gr.Tabs,
    explored: ExploreParts,
    workbench: Workbench,
    probes: Probes,
    settings: Settings,
) -> None:
    """Connect the tab's fields, buttons and events to the use cases; tabs: those of the page, `tab` one of them."""

    def viewer(request: gr.Request) -> Viewer:
        return viewer_of(request, public=settings.public)

    def cost(request: gr.Request, *values: Any) -> str:
        with Caught() as problem:
            return probes.price(_named(values), viewer(request))
        return problem.sentence

    def run(request: gr.Request, on_show: str | None, *values: Any) -> Iterator[tuple]:
        yield from _shown(lambda: probes.run(_named(values), viewer(request)), on_show or "")

    def resume(event: gr.EventData, request: gr.Request, on_show: str | None) -> Iterator[tuple]:
        yield from _shown(lambda: probes.resume(str(event.uid), viewer(request)), on_show or "")

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
    outputs = [parts.board, parts.notice, parts.start, parts.stop]
    started = parts.start.click(run, [parts.board, *inputs], outputs, concurrency_limit=16, **PRIVATE)
    resumed = parts.board.probe_resume(resume, parts.board, outputs, concurrency_limit=16, **PRIVATE)
    for job in (started, resumed):
        ended = job.then(_at_rest, None, outputs[2:], queue=False, **PRIVATE)
        # by now there are runs that tell how fast the model is
        ended.then(cost, inputs, parts.price, queue=False, **PRIVATE)
    parts.stop.click(stop, None, None, queue=False, **PRIVATE)
    _wire_opening(parts, page, tabs, explored, workbench, probes, viewer)


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
            document = workbench.open_run(str(event.uid), viewer(request))
            return document, "", gr.Tabs(selected="explore"), *fields_of(document)
        return gr.skip(), problem.sentence, gr.skip(), *fields_of(None)

    def arrive(request: gr.Request) -> tuple:
        """The probe that the address names."""
        uid = str(request.query_params.get("probe") or "")
        if not uid:
            return gr.skip(), gr.skip(), gr.skip()
        with Caught() as problem:
            return probes.open(uid, viewer(request)), "", gr.Tabs(selected="probe")
        return gr.skip(), problem.sentence, gr.Tabs(selected="probe")

    outputs = [explored.explorer, parts.notice, tabs, *explored.asked]
    parts.board.run_open(open_run, None, outputs, queue=False, **PRIVATE)
    page.load(arrive, None, [parts.board, parts.notice, tabs], queue=False, **PRIVATE)


def _named(values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(FIELD_NAMES, values, strict=True))


def _at_rest() -> tuple:
    """Run can be pressed, Stop cannot."""
    return gr.update(interactive=True), gr.update(interactive=False)


def _shown(start: Callable[[], Iterator[str]], on_show: str = "") -> Iterator[tuple]:
    """Documents of a job as page updates.

    A refusal becomes a sentence; it and a stop before the first answer leave on show what was: `on_show`.
    """
    same = gr.skip()
    last = ""
    yield same, "", gr.update(interactive=False), gr.update(interactive=True)
    with Caught() as problem:
        for document in start():
            yield document, same, same, same
            last = document
    ended = json.loads(last) if last else {}
    if problem.sentence:
        yield on_show if last else same, problem.sentence, same, same
    elif ended and not ended["cells"] and on_show:
        yield on_show, ended["message"], same, same
