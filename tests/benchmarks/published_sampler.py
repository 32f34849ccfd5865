"""Roll-outs the way the published sampler draws them: `generate` with left-padded prefixes and several returns each.

The measure that this project's roll-outs are held to. Knows prefixes and draws; does not know outcomes.
Source: the sampling loop of Bigelow et al., arXiv 2412.07961, as `transformers` offers it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from engine.models import LanguageModel


def tokens_a_second(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    base_ids: Sequence[int],
    branches: Sequence[tuple[int, int]],
    *,
    draws: int,
    batch: int,
    max_tokens: int,
) -> float:
    """Rate of drawn tokens, end tokens included and what pads a finished row not.

    branches: (position, token id), in order, so that those which share a batch have prefixes of about one length; each
    is drawn from `draws` times. max_tokens: longest response, its kept beginning included.
    """
    size = max(1, batch // draws)
    started, drawn = time.perf_counter(), 0
    for low in range(0, len(branches), size):
        part = branches[low : low + size]
        prefixes = [[*prompt_ids, *base_ids[:position], token_id] for position, token_id in part]
        drawn += _one_batch(model, prefixes, draws, max_tokens - min(position for position, _ in part) - 1)
    return drawn / (time.perf_counter() - started)


def _one_batch(model: LanguageModel, prefixes: list[list[int]], draws: int, most: int) -> int:
    """Tokens drawn behind these prefixes, up to the first end token of each row, that one included."""
    longest, pad = max(map(len, prefixes)), min(model.end_ids)
    ids = torch.tensor([[pad] * (longest - len(prefix)) + prefix for prefix in prefixes])
    mask = torch.tensor([[0] * (longest - len(prefix)) + [1] * len(prefix) for prefix in prefixes])
    with torch.inference_mode():
        out = model.network.generate(
            input_ids=ids, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
            max_new_tokens=most, num_return_sequences=draws, pad_token_id=pad, eos_token_id=sorted(model.end_ids),
        )  # fmt: skip
    ended = torch.isin(out[:, longest:], torch.tensor(sorted(model.end_ids)))
    return int((ended.long().cumsum(dim=1) - ended.long() == 0).sum())
