"""Evaluates many nodes of a tree in one pass of the network, each seeing its own ancestors only.

The keys and values of the root and of the nodes below it lie in one cache; a mask says who sees whom, and every token
keeps the position it has in its own prefix, so nodes of any depth share a pass without padding, and what is common to
two prefixes is computed once. Does not know how a tree grows.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import BadInput
from engine.forward import PREFILL_CHUNK, ForwardPass, checked
from engine.out_of_memory import memory_guard
from engine.tree_policies import normalised

if TYPE_CHECKING:
    from engine.models import LanguageModel

CACHED_TOKENS = 2_048
PASS_TOKENS = 64  # at most this many tokens go through the network at once, unless one path alone has more


@dataclass
class _Slots:
    """Which tokens below the root lie in the cache, in the cache's order.

    number: path of ids below the root -> its slot; lines: for each slot, the slots it sees, itself last.
    """

    number: dict[tuple[int, ...], int] = field(default_factory=dict)
    lines: list[tuple[int, ...]] = field(default_factory=list)

    def missing(self, path: tuple[int, ...]) -> int:
        """How many of a path's tokens must be fed; its last one always, as its logits are wanted."""
        known = len(path) - 1
        while known > 0 and path[:known] not in self.number:
            known -= 1
        return len(path) - known


