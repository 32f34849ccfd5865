"""Explore: ask the model, score a text or import log-probabilities, and look at every token of the run.

Collects fields and shows documents; what happens in between is in `actions`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import BadInput, NotFound
from ui import fork_view, views
from ui.access import Viewer, viewer_of
from ui.accounts import take_over
from ui.actions import Workbench
from ui.components.branches import Branches
from ui.components.chain import Chain, ChainAside
from ui.components.example_strip import ExampleStrip
from ui.components.explorer import Explorer
from ui.components.forks import Forks, ForksAside
from ui.components.notice import Notice
from ui.components.shares import Shares
from ui.errors import Caught
from ui.example_session import demonstrations
from ui.settings import Settings
from ui.shelf import Shelf
from ui.tabs.frames import JOB, PRIVATE, brought, named, opened, shown_frames
from ui.tabs.shares import told_after
from ui.tabs.strategy import strategy_fields, strategy_of


@dataclass(frozen=True)
class ExploreParts:
    """The components that other parts of the page fill or listen to.

    shares: None where nobody's share of the model is bounded.
    offered: never seen; the questions of the run that the page opens with, see OFFER.
    fork_file: never seen; it carries an exported file's address to the browser.
    """

    modes: gr.Tabs
    offered: gr.Textbox
    examples: ExampleStrip
    prompt: gr.Textbox
    generate: gr.Button
    stop: gr.Button
    fields: tuple[gr.components.Component, ...]
    context: gr.Textbox
    text: gr.Textbox
    score: gr.Button
    stop_scoring: gr.Button
    payload: gr.Textbox
    upload: gr.File
    bring_in: gr.Button
    shares: Shares | None
    notice: Notice
    explorer: Explorer
    branches: Branches
    forks: Forks
    forks_aside: ForksAside
    fork_file: gr.DownloadButton
    chain: Chain
    chain_aside: ChainAside
    model: gr.Dropdown
    quantization: gr.Dropdown
    load: gr.Button

    @property
    def asked(self) -> tuple[gr.blocks.Block, ...]:
        """What `fields_of` fills when a run is opened."""
        return self.modes, self.prompt, self.context, self.text, *self.fields


DRAWN_HERE = ("generation", "branch", "counterfactual")
FIELD_NAMES = (
    "prompt", "system", "temperature", "top_p", "top_k", "max_new_tokens", "seed", "stop", "strategy",
    "strategy_parameters",
)  # fmt: skip
LEADS_NOWHERE = "There is no run behind this link: it was deleted, or is not shared with you."
# when the opening run comes somebody may have begun to write: their words stay, and so does a field they are in; what
# they had written before the server went away comes back
OFFER = """(offered, ...written) => {
  const kept = Forklore.keptWords();
  const texts = JSON.parse(offered || "[]").map((text, i) => kept[i] || text);
  const fields = ["prompt", "score-context", "score-text"].map((id) => document.querySelector(`#${id} textarea`));
  const free = (i) => texts[i] && !written[i] && !fields[i]?.value && fields[i] !== document.activeElement;
  return written.map((_, i) => (free(i) ? texts[i] : { __type__: "update" }));
}"""


def build(workbench: Workbench, settings: Settings) -> ExploreParts:
    """Lay the tab out, top to bottom: examples, what to do, settings, a line for problems, the instrument."""
    examples = ExampleStrip(elem_id="examples")
    offered = gr.Textbox(label="Offered questions", visible="hidden", elem_id="offered")
    with gr.Tabs(elem_id="modes", selected="ask") as modes:
        with gr.Tab("Ask the model", id="ask"), gr.Row(elem_id="ask-row", equal_height=False):
            prompt = gr.Textbox(
                label="Prompt", placeholder="Ask something with more than one good answer", lines=1, max_lines=10,
                elem_id="prompt", scale=8, submit_btn=False,
            )  # fmt: skip
            with gr.Column(scale=1, min_width=130, elem_id="ask-buttons"):
                generate = gr.Button("Generate", variant="primary", elem_id="generate")
                stop = gr.Button("Stop", interactive=False, elem_id="stop")
        with gr.Tab("Score a text", id="score"):
            context = gr.Textbox(label="Prompt before it (optional)", lines=1, max_lines=6, elem_id="score-context")
            text = gr.Textbox(
                label="Text to score", lines=4, max_lines=14, elem_id="score-text",
                placeholder="Paste any text: each token is scored as if the model had been about to write it",
            )  # fmt: skip
            with gr.Row(elem_id="score-buttons"):
                score = gr.Button("Score", variant="primary", elem_id="score-button")
                stop_scoring = gr.Button("Stop", interactive=False, elem_id="stop-scoring")
        with gr.Tab("Import log-probabilities", id="import"):
            payload = gr.Textbox(
                label="A response with log-probabilities, as JSON (OpenAI chat or completion format)",
                lines=4, max_lines=14, elem_id="import-text",
            )  # fmt: skip
            with gr.Row():
                upload = gr.File(label="or a file (.json, .jsonl)", elem_id="import-file", height=120)
                bring_in = gr.Button("Import", variant="primary", elem_id="import-button")
    shares = Shares(elem_id="shares") if workbench.quotas.limits.any else None
    fields, model, quantization, load = _settings(workbench, settings)
    notice = Notice(elem_id="notice")
    explorer = Explorer(
        elem_id="explorer",
        deeplink=True,
        continues=True,
        branches=True,
        forks=True,
        chain=True,
        sharing=settings.mode != "local",
    )
    branches = Branches(elem_id="branches")
    ways = fork_view.ways(public=settings.public, sentences=workbench.sentences.installed)
    forks = Forks(elem_id="forks", ways=json.dumps(ways))
    aside = ForksAside(elem_id="forks-aside")
    fork_file = gr.DownloadButton("Exported draws", visible="hidden", elem_id="forks-file")
    chain = Chain(elem_id="chain")
    chain_aside = ChainAside(elem_id="chain-aside")
    return ExploreParts(
        modes, offered, examples, prompt, generate, stop, fields, context, text, score, stop_scoring, payload, upload,
        bring_in, shares, notice, explorer, branches, forks, aside, fork_file, chain, chain_aside, model, quantization,
        load,
    )  # fmt: skip


def _settings(
    workbench: Workbench, settings: Settings
) -> tuple[tuple[gr.components.Component, ...], gr.Dropdown, gr.Dropdown, gr.Button]:
    bounds = workbench.limits
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        system = gr.Textbox(label="System text", lines=1, max_lines=6, elem_id="system")
        with gr.Row():
            temperature = gr.Slider(
                0, 2, 0.8, step=0.05, label="Temperature", info="0 is greedy", elem_id="temperature"
            )
            top_p = gr.Slider(0.05, 1, 1, step=0.05, label="Top-p", info="1 keeps everything", elem_id="top-p")
            top_k = gr.Number(0, label="Top-k", info="0 keeps everything", precision=0, elem_id="top-k")
        with gr.Row():
            tokens = gr.Number(200, label="Most tokens", info=f"up to {bounds.max_new_tokens}", elem_id="tokens")
            seed = gr.Textbox(str(settings.seed), label="Seed", info="same seed, same answer", elem_id="seed")
            stop = gr.Textbox(label="Stop strings", info="one a line", lines=1, max_lines=4, elem_id="stop-strings")
        strategy, parameters = strategy_fields()
        with gr.Row(visible=not settings.public):
            model = gr.Dropdown(
                workbench.host.choices(settings.model), value=settings.model, label="Model", elem_id="model",
                info="from the catalogue; others by flag when starting",
            )  # fmt: skip
            quantization = gr.Dropdown(
                ["default", "none", "nf4", "int8"], value=settings.quantization or "default", label="Quantisation",
                info="of the weights",
                elem_id="quantization",
            )  # fmt: skip
            load = gr.Button("Load model", elem_id="load-model")
    return (
        (system, temperature, top_p, top_k, tokens, seed, stop, strategy, parameters), model, quantization, load,
    )  # fmt: skip


def wire(page: gr.Blocks, parts: ExploreParts, workbench: Workbench, shelf: Shelf) -> None:
    """Connect the tab's buttons, the examples and the address bar to the use cases."""
    shown = [parts.explorer, parts.notice, parts.generate, parts.score, parts.stop, parts.stop_scoring]

    def viewer(request: gr.Request) -> Viewer:
        return viewer_of(request)

    def generate(request: gr.Request, *values: Any) -> Iterator[tuple]:
        fields = dict(zip(FIELD_NAMES, values, strict=True))
        yield from shown_frames(lambda: workbench.generate(fields, viewer(request)))

    def score(context: str, text: str, request: gr.Request) -> Iterator[tuple]:
        yield from shown_frames(lambda: workbench.score_text(context, text, viewer(request)))

    def go_on(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        yield from shown_frames(lambda: workbench.continue_run(named(event, "run"), viewer(request)))

    def stop(request: gr.Request) -> None:
        workbench.stop(viewer(request))

    def bring_in(text: object, file: object, request: gr.Request) -> tuple:
        return opened(lambda: _import(workbench, text, file, viewer(request)))

    def load_model(name: str, quantization: str, request: gr.Request) -> str:
        if not viewer(request).trusted:
            return "This page's model is chosen by whoever runs it."
        workbench.host.start(name, quantization=None if quantization == "default" else quantization)
        return ""

    asked = gr.on(
        [parts.generate.click, parts.prompt.submit], generate, [parts.prompt, *parts.fields], shown,
        **JOB,
    )  # fmt: skip
    scored = parts.score.click(score, [parts.context, parts.text], shown, **JOB)
    continued = parts.explorer.run_continue(go_on, None, shown, **JOB)
    told_after([asked, scored, continued], parts.shares, workbench)
    for button in (parts.stop, parts.stop_scoring):
        button.click(stop, None, None, queue=False, **PRIVATE)
    parts.bring_in.click(
        bring_in, [parts.payload, parts.upload], [parts.explorer, parts.notice], queue=False, **PRIVATE
    )
    parts.load.click(load_model, [parts.model, parts.quantization], parts.notice, queue=False, **PRIVATE)
    _wire_opening(page, parts, workbench, shelf)


def _wire_opening(page: gr.Blocks, parts: ExploreParts, workbench: Workbench, shelf: Shelf) -> None:
    outputs = [parts.explorer, parts.notice]

    def arrive(request: gr.Request) -> tuple:
        """What a visitor sees first: the run the address names, else the first example."""
        viewer = viewer_of(request)
        examples = shelf.examples(viewer)
        asked = str(request.query_params.get("run") or "")
        document, current = "", ""
        with Caught() as problem_before:
            notice = take_over(workbench.store, request)
        notice = problem_before.sentence or notice
        for uid in filter(None, (asked, *(example.uid for example in examples))):
            document, problem = opened(lambda uid=uid: behind_link(uid, viewer))  # type: ignore[misc]
            notice = notice or problem
            if not problem:
                current = uid
                break
        else:
            document = ""
        mode, *texts = fields_of(document)[:4]
        # who comes by a link asks again as that run was asked; a first visitor with the page's own settings
        by_link = current == asked
        settings = fields_of(document)[4:] if by_link else [gr.skip()] * (len(parts.asked) - 4)
        strip = views.example_strip(examples, current, demonstrations(workbench.store))
        offered = json.dumps([text if isinstance(text, str) else "" for text in texts])
        return document, notice, strip, offered, mode if by_link else gr.skip(), *settings

    def behind_link(uid: str, viewer: Viewer) -> str:
        try:
            return workbench.open_run(uid, viewer)
        except NotFound as error:
            raise NotFound(LEADS_NOWHERE) from error

    def open_example(event: gr.EventData, request: gr.Request) -> tuple:
        viewer = viewer_of(request)
        document, notice = opened(lambda: workbench.open_run(named(event), viewer))
        return document, notice, *fields_of(document)

    written = [parts.prompt, parts.context, parts.text]
    opening = [*outputs, parts.examples, parts.offered, parts.modes, *parts.fields]
    page.load(arrive, None, opening, queue=False, **PRIVATE).then(
        None, [parts.offered, *written], written, js=OFFER, queue=False, **PRIVATE
    )
    parts.examples.run_open(open_example, None, [*outputs, *parts.asked], queue=False, **PRIVATE)


def fields_of(document: Any) -> tuple:
    """Updates of `ExploreParts.asked`: the run's own question is what a reader would change and ask again."""
    asked = views.asked_in(document) if isinstance(document, str) else None
    untouched = (gr.skip(),) * (len(FIELD_NAMES) - 1)
    if asked and asked.kind in DRAWN_HERE and asked.settings:
        return gr.Tabs(selected="ask"), asked.prompt, gr.skip(), gr.skip(), *_fields(asked)
    if asked and asked.kind == "scored":
        return gr.Tabs(selected="score"), gr.skip(), asked.prompt, asked.text, *untouched
    return (gr.skip(),) * 4 + untouched


def _fields(asked: views.Asked) -> tuple:
    """The values of the settings' fields, in the order of FIELD_NAMES, for what a run was made with."""
    settings = asked.settings or {}
    # a line break within a stop string stands there as the two characters that mean it
    stop = "\n".join(text.replace("\n", "\\n").replace("\t", "\\t") for text in settings["stop"])
    return (
        asked.system, settings["temperature"], settings["top_p"] or 1, settings["top_k"] or 0,
        settings["max_new_tokens"], settings["seed"], stop, *strategy_of(asked.notes),
    )  # fmt: skip


def _import(workbench: Workbench, text: object, file: object, viewer: Viewer) -> str:
    """Keep what the API returned and show the first run of it."""
    data = brought(file).read_bytes() if file else text
    if not isinstance(data, str | bytes):
        raise BadInput("Paste what the API returned as text, or choose a file of it.")
    uids = workbench.import_logprobs(data, viewer)
    return workbench.open_run(uids[0], viewer)
