"""Many rows that continue one text from different places, all attending to a single copy of its keys and values.

A row holds only what was written behind its branch. Each layer scores all rows' queries against the shared keys in one
product, masked per row at its branch, and against the row's own, with one softmax over both: the same sums as a plain
pass, in another order. Knows rows and ids; does not know draws, outcomes or who asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import OutOfMemory
from engine.forward import checked
from engine.out_of_memory import memory_guard
from engine.tree_forward import packed_reach

if TYPE_CHECKING:
    import torch

    from engine.models import LanguageModel

ATTENTION = "forklore_shared_prefix"
# widths of the rows' own part are rounded up to this, as some kernels are compiled once a shape
WIDTH = 16
# the base is read in parts, between which somebody else may have the model
BASE_CHUNK = 128
# room for this many rows is made at first
FIRST_ROWS = 16


@dataclass(frozen=True)
class _Step:
    """What every layer needs to know of one pass of r rows. every, slots: int64 [r], each row and its length before;
    base_bias [1, r groups, L] and own_bias [r heads, 1, n] are added to the scores of the base's and the own tokens."""

    every: torch.Tensor
    slots: torch.Tensor
    base_bias: torch.Tensor
    own_bias: torch.Tensor


class SharedPrefix:
    """Rows 0 .. rows - 1 behind one base text; that one is read by `read`, then each row is set on its way by `begin`
    and grows by `feed`.

    Rows are kept close together: the live ones are always the first. longest: tokens that a row has at most, so that
    no more room is made than they take. Raises OutOfMemory. The model's lock is held for one pass at a time.
    """

    def __init__(self, model: LanguageModel, base_ids: Sequence[int], rows: int, longest: int | None = None) -> None:
        from transformers import AttentionInterface

        AttentionInterface.register(ATTENTION, _attend)
        self._model = model
        self.rows, self._longest = rows, longest or model.context_length
        self._base = [int(i) for i in base_ids]
        self._starts = np.zeros(rows, dtype=np.int64)
        self._lengths = np.zeros(rows, dtype=np.int64)
        self.step: _Step | None = None

    def read(self) -> Iterator[None]:
        """Work out keys and values of the base, [layers, heads, L, size] each; yields after every part of it."""
        import torch
        from transformers import DynamicCache

        cache, model = DynamicCache(), self._model
        for start in range(0, len(self._base), BASE_CHUNK):
            chunk = torch.tensor([self._base[start : start + BASE_CHUNK]], device=model.device)
            with model.lock, torch.inference_mode(), memory_guard(start + chunk.shape[1]):
                model.network(input_ids=chunk, past_key_values=cache, use_cache=True, logits_to_keep=1)
            yield
        with torch.inference_mode():
            # without a base (a text that begins with its own first token) there is nothing to share
            keys, values = ([getattr(layer, name)[0] for layer in cache.layers] for name in ("keys", "values"))
            self.base_keys, self.base_values = torch.stack(keys), torch.stack(values)
        layers, heads, _, size = self.base_keys.shape
        first = min(self.rows, FIRST_ROWS)
        self.keys = self.base_keys.new_zeros((layers, first, heads, WIDTH, size))
        self.values = self.base_values.new_zeros((layers, first, heads, WIDTH, self.base_values.shape[-1]))

    def begin(self, row: int, start: int) -> None:
        """Row `row` continues the first `start` tokens of the base."""
        self._starts[row], self._lengths[row] = start, 0

    def copy(self, source: int, target: int) -> None:
        """Row `target` becomes what row `source` is."""
        length = int(self._lengths[source])
        self._starts[target], self._lengths[target] = self._starts[source], length
        if not length:
            # one that was never fed: there may be no room for it yet
            return
        self._room(target + 1, length)
        self.keys[:, target, :, :length] = self.keys[:, source, :, :length]
        self.values[:, target, :, :length] = self.values[:, source, :, :length]

    def free(self, row: int) -> None:
        """Nobody uses this row any more; its room stays."""

    def feed(self, ids: Sequence[int]) -> torch.Tensor:
        """Append one id to each of the first r rows; logits after them: float32 [r, V], on the model's device."""
        import torch

        count, device = len(ids), self._model.device
        starts, lengths = self._starts[:count], self._lengths[:count]
        longest = int(lengths.max()) + 1
        self._room(count, longest)
        with self._model.lock, torch.inference_mode(), memory_guard(count * longest), _attention(self._model):
            self.step = self._prepared(starts, lengths, min(_rounded(longest), self.keys.shape[3]))
            output = self._model.network(
                input_ids=torch.as_tensor(np.asarray(ids, dtype=np.int64)[:, None], device=device),
                position_ids=torch.as_tensor((starts + lengths)[:, None], device=device),
                use_cache=False,
                shared_prefix=self,
            )
        self._lengths[:count] += 1
        logits: torch.Tensor = output.logits[:, -1].float()
        return checked(logits)

    def _prepared(self, starts: np.ndarray, lengths: np.ndarray, width: int) -> _Step:
        import torch

        device, rows = self._model.device, len(starts)
        heads, base = self.keys.shape[2], self.base_keys.shape[2]
        groups = self._model.network.config.get_text_config().num_attention_heads // heads
        to_base = self._bias(torch.arange(base) < torch.as_tensor(starts)[:, None])
        to_own = self._bias(torch.arange(width) <= torch.as_tensor(lengths)[:, None])
        return _Step(
            torch.arange(rows, device=device),
            torch.as_tensor(lengths, device=device),
            to_base.repeat_interleave(groups, dim=0)[None],
            to_own.repeat_interleave(heads, dim=0)[:, None],
        )

    def _bias(self, seen: torch.Tensor) -> torch.Tensor:
        """0 where seen, the least number where not: [r, n]."""
        import torch

        dtype = self.base_keys.dtype
        bias = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)
        return bias.to(self._model.device)

    def _room(self, rows: int, length: int) -> None:
        """Room for this many rows of this length; grows by doubling, so that copying stays cheap."""
        _, have, heads, width, _ = self.keys.shape
        if rows <= have and length <= width:
            return
        more = have if rows <= have else min(self.rows, max(rows, 2 * have))
        wider = width if length <= width else max(length, min(self._longest, 2 * width))
        wider = _rounded(wider)
        with memory_guard(more * wider):
            for name in ("keys", "values"):
                old = getattr(self, name)
                wide = old.new_zeros((len(old), more, heads, wider, old.shape[4]))
                wide[:, :have, :, :width] = old
                setattr(self, name, wide)


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
    width = _rounded(tokens)
    return int(2 * config.num_hidden_layers * heads * size * width * model.network.dtype.itemsize)


