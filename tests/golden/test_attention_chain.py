"""The attention chain of the embedded model in float32, beside the values that were worked out for it once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.attention_chain import analyse
from engine.attention_scores import focused, middle_layers, recurrent_confidence
from engine.attention_taps import AttentionTaps
from engine.chain_settings import ChainSettings
from engine.scoring import score_tokens
from engine.stop_words import stop_words


def read(shared_dir, name):
    path = shared_dir / "golden" / name
    if not path.is_file():
        pytest.skip(f"no golden/{name} in the shared folder")
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def expected(shared_dir):
    return read(shared_dir, "attention_chain_expected.json")


@pytest.fixture(scope="module")
def trace(embedded, expected):
    return score_tokens(embedded, expected["prompt_ids"], expected["token_ids"])


@pytest.fixture(scope="module")
def found(embedded, expected, trace):
    return analyse(embedded, trace, (expected["answer_index"], expected["answer_index"] + 1))


def test_the_prompt_is_the_one_that_was_read(embedded, expected):
    assert embedded.encode_prompt(expected["prompt"]) == expected["prompt_ids"]


def test_chain_and_kept_tokens_are_exactly_those_of_the_golden_case(found, expected):
    positions, scores = zip(*expected["chain"], strict=True)
    assert found.positions == positions
    np.testing.assert_allclose(found.scores, scores, atol=1e-3)
    assert found.kept == tuple(expected["kept"])
    assert found.rows == expected["rows_visited"]
    answer = expected["answer_index"]
    similarity = [s for s, t in zip(found.similarity, found.positions, strict=True) if t != answer]
    np.testing.assert_allclose(similarity, expected["similarity"], atol=1e-3)


def test_variants_are_exactly_those_of_the_golden_case(found, expected):
    assert {(one.position, one.token_id) for one in found.variants} == {(t, i) for t, i in expected["variants"]}
    assert [(one.position, one.token_id) for one in found.variants] == [(t, i) for t, i in expected["variants"]]
    assert len(found.variants) == 10


@pytest.mark.parametrize("name", ["p_answer", "p_kept", "p_chain", "p_uqac"])
def test_confidence_is_that_of_the_golden_case(found, expected, name):
    assert getattr(found.confidence, name) == pytest.approx(expected[name], rel=1e-3)


def test_other_settings_miss_the_golden_case(embedded, expected, trace, found):
    """A control: the comparison sees another reduction, fewer heads and other stop words."""
    span = found.span
    for settings in (ChainSettings(reduction="mean"), ChainSettings(heads=1), ChainSettings(language="none")):
        other = analyse(embedded, trace, span, settings)
        assert other.positions != found.positions, settings
        assert other.p_uqac != pytest.approx(expected["p_uqac"], rel=1e-3)


def test_stop_words_are_exactly_those_of_the_golden_case(shared_dir):
    given = read(shared_dir, "attention_chain_stop_words.json")
    words = {"", *given["words"], *given["characters"]}
    english = stop_words("en")
    assert len(given["words"]) > 100 and english >= words
    assert english <= words | {word.replace("’", "'") for word in words}, "besides, the other apostrophe alone"


def test_rauq_is_the_published_librarys_with_its_share_and_offset(embedded, shared_dir):
    """The library takes a = 0.2, layers 10 to 20 and 1 for nothing lost; ours differs in those choices alone."""
    case = read(shared_dir, "scores_expected.json")["cases"][0]
    ids, before = [*case["prompt_ids"], *case["token_ids"]], len(case["prompt_ids"])
    taps = AttentionTaps(embedded, ids, before - 1)
    list(taps.read())
    probabilities = np.exp(taps.logprobs[:-1])
    assert middle_layers(taps.layers) == range(10, 21)

    def value(shift):
        attention = [focused(np.roll(heads, shift, axis=1)[:, :-1]) for _, heads in taps.to_itself(range(10, 21))]
        return max(1 - np.log(recurrent_confidence(probabilities, one, own=0.2)).mean() for one in attention)

    assert value(0) == pytest.approx(case["lm_polygraph"]["RAUQ"], abs=1e-4)
    # a row later or earlier is another number
    assert abs(value(1) - value(0)) > 1e-3 and abs(value(-1) - value(0)) > 1e-3
