"""Two stored runs as one JSON text: both token sequences, which tokens correspond, scores on common scales.

What differs is worked out here, so a script reads the same comparison as the page draws. Does not know gradio, the
store's tables or how anything is drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import run_scores
from engine.errors import BadInput
from engine.types import Trace
from storage.records import StoredRun
from ui import views
from ui.alignment import Unit, align_ids, align_texts

MOST_TOKENS = 10_000
KINDS = ("equal", "replaced", "deleted", "inserted")
QUOTED = 40


def compare(a: StoredRun, b: StoredRun) -> str:
    """The comparison as the browser draws it. Raises BadInput for a run of more than 10,000 tokens.

    units: [tokens of a, tokens of b, kind] in order, kind an index into `kinds`; both sides' tokens are used up.
    first: index of the first unit that is not equal, null when all are. scores: those that both runs have, each with
    one colour scale for both. run_scores, settings: side by side; difference is b minus a, null where one is missing.
    """
    for run in (a, b):
        if len(run.trace) > MOST_TOKENS:
            raise BadInput(
                f"A run of {len(run.trace):,} tokens is too long to compare; the most is {MOST_TOKENS:,} tokens."
            )
    same_tokenizer = bool(a.trace.model.tokenizer_hash) and (
        a.trace.model.tokenizer_hash == b.trace.model.tokenizer_hash
    )
    units = _align(a.trace, b.trace, same_tokenizer)
    names = [name for name in a.trace.scores if name in b.trace.scores]
    first = next((k for k, unit in enumerate(units) if unit.kind != "equal"), None)
    document = {
        "v": 1,
        "a": _side(a, names),
        "b": _side(b, names),
        "kinds": list(KINDS),
        "units": [[u.a_end - u.a_start, u.b_end - u.b_start, KINDS.index(u.kind)] for u in units],
        "first": first,
        "same_tokenizer": same_tokenizer,
        "sentence": _sentence(a, b, units, first),
        "scores": [_common_scale(name, a.trace, b.trace) for name in names],
        "run_scores": _run_scores(a.trace, b.trace),
        "settings": settings(a, b),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _align(a: Trace, b: Trace, same_tokenizer: bool) -> list[Unit]:
    if same_tokenizer:
        return align_ids(a.token_ids.tolist(), b.token_ids.tolist(), a.pieces, b.pieces)
    return align_texts(a.pieces, b.pieces)


def _side(run: StoredRun, names: Sequence[str]) -> dict[str, Any]:
    """One run: its tokens, and for each common score one number a token (null where it does not exist)."""
    header, trace = run.header, run.trace
    raw = {
        i: trace.token_bytes.get(int(trace.token_ids[i]), b"").hex(" ")
        for i, piece in enumerate(trace.pieces)
        if not piece or views.REPLACEMENT in piece
    }
    return {
        "run": header.uid,
        "title": header.title,
        "prompt": header.prompt,
        "kind": header.kind,
        "status": header.status,
        "example": header.example,
        "model": trace.model.name,
        "quantization": trace.model.quantization,
        "tokens": list(trace.pieces),
        "ids": trace.token_ids.tolist(),
        "control": [i for i, token_id in enumerate(trace.token_ids.tolist()) if token_id in trace.special_ids],
        "bytes": {str(i): text for i, text in raw.items() if text},
        "values": [[views.number(value) for value in trace.scores[name].tolist()] for name in names],
    }


def _common_scale(name: str, a: Trace, b: Trace) -> dict[str, Any]:
    """A score's entry with a low and a high that hold for both runs."""
    entry = views.score_entry(name)
    values = np.concatenate([a.scores[name], b.scores[name]]).astype(np.float64)
    values = values[np.isfinite(values)]
    if entry["low"] is None:
        entry["low"] = views.number(float(values.min())) if values.size else 0.0
    if entry["high"] is None:
        entry["high"] = views.number(float(values.max())) if values.size else 1.0
    return entry


def _run_scores(a: Trace, b: Trace) -> list[dict[str, Any]]:
    left, right = run_scores.compute(a), run_scores.compute(b)
    rows = []
    for name in run_scores.REGISTRY:
        entry = views.summary_entry(name, left[name])
        entry["a"], entry["b"] = entry.pop("value"), views.number(right[name])
        difference = right[name] - left[name]
        entry["difference"] = views.number(difference) if math.isfinite(difference) else None
        entry["group"] = run_scores.REGISTRY[name].group
        rows.append(entry)
    return rows


def settings(a: StoredRun, b: StoredRun) -> list[dict[str, Any]]:
    """Everything that was chosen for the two runs, as text, and whether it differs."""
    asked: tuple[tuple[str, Callable[[StoredRun], Any]], ...] = (
        ("Prompt", lambda run: run.trace.prompt),
        ("System text", lambda run: run.trace.system or ""),
        ("Kind", lambda run: run.trace.kind),
        ("Model", lambda run: run.trace.model.repo or run.trace.model.name),
        ("Revision", lambda run: run.trace.model.revision[:12]),
        ("Quantisation", lambda run: run.trace.model.quantization),
        ("Number type", lambda run: run.trace.model.dtype),
        ("Device", lambda run: run.trace.model.device),
        ("Tokenizer", lambda run: run.trace.model.tokenizer_hash[:12]),
        ("Temperature", _asked("temperature")),
        ("Top-k", _asked("top_k", "everything")),
        ("Top-p", _asked("top_p", "everything")),
        ("Most tokens", _asked("max_new_tokens")),
        ("Stop strings", lambda run: ", ".join(run.trace.settings.stop) if run.trace.settings else None),
        ("Seed", lambda run: run.trace.seed),
        ("Tokens", lambda run: len(run.trace)),
        ("Ended by", lambda run: run.trace.finish_reason),
    )
    rows = []
    for label, read in asked:
        left, right = _words(read(a)), _words(read(b))
        if left or right:
            rows.append({"label": label, "a": left, "b": right, "differs": left != right})
    return rows


def _asked(field: str, without: str = "") -> Callable[[StoredRun], Any]:
    """A field of the request; `without` says what a missing value means, and nothing was asked for an imported run."""

    def read(run: StoredRun) -> Any:
        if run.trace.settings is None:
            return None
        value = getattr(run.trace.settings, field)
        return without if value is None else value

    return read


def _words(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(a: StoredRun, b: StoredRun, units: Sequence[Unit], first: int | None) -> str:
    """What a reader should see first."""
    others = "" if a.trace.prompt == b.trace.prompt else " The prompts differ."
    if not len(a.trace) or not len(b.trace):
        return "One of the two runs has no tokens." + others
    if first is None:
        return "Both runs say the same, token by token." + others
    start = units[first]
    share = sum(u.a_end - u.a_start for u in units if u.kind == "equal") / len(a.trace)
    left, right = _next_words(a, start.a_start), _next_words(b, start.b_start)
    place = (
        "The two differ from the first token on"
        if first == 0
        else f"The two agree for {start.a_start} {'token' if start.a_start == 1 else 'tokens'}; then"
    )
    fork = f"{place}{':' if first == 0 else ''} A {left}, B {right}."
    later = f" {views.percent(share)} of A’s tokens return in B." if share else ""
    return fork + later + others


def _next_words(run: StoredRun, at: int) -> str:
    """How a run goes on from a token: the word that token begins or is in, or that the run ends there."""
    if at >= len(run.trace) or int(run.trace.token_ids[at]) in run.trace.special_ids:
        return "ends"
    text = "".join(run.trace.pieces[at : at + 12]).strip()
    word = text.split()[0] if text.split() else ""
    return f"says “{word[:QUOTED]}”" if word else "goes on"
