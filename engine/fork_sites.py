"""Where an answer could have gone another way: the alternatives worth drawing from, and how often each is drawn.

Read from what a run recorded; no model. Does not know what the draws come to.
Source: Bigelow et al., arXiv 2412.07961, section 2 (alternates above a threshold among the most likely tokens).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from engine.errors import BadInput
from engine.types import Trace

THRESHOLD = 0.05
MOST_ALTERNATES = 10
# draws of an alternative with the share below, with fewest and most of them
DRAWS = 30
FULL_SHARE = 0.3
FEWEST_DRAWS = 2
MOST_DRAWS = 100


@dataclass(frozen=True)
class Site:
    """Position t with its branches: token_ids, int64 [b], the answer's own first, then by probability; probabilities:
    float64 [b], at temperature 1."""

    position: int
    token_ids: np.ndarray
    probabilities: np.ndarray

    @property
    def kept_mass(self) -> float:
        """m_t, the probability of all branches together."""
        return float(self.probabilities.sum())

    @property
    def shares(self) -> np.ndarray:
        """p~_t(w), the probability among the branches: float64 [b]."""
        return self.probabilities / self.kept_mass


def base_ids(trace: Trace, end_ids: Collection[int]) -> list[int]:
    """The tokens that can be forks: x*_0 .. x*_{T-1}, without the token that ends the turn.

    Raises BadInput when there are none.
    """
    ids: list[int] = trace.token_ids.tolist()
    if ids and ids[-1] in end_ids:
        ids.pop()
    if not ids:
        raise BadInput("This answer has no token before its end: there is nothing that could have gone another way.")
    return ids


def sites(
    trace: Trace,
    positions: range,
    *,
    threshold: float = THRESHOLD,
    most: int = MOST_ALTERNATES,
) -> list[Site]:
    """The branches at each position: W_t = {w among the `most` likeliest : p(w) >= threshold} and x*_t itself.

    Raises BadInput for a threshold outside (0, 1], or a run without recorded alternatives or probabilities.
    """
    if not 0.0 < threshold <= 1.0:
        raise BadInput(f"The least probability of an alternative is {threshold:g}; it must lie above 0 and at most 1.")
    if not 1 <= most <= max(1, trace.topk_ids.shape[1]):
        raise BadInput(
            f"{most} alternatives a token were asked for; this run has {trace.topk_ids.shape[1]} a token on record. "
            "Ask for fewer, or score its text with the loaded model first, which records the model's own."
        )
    surprisal = trace.scores.get("surprisal")
    if surprisal is None or not trace.topk_ids.shape[1]:
        raise BadInput("This run has no recorded alternatives: score its text with the loaded model first.")
    return [_site(trace, t, float(surprisal[t]), threshold, most) for t in positions]


def _site(trace: Trace, position: int, surprisal: float, threshold: float, most: int) -> Site:
    own = int(trace.token_ids[position])
    if not np.isfinite(surprisal):
        raise BadInput(f"Token {position} has no recorded probability: begin the analysis behind it.")
    pairs = zip(trace.topk_ids[position, :most].tolist(), np.exp(trace.topk_logprobs[position, :most]), strict=True)
    others = [(token_id, float(p)) for token_id, p in pairs if token_id >= 0 and p >= threshold and token_id != own]
    # recorded in float32, which rounds to just above 1 or to 0
    chance = min(1.0, max(float(np.exp(-surprisal)), np.finfo(np.float64).tiny))
    return Site(
        position,
        np.array([own, *(token_id for token_id, _ in others)], dtype=np.int64),
        np.array([chance, *(p for _, p in others)]),
    )


def draws_for(
    shares: np.ndarray, *, draws: int = DRAWS, fewest: int = FEWEST_DRAWS, most: int = MOST_DRAWS
) -> np.ndarray:
    """S_w = round(draws p~ / FULL_SHARE), within fewest and most: int64, of the shape of `shares`.

    An alternative's part in the curve's variance grows with its share, so draws in proportion give most for a token.
    """
    return np.clip(np.rint(draws * np.asarray(shares) / FULL_SHARE), fewest, most).astype(np.int64)
