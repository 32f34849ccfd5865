"""Where a curve changes: the exact posterior over piecewise constant or linear fits, and a penalised second opinion.

The posterior sums over every way of cutting the curve, so nothing is sampled. Source: the segment model of Zhao et al.,
"Detecting change-point, trend, and seasonality" (Remote Sensing of Environment 232, 2019), which "Forking Paths in
Neural Text Generation" (arXiv 2412.07961, section 3) samples from; here with exact sums, and with a prior on the noise
that keeps flat curves flat. Does not know what the curve is of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MOST_CHANGES = 6
SHORTEST = 3
PRECISION = 20.0
NOISE_SHAPE = 0.01
VARIANCES = 48
LEAST_VARIANCE = 1e-4
# points that are looked at one by one: time and memory grow with their square
MOST_POINTS = 1_000
PELT_PENALTY = 64.0
PELT_SHORTEST = 2


@dataclass(frozen=True)
class ChangePoints:
    """What a curve of N points says of its changes.

    count_probabilities: float64 [7], P(m | y) of m = 0 .. 6 changes; location_probabilities: float64 [N], P(a new
    segment begins at t | y); possible: the largest m that a curve of N points has room for; step: how many neighbours
    were taken together, the first of which stands for all where a segment begins.
    """

    count_probabilities: np.ndarray
    location_probabilities: np.ndarray
    possible: int
    step: int = 1

    @property
    def expected(self) -> float:
        """E[m | y]."""
        return float(self.count_probabilities @ np.arange(len(self.count_probabilities)))

    @property
    def odds(self) -> float:
        """Posterior odds of any change against none, P(m >= 1) / P(m = 0); inf where the latter vanishes."""
        none = float(self.count_probabilities[0])
        return math.inf if none <= 0.0 else float(self.count_probabilities[1:].sum()) / none

    @property
    def bayes_factor(self) -> float:
        """The odds over their prior, which gives every number of changes that fits the same probability."""
        return self.odds / self.possible if self.possible else 0.0


def posterior(y: np.ndarray, *, variances: int = VARIANCES, most_points: int = MOST_POINTS) -> ChangePoints:
    """The exact posterior over the changes of a curve y, float [N], N >= 1; variances: grid points of the noise.

    Segments of at least SHORTEST points are constant or linear; the curve is standardised first. A curve without any
    variation has no change. Of a curve of more than most_points points, neighbours are averaged, as few as will do;
    `step` says how many. Raises ValueError for an empty curve or values that are not finite.
    """
    y = np.asarray(y, dtype=np.float64)
    if y.ndim != 1 or not len(y) or not np.isfinite(y).all():
        raise ValueError("a curve is one row of finite numbers")
    step = -(-len(y) // max(1, most_points))
    if step == 1:
        return _posterior(y, variances)
    firsts = np.arange(0, len(y), step)
    pooled = _posterior(np.add.reduceat(y, firsts) / np.diff([*firsts, len(y)]), variances)
    locations = np.zeros(len(y))
    locations[firsts] = pooled.location_probabilities
    return ChangePoints(pooled.count_probabilities, locations, pooled.possible, step)


def _posterior(y: np.ndarray, variances: int) -> ChangePoints:
    """The same of every point of y."""
    points = len(y)
    most = min(MOST_CHANGES, points // SHORTEST - 1)
    if most < 1 or np.ptp(y) == 0.0:
        return ChangePoints(np.eye(1, MOST_CHANGES + 1)[0], np.zeros(points), max(0, most))
    z = (y - y.mean()) / y.std(ddof=1)
    scale = _noise_scale(y)
    grid = np.geomspace(LEAST_VARIANCE, 4.0 + 4.0 * scale / points, variances)
    fits = _segments(z)
    log_ways = np.array([_log_ways(points, m) for m in range(most + 1)])
    weights = np.empty((variances, most + 1))
    places = np.empty((variances, most + 1, points))
    for row, variance in enumerate(grid):
        evidence = _log_evidence(fits, points, variance)
        forward, backward = _forward(evidence, most), _backward(evidence, most)
        noise = -(NOISE_SHAPE + points / 2) * math.log(variance) - (scale + z @ z / 2) / variance
        weights[row] = forward[:, points] - log_ways + noise
        places[row] = _places(forward, backward, log_ways) + noise
    top = weights.max()
    whole = np.exp(weights - top).sum()
    counts = np.zeros(MOST_CHANGES + 1)
    counts[: most + 1] = np.exp(weights - top).sum(axis=0) / whole
    locations = np.exp(places - top).sum(axis=(0, 1)) / whole
    return ChangePoints(counts, locations, most)


def _noise_scale(y: np.ndarray) -> float:
    """Scale of the inverse gamma prior on the noise: large for a curve of small range, which is noise made large."""
    return 2.0 + float(1000.0 ** (1.0 - np.ptp(y)))


def _log_ways(points: int, changes: int) -> float:
    """log of the number of ways to cut N points into segments of at least SHORTEST."""
    free = points - SHORTEST * (changes + 1) + changes
    return math.lgamma(free + 1) - math.lgamma(changes + 1) - math.lgamma(free - changes + 1)


def _segments(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Explained sums of squares of the constant and of the linear fit of z[a:b]: two float64 [N + 1, N + 1].

    -inf where b - a < SHORTEST.
    """
    points = len(z)
    index = np.arange(points)
    sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in (z, index * z)]
    totals, moments = (part[None, :] - part[:, None] for part in sums)
    a, b = np.meshgrid(np.arange(points + 1), np.arange(points + 1), indexing="ij")
    length = b - a
    possible = length >= SHORTEST
    n = np.where(possible, length, SHORTEST).astype(np.float64)
    constant = totals**2 / n
    slope = moments - (a + b - 1) / 2.0 * totals
    linear = constant + slope**2 / (n * (n * n - 1.0) / 12.0)
    return np.where(possible, constant, -np.inf), np.where(possible, linear, -np.inf)


