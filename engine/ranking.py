"""How well a score ranks wrong before right: AUROC, average precision and PRR, of all resamples of the items at once.

Resamples are weights of items, not lists of tokens, so that 60,000 tokens take no copies. Equal scores are never told
apart: every measure is the mean over all orders of what is tied. Does not know scores, labels or texts.
Sources: Fawcett 2006 (ROC); Malinin and Gales 2021 (PRR: prediction rejection ratio).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

RankMeasure = Literal["auroc", "average_precision", "prr"]
# weights are held for about so many observations at a time
PART = 2_000_000


@dataclass(frozen=True)
class Ranking:
    """Observations in ascending order of score, kept only as far as any measure needs them.

    groups: int [n], the item of each; positives: int [p], where the wrong ones stand in that order;
    first, last: int [p], the block of equal scores that each of these is in, half-open.
    """

    groups: np.ndarray
    positives: np.ndarray
    first: np.ndarray
    last: np.ndarray


@dataclass(frozen=True)
class _Counts:
    """The weights of d resamples. total, wrong: int64 [d] of all and of the wrong observations; weight: int32 [d, p] of
    each wrong one; below, upto: [d, p] of all that score less than it, and of these with all that score as much;
    wrong_below, wrong_upto: [d, p], the wrong ones among them."""

    total: np.ndarray
    wrong: np.ndarray
    weight: np.ndarray
    below: np.ndarray
    upto: np.ndarray
    wrong_below: np.ndarray
    wrong_upto: np.ndarray


def ranking(wrong: np.ndarray, score: np.ndarray, groups: np.ndarray) -> Ranking:
    """wrong: bool [n]; score: float [n] without NaN, higher = more likely wrong; groups: int [n]."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    positives = np.flatnonzero(wrong[order])
    values = ordered[positives]
    first, last = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return Ranking(groups[order], positives, first, last)


def rank_measures(found: Ranking, weights: np.ndarray) -> dict[RankMeasure, np.ndarray]:
    """Each measure in each resample: float64 [draws], NaN where a resample has wrong or right ones only.

    weights: int32 [draws, items], how often each item counts.
    """
    rows = max(1, PART // max(1, len(found.groups)))
    parts = [_counts(found, weights[at : at + rows]) for at in range(0, len(weights), rows)]
    return {name: np.concatenate([_measured(measure, part) for part in parts]) for name, measure in MEASURES.items()}


def _measured(measure: Callable[[_Counts], np.ndarray], counts: _Counts) -> np.ndarray:
    there = (counts.wrong > 0) & (counts.wrong < counts.total)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(there, measure(counts), np.nan)


def _counts(found: Ranking, weights: np.ndarray) -> _Counts:
    each = np.take(weights, found.groups, axis=1)
    weight = each[:, found.positives]
    before, wrong_before = _sums_before(each), _sums_before(weight)
    # the wrong ones before a block, and up to its end, counted among the wrong ones
    start = np.searchsorted(found.positives, found.first)
    end = np.searchsorted(found.positives, found.last)
    last = before[:, -1].astype(np.int64), wrong_before[:, -1].astype(np.int64)
    places = (before, found.first), (before, found.last), (wrong_before, start), (wrong_before, end)
    return _Counts(*last, weight, *(_columns(sums, at) for sums, at in places))


def _columns(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """values[:, places], not copied where the places follow each other, as they do without ties."""
    if len(places) and places[-1] - places[0] + 1 == len(places) and (np.diff(places) == 1).all():
        return values[:, places[0] : places[-1] + 1]
    return np.take(values, places, axis=1)


def _sums_before(values: np.ndarray) -> np.ndarray:
    """Sums of all values before each place, and of all: int32 [d, n] -> int32 [d, n + 1]."""
    # whole numbers of one size: a sum that has to be cast on its way takes five times as long
    sums = np.zeros((values.shape[0], values.shape[1] + 1), dtype=np.int32)
    np.cumsum(values, axis=1, dtype=np.int32, out=sums[:, 1:])
    return sums


def _auroc(counts: _Counts) -> np.ndarray:
    """The chance that a wrong one scores higher than a right one, ties counting half."""
    right = counts.below + counts.upto - counts.wrong_below - counts.wrong_upto
    won = np.einsum("dp,dp->d", counts.weight, right, dtype=np.float64) / 2.0
    return np.asarray(won / (counts.wrong * (counts.total - counts.wrong)))


def _average_precision(counts: _Counts) -> np.ndarray:
    """The precision among all that score at least as much, averaged over the wrong ones."""
    among = counts.wrong[:, None] - counts.wrong_below
    precision = among / np.maximum(counts.total[:, None] - counts.below, 1)
    return np.asarray(np.einsum("dp,dp->d", counts.weight, precision) / counts.wrong)


def _prr(counts: _Counts) -> np.ndarray:
    """(area - random) / (oracle - random) of accuracy against the share kept, the highest scores rejected first.

    What is kept grows by one observation at a time; a wrong one in place s adds 1/s + ... + 1/n to the sum of risks.
    """
    n, wrong = counts.total, counts.wrong
    sums = _harmonic_sums(int(n.max(initial=0)))
    last = sums[n + 1] - sums[n]
    spared = sums[counts.upto] - sums[counts.below]
    spared /= np.maximum(counts.upto - counts.below, 1)
    # risks summed over what is kept; at random each is the share of wrong ones
    risk = wrong * last - np.einsum("dp,dp->d", counts.weight, spared)
    best = wrong * last - (sums[n] - sums[n - wrong])
    return np.asarray((wrong - risk) / (wrong - best))


def _harmonic_sums(n: int) -> np.ndarray:
    """H(0) + ... + H(x - 1) for x = 0 ... n + 1, with H the harmonic numbers: float64 [n + 2]."""
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1.0, n + 1.0))])
    return np.concatenate([[0.0], np.cumsum(harmonic)])


MEASURES: Mapping[RankMeasure, Callable[[_Counts], np.ndarray]] = {
    "auroc": _auroc,
    "average_precision": _average_precision,
    "prr": _prr,
}


def misplaced(wrong: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Of each observation, the share of those of the other kind that a score puts on the wrong side of it: float64 [n].

    Ties count half; the mean over either kind is 1 - AUROC. NaN where there is only one kind.
    """
    out = np.full(len(score), np.nan)
    for kind in (True, False):
        own, others = score[wrong == kind], np.sort(score[wrong != kind])
        if own.size and others.size:
            below = (np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")) / (2.0 * others.size)
            out[wrong == kind] = 1.0 - below if kind else below
    return out
