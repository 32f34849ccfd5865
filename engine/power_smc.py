"""Power-SMC: particles that together stand for the power distribution p(answer)^alpha / Z, drawn token by token.

Does not know how trials are shown or stored.
Source: Azizi et al. 2026, "Power-SMC: Low-Latency Sequence-Level Power Sampling for Training-Free LLM Reasoning" (arXiv
2602.10273): proposal at temperature 1/alpha, weights corrected at every token, systematic resampling where the
effective sample size falls below a share of the particles, and an exponent that may rise over the first tokens.
Unlike sampling at temperature 1/alpha this looks ahead: a token is good when what can follow it is probable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from engine import noise, sampling
from engine.forward import ForwardBatch
from engine.trials import (
    FIRST_STREAM,
    Event,
    Outcome,
    Path,
    Position,
    Resampled,
    Stopped,
    TokenDrawn,
    Trial,
    TrialBegun,
    TrialEnded,
    extend,
    given,
    new_path,
    opened,
)
from engine.types import GenerationRequest, Step

if TYPE_CHECKING:
    from engine.models import LanguageModel


@dataclass(frozen=True)
class Power:
    """particles: how many, N; alpha: the exponent aimed at; ramp: tokens over which the exponent rises from 1 to it
    (0: it has it from the first); threshold: resample below an effective size of threshold x N."""

    particles: int
    alpha: float
    ramp: int
    threshold: float

    def exponent(self, drawn: int) -> float:
        """alpha_t once `drawn` >= 1 tokens have been drawn."""
        return 1.0 + (self.alpha - 1.0) * (min(1.0, drawn / self.ramp) if self.ramp else 1.0)


@dataclass
class _Particle:
    """One particle: the trial that it is drawing, the steps of those it goes on from, log w and log p of all tokens."""

    path: Path
    before: list[Step] = field(default_factory=list)
    log_weight: float = 0.0
    total: float = 0.0

    @property
    def steps(self) -> list[Step]:
        return self.before + self.path.steps


def power_smc(
    model: LanguageModel, request: GenerationRequest, power: Power, *, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    """N particles for p^alpha over whole answers (ended, or cut at the budget), and one answer drawn from them.

    Temperature, top-k and top-p of the request give way to temperature 1/alpha. Particle i draws with stream
    FIRST_STREAM + i; stream FIRST_STREAM + N decides resampling (row: token index) and the answer (row: the budget).
    A trial is what one particle drew between two resamplings; `parent` makes them a tree. The Outcome's weights are
    such that (1/N) sum exp(w) over the particles with answer y is an unbiased estimate of p(y)^alpha.
    """
    request = replace(request, temperature=1.0 / power.alpha, top_k=None, top_p=None)
    at = opened(model, request, earlier, stopped)
    trials: list[Trial] = []
    swarm: list[_Particle] = []
    chosen = None
    if at is not None:
        swarm += [_Particle(new_path(model, at, i, FIRST_STREAM + i)) for i in range(power.particles)]
        yield from (TrialBegun(one.path.number, one.path.stream, one.path.start) for one in swarm)
        yield from _advance(model, request, power, at, swarm, trials, stopped)
        chosen = _choose(swarm, request, at.budget)
        for path in _distinct(swarm):
            trials.append(path.trial())
            yield TrialEnded(trials[-1], path is chosen.path)
    steps = [given(step) for step in chosen.steps] if chosen else []
    yield from (TokenDrawn(None, step) for step in steps)
    log_weights = np.array([one.log_weight for one in swarm])
    yield Outcome(
        tuple(steps),
        request,
        tuple(trials),
        len(earlier),
        tuple((one.path.number, one.log_weight) for one in swarm),
        log_mean(log_weights) if swarm else None,
        stopped=not swarm or not all(one.path.closed for one in swarm),
    )


def systematic(weights: np.ndarray, u: float) -> np.ndarray:
    """Parents by systematic resampling: int64 [N], rising; particle i is chosen floor or ceil of N w_i times.

    weights: float64 [N], sum 1; u in (0, 1), the one uniform number that decides all.
    """
    count = weights.size
    edges = np.cumsum(weights)
    edges /= edges[-1]
    return np.minimum(np.searchsorted(edges, (np.arange(count) + u) / count, side="right"), count - 1)


def effective_size(weights: np.ndarray) -> float:
    """1 / sum of squares of normalised weights, in [1, N]."""
    return 1.0 / float(np.square(weights).sum())


def log_mean(log_weights: np.ndarray) -> float:
    """log of the mean of exp: float64 [N] to a float."""
    top = float(log_weights.max())
    return top + math.log(float(np.exp(log_weights - top).mean()))


def _advance(
    model: LanguageModel,
    request: GenerationRequest,
    power: Power,
    at: Position,
    swarm: list[_Particle],
    trials: list[Trial],
    stopped: Stopped,
) -> Iterator[Event]:
    """Draw all particles to their ends, in place; trials that are over are added to `trials`."""
    batch = ForwardBatch(at.context, len(swarm))
    after = np.repeat(at.logits, len(swarm), axis=0)
    going = list(range(len(swarm)))
    reached = power.exponent(1)
    for index in range(at.first, at.budget):
        exponent = power.exponent(index - at.first + 1)
        for one in swarm:
            one.log_weight += (exponent - reached) * one.total
        reached = exponent
        for place, i in enumerate(going):
            yield _draw(model, request, swarm[i], after[place], index, at.budget, exponent)
        places = {i: place for place, i in enumerate(going)}
        sources = list(range(len(swarm)))
        if stopped() or all(one.path.closed for one in swarm):
            break
        weights = _weights(swarm)
        if effective_size(weights) < power.threshold * len(swarm) - 1e-9:
            parents = systematic(weights, _uniform(request.seed, FIRST_STREAM + len(swarm), index))
            sources = parents.tolist()
            yield from _resample(model, at, swarm, sources, weights, index, trials)
        going = [i for i, one in enumerate(swarm) if not one.path.closed]
        if not going:
            break
        rows = [places[sources[i]] for i in going]
        if rows != list(range(len(places))):
            batch.keep(rows)
        after = batch.feed([swarm[i].steps[-1].token_id for i in going])
        if stopped():
            break
    for one in swarm:
        # answers that all end within the ramp still have to reach the exponent aimed at
        one.log_weight += (power.alpha - reached) * one.total


def _draw(
    model: LanguageModel,
    request: GenerationRequest,
    one: _Particle,
    logits: np.ndarray,
    index: int,
    budget: int,
    exponent: float,
) -> TokenDrawn:
    """Draw a particle's next token from q, p at temperature 1/alpha, and weigh it: + alpha_t log p - log q."""
    support = sampling.truncate(logits, request.temperature)
    event = extend(model, request, one.path, logits, index, budget, support)
    logprob = one.path.logprobs[-1]
    logq = float(support.log_weights[event.step.token_id]) - support.log_normalizer
    one.log_weight += exponent * logprob - logq
    one.total += logprob
    return event


