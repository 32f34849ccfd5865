"""The policy `fair` draws without replacement and its estimates are unbiased; what would be wrong fails each test."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from engine import noise, tree_policies
from engine.tree import ROOT
from engine.tree_estimates import Sample, draw, log_inclusion, mean, unbiased_sum, weights
from engine.tree_growth import grow
from engine.tree_policies import conditioned, prefix_noise, root_noise
from engine.tree_queue import Growth, replay
from tests.support.toy_tree import PROMPT, Toy

# from the published definition: BLAKE2b of the ids as little-endian 64-bit integers, then Philox
KNOWN_KEY = (5999892144739456112, 18250564244787150208)
KNOWN = [3.812034047, -0.113699945, -1.009906145, 2.494938329]
KNOWN_ROOT = -0.00366799
DEPTH = 2
SEEDS = 2000


def first_two(toy, seed):
    tree = toy.tree()
    list(grow(tree, toy, "fair", budget=100, width=toy.vocabulary, depth=DEPTH, leaves=2, seed=seed))
    leaves = replay(tree, Growth("fair", toy.vocabulary, DEPTH, seed)).leaves
    return tuple(tree.path_ids(leaf.node) for leaf in leaves[:2])


def fits_the_law_of_two_draws_without_replacement(pairs, answers):
    """p-value of a chi-square test against p(a) p(b) / (1 - p(a)); cells too thin for it are put together."""
    law = {(a, b): answers[a] * answers[b] / (1 - answers[a]) for a, b in itertools.permutations(answers, 2)}
    assert sum(law.values()) == pytest.approx(1.0)
    seen = Counter(pairs)
    thick = [pair for pair in law if law[pair] * len(pairs) >= 8]
    observed = [seen[pair] for pair in thick]
    expected = [law[pair] * len(pairs) for pair in thick]
    observed.append(len(pairs) - sum(observed))
    expected.append(len(pairs) - sum(expected))
    return stats.chisquare(observed, expected).pvalue


@pytest.fixture(scope="module")
def toy():
    return Toy(vocabulary=3, seed=11, spread=0.8)


@pytest.fixture(scope="module")
def answers(toy):
    return toy.answers(DEPTH)


def test_leaves_come_out_as_drawn_without_replacement(toy, answers):
    pairs = [first_two(toy, seed) for seed in range(SEEDS)]
    assert fits_the_law_of_two_draws_without_replacement(pairs, answers) > 0.001
    firsts = Counter(a for a, _ in pairs)
    assert stats.chisquare([firsts[a] for a in answers], [p * SEEDS for p in answers.values()]).pvalue > 0.001


def test_draws_with_replacement_fail_that_test(toy, answers):
    rng = np.random.default_rng(0)
    drawn = rng.choice(len(answers), size=(SEEDS, 2), p=list(answers.values()))
    pairs = [tuple(list(answers)[i] for i in row) for row in drawn.tolist()]
    assert fits_the_law_of_two_draws_without_replacement(pairs, answers) < 1e-6


def test_noise_that_is_not_conditioned_on_the_parent_fails_that_test(toy, answers, monkeypatch):
    loose = replace(
        tree_policies.POLICIES["fair"], child_keys=lambda place, evaluation, phi, scores: place.phi + scores
    )
    monkeypatch.setitem(tree_policies.POLICIES, "fair", loose)
    pairs = [first_two(toy, seed) for seed in range(SEEDS)]
    assert fits_the_law_of_two_draws_without_replacement(pairs, answers) < 1e-6


def test_a_width_of_n_is_enough_for_n_leaves():
    for seed in range(40):
        toy = Toy(vocabulary=5)
        wide, narrow = toy.tree(), toy.tree()
        for tree, width in ((wide, 5), (narrow, 2)):
            list(grow(tree, toy, "fair", budget=100, width=width, depth=3, leaves=2, seed=seed))
        a, b = replay(wide, Growth("fair", 5, 3, seed)), replay(narrow, Growth("fair", 2, 3, seed))
        assert [wide.path_ids(x.node) for x in a.leaves[:2]] == [narrow.path_ids(x.node) for x in b.leaves[:2]]
        assert [x.key for x in a.leaves[:2]] == [x.key for x in b.leaves[:2]] and b.exact >= 2


def test_the_largest_child_inherits_its_parent_s_value_and_the_others_stay_below():
    row = np.log(np.array([0.5, 0.3, 0.2]))
    for seed in range(50):
        scores = row + prefix_noise(seed, PROMPT, 3)
        got = conditioned(scores, -2.0, 1.25)
        direct = -np.log(np.exp(-1.25) - np.exp(-(-2.0 + scores.max())) + np.exp(-(-2.0 + scores)))
        np.testing.assert_allclose(got, direct, rtol=1e-9)
        assert got.max() == 1.25 == got[scores.argmax()]
        assert (np.argsort(got) == np.argsort(scores)).all()


@pytest.mark.parametrize("phi", [0.0, -1.0, -700.0, -1e4])
@pytest.mark.parametrize("target", [-700.0, 0.0, 40.0])
def test_conditioning_gives_no_nan_at_the_ends_of_the_scale(phi, target):
    scores = np.array([0.0, -1e-17, -1e-9, -40.0, -700.0, -5000.0, -np.inf])
    got = conditioned(scores, phi, target)
    assert not np.isnan(got).any()
    assert got[0] == target and (np.diff(got) <= 0).all() and got[-1] == -np.inf
    assert conditioned(np.array([3.0]), phi, target).tolist() == [target]


def test_noise_belongs_to_seed_and_prefix_alone():
    known = prefix_noise(5, (1, 2, 3), 4)
    np.testing.assert_array_equal(known, prefix_noise(5, (1, 2, 3), 400)[:4])
    for other in ((6, (1, 2, 3)), (5, (1, 2)), (5, (1, 2, 3, 0)), (5, (1, 3, 2)), (5, (513, 3))):
        assert not np.array_equal(known, prefix_noise(*other, 4))
    np.testing.assert_allclose(known, KNOWN, atol=5e-9)
    assert root_noise(5, (1, 2, 3)) == pytest.approx(KNOWN_ROOT, abs=5e-9)
    np.testing.assert_array_equal(known, noise.gumbel_row(5, *KNOWN_KEY, 4))


def test_another_seed_draws_another_order_and_both_live_in_one_tree():
    toy = Toy(vocabulary=5)
    tree = toy.tree()
    orders = set()
    for seed in range(6):
        list(grow(tree, toy, "fair", budget=100, width=3, depth=3, leaves=3, seed=seed))
        alone = (fresh := Toy(vocabulary=5)).tree()
        list(grow(alone, fresh, "fair", budget=100, width=3, depth=3, leaves=3, seed=seed))
        got, expected = replay(tree, Growth("fair", 3, 3, seed)), replay(alone, Growth("fair", 3, 3, seed))
        order = tuple(tree.path_ids(leaf.node) for leaf in got.leaves[:3])
        assert order == tuple(alone.path_ids(leaf.node) for leaf in expected.leaves[:3])
        orders.add(order)
    assert len(orders) > 1


def surprisals(sample):
    return -sample.phi


def entropy(toy, depth):
    return -sum(p * math.log(p) for p in toy.answers(depth).values())


STOPS = [
    {"leaves": 3, "width": 4},
    {"leaves": 5, "width": 2},
    {"budget": 6, "width": 4},
    {"leaves": 4, "width": 1, "widen": True},
]


@pytest.mark.parametrize("stop", STOPS, ids=str)
def test_sums_are_unbiased_however_the_growth_was_stopped_and_a_plain_average_is_not(stop):
    toy, depth = Toy(vocabulary=4, seed=2), 3
    truth = entropy(toy, depth)
    ones, sums, variances, naive = [], [], [], []
    kind = {"width": stop["width"], "depth": depth, "widen": stop.get("widen", False)}
    for seed in range(600):
        tree = toy.tree()
        list(grow(tree, toy, "fair", budget=stop.get("budget", 100), leaves=stop.get("leaves"), seed=seed, **kind))
        sample = draw(tree, seed=seed, **kind)
        values = surprisals(sample)
        estimate = unbiased_sum(sample, values)
        sums.append(estimate.value)
        variances.append(estimate.standard_error**2 if len(sample) else 0.0)
        ones.append(unbiased_sum(sample, np.ones(len(sample))).value)
        naive.extend([values.mean()] if len(values) else [])
    for found, expected in ((sums, truth), (ones, 1.0)):
        assert abs(np.mean(found) - expected) < 4 * np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(naive) - truth) > 6 * np.std(naive) / math.sqrt(len(naive))
    assert np.mean(variances) == pytest.approx(np.var(sums), rel=0.3)


def test_self_normalised_means_are_steadier_close_and_have_an_honest_error():
    toy, depth = Toy(vocabulary=4, seed=2), 3
    truth = entropy(toy, depth)
    means, sums = [], []
    for seed in range(400):
        tree = toy.tree()
        list(grow(tree, toy, "fair", budget=100, width=4, depth=depth, leaves=6, seed=seed))
        sample = draw(tree, seed=seed, width=4, depth=depth)
        values = surprisals(sample)
        means.append(mean(sample, values))
        sums.append(unbiased_sum(sample, values).value)
    spread = np.std([m.value for m in means])
    errors = [m.standard_error for m in means]
    assert spread < np.std(sums)
    assert abs(np.mean([m.value for m in means]) - truth) < 0.5 * spread
    assert np.mean(np.square(errors)) == pytest.approx(spread**2, rel=0.5)


def test_once_everything_is_out_the_estimates_are_exact_and_say_so():
    toy = Toy(vocabulary=4)
    tree = toy.tree()
    list(grow(tree, toy, "fair", budget=1000, width=4, depth=3))
    sample = draw(tree, seed=0, width=4, depth=3)
    truth = entropy(toy, 3)
    for estimate in (unbiased_sum(sample, surprisals(sample)), mean(sample, surprisals(sample))):
        assert estimate.value == pytest.approx(truth) and estimate.standard_error == 0.0
        assert estimate.count == len(toy.answers(3))
    assert sample.kappa == -math.inf and weights(sample) == pytest.approx(np.exp(sample.phi))


def test_nothing_drawn_is_said_as_nothing_known():
    tree = Toy().tree()
    sample = draw(tree, seed=0, width=2, depth=3)
    assert len(sample) == 0 and sample.kappa == root_noise(0, PROMPT)
    assert math.isnan(mean(sample, []).value) and unbiased_sum(sample, []).value == 0.0
    assert math.isnan(unbiased_sum(sample, []).standard_error)
    with pytest.raises(ValueError, match="0 leaves"):
        mean(sample, [1.0])


@pytest.mark.parametrize("kappa", [-690.0, 0.0, 5.0, 40.0])
def test_weights_of_rare_answers_lose_no_digits(kappa):
    phi = np.array([0.0, -1e-12, -1.0, -36.0, -38.0, -300.0, -700.0, -800.0, -1e4])
    q = log_inclusion(phi, kappa)
    assert (q <= 0).all() and (np.diff(q) <= 0).all() and not np.isnan(q).any()
    n = len(phi)
    sample = Sample(np.arange(n), phi, np.full(n, kappa + 1), np.ones(n, dtype=bool), kappa)
    w = weights(sample)
    assert np.isfinite(w).all()
    rare = phi - kappa < -37
    np.testing.assert_allclose(w[rare], math.exp(kappa), rtol=1e-12)
    assert mean(sample, np.full(n, 3.0)).value == pytest.approx(3.0)
    common = phi[phi - kappa > -10]
    np.testing.assert_allclose(w[: len(common)], np.exp(common) / (1 - np.exp(-np.exp(common - kappa))), rtol=1e-9)


def test_a_growth_from_a_node_draws_from_what_follows_that_node():
    toy = Toy(vocabulary=4)
    tree = toy.tree()
    list(grow(tree, toy, "likely", budget=1, width=4, depth=3))
    start = tree.child(ROOT, 2)
    list(grow(tree, toy, "fair", budget=100, width=4, depth=2, start=start))
    sample = draw(tree, seed=0, width=4, depth=2, start=start)
    assert weights(sample).sum() == pytest.approx(1.0)
    assert all(start in tree.path(int(i)) for i in sample.leaves)
