"""Rows that continue one text from different places, each in a context of its own, one pass a row.

For architectures whose attention `shared_prefix` cannot take over: slow, and right for any. Does not know draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.forward import ForwardPass

if TYPE_CHECKING:
    import torch

    from engine.models import LanguageModel


class PlainRows:
    """What `SharedPrefix` does, without sharing; see there for the methods."""

    def __init__(self, model: LanguageModel, base_ids: Sequence[int], rows: int, longest: int | None = None) -> None:
        self._model = model
        self._base = [int(i) for i in base_ids]
        self._starts = [0] * rows
        self._contexts: list[ForwardPass | None] = [None] * rows

    def read(self) -> Iterator[None]:
        """Nothing is read before it is needed."""
        yield from ()

    def begin(self, row: int, start: int) -> None:
        """Row `row` continues the first `start` tokens of the base."""
        self._starts[row], self._contexts[row] = start, None

    def copy(self, source: int, target: int) -> None:
        """Row `target` becomes what row `source` is."""
        context = self._contexts[source]
        self._starts[target] = self._starts[source]
        self._contexts[target] = context.copy() if context else None

    def free(self, row: int) -> None:
        """Nobody uses this row any more."""
        self._contexts[row] = None

    def feed(self, ids: Sequence[int]) -> torch.Tensor:
        """Append one id to each of the first r rows; logits after them: float32 [r, V]. Raises OutOfMemory."""
        import torch

        rows: list[np.ndarray] = []
        for row, token_id in enumerate(ids):
            context = self._contexts[row]
            before = [] if context else self._base[: self._starts[row]]
            if context is None:
                context = self._contexts[row] = ForwardPass(self._model)
            for logits in context.prefill([*before, token_id]):
                if logits is not None:
                    rows.append(logits[0])
        return torch.as_tensor(np.stack(rows), device=self._model.device)
