"""The logits along a given text, a block of rows at a time, so that memory stays flat in the text's length.

Knows a model and ids; does not know what is made of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import BadInput
from engine.reading import Reading, read

if TYPE_CHECKING:
    from engine.models import LanguageModel

CHUNK = 32


class LogitsAlong:
    """What the model thought before each token of a text; rows are asked for in ascending order.

    The text is read when the first row is asked for, and only as far as rows are asked for.
    """

    def __init__(
        self, model: LanguageModel, prompt_ids: Sequence[int], token_ids: Sequence[int], *, first: int = 0
    ) -> None:
        """first: the first token whose row will be asked for."""
        self._model, self._prompt_ids = model, prompt_ids
        self._ids = [int(i) for i in token_ids]
        self._reading: Reading | None = None
        self._block = np.empty((0, 0), dtype=np.float32)
        self._start = first

    def before(self, index: int) -> np.ndarray:
        """Logits before token `index`: float32 [V]. Raises BadInput for a row that has been passed, OutOfMemory."""
        if self._reading is None:
            self._reading = read(self._model, self._prompt_ids, self._ids[: self._start], lambda: False)
        if self._reading is None or self._reading.logits is None:
            raise BadInput("There is nothing before the first token; give the text a prompt.")
        if index < self._start:
            raise BadInput(f"Row {index} of this noise cannot be had any more: rows are asked for in ascending order.")
        while index >= self._start + len(self._block):
            before = self._reading.logits
            self._start += len(self._block)
            targets = self._ids[self._start : self._start + CHUNK]
            after = self._reading.context.feed(targets, keep=len(targets))
            self._block = np.concatenate([before, after[:-1]])
            self._reading.logits = after[-1:].copy()
        return np.asarray(self._block[index - self._start])
