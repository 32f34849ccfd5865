"""A model of a handful of letters whose every answer can be listed with its probability, row by row.

Its network looks up a random row for each prefix, so the law of its answers is known exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from engine.sampling import truncate
from engine.types import GenerationRequest, ModelCard
from tests.support.answers import every_answer
from tests.support.row_model import END, RowModel

LETTERS = ".abcde"
CONTEXT = 64


class Rows:
    """Logits after a prefix, float32 [V], which depend on the last `memory` ids alone."""

    def __init__(self, vocabulary: int, seed: int, memory: int, end_weight: float) -> None:
        self._shape = (vocabulary, seed, memory, end_weight)
        self._known: dict[tuple[int, ...], np.ndarray] = {}

    def __call__(self, prefix: Sequence[int]) -> np.ndarray:
        vocabulary, seed, memory, end_weight = self._shape
        seen = tuple(prefix[max(0, len(prefix) - memory) :])
        if seen not in self._known:
            logits = 1.2 * np.random.default_rng([seed, *seen]).standard_normal(vocabulary)
            logits[END] += end_weight
            self._known[seen] = logits.astype(np.float32)
        return self._known[seen]


class LettersModel(RowModel):
    """V <= 6 tokens, the full stop ends an answer; memory: how many ids a row depends on (0: none)."""

    def __init__(self, vocabulary: int = 4, *, seed: int = 0, memory: int = CONTEXT, end_weight: float = -0.5) -> None:
        card = ModelCard("toy", "toy", f"{seed}", "none", "float32", "cpu", "letters", vocabulary, CONTEXT)
        super().__init__(LETTERS, Rows(vocabulary, seed, memory, end_weight), card)

    def law(self, prefix: Sequence[int], request: GenerationRequest, length: int) -> dict[tuple[int, ...], float]:
        """Every continuation of prompt and held ids, ended or `length` tokens long, with its probability."""

        def shares(path: tuple[int, ...]) -> Iterator[tuple[int, float]]:
            row = self.network.row((*prefix, *path))
            support = truncate(row, request.temperature, request.top_k, request.top_p)
            ids = range(support.size) if support.ids is None else support.ids.tolist()
            return zip(ids, np.exp(support.log_weights - support.log_normalizer).tolist(), strict=True)

        return every_answer(shares, length, END)
