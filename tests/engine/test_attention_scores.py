"""RAUQ and attention-weighted surprisal are those of their formulas written out, and nothing where nothing is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.attention_scores import (
    AttentionReading,
    attention_weighted_surprisal,
    focused,
    middle_layers,
    rauq,
    recurrent_confidence,
)


def reading_of(n=30, layers=4, heads=3, seed=0, answer=None):
    rng = np.random.default_rng(seed)
    surprisal = rng.exponential(1.0, n)
    given = rng.random(n) * (np.arange(n) < n - 3) if answer is None else answer
    return AttentionReading(surprisal, rng.random((layers, heads, n)) ** 3, given)


def slow_rauq(reading):
    """The confidence of every token in the layer with the largest loss: plain loops."""
    layers = []
    for heads in reading.previous.tolist():
        means = [sum(row[1:]) / (len(row) - 1) for row in heads]
        chosen = heads[means.index(max(means))]
        confidence = []
        for t, surprisal in enumerate(reading.surprisal.tolist()):
            p = math.exp(-surprisal)
            confidence.append(p if t == 0 else 0.5 * p + 0.5 * chosen[t] * confidence[-1])
        loss = -sum(math.log(max(c, 1e-12)) for c in confidence) / len(confidence)
        layers.append((loss, confidence))
    return max(layers)[1]


@pytest.mark.parametrize("seed", range(5))
def test_rauq_is_that_of_its_formula_written_out(seed):
    reading = reading_of(seed=seed)
    np.testing.assert_allclose(rauq(reading), slow_rauq(reading), rtol=1e-12)


def test_rauq_hears_attention_and_the_least_certain_layer():
    reading = reading_of()
    blind = AttentionReading(reading.surprisal, np.zeros_like(reading.previous), reading.answer)
    np.testing.assert_allclose(rauq(blind)[1:], 0.5 * np.exp(-reading.surprisal[1:]))
    mixed = AttentionReading(reading.surprisal, np.stack([reading.previous[0], blind.previous[0]]), reading.answer)
    np.testing.assert_allclose(rauq(mixed), rauq(blind)), "the layer that is least sure counts"
    assert (rauq(reading)[1:] > rauq(blind)[1:]).all()
    assert (rauq(reading) >= 0).all() and (rauq(reading) <= 1).all()


def test_the_head_that_looks_back_most_is_chosen_whatever_the_first_column_says():
    heads = np.array([[9.0, 0.1, 0.2], [np.nan, 0.4, 0.3], [0.0, 0.5, 0.1]])
    np.testing.assert_array_equal(focused(heads)[1:], heads[1, 1:])
    assert not focused(np.ones((3, 1))).any()


def test_a_first_token_without_a_probability_is_left_out():
    p, attention = np.array([np.nan, 0.5, 0.4, 0.9]), np.array([0.1, 0.2, 0.3, 0.4])
    found = recurrent_confidence(p, attention)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], recurrent_confidence(p[1:], attention[1:]))
    assert found[1] == 0.5, "the first one that has a probability counts whole"
    reading = reading_of()
    reading.surprisal[0] = np.nan
    assert np.isnan(rauq(reading)[0]) and np.isfinite(rauq(reading)[1:]).all()


@pytest.mark.parametrize(("count", "layers"), [(1, range(1)), (2, range(2)), (3, range(1, 3)), (12, range(4, 9)),
                                               (30, range(10, 21)), (32, range(10, 23))])  # fmt: skip
def test_the_middle_third_of_the_layers_is_meant(count, layers):
    assert middle_layers(count) == layers


def test_surprisal_counts_where_the_answer_looks():
    reading = reading_of()
    found = attention_weighted_surprisal(reading)
    weights = reading.answer / reading.answer.mean()
    np.testing.assert_allclose(found, weights * reading.surprisal)
    assert found.mean() == pytest.approx(np.average(reading.surprisal, weights=reading.answer))
    assert not found[-3:].any(), "what stands behind the answer weighs nothing"


def test_even_attention_leaves_surprisal_as_it_is():
    reading = reading_of(answer=np.full(30, 0.25))
    np.testing.assert_allclose(attention_weighted_surprisal(reading), reading.surprisal)


def test_an_answer_that_looks_nowhere_has_no_weighted_surprisal():
    assert np.isnan(attention_weighted_surprisal(reading_of(answer=np.zeros(30)))).all()
