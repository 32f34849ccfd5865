"""Turns a GGUF file into a folder of float32 safetensors and a tokenizer, with transformers' own reader.

Does not know where the file came from, nor where the folder is kept; see `conversion`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import memory
from engine.errors import ModelUnavailable
from engine.loading import check_complete, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Files below this are converted without counting first: reading their table of tensors costs seconds.
SMALL_BYTES = 500e6
# float32, and a copy of the largest arrays beside it.
BYTES_PER_WEIGHT = 5


def convert(source: Path, target: Path) -> None:
    """Write the network (float32) and the tokenizer of a GGUF file into an existing empty folder.

    Raises ModelUnavailable for a file that is damaged or of an unknown kind, OutOfMemory for one that is too large,
    OSError when the folder cannot be written.
    """
    try:
        if source.stat().st_size > SMALL_BYTES:
            memory.check_room(
                _count_weights(source) * BYTES_PER_WEIGHT,
                "cpu",
                f"Converting {source.name}",
                "use the model's safetensors folder instead",
            )
        network, tokenizer = _read(source)
    except (ValueError, KeyError, struct.error, OSError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise ModelUnavailable(
            f"The file {source.name} cannot be converted ({lines[0].rstrip('.')[:160]}): "
            "download or install it again, or choose another model."
        ) from error
    with quiet():
        network.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _read(source: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True, "trust_remote_code": False}
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(source.parent, **options)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source.parent, dtype=torch.float32, output_loading_info=True, **options
        )
    network: PreTrainedModel = loaded[0]
    check_complete(source.name, loaded[1])
    # In float32 the modules are plain Linear layers; only the description still says GGUF, and saving would refuse.
    del network.config.quantization_config
    for name in ("hf_quantizer", "is_quantized", "quantization_method"):
        network.__dict__.pop(name, None)
    return network, tokenizer


def _count_weights(source: Path) -> int:
    from gguf import GGUFReader

    return sum(int(tensor.n_elements) for tensor in GGUFReader(source).tensors)
