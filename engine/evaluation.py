"""Which score agrees with people: every score against labels that say wrong or right, each with how sure that is.

Label 1 is what the score should be high on (wrong, or whatever was asked for). Does not know registries, runs or
sessions. Undefined measures are NaN with a reason, never 0 or 1.
Sources: Zadrozny and Elkan 2002 (isotonic calibration); Naeini et al. 2015 (ECE); `engine.ranking` for the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.bootstrap import Interval, draw_counts, interval
from engine.errors import BadInput
from engine.ranking import rank_measures, ranking

DRAWS = 500
BINS = 20
FOLDS = 5
NO_VALUES = "no values"
NO_OBSERVATIONS = "no labels"
ONE_KIND = {True: "all labels are 1", False: "all labels are 0"}
CONSTANT = "the score is the same everywhere"
ONE_ITEM = "ECE needs labels of both kinds in two items"


@dataclass(frozen=True)
class CalibrationBin:
    """Of the observations of one bin of calibrated probability: their mean, the share of label 1, and how many."""

    predicted: float
    observed: float
    n: int


@dataclass(frozen=True)
class ScoreEvaluation:
    """One score against labels. n: observations with a label and a value; positives: those of label 1; items: groups.

    ece: of probabilities calibrated on other items; calibration: its bins. reason: why measures are missing.
    """

    name: str
    n: int
    positives: int
    items: int
    auroc: Interval
    average_precision: Interval
    prr: Interval
    ece: float = math.nan
    spearman: float = math.nan
    calibration: tuple[CalibrationBin, ...] = ()
    reason: str = ""


def evaluate(
    labels: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    groups: npt.ArrayLike,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[ScoreEvaluation, ...]:
    """All scores, the largest AUROC first; undefined ones last, in the order given.

    labels: 0 or 1 [n]; scores: float [n] each, higher = more uncertain, NaN where there is none; groups: int [n], the
    item of each observation: resamples and folds take or leave whole items. All scores see the same resamples.
    Infinite values rank before or behind all others, and calibrate as the last finite one.
    Raises BadInput for other labels or lengths.
    """
    wrong, items = _labels(labels), np.unique(np.asarray(groups), return_inverse=True)[1]
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    for name, values in [("groups", items), *columns.items()]:
        if values.shape != wrong.shape:
            raise BadInput(f"There are {wrong.size} labels, but {name[:60]!r} has the shape {values.shape}.")
    weights = draw_counts(int(items.max(initial=-1)) + 1, draws, seed)
    found = [_evaluated(name, wrong, values, items, weights) for name, values in columns.items()]
    return tuple(sorted(found, key=lambda one: -one.auroc.value if math.isfinite(one.auroc.value) else math.inf))


def _evaluated(
    name: str, wrong: np.ndarray, score: np.ndarray, groups: np.ndarray, weights: np.ndarray
) -> ScoreEvaluation:
    known = ~np.isnan(score)
    wrong, score, groups = wrong[known], score[known], groups[known]
    positives, items = int(wrong.sum()), np.unique(groups)
    reason = why_undefined(wrong) or ("" if known.any() else NO_VALUES)
    if wrong.size == 0 or positives in (0, wrong.size):
        nothing = Interval(n=len(items), reason=NO_VALUES if known.size and not known.any() else reason)
        return ScoreEvaluation(
            name, wrong.size, positives, len(items), nothing, nothing, nothing, reason=nothing.reason
        )
    order = ranking(wrong, score, groups)
    once = rank_measures(order, np.ones((1, weights.shape[1]), dtype=np.int32))
    drawn = rank_measures(order, weights)
    auroc, precision, prr = (interval(float(once[key][0]), drawn[key], len(items)) for key in once)
    found = ScoreEvaluation(name, wrong.size, positives, len(items), auroc, precision, prr)
    probabilities = calibrated(wrong, score, groups)
    if probabilities is None:
        return replace(found, spearman=spearman(wrong, score), reason=ONE_ITEM)
    bins = calibration_bins(wrong, probabilities)
    flat = CONSTANT if score.min() == score.max() else ""
    return replace(found, ece=ece(bins), spearman=spearman(wrong, score), calibration=bins, reason=flat)


def why_undefined(wrong: np.ndarray) -> str:
    """Why labels, bool [n], cannot be ranked; "" where they can."""
    if wrong.size == 0:
        return NO_OBSERVATIONS
    return ONE_KIND[bool(wrong[0])] if wrong.all() or not wrong.any() else ""


def spearman(wrong: np.ndarray, score: np.ndarray) -> float:
    """Rank correlation of label and score, mid-ranks for ties; NaN where either is constant."""
    # imported here and below: the page starts a tenth sooner without
    from scipy.stats import rankdata

    one, other = rankdata(wrong), rankdata(score)
    one, other = one - one.mean(), other - other.mean()
    size = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / size if size > 0 else math.nan


def calibrated(wrong: np.ndarray, score: np.ndarray, groups: np.ndarray) -> np.ndarray | None:
    """The probability of label 1 at each score by an isotonic fit to other items: float64 [n].

    None where fewer than two items have both kinds between them in a way that leaves anything to fit.
    """
    from sklearn.isotonic import IsotonicRegression
    from sklearn.model_selection import GroupKFold

    items = np.unique(groups)
    if len(items) < 2 or any(len(np.unique(groups[wrong == kind])) < 2 for kind in (True, False)):
        return None
    out, score = np.empty(len(score)), without_infinities(score)
    fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    target = wrong.astype(np.float64)
    for train, test in GroupKFold(n_splits=min(FOLDS, len(items))).split(score, target, groups):
        out[test] = fit.fit(score[train], target[train]).predict(score[test])
    return out


def without_infinities(score: np.ndarray) -> np.ndarray:
    """Infinite values as the largest or the smallest finite one there is, where a fit needs numbers: float64 [n]."""
    finite = score[np.isfinite(score)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return np.nan_to_num(score.astype(np.float64), nan=np.nan, posinf=high, neginf=low)


def calibration_bins(wrong: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> tuple[CalibrationBin, ...]:
    """Bins of equal width over 0 to 1, empty ones left out."""
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    n = np.bincount(place, minlength=bins)
    predicted = np.bincount(place, probabilities, bins)
    observed = np.bincount(place, wrong, bins)
    return tuple(
        CalibrationBin(float(predicted[i] / n[i]), float(observed[i] / n[i]), int(n[i])) for i in np.flatnonzero(n)
    )


def ece(bins: tuple[CalibrationBin, ...]) -> float:
    """The distance of predicted and observed, averaged over observations; NaN without any."""
    n = sum(one.n for one in bins)
    return sum(one.n * abs(one.predicted - one.observed) for one in bins) / n if n else math.nan


def _labels(labels: npt.ArrayLike) -> np.ndarray:
    values = np.asarray(labels)
    if values.ndim != 1 or not np.isin(values, (0, 1)).all():
        raise BadInput("Labels must be one row of 0 and 1; leave out what has no label.")
    return values.astype(bool)
