"""Collects steps into one Trace: the arrays that are stored and drawn.

Knows how a run is laid out; does not know where its steps come from or what becomes of the trace.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import token_scores
from engine.types import NOISE_VERSION, TOP_K, FinishReason, GenerationRequest, Kind, Step, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

_TOKEN_ARRAYS = (
    "token_ids", "topk_ids", "topk_logprobs", "tail_mass", "noise_rows", "margin", "runner_up", "luck", "support",
    "log_normalizer",
)  # fmt: skip


def trace_of(
    model: LanguageModel,
    steps: Sequence[Step],
    prompt_ids: Sequence[int],
    *,
    prompt: str,
    system: str | None = None,
    settings: GenerationRequest | None = None,
    kind: Kind = "generation",
    finish_reason: FinishReason | None = None,
    seconds: float = 0.0,
    notes: tuple[str, ...] = (),
) -> Trace:
    """Stack n >= 0 steps into a Trace; see `Trace` for shapes.

    finish_reason defaults to the last step's own, or "cancelled" when it has none.
    """
    token_ids = np.array([s.token_id for s in steps], dtype=np.int32)
    topk_ids, topk_logprobs = _alternatives(steps)
    runner_up = np.array([s.runner_up for s in steps], dtype=np.int32)
    pieces = model.pieces(token_ids.tolist())
    recorded_end = steps[-1].finish_reason if steps else None
    known = np.unique(np.concatenate([token_ids, topk_ids.ravel(), runner_up]))
    return Trace(
        prompt=prompt,
        system=system,
        prompt_ids=np.array(prompt_ids, dtype=np.int32),
        token_ids=token_ids,
        pieces=pieces,
        text="".join(pieces),
        scores=token_scores.run_scores(_score_columns(steps)),
        topk_ids=topk_ids,
        topk_logprobs=topk_logprobs,
        tail_mass=_column(s.tail_mass for s in steps),
        noise_rows=np.array([s.noise_row for s in steps], dtype=np.int64),
        margin=_column(s.margin for s in steps),
        runner_up=runner_up,
        luck=_column(s.luck for s in steps),
        support=np.array([s.support for s in steps], dtype=np.int32),
        log_normalizer=_column(s.log_normalizer for s in steps),
        token_bytes={int(i): model.token_bytes(int(i)) for i in known if i >= 0},
        special_ids=frozenset(int(i) for i in known if int(i) in model.special_ids),
        seed=settings.seed if settings else None,
        finish_reason=finish_reason or recorded_end or "cancelled",
        kind=kind,
        model=model.card,
        settings=settings,
        noise_version=NOISE_VERSION if settings else None,
        seconds=seconds,
        notes=notes,
    )


def beginning(model: LanguageModel, trace: Trace, n: int) -> Trace:
    """The first n tokens of a run as a run of its own; scores that need every token stand as they were recorded."""
    pieces = model.pieces(trace.token_ids[:n].tolist())
    arrays = {name: getattr(trace, name)[:n] for name in _TOKEN_ARRAYS}
    mentioned = {int(i) for name in ("token_ids", "topk_ids", "runner_up") for i in arrays[name].ravel()}
    return replace(
        trace,
        **arrays,
        token_bytes={i: raw for i, raw in trace.token_bytes.items() if i in mentioned},
        special_ids=trace.special_ids & mentioned,
        pieces=pieces,
        text="".join(pieces),
        scores={name: values[:n] for name, values in trace.scores.items()},
        finish_reason="cancelled",
    )


def joined(model: LanguageModel, before: Trace, after: Trace) -> Trace:
    """The run `before` continued by the tokens of `after`: m + n tokens, the first m exactly as recorded.

    Only what hangs on the whole run is made again: pieces, because a character may lie across the seam, and scores
    that need every token (`TokenScore.over_run`). Ending, settings and notes are those of `after`; seconds add up.
    """
    token_ids = np.concatenate([before.token_ids, after.token_ids])
    pieces = model.pieces(token_ids.tolist())
    unknown = np.full(len(after), np.nan, dtype=np.float32)  # a score that has left the registry since
    rows = {name: np.concatenate([old, after.scores.get(name, unknown)]) for name, old in before.scores.items()}
    whole = token_scores.run_scores({name: values.astype(np.float64) for name, values in rows.items()})
    over_run = {name for name in whole if token_scores.score_named(name).over_run}
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(before, name), getattr(after, name)]) for name in _TOKEN_ARRAYS
    }
    return replace(
        after,
        **arrays,
        prompt_ids=before.prompt_ids,
        pieces=pieces,
        text="".join(pieces),
        scores={name: whole[name] if name in over_run else values for name, values in rows.items()},
        token_bytes={**after.token_bytes, **before.token_bytes},
        special_ids=before.special_ids | after.special_ids,
        model=before.model,
        seconds=before.seconds + after.seconds,
    )


def _column(values: Iterable[float]) -> np.ndarray:
    return np.array(list(values), dtype=np.float32)


def _score_columns(steps: Sequence[Step]) -> dict[str, np.ndarray]:
    entries = token_scores.REGISTRY.values()
    names = [entry.name for entry in entries if not entry.needs and entry.reads == "distribution"]
    return {name: np.array([s.scores.get(name, math.nan) for s in steps], dtype=np.float64) for name in names}


def _alternatives(steps: Sequence[Step]) -> tuple[np.ndarray, np.ndarray]:
    width = max((len(s.alternatives.ids) for s in steps), default=TOP_K)
    ids = np.full((len(steps), width), -1, dtype=np.int32)
    logprobs = np.full((len(steps), width), -np.inf, dtype=np.float32)
    for row, step in enumerate(steps):
        known = len(step.alternatives.ids)
        ids[row, :known] = step.alternatives.ids
        logprobs[row, :known] = step.alternatives.logprobs
    return ids, logprobs
