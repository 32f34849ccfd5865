"""Every score of the registries as a column of numbers, turned so that higher means more uncertain.

At tokens as they are; over a span or a whole answer their mean and their most uncertain value; of a whole answer the
run scores besides. A run that is gone has no scores, one that went on those of the part that was labelled. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from engine import run_scores, token_scores
from engine.token_scores import Direction, TokenScore
from engine.types import Trace
from storage.annotation_records import FrozenRun
from ui.session_ratings import Level

# what makes a score grow with uncertainty; classes have no order
SIGNS: Mapping[Direction, float] = {"uncertain": 1.0, "confident": -1.0, "familiar": -1.0, "atypical": 1.0, "flag": 1.0}


@dataclass(frozen=True)
class Column:
    """One score as people see it. sign: what turns its value into uncertainty; reason: why it cannot be ranked."""

    name: str
    title: str
    sign: float
    reason: str = ""


@cache
def columns(level: Level) -> tuple[Column, ...]:
    """The scores that are held against labels of that level."""
    if level == "token":
        return tuple(Column(one.name, one.label, SIGNS[one.direction]) for one in _ordered())
    means = [Column(f"mean_{one.name}", f"{one.label}, mean", SIGNS[one.direction]) for one in _ordered()]
    ends = [
        Column(
            f"{'max' if SIGNS[one.direction] > 0 else 'min'}_{one.name}",
            f"{one.label}, {_end(one)}",
            SIGNS[one.direction],
        )
        for one in _ordered()
    ]
    if level == "span":
        return (*means, *ends)
    runs = [Column(one.name, one.label, SIGNS[one.direction]) for one in run_scores.REGISTRY.values()]
    named = {one.name for one in runs}
    return (*runs, *(one for one in (*means, *ends) if one.name not in named))


def unranked() -> tuple[Column, ...]:
    """Token scores that are classes."""
    return tuple(
        Column(one.name, one.label, 1.0, "classes have no order")
        for one in token_scores.REGISTRY.values()
        if one.direction not in SIGNS
    )


def token_rows(frozen: FrozenRun, trace: Trace | None) -> np.ndarray:
    """Uncertainty of each token by each ordered score: float64 [scores, tokens], NaN where there is none."""
    out = np.full((len(_ordered()), len(frozen.pieces)), np.nan)
    cut = labelled_part(frozen, trace)
    for row, entry in enumerate(_ordered() if cut is not None else ()):
        if cut is not None and entry.name in cut.scores:
            out[row] = SIGNS[entry.direction] * np.asarray(cut.scores[entry.name], dtype=np.float64)
    return out


def span_values(frozen: FrozenRun, trace: Trace | None, bounds: np.ndarray) -> np.ndarray:
    """Mean and most uncertain value in each span: float64 [2 x scores, n]; NaN as soon as one value is missing.

    bounds: int [n, 2], half-open, none empty.
    """
    rows = token_rows(frozen, trace)
    with np.errstate(invalid="ignore"):  # both infinities in one span have no mean
        means = [rows[:, start:stop].mean(axis=1) for start, stop in bounds]
    ends = [rows[:, start:stop].max(axis=1) for start, stop in bounds]
    return np.concatenate([np.stack(means, axis=1), np.stack(ends, axis=1)])


def run_values(frozen: FrozenRun, trace: Trace | None) -> np.ndarray:
    """All columns of a whole answer: float64 [columns]."""
    known = columns("run")
    cut = labelled_part(frozen, trace)
    if cut is None:
        return np.full(len(known), np.nan)
    own = run_scores.compute(cut)
    rows = token_rows(frozen, trace)
    # a first token that nothing precedes has no distribution: left out as the run scores leave it out
    first = int(rows.shape[1] > 1 and bool(np.isnan(rows[:, 0]).all()))
    whole = np.array([[first, rows.shape[1]]])
    spans = span_values(frozen, trace, whole)[:, 0] if rows.shape[1] else np.full(2 * len(rows), np.nan)
    by_name = dict(zip((one.name for one in columns("span")), spans, strict=True))
    return np.array([one.sign * own[one.name] if one.name in own else by_name[one.name] for one in known])


def pair_values(other: FrozenRun, other_trace: Trace | None, own: FrozenRun, own_trace: Trace | None) -> np.ndarray:
    """How much more uncertain one answer is than the other, by every column: float64 [columns, 1]."""
    with np.errstate(invalid="ignore"):
        return (run_values(other, other_trace) - run_values(own, own_trace))[:, None]


def labelled_part(frozen: FrozenRun, trace: Trace | None) -> Trace | None:
    """The run as far as the item has it; None where it does not begin so.

    Scores over the whole run are made anew of the part.
    """
    n = len(frozen.pieces)
    if trace is None or tuple(trace.pieces[:n]) != tuple(frozen.pieces):
        return None
    if len(trace.pieces) == n:
        return trace
    cut = {name: values[:n] for name, values in trace.scores.items()}
    over_run = {name for name, entry in token_scores.REGISTRY.items() if entry.over_run}
    attention = {name for name, entry in token_scores.REGISTRY.items() if entry.reads == "attention"}
    plain = {name: values for name, values in cut.items() if name not in over_run | attention}
    again = {name: values for name, values in token_scores.run_scores(plain).items() if name in over_run}
    # attention was read of the whole, whose answer lies elsewhere
    scores = {name: values for name, values in {**plain, **again}.items() if name in trace.scores}
    return replace(
        trace, pieces=trace.pieces[:n], text="".join(trace.pieces[:n]), token_ids=trace.token_ids[:n], scores=scores,
        topk_ids=trace.topk_ids[:n], topk_logprobs=trace.topk_logprobs[:n], tail_mass=trace.tail_mass[:n],
    )  # fmt: skip


@cache
def _ordered() -> tuple[TokenScore, ...]:
    return tuple(one for one in token_scores.REGISTRY.values() if one.direction in SIGNS)


def _end(score: TokenScore) -> str:
    return "largest" if SIGNS[score.direction] > 0 else "smallest"
