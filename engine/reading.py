"""Where decoding stands: what a model has read, its logits after that, and the text so far.

Shared by drawing tokens and by scoring given ones, so that the two can alternate within one text. Does not know how a
token is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.forward import ForwardPass
from engine.tokens import PieceDecoder

if TYPE_CHECKING:
    from engine.models import LanguageModel


@dataclass
class Reading:
    """context: all ids read so far; logits: float32 [1, V] after the last of them, None when nothing was read.

    decoder: turns the answer's ids into pieces; text: the answer so far.
    """

    context: ForwardPass
    logits: np.ndarray | None
    decoder: PieceDecoder
    text: str = ""


def rounds_alike(model: LanguageModel) -> bool:
    """Whether one pass over a text rounds as its token-by-token writing did, closely enough to draw the same tokens.

    Coarse numbers do not: they differ by up to 1 nat (float32: by less than 1e-4).
    """
    return model.card.dtype == "float32" and model.card.quantization == "none"


def read(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    answer_ids: Sequence[int],
    stopped: Callable[[], bool],
    *,
    one_by_one: bool = False,
) -> Reading | None:
    """Read a prompt and the beginning of an answer; None when stopped on the way. Raises OutOfMemory.

    one_by_one: read the answer as it was written, a token a pass, so that every number comes out as it did then.
    """
    reading = Reading(ForwardPass(model), None, model.decoder())
    for after_chunk in reading.context.prefill(prompt_ids if one_by_one else [*prompt_ids, *answer_ids]):
        if stopped():
            return None
        reading.logits = after_chunk
    for token_id in answer_ids if one_by_one else ():
        reading.logits = reading.context.feed([token_id])
        if stopped():
            return None
    reading.text = "".join(reading.decoder.push(token_id) for token_id in answer_ids)
    return reading
