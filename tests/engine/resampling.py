"""The bootstrap as it is written down: a statistic computed anew on every resample. What fast intervals are held to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.bootstrap import DRAWS, LEVEL, Interval, draw_counts, interval


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    ratings: np.ndarray,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval:
    """The interval of any statistic of ratings [raters, items], NaN for not rated."""
    values = np.asarray(ratings, dtype=np.float64)
    items = values.shape[1]
    places = np.arange(items)
    samples = [statistic(values[:, np.repeat(places, row)]) for row in draw_counts(items, draws, seed)]
    return interval(statistic(values), np.array(samples, dtype=np.float64), items, level=level)
