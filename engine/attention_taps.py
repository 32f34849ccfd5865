"""One reading of a text that leaves behind what attention can be asked about, and states and log-probabilities.

The network attends as it always does; its layers' queries are kept on the way, so that the attention of any position
is a product with the keys of the cache, worked out when it is asked for. Memory grows with the length, never with its
square. Knows ids and layers; does not know chains or answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.attention_hooks import attending, check_readable, closed, states_of, strange
from engine.errors import BadInput
from engine.forward import checked
from engine.out_of_memory import memory_guard

if TYPE_CHECKING:
    import torch

    from engine.models import LanguageModel

CHUNK = 128
TOP = 5


@dataclass
class _Layer:
    """What one layer kept. queries: [heads, rows, size]; seen_from: int64 [rows], the first key each row sees."""

    queries: torch.Tensor
    seen_from: np.ndarray
    scaling: float
    softcap: float | None
    rows: int = 0


class AttentionTaps:
    """A text of n ids, read once; rows are those of its positions first .. n - 1.

    After `read`: logprobs float64 [n - first], of the id behind each row (NaN behind the last one); top_ids int64 and
    top_logprobs float64 [n - first, 5]; states float32 [n - first, width], after the final norm.
    Raises ModelUnavailable for a network whose attention cannot be had, BadInput for a text that does not fit.
    """

    def __init__(self, model: LanguageModel, ids: Sequence[int], first: int) -> None:
        if not 0 <= first < len(ids):
            raise BadInput(f"Row {first} is none of a text of {len(ids):,} tokens.")
        if len(ids) > model.context_length:
            raise BadInput(
                f"Prompt and response have {len(ids):,} tokens; this model's context holds {model.context_length:,}."
            )
        self._model, self.ids, self.first = model, np.asarray(ids, dtype=np.int64), first
        rows = len(ids) - first
        self.logprobs = np.full(rows, np.nan)
        self.top_ids = np.zeros((rows, TOP), dtype=np.int64)
        self.top_logprobs = np.zeros((rows, TOP))
        self._layers: dict[int, _Layer] = {}
        self._states: list[np.ndarray] = []
        self._cache: Any = None
        self._start = 0

    @property
    def states(self) -> np.ndarray:
        return np.concatenate(self._states)

    def read(self) -> Iterator[int]:
        """Read the text in parts; yields how many tokens have been read. Raises OutOfMemory, ModelUnavailable."""
        from transformers import DynamicCache

        check_readable(self._model)
        # without the configuration every layer keeps all tokens
        self._cache = DynamicCache()
        count = len(self.ids)
        for start in range(0, count, CHUNK):
            self._read_part(start, min(start + CHUNK, count))
            yield min(start + CHUNK, count)
        expected, rows = self._model.network.config.get_text_config().num_hidden_layers, count - self.first
        if len(self._layers) != expected:
            raise closed(self._model, f"only {len(self._layers)} of its {expected} layers attend in a known way")
        if any(layer.rows != rows for layer in self._layers.values()):
            raise closed(self._model, "its layers attend more than once to each position")

    def weights(self, position: int) -> np.ndarray:
        """The attention of a position, all layers' heads: float32 [layers x heads, position + 1], rows add up to 1."""
        import torch

        with self._model.lock, torch.inference_mode(), memory_guard(position + 1):
            rows = [self._layer_weights(number, position) for number in sorted(self._layers)]
            return torch.cat(rows).cpu().numpy()

    def to_itself(self, layers: Sequence[int], block: int = 64) -> Iterator[tuple[int, np.ndarray]]:
        """The attention that every row pays to its own position, a layer at a time: (layer, float32 [heads, rows])."""
        for number in layers:
            parts = [self._to_itself(number, start, block) for start in range(0, len(self.logprobs), block)]
            yield number, np.concatenate(parts, axis=1)

    @property
    def layers(self) -> int:
        return len(self._layers)

    def release(self) -> None:
        """Forget the queries; keys and values stay for `continued`."""
        self._layers = {}

    def continued(self, position: int, ids: Sequence[int], keep: Sequence[int]) -> Iterator[np.ndarray]:
        """Log-probabilities of what follows, had the text gone on with these ids from a position: float32 [V] after
        each of the kept ones of them, counted from 0, ascending. Yields rows [k, V], k >= 0, part by part.

        Positions asked for must not grow: what stands behind one is dropped for good.
        """
        import torch

        model, wanted = self._model, np.asarray(keep, dtype=np.int64)
        for start in range(0, len(ids), CHUNK):
            part = list(ids[start : start + CHUNK])
            here = wanted[(wanted >= start) & (wanted < start + len(part))] - start
            rows = here if len(here) else np.array([len(part) - 1])
            with model.lock, torch.inference_mode(), memory_guard(position + len(ids)):
                if start == 0:
                    self._cut(position)
                output = model.network(
                    input_ids=torch.tensor([part], device=model.device),
                    past_key_values=self._cache,
                    use_cache=True,
                    logits_to_keep=torch.as_tensor(rows, device=model.device),
                )
                found = torch.log_softmax(checked(output.logits[0].float()), dim=-1).cpu().numpy()
            yield found[: len(here)]

    def _cut(self, length: int) -> None:
        beyond = self._cache.get_seq_length() - length
        if beyond > 0:
            self._cache.crop(-beyond)

    # ---- reading

    def _read_part(self, start: int, stop: int) -> None:
        import torch

        model, keep = self._model, min(stop - start, max(1, stop - self.first))
        kept: list[torch.Tensor] = []
        with (
            model.lock, torch.inference_mode(), memory_guard(stop), attending(model, self._attend),
            states_of(model, kept),
        ):  # fmt: skip
            self._start = start
            tokens = torch.as_tensor(self.ids[None, start:stop], device=model.device)
            output = model.network(input_ids=tokens, past_key_values=self._cache, use_cache=True, logits_to_keep=keep)
            if stop > self.first:
                self._keep_logits(checked(output.logits[0]), stop - keep)
        if stop > self.first:
            if not kept:
                raise closed(model, "its final states cannot be read")
            self._states.append(kept[0][0, -keep:].float().cpu().numpy())

    def _keep_logits(self, logits: torch.Tensor, start: int) -> None:
        """logits: [k, V] after the positions start, start + 1, ..."""
        import torch

        for low in range(0, len(logits), 32):
            block = torch.log_softmax(logits[low : low + 32].float(), dim=-1)
            at = start + low - self.first
            best = block.topk(TOP, dim=-1)
            self.top_ids[at : at + len(block)] = best.indices.cpu().numpy()
            self.top_logprobs[at : at + len(block)] = best.values.cpu().numpy()
            following = torch.as_tensor(self.ids[start + low + 1 : start + low + 1 + len(block)], device=block.device)
            known = block[: len(following)].gather(1, following[:, None])[:, 0]
            self.logprobs[at : at + len(following)] = known.cpu().numpy()

    def _attend(
        self,
        original: Callable[..., tuple[torch.Tensor, Any]],
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **options: Any,
    ) -> tuple[torch.Tensor, Any]:
        """What the network would have done, with the queries kept: query [1, H, s, D], key [1, h, n, D]."""
        if unknown := strange(options):
            raise closed(self._model, f"its attention depends on more than queries and keys ({', '.join(unknown)})")
        self._check_kept(module.layer_idx, key)
        self._keep_queries(module.layer_idx, query[0], attention_mask, options)
        return original(module, query, key, value, attention_mask, **options)

    def _check_kept(self, number: int, key: torch.Tensor) -> None:
        """The keys that a layer attends to have to be those that its cache holds. key: [1, h, n, D]."""
        import torch

        layers = self._cache.layers
        kept = layers[number].keys if number < len(layers) else None
        if kept is None or kept.shape != key.shape or not torch.equal(kept[:, :, -1], key[:, :, -1]):
            raise closed(self._model, "its layers share keys or keep them in another form")

    def _keep_queries(self, number: int, query: torch.Tensor, mask: torch.Tensor | None, options: Any) -> None:
        heads, count, size = query.shape
        begin = max(self.first, self._start)
        rows = self._start + count - begin
        if rows <= 0:
            return
        if number not in self._layers:
            room = query.new_empty((heads, len(self.ids) - self.first, size))
            scaling = options.get("scaling")
            seen = np.zeros(len(self.ids) - self.first, dtype=np.int64)
            self._layers[number] = _Layer(
                room, seen, size**-0.5 if scaling is None else scaling, options.get("softcap")
            )
        layer, at = self._layers[number], begin - self.first
        layer.queries[:, at : at + rows] = query[:, -rows:]
        if mask is not None:
            layer.seen_from[at : at + rows] = self._first_seen(mask[0, 0, -rows:], begin)
        layer.rows += rows

    def _first_seen(self, mask: torch.Tensor, begin: int) -> np.ndarray:
        """The first key that each row sees; all from there to itself must be seen. mask: [rows, keys]."""
        import torch

        seen = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
        first = seen.int().argmax(dim=1).cpu().numpy()
        own = np.arange(begin, begin + len(first))
        if not np.array_equal(seen.sum(dim=1).cpu().numpy(), own - first + 1):
            raise closed(self._model, "its positions see earlier ones with gaps")
        return first

    # ---- asking

    def _layer_weights(self, number: int, position: int) -> torch.Tensor:
        """float32 [heads, position + 1]."""
        import torch

        layer, row = self._layers[number], position - self.first
        first = int(layer.seen_from[row])
        scores = self._scores(number, row, row + 1, first, position + 1)[:, 0]
        weights = torch.softmax(scores, dim=-1)
        return torch.nn.functional.pad(weights, (first, 0)) if first else weights

    def _to_itself(self, number: int, start: int, block: int) -> np.ndarray:
        """float32 [heads, rows] of rows start .. start + block."""
        import torch

        layer = self._layers[number]
        stop = min(start + block, len(self.logprobs))
        positions = np.arange(start, stop) + self.first
        with self._model.lock, torch.inference_mode(), memory_guard(int(positions[-1]) + 1):
            low = int(layer.seen_from[start:stop].min())
            scores = self._scores(number, start, stop, low, int(positions[-1]) + 1)
            keys = torch.arange(low, int(positions[-1]) + 1, device=scores.device)
            own = torch.as_tensor(positions, device=scores.device)[:, None]
            begins = torch.as_tensor(layer.seen_from[start:stop], device=scores.device)[:, None]
            scores = scores.masked_fill((keys > own) | (keys < begins), -torch.inf)
            chosen = scores.gather(2, (own - low)[None].expand(len(scores), -1, 1))[:, :, 0]
            found: np.ndarray = torch.exp(chosen - torch.logsumexp(scores, dim=-1)).cpu().numpy()
            return found

    def _scores(self, number: int, start: int, stop: int, low: int, high: int) -> torch.Tensor:
        """Scores of rows start .. stop against the keys low .. high: float32 [heads, rows, keys]."""
        import torch

        layer = self._layers[number]
        keys = self._cache.layers[number].keys[0, :, low:high].float()
        queries = layer.queries[:, start:stop].float()
        kinds, groups = len(keys), len(queries) // len(keys)
        grouped = queries.reshape(kinds, groups * (stop - start), queries.shape[-1])
        scores = (grouped @ keys.transpose(1, 2)).reshape(len(queries), stop - start, high - low) * layer.scaling
        return scores if not layer.softcap else layer.softcap * torch.tanh(scores / layer.softcap)
