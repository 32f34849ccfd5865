"""A model that is nothing but a function from the ids so far to the next row of logits.

Stands where a LanguageModel stands: the engine's own passes, caches and batches run on it. Its network keeps the ids
themselves as keys and asks for the row of each prefix. A token is one letter. Does not know what the rows say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig

from engine.types import ModelCard

END = 0
# ids so far -> logits of the next one, float32 [V]
Row = Callable[[Sequence[int]], np.ndarray]


class RowNetwork:
    """Input ids and a cache in, logits out."""

    def __init__(self, vocabulary: int, row: Row) -> None:
        self.config = LlamaConfig(num_hidden_layers=1, vocab_size=vocabulary)
        self.row = row

    def __call__(self, input_ids: torch.Tensor, past_key_values: Any, logits_to_keep: int = 0, **_: Any) -> Any:
        keys = input_ids[:, None, :, None].float()
        cached, _values = past_key_values.update(keys, keys, 0)
        length = cached.shape[2]
        kept = logits_to_keep or input_ids.shape[1]
        rows = [
            [self.row(ids[: length - kept + 1 + i]) for i in range(kept)] for ids in cached[:, 0, :, 0].int().tolist()
        ]
        return SimpleNamespace(logits=torch.from_numpy(np.array(rows)))


class RowModel:
    """letters: what the ids are written as; the first of them ends an answer."""

    def __init__(self, letters: str, row: Row, card: ModelCard) -> None:
        self.letters = letters
        self.network = RowNetwork(card.vocabulary_size, row)
        self.card = card
        self.context_length = card.context_length
        self.device = torch.device("cpu")
        self.lock = threading.Lock()
        self.special_ids = self.end_ids = frozenset({END})

    def encode_prompt(self, prompt: str, system: str | None = None) -> list[int]:
        return [self.letters.index(letter) for letter in (system or "") + prompt]

    def token_bytes(self, token_id: int) -> bytes:
        return self.letters[token_id].encode()

    def pieces(self, ids: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.letters[i] for i in ids)

    def decoder(self) -> Any:
        return SimpleNamespace(push=self.letters.__getitem__, flush=str)
