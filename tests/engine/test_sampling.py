"""Truncation is the one transformers does, and the race draws from exactly what is left."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from engine import noise, sampling


def transformers_support(logits, temperature, top_k, top_p):
    scores = torch.tensor(logits[None, :], dtype=torch.float64)
    for warper in (
        TemperatureLogitsWarper(temperature),
        *([TopKLogitsWarper(top_k)] if top_k else []),
        *([TopPLogitsWarper(top_p)] if top_p and top_p < 1 else []),
    ):
        scores = warper(None, scores)
    return torch.softmax(scores, dim=-1)[0].numpy()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(2, 300),
    st.floats(0.1, 2.0),
    st.one_of(st.none(), st.integers(1, 400)),
    st.one_of(st.none(), st.floats(0.05, 1.0)),
)
def test_support_and_weights_are_those_of_transformers(seed, size, temperature, top_k, top_p):
    logits = np.random.default_rng(seed).normal(size=size) * 3
    expected = transformers_support(logits, temperature, top_k, top_p)
    support = sampling.truncate(logits, temperature, top_k, top_p)
    ids = np.arange(size) if support.ids is None else support.ids
    got = np.zeros(size)
    got[ids] = np.exp(support.log_weights - support.log_normalizer)
    assert support.size == np.count_nonzero(expected)
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_temperature_zero_is_greedy_with_ties_to_the_lowest_id():
    support = sampling.truncate(np.array([0.0, 5.0, 5.0]), 0.0)
    draw = sampling.race(support, noise.log_exponential_row(0, 0, 0, 3))
    assert (draw.token_id, draw.runner_up, draw.margin) == (1, 2, 0.0)
    apart = sampling.race(sampling.truncate(np.array([0.0, 5.0, 4.0]), 0.0), noise.log_exponential_row(0, 0, 0, 3))
    assert (apart.token_id, apart.runner_up, apart.margin) == (1, 2, 1.0), "a close call of greedy decoding is told"
    first = sampling.truncate(np.array([0.0, 5.0, 4.0]), 0.7, top_k=1)
    assert sampling.race(first, noise.log_exponential_row(0, 0, 0, 3)).margin == 1.0
    alone = sampling.truncate(np.array([0.0, 50.0, 4.0]), 1.0, top_p=0.5)
    assert (sampling.race(alone, noise.log_exponential_row(0, 0, 0, 3)).runner_up) == -1


def test_equal_finishes_go_to_the_lowest_id():
    support = sampling.truncate(np.array([0.0, 1.0, 1.0, 0.5]), 1.0, top_k=3)
    draw = sampling.race(support, np.zeros(4))
    assert (draw.token_id, draw.runner_up, draw.margin) == (1, 2, 0.0)


def test_most_likely_agrees_with_a_full_sort_even_with_ties_and_a_flat_tail():
    rng = np.random.default_rng(3)
    for values in (rng.integers(0, 5, 400).astype(float), rng.normal(size=400) * 40, np.zeros(50)):
        expected = np.lexsort((np.arange(values.size), -values))
        for k in (1, 20, 399, 1000):
            np.testing.assert_array_equal(sampling.most_likely(values, k), expected[:k])


@pytest.mark.parametrize("size", [50, 50_000])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_race_draws_from_softmax(size, temperature):
    logits = np.random.default_rng(1).normal(size=size) * 2
    draws = 4000 if size == 50 else 1000
    support = sampling.truncate(logits, temperature)
    expected = np.exp(support.log_weights - support.log_normalizer)
    winners = [sampling.race(support, noise.log_exponential_row(5, 0, row, size)).token_id for row in range(draws)]
    assert chi_square(winners, expected, draws) > 1e-3
    assert chi_square(winners, np.roll(expected, 1), draws) < 1e-6, "the negative control must fail"


def chi_square(winners, expected, draws):
    order = np.argsort(-expected)
    cells = np.searchsorted(np.cumsum(expected[order]), np.linspace(0, 1, 9)[1:-1])
    label = np.empty(expected.size, int)
    label[order] = np.searchsorted(cells, np.arange(expected.size), side="right")
    counts = np.bincount(label[winners], minlength=8)
    masses = np.bincount(label, weights=expected, minlength=8)
    used = masses * draws > 1
    return stats.chisquare(counts[used], masses[used] / masses[used].sum() * counts[used].sum()).pvalue


def test_margin_is_the_lead_over_the_runner_up_and_luck_the_winners_noise():
    logits = np.random.default_rng(0).normal(size=200)
    support = sampling.truncate(logits, 0.8, top_k=50, top_p=0.9)
    uniform = noise.log_exponential_row(11, 0, 4, 200)
    draw = sampling.race(support, uniform)
    finish = np.full(200, -np.inf)
    finish[support.ids] = support.log_weights - uniform[support.ids]
    second, first = np.argsort(finish)[-2:]
    assert (draw.token_id, draw.runner_up) == (first, second)
    assert draw.margin == pytest.approx(finish[first] - finish[second])
    assert draw.luck == pytest.approx(noise.gumbel_row(11, 0, 4, 200)[first])


def test_processed_entropy_is_that_of_the_truncated_distribution():
    logits = np.random.default_rng(0).normal(size=300) * 2
    expected = transformers_support(logits, 0.7, 40, 0.9)
    support = sampling.truncate(logits, 0.7, 40, 0.9)
    assert sampling.processed_entropy(support) == pytest.approx(stats.entropy(expected))
    assert sampling.processed_entropy(sampling.truncate(logits, 0.0)) == 0.0


def test_a_masked_vocabulary_never_wins():
    logits = np.array([0.0, -np.inf, 1.0, -np.inf])
    for row in range(200):
        assert sampling.race(sampling.truncate(logits, 1.0), noise.log_exponential_row(0, 0, row, 4)).token_id in (0, 2)
    assert np.isfinite(sampling.processed_entropy(sampling.truncate(logits, 1.0)))


@pytest.mark.parametrize(("top_p", "kept"), [(0.1, 1), (0.3, 3), (0.5, 5), (0.7, 7), (0.9, 9), (0.31, 4), (1.0, 10)])
def test_equal_shares_reach_top_p_without_one_token_more(top_p, kept):
    assert sampling.truncate(np.zeros(10), 1.0, None, top_p).size == kept
