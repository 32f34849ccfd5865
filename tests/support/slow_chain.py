"""The attention chain written out step by step over full attention, slowly and by itself.

Shares no code with the engine: what is compared with it was derived from the same words a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# ids -> weights [layers, heads, T, T], logits [T, V], states [T, width] of one whole pass
Read = Callable[[Sequence[int]], tuple[np.ndarray, np.ndarray, np.ndarray]]
DAMPED = [
    0.16644488,
    0.20938152,
    0.32959151,
    0.46061748,
    0.59304059,
    0.67549127,
    0.73914525,
    0.81274293,
    0.87378443,
    0.93925344,
]


def slow_row(weights: np.ndarray, heads: int = 16, reduction: str = "max") -> np.ndarray:
    """weights: [heads of all layers, j + 1], those of row j."""
    j = weights.shape[1] - 1
    speaking = []
    for given in weights.astype(np.float64):
        w = [float(x) for x in given]
        w[j] = 0.0
        w[0] = 0.0
        for offset in range(1, 11):
            if j - offset >= 0:
                w[j - offset] *= DAMPED[offset - 1]
        total = sum(w) + 1e-12
        w = [x / total for x in w]
        speaking.append((-sum(x * np.log(x + 1e-12) for x in w), w))
    speaking.sort(key=lambda pair: pair[0])
    chosen = np.array([w for _, w in speaking[:heads]])
    result: np.ndarray = chosen.max(axis=0) if reduction == "max" else chosen.mean(axis=0)
    return result


def slow_backtrack(
    row: Callable[[int], np.ndarray], answer: Sequence[int], n0: int, is_stop: Callable[[int], bool],
    buffer: int = 3, threshold: float = 0.5, shortest: int = 5, depth: int = 5,
) -> dict[int, float]:  # fmt: skip
    """Absolute positions and their scores."""
    chain = dict.fromkeys(answer, 0.0)
    sources = {a - 1 for a in answer}
    done: set[int] = set()
    minimum = shortest + len(answer)
    for _ in range(1000):
        if not sources:
            break
        done = done | sources
        acc: dict[int, float] = {}
        for j in sorted(s for s in sources if s >= n0):
            r = row(j)
            keys = sorted(range(len(r)), key=lambda k: (-r[k], k))
            for i, k in enumerate(keys):
                if i >= depth and (any(v > 0 for v in acc.values()) or len(chain) >= minimum):
                    break
                if k == j or (k - 1) in done or k < n0 or is_stop(k):
                    continue
                acc[k] = acc.get(k, 0.0) + float(r[k])
        taken: list[int] = []
        for k in sorted((k for k in acc if acc[k] > 0), key=lambda k: -acc[k])[:buffer]:
            if acc[k] < threshold and len(chain) + len(taken) >= minimum:
                break
            taken.append(k)
        for k in taken:
            chain[k] = acc[k]
        sources = {k - 1 for k in taken}
    return chain


@dataclass
class SlowChain:
    """Response positions from 0."""

    chain: dict[int, float]
    similarity: dict[int, float]
    kept: list[int]
    variants: dict[tuple[int, int], tuple[float, float, float]]  # (position, id) -> p(id), P_ans, P_seq
    p_answer: float
    p_kept: float
    p_chain: float
    p_uqac: float


def chances(given: np.ndarray, q: int) -> np.ndarray:
    """Of what stands at q, predicted by the row before it. given: logits [T, V]."""
    row = given[q - 1].astype(np.float64)
    e = np.exp(row - row.max())
    return np.asarray(e / e.sum())


def times(given: np.ndarray, text: Sequence[int], where: Sequence[int]) -> float:
    """The product of the probabilities of what stands there."""
    result = 1.0
    for q in where:
        result *= max(float(chances(given, q)[text[q]]), 1e-12)
    return result


def slow_variants(
    read: Read, logits: np.ndarray, ids: Sequence[int], kept: Sequence[int], answer: Sequence[int]
) -> dict[tuple[int, int], tuple[float, float, float]]:
    """(absolute position, id) -> its probability, P_ans, P_seq, each from a whole pass over the changed text."""
    possible = []
    for k in kept:
        p = chances(logits, k)
        possible += [(float(p[i]), k, int(i)) for i in np.argsort(-p)[:5] if p[i] > 0.01]
    variants = {}
    for p_sub, k, i in sorted(possible, reverse=True)[: 10 + len(kept)]:
        if i == ids[k]:
            continue
        text = [*ids[:k], i, *ids[k + 1 :]]
        changed = read(text)[1]
        variants[k, i] = (p_sub, times(changed, text, answer), times(changed, text, kept))
    return variants


def slow_chain(
    read: Read,
    prompt: Sequence[int],
    reply: Sequence[int],
    span: tuple[int, int],
    is_stop: Callable[[int], bool],
    *,
    reduction: str = "max",
    heads: int = 16,
) -> SlowChain:
    """read(ids) -> weights [layers, heads, T, T], logits [T, V], states [T, width] of one whole pass; is_stop(id)."""
    ids, n0 = [*prompt, *reply], len(prompt)
    weights, logits, states = read(ids)
    flat = weights.reshape(-1, *weights.shape[2:])
    answer = [n0 + t for t in range(*span)]
    chain = slow_backtrack(
        lambda j: slow_row(flat[:, j, : j + 1], heads, reduction), answer, n0, lambda k: is_stop(ids[k])
    )

    def cosine(a: int, b: int) -> float:
        u, v = states[a].astype(np.float64), states[b].astype(np.float64)
        return float(u @ v / (np.sqrt(u @ u) * np.sqrt(v @ v)))

    similarity = {c: float(np.mean([cosine(a, c) for a in answer])) for c in chain if c not in answer}
    near = sorted((c for c in similarity if similarity[c] >= 0), key=lambda c: -similarity[c])[:10]
    kept = sorted(near)

    variants = slow_variants(read, logits, ids, kept, answer)
    own = (times(logits, ids, answer), times(logits, ids, kept))
    everything = own[0] * own[1] + sum(p_ans * p_seq for _, p_ans, p_seq in variants.values())
    return SlowChain(
        {k - n0: v for k, v in chain.items()},
        {k - n0: v for k, v in similarity.items()},
        [k - n0 for k in kept],
        {(k - n0, i): values for (k, i), values in variants.items()},
        own[0],
        own[0] * own[1],
        times(logits, ids, sorted(chain)),
        everything,
    )
