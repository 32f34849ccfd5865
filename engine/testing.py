"""A tiny deterministic model with a byte tokenizer: fast tests run the real code without weights on disk.

The network is a seeded random Llama of two layers; its answers mean nothing, its distributions are varied.
Made for tests and demonstrations; the app itself never loads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine import loading
from engine.models import LanguageModel, make_card
from engine.sources import Source
from engine.tokens import Vocabulary

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

SPECIALS = ("<|end|>", "<|user|>", "<|assistant|>", "<|system|>")
END_ID = 256
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LETTERS = "etaoinshrdlu"


def tiny_model(*, vocabulary: int = 288, seed: int = 0, context_length: int = 512, chat: bool = True) -> LanguageModel:
    """A LanguageModel in float32 on the CPU, the same for the same arguments.

    vocabulary >= 260: ids 0..255 are the bytes, then 4 control tokens (256 ends a turn), then up to 144 pairs of
    letters, then rows without a token. chat: whether the tokenizer has a chat template.
    """
    network = tiny_network(vocabulary, seed, context_length)
    tokenizer = byte_tokenizer(vocabulary, chat=chat)
    words = Vocabulary(tokenizer.backend_tokenizer)
    source = Source("tiny", Path(), "tiny-random-llama", f"seed-{seed}")
    card = make_card(network, tokenizer, words, source, loading.Plan("none", "cpu", "float32"))
    return LanguageModel(network, tokenizer, card, words)


def save_tiny_folder(path: Path, *, vocabulary: int = 288, seed: int = 0, chat: bool = True) -> None:
    """Write the tiny model as a local model folder: configuration, safetensors and tokenizer."""
    with loading.quiet():
        tiny_network(vocabulary, seed, 512).save_pretrained(path)
    byte_tokenizer(vocabulary, chat=chat).save_pretrained(path)


def tiny_network(vocabulary: int, seed: int, context_length: int) -> LlamaForCausalLM:
    """A random Llama (2 layers, width 32), in eval mode. The global random state is left as it was."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if vocabulary < 256 + len(SPECIALS):
        raise ValueError(f"vocabulary must be at least {256 + len(SPECIALS)}, is {vocabulary}")
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context_length,
        initializer_range=0.5,
        bos_token_id=None,
        eos_token_id=END_ID,
    )
    config._attn_implementation = loading.ATTENTION
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LlamaForCausalLM(config)
    network.requires_grad_(False)
    return network.eval()


def byte_tokenizer(vocabulary: int = 288, *, chat: bool = True) -> PreTrainedTokenizerFast:
    """Byte-level BPE whose first 256 ids are the bytes themselves."""
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = bytes_to_unicode()
    spelled = {letters[byte]: byte for byte in range(256)}
    # the model fills ids in order: the control tokens' places are taken first, then pairs of letters
    spelled.update({name: 256 + index for index, name in enumerate(SPECIALS)})
    pairs = [(a, b) for a in LETTERS for b in LETTERS][: vocabulary - 256 - len(SPECIALS)]
    spelled.update({a + b: 256 + len(SPECIALS) + index for index, (a, b) in enumerate(pairs)})
    backend = Tokenizer(BPE(vocab=spelled, merges=pairs))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=SPECIALS[0])
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
