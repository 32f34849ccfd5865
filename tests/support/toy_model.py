"""A real network over a handful of tokens, whose every short answer can be listed with its probability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from engine import loading
from engine.forward import ForwardPass
from engine.models import LanguageModel, make_card
from engine.sources import Source
from engine.testing import byte_tokenizer
from engine.tokens import Vocabulary
from tests.support.answers import every_answer

END = 0
PROMPT = (1, 2)


class ToyModel(LanguageModel):
    """Every prompt is the same two ids; token 0 ends an answer."""

    def encode_prompt(self, prompt: str, system: str | None = None) -> list[int]:
        return list(PROMPT)


def toy_model(vocabulary: int = 4, seed: int = 0) -> ToyModel:
    """A random Llama of one layer, in float32 on the CPU."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.6,
        bos_token_id=None,
        eos_token_id=END,
    )
    config._attn_implementation = loading.ATTENTION
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LlamaForCausalLM(config).requires_grad_(False).eval()
    tokenizer = byte_tokenizer()
    words = Vocabulary(tokenizer.backend_tokenizer)
    source = Source("toy", Path(), "toy-random-llama", f"seed-{seed}")
    card = make_card(network, tokenizer, words, source, loading.Plan("none", "cpu", "float32"))
    model = ToyModel(network, tokenizer, card, words)
    model.end_ids = frozenset([END])
    return model


@contextmanager
def one_thread() -> Iterator[None]:
    """Passes this small spend their time waiting for a second thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def answers(model: LanguageModel, length: int, temperature: float = 1.0) -> dict[tuple[int, ...], float]:
    """Every answer, ended or cut off at `length`, with its probability when each token is drawn at a temperature."""

    def shares(path: Sequence[int]) -> Iterator[tuple[int, float]]:
        p = np.exp(_row(model, path) / temperature)
        return enumerate((p / p.sum()).tolist())

    return every_answer(shares, length, END)


def _row(model: LanguageModel, ids: Sequence[int]) -> np.ndarray:
    return ForwardPass(model).feed([*PROMPT, *ids])[0].astype(np.float64)
