"""A model whose whole tree can be listed: rows made from the prefix itself, and every answer with its probability."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from engine.tree import Tree
from tests.support.answers import every_answer

END = 0
PROMPT = (1, 2)


class Toy:
    """evaluate(prefixes) -> float32 [b, V]; counts what it is asked for. token 0 ends an answer."""

    def __init__(self, vocabulary: int = 4, seed: int = 7, spread: float = 1.5) -> None:
        self.vocabulary = vocabulary
        self.seed = seed
        self.spread = spread
        self.asked = 0
        self.batches: list[int] = []

    def __call__(self, prefixes: list[tuple[int, ...]]) -> np.ndarray:
        self.asked += len(prefixes)
        self.batches.append(len(prefixes))
        return np.array([self.row(prefix) for prefix in prefixes], dtype=np.float32)

    def row(self, prefix: tuple[int, ...]) -> np.ndarray:
        values = np.random.default_rng([self.seed, *prefix]).normal(size=self.vocabulary) * self.spread
        return (values - np.log(np.exp(values).sum())).astype(np.float32)

    def tree(self) -> Tree:
        return Tree(PROMPT, end_ids=[END], vocabulary_size=self.vocabulary, context_length=64)

    def answers(self, depth: int) -> dict[tuple[int, ...], float]:
        """Every answer, ended or cut off at `depth`, with its probability."""

        def shares(path: tuple[int, ...]) -> Iterator[tuple[int, float]]:
            row = np.exp(self.row((*PROMPT, *path)).astype(np.float64))
            return ((token, p) for token, p in enumerate((row / row.sum()).tolist()) if p > 0.0)

        return every_answer(shares, depth, END)


class Given(Toy):
    """Rows of given probabilities: path -> [V]; every other path has the last one."""

    def __init__(self, rows: dict[tuple[int, ...], list[float]], other: list[float]) -> None:
        super().__init__(len(other))
        self.rows = rows
        self.other = other

    def row(self, prefix: tuple[int, ...]) -> np.ndarray:
        given = self.rows.get(prefix[len(PROMPT) :], self.other)
        return np.array([math.log(p) if p else -math.inf for p in given], dtype=np.float32)
