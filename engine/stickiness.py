"""How likely two rows that share their noise are to draw the same token, in closed form and along two texts.

Source: the Gumbel-Max coupling of arXiv 2409.17027. Does not know how the texts were made or what is shown of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from engine import sampling
from engine.along import LogitsAlong
from engine.edits import FORCED
from engine.out_of_memory import spared
from engine.types import GenerationRequest, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel


@spared
def stickiness_along(
    model: LanguageModel, factual: Trace, other: Trace, fork: int, stopped: Callable[[], bool]
) -> Iterator[float]:
    """Stickiness of each noise row that both runs drew a token with, behind the first `fork` tokens of `other`.

    Both must be runs of this model with settings. Each text is read once. Ends early when stopped.
    """
    own, theirs = factual.settings, other.settings
    if own is None or theirs is None:
        return
    at = {int(row): i for i, row in enumerate(factual.noise_rows) if row != FORCED}
    pairs = [(at[int(row)], i) for i, row in enumerate(other.noise_rows) if i >= fork and int(row) in at]
    if not pairs:
        return
    first, second = (
        LogitsAlong(model, trace.prompt_ids.tolist(), trace.token_ids.tolist(), first=start)
        for trace, start in zip((factual, other), pairs[0], strict=True)
    )
    for i, j in pairs:
        if stopped():
            return
        yield stickiness(sampled_from(first.before(i), own), sampled_from(second.before(j), theirs))


def sampled_from(logits: np.ndarray, settings: GenerationRequest) -> np.ndarray:
    """The probabilities that a row is drawn with after temperature and truncation: float64 [V]."""
    support = sampling.truncate(logits, settings.temperature, settings.top_k, settings.top_p)
    weights = np.exp(support.log_weights - support.log_weights.max())
    shares = weights / weights.sum()
    if support.ids is None:
        return shares
    whole = np.zeros(len(logits))
    whole[support.ids] = shares
    return whole


def stickiness(p: np.ndarray, q: np.ndarray) -> float:
    """Probability that two rows which share their noise draw the same token; 1 for equal rows.

    p, q: probabilities [V]. sum_i 1 / sum_v max(p_v / p_i, q_v / q_i), in V log V time: in the order of p_v / q_v, one
    of the two is the larger on either side of i.
    """
    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    both = (p > 0) & (q > 0)
    only_p, only_q = float(p[~both].sum()), float(q[~both].sum())
    p, q = p[both], q[both]
    if p.size == 0:
        return 0.0
    order = np.argsort(p / q)
    p, q = p[order], q[order]
    # tokens that the other row never draws lie at the two ends of the order
    p_above = np.cumsum(p[::-1])[::-1] + only_p
    q_below = np.cumsum(q) - q + only_q
    return float((1.0 / (p_above / p + q_below / q)).sum())
