"""What a sample without replacement says about all answers: unbiased sums, self-normalised means, standard errors.

Works on what the policy `fair` brought out; does not know models. Each leaf counts with p / q, q being its
probability of having come out above the threshold kappa. Source: Kool et al., ICML 2019 (arXiv 1903.06059),
section 4.2; the variance is that of threshold sampling, Duffield et al., JACM 2007, whose leaves are uncorrelated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.tree import ROOT, Tree
from engine.tree_queue import Growth, replay


@dataclass(frozen=True)
class Sample:
    """Leaves in the order of a draw without replacement, as far as the tree has been grown.

    leaves: int64 [n], node numbers; phi: float64 [n], log p(leaf | start); perturbed: float64 [n], G, falling;
    finished: bool [n], False for prefixes at the depth limit; kappa: the largest G of all that did not come out, -inf
    when everything did. Leaves below a child that the width left out (G < kappa) are not in it.
    """

    leaves: np.ndarray
    phi: np.ndarray
    perturbed: np.ndarray
    finished: np.ndarray
    kappa: float

    def __len__(self) -> int:
        return len(self.leaves)


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error (both nan where nothing is known), from `count` leaves."""

    value: float
    standard_error: float
    count: int


def draw(tree: Tree, *, seed: int, width: int, depth: int, start: int = ROOT, widen: bool = False) -> Sample:
    """The sample that `fair` growths with these settings have brought out so far. Raises BadInput.

    Stopping a growth at any number of leaves or of evaluations keeps the estimates unbiased: whether a leaf is in
    the sample depends, given all others, on nothing but whether its own G lies above kappa.
    """
    outcome = replay(tree, Growth("fair", width, depth, seed, start, widen))
    kappa = max(outcome.head, outcome.dropped)
    above = [leaf for leaf in outcome.leaves if leaf.key > kappa]
    return Sample(
        leaves=np.array([leaf.node for leaf in above], dtype=np.int64),
        phi=np.array([leaf.phi for leaf in above], dtype=np.float64),
        perturbed=np.array([leaf.key for leaf in above], dtype=np.float64),
        finished=np.array([leaf.finished for leaf in above], dtype=bool),
        kappa=kappa,
    )


def log_inclusion(phi: np.ndarray, kappa: float) -> np.ndarray:
    """log q = log P(G > kappa) for G ~ Gumbel(phi): log(1 - exp(-exp(phi - kappa))), float64 [n], without cancellation.

    For phi far below kappa q is exp(phi - kappa) to the last bit, and the weight exp(kappa).
    """
    if kappa == -math.inf:
        return np.zeros(len(phi))
    away = np.asarray(phi, dtype=np.float64) - kappa
    with np.errstate(over="ignore", divide="ignore"):
        return np.where(away < -37.0, away, np.log(-np.expm1(-np.exp(away))))


def weights(sample: Sample) -> np.ndarray:
    """w = p / q of each leaf, float64 [n]; their sum has the expectation 1."""
    return np.exp(sample.phi - log_inclusion(sample.phi, sample.kappa))


def unbiased_sum(sample: Sample, values: Sequence[float] | np.ndarray) -> Estimate:
    """Estimate of the sum of p(y) f(y) over all leaves y, from f of the n leaves of the sample.

    Its expectation is the sum itself; an empty sample counts as 0. standard_error: root of sum w^2 f^2 (1 - q), an
    unbiased estimate of the variance from two leaves on, 0 once every leaf is out.
    """
    f = _checked(sample, values)
    if len(sample) == 0:
        return Estimate(0.0, math.nan, 0)
    terms = weights(sample) * f
    return Estimate(float(terms.sum()), _deviation(sample, terms), len(sample))


def mean(sample: Sample, values: Sequence[float] | np.ndarray) -> Estimate:
    """Self-normalised estimate sum w f / sum w: slightly biased, often far steadier, and within the range of f.

    standard_error by linearisation: root of sum w^2 (f - mean)^2 (1 - q), over sum w. nan for an empty sample.
    """
    f = _checked(sample, values)
    if len(sample) == 0:
        return Estimate(math.nan, math.nan, 0)
    # weights relative to the largest: all of them may underflow together
    logs = sample.phi - log_inclusion(sample.phi, sample.kappa)
    w = np.exp(logs - logs.max())
    value = float((w * f).sum() / w.sum())
    return Estimate(value, _deviation(sample, w * (f - value)) / float(w.sum()), len(sample))


def _deviation(sample: Sample, terms: np.ndarray) -> float:
    """Root of the sum of terms^2 (1 - q)."""
    missing = -np.expm1(log_inclusion(sample.phi, sample.kappa))
    return math.sqrt(float((terms**2 * missing).sum()))


def _checked(sample: Sample, values: Sequence[float] | np.ndarray) -> np.ndarray:
    f = np.asarray(values, dtype=np.float64)
    if f.shape != (len(sample),):
        raise ValueError(f"values has shape {f.shape}, the sample has {len(sample)} leaves")
    return f
