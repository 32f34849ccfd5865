"""The curves behind the measures of one score: ROC, risk against coverage, calibration; few enough points to draw.

Does not know which score it is or what the labels are of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import BadInput
from engine.evaluation import CalibrationBin, calibrated, calibration_bins, why_undefined

MOST_POINTS = 200


@dataclass(frozen=True)
class Curves:
    """roc: (false positive rate, true positive rate) from (0, 0) to (1, 1). risk_coverage: (share kept, share of label
    1 among what is kept), the highest scores given up first; best: the same for a score that knew the labels; base: the
    share of label 1. calibration: bins of probabilities fitted on other items. reason: why there are none.
    """

    roc: tuple[tuple[float, float], ...] = ()
    risk_coverage: tuple[tuple[float, float], ...] = ()
    best: tuple[tuple[float, float], ...] = ()
    base: float = float("nan")
    calibration: tuple[CalibrationBin, ...] = ()
    reason: str = ""


def curves(labels: npt.ArrayLike, score: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Curves:
    """labels: 0 or 1 [n]; score: float [n], NaN where there is none; groups: int [n], kept whole when calibrating.

    Without groups each observation is an item of its own. Raises BadInput for lengths that differ.
    """
    from scipy.stats import rankdata
    from sklearn.metrics import roc_curve

    wrong, values = np.asarray(labels).astype(bool), np.asarray(score, dtype=np.float64)
    items = np.arange(wrong.size) if groups is None else np.asarray(groups)
    if wrong.ndim != 1 or wrong.shape != values.shape or wrong.shape != items.shape:
        raise BadInput(f"Labels, score and groups must be as long: {wrong.shape}, {values.shape}, {items.shape}.")
    known = ~np.isnan(values)
    wrong, values, items = wrong[known], values[known], items[known]
    reason = why_undefined(wrong)
    if reason:
        return Curves(reason=reason)
    # ranks draw the same curve, and infinities have one
    false_rate, true_rate, _ = roc_curve(wrong, rankdata(values, method="dense"))
    probabilities = calibrated(wrong, values, items)
    return Curves(
        _thinned(false_rate, true_rate),
        risk_coverage(wrong, values),
        risk_coverage(wrong, wrong.astype(np.float64)),
        float(wrong.mean()),
        () if probabilities is None else calibration_bins(wrong, probabilities),
    )


def risk_coverage(wrong: np.ndarray, score: np.ndarray) -> tuple[tuple[float, float], ...]:
    """(share kept, share of label 1 among it), at up to 200 shares; ties are given up in every order alike.

    wrong: bool [n]; score: float [n] without NaN, n at least 1.
    """
    n = wrong.size
    order = np.argsort(score, kind="stable")
    # compared, not subtracted: infinities are equal and have no difference
    ends = np.append(np.flatnonzero(score[order][1:] > score[order][:-1]) + 1, n)
    found = np.concatenate([[0.0], np.cumsum(wrong[order])[ends - 1]])
    kept = np.unique(np.linspace(1, n, min(n, MOST_POINTS)).round())
    risks = np.interp(kept, np.concatenate([[0.0], ends]), found) / kept
    return tuple(zip((kept / n).tolist(), risks.tolist(), strict=True))


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], ...]:
    """At most 200 points, evenly along a curve that only rises, both ends among them."""
    along = x + y
    wanted = np.linspace(along[0], along[-1], MOST_POINTS - 2)
    chosen = np.unique(np.searchsorted(along, wanted)) if len(x) > MOST_POINTS else np.arange(len(x))
    chosen = np.unique(np.concatenate([[0], np.minimum(chosen, len(x) - 1), [len(x) - 1]]))
    return tuple(zip(x[chosen].tolist(), y[chosen].tolist(), strict=True))
