"""What chance alone would have written: the same intervention drawn again with fresh noise, many times in one batch.

Only ids are kept: replicates are the yardstick that a counterfactual is held against, not runs of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine import limits, noise, sampling
from engine.edits import Held
from engine.errors import BadInput
from engine.forward import ForwardBatch
from engine.generate import finish_of
from engine.out_of_memory import spared
from engine.reading import read
from engine.tokens import PieceDecoder
from engine.types import FinishReason, GenerationRequest

if TYPE_CHECKING:
    from engine.models import LanguageModel

FIRST_STREAM = 1
MOST = 256


@dataclass
class Replicate:
    """One answer under fresh noise. ids: held and drawn tokens; finish_reason: None while it is being written."""

    stream: int
    ids: list[int]
    text: str
    finish_reason: FinishReason | None = None


@spared
def replicates(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    request: GenerationRequest,
    held: Held,
    count: int,
    *,
    first_stream: int = FIRST_STREAM,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[list[Replicate]]:
    """Draw `count` answers behind the held tokens with noise streams first_stream, first_stream + 1, ... of the seed.

    Yields all of them after every token; the list and its members are the same objects throughout. Each depends on
    its stream alone, never on how many are drawn beside it (but for the last digits of a batched pass).
    Raises BadInput for a count outside 1 to MOST or an answer that does not fit, OutOfMemory.
    """
    if not 1 <= count <= MOST:
        raise BadInput(f"{count} replicates were asked for; choose between 1 and {MOST}.")
    stopped = cancelled or (lambda: False)
    budget, _ = limits.check_fits(len(prompt_ids), max(1, held.longest(request.max_new_tokens)), model.context_length)
    reading = read(model, prompt_ids, held.ids, stopped)
    if reading is None or reading.logits is None:
        return
    found = [Replicate(first_stream + i, list(held.ids), reading.text) for i in range(count)]
    if len(held.ids) >= budget or (held.ids and held.ids[-1] in model.end_ids):
        for one in found:
            one.finish_reason = finish_of(model, request, held.ids[-1], one.text, len(one.text), last=True)
        yield found
        return
    decoders = [_decoder(model, held.ids) for _ in found]
    batch = ForwardBatch(reading.context, count)
    logits = np.repeat(reading.logits, count, axis=0)
    open_rows = list(range(count))
    for index in range(len(held.ids), budget):
        row = held.row + index - len(held.ids)
        for place, i in enumerate(open_rows):
            _extend(model, request, found[i], decoders[i], logits[place], row, index + 1 == budget)
        yield found
        going = [place for place, i in enumerate(open_rows) if found[i].finish_reason is None]
        if not going or stopped():
            return
        if len(going) < len(open_rows):
            batch.keep(going)
            open_rows = [open_rows[place] for place in going]
        logits = batch.feed([found[i].ids[-1] for i in open_rows])


def _extend(
    model: LanguageModel,
    request: GenerationRequest,
    one: Replicate,
    decoder: PieceDecoder,
    logits: np.ndarray,
    row: int,
    last: bool,
) -> None:
    """Draw the next token of one replicate: logits float32 [V]."""
    support = sampling.truncate(logits, request.temperature, request.top_k, request.top_p)
    draw = sampling.race(support, noise.log_exponential_row(request.seed, one.stream, row, logits.size))
    piece = decoder.push(draw.token_id)
    one.ids.append(draw.token_id)
    one.text += piece
    one.finish_reason = finish_of(model, request, draw.token_id, one.text, len(piece), last)
    if one.finish_reason:
        one.text += decoder.flush()


def _decoder(model: LanguageModel, ids: Sequence[int]) -> PieceDecoder:
    decoder = model.decoder()
    for token_id in ids:
        decoder.push(token_id)
    return decoder
