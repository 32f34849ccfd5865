"""Promises of LanguageModel: what a prompt becomes, which ids a text has, what the embedded model is."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing

from engine.errors import BadInput, ModelUnavailable
from engine.models import LanguageModel
from engine.testing import byte_tokenizer, tiny_model
from engine.tokens import Vocabulary

NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<|user|>{{ messages[0]['content'] }}<|end|><|assistant|>"
)
DEAF = "<|user|>{{ messages[-1]['content'] }}<|end|><|assistant|>"
REFUSING = "{{ raise_exception('never') }}"


def with_tokenizer(template: str | None = None, *, start: bool = False) -> LanguageModel:
    """The tiny model with another chat template, or with a start token before every text."""
    base = tiny_model(chat=False)
    tokenizer = byte_tokenizer(chat=False)
    tokenizer.chat_template = template
    if start:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|system|> $A", special_tokens=[("<|system|>", 259)]
        )
    card = replace(base.card, has_chat_template=template is not None)
    return LanguageModel(base.network, tokenizer, card, Vocabulary(tokenizer.backend_tokenizer))


def text_of(model: LanguageModel, ids: list[int]) -> str:
    return "".join(model.pieces(ids))


@pytest.mark.parametrize("template", [NO_SYSTEM, DEAF], ids=["refuses", "drops"])
def test_a_template_without_a_system_role_gets_the_system_text_in_front_of_the_prompt(template: str) -> None:
    model = with_tokenizer(template)
    assert text_of(model, model.encode_prompt("Hi", "Be brief")) == "<|user|>Be brief\n\nHi<|end|><|assistant|>"
    assert text_of(model, model.encode_prompt("Hi")) == "<|user|>Hi<|end|><|assistant|>"


def test_a_template_that_refuses_every_prompt_is_named() -> None:
    model = with_tokenizer(REFUSING)
    for system in (None, "Be brief"):
        with pytest.raises(ModelUnavailable, match="chat template of tiny refuses this prompt \\(never\\)"):
            model.encode_prompt("Hi", system)


def test_the_start_token_comes_once_even_when_the_text_spells_it_out() -> None:
    model = with_tokenizer(start=True)
    assert model.start_ids == (259,)
    assert model.encode_prompt("ab") == [259, 97, 98]
    assert model.encode_prompt("<|system|>ab") == [259, 97, 98]
    assert model.encode_prompt("") == [259]
    assert model.encode("ab") == [97, 98]


def test_a_template_that_writes_the_start_token_is_not_given_a_second_one() -> None:
    model = with_tokenizer("<|system|>{{ messages[0]['content'] }}", start=True)
    assert model.encode_prompt("ab") == [259, 97, 98]


def test_control_tokens_in_a_text_are_recognised_and_nothing_is_added() -> None:
    model = tiny_model()
    assert model.encode("a<|end|>") == [97, 256]
    assert model.encode("") == []


@pytest.mark.parametrize("text", ["a\ud83d", "\udc00"])
def test_half_a_character_is_refused_with_its_place(text: str) -> None:
    model = tiny_model()
    tries: list[Callable[[], list[int]]] = [
        lambda: model.encode(text),
        lambda: model.encode_prompt(text),
        lambda: model.encode_prompt("a", text),
    ]
    for attempt in tries:
        with pytest.raises(BadInput, match=f"U\\+D[8C][03][0D] at position {len(text)}"):
            attempt()


def test_nul_and_other_control_characters_pass_through() -> None:
    model = tiny_model()
    assert text_of(model, model.encode("a\x00\x1b\u202eb")) == "a\x00\x1b\u202eb"
    assert "\x00" in text_of(model, model.encode_prompt("a\x00"))


@pytest.mark.model
def test_the_embedded_model_encodes_as_published(embedded: LanguageModel, shared_dir: Path) -> None:
    path = shared_dir / "golden" / "scores_expected.json"
    if not path.is_file():
        pytest.skip("no golden/scores_expected.json in the shared folder")
    for case in json.loads(path.read_text("utf-8"))["cases"]:
        assert embedded.encode_prompt(case["prompt"]) == case["prompt_ids"]
        assert embedded.encode(case["text"]) == case["token_ids"]
        assert text_of(embedded, case["token_ids"]) == case["text"]


@pytest.mark.model
@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.sampled_from(["a", " ", "7", "é", "世", "<|im_end|>", "<|", "\n", "\x00", "😀"]), max_size=20))
def test_texts_get_the_ids_that_transformers_gives_them(embedded: LanguageModel, parts: list[str]) -> None:
    text = "".join(parts)
    assert embedded.encode(text) == embedded.tokenizer(text, add_special_tokens=False).input_ids


def test_a_tokenizer_saved_with_truncation_or_padding_cuts_and_fills_nothing() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=8)
    base = tiny_model()
    model = LanguageModel(base.network, tokenizer, base.card, Vocabulary(tokenizer.backend_tokenizer))
    assert model.encode("abcdef") == [97, 98, 99, 100, 101, 102]


def test_many_threads_may_encode_and_decode_at_once() -> None:
    model = tiny_model()
    texts = [f"text {number} 😀 the end<|end|>" for number in range(16)] * 25
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: text_of(model, model.encode(text)), texts)) == texts


@pytest.mark.model
def test_an_empty_system_text_takes_the_place_of_the_models_own(embedded: LanguageModel) -> None:
    assert "named SmolLM" in text_of(embedded, embedded.encode_prompt("Hi"))
    assert "named SmolLM" not in text_of(embedded, embedded.encode_prompt("Hi", ""))
    assert "<|im_start|>system\nBe brief<|im_end|>" in text_of(embedded, embedded.encode_prompt("Hi", "Be brief"))
