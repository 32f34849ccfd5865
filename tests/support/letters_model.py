"""A model of a handful of letters whose every answer can be listed with its probability, row by row.

Stands where a LanguageModel stands: the engine's own passes, caches and batches run on it. Its network keeps the ids
themselves as keys and looks up the row of each prefix, so the law of its answers is known exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig

from engine.sampling import truncate
from engine.types import GenerationRequest, ModelCard

LETTERS = ".abcde"
END = 0
CONTEXT = 64


class Rows:
    """The network: input ids and a cache in, logits out; a row of logits belongs to the last `memory` ids."""

    def __init__(self, vocabulary: int, seed: int, memory: int, end_weight: float) -> None:
        self.config = LlamaConfig(num_hidden_layers=1, vocab_size=vocabulary)
        self._shape = (vocabulary, seed, memory, end_weight)
        self._known: dict[tuple[int, ...], np.ndarray] = {}

    def row(self, prefix: Sequence[int]) -> np.ndarray:
        """Logits after a prefix: float32 [V]."""
        vocabulary, seed, memory, end_weight = self._shape
        seen = tuple(prefix[max(0, len(prefix) - memory) :])
        if seen not in self._known:
            logits = 1.2 * np.random.default_rng([seed, *seen]).standard_normal(vocabulary)
            logits[END] += end_weight
            self._known[seen] = logits.astype(np.float32)
        return self._known[seen]

    def __call__(self, input_ids: torch.Tensor, past_key_values: Any, logits_to_keep: int = 0, **_: Any) -> Any:
        keys = input_ids[:, None, :, None].float()
        cached, _values = past_key_values.update(keys, keys, 0)
        length = cached.shape[2]
        kept = logits_to_keep or input_ids.shape[1]
        rows = [
            [self.row(ids[: length - kept + 1 + i]) for i in range(kept)] for ids in cached[:, 0, :, 0].int().tolist()
        ]
        return SimpleNamespace(logits=torch.from_numpy(np.array(rows)))


class LettersModel:
    """V <= 6 tokens, the full stop ends an answer; memory: how many ids a row depends on (0: none)."""

    def __init__(self, vocabulary: int = 4, *, seed: int = 0, memory: int = CONTEXT, end_weight: float = -0.5) -> None:
        self.network = Rows(vocabulary, seed, memory, end_weight)
        self.card = ModelCard("toy", "toy", f"{seed}", "none", "float32", "cpu", "letters", vocabulary, CONTEXT)
        self.context_length = CONTEXT
        self.device = torch.device("cpu")
        self.lock = threading.Lock()
        self.special_ids = self.end_ids = frozenset({END})

    def encode_prompt(self, prompt: str, system: str | None = None) -> list[int]:
        return [LETTERS.index(letter) for letter in (system or "") + prompt]

    def token_bytes(self, token_id: int) -> bytes:
        return LETTERS[token_id].encode()

    def pieces(self, ids: Iterable[int]) -> tuple[str, ...]:
        return tuple(LETTERS[i] for i in ids)

    def decoder(self) -> Any:
        return SimpleNamespace(push=LETTERS.__getitem__, flush=str)

    def law(self, prefix: Sequence[int], request: GenerationRequest, length: int) -> dict[tuple[int, ...], float]:
        """Every continuation of prompt and held ids, ended or `length` tokens long, with its probability."""
        return dict(self._continuations(tuple(prefix), (), 1.0, request, length))

    def _continuations(
        self, prefix: tuple[int, ...], path: tuple[int, ...], share: float, request: GenerationRequest, length: int
    ) -> Iterator[tuple[tuple[int, ...], float]]:
        if len(path) == length or (path and path[-1] == END):
            yield path, share
            return
        support = truncate(self.network.row((*prefix, *path)), request.temperature, request.top_k, request.top_p)
        ids = range(support.size) if support.ids is None else support.ids.tolist()
        shares = np.exp(support.log_weights - support.log_normalizer).tolist()
        for token, probability in zip(ids, shares, strict=True):
            yield from self._continuations(prefix, (*path, token), share * probability, request, length)
