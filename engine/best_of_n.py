"""Best of N: draw N whole answers and keep the one whose tokens were on average the most probable.

Does not know how trials are shown or stored.
Sources: mean log-probability as in Adiwardana et al. 2020, "Towards a Human-like Open-Domain Chatbot" (arXiv
2001.09977, sample-and-rank); stopping early where the mean entropy of the 20 best alternatives is low as in Sharma and
Chopra 2025, "Think Just Enough" (arXiv 2510.08146).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import BadInput
from engine.trials import (
    FIRST_STREAM,
    Event,
    Outcome,
    Path,
    Position,
    Stopped,
    TokenDrawn,
    TrialBegun,
    TrialEnded,
    new_path,
    opened,
    roll_out,
)
from engine.types import GenerationRequest, Step

if TYPE_CHECKING:
    from engine.models import LanguageModel


def best_of_n(
    model: LanguageModel,
    request: GenerationRequest,
    *,
    trials: int,
    stop_entropy: float | None,
    earlier: Sequence[int],
    stopped: Stopped,
) -> Iterator[Event]:
    """Draw `trials` answers, number i with stream FIRST_STREAM + i, and keep that of highest mean log p.

    stop_entropy: draw the first alone, and no other when its mean entropy in bits (see `top_entropy`) is at most this.
    The answer is a run of its own: with the stream it had, plain sampling gives it again. Raises BadInput at
    temperature 0, where all answers are one.
    """
    if request.temperature == 0.0:
        raise BadInput(
            f"At temperature 0 all {trials} answers would be the same: choose one above 0, or greedy decoding."
        )
    at = opened(model, request, earlier, stopped)
    paths: list[Path] = []
    if at is not None:
        groups = [range(trials)] if stop_entropy is None else [range(1), range(1, trials)]
        for group in groups:
            yield from _draw(model, request, at, group, paths, stopped, last=group is groups[-1])
            sure = stop_entropy is not None and paths[0].closed and top_entropy(paths[0].steps) <= stop_entropy
            if sure or stopped():
                break
    tried = tuple(one.trial() for one in paths)
    best = max(range(len(tried)), key=lambda i: (paths[i].closed, tried[i].mean_logprob, -i), default=0)
    for place, trial in enumerate(tried):
        yield TrialEnded(trial, place == best)
    steps: tuple[Step, ...] = ()
    if paths:
        steps, request = tuple(paths[best].steps), replace(request, stream=paths[best].stream)
    for step in steps:
        yield TokenDrawn(None, step)
    ended = bool(steps) and all(one.closed for one in paths)
    yield Outcome(steps, request, tried, len(earlier), stopped=not ended)


def top_entropy(steps: Sequence[Step]) -> float:
    """Mean over tokens of the entropy, in bits, of the 20 best alternatives renormalised to 1; inf without tokens."""
    entropies = []
    for step in steps:
        weights = np.exp(step.alternatives.logprobs.astype(np.float64) - float(step.alternatives.logprobs[0]))
        p = weights / weights.sum()
        entropies.append(-float((p * np.log2(np.where(p > 0.0, p, 1.0))).sum()))
    return math.fsum(entropies) / len(entropies) if entropies else math.inf


def _draw(
    model: LanguageModel,
    request: GenerationRequest,
    at: Position,
    numbers: range,
    paths: list[Path],
    stopped: Stopped,
    *,
    last: bool,
) -> Iterator[Event]:
    """Draw the answers of these numbers side by side, and add them to `paths`; last: no others follow."""
    added = [new_path(model, at, number, FIRST_STREAM + number) for number in numbers]
    paths += added
    for one in added:
        yield TrialBegun(one.number, one.stream, one.start)
    yield from roll_out(model, request, at, at.context if last else at.context.fork(), added, at.budget, stopped)
