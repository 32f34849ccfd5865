"""Noise for texts whose luck nobody recorded: drawn from its posterior, given that exactly these tokens were written.

Source: Ravfogel et al., "Gumbel Counterfactual Generation From Language Models", arXiv 2411.07180, section on hindsight
sampling. Holds for a text drawn without truncation at a known temperature; averages need several draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine import noise
from engine.along import LogitsAlong
from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.models import LanguageModel

NOISE_STREAMS = noise.HINDSIGHT_STREAMS
TIME_STREAMS = 2 * NOISE_STREAMS
FEWEST_DRAWS = 8


def posterior_row(logits: np.ndarray, observed: int, log_exponential: np.ndarray, log_time: float) -> np.ndarray:
    """log E of one row given its winner: float64 [V]; the race over `logits` with it is won by `observed`, always.

    logits: [V] after temperature; log_exponential: prior log E' of the row, float64 [V]; log_time: log T, T ~ Exp(1).
    With p = softmax(logits): E_x = p_x T for the observed x, E_v = E'_v + p_v T for every other v.
    """
    scaled = np.asarray(logits, dtype=np.float64)
    top = float(scaled.max())
    log_p = scaled - (top + math.log(float(np.exp(scaled - top).sum())))
    log_e = np.logaddexp(log_exponential, log_p + log_time)
    log_e[observed] = log_p[observed] + log_time
    return log_e


def hindsight_row(logits: np.ndarray, token_id: int, *, seed: int, stream: int, row: int) -> np.ndarray:
    """Gumbel noise of one row given that `token_id` won with these logits, [V] after temperature: float64 [V].

    stream: NOISE_STREAMS + j for posterior draw j, whose time T comes from stream TIME_STREAMS + j.
    """
    prior = noise.log_exponential_row(seed, stream, row, len(logits))
    time = float(noise.log_exponential_row(seed, stream + TIME_STREAMS - NOISE_STREAMS, row, 1)[0])
    return -posterior_row(logits, token_id, prior, time)


class HindsightNoise:
    """One posterior draw of the noise behind a text; behind its end the noise is fresh.

    Rows are asked for in ascending order. Memory is flat in the length of the text.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompt_ids: Sequence[int],
        token_ids: Sequence[int],
        *,
        seed: int,
        draw: int,
        temperature: float = 1.0,
        first_row: int = 0,
    ) -> None:
        """draw: which of the posterior draws, from 0; first_row: the first row that will be asked for.

        The text is read when the first row is asked for. Raises BadInput for a temperature that is not positive.
        """
        if not temperature > 0:
            raise BadInput("Hindsight needs a temperature above 0: a greedy text says nothing of its luck.")
        if draw < 0:
            raise BadInput(f"Posterior draw {draw} does not exist; they are counted from 0.")
        self._seed, self._draw, self._temperature = seed, draw, temperature
        self._ids = [int(i) for i in token_ids]
        self._along = LogitsAlong(model, prompt_ids, self._ids, first=first_row)

    def __call__(self, row: int, vocabulary: int) -> np.ndarray:
        """log E of a row: float64 [vocabulary]."""
        stream = NOISE_STREAMS + self._draw
        if row >= len(self._ids):
            return noise.log_exponential_row(self._seed, stream, row, vocabulary)
        logits = self._along.before(row).astype(np.float64) / self._temperature
        return -hindsight_row(logits, self._ids[row], seed=self._seed, stream=stream, row=row)


def check_untruncated(top_k: int | None, top_p: float | None) -> None:
    """BadInput when tokens were cut off before drawing: the posterior of such a text has no simple form."""
    if top_k is not None or (top_p is not None and top_p < 1.0):
        raise BadInput(
            "Hindsight works only without top-k and top-p: which tokens were cut off cannot be told from the text. "
            "Set both off."
        )
