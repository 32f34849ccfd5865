"""Two runs side by side as the JSON that the browser draws: settings, tokens, alignment, scores and differences.

Differences are the second run minus the first. Does not know gradio, tables of the store or how it is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import run_scores
from engine.catalogue import model_title
from engine.logprob_import import BOUND_SIDES, knows_bounds_only
from engine.types import Trace
from storage.records import StoredRun
from ui.alignment import align
from ui.library_view import precision
from ui.views import score_entry
from ui.wire import number, token_fields


def compare(a: StoredRun, b: StoredRun) -> str:
    """JSON of two opened runs; what does not exist in one of them is null.

    {a, b: {uid, title, prompt, ..., tokens: [{t, id, c: 1 for control tokens, x: hex bytes of parts of characters}]};
    settings: [{name, label, a, b, differs}]; unit: "tokens", "characters", "words" or "ends";
    blocks: [[kind, a0, a1, b0, b1]]; divergence: [i, j] or null; pairs: [[i, j]];
    scores: [score entry with low, high common to both, a, b: [value], difference: [value of each pair]];
    summary: [{name, label, unit, direction, short, a, b, difference}]}
    """
    alignment = align(a.trace, b.trace)
    pairs = alignment.pairs
    page = {
        "a": _run(a),
        "b": _run(b),
        "settings": _settings(a.trace, b.trace),
        "unit": alignment.unit,
        "blocks": alignment.blocks,
        "divergence": alignment.divergence,
        "pairs": pairs,
        "scores": [_score(name, a.trace, b.trace, pairs) for name in a.trace.scores if name in b.trace.scores],
        "summary": _summary(a.trace, b.trace),
    }
    return json.dumps(page, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _run(run: StoredRun) -> dict[str, Any]:
    header, trace = run.header, run.trace
    return {
        "uid": header.uid,
        "title": header.title,
        "prompt": trace.prompt,
        "system": trace.system,
        "kind": header.kind,
        "status": header.status,
        "model": model_title(trace.model.name),
        "quantization": precision(trace.model.quantization),
        "created": header.created_at.isoformat(),
        "example": header.example,
        "seed": None if trace.seed is None else str(trace.seed),
        "tokens": [token_fields(trace, i) for i in range(len(trace))],
    }


def _settings(a: Trace, b: Trace) -> list[dict[str, Any]]:
    """What decides a run, of both; null where a run has no such setting."""
    rows = [(name, label, one, other) for (name, label, one), (_, _, other) in zip(_facts(a), _facts(b), strict=True)]
    return [
        {"name": name, "label": label, "a": one, "b": other, "differs": one != other}
        for name, label, one, other in rows
    ]


def _facts(trace: Trace) -> list[tuple[str, str, Any]]:
    model, asked = trace.model, trace.settings
    return [
        ("prompt", "Prompt", trace.prompt),
        ("system", "System text", trace.system),
        ("model", "Model", model_title(model.name)),
        ("revision", "Revision", model.revision or None),
        ("quantization", "Quantization", _known(model.quantization)),
        ("dtype", "Number type", _known(model.dtype)),
        ("device", "Device", model.device),
        ("tokenizer", "Tokenizer", model.tokenizer_hash[:12] or None),
        ("temperature", "Temperature", asked and number(asked.temperature)),
        ("top_k", "Top-k", asked and asked.top_k),
        ("top_p", "Top-p", asked and number(asked.top_p)),
        # a seed may need 63 bits, more than a browser's number holds exactly
        ("seed", "Seed", None if trace.seed is None else str(trace.seed)),
        ("noise", "Noise", trace.noise_version),
        ("max_new_tokens", "Most tokens", asked and asked.max_new_tokens),
        ("stop", "Stop strings", list(asked.stop) if asked and asked.stop else None),
        ("kind", "Kind", trace.kind),
        ("finish_reason", "Ended by", trace.finish_reason),
        ("tokens", "Tokens", len(trace)),
    ]


def _known(value: str) -> str | None:
    """What a run says of itself, None where it came without that."""
    return None if value == "unknown" else value


def _score(name: str, a: Trace, b: Trace, pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """A score's entry on a scale that both runs share, its values, and the second minus the first of each pair."""
    entry = score_entry(name)
    bounds = [BOUND_SIDES.get(name, "") if knows_bounds_only(trace) else "" for trace in (a, b)]
    one, other = (np.asarray(trace.scores[name], dtype=np.float64) for trace in (a, b))
    at = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    difference = np.full(len(at), np.nan) if entry["direction"] == "class" else other[at[:, 1]] - one[at[:, 0]]
    if entry["high"] is None:
        both = np.concatenate([one, other])
        known = both[np.isfinite(both)]
        entry["high"] = number(float(known.max())) if known.size else None
    if any(bounds):  # what lies between a bound and a number is not known
        difference = np.full(len(at), np.nan)
    values = {"a": _numbers(one), "b": _numbers(other), "difference": _numbers(difference)}
    return entry | values | {"bounds": bounds}


def _numbers(values: np.ndarray) -> list[float | int | None]:
    return [number(value) for value in values.tolist()]


def _summary(a: Trace, b: Trace) -> list[dict[str, Any]]:
    one, other = run_scores.compute(a), run_scores.compute(b)
    bound_only = knows_bounds_only(a), knows_bounds_only(b)

    def bounds(name: str) -> list[str]:
        return [BOUND_SIDES.get(name, "") if only else "" for only in bound_only]

    return [
        {
            "name": score.name,
            "label": score.label,
            "unit": score.unit,
            "direction": score.direction,
            "short": score.short,
            "a": number(one[score.name]),
            "b": number(other[score.name]),
            "bounds": bounds(score.name),
            "difference": None if any(bounds(score.name)) else number(other[score.name] - one[score.name]),
        }
        for score in run_scores.RECORDED.values()
    ]
