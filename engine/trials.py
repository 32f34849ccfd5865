"""What decoding strategies share: a context that can fork, trials drawn with noise of their own, and their events.

A trial is a stretch of text tried out from some position; trial noise is keyed by the seed, a stream of the trial's own
and the token's index, so that every trial can be drawn again alone. Does not know which trial a strategy keeps, or why.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from engine import limits, noise, sampling
from engine.errors import BadInput
from engine.forward import ForwardBatch, ForwardPass
from engine.generate import finish_of, race_step
from engine.out_of_memory import memory_guard
from engine.sampling import Support
from engine.tokens import PieceDecoder
from engine.types import FinishReason, GenerationRequest, Step

if TYPE_CHECKING:
    from engine.models import LanguageModel

FIRST_STREAM = 10**7
OWN = -1  # number of the path that is the answer itself

Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Trial:
    """A stretch of n tokens tried out.

    number: its place in the order of beginning; stream: whose noise drew it; start: index in the answer of its first
    token; parent: number of the trial that it goes on from, None when it goes on from the answer itself.
    logprobs: log p(token | all before it), nats, of the model's own distribution; entropies: of that distribution,
    nats; finish_reason: why the answer ends with it, None where it would go on.
    """

    number: int
    stream: int
    start: int
    parent: int | None
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    entropies: tuple[float, ...]
    text: str
    finish_reason: FinishReason | None

    @property
    def mean_logprob(self) -> float:
        """Mean log p of its tokens, nats; -inf for a trial without tokens."""
        return math.fsum(self.logprobs) / len(self.logprobs) if self.logprobs else -math.inf

    @property
    def perplexity(self) -> float:
        """exp of minus the mean log p, at least 1."""
        return math.exp(min(700.0, -self.mean_logprob))


@dataclass(frozen=True)
class TrialBegun:
    """A trial is about to draw its first token; see `Trial`."""

    number: int
    stream: int
    start: int
    parent: int | None = None


@dataclass(frozen=True)
class TokenDrawn:
    """A token of trial number `trial`, or (None) the next token of the answer itself."""

    trial: int | None
    step: Step


@dataclass(frozen=True)
class TrialEnded:
    """What became of a trial: kept (the answer or other trials go on from it) or dropped."""

    trial: Trial
    kept: bool


@dataclass(frozen=True)
class Resampled:
    """Particles were drawn anew behind token `index`: particle i goes on as a copy of particle parents[i].

    weights: normalised, before; effective_size: 1 / sum of their squares, in [1, N].
    """

    index: int
    parents: tuple[int, ...]
    weights: tuple[float, ...]
    effective_size: float


@dataclass(frozen=True)
class Outcome:
    """How a strategy ended; always the last event, also of one that was stopped.

    steps: the answer from token `first` on; those drawn in a race that `settings` cannot run again stand as given
    (noise row -1). trials: all that ended, in order. weights: number of a last trial -> log-weight, for strategies that
    estimate a distribution; log_evidence: log of the mean of their exponentials. stopped: whether it was cancelled.
    """

    steps: tuple[Step, ...]
    settings: GenerationRequest
    trials: tuple[Trial, ...] = ()
    first: int = 0
    weights: tuple[tuple[int, float], ...] = ()
    log_evidence: float | None = None
    stopped: bool = False


Event = TrialBegun | TokenDrawn | TrialEnded | Resampled | Outcome


class ForkingPass(ForwardPass):
    """A growing context that can be copied, so that several continuations are tried out and one of them is read."""

    def fork(self) -> ForkingPass:
        """Another context that has read the same; each grows on its own from here."""
        other = copy.copy(self)
        with memory_guard(self.length):
            other._cache = copy.deepcopy(self._cache)
        return other


@dataclass
class Position:
    """Where a strategy stands: a context that has read the prompt and `ids`, and the logits, float32 [1, V], after it.

    ids: of the answer so far; budget: most tokens of the answer; first: how many of them were there at the beginning.
    """

    context: ForkingPass
    logits: np.ndarray
    ids: list[int]
    text: str
    budget: int
    first: int


def opened(
    model: LanguageModel, request: GenerationRequest, earlier: Sequence[int], stopped: Stopped
) -> Position | None:
    """Read the prompt of a checked request and the answer's earlier tokens; None when stopped on the way.

    Raises BadInput when there is nothing to read or no room left, OutOfMemory.
    """
    prompt_ids = model.encode_prompt(request.prompt, request.system)
    if not prompt_ids:
        raise BadInput("The model's tokenizer has no token for anything in this prompt; write it differently.")
    limits.check_ids(earlier, model.card.vocabulary_size)
    budget, _ = limits.check_fits(len(prompt_ids), request.max_new_tokens, model.context_length)
    if len(earlier) >= budget or (len(earlier) and int(earlier[-1]) in model.end_ids):
        raise BadInput(
            f"The answer has {len(earlier):,} tokens already and ends there: start from an earlier token, or allow "
            f"more than {budget:,} tokens."
        )
    context = ForkingPass(model)
    logits = None
    for after_chunk in context.prefill([*prompt_ids, *(int(i) for i in earlier)]):
        if stopped():
            return None
        logits = after_chunk
    assert logits is not None
    ids = [int(i) for i in earlier]
    decoder = model.decoder()
    return Position(context, logits, ids, "".join(decoder.push(i) for i in ids), budget, len(ids))


@dataclass
class Path:
    """A trial while it is being drawn: its steps so far, and the text of the whole answer up to its last token.

    closed: it draws no more tokens.
    """

    number: int
    stream: int
    start: int
    decoder: PieceDecoder
    text: str
    parent: int | None = None
    steps: list[Step] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    closed: bool = False

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the answer ends with the last token, None while it does not."""
        return self.steps[-1].finish_reason if self.steps else None

    def trial(self) -> Trial:
        """What was drawn, for keeping."""
        return Trial(
            self.number,
            self.stream,
            self.start,
            self.parent,
            tuple(step.token_id for step in self.steps),
            tuple(self.logprobs),
            tuple(step.scores["entropy"] for step in self.steps),
            "".join(step.piece for step in self.steps),
            self.finish_reason,
        )


