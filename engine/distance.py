"""How far apart two answers are: edit distance behind an edit, where they part, and how far chance alone goes.

Knows texts, ids and noise rows; does not know how the answers were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np
from rapidfuzz.distance import Levenshtein

from engine.edits import FORCED

# comparisons of one character (id) with another; as many take half a second, and nothing else runs meanwhile
MOST_COMPARISONS = 5_000_000_000


def text_distance(a: str, b: str) -> float:
    """Levenshtein distance in characters divided by the longer text's length, in [0, 1]; 0 for two empty texts.

    NaN where both are so long (70,000 characters each) that it would take more than `MOST_COMPARISONS`.
    """
    return _distance(a, b)


def token_distance(a: Sequence[int], b: Sequence[int]) -> float:
    """The same over token ids."""
    return _distance(list(a), list(b))


def _distance(a: str | list[int], b: str | list[int]) -> float:
    if len(a) * len(b) > MOST_COMPARISONS and a != b:
        return float("nan")
    return float(Levenshtein.normalized_distance(a, b))


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading ids are equal: where two answers first part, or the length of the shorter."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def same_row_agreement(
    ids: Sequence[int], rows: Sequence[int], other_ids: Sequence[int], other_rows: Sequence[int]
) -> tuple[int, int]:
    """Of the tokens that both answers drew with the same noise row: how many are equal, and how many there are."""
    drawn = {row: token for token, row in zip(ids, rows, strict=True) if row != FORCED}
    shared = [(drawn[row], token) for token, row in zip(other_ids, other_rows, strict=True) if row in drawn]
    return sum(a == b for a, b in shared), len(shared)


def percentile(value: float, among: Sequence[float]) -> float:
    """Share of `among` below a value, ties counted half: in [0, 1], NaN when there is nothing to compare with."""
    values = np.asarray(among, dtype=np.float64)
    if values.size == 0:
        return float("nan")
    return float(((values < value).sum() + 0.5 * (values == value).sum()) / values.size)
