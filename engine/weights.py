"""A folder of safetensors looked at without loading it: which files, whether whole, how large in memory.

Reads headers only (https://huggingface.co/docs/safetensors: 8 bytes of length, a JSON table, then the data).
Does not know torch, nor where the folder came from.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from engine.catalogue import Quantization
from engine.errors import ModelUnavailable

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# At most this much of each end of a file is hashed: a fine-tune changes both.
SAMPLE = 1 << 20
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# NF4: half a byte and one float32 for each block of 64; int8: one byte, one float32 a row (neglected).
QUANTIZED_BYTES = {"nf4": 0.5 + 4 / 64, "int8": 1.0}
KEPT_WHOLE = ("embed", "lm_head", "wte", "wpe", "output.weight")
# Buffers, the first forward pass and a context of some thousand tokens.
OVERHEAD_BYTES = 250e6


@dataclass(frozen=True)
class Tensor:
    """One named array of a file; shape in elements."""

    name: str
    shape: tuple[int, ...]


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a model folder, all present. Raises ModelUnavailable naming what is missing."""
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(
            f"The folder {folder} holds no config.json: give the folder that save_pretrained wrote, or a .gguf file."
        )
    if (folder / SINGLE).is_file():
        return (folder / SINGLE,)
    if (folder / INDEX).is_file():
        return _shards(folder)
    if any(path.suffix in PICKLED for path in folder.iterdir()):
        raise ModelUnavailable(
            f"The folder {folder} holds its weights as pickle files only, which can run code when opened: "
            "convert them to safetensors or choose another model."
        )
    raise ModelUnavailable(f"The folder {folder} holds no weights: add {SINGLE} or give another folder.")


def read_tensors(files: Iterable[Path]) -> list[Tensor]:
    """Every tensor of the files, after a check that no file is cut short. Raises ModelUnavailable."""
    return [tensor for path in files for tensor in _read_header(path)]


def bytes_needed(tensors: Iterable[Tensor], quantization: Quantization, dtype: str) -> int:
    """Memory for the weights and a first context: Linear layers as quantised, embeddings and norms in `dtype`."""
    whole = DTYPE_BYTES[dtype]
    per_element = QUANTIZED_BYTES.get(quantization, whole)
    total = OVERHEAD_BYTES
    for tensor in tensors:
        linear = len(tensor.shape) == 2 and not any(part in tensor.name for part in KEPT_WHOLE)
        total += prod(tensor.shape) * (per_element if linear else whole)
    return int(total)


def fingerprint(folder: Path) -> str:
    """A name for the folder's content: sha256 over configuration, tokenizer, and both ends of every weight file."""
    digest = hashlib.sha256()
    for path in [*sorted(folder.glob("*.json")), *weight_files(folder)]:
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            digest.update(file.read(SAMPLE))
            file.seek(max(0, size - SAMPLE))
            digest.update(file.read())
    return f"sampled-{digest.hexdigest()}"


def _shards(folder: Path) -> tuple[Path, ...]:
    try:
        names = set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values())
        files = [folder / Path(name).name for name in sorted(names)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"The table of weights {INDEX} in {folder} cannot be read: download or copy the model again."
        ) from error
    missing = [path.name for path in files if not path.is_file()]
    if missing or not files:
        raise ModelUnavailable(
            f"The folder {folder} lacks {len(missing)} of {len(files)} weight files ({', '.join(missing[:3])}): "
            "download or copy the model again."
        )
    return tuple(files)


def _read_header(path: Path) -> list[Tensor]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            table: dict[str, Any] = json.loads(file.read(length)) if length <= size else {}
        entries = [(name, entry) for name, entry in table.items() if name != "__metadata__"]
        end = max((int(entry["data_offsets"][1]) for _, entry in entries), default=0)
        tensors = [Tensor(name, tuple(int(n) for n in entry["shape"])) for name, entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error) as error:
        raise ModelUnavailable(f"{_damaged(path)} its table cannot be read: download or copy it again.") from error
    if 8 + length + end != size:
        raise ModelUnavailable(
            f"{_damaged(path)} it has {size} bytes instead of {8 + length + end}: download or copy it again."
        )
    return tensors


def _damaged(path: Path) -> str:
    return f"The weight file {path} is damaged,"
