"""How a network's attention is listened to: its attention function is replaced for a pass, its last states are caught.

Refuses, with the reason, networks whose attention is not made of queries and keys alone. Does not know what is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engine.errors import ModelUnavailable

if TYPE_CHECKING:
    from engine.models import LanguageModel

ATTENTION = "forklore_taps"
# what an attention function may be handed besides the tensors without changing how weights come about
KNOWN = frozenset(
    ("dropout", "scaling", "sliding_window", "softcap", "is_causal", "position_ids", "use_cache", "cache_position",
     "output_attentions", "output_router_logits", "logits_to_keep", "past_key_values", "return_dict",
     "output_hidden_states")
)  # fmt: skip


def strange(options: Mapping[str, Any]) -> list[str]:
    """What an attention function was handed that may change how weights come about, by name."""
    return sorted(name for name, given in options.items() if given is not None and name not in KNOWN)


def check_readable(model: LanguageModel) -> None:
    """Raises ModelUnavailable, with the reason, for a network whose attention cannot be asked about."""
    config = model.network.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ()) - {
        "full_attention", "sliding_attention", "chunked_attention",
    }  # fmt: skip
    if kinds:
        raise closed(model, f"some of its layers do not attend at all ({', '.join(sorted(map(str, kinds)))})")
    if config._attn_implementation not in ("sdpa", "eager"):
        raise closed(model, f"its attention runs in a kernel of another kind ({config._attn_implementation})")
    if getattr(config, "is_encoder_decoder", False):
        raise closed(model, "its decoder reads from an encoder")


def closed(model: LanguageModel, reason: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The attention chain is not available for {model.card.name} because {reason}: choose a model of the Llama, "
        "Qwen, Mistral, Gemma, GPT-2 or Phi kind."
    )


@contextmanager
def attending(model: LanguageModel, attend: Callable[..., tuple[Any, Any]]) -> Iterator[None]:
    """The network attends through `attend` meanwhile; only under the model's lock, as others use the same network."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    config = model.network.config.get_text_config()
    before = config._attn_implementation

    def tapped(module: Any, *tensors: Any, **options: Any) -> tuple[Any, Any]:
        eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
        original = eager if before == "eager" else ALL_ATTENTION_FUNCTIONS[before]
        if original is None:
            raise closed(model, "its way of attending cannot be found")
        return attend(original, module, *tensors, **options)

    # a name of its own, forgotten afterwards: two networks may be read at once, and none is to be held on to
    name = f"{ATTENTION}_{id(config)}"
    ALL_ATTENTION_FUNCTIONS[name] = tapped
    # masks are looked for among what is registered for all, and only there
    AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[before])
    config._attn_implementation = name
    try:
        yield
    except KeyError as error:
        if name not in str(error):
            raise
        raise closed(model, "it looks for its way of attending in a place of its own") from error
    finally:
        config._attn_implementation = before
        del ALL_ATTENTION_FUNCTIONS[name]
        AttentionMaskInterface._global_mapping.pop(name, None)


@contextmanager
def states_of(model: LanguageModel, kept: list[Any]) -> Iterator[None]:
    """What the output layer is handed: the states after the final norm, [1, rows, width]."""
    output = model.network.get_output_embeddings()
    if output is None:
        raise closed(model, "its output layer cannot be found")
    hook = output.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    try:
        yield
    finally:
        hook.remove()
