"""Promises of engine.testing: a tiny model that is real, the same every time, and there at once."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.models import LanguageModel, load_model
from engine.testing import END_ID, save_tiny_folder, tiny_model

TEXT = "one 😀 the and\n"


def logits(model: LanguageModel, ids: list[int]) -> np.ndarray:
    with torch.inference_mode():
        return model.network(input_ids=torch.tensor([ids])).logits[0].numpy()


def test_the_tiny_model_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    ids = tiny_model().encode(TEXT)
    first, again, other = (logits(tiny_model(seed=seed), ids) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_tiny_model_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny_model(seed=9)
    assert torch.equal(torch.rand(3), expected)


def test_the_tiny_model_is_there_within_a_second_once_torch_is() -> None:
    tiny_model()
    started = time.perf_counter()
    tiny_model(seed=3)
    assert time.perf_counter() - started < 1.0


def test_its_distributions_are_neither_flat_nor_certain() -> None:
    model = tiny_model()
    rows = logits(model, model.encode_prompt("Tell me a story.")).astype(np.float64)
    p = np.exp(rows - rows.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    entropy = -(p * np.log(p)).sum(1)
    assert entropy.min() > 0.5 and entropy.max() < np.log(rows.shape[1]) - 0.5
    assert np.ptp(entropy) > 0.5


def test_its_first_ids_are_the_bytes_and_control_tokens_are_marked() -> None:
    model = tiny_model()
    assert [model.token_bytes(i) for i in range(256)] == [bytes([i]) for i in range(256)]
    assert model.end_ids == {END_ID}
    assert model.special_ids == {256, 257, 258, 259}
    assert model.token_bytes(END_ID) == b"<|end|>"
    assert "".join(model.pieces(model.encode(TEXT))) == TEXT
    assert len(model.encode("then")) < 4, "pairs of letters are single tokens"


def test_the_chat_prompt_ends_where_the_answer_begins() -> None:
    model = tiny_model()
    assert "".join(model.pieces(model.encode_prompt("Hi", "Be brief"))) == (
        "<|system|>Be brief<|end|><|user|>Hi<|end|><|assistant|>"
    )


def test_without_a_chat_template_the_prompt_stands_as_it_is() -> None:
    model = tiny_model(chat=False)
    assert not model.card.has_chat_template
    assert "".join(model.pieces(model.encode_prompt("Once"))) == "Once"
    assert "".join(model.pieces(model.encode_prompt("Once", "Tell a tale."))) == "Tell a tale.\n\nOnce"


@pytest.mark.parametrize("vocabulary", [260, 404, 1000])
def test_any_vocabulary_from_260_on_runs_and_rows_without_a_token_are_blank(vocabulary: int) -> None:
    model = tiny_model(vocabulary=vocabulary)
    assert model.card.vocabulary_size == vocabulary == logits(model, [1]).shape[1]
    assert model.token_bytes(vocabulary - 1) == (b"" if vocabulary > 404 else model.token_bytes(vocabulary - 1))
    assert model.token_bytes(vocabulary) == b""


def test_a_smaller_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 260"):
        tiny_model(vocabulary=259)


def test_the_context_is_as_long_as_asked() -> None:
    assert tiny_model(context_length=64).context_length == 64


def test_a_saved_tiny_folder_loads_to_the_same_model(tmp_path: Path) -> None:
    save_tiny_folder(tmp_path / "tiny", seed=4)
    loaded = load_model(str(tmp_path / "tiny"), device="cpu")
    made = tiny_model(seed=4)
    ids = made.encode_prompt("Hello")
    assert loaded.encode_prompt("Hello") == ids
    assert np.array_equal(logits(loaded, ids), logits(made, ids))
    assert loaded.card.tokenizer_hash == made.card.tokenizer_hash
    assert (loaded.end_ids, loaded.special_ids) == (made.end_ids, made.special_ids)