def new_path(model: LanguageModel, at: Position, number: int, stream: int, *, parent: int | None = None) -> Path:
    """A trial without tokens yet, behind the answer so far."""
    decoder = model.decoder()
    for token_id in at.ids:
        decoder.push(token_id)
    return Path(number, stream, len(at.ids), decoder, at.text, parent)


def extend(
    model: LanguageModel,
    request: GenerationRequest,
    one: Path,
    logits: np.ndarray,
    index: int,
    budget: int,
    support: Support | None = None,
) -> TokenDrawn:
    """Draw token `index` of a trial with noise row `index` of its stream: logits float32 [V].

    support: what may be drawn of it; by default what the request's temperature, top-k and top-p leave.
    """
    if support is None:
        support = sampling.truncate(logits, request.temperature, request.top_k, request.top_p)
    step = drawn(request.temperature, logits, support, request.seed, one.stream, index)
    piece = one.decoder.push(step.token_id)
    one.text += piece
    reason = finish_of(model, request, step.token_id, one.text, len(piece), index + 1 == budget)
    if reason:
        rest = one.decoder.flush()
        piece, one.text, one.closed = piece + rest, one.text + rest, True
    step = replace(step, piece=piece, finish_reason=reason)
    one.steps.append(step)
    one.logprobs.append(log_probability(logits, step.token_id))
    return TokenDrawn(one.number, step)


def roll_out(
    model: LanguageModel,
    request: GenerationRequest,
    at: Position,
    context: ForkingPass,
    paths: Sequence[Path],
    longest: int,
    stopped: Stopped,
    ends: Callable[[str], bool] = lambda piece: False,
) -> Iterator[TokenDrawn]:
    """Draw n trials side by side in one batch, each until the answer or its piece `ends` it or it is `longest` tokens.

    context: read as far as `at`; it is taken over and must not be used again. Ends early, with open trials, when
    stopped.
    """
    batch = ForwardBatch(context, len(paths))
    after = np.repeat(at.logits, len(paths), axis=0)
    open_paths = list(paths)
    for index in range(len(at.ids), min(len(at.ids) + longest, at.budget)):
        for place, one in enumerate(open_paths):
            event = extend(model, request, one, after[place], index, at.budget)
            one.closed = one.closed or len(one.steps) == longest or ends(event.step.piece)
            yield event
        going = [place for place, one in enumerate(open_paths) if not one.closed]
        if not going or stopped():
            return
        if len(going) < len(open_paths):
            batch.keep(going)
            open_paths = [open_paths[place] for place in going]
        after = batch.feed([one.steps[-1].token_id for one in open_paths])
        if stopped():
            return


def drawn(temperature: float, logits: np.ndarray, support: Support, seed: int, stream: int, row: int) -> Step:
    """The race for token `row` within a support, with everything that a run records; its piece is still empty.

    logits: float32 [V], of which `support` is what was left after this temperature and truncation.
    """
    log_exponential = noise.log_exponential_row(seed, stream, row, logits.size)
    return race_step(temperature, logits[None], support, log_exponential, row, row)


def given(step: Step) -> Step:
    """The step as one that no race decided: what a strategy chose is input to any replay with the run's own noise."""
    return replace(step, noise_row=-1, margin=math.nan, runner_up=-1, luck=math.nan, support=0, log_normalizer=math.nan)


def log_probability(logits: np.ndarray, token_id: int) -> float:
    """log p of one token after logits [V], in float64, nats."""
    values = np.asarray(logits, dtype=np.float64)
    top = float(values.max())
    return float(values[token_id]) - top - math.log(float(np.exp(values - top).sum()))
