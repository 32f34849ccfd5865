"""What an outcome curve says: drift, jumps, how much each alternative would change, survival, and what is only noise.

Knows branches and curves; does not know models or texts. A jump between o_t and o_{t+1}, and a change that begins at
t + 1, are put down to token t.
Source: Bigelow et al., arXiv 2412.07961, section 2 (drift, survival); Benjamini and Hochberg, J. R. Stat. Soc. B 57
(1995) for many tests at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from engine.errors import BadInput
from engine.fork_bands import sampled_steps
from engine.fork_curves import Branches, Estimator, OutcomeCurve, frequencies

Distance = Literal["L2", "L1", "TV", "JS"]
JUMP = 0.15
SURVIVAL_EPS = 0.6
FALSE_DISCOVERIES = 0.05
NULL_DRAWS = 5_000
# samples for an alternative at which none is as far away, as a multiple of what the smallest p that passes needs
FLOOR = 2.0
# once this many of the first so many null draws are as far away, more of them cannot make it a fork
FIRST_DRAWS, ENOUGH = 500, 50
# curves of the posterior that the null draws come from in turn
POSTERIOR_CURVES = 1_000


def distance(one: np.ndarray, other: np.ndarray, kind: Distance = "L2") -> np.ndarray:
    """Between distributions along the last axis, float64 [..., K] -> [...].

    L2 in [0, sqrt 2], L1 in [0, 2], TV (total variation) in [0, 1], JS (Jensen-Shannon divergence, nats) in [0, ln 2].
    """
    gap = one - other
    if kind == "L2":
        return np.asarray(np.sqrt((gap * gap).sum(axis=-1)))
    if kind in ("L1", "TV"):
        return np.asarray(np.abs(gap).sum(axis=-1) * (0.5 if kind == "TV" else 1.0))
    if kind == "JS":
        middle = (one + other) / 2.0
        return np.asarray(np.maximum(0.0, _entropy(middle) - (_entropy(one) + _entropy(other)) / 2.0))
    raise BadInput(f"The distance {kind!r} is unknown; use one of {', '.join(get_args(Distance))}.")


def drift(curve: OutcomeCurve, kind: Distance = "L2") -> np.ndarray:
    """y_t, the distance of o_t from o_0: float64 [T]."""
    return distance(curve.probabilities, curve.probabilities[:1], kind)


@dataclass(frozen=True)
class Jump:
    """o_t and o_{t+1} differ by `size` in total variation; token: t, which is to blame."""

    token: int
    size: float


def jumps(curve: OutcomeCurve, *, above: float = JUMP) -> list[Jump]:
    """Steps of the curve above a total variation, in order; the last position's step leads to the end."""
    steps = np.vstack([curve.probabilities, curve.end[None]])
    sizes = distance(steps[1:], steps[:-1], "TV")
    return [Jump(int(t), float(size)) for t, size in zip(curve.positions, sizes, strict=True) if size > above]


@dataclass(frozen=True)
class Strengths:
    """How much each branch would change the outcome; base branches have 0.

    distances: float64 [n], d(o_{t,w}, o_{t,x*_t}) in [0, sqrt 2]; influences: float64 [n], p~_t(w) d.
    """

    distances: np.ndarray
    influences: np.ndarray


def strengths(branches: Branches, curve: OutcomeCurve, estimator: Estimator = "recursion") -> Strengths:
    """Fork strength of every alternative, in L2; with the recursion o_{t,x*_t} is o_{t+1}."""
    base = _base_outcomes(branches, curve, estimator)
    distances = np.where(branches.is_base, 0.0, distance(frequencies(branches), base))
    return Strengths(distances, branches.shares * distances)


def hazards(branches: Branches, distances: np.ndarray, *, eps: float = SURVIVAL_EPS) -> np.ndarray:
    """h_t: the share of alternatives at t that change the outcome by at least eps: float64 [T], in [0, 1]."""
    place = np.unique(branches.positions, return_inverse=True)[1]
    return np.bincount(place, weights=branches.shares * (~branches.is_base & (distances >= eps)))


def survival(branches: Branches, distances: np.ndarray, *, eps: float = SURVIVAL_EPS) -> np.ndarray:
    """S(t), the chance that no token up to t was swapped for one that changes the outcome: float64 [T], falling."""
    return np.cumprod(1.0 - hazards(branches, distances, eps=eps))


