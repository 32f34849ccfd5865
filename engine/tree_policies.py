"""In which order a tree grows: one registry of policies, each a rule for which children are kept and which come first.

Pure functions over rows of log-probabilities and evaluated nodes. Does not know the queue that they drive.
Source of `fair`: Kool, van Hoof and Welling, "Stochastic Beams and Where to Find Them", ICML 2019 (arXiv 1903.06059).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine import noise, sampling
from engine.errors import BadInput
from engine.tree import Evaluation, Noise, Tree

PREFIX_HASH = "blake2b-128-le64-v1"


@dataclass(frozen=True)
class Place:
    """A node in the queue of one growth.

    key: its priority, largest first; phi: log p(node | start); steps: tokens below the start; heat: sum of the
    next-token entropies of the nodes above, from the start down, nats; own_key: its priority when it was first in the
    queue; width: children to keep of it; taken: how many of those are in the queue already (0: it is new there).
    """

    key: float
    node: int
    phi: float
    steps: int
    heat: float
    own_key: float
    width: int
    taken: int = 0


@dataclass(frozen=True)
class Kept:
    """The children of one node that a row of log-probabilities yields.

    entropy: nats; ids: the children kept, best first; logprobs, values: of each (values: the seed's Gumbel noise,
    empty without a seed); dropped: the best score beyond them, -inf where there is none.
    """

    entropy: float
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    values: tuple[float, ...]
    dropped: float


@dataclass(frozen=True)
class Policy:
    """name: as in the registry; short: one line of meaning; noisy: keeps children by log-probability + keyed noise
    instead of log-probability; child_keys(place, evaluation, phi, scores): priorities of n children and of the best
    one beyond the width (last), float64 [n + 1], where phi and scores (log-probability, plus noise if noisy) have the
    same length."""

    name: str
    short: str
    noisy: bool
    child_keys: Callable[[Place, Evaluation, np.ndarray, np.ndarray], np.ndarray]


def prefix_noise(seed: int, prefix: Sequence[int], vocabulary_size: int) -> np.ndarray:
    """Gumbel(0, 1) noise of the children of one prefix: float64 [V], the same on any machine and in any order.

    Keyed by the seed and a 128-bit hash of the prefix's ids, of which one half is the stream, the other the row.
    """
    return noise.gumbel_row(seed, *_hash(prefix, b"children"), vocabulary_size)


def root_noise(seed: int, prefix: Sequence[int]) -> float:
    """The Gumbel(0, 1) value at which a growth from this prefix starts."""
    return float(noise.gumbel_row(seed, *_hash(prefix, b"start"), 1)[0])


def conditioned(scores: np.ndarray, phi: float, target: float) -> np.ndarray:
    """Perturbed log-probabilities of children given that the largest is `target`, their parent's: float64 [n].

    scores: float64 [n], log-probability + Gumbel noise of each, the largest of the whole vocabulary among them; phi:
    the parent's own log-probability. With g = phi + score and Z = max g this is the paper's stable form
    v = G - g + log(1 - exp(g - Z)); G_c = G - max(0, v) - log1p(exp(-|v|)). The order among children is kept.
    """
    below = scores - scores.max()
    with np.errstate(divide="ignore"):
        away = np.where(below > -math.log(2.0), np.log(-np.expm1(below)), np.log1p(-np.exp(below)))
    v = target - (phi + scores) + away
    return target - np.maximum(0.0, v) - np.log1p(np.exp(-np.abs(v)))


def keep_children(row: np.ndarray, width: int, perturbation: np.ndarray | None) -> Kept:
    """The `width` best children of a row of log-probabilities, by log-probability or by that + perturbation.

    row: float [V], normalised up to rounding; it is normalised again in float64, because float32 rows sum to 1 only
    to about 1e-6 and the masses of a tree must add up. Tokens of probability 0 are never kept. Raises ValueError
    for a row that is no distribution.
    """
    logprobs = normalised(row)
    scores = logprobs if perturbation is None else logprobs + perturbation
    best = sampling.most_likely(scores, width + 1)
    best = best[scores[best] > -np.inf]
    kept = best[:width]
    return Kept(
        entropy=_entropy(logprobs, np.exp(logprobs)),
        ids=tuple(kept.tolist()),
        logprobs=tuple(logprobs[kept].tolist()),
        values=() if perturbation is None else tuple(perturbation[kept].tolist()),
        dropped=float(scores[best[width]]) if len(best) > width else -math.inf,
    )


def forced_child(row: np.ndarray, token_id: int) -> tuple[float, Evaluation]:
    """Log-probability of one given token after a row, float [V], and the row's evaluation."""
    logprobs = normalised(row)
    return float(logprobs[token_id]), Evaluation(_entropy(logprobs, np.exp(logprobs)))