def _rounded(tokens: int) -> int:
    return -(-tokens // WIDTH) * WIDTH


def rows_within(model: LanguageModel, tokens: int, memory_bytes: int, most: int, *, base: int = 0) -> int:
    """As many rows of this many tokens as the memory allows beside a base of so many, at most `most`.

    Raises OutOfMemory for none.
    """
    rows = min(most, (memory_bytes - (row_bytes(model, base) if base else 0)) // row_bytes(model, tokens))
    if rows < 1:
        beside = f" beside the {base:,} tokens before them" if base else ""
        raise OutOfMemory(
            f"Not one continuation of {tokens:,} tokens fits into the {memory_bytes / 2**20:.0f} MB set aside for "
            f"them{beside}: allow more memory (--rollout-memory) or shorter continuations."
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
    shared, layer, step = shared_prefix, module.layer_idx, shared_prefix.step
    assert step is not None
    kinds, groups, width = key.shape[1], heads // key.shape[1], step.own_bias.shape[-1]
    shared.keys[layer][step.every, :, step.slots] = key[:, :, 0]
    shared.values[layer][step.every, :, step.slots] = value[:, :, 0]
    own_keys = shared.keys[layer, :rows, :, :width].flatten(0, 1)
    own_values = shared.values[layer, :rows, :, :width].flatten(0, 1)
    base_keys, base_values = shared.base_keys[layer], shared.base_values[layer]
    length, scale = base_keys.shape[1], size**-0.5 if scaling is None else scaling
    queries = query.reshape(rows, kinds, groups, size)
    grouped = queries.transpose(0, 1).reshape(kinds, rows * groups, size)
    to_base = torch.baddbmm(step.base_bias, grouped, base_keys.transpose(1, 2), alpha=scale)
    to_own = torch.baddbmm(step.own_bias, queries.flatten(0, 1), own_keys.transpose(1, 2), alpha=scale)
    scores = [to_base.view(kinds, rows, groups, length).transpose(0, 1), to_own.view(rows, kinds, groups, width)]
    weights = torch.softmax(torch.cat(scores, dim=-1), dim=-1, dtype=torch.float32).to(query.dtype)
    from_base = weights[..., :length].transpose(0, 1).reshape(kinds, rows * groups, length) @ base_values
    from_own = weights[..., length:].flatten(0, 1) @ own_values
    out = from_own.view(rows, kinds, groups, -1) + from_base.view(kinds, rows, groups, -1).transpose(0, 1)
    return out.reshape(rows, 1, heads, -1), None