@dataclass(frozen=True)
class ForkTests:
    """p_values: float64 [n], of the hypothesis that an alternative has the base token's outcomes, nan for base tokens;
    real: bool [n], told from noise with at most FALSE_DISCOVERIES false ones among them."""

    p_values: np.ndarray
    real: np.ndarray


def fork_tests(
    branches: Branches,
    curve: OutcomeCurve,
    *,
    estimator: Estimator = "recursion",
    seed: int = 0,
    draws: int = NULL_DRAWS,
    level: float = FALSE_DISCOVERIES,
) -> ForkTests:
    """Which alternatives change the outcome by more than chance would.

    Under the null an alternative's draws come from the base token's outcomes, themselves only known up to their
    posterior; p is the share of such samples at least as far away as the alternative was. Where a tenth of the first
    ones are, the rest is not looked at: such an alternative is none that could be told from noise. Where none of
    `draws` is, as many more follow as p needs to be able to pass beside so many alternatives. A certain outcome has no
    luck of its own: it is held against the posterior alone.
    """
    seen = strengths(branches, curve, estimator).distances
    needed = max(draws, math.ceil(FLOOR * int((~branches.is_base).sum()) / level))
    p_values, turns = np.full(len(branches), np.nan), np.arange(needed)
    centre, positions = _base_outcomes(branches, curve, estimator), np.unique(branches.positions)
    rng = np.random.default_rng([seed, 1])
    for step in sampled_steps(branches, estimator=estimator, count=min(draws, POSTERIOR_CURVES), seed=seed):
        here = branches.at(int(positions[step.row]))
        for i in here[~branches.is_base[here]]:
            size = int(branches.draws[i])
            far, looked = 0, 0
            for turn in (turns[:FIRST_DRAWS], turns[FIRST_DRAWS:draws], turns[draws:]):
                if far and looked >= draws:
                    break
                chances = step.base[turn % len(step.base)]
                chances = chances / chances.sum(axis=1, keepdims=True)
                sampled = chances if branches.certain[i] else rng.multinomial(size, chances) / max(size, 1)
                # what a share of counts cannot tell apart, rounding must not
                far += int((distance(sampled, centre[i]) >= seen[i] - 1e-12).sum())
                looked += len(chances)
                if far >= ENOUGH:
                    break
            p_values[i] = (1 + far) / (1 + looked)
    asked = (~branches.is_base).nonzero()[0]
    real = np.zeros(len(branches), dtype=bool)
    real[asked] = discoveries(p_values[asked], level)
    return ForkTests(p_values, real)


def discoveries(p_values: np.ndarray, level: float = FALSE_DISCOVERIES) -> np.ndarray:
    """Which of m hypotheses to reject so that at most `level` of them are rejected falsely on average: bool [m]."""
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    passed = (p_values[order] <= level * np.arange(1, count + 1) / max(count, 1)).nonzero()[0]
    found = np.zeros(count, dtype=bool)
    found[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return found


def noise_range(curve: OutcomeCurve, samples: np.ndarray, *, level: float = 0.95) -> float:
    """How far the drift of a curve that never changes would range by the noise of the draws alone, `level` of the time.

    samples: curves that the draws allow for, float [B, T + 1, K], as `curve_samples` gives them.
    """
    # one by one: all errors together would be as large as the samples
    every = (one[:-1] - curve.probabilities for one in samples)
    ranges = [np.ptp(np.linalg.norm(errors - errors[0], axis=1)) for errors in every]
    return float(np.quantile(ranges, level))


def _base_outcomes(branches: Branches, curve: OutcomeCurve, estimator: Estimator) -> np.ndarray:
    """o_{t,x*_t} beside every branch: float64 [n, K]."""
    place = np.unique(branches.positions, return_inverse=True)[1]
    if estimator == "recursion":
        return np.vstack([curve.probabilities, curve.end[None]])[place + 1]
    return np.asarray(frequencies(branches)[branches.is_base.nonzero()[0][place]])


def _entropy(values: np.ndarray) -> np.ndarray:
    positive = np.where(values > 0.0, values, 1.0)
    return np.asarray(-(values * np.log(positive)).sum(axis=-1))
