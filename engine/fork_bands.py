"""How far the draws of an analysis leave its outcome curve open: samples of the curve, and bands around it.

Knows branches and curves; does not know models or texts. What stands behind an alternative is usually near what stands
behind the answer's own token, or near what all draws came to: how near is learnt from all branches of the answer.
Source: empirical Bayes over a grid of Dirichlet priors (Minka, "Estimating a Dirichlet distribution", 2000, for the
Dirichlet-multinomial likelihood); the choice of centres is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.fork_curves import Branches, Estimator, base_at, check_estimator, frequencies, outcome_curve

BAND = 0.8
# how many draws a prior may weigh as much as: more would let the curve behind a branch stand for its own draws
WEIGHTS = (0.1, 0.3, 1.0, 2.5, 5.0)
# so many draws of one of the answer's own tokens count as one here: it leads to just what stands behind it
BASE_DRAWS = 20.0
# of each prior's centre, the share that allows for outcomes that are not at that centre
ELSEWHERE = 0.05
ROUNDS = 30
# a branch that was hardly drawn is at least as uncertain as this many draws leave it
LEAST_DRAWS = 0.5
# branches whose chances are drawn at a time
PART = 64


@dataclass(frozen=True)
class SampledStep:
    """One position of `count` sampled curves. row: its place among the positions; base: o_{t,x*_t} and values: o_t,
    float64 [count, K] each."""

    row: int
    base: np.ndarray
    values: np.ndarray


def curve_samples(branches: Branches, *, estimator: Estimator = "recursion", count: int, seed: int) -> np.ndarray:
    """Curves that the draws allow for: float32 [count, T + 1, K], positions and the end, from the posterior.

    A branch with few draws is uncertain even where all agree. The same seed gives the same curves. Raises BadInput
    where the estimator lacks draws or positions.
    """
    positions = len(np.unique(branches.positions))
    curves = np.empty((count, positions + 1, len(branches.labels)), dtype=np.float32)
    for step in sampled_steps(branches, estimator=estimator, count=count, seed=seed):
        if step.row == positions - 1:
            curves[:, positions] = step.base
        curves[:, step.row] = step.values
    return curves


def sampled_steps(branches: Branches, *, estimator: Estimator, count: int, seed: int) -> Iterator[SampledStep]:
    """The same curves position by position, from the last to the first, so that never all of them are held."""
    check_estimator(branches, estimator)
    rng, weights, shares = np.random.default_rng(seed), posterior_weights(branches), branches.shares
    positions = np.unique(branches.positions)
    after: np.ndarray | None = None
    for row in range(len(positions) - 1, -1, -1):
        here = branches.at(int(positions[row]))
        base = base_at(branches, int(positions[row]))
        if after is None or estimator == "every-branch":
            after = _chances(branches, weights, np.array([base]), count, rng)[:, 0]
        others = here[here != base]
        chances = _chances(branches, weights, others, count, rng)
        values = shares[base] * after + np.einsum("w,bwk->bk", shares[others], chances)
        yield SampledStep(row, after, values)
        after = values


def chance_samples(branches: Branches, *, count: int, seed: int) -> np.ndarray:
    """o_{t,w} drawn from its posterior: float32 [count, n, K]; certain branches as they are."""
    return np.concatenate(list(_chance_parts(branches, count, seed)), axis=1)


def chance_bands(branches: Branches, *, count: int, seed: int, level: float = BAND) -> tuple[np.ndarray, np.ndarray]:
    """The middle `level` of each o_{t,w}, holding the share among its own draws: low and high, float64 [n, K]."""
    lows, highs, first, own = [], [], 0, frequencies(branches)
    for part in _chance_parts(branches, count, seed):
        low, high = band(part, level=level, holding=own[first : first + part.shape[1]])
        lows.append(low)
        highs.append(high)
        first += part.shape[1]
    return np.concatenate(lows), np.concatenate(highs)


def band(
    samples: np.ndarray, *, level: float = BAND, holding: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The middle `level` of samples [count, ...] along their first axis: low and high, float64 [...].

    holding: an estimate, float [...], that the band is widened to where it lies outside: where all of few draws agree
    it is at the edge of what is possible.
    """
    low, high = np.quantile(samples, ((1 - level) / 2, (1 + level) / 2), axis=0).astype(np.float64)
    return (low, high) if holding is None else (np.minimum(low, holding), np.maximum(high, holding))


