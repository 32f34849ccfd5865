"""The decode loop: one token at a time, everything recorded while its logits exist.

Scores come from the model's own distribution (temperature 1, before truncation); the processed one drives
the Gumbel-Max race. Does not know who asked, where steps go, or how a run is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine import limits, noise, sampling, token_scores
from engine.errors import BadInput
from engine.out_of_memory import spared
from engine.reading import Reading, read, rounds_alike
from engine.recording import trace_of
from engine.types import TOP_K, Alternatives, FinishReason, GenerationRequest, Step, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

# (row, vocabulary) -> log E of that noise row, float64 [V]
NoiseRows = Callable[[int, int], np.ndarray]


@spared
def generate(
    model: LanguageModel, request: GenerationRequest, *, cancelled: Callable[[], bool] | None = None
) -> Iterator[Step]:
    """Decode an answer, yielding each token as it is drawn.

    The generator ends after a step whose `finish_reason` is set, or, when `cancelled()` turns true, within one
    token and without one. Same model, machine, request and settings give the same tokens.
    Raises BadInput when the prompt leaves no room in the context, OutOfMemory when the device is full.
    """
    request = limits.validate(request, limits.UNBOUNDED)
    prompt_ids = model.encode_prompt(request.prompt, request.system)
    if not prompt_ids:
        raise BadInput("The model's tokenizer has no token for anything in this prompt; write it differently.")
    budget, _ = limits.check_fits(len(prompt_ids), request.max_new_tokens, model.context_length)
    yield from decode(model, request, prompt_ids, (), budget, cancelled or (lambda: False))


def decode(
    model: LanguageModel,
    request: GenerationRequest,
    prompt_ids: Sequence[int],
    earlier: Sequence[int],
    budget: int,
    stopped: Callable[[], bool],
) -> Iterator[Step]:
    """The loop for a checked request: tokens n to `budget` - 1 after the prompt and n tokens drawn earlier.

    At least one id is needed before the first token. Token i races with noise row i, whoever drew the tokens before
    it; characters and stop strings may lie across n.
    """
    reading = read(model, prompt_ids, earlier, stopped, one_by_one=not rounds_alike(model))
    if reading is not None:
        yield from draw_on(model, request, reading, range(len(earlier), budget), len(earlier), stopped)


def keyed_noise(request: GenerationRequest) -> NoiseRows:
    """The noise of a request's own seed and stream."""
    return lambda row, vocabulary: noise.log_exponential_row(request.seed, request.stream, row, vocabulary)


def draw_on(
    model: LanguageModel,
    request: GenerationRequest,
    reading: Reading,
    indices: range,
    first_row: int,
    stopped: Callable[[], bool],
    noise_rows: NoiseRows | None = None,
) -> Iterator[Step]:
    """Draw the tokens of these indices after what was read; the first races with noise row `first_row`, and so on.

    noise_rows: log E ~ log Exp(1), float64 [V], of a row; the request's own noise when left out.
    """
    noise_rows = noise_rows or keyed_noise(request)
    for offset, index in enumerate(indices):
        if reading.logits is None:
            raise BadInput("There is nothing before the first token; give the model a prompt.")
        row = first_row + offset
        step = _draw(request, reading.logits, index, row, noise_rows(row, reading.logits.shape[1]))
        piece = reading.decoder.push(step.token_id)
        reading.text += piece
        reason = finish_of(model, request, step.token_id, reading.text, len(piece), index == indices[-1])
        if reason:
            piece += reading.decoder.flush()
        yield replace(step, piece=piece, finish_reason=reason)
        if reason or stopped():
            return
        reading.logits = reading.context.feed([step.token_id])
        if stopped():
            return


def run(model: LanguageModel, request: GenerationRequest, *, cancelled: Callable[[], bool] | None = None) -> Trace:
    """Decode to the end and return the recorded run."""
    request = limits.validate(request, limits.UNBOUNDED)
    started = time.perf_counter()
    steps = list(generate(model, request, cancelled=cancelled))
    prompt_ids = model.encode_prompt(request.prompt, request.system)
    return trace_of(
        model,
        steps,
        prompt_ids,
        prompt=request.prompt,
        system=request.system,
        settings=request,
        seconds=time.perf_counter() - started,
    )


def _draw(
    request: GenerationRequest, logits: np.ndarray, index: int, noise_row: int, log_exponential: np.ndarray
) -> Step:
    """Race for token `index` with one row of noise, and score it: logits float32 [1, V], log_exponential [V]."""
    support = sampling.truncate(logits[0], request.temperature, request.top_k, request.top_p)
    return race_step(request.temperature, logits, support, log_exponential, index, noise_row)


def race_step(
    temperature: float,
    logits: np.ndarray,
    support: sampling.Support,
    log_exponential: np.ndarray,
    index: int,
    noise_row: int,
) -> Step:
    """The race for token `index` within a support, with everything that a run records; its piece is still empty.

    logits: float32 [1, V], of which `support` is what was left after this temperature and truncation;
    log_exponential: float64 [V], of noise row `noise_row`.
    """
    draw = sampling.race(support, log_exponential)
    untouched = support.ids is None and temperature == 1.0
    processed_entropy = None if untouched else np.array([sampling.processed_entropy(support)])
    rows = token_scores.rows_from_logits(logits, np.array([draw.token_id]), processed_entropy)
    log_normalizer = 0.0
    if not untouched and temperature > 0.0:
        # what lies between logits and log-probabilities, so that log q = logprob / temperature - log_normalizer
        shift = float(logits[0, draw.token_id]) - float(rows.logprobs[0, draw.token_id])
        log_normalizer = support.log_normalizer - shift / temperature
    alternatives, tail_mass = top_alternatives(rows.logprobs[0])
    return Step(
        index=index,
        token_id=draw.token_id,
        piece="",
        scores={name: float(values[0]) for name, values in token_scores.row_scores(rows).items()},
        alternatives=alternatives,
        tail_mass=tail_mass,
        noise_row=noise_row,
        margin=draw.margin,
        runner_up=draw.runner_up,
        luck=draw.luck,
        support=support.size,
        log_normalizer=log_normalizer,
    )


def top_alternatives(logprobs: np.ndarray, k: int = TOP_K) -> tuple[Alternatives, float]:
    """The k most likely tokens of one row [V] and the probability of all others."""
    ids = sampling.most_likely(logprobs, k)
    best = logprobs[ids]
    return Alternatives(ids.astype(np.int32), best), max(0.0, 1.0 - float(np.exp(best, dtype=np.float64).sum()))


def finish_of(
    model: LanguageModel, request: GenerationRequest, token_id: int, text: str, added: int, last: bool
) -> FinishReason | None:
    """Whether an answer ends with this token, and why: text ends with the `added` characters that came with it."""
    if token_id in model.end_ids:
        return "stop"
    if any(stop in text[-(len(stop) + added) :] for stop in request.stop):
        return "stop_string"
    return "length" if last else None
