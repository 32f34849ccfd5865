"""From logits to the next token: temperature, top-k, top-p, then the Gumbel-Max race.

Small pure functions over one row [V]. Does not know models or scores. The order of the processors is the
one transformers uses. Ties go to the lowest id everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

HEAD_REACH = 12.0  # nats below the most likely token within which the head of a ranking is looked for first


@dataclass(frozen=True)
class Support:
    """What is left of a row after temperature, top-k and top-p.

    ids: int64 [m], the tokens that may be drawn, most likely first, or None when all of the vocabulary may;
    size: m; log_weights: float64 [m] (or [V]), unnormalised log-probabilities after temperature.
    rival: where only the most likely token is left because it is the most likely one (temperature 0, top-k 1), the
    next one's id and how far it lies behind, in nats of the logits.
    """

    ids: np.ndarray | None
    size: int
    log_weights: np.ndarray
    rival: tuple[int, float] | None = None

    @cached_property
    def log_normalizer(self) -> float:
        """log sum exp of log_weights over the support, so that log q = log_weights - log_normalizer."""
        return _log_sum_exp(self.log_weights)


@dataclass(frozen=True)
class Draw:
    """The race's winner and how close it was.

    margin: best minus second-best log-weight + Gumbel; without noise (temperature 0, top-k 1) the lead of the most
    likely token over the next; inf, and runner_up -1, where truncation left one token for another reason.
    luck: the winner's own Gumbel noise.
    """

    token_id: int
    margin: float
    runner_up: int
    luck: float


def truncate(logits: np.ndarray, temperature: float, top_k: int | None = None, top_p: float | None = None) -> Support:
    """Apply temperature, then top-k, then top-p, to one row of logits; the race then runs in float64.

    logits: float [V], normalised or not. temperature >= 0; 0 leaves the most likely token only.
    top_p keeps the smallest set of most likely tokens whose mass reaches top_p (at least one token).
    """
    if temperature == 0.0:
        best, behind = _two_best(logits)
        return Support(np.array([best]), 1, np.zeros(1), behind)
    scaled = np.asarray(logits, dtype=np.float64)
    if temperature != 1.0:
        scaled = scaled / temperature
    truncated_by_k = top_k is not None and top_k < scaled.size
    truncated_by_p = top_p is not None and top_p < 1.0
    if not truncated_by_k and not truncated_by_p:
        return Support(None, scaled.size, scaled)
    ids = most_likely(scaled, top_k) if truncated_by_k and top_k is not None else None
    if truncated_by_p and top_p is not None:
        ids = _nucleus(scaled, ids, top_p)
    assert ids is not None
    return Support(ids, len(ids), scaled[ids], _two_best(logits)[1] if top_k == 1 else None)


def race(support: Support, log_exponential: np.ndarray) -> Draw:
    """Draw by argmax(a + U) = argmin(log E - a), with U = -log E.

    log_exponential: float64 [V], from `noise.log_exponential_row`.
    """
    noise = log_exponential if support.ids is None else log_exponential[support.ids]
    finish = noise - support.log_weights
    # the support is listed by likelihood; among equal finishes the lowest token id must win
    winner = _argmin_lowest_id(finish, support.ids)
    luck = -float(noise[winner])
    token = winner if support.ids is None else int(support.ids[winner])
    if support.size == 1:
        runner_up, margin = support.rival or (-1, math.inf)
        return Draw(token, margin, runner_up, luck)
    best = float(finish[winner])
    finish[winner] = np.inf
    second = _argmin_lowest_id(finish, support.ids)
    runner_up = second if support.ids is None else int(support.ids[second])
    return Draw(token, float(finish[second]) - best, runner_up, luck)


def _two_best(logits: np.ndarray) -> tuple[int, tuple[int, float] | None]:
    """The most likely token, and the next one with the distance to it; None where nothing else is possible."""
    best, *others = most_likely(np.asarray(logits), 2).tolist()
    gap = float(logits[best]) - float(logits[others[0]]) if others else math.inf
    return best, (others[0], gap) if math.isfinite(gap) else None


def processed_entropy(support: Support) -> float:
    """Entropy in nats of the distribution that is sampled from, in [0, ln size]."""
    if support.size == 1:
        return 0.0
    logq = support.log_weights - support.log_normalizer
    # not np.dot: its BLAS threads keep spinning and halve the speed of the forward pass that follows
    return float(max(0.0, -np.einsum("v,v->", np.exp(logq), np.maximum(logq, -1e4))))


def most_likely(values: np.ndarray, k: int) -> np.ndarray:
    """Ids of the k largest values, largest first, ties by lowest id: int64 [min(k, V)]."""
    k = min(k, values.size)
    candidates = np.arange(values.size)
    if k < values.size:
        # a compare is far cheaper than a partition of the whole row, and the head is nearly always within reach
        near = np.flatnonzero(values >= values.max() - HEAD_REACH)
        if k <= near.size:
            candidates = near
        reached = values[candidates]
        threshold = np.partition(reached, reached.size - k)[reached.size - k]
        above = candidates[reached > threshold]
        candidates = np.concatenate([above, candidates[reached == threshold][: k - above.size]])
    return candidates[np.lexsort((candidates, -values[candidates]))]


def _nucleus(scaled: np.ndarray, ids: np.ndarray | None, top_p: float) -> np.ndarray:
    """The head of the ranking whose mass, among `ids` (or all), first reaches top_p."""
    total = _log_sum_exp(scaled if ids is None else scaled[ids])
    head = min(256, scaled.size)
    while ids is None:
        # most rows need a few tokens only: sort a head, widen it until it carries the mass
        candidates = most_likely(scaled, head)
        if head == scaled.size or np.exp(scaled[candidates] - total).sum() >= top_p + 1e-9:
            ids = candidates
        head = min(head * 8, scaled.size)
    mass = np.cumsum(np.exp(scaled[ids] - total))
    # equal shares must not need one token more because their sum falls short of top_p in the last digit
    keep = int(np.searchsorted(mass, top_p - 1e-12, side="left")) + 1
    return ids[: min(keep, len(ids))]


def _log_sum_exp(values: np.ndarray) -> float:
    top = float(values.max())
    return top + math.log(float(np.exp(values - top).sum()))


def _argmin_lowest_id(finish: np.ndarray, ids: np.ndarray | None) -> int:
    first = int(np.argmin(finish))
    if ids is None:
        return first
    ties = np.flatnonzero(finish == finish[first])
    return first if ties.size == 1 else int(ties[np.argmin(ids[ties])])
