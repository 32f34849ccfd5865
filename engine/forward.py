"""One forward pass at a time through the network, with its key/value cache: ids in, float32 logits out.

The only place where the decode loop and teacher forcing touch torch, which is imported with the first model so that
the page is up before. Does not know sampling or scores.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import OutOfMemory

if TYPE_CHECKING:
    from engine.models import LanguageModel

PREFILL_CHUNK = 512


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
            return output.logits[0].float().cpu().numpy()

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
            return output.logits[:, -1].float().cpu().numpy()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these contexts only, in this order."""
        import torch

        self._cache.batch_select_indices(torch.as_tensor(list(rows), device=self._model.device))


@contextmanager
def memory_guard(tokens: int) -> Iterator[None]:
    """Turn the device's refusal of memory into a sentence; the caller's arrays are released on the way out."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise OutOfMemory(_advice(tokens)) from error
    except MemoryError as error:
        raise OutOfMemory(_advice(tokens)) from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise OutOfMemory(_advice(tokens)) from error


def _advice(tokens: int) -> str:
    return (
        f"There was not enough memory for a context of {tokens} tokens: shorten the prompt or the answer, or use nf4."
    )
