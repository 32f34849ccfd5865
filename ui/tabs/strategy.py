"""The choice of a decoding strategy in Settings: its name with one line of meaning, and its parameters as text.

Says what the registry says. Does not know how a strategy works, nor what becomes of the choice.
"""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from engine.strategies import STRATEGIES, strategy_named
from ui.strategy_jobs import PLAIN, named_in, parameters_text
from ui.tabs.frames import PRIVATE

NARROW = 280  # below twice this the fields stand one above the other: what they say needs the width


def strategy_fields() -> tuple[gr.Dropdown, gr.Textbox]:
    """The two fields, which follow each other: plain sampling at first, whose parameters are not to be seen."""
    with gr.Row():
        strategy = gr.Dropdown(
            [(entry.label, name) for name, entry in STRATEGIES.items()], value=PLAIN, label="Strategy",
            info=_meaning(PLAIN), elem_id="strategy", min_width=NARROW,
        )  # fmt: skip
        values = gr.Textbox(
            "", label="Parameters", lines=1, max_lines=4, visible=False, elem_id="strategy-parameters",
            min_width=NARROW,
        )  # fmt: skip
    # only what a person picks: a run that is opened brings both fields along
    strategy.input(_picked, strategy, [strategy, values], queue=False, **PRIVATE)
    return strategy, values


def strategy_of(notes: object) -> tuple[dict, dict]:
    """Updates of both fields to the strategy that a run's notes name, plain sampling where they name none."""
    asked = named_in(notes)
    return _updates(asked.name, asked.values)


def _picked(name: str) -> tuple[dict, dict]:
    return _updates(strategy_named(name).name, None)


def _updates(name: str, values: Mapping[str, float] | None) -> tuple[dict, dict]:
    offered = STRATEGIES[name].parameters
    told = "; ".join(f"{one.name}: {one.short}" for one in offered)
    shown = gr.update(value=parameters_text(name, values), info=told, visible=bool(offered))
    return gr.update(value=name, info=_meaning(name)), shown


def _meaning(name: str) -> str:
    entry = STRATEGIES[name]
    ignored = ", ".join(field.replace("_", "-") for field in entry.ignores)
    return f"{entry.short} It does not follow {ignored}." if ignored else entry.short
