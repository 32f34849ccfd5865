"""A model whose answers depend on a slot exactly as a test wants: a mark, then a digit, then the end.

Stands where a LanguageModel stands, with the engine's own passes on top. A prompt is one letter, the value of the slot.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig

from engine.types import ModelCard

LETTERS = ".0123456789;:ABC "
END = 0
CONTEXT = 24
# (value of the slot, what was written so far) -> letter -> probability; the end where it says nothing
Law = Callable[[str, str], Mapping[str, float]]


class _Network:
    """Keeps the ids themselves as keys; a row of logits is the log of what the law says of the text so far."""

    def __init__(self, law: Law) -> None:
        self.config = LlamaConfig(num_hidden_layers=1, vocab_size=len(LETTERS))
        self._law = law

    def row(self, ids: Sequence[int]) -> list[float]:
        text = "".join(LETTERS[i] for i in ids)
        slot = text.lstrip()[:1]
        shares = self._law(slot, text.lstrip()[1:].lstrip()) or {LETTERS[END]: 1.0}
        return [float(np.log(shares[letter])) if shares.get(letter) else -np.inf for letter in LETTERS]

    def __call__(self, input_ids: torch.Tensor, past_key_values: Any, logits_to_keep: int = 0, **_: Any) -> Any:
        keys = input_ids[:, None, :, None].float()
        cached, _values = past_key_values.update(keys, keys, 0)
        ids, kept = cached[0, 0, :, 0].int().tolist(), logits_to_keep or input_ids.shape[1]
        rows = [self.row(ids[: len(ids) - kept + 1 + i]) for i in range(kept)]
        return SimpleNamespace(logits=torch.tensor([rows], dtype=torch.float32))


class SlotModel:
    """A model of 17 letters that follows a law; drawn: how many tokens its network was asked for."""

    def __init__(self, law: Law) -> None:
        self.network = _Network(law)
        self.card = ModelCard("slots", "slots", "1", "none", "float32", "cpu", "letters", len(LETTERS), CONTEXT)
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