class TreeForward:
    """The `evaluate` of a growth, for one model and one root.

    cached_tokens: how many tokens below the root the cache may hold; beyond that all but the ancestors of the nodes at
    hand are dropped, and computed again when they are needed. Raises OutOfMemory. One thread at a time; the model's
    lock is held for one pass at a time, so that other contexts may go in between. fed: tokens that went through the
    network so far. Prefixes beyond `packed_reach` are computed whole and one by one.
    """

    def __init__(self, model: LanguageModel, root_ids: Sequence[int], *, cached_tokens: int = CACHED_TOKENS) -> None:
        if not 0 < len(root_ids) <= model.context_length:
            raise BadInput(
                f"The root has {len(root_ids):,} tokens; it must have 1 to {model.context_length:,} for this model."
            )
        self._model = model
        self._root = tuple(int(i) for i in root_ids)
        self._cached_tokens = cached_tokens
        self._cache: Any = None
        self._after_root: np.ndarray | None = None
        self._slots = _Slots()
        self._reach = packed_reach(model)
        self.fed = 0

    @property
    def cached(self) -> int:
        """Tokens below the root whose keys and values are held."""
        return len(self._slots.lines)

    def __call__(self, prefixes: Sequence[Sequence[int]]) -> np.ndarray:
        """Log-probabilities of what follows each of b prefixes, all of which begin with the root: float32 [b, V].

        Raises ValueError for a prefix that does not begin with the root or is longer than the context.
        """
        paths = [self._path(prefix) for prefix in prefixes]
        rows = np.empty((len(paths), self._model.card.vocabulary_size), dtype=np.float32)
        packed = []
        for index, path in enumerate(paths):
            if len(self._root) + len(path) > self._reach:
                rows[index] = normalised(self._alone(path))
            elif path:
                packed.append(index)
            else:
                rows[index] = normalised(self._root_logits())
        for group in self._passes(packed, paths):
            self._root_logits()
            wanted = [paths[index] for index in group]
            self._make_room(wanted)
            for index, logits in zip(group, self._feed(wanted), strict=True):
                rows[index] = normalised(logits)
        return rows

    def _path(self, prefix: Sequence[int]) -> tuple[int, ...]:
        ids = tuple(int(i) for i in prefix)
        if ids[: len(self._root)] != self._root:
            raise ValueError("a prefix does not begin with the root")
        if len(ids) > self._model.context_length:
            raise ValueError(f"a prefix of {len(ids)} tokens does not fit into {self._model.context_length}")
        return ids[len(self._root) :]

    def _alone(self, path: tuple[int, ...]) -> np.ndarray:
        """Logits [V] by a plain pass over the whole prefix, for what the mask cannot say."""
        logits = None
        for after_chunk in ForwardPass(self._model).prefill([*self._root, *path]):
            logits = after_chunk
        assert logits is not None
        self.fed += len(self._root) + len(path)
        return logits[0]

    def _prefill(self) -> np.ndarray:
        """Logits [V] after the root, whose keys and values are kept from here on."""
        from transformers import DynamicCache

        # without the configuration every layer keeps all tokens, as dropping and choosing slots needs
        self._cache = DynamicCache()
        logits = np.empty(0)
        for start in range(0, len(self._root), PREFILL_CHUNK):
            logits = self._forward(self._root[start : start + PREFILL_CHUNK], None, None, [-1])[0]
        return logits

    def _root_logits(self) -> np.ndarray:
        if self._after_root is None:
            self._after_root = self._prefill()
        return self._after_root

    def _passes(self, below: Sequence[int], paths: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
        """Groups of nodes whose missing tokens go through together."""
        group: list[int] = []
        tokens = 0
        for index in below:
            missing = self._slots.missing(paths[index])
            if group and tokens + missing > PASS_TOKENS:
                yield group
                group, tokens = [], 0
                missing = self._slots.missing(paths[index])
            group.append(index)
            tokens += missing
        if group:
            yield group

    def _feed(self, wanted: Sequence[tuple[int, ...]]) -> np.ndarray:
        """Feed what is missing of some paths below the root: logits after each, float32 [len(wanted), V]."""
        fresh: dict[tuple[int, ...], int] = {}
        lines: list[tuple[int, ...]] = []
        held = self.cached
        for path in wanted:
            for length in range(len(path) - self._slots.missing(path) + 1, len(path) + 1):
                part, above = path[:length], path[: length - 1]
                if part in fresh:
                    continue
                if above in fresh:
                    line = lines[fresh[above]]
                else:
                    line = self._slots.lines[self._slots.number[above]] if above else ()
                lines.append((*line, held + len(fresh)))
                fresh[part] = len(fresh)
        root = len(self._root)
        sees = np.zeros((len(fresh), root + held + len(fresh)), dtype=bool)
        sees[:, :root] = True
        for row, line in enumerate(lines):
            sees[row, [root + slot for slot in line]] = True
        positions = [root + len(part) - 1 for part in fresh]
        logits = self._forward([part[-1] for part in fresh], positions, sees, [fresh[path] for path in wanted])
        self._slots.lines.extend(lines)
        self._slots.number.update((part, held + place) for part, place in fresh.items())
        return logits

    def _forward(
        self, ids: Sequence[int], positions: Sequence[int] | None, sees: np.ndarray | None, keep: Sequence[int]
    ) -> np.ndarray:
        """One pass over n tokens, added to the cache: logits float32 [len(keep), V] after those named in keep.

        sees: bool [n, cached + n], None for a plain causal pass. A pass that fails takes the cache with it.
        """
        import torch

        model, done = self._model, False
        options: dict[str, Any] = {}
        try:
            with model.lock, torch.inference_mode(), memory_guard(self._cache.get_seq_length() + len(ids)):
                if sees is not None:
                    dtype = model.network.dtype
                    mask = torch.full(sees.shape, torch.finfo(dtype).min, dtype=dtype, device=model.device)
                    mask[torch.as_tensor(sees, device=model.device)] = 0
                    options["attention_mask"] = mask[None, None]
                    options["position_ids"] = torch.tensor([list(positions or ())], device=model.device)
                output = model.network(
                    input_ids=torch.tensor([list(ids)], device=model.device),
                    past_key_values=self._cache,
                    use_cache=True,
                    logits_to_keep=torch.tensor([i % len(ids) for i in keep], device=model.device),
                    **options,
                )
                logits: np.ndarray = checked(output.logits[0].float().cpu().numpy())
            done = True
        finally:
            if not done:
                self._cache, self._after_root, self._slots = None, None, _Slots()
        self.fed += len(ids)
        return logits

    def _make_room(self, wanted: Sequence[tuple[int, ...]]) -> None:
        """Drop all but the ancestors of the wanted paths when the cache would grow beyond its bound."""
        import torch

        needed = sum(self._slots.missing(path) for path in wanted)
        if self.cached + needed <= self._cached_tokens:
            return
        ancestors = {path[:length] for path in wanted for length in range(1, len(path))}
        named = {part: slot for part, slot in self._slots.number.items() if part in ancestors}
        stay = sorted({seen for slot in named.values() for seen in self._slots.lines[slot]})
        moved = {old: new for new, old in enumerate(stay)}
        lines = [tuple(moved[seen] for seen in self._slots.lines[old]) for old in stay]
        kept = [*range(len(self._root)), *(len(self._root) + old for old in stay)]
        with self._model.lock, torch.inference_mode():
            chosen = torch.tensor(kept, device=self._model.device)
            for layer in self._cache.layers:
                layer.keys = layer.keys.index_select(-2, chosen.to(layer.keys.device))
                layer.values = layer.values.index_select(-2, chosen.to(layer.values.device))
        self._slots = _Slots({part: moved[slot] for part, slot in named.items()}, lines)


def packed_reach(model: LanguageModel) -> int:
    """The longest prefix for which a mask and positions say all that attention needs; 0 for other architectures.

    Sliding windows are left to the network's own masks, as are positions that the network derives by itself.
    """
    config = model.network.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    positions = "position_ids" in inspect.signature(model.network.forward).parameters
    if kinds - {"full_attention", "sliding_attention"} or getattr(config, "alibi", False) or not positions:
        return 0
    window = getattr(config, "sliding_window", None)
    windowed = bool(window) and (not kinds or "sliding_attention" in kinds)
    return min(int(window), model.context_length) if windowed and window else model.context_length
