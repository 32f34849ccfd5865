"""One forward pass at a time through the network, with its key/value cache: ids in, float32 logits out.

The only place where the decode loop and teacher forcing touch torch, which is imported with the first model so that
the page is up before. Does not know sampling or scores.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from engine.errors import ModelUnavailable
from engine.out_of_memory import memory_guard

if TYPE_CHECKING:
    import torch

    from engine.models import LanguageModel

Logits = TypeVar("Logits", "np.ndarray", "torch.Tensor")

PREFILL_CHUNK = 512


NOT_FINITE = (
    "The model answers with numbers that are not finite (NaN or infinity) here, so nothing can be read from it: choose "
    "bfloat16 or float32, or another model."
)


def checked(logits: Logits) -> Logits:
    """The same logits (an array or a tensor). Raises ModelUnavailable where one is NaN or infinite upwards: every
    score and every draw that came of them would be wrong without a word."""
    # the largest of numbers with a NaN among them is NaN; -inf alone rules a token out, which a network may do
    if not math.isfinite(logits.max()):
        raise ModelUnavailable(NOT_FINITE)
    return logits


class ForwardPass:
    """A growing context: what was fed stays in the cache, so each call costs its own tokens only."""

    def __init__(self, model: LanguageModel) -> None:
        from transformers import DynamicCache

        self._model = model
        self._cache = DynamicCache(config=model.network.config)
        self.length = 0

    def feed(self, ids: Sequence[int] | np.ndarray, keep: int = 1) -> np.ndarray:
        """Append ids (at least one) and return the logits after each of the last `keep`: float32 [keep, V].

        Raises OutOfMemory. The model's lock is held for this pass only, so that passes of different
        contexts may alternate.
        """
        import torch

        with self._model.lock, torch.inference_mode(), memory_guard(self.length + len(ids)):
            tokens = torch.as_tensor(np.asarray(ids, dtype=np.int64)[None, :], device=self._model.device)
            output = self._model.network(
                input_ids=tokens, past_key_values=self._cache, use_cache=True, logits_to_keep=keep
            )
            self.length += len(ids)
            return checked(output.logits[0].float().cpu().numpy())

    def copy(self) -> ForwardPass:
        """Another context that has read the same and grows apart from here. Raises OutOfMemory."""
        other = ForwardPass(self._model)
        with memory_guard(self.length):
            other._cache = copy.deepcopy(self._cache)
        other.length = self.length
        return other

    def prefill(self, ids: Sequence[int]) -> Iterator[np.ndarray | None]:
        """Feed a long context in chunks so that a caller may stop in between; the last item is its logits [1, V]."""
        for start in range(0, len(ids), PREFILL_CHUNK):
            logits = self.feed(ids[start : start + PREFILL_CHUNK])
            yield logits if start + PREFILL_CHUNK >= len(ids) else None


class ForwardBatch:
    """Several contexts that began alike and grow by one token each at a time; one pass serves them all."""

    def __init__(self, context: ForwardPass, rows: int) -> None:
        """Take over a context that has been read and go on with `rows` copies of it; it must not be used again.

        Raises OutOfMemory.
        """
        self._model = context._model
        self._cache = context._cache
        self.length = context.length
        with memory_guard(self.length * rows):
            self._cache.batch_repeat_interleave(rows)

    def feed(self, ids: Sequence[int]) -> np.ndarray:
        """Append one id to each of the r contexts; logits after them: float32 [r, V]. Raises OutOfMemory."""
        import torch

        with self._model.lock, torch.inference_mode(), memory_guard(self.length * len(ids)):
            tokens = torch.as_tensor(np.asarray(ids, dtype=np.int64)[:, None], device=self._model.device)
            output = self._model.network(input_ids=tokens, past_key_values=self._cache, use_cache=True)
            self.length += 1
            return checked(output.logits[:, -1].float().cpu().numpy())

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these contexts only, in this order."""
        import torch

        self._cache.batch_select_indices(torch.as_tensor(list(rows), device=self._model.device))
