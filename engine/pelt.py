"""PELT on label counts: the cost of a segment and the search, both in the terms of the ruptures package.

A file of its own, as that package brings scipy along and takes a second to import. Does not know what the counts are.
Source: Killick et al., "Optimal detection of changepoints with a linear computational cost" (JASA 107, 2012).
"""

from __future__ import annotations

import numpy as np
import ruptures
from ruptures.base import BaseCost
from ruptures.exceptions import NotEnoughPoints


class MultinomialCost(BaseCost):
    """-sum_k n_k ln(n_k / n) of a segment of label counts: what it costs to say its labels with one distribution."""

    model = "multinomial"
    min_size = 1

    def fit(self, signal: np.ndarray) -> MultinomialCost:
        """signal: counts, float [N, K], not negative."""
        self.signal = np.asarray(signal, dtype=np.float64)
        self._sums = np.vstack([np.zeros(self.signal.shape[1]), np.cumsum(self.signal, axis=0)])
        return self

    def error(self, start: int, end: int) -> float:
        """Cost of the points start .. end - 1, in nats."""
        if end - start < self.min_size:
            raise NotEnoughPoints
        counts = self._sums[end] - self._sums[start]
        positive = counts[counts > 0.0]
        return float(-(positive * np.log(positive / positive.sum())).sum())


def segments(counts: np.ndarray, *, penalty: float, shortest: int) -> list[int]:
    """First index of every new segment, ascending; counts: float [N, K]; penalty: nats a change."""
    search = ruptures.Pelt(custom_cost=MultinomialCost(), min_size=shortest, jump=1).fit(counts)
    return [int(stop) for stop in search.predict(pen=penalty)[:-1]]
