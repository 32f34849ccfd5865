"""A model whose answers depend on a slot exactly as a test wants: a mark, then a digit, then the end.

A prompt is one letter, the value of the slot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engine.types import ModelCard
from tests.support.row_model import END, RowModel

LETTERS = ".0123456789;:ABC "
CONTEXT = 24
# (value of the slot, what was written so far) -> letter -> probability; the end where it says nothing
Law = Callable[[str, str], Mapping[str, float]]


class SlotModel(RowModel):
    """A model of 17 letters that follows a law: a row of logits is the log of what it says of the text so far."""

    def __init__(self, law: Law) -> None:
        card = ModelCard("slots", "slots", "1", "none", "float32", "cpu", "letters", len(LETTERS), CONTEXT)
        super().__init__(LETTERS, self._row, card)
        self._law = law

    def _row(self, ids: Sequence[int]) -> np.ndarray:
        text = "".join(LETTERS[i] for i in ids).lstrip()
        shares = self._law(text[:1], text[1:].lstrip()) or {LETTERS[END]: 1.0}
        logits = [np.log(shares[letter]) if shares.get(letter) else -np.inf for letter in LETTERS]
        return np.array(logits, dtype=np.float32)
