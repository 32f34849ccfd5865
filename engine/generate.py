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
from engine.forward import ForwardPass
from engine.recording import trace_of
from engine.types import TOP_K, Alternatives, FinishReason, GenerationRequest, Step, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel


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
    """The loop itself, for a checked request: tokens n to `budget` - 1 after the prompt and n tokens drawn earlier.

    At least one id is needed before the first token. Token i races with noise row i, whoever drew the tokens before
    it; characters and stop strings may lie across n.
    """
    context = ForwardPass(model)
    logits = np.empty((0, 0), dtype=np.float32)
    for after_chunk in context.prefill([*prompt_ids, *earlier]):
        if stopped():
            return
        if after_chunk is not None:
            logits = after_chunk
    decoder = model.decoder()
    text = "".join(decoder.push(token_id) for token_id in earlier)
    for index in range(len(earlier), budget):
        step = _draw(model, request, logits, index)
        piece = decoder.push(step.token_id)
        text += piece
        reason = _finish(model, request, step.token_id, text, len(piece), index + 1 == budget)
        if reason:
            piece += decoder.flush()
        yield replace(step, piece=piece, finish_reason=reason)
        if reason or stopped():
            return
        logits = context.feed([step.token_id])
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


def _draw(model: LanguageModel, request: GenerationRequest, logits: np.ndarray, index: int) -> Step:
    """Race for token `index` with noise row `index`, and score it: logits float32 [1, V]."""
    row = logits[0]
    support = sampling.truncate(row, request.temperature, request.top_k, request.top_p)
    draw = sampling.race(support, noise.log_exponential_row(request.seed, noise.FACTUAL_STREAM, index, row.size))
    untouched = support.ids is None and request.temperature == 1.0
    processed_entropy = None if untouched else np.array([sampling.processed_entropy(support)])
    rows = token_scores.rows_from_logits(logits, np.array([draw.token_id]), processed_entropy)
    log_normalizer = 0.0
    if not untouched and request.temperature > 0.0:
        # what lies between logits and log-probabilities, so that log q = logprob / temperature - log_normalizer
        shift = float(row[draw.token_id]) - float(rows.logprobs[0, draw.token_id])
        log_normalizer = support.log_normalizer - shift / request.temperature
    alternatives, tail_mass = top_alternatives(rows.logprobs[0])
    return Step(
        index=index,
        token_id=draw.token_id,
        piece="",
        scores={name: float(values[0]) for name, values in token_scores.row_scores(rows).items()},
        alternatives=alternatives,
        tail_mass=tail_mass,
        noise_row=index,
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


def _finish(
    model: LanguageModel, request: GenerationRequest, token_id: int, text: str, added: int, last: bool
) -> FinishReason | None:
    if token_id in model.end_ids:
        return "stop"
    if any(stop in text[-(len(stop) + added) :] for stop in request.stop):
        return "stop_string"
    return "length" if last else None