def _resample(
    model: LanguageModel,
    at: Position,
    swarm: list[_Particle],
    parents: Sequence[int],
    weights: np.ndarray,
    index: int,
    trials: list[Trial],
) -> Iterator[Event]:
    """Replace each particle by a copy of its parent, all of the mean weight. A finished trial is shared, not copied."""
    level = log_mean(np.array([one.log_weight for one in swarm]))
    old = list(swarm)
    alive = {id(old[i].path) for i in parents}
    for path in _distinct(old):
        if id(path) not in alive or not path.closed:
            trials.append(path.trial())
            yield TrialEnded(trials[-1], id(path) in alive)
    yield Resampled(index, tuple(parents), tuple(weights.tolist()), effective_size(weights))
    number = 1 + max(one.path.number for one in old)
    for i, source in enumerate(parents):
        parent = old[source]
        if parent.path.closed:
            swarm[i] = _Particle(parent.path, parent.before, level, parent.total)
            continue
        ids = [*at.ids, *(step.token_id for step in parent.steps)]
        here = replace(at, ids=ids, text=parent.path.text)
        path = new_path(model, here, number, FIRST_STREAM + i, parent=parent.path.number)
        swarm[i] = _Particle(path, parent.steps, level, parent.total)
        number += 1
        yield TrialBegun(path.number, path.stream, path.start, path.parent)


def _choose(swarm: Sequence[_Particle], request: GenerationRequest, budget: int) -> _Particle:
    """One particle drawn by weight; the heaviest when they were stopped on the way."""
    log_weights = np.array([one.log_weight for one in swarm])
    if all(one.path.closed for one in swarm):
        log_weights += noise.gumbel_row(request.seed, FIRST_STREAM + len(swarm), budget, len(swarm))
    return swarm[int(np.argmax(log_weights))]


def _weights(swarm: Sequence[_Particle]) -> np.ndarray:
    """Normalised weights: float64 [N]."""
    log_weights = np.array([one.log_weight for one in swarm])
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _uniform(seed: int, stream: int, row: int) -> float:
    """A number in (0, 1), the first of a noise row: E = -log u."""
    return math.exp(-math.exp(float(noise.log_exponential_row(seed, stream, row, 1)[0])))


def _distinct(swarm: Sequence[_Particle]) -> list[Path]:
    """Trials being drawn or finished, each once, in the order of their numbers."""
    return sorted({id(one.path): one.path for one in swarm}.values(), key=lambda path: path.number)
