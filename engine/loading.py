"""From a folder of safetensors to a network in memory: device, number format, quantisation, and what can go wrong.

Does not know where the folder came from; see `sources`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.catalogue import QUANTIZATIONS, Quantization
from engine.errors import ModelUnavailable
from engine.sources import Source

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DTYPES = ("float32", "bfloat16", "float16")
ATTENTION = "sdpa"


@dataclass(frozen=True)
class Plan:
    """How a network is to be held: checked names, nothing left open."""

    quantization: Quantization
    device: str
    dtype: str


def choose_plan(quantization: str | None, device: str | None, dtype: str | None) -> Plan:
    """Check what was asked for and fill in the rest. Raises ModelUnavailable."""
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
    kind = _check_device(device)
    if quantization is None:
        quantization = "nf4" if kind == "cuda" else "none"
    if dtype is None:
        dtype = {"cuda": "bfloat16", "mps": "float16"}.get(kind, "float32")
    if dtype not in DTYPES:
        raise ModelUnavailable(f"The number format {dtype!r} is not known: choose one of {', '.join(DTYPES)}.")
    for known in QUANTIZATIONS:
        if quantization == known:
            if known != "none" and kind == "mps":
                raise ModelUnavailable(f"{known} does not run on mps: choose quantisation none or device cpu.")
            return Plan(known, device, dtype)
    raise ModelUnavailable(f"The quantisation {quantization!r} is not known: choose one of {', '.join(QUANTIZATIONS)}.")


def _check_device(device: str) -> str:
    """The kind of a device that exists: cpu, cuda or mps."""
    import torch

    try:
        parsed = torch.device(device)
    except RuntimeError as error:
        raise ModelUnavailable(f"The device {device!r} is not known: choose cpu, cuda or mps.") from error
    if parsed.type not in ("cpu", "cuda", "mps"):
        raise ModelUnavailable(f"The device {device!r} is not supported: choose cpu, cuda or mps.")
    present = {
        "cpu": (parsed.index or 0) == 0,
        "cuda": torch.cuda.is_available() and (parsed.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present[parsed.type]:
        raise ModelUnavailable(f"This machine has no device {device}: choose cpu, or leave the device open.")
    return parsed.type


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The folder's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False, local_files_only=True)


def load_network(source: Source, plan: Plan) -> PreTrainedModel:
    """The folder's network on its device, in eval mode."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype: torch.dtype = getattr(torch, plan.dtype)
    options: dict[str, Any] = {}
    if plan.quantization != "none":
        options["quantization_config"] = _quantization_config(plan, dtype)
    if plan.quantization != "none" or plan.device != "cpu":
        options["device_map"] = {"": plan.device}
    network = AutoModelForCausalLM.from_pretrained(
        source.folder,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        attn_implementation=ATTENTION,
        **options,
    )
    network.requires_grad_(False)
    return network.eval()


def _quantization_config(plan: Plan, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if plan.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=False
    )
