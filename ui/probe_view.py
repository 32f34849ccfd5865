"""A bias probe as the JSON that the browser draws: what was asked, how far it is, the effects and every answer.

The same document while it grows, when it is stopped and when it is opened again. Does not know the store or gradio.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.catalogue import model_title
from engine.outcomes import REGISTRY, TRUNCATED, extractor
from engine.probe import Price, ProbePlan
from engine.probe_effects import Effect, Estimate
from engine.types import ModelCard
from ui.probe_record import KeptCell
from ui.wire import number

TEXT_CHARS = 400
LABEL_CHARS = 200
MOST_CELLS = 2_000
CAVEAT = (
    "That two answers share their luck is a choice of the causal model, not a fact about the network. The effect is "
    "that of these words in this template on this model; it says nothing about people. Total: the whole answer drawn "
    "again. Other luck: other runs under the other value. Direct: everything up to the field held, the rest drawn "
    "again. Held, other luck: everything up to the field and the value held, the rest drawn again with other luck: it "
    "says how often luck alone changes the field there, the measure of a direct effect. Intervals resample "
    "the runs (95 %); a dashed one is the exact bound where all runs agree."
)
CUT_SHARE = 0.2


@dataclass(frozen=True)
class Progress:
    """done of total answers are there; left: seconds that the rest will take, None while that is not known."""

    done: int
    total: int
    tokens: int
    seconds: float
    left: float | None = None


def probe_document(
    plan: ProbePlan,
    price: Price,
    *,
    state: str,
    progress: Progress,
    cells: Sequence[KeptCell] = (),
    effects: Sequence[Effect] = (),
    uid: str = "",
    model: ModelCard | None = None,
    message: str = "",
    notes: Sequence[str] = (),
) -> str:
    """The document. state: "waiting" or "running" while this page's job goes on, "drawing" when another one draws it,
    "finished", "stopped" or "failed"; message: a sentence about it."""
    shown = sorted(cells, key=lambda kept: (kept.cell.run, kept.cell.kind != "run"))[:MOST_CELLS]
    lost = [f"Only the first {MOST_CELLS:,} of {len(cells):,} answers are listed."] if len(shown) < len(cells) else []
    return json.dumps(
        {
            "v": 1,
            "kind": "probe",
            "uid": uid,
            "state": state,
            "message": message,
            "plan": _plan(plan),
            "price": asdict(price),
            "progress": {name: number(value) for name, value in asdict(progress).items()},
            "model": {"name": model.name, "title": model_title(model.name)} if model else None,
            "effects": [_effect(effect) for effect in effects],
            "cells": [_cell(kept) for kept in shown],
            "notes": [*notes, *said_of_fields(plan, cells), *lost],
            "caveat": CAVEAT,
        },
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
    )


def said_of_fields(plan: ProbePlan, cells: Sequence[KeptCell]) -> list[str]:
    """What a reader must know about how often the field was found, as sentences."""
    runs = [kept.cell for kept in cells if kept.cell.kind == "run"]
    field = extractor(plan.field, plan.parameter).label
    cut = sum(cell.label == TRUNCATED for cell in runs)
    found = sum(cell.field_at >= 0 for cell in runs)
    if runs and not found:
        remedy = "choose another field, allow more tokens, or say in the template how to answer."
        return [f"The field '{field}' was found in none of the {len(runs):,} answers: {remedy}"]
    notes = []
    if cut > CUT_SHARE * len(runs):
        notes.append(
            f"{cut:,} of {len(runs):,} answers were cut off at {plan.request.max_new_tokens:,} tokens before the field "
            "was certain, and are left out: allow more tokens."
        )
    if found + cut < (1 - CUT_SHARE) * len(runs):
        missed = len(runs) - found - cut
        notes.append(f"In {missed:,} of {len(runs):,} answers the field '{field}' was not found.")
    return notes


def price_sentence(price: Price, tokens_a_second: float | None) -> str:
    """What a probe will cost, before it is started."""
    words = f"{price.total:,} answers"
    if price.continuations:
        words += f", {price.continuations:,} of them held up to their field"
    words += f": at most {_tokens(price.tokens)} drawn"
    if price.read is not None:
        words += f", and {_tokens(price.read)} of prompts read"
    if not tokens_a_second:
        return f"{words}."
    return f"{words}; drawing takes up to {_duration(price.tokens / tokens_a_second)} at {_speed(tokens_a_second)}."


def field_choices() -> list[tuple[str, str]]:
    """Label and name of every field that one answer can be read by, for a list to choose from."""
    return [(entry.label, entry.name) for entry in REGISTRY.values() if entry.single]


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count:,} tokens"


def _speed(tokens_a_second: float) -> str:
    shown = f"{tokens_a_second:,.0f}" if tokens_a_second >= 9.95 else f"{tokens_a_second:.1f}"
    return "1 token a second" if shown == "1.0" else f"{shown} tokens a second"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds)):,} s"
    if seconds < 5_400:
        return f"{round(seconds / 60):,} min"
    return f"{seconds / 3600:.1f} h"


def _plan(plan: ProbePlan) -> dict[str, Any]:
    field = extractor(plan.field, plan.parameter)
    request = plan.request
    return {
        "template": plan.template,
        "slot": plan.slot,
        "values": list(plan.values),
        "runs": plan.runs,
        "direct": plan.direct,
        "baseline": plan.luck_alone,
        "field": {
            "name": field.name,
            "version": field.version,
            "label": field.label,
            "short": field.short,
            "parameter": plan.parameter,
        },
        "system": request.system,
        "temperature": request.temperature,
        "top_k": request.top_k,
        "top_p": request.top_p,
        "max_new_tokens": request.max_new_tokens,
        # a number box in the browser would lose the last digits of a large one
        "seed": str(request.seed),
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "kind": effect.kind,
        "source": effect.source,
        "target": effect.target,
        "changed": _estimate(effect.changed),
        "difference": _estimate(effect.difference),
        "left_out": effect.left_out,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return asdict(estimate) | {name: number(getattr(estimate, name)) for name in ("value", "low", "high")}


def _cell(kept: KeptCell) -> dict[str, Any]:
    cell = kept.cell
    return {
        "kind": cell.kind,
        "run": cell.run,
        "source": cell.source,
        "value": cell.value,
        "label": cell.label[:LABEL_CHARS],
        "found": cell.field_at >= 0,
        "number": number(cell.number),
        "text": cell.text[:TEXT_CHARS],
        "tokens": len(cell.ids),
        "held": cell.held,
        "uid": kept.uid,
    }