def _log_evidence(fits: tuple[np.ndarray, np.ndarray], points: int, variance: float) -> np.ndarray:
    """log evidence of each segment for one noise variance, both orders summed: float64 [N + 1, N + 1]."""
    cost = 0.5 * math.log((points + PRECISION) / PRECISION)
    shrink = points / (points + PRECISION) / (2.0 * variance)
    constant, linear = (-(order + 1) * cost + shrink * fit - math.log(2.0) for order, fit in enumerate(fits))
    return np.asarray(np.logaddexp(constant, linear))


def _forward(evidence: np.ndarray, most: int) -> np.ndarray:
    """log sum over all cuts of z[:b] by j changes: float64 [most + 1, N + 1]."""
    rows = [evidence[0]]
    for _ in range(most):
        rows.append(_log_sums(rows[-1][:, None] + evidence, axis=0))
    return np.stack(rows)


def _backward(evidence: np.ndarray, most: int) -> np.ndarray:
    """log sum over all cuts of z[a:] by j changes: float64 [most + 1, N + 1]."""
    rows = [evidence[:, -1]]
    for _ in range(most):
        rows.append(_log_sums(evidence + rows[-1][None, :], axis=1))
    return np.stack(rows)


def _places(forward: np.ndarray, backward: np.ndarray, log_ways: np.ndarray) -> np.ndarray:
    """log sum over all cuts of m changes one of which is at t: float64 [most + 1, N]."""
    most, points = len(forward) - 1, forward.shape[1] - 1
    found = np.full((most + 1, points), -np.inf)
    for m in range(1, most + 1):
        ways = np.stack([forward[j, :points] + backward[m - 1 - j, :points] for j in range(m)])
        found[m] = _log_sums(ways, axis=0) - log_ways[m]
    return found


def _log_sums(values: np.ndarray, axis: int) -> np.ndarray:
    """log of the sum of exponentials, -inf where there is nothing to sum."""
    top = values.max(axis=axis)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(safe + np.log(np.exp(values - np.expand_dims(safe, axis)).sum(axis=axis)))


def pelt(counts: np.ndarray, *, penalty: float = PELT_PENALTY) -> list[int]:
    """First index of every new segment, ascending, by PELT on label counts, float [N, K]; penalty: nats a change.

    Source: Killick et al., "Optimal detection of changepoints with a linear computational cost" (JASA 107, 2012).
    """
    counts = np.asarray(counts, dtype=np.float64)
    if len(counts) < 2 * PELT_SHORTEST:
        return []
    # only now: it takes a second to import, which the start of the page would wait for
    from engine.pelt import segments

    return segments(counts, penalty=penalty, shortest=PELT_SHORTEST)
