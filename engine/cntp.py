"""Cautious next-token prediction: where the model is unsure, try several continuations and keep the least perplexing.

Does not know how trials are shown or stored.
Source: Wang et al., "Cautious Next Token Prediction", Findings of ACL 2025 (arXiv 2507.03038). There the number of
trials grows linearly with the entropy of the distribution that is sampled from, between two thresholds (0.01 and 1.5
nats in the authors' experiments), and trials end at punctuation. Perplexity here is that of the model's own
distribution (temperature 1, full vocabulary) over the trial's tokens.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine import sampling
from engine.trials import (
    FIRST_STREAM,
    OWN,
    Event,
    Outcome,
    Path,
    Position,
    Stopped,
    TokenDrawn,
    Trial,
    TrialBegun,
    TrialEnded,
    extend,
    given,
    new_path,
    opened,
    roll_out,
)
from engine.types import GenerationRequest, Step

if TYPE_CHECKING:
    from engine.models import LanguageModel

ENDS = frozenset(".,\n?!:;)]}")


@dataclass(frozen=True)
class Caution:
    """How careful to be. most: trials at and above entropy `high`, nats; from `low` down there is one.

    cap: tokens of the longest trial.
    """

    most: int
    low: float
    high: float
    cap: int


def trial_count(entropy: float, caution: Caution) -> int:
    """N_t = 1 + floor((most - 1) clip((H - low) / (high - low), 0, 1)), in [1, most].

    entropy: H in nats, of the distribution that is sampled from.
    """
    share = (entropy - caution.low) / (caution.high - caution.low)
    return 1 + math.floor((caution.most - 1) * min(1.0, max(0.0, share)))


def ends_trial(piece: str) -> bool:
    """Whether a token's text holds one of the characters . , newline ? ! : ; ) ] }"""
    return not ENDS.isdisjoint(piece)


def least_perplexing(trials: Sequence[Trial]) -> int:
    """Position of the trial of lowest perplexity; the first of equals."""
    return max(range(len(trials)), key=lambda i: (trials[i].mean_logprob, -i))


def cntp(
    model: LanguageModel, request: GenerationRequest, caution: Caution, *, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    """One answer, drawn token by token where the model is sure and from the best of N_t trials where it is not.

    A token for which N_t = 1 races with the run's own noise. Trial number i, counted over the whole answer, has stream
    FIRST_STREAM + i: noise that decided between trials is never drawn from again, which would bias what follows.
    """
    at = opened(model, request, earlier, stopped)
    steps: list[Step] = []
    trials: list[Trial] = []
    answer = new_path(model, at, OWN, request.stream) if at is not None else None
    while at is not None and answer is not None:
        row = at.logits[0]
        support = sampling.truncate(row, request.temperature, request.top_k, request.top_p)
        count = trial_count(sampling.processed_entropy(support), caution)
        if count == 1:
            added = [extend(model, request, answer, row, len(at.ids), at.budget, support).step]
        else:
            best = yield from _attempt(model, request, caution, at, range(len(trials), len(trials) + count), stopped)
            trials += best.trials
            if best.path is None:
                break
            added = [given(step) for step in best.path.steps]
            answer = replace(best.path, number=OWN, stream=request.stream)
        for step in added:
            steps.append(step)
            yield TokenDrawn(None, step)
        if answer.finish_reason or stopped():
            break
        at.ids += [step.token_id for step in added]
        at.text = answer.text
        at.logits = at.context.feed([step.token_id for step in added])
        if stopped():
            break
    ended = bool(steps) and steps[-1].finish_reason is not None
    yield Outcome(tuple(steps), request, tuple(trials), len(earlier), stopped=not ended)


@dataclass(frozen=True)
class _Best:
    """All trials from one position, and the path of the one that is kept; None when there was no time to choose."""

    path: Path | None
    trials: tuple[Trial, ...]


def _attempt(
    model: LanguageModel,
    request: GenerationRequest,
    caution: Caution,
    at: Position,
    numbers: range,
    stopped: Stopped,
) -> Generator[Event, None, _Best]:
    """Draw the trials of these numbers side by side, and choose."""
    paths = [new_path(model, at, number, FIRST_STREAM + number) for number in numbers]
    for one in paths:
        yield TrialBegun(one.number, one.stream, one.start)
    yield from roll_out(model, request, at, at.context.fork(), paths, caution.cap, stopped, ends_trial)
    tried = tuple(one.trial() for one in paths)
    best = least_perplexing(tried) if all(one.closed for one in paths) else -1
    for place, trial in enumerate(tried):
        yield TrialEnded(trial, place == best)
    return _Best(paths[best] if best >= 0 else None, tried)
