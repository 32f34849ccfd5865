"""Scores that need attention besides the distribution: pure functions over what a reading of the text left behind.

RAUQ (Vazhentsev et al., arXiv 2505.20045) and surprisal weighted by what the answer attends to (after Lin et al.,
contextualised sequence likelihood, arXiv 2406.01806). Does not know networks, chains or the page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# how much the token itself counts against what it builds on
OWN_SHARE = 0.5
SMALLEST = 1e-12


@dataclass(frozen=True)
class AttentionReading:
    """What there is of n response tokens.

    surprisal: float [n], nats; previous: float [layers, heads, n], attention that the row which predicts a token pays
    to the token before it, in the middle third of the layers (column 0 is not used); answer: float [n], attention that
    the answer pays to each token, 0 for those it cannot see.
    """

    surprisal: np.ndarray
    previous: np.ndarray
    answer: np.ndarray

    @cached_property
    def recurrent(self) -> np.ndarray:
        """RAUQ's confidence of every token in each layer: float [layers, n], 0 to 1."""
        return np.stack([recurrent_confidence(np.exp(-self.surprisal), focused(heads)) for heads in self.previous])

    @cached_property
    def weights(self) -> np.ndarray:
        """The answer's attention with mean 1 over tokens that have a surprisal: float [n]; NaN where it sees none."""
        known = self.answer[np.isfinite(self.surprisal)]
        if not known.any():
            return np.full(len(self.answer), np.nan)
        return np.asarray(self.answer / known.mean())


def middle_layers(count: int) -> range:
    """The middle third of so many layers: count // 3 to ceil(2 count / 3), both included where they exist."""
    return range(count // 3, min(count - 1, math.ceil(2 * count / 3)) + 1)


def focused(heads: np.ndarray) -> np.ndarray:
    """Of [heads, n] the head with the largest mean attention to the token before: float [n]."""
    if heads.shape[1] < 2:
        return np.zeros(heads.shape[1])
    chosen: np.ndarray = heads[int(np.argmax(heads[:, 1:].mean(axis=1)))]
    return chosen


def recurrent_confidence(probability: np.ndarray, attention: np.ndarray, own: float = OWN_SHARE) -> np.ndarray:
    """c_1 = p_1, c_t = a p_t + (1 - a) att_t c_(t-1): float [n], 0 to 1; a first token without a probability has none
    and is left out."""
    confidence = np.array(probability, dtype=np.float64)
    for t in range(1 + int(np.isnan(confidence[:1]).sum()), len(confidence)):
        confidence[t] = own * probability[t] + (1.0 - own) * attention[t] * confidence[t - 1]
    return confidence


def rauq(reading: AttentionReading) -> np.ndarray:
    """The confidence of every token in the layer that is least sure of the run: float [n], 0 to 1."""
    losses = -np.nanmean(np.log(np.maximum(reading.recurrent, SMALLEST)), axis=1)
    chosen: np.ndarray = reading.recurrent[int(np.argmax(losses))]
    return chosen


def attention_weighted_surprisal(reading: AttentionReading) -> np.ndarray:
    """Surprisal times the weight that the answer gives the token: float [n], 0 for those it cannot see. Its mean is the
    surprisal averaged by the answer's attention."""
    return reading.weights * reading.surprisal
