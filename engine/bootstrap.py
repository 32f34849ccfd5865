"""How sure an estimate over items is: the percentile bootstrap, items drawn with replacement.

Every item is drawn as a whole with all that belongs to it, since what is said of one text is never independent. Does
not know what an item is, nor which estimate it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
DRAWS = 1_000
# an estimate of fewer items has no interval: resamples of so few are almost only those few again
LEAST_ITEMS = 5
# of all resamples, the share that must have a value at all
LEAST_DEFINED = 0.75
TOO_FEW = f"no interval: fewer than {LEAST_ITEMS} items"
MOSTLY_EQUAL = "no interval: nearly every resample gives the same value"
ALL_EQUAL = "no interval: every resample gives the same value"
OFTEN_UNDEFINED = "no interval: too many resamples have no value"


@dataclass(frozen=True)
class Interval:
    """An estimate over n items with the bounds of its interval; NaN for what does not exist, and why in `reason`."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    reason: str = ""


def draw_counts(items: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each item is in each resample of as many items: int32 [draws, items], the same for the same seed."""
    chosen = np.random.default_rng(seed).integers(0, items, size=(draws, items)) if items else np.zeros((draws, 0), int)
    cells = chosen + np.arange(draws)[:, None] * items
    return np.bincount(cells.ravel(), minlength=draws * items).astype(np.int32).reshape(draws, items)


def interval(value: float, samples: np.ndarray, n: int, *, level: float = LEVEL, reason: str = "") -> Interval:
    """`value` with the middle `level` of its resampled values, float [draws]; NaN among them are resamples without one.

    reason: why there is no value, where it is NaN.
    """
    if math.isnan(value):
        return Interval(n=n, reason=reason or "undefined")
    if n < LEAST_ITEMS:
        return Interval(value, n=n, reason=TOO_FEW)
    there = samples[np.isfinite(samples)]
    if there.size < LEAST_DEFINED * samples.size or there.size == 0:
        return Interval(value, n=n, reason=OFTEN_UNDEFINED)
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2])
    if high - low <= 1e-12:
        return Interval(value, n=n, reason=ALL_EQUAL if np.ptp(there) <= 1e-12 else MOSTLY_EQUAL)
    return Interval(value, float(low), float(high), n)
