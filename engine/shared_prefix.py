"""Many rows that continue one text from different places, all attending to a single copy of its keys and values.

A row holds only what was written behind its branch. Each layer scores all rows' queries against the shared keys in one
product, masked per row at its branch, and against the row's own, with one softmax over both: the same sums as a plain
pass, in another order. Knows rows and ids; does not know draws, outcomes or who asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import OutOfMemory
from engine.forward import PREFILL_CHUNK, memory_guard
from engine.tree_forward import packed_reach

if TYPE_CHECKING:
    import torch

    from engine.models import LanguageModel

ATTENTION = "forklore_shared_prefix"
# widths of the rows' own part are rounded up to this, as some kernels are compiled once a shape
WIDTH = 16


class SharedPrefix:
    """Rows 0 .. rows - 1 behind one base text; each is set on its way by `begin` and grows by `feed`.

    Rows are kept close together: the live ones are always the first. Raises OutOfMemory. The model's lock is held for
    one pass at a time. fed: tokens that went through the network, the base included.
    """

    def __init__(self, model: LanguageModel, base_ids: Sequence[int], rows: int) -> None:
        from transformers import AttentionInterface

        AttentionInterface.register(ATTENTION, _attend)
        self._model = model
        self.rows = rows
        self.fed = 0
        self._starts = np.zeros(rows, dtype=np.int64)
        self._lengths = np.zeros(rows, dtype=np.int64)
        self.base_keys, self.base_values = self._read(base_ids)
        layers, heads, _, size = self.base_keys.shape
        self.keys = self.base_keys.new_zeros((layers, rows, heads, WIDTH, size))
        self.values = self.base_values.new_zeros((layers, rows, heads, WIDTH, self.base_values.shape[-1]))
        self.base_bias: torch.Tensor | None = None
        self.own_bias: torch.Tensor | None = None
        self.slots: torch.Tensor | None = None

    def begin(self, row: int, start: int) -> None:
        """Row `row` continues the first `start` tokens of the base."""
        self._starts[row], self._lengths[row] = start, 0

    def copy(self, source: int, target: int) -> None:
        """Row `target` becomes what row `source` is."""
        length = int(self._lengths[source])
        self._starts[target], self._lengths[target] = self._starts[source], length
        self.keys[:, target, :, :length] = self.keys[:, source, :, :length]
        self.values[:, target, :, :length] = self.values[:, source, :, :length]

    def feed(self, ids: Sequence[int]) -> torch.Tensor:
        """Append one id to each of the first r rows; logits after them: float32 [r, V], on the model's device."""
        import torch

        count, device = len(ids), self._model.device
        lengths = self._lengths[:count]
        self._widen(int(lengths.max()) + 1)
        width = -(-(int(lengths.max()) + 1) // WIDTH) * WIDTH
        with self._model.lock, torch.inference_mode(), memory_guard(count * width), _attention(self._model):
            starts = torch.as_tensor(self._starts[:count], device=device)
            self.slots = torch.as_tensor(lengths, device=device)
            self.base_bias = self._bias(torch.arange(self.base_keys.shape[2], device=device) < starts[:, None])
            self.own_bias = self._bias(torch.arange(width, device=device) <= self.slots[:, None])
            output = self._model.network(
                input_ids=torch.as_tensor(np.asarray(ids, dtype=np.int64)[:, None], device=device),
                position_ids=(starts + self.slots)[:, None],
                use_cache=False,
                shared_prefix=self,
            )
        self._lengths[:count] += 1
        self.fed += count
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _bias(self, seen: torch.Tensor) -> torch.Tensor:
        """0 where seen, the least number where not: [r, 1, 1, n]."""
        import torch

        dtype = self.base_keys.dtype
        bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return bias.masked_fill_(~seen, torch.finfo(dtype).min)[:, None, None]

    def _widen(self, needed: int) -> None:
        """Room for rows of this length; grows by doubling, so that copying stays cheap."""
        have = self.keys.shape[3]
        if needed <= have:
            return
        more = max(needed, 2 * have) - have
        more = -(-more // WIDTH) * WIDTH
        with memory_guard(self.rows * (have + more)):
            for name in ("keys", "values"):
                old = getattr(self, name)
                wide = old.new_zeros((*old.shape[:3], have + more, old.shape[4]))
                wide[:, :, :, :have] = old
                setattr(self, name, wide)

    def _read(self, base_ids: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the base: [layers, heads, L, size] each."""
        import torch
        from transformers import DynamicCache

        cache, model = DynamicCache(), self._model
        for start in range(0, len(base_ids), PREFILL_CHUNK):
            chunk = torch.tensor([list(base_ids[start : start + PREFILL_CHUNK])], device=model.device)
            with model.lock, torch.inference_mode(), memory_guard(start + chunk.shape[1]):
                model.network(input_ids=chunk, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self.fed += len(base_ids)
        with torch.inference_mode():
            # without a base (a text that begins with its own first token) there is nothing to share
            keys, values = ([getattr(layer, name)[0] for layer in cache.layers] for name in ("keys", "values"))
            return torch.stack(keys), torch.stack(values)


def shareable(model: LanguageModel, length: int) -> bool:
    """Whether this way of attending says all that the model's own does, for texts of this many tokens."""
    config = model.network.config.get_text_config()
    plain = not any(getattr(config, name, None) for name in ("attn_logit_softcapping", "attention_chunk_size"))
    passes_on = "kwargs" in inspect.signature(model.network.forward).parameters
    return plain and passes_on and length <= packed_reach(model)


def row_bytes(model: LanguageModel, tokens: int) -> int:
    """Bytes that one row of this many tokens takes, keys and values of all layers."""
    config = model.network.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    width = -(-tokens // WIDTH) * WIDTH
    return int(2 * config.num_hidden_layers * heads * size * width * model.network.dtype.itemsize)


def rows_within(model: LanguageModel, tokens: int, memory_bytes: int, most: int) -> int:
    """As many rows of this many tokens as the memory allows, at most `most`. Raises OutOfMemory for none."""
    rows = min(most, memory_bytes // row_bytes(model, tokens))
    if rows < 1:
        raise OutOfMemory(
            f"Not one continuation of {tokens:,} tokens fits into the {memory_bytes / 2**20:.0f} MB set aside for "
            "them: allow more memory or shorter continuations."
        )
    return int(rows)


@contextmanager
def _attention(model: LanguageModel) -> Iterator[None]:
    """The network attends in this way meanwhile; only under the model's lock, as others use the same network."""
    config = model.network.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    shared_prefix: SharedPrefix,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """One token a row: query [r, H, 1, D], key and value [r, h, 1, D], H a multiple of h -> [r, 1, H, D]."""
    import torch

    rows, heads, _one, size = query.shape
    shared, layer = shared_prefix, module.layer_idx
    groups = heads // key.shape[1]
    assert shared.slots is not None and shared.own_bias is not None and shared.base_bias is not None
    width = shared.own_bias.shape[-1]
    every = torch.arange(rows, device=query.device)
    shared.keys[layer][every, :, shared.slots] = key[:, :, 0]
    shared.values[layer][every, :, shared.slots] = value[:, :, 0]
    own_keys, own_values = shared.keys[layer, :rows, :, :width], shared.values[layer, :rows, :, :width]
    base_keys, base_values = shared.base_keys[layer], shared.base_values[layer]
    length = base_keys.shape[1]
    queries = query.reshape(rows, -1, groups, size) * (size**-0.5 if scaling is None else scaling)
    grouped = queries.transpose(0, 1).reshape(-1, rows * groups, size)
    to_base = (grouped @ base_keys.transpose(1, 2)).view(-1, rows, groups, length).transpose(0, 1)
    to_own = queries @ own_keys.transpose(2, 3)
    scores = torch.cat([to_base + shared.base_bias, to_own + shared.own_bias], dim=-1)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    from_base = weights[..., :length].transpose(0, 1).reshape(-1, rows * groups, length) @ base_values
    out = from_base.view(-1, rows, groups, base_values.shape[-1]).transpose(0, 1)
    out = out + weights[..., length:] @ own_values
    return out.reshape(rows, 1, heads, -1), None
