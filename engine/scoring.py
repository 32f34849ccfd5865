"""Teacher forcing: scores a given text as if the model had been about to write it.

The text goes through in chunks, so memory stays flat in its length: no [T, V] array ever exists.
Does not know where the text came from or what is done with its scores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine import limits, token_scores
from engine.errors import BadInput
from engine.generate import top_alternatives
from engine.out_of_memory import spared
from engine.reading import Reading, read
from engine.recording import trace_of
from engine.tokens import PieceDecoder
from engine.types import Alternatives, Step, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

FORWARD_CHUNK = 256
SCORE_CHUNK = 32


@spared
def score_steps(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    token_ids: Sequence[int],
    *,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Step]:
    """Score n given tokens after m given context tokens, yielding them in order; ids are used exactly as given.

    With an empty context the first token has no distribution: its scores are missing.
    Raises BadInput when the text is empty, holds ids outside the vocabulary or does not fit into the context.
    """
    if len(token_ids) == 0:
        raise BadInput("There is no text to score: paste at least one character.")
    limits.check_ids([*prompt_ids, *token_ids], model.card.vocabulary_size)
    limits.check_text_fits(len(prompt_ids), len(token_ids), model.context_length)
    stopped = cancelled or (lambda: False)
    reading = read(model, prompt_ids, (), stopped)
    if reading is not None:
        yield from score_on(reading, token_ids, 0, stopped, ends=True)


def score_on(
    reading: Reading, token_ids: Sequence[int], start: int, stopped: Callable[[], bool], *, ends: bool
) -> Iterator[Step]:
    """Score given tokens after what was read, as tokens `start`, `start` + 1, ... of the answer, and read them.

    ends: nothing follows them, so bytes of an unfinished character are shown with the last one.
    """
    for first in range(0, len(token_ids), FORWARD_CHUNK):
        targets = token_ids[first : first + FORWARD_CHUNK]
        logits = reading.context.feed(targets, keep=len(targets))
        for low in range(0, len(targets), SCORE_CHUNK):
            before = reading.logits if low == 0 else logits[low - 1 : low]
            block = logits[low : min(low + SCORE_CHUNK, len(targets)) - 1]
            rows = block if before is None else np.concatenate([before, block])
            last = first + low + SCORE_CHUNK >= len(token_ids)
            for step in _score_block(reading.decoder, rows, targets[low : low + SCORE_CHUNK], start + first + low):
                is_last = last and step.index == start + len(token_ids) - 1
                piece = step.piece + (reading.decoder.flush() if ends and is_last else "")
                reading.text += piece
                yield step if piece == step.piece else replace(step, piece=piece)
            if stopped():
                return
        reading.logits = logits[-1:].copy()


def score_tokens(
    model: LanguageModel, prompt_ids: Sequence[int], token_ids: Sequence[int], *, prompt: str = ""
) -> Trace:
    """Score exactly these ids and return the recorded run (kind "scored")."""
    started = time.perf_counter()
    steps = list(score_steps(model, prompt_ids, token_ids))
    return trace_of(
        model,
        steps,
        prompt_ids,
        prompt=prompt,
        kind="scored",
        finish_reason="scored",
        seconds=time.perf_counter() - started,
    )


def score_text(model: LanguageModel, prompt: str | None, text: str) -> Trace:
    """Tokenise and score a text as the answer to `prompt`, or on its own when there is none."""
    prompt_ids, token_ids = encode_for_scoring(model, prompt, text)
    return score_tokens(model, prompt_ids, token_ids, prompt=prompt or "")


def encode_for_scoring(model: LanguageModel, prompt: str | None, text: str) -> tuple[list[int], list[int]]:
    """Context ids and text ids; without a prompt the context is the model's start token, when it has one."""
    context = model.encode_prompt(prompt) if prompt else list(model.start_ids)
    return context, model.encode(text)


def _score_block(
    decoder: PieceDecoder, rows_of_logits: np.ndarray, targets: Sequence[int], start: int
) -> Iterator[Step]:
    """Steps of one block: logits float32 [b, V], or [b - 1, V] when the first token has no distribution."""
    missing = len(targets) - len(rows_of_logits)
    scored = np.asarray(targets[missing:], dtype=np.int64)
    columns: dict[str, np.ndarray] = {}
    rows = None
    if len(scored):
        rows = token_scores.rows_from_logits(rows_of_logits, scored)
        columns = token_scores.row_scores(rows)
    for offset, token_id in enumerate(targets):
        row = offset - missing
        alternatives, tail_mass = (
            _no_alternatives() if rows is None or row < 0 else top_alternatives(rows.logprobs[row])
        )
        yield Step(
            index=start + offset,
            token_id=int(token_id),
            piece=decoder.push(int(token_id)),
            scores={name: float(values[row]) for name, values in columns.items()} if row >= 0 else {},
            alternatives=alternatives,
            tail_mass=tail_mass,
            noise_row=-1,
            margin=np.nan,
            runner_up=-1,
            luck=np.nan,
            support=0,
            log_normalizer=np.nan,
        )


def _no_alternatives() -> tuple[Alternatives, float]:
    return Alternatives(np.zeros(0, np.int32), np.zeros(0, np.float32)), float("nan")
