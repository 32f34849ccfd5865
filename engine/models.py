"""A loaded model as the rest of the engine sees it, and the one way to load one by name.

Knows prompts, ids and the card of the weights; does not know decoding, scores, or the page.
torch and transformers are imported when a model is loaded, so that the page is up before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import loading, sources
from engine.catalogue import model_title
from engine.errors import BadInput, ModelUnavailable
from engine.meter import Meter
from engine.out_of_memory import memory_guard
from engine.progress import Progress, silent
from engine.tokens import PieceDecoder, Vocabulary
from engine.types import ModelCard

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Special tokens that end a turn or a text in well-known families, besides those the model's own files name.
END_TOKENS = frozenset(
    ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>", "<end_of_turn>", "</s>", "<eos>")
)


class LanguageModel:
    """A causal language model with its tokenizer.

    card: which weights. network: in eval mode, on `device`. special_ids: control tokens. end_ids: those that end a
    turn or a text. start_ids: what the tokenizer itself puts before a text. context_length: most tokens in one
    context. lock: held for one forward pass at a time. meter: counts the tokens of those passes.
    """

    def __init__(
        self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, card: ModelCard, vocabulary: Vocabulary
    ) -> None:
        self.card = card
        self.network = network
        self.tokenizer = tokenizer
        self.device: torch.device = network.device
        self.context_length = card.context_length
        self.lock = threading.Lock()
        self.meter = Meter()
        self.meter.watch(network)
        self.special_ids = _special_ids(tokenizer)
        self.end_ids = _end_ids(network, tokenizer, self.special_ids)
        self._vocabulary = vocabulary
        # Called directly: the wrapper changes the tokenizer's state at each call, which other threads may be using.
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self.start_ids: tuple[int, ...] = tuple(self._backend.encode("").ids)

    def encode_prompt(self, prompt: str, system: str | None = None) -> list[int]:
        """The context after which an answer begins: the chat template with its generation prompt, or plain text.

        Without a chat template the system text stands in front with a blank line, and the tokenizer's own start
        token comes first. A template that refuses or drops a system text gets it in front of the prompt.
        Raises BadInput for text that is not Unicode.
        """
        _check_unicode(prompt)
        _check_unicode(system or "")
        if not self.card.has_chat_template:
            text = f"{system}\n\n{prompt}" if system else prompt
            return self._without_double_start(self._backend.encode(text).ids)
        return self.encode(self._render(prompt, system))

    def encode(self, text: str) -> list[int]:
        """Ids of a text as it stands: nothing is added, the names of special tokens are recognised."""
        _check_unicode(text)
        return list(self._backend.encode(text, add_special_tokens=False).ids)

    def token_bytes(self, token_id: int) -> bytes:
        """Raw bytes of one token; b"" for ids beyond the tokenizer (padded rows of the embedding)."""
        return self._vocabulary.token_bytes(token_id)

    def decoder(self) -> PieceDecoder:
        """A fresh streaming decoder: push(id) -> piece, flush() -> rest."""
        return self._vocabulary.decoder()

    def pieces(self, ids: Iterable[int]) -> tuple[str, ...]:
        """n ids to n pieces whose concatenation is the exact text; see `Vocabulary.pieces`."""
        return self._vocabulary.pieces(ids)

    def _render(self, prompt: str, system: str | None) -> str:
        from jinja2 import TemplateError

        turn = {"role": "user", "content": prompt}
        folded = {"role": "user", "content": f"{system}\n\n{prompt}"}
        try:
            if system is None:
                return self._apply_template([turn])
            text = self._apply_template([{"role": "system", "content": system}, turn])
            return text if system.strip() in text else self._apply_template([folded])
        except TemplateError as refusal:
            try:
                if system is not None:
                    return self._apply_template([folded])
            except TemplateError:
                pass
            raise ModelUnavailable(
                f"The chat template of {self.card.name} refuses this prompt ({refusal}): choose another model."
            ) from refusal

    def _apply_template(self, messages: Sequence[dict[str, str]]) -> str:
        rendered: Any = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        return str(rendered)

    def _without_double_start(self, ids: Sequence[int]) -> list[int]:
        """A text that spells out its own start token must not get a second one."""
        start = list(self.start_ids)
        doubled = bool(start) and list(ids[: 2 * len(start)]) == start * 2
        return list(ids[len(start) :] if doubled else ids)


def load_model(
    name: str = "embedded",
    *,
    quantization: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    progress: Progress | None = None,
    cache_dir: Path | None = None,
) -> LanguageModel:
    """Load a model by catalogue name, local folder, .gguf file or hub id.

    quantization: "none", "nf4" or "int8"; device: "cpu", "cuda", "cuda:1", "mps"; dtype: "float32", "bfloat16",
    "float16". None chooses: nf4 with bfloat16 on CUDA, float16 on MPS, float32 on the CPU. progress(message,
    fraction or None) is told what takes time. cache_dir: where converted models are kept, by default the user's cache.
    Raises ModelUnavailable and OutOfMemory, each with one sentence that names cause and remedy.
    """
    remedy = "close what else takes memory, or choose a smaller model"
    with memory_guard(sentence=f"There was not enough memory to load {model_title(name)}: {remedy}."):
        return _load(name, loading.choose_plan(quantization, device, dtype), progress or silent, cache_dir)


def _load(name: str, plan: loading.Plan, tell: Progress, cache_dir: Path | None) -> LanguageModel:
    sources.check_fits(name, plan.quantization, plan.device)
    source = sources.resolve(name, cache_dir=cache_dir, progress=tell)
    loading.check_architecture(source)
    tell(f"Loading {model_title(source.name)} into memory", None)
    tokenizer = loading.load_tokenizer(source)
    network = loading.load_network(source, plan)
    vocabulary = Vocabulary(tokenizer.backend_tokenizer)
    card = make_card(network, tokenizer, vocabulary, source, plan)
    return LanguageModel(network, tokenizer, card, vocabulary)


def make_card(
    network: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    vocabulary: Vocabulary,
    source: sources.Source,
    plan: loading.Plan,
) -> ModelCard:
    """The card of weights that are in memory. vocabulary_size counts logits, which may exceed the tokenizer's ids."""
    config = network.config.get_text_config()
    return ModelCard(
        name=source.name,
        repo=source.repo,
        revision=source.revision,
        quantization=plan.quantization,
        dtype=plan.dtype,
        device=str(network.device),
        tokenizer_hash=vocabulary.fingerprint(),
        vocabulary_size=int(config.vocab_size),
        context_length=int(getattr(config, "max_position_embeddings", None) or 2048),
        has_chat_template=_has_chat_template(tokenizer),
    )


def _has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    template = tokenizer.chat_template
    return "default" in template if isinstance(template, dict) else bool(template)


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    added = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def _end_ids(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, special_ids: frozenset[int]
) -> frozenset[int]:
    configured = getattr(network.generation_config, "eos_token_id", None)
    ends = set(configured if isinstance(configured, list) else [configured])
    ends.add(tokenizer.eos_token_id)
    ends.update(i for i in special_ids if tokenizer.convert_ids_to_tokens(i) in END_TOKENS)
    return frozenset(int(i) for i in ends if i is not None)


def _check_unicode(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise BadInput(
            f"The text holds half of a character (U+{code:04X} at position {error.start + 1}): delete it and try again."
        ) from error
