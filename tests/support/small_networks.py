"""Seeded random networks of many kinds, a few thousand weights each, with the byte tokenizer around them.

Their answers mean nothing; what they share with the real ones is how their layers attend.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine import loading
from engine.models import LanguageModel, make_card
from engine.sources import Source
from engine.testing import END_ID, byte_tokenizer
from engine.tokens import Vocabulary

VOCABULARY = 288
CONTEXT = 512
WINDOW = 48
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "initializer_range": 0.2,
    "bos_token_id": None, "eos_token_id": END_ID, "pad_token_id": None,
}  # fmt: skip
# what each kind is told besides: (model type, settings, way of attending)
KINDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "llama, grouped queries": ("llama", {}, loading.ATTENTION),
    "llama, multi-head": ("llama", {"num_key_value_heads": 4}, loading.ATTENTION),
    "llama, attending eagerly": ("llama", {}, "eager"),
    "qwen2": ("qwen2", {}, loading.ATTENTION),
    "qwen3": ("qwen3", {"head_dim": 16}, loading.ATTENTION),
    "mistral, sliding window": ("mistral", {"sliding_window": WINDOW}, loading.ATTENTION),
    "gemma2, soft caps and windows": (
        "gemma2",
        {"head_dim": 8, "sliding_window": WINDOW, "attn_logit_softcapping": 1.5, "query_pre_attn_scalar": 8},
        "eager",
    ),
    "gemma3, windows": (
        "gemma3_text",
        {"head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8, "num_hidden_layers": 6},
        loading.ATTENTION,
    ),
    "gpt2": (
        "gpt2",
        {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": CONTEXT, "n_inner": 64},
        loading.ATTENTION,
    ),
    "phi, partly rotated": ("phi", {"num_key_value_heads": 4}, loading.ATTENTION),
    "phi3": ("phi3", {"num_key_value_heads": 2}, loading.ATTENTION),
}


def small_model(kind: str, seed: int = 0) -> LanguageModel:
    """One of KINDS, in float32 on the CPU."""
    return small_model_of(*KINDS[kind], seed=seed)


def small_model_of(
    model_type: str, settings: dict[str, Any], attending: str = loading.ATTENTION, *, seed: int = 0, name: str = "small"
) -> LanguageModel:
    """A random network of a model type. The global random state is left as it was."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(model_type, **{**SHAPE, **settings})
    with torch.random.fork_rng(devices=[]), loading.quiet():
        torch.manual_seed(seed)
        network = AutoModelForCausalLM.from_config(config, attn_implementation=attending)
    network.requires_grad_(False).eval()
    tokenizer = byte_tokenizer(VOCABULARY)
    words = Vocabulary(tokenizer.backend_tokenizer)
    card = make_card(
        network, tokenizer, words, Source(name, Path(), f"{model_type}-random", f"seed-{seed}"),
        loading.Plan("none", "cpu", "float32"),
    )  # fmt: skip
    return LanguageModel(network, tokenizer, card, words)


def eager_attention(model: LanguageModel, ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One plain pass over a whole text with eager attention: weights [layers, heads, T, T], logits [T, V], states
    [T, width] after the final norm."""
    import torch

    config = model.network.config.get_text_config()
    before = config._attn_implementation
    model.network.set_attn_implementation("eager")
    kept: list[Any] = []
    hook = model.network.get_output_embeddings().register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    try:
        with torch.inference_mode():
            output = model.network(
                input_ids=torch.tensor([list(ids)], device=model.device), use_cache=False, output_attentions=True
            )
    finally:
        hook.remove()
        model.network.set_attn_implementation(before)
    weights = torch.cat(list(output.attentions)).float().cpu().numpy()
    return weights, output.logits[0].float().cpu().numpy(), kept[0][0].float().cpu().numpy()


def some_ids(count: int, seed: int = 0) -> list[int]:
    """Random printable bytes."""
    found: list[int] = np.random.default_rng(seed).integers(32, 127, count).tolist()
    return found