def record(tree: Tree, index: int, kept: Kept, width: int, seed: int | None) -> None:
    """Add what was kept to the tree; seed: whose noise chose it, None when the most likely were chosen."""
    children = tuple(
        tree.add(index, token_id, logprob) for token_id, logprob in zip(kept.ids, kept.logprobs, strict=True)
    )
    if seed is None:
        evaluation = Evaluation(kept.entropy, width, kept.dropped)
    else:
        evaluation = Evaluation(kept.entropy, noise={seed: Noise(width, children, kept.values, kept.dropped)})
    tree.set_evaluation(index, evaluation)


def is_kept(evaluation: Evaluation | None, width: int, seed: int | None) -> bool:
    """Whether an evaluation already holds the `width` best children of this kind."""
    if evaluation is None:
        return False
    if seed is None:
        return evaluation.width >= width or (evaluation.width > 0 and evaluation.dropped == -math.inf)
    drawn = evaluation.noise.get(seed)
    return drawn is not None and (drawn.width >= width or drawn.dropped == -math.inf)


def normalised(row: np.ndarray) -> np.ndarray:
    """A row of logits or log-probabilities as log-probabilities that sum to 1 in float64 [V].

    Raises ValueError for a row that is no distribution.
    """
    values = np.asarray(row, dtype=np.float64)
    top = float(values.max())
    if not math.isfinite(top) or np.isnan(values).any():
        raise ValueError("a row of log-probabilities holds NaN, +inf or nothing but -inf")
    return values - (top + math.log(float(np.exp(values - top).sum())))


def policy_named(name: object) -> Policy:
    """The registry's entry; BadInput, listing the valid names, for anything else."""
    if not isinstance(name, str) or name not in POLICIES:
        raise BadInput(f"There is no policy {str(name)[:40]!r}: choose one of {', '.join(POLICIES)}.")
    return POLICIES[name]


def _hash(prefix: Sequence[int], purpose: bytes) -> tuple[int, int]:
    """Two numbers in [0, 2^64) from the ids as little-endian 64-bit integers."""
    ids = np.asarray(prefix, dtype="<i8").tobytes()
    digest = hashlib.blake2b(ids, digest_size=16, person=b"tree-" + purpose).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _entropy(logprobs: np.ndarray, probabilities: np.ndarray) -> float:
    # not np.dot: its BLAS threads keep spinning and slow down the forward pass that follows
    return max(0.0, float(-np.einsum("v,v->", probabilities, np.maximum(logprobs, -1e4))))


def _by_likelihood(place: Place, evaluation: Evaluation, phi: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return phi


def _by_information(place: Place, evaluation: Evaluation, phi: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """log of exp(phi) H; H of a node not evaluated yet is taken to be the mean of those above it.

    With the parent's H alone, one certain step would hide everything behind it.
    """
    heat = (place.heat + evaluation.entropy) / (place.steps + 1)
    return phi + (math.log(heat) if heat > 0.0 else -math.inf)


def _by_perturbation(place: Place, evaluation: Evaluation, phi: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return conditioned(scores, place.phi, place.own_key)


POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy("likely", "The most probable prefix first: answers come out from the most probable down.", False,
               _by_likelihood),
        Policy("fair", "Sampling without replacement: answers come out as if drawn, and none twice.", True,
               _by_perturbation),
        Policy("informative", "Where much probability meets much uncertainty: exp(phi) times H first.", False,
               _by_information),
    )
}  # fmt: skip
