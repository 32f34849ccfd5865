"""Locally typical sampling: only tokens about as surprising as the model expects the next one to be may be drawn.

A mask over one row, then the same race with the run's own noise. Does not know trials.
Source: Meister, Pimentel, Wiher and Cotterell, "Locally Typical Sampling", TACL 2023 (arXiv 2202.00666).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine import sampling
from engine.sampling import Support
from engine.trials import OWN, Event, Outcome, Stopped, TokenDrawn, extend, given, new_path, opened
from engine.types import GenerationRequest, Step

if TYPE_CHECKING:
    from engine.models import LanguageModel


def typical(support: Support, mass: float) -> Support:
    """The locally typical set: the fewest tokens of least |-log q - H(q)| whose mass under q reaches `mass`.

    q: the distribution over the support given, H its entropy. mass in (0, 1]; 1 keeps everything. Ties by lowest id.
    The tokens come out most likely first, though they need not be the most likely ones: a row whose best token is too
    probable to be typical loses it.
    """
    if mass >= 1.0 or support.size == 1:
        return support
    ids = np.arange(support.size) if support.ids is None else support.ids
    logq = support.log_weights - support.log_normalizer
    distance = np.abs(-logq - sampling.processed_entropy(support))
    order = np.lexsort((ids, distance))
    reached = np.cumsum(np.exp(logq[order]))
    # equal shares must not need one token more because their sum falls short in the last digit
    kept = order[: int(np.searchsorted(reached, mass - 1e-12, side="left")) + 1]
    kept = kept[np.lexsort((ids[kept], -support.log_weights[kept]))]
    return Support(ids[kept], len(kept), support.log_weights[kept])


def locally_typical(
    model: LanguageModel, request: GenerationRequest, *, mass: float, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    """One answer drawn from locally typical sets, after temperature, top-k and top-p, with the run's own noise.

    Sharing the run's noise makes it the answer that plain sampling would have given under another truncation.
    """
    at = opened(model, request, earlier, stopped)
    steps: list[Step] = []
    if at is not None:
        one = new_path(model, at, OWN, request.stream)
        for index in range(at.first, at.budget):
            row = at.logits[0]
            support = typical(sampling.truncate(row, request.temperature, request.top_k, request.top_p), mass)
            step = extend(model, request, one, row, index, at.budget, support).step
            steps.append(step)
            yield TokenDrawn(None, step)
            if one.closed or stopped():
                break
            at.logits = at.context.feed([step.token_id])
            if stopped():
                break
    ended = bool(steps) and steps[-1].finish_reason is not None
    recorded = steps if mass >= 1.0 else [given(step) for step in steps]
    yield Outcome(tuple(recorded), request, first=len(earlier), stopped=not ended)
