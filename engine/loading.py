"""From a folder of safetensors to a network in memory: device, number format, quantisation, and what can go wrong.

Does not know where the folder came from; see `sources`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine import memory, weights
from engine.catalogue import QUANTIZATIONS, Quantization
from engine.errors import ModelUnavailable, OutOfMemory
from engine.out_of_memory import give_back, is_refusal

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from engine.sources import Source

DTYPES = ("float32", "bfloat16", "float16")
# One token at a time on two CPU cores, embedded model in float32: sdpa 18.8 tokens/s, eager 18.2 on a busy machine.
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


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The folder's tokenizer. Raises ModelUnavailable when there is none, or none that is made of `tokenizers`."""
    from transformers import AutoTokenizer, PreTrainedTokenizerBase

    tokenizer: Any = None
    if any((source.folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        with _told_apart(source, "tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(source.folder, trust_remote_code=False, local_files_only=True)
    if not isinstance(tokenizer, PreTrainedTokenizerBase) or getattr(tokenizer, "backend_tokenizer", None) is None:
        raise ModelUnavailable(
            f"{source.name} comes without a tokenizer.json: save its tokenizer there with save_pretrained, "
            "or choose another model."
        )
    return tokenizer


def load_network(source: Source, plan: Plan) -> PreTrainedModel:
    """The folder's network on its device, in eval mode, after it has answered one token with finite numbers.

    Raises ModelUnavailable for weights that are damaged, foreign or no causal language model, and OutOfMemory.
    """
    import torch
    from transformers import AutoModelForCausalLM

    tensors = weights.read_tensors(weights.weight_files(source.folder))
    needed = weights.bytes_needed(tensors, plan.quantization, plan.dtype)
    if plan.device.startswith("cuda"):
        torch.cuda.empty_cache()  # what a model before left behind counts as taken otherwise
    remedy = "choose nf4 or a smaller model" if plan.quantization == "none" else "choose a smaller model"
    memory.check_room(needed, plan.device, f"{source.name} ({plan.quantization}, {plan.dtype})", remedy)
    dtype: torch.dtype = getattr(torch, plan.dtype)
    options: dict[str, Any] = {}
    if plan.quantization != "none":
        options["quantization_config"] = _quantization_config(plan, dtype)
    if plan.quantization != "none" or plan.device != "cpu":
        options["device_map"] = {"": plan.device}
    with quiet(), _told_apart(source, "weights", plan), _enough_memory(source, remedy):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source.folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            attn_implementation=_attention_of(source),
            output_loading_info=True,
            **options,
        )
    network: PreTrainedModel = loaded[0]
    check_complete(source.name, loaded[1])
    network.requires_grad_(False)
    network.eval()
    with _enough_memory(source, remedy):
        _check_alive(source, network, plan)
    return network


def _attention_of(source: Source) -> str:
    """The usual way of attending, or the plain one for architectures that cannot do without (soft-capped scores)."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    config = AutoConfig.from_pretrained(source.folder, trust_remote_code=False, local_files_only=True)
    network = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    return ATTENTION if getattr(network, "_supports_sdpa", True) else "eager"


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


def check_architecture(source: Source) -> None:
    """Refuse what is no causal language model, by its configuration alone."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    path = source.folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
        architectures = [str(name) for name in config.get("architectures") or ()]
        model_type = str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"The configuration {path} cannot be read: copy or download the model again.") from error
    if config.get("quantization_config"):
        raise ModelUnavailable(
            f"The weights of {source.name} are stored quantised: give the original model and choose nf4 or int8."
        )
    known = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type)
    names = {known} if isinstance(known, str) else set(known or ())
    if not names or (architectures and not names & set(architectures)):
        raise ModelUnavailable(
            f"{source.name} is a {', '.join(architectures) or model_type}, which is no causal language model that "
            "this version of transformers can load: choose a model whose architecture ends in ForCausalLM."
        )


def check_complete(name: str, report: dict[str, Any]) -> None:
    """transformers fills missing weights with random numbers; nobody should read those."""
    lacking = [str(array) for key in ("missing_keys", "mismatched_keys") for array in report.get(key) or ()]
    if lacking:
        raise ModelUnavailable(
            f"The weights of {name} lack {len(lacking)} of the network's arrays ({lacking[0]}, ...): "
            "copy or download the model again."
        )


def _check_alive(source: Source, network: PreTrainedModel, plan: Plan) -> None:
    """One token through the network: says now what would otherwise be said in the middle of an answer."""
    import torch

    with torch.inference_mode():
        logits = network(input_ids=torch.zeros((1, 1), dtype=torch.long, device=network.device)).logits
    if not bool(torch.isfinite(logits).all()):
        raise ModelUnavailable(
            f"{source.name} answers with numbers that are not finite in {plan.dtype}: choose bfloat16 or float32, "
            "or download the model again."
        )


def _quantization_config(plan: Plan, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if plan.quantization == "int8":
        # Says the same line for every layer and every token when activations are not float16 already.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=False
    )


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers in the terminal: the page shows its own."""
    from transformers.utils import logging as words

    shown = words.is_progress_bar_enabled()
    words.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            words.enable_progress_bar()


@contextmanager
def _told_apart(source: Source, part: str, plan: Plan | None = None) -> Iterator[None]:
    """Turn what transformers raises for bad files into one sentence."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except ImportError as error:
        asked = f"{plan.quantization} on {plan.device}" if plan and plan.quantization != "none" else "this model"
        raise ModelUnavailable(
            f"{source.name} cannot be loaded because a package for {asked} is missing ({_first_line(error)}): "
            "install requirements.txt again, or choose quantisation none."
        ) from error
    except (SafetensorError, StrictDataclassError, OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"The {part} of {source.name} cannot be read ({_first_line(error)}): "
            "copy or download the model again, or choose another."
        ) from error


@contextmanager
def _enough_memory(source: Source, remedy: str) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_refusal(error):
            give_back(error)
            raise OutOfMemory(f"There was not enough memory to load {source.name}: {remedy}.") from error
        raise ModelUnavailable(
            f"The weights of {source.name} do not fit its configuration ({_first_line(error)}): "
            "copy or download the model again."
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".:")[:160]