def posterior_weights(branches: Branches) -> np.ndarray:
    """Parameters of the Dirichlet distribution that each branch's chances are drawn from: float64 [n, K].

    Their mean is the branch's own draws drawn towards a centre, as strongly as the branches of this answer show; they
    weigh as much as the draws alone do, since the centre itself is known from draws only.
    """
    draws, known = branches.draws, branches.certain
    priors = _priors(branches)
    likelihoods = np.column_stack([_log_likelihood(branches.counts, prior) for prior in priors])
    shares = np.full(len(priors), 1.0 / len(priors))
    used = likelihoods[~known & (draws > 0)]
    for _ in range(ROUNDS):
        # half a branch for each prior, so that none is ruled out by a few branches
        shares = _responsible(used, shares).sum(axis=0) + 0.5
        shares /= shares.sum()
    each = _responsible(likelihoods, shares)
    means = sum(
        each[:, [i]] * (branches.counts + prior) / (draws + prior.sum(axis=1))[:, None]
        for i, prior in enumerate(priors)
    )
    return np.asarray(means * np.maximum(draws, LEAST_DRAWS)[:, None])


def _priors(branches: Branches) -> list[np.ndarray]:
    """Each a weight times a centre: what stands behind the answer's own token, or what all draws came to.

    float64 [n, K] each.
    """
    labels = len(branches.labels)
    drawn = branches.counts[~branches.certain].sum(axis=0) + 1.0 / labels
    pooled = drawn / drawn.sum()
    rest = ELSEWHERE * (pooled + 1.0 / labels) / 2.0
    # draws of every branch allow for gaps between the positions, which the recursion does not
    estimator: Estimator = "recursion" if (branches.draws == 0).any() else "every-branch"
    curve = outcome_curve(branches, estimator=estimator)
    place = np.unique(branches.positions, return_inverse=True)[1]
    behind = np.vstack([curve.probabilities, curve.end[None]])[place + 1]
    centres = ((1.0 - ELSEWHERE) * centre + rest for centre in (behind, np.broadcast_to(pooled, behind.shape)))
    scale = np.where(branches.is_base, np.maximum(1.0, branches.draws / BASE_DRAWS), 1.0)[:, None]
    return [weight * scale * centre for centre in centres for weight in WEIGHTS]


def _log_likelihood(counts: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Of each branch's draws under a Dirichlet prior, but for what no prior changes: float64 [n]."""
    rows, columns = counts.nonzero()
    seen, before, whole = counts[rows, columns], prior[rows, columns], prior.sum(axis=1)
    gained = np.bincount(rows, weights=_log_gamma(before + seen) - _log_gamma(before), minlength=len(counts))
    return np.asarray(gained - _log_gamma(whole + counts.sum(axis=1)) + _log_gamma(whole))


def _log_gamma(values: np.ndarray) -> np.ndarray:
    return np.array([math.lgamma(value) for value in values.tolist()])


def _responsible(likelihoods: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The probability of each prior given a branch's draws: float64 [n, priors]."""
    weights = np.log(shares) + likelihoods
    weights = np.exp(weights - weights.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _chance_parts(branches: Branches, count: int, seed: int) -> Iterator[np.ndarray]:
    """Chances of PART branches at a time: float32 [count, up to PART, K]."""
    rng, weights = np.random.default_rng(seed), posterior_weights(branches)
    for first in range(0, len(branches), PART):
        chosen = np.arange(first, min(len(branches), first + PART))
        yield _chances(branches, weights, chosen, count, rng).astype(np.float32)


def _chances(
    branches: Branches, weights: np.ndarray, chosen: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """o_{t,w} of the chosen branches: float64 [count, c, K]."""
    drawn = rng.standard_gamma(weights[chosen], size=(count, len(chosen), weights.shape[1]))
    drawn /= np.maximum(drawn.sum(axis=2, keepdims=True), np.finfo(float).tiny)
    known = branches.certain[chosen]
    drawn[:, known] = frequencies(branches.only(chosen[known]))
    return drawn
