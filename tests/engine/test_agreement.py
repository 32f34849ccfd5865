"""Agreement is what the publications say it is, undefined where it does not exist, and as sure as its items allow."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from engine import agreement
from engine.agreement import (
    MEASURES,
    NO_PAIRS,
    ONE_CATEGORY,
    ONE_RATER,
    UNEQUAL,
    Units,
    cohen_kappa,
    complete,
    confusion,
    disagreement,
    fleiss,
    fleiss_kappa,
    kappa_interval,
    krippendorff_alpha,
    measure,
    measure_units,
    most_rated,
    percent_agreement,
)
from engine.bootstrap import ALL_EQUAL, MOSTLY_EQUAL, draw_counts, interval
from engine.errors import BadInput
from tests.engine.resampling import bootstrap

LEVELS = ("nominal", "ordinal", "interval")
# Fleiss, Psychological Bulletin 76 (1971): the diagnoses of 30 patients by 6 psychiatrists each; kappa .430
DIAGNOSES = [
    "444444", "222555", "233335", "555555", "222444", "113333", "333355", "113334", "114444", "555555",
    "144444", "124444", "222333", "144444", "224445", "333335", "111455", "111112", "224444", "133555",
    "555555", "244444", "224555", "114444", "144445", "222224", "111155", "224444", "133333", "555555",
]  # fmt: skip
# the example of ten subjects and fourteen raters that most textbooks and libraries print: kappa .210
TEN_SUBJECTS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


@pytest.fixture(scope="module")
def cases(shared_dir: Path) -> list[dict]:
    return json.loads((shared_dir / "golden" / "agreement_expected.json").read_text())["cases"]


def random_ratings(seed, raters=4, items=30, categories=4, missing=0.3):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, categories, items)
    table = np.where(rng.random((raters, items)) < 0.6, truth, rng.integers(0, categories, (raters, items)))
    return np.where(rng.random((raters, items)) < missing, np.nan, table.astype(float))


def table_ratings(table):
    """Two raters whose confusion matrix this is: float [2, sum]."""
    pairs = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    return np.array(pairs, dtype=float).T


def ratings_of(counts):
    """Any raters whose counts of categories these are: [raters, items], equal numbers on every item."""
    return np.array([[k for k, count in enumerate(row) for _ in range(count)] for row in counts], dtype=float).T


def alpha_by_pairs(table, level):
    """Krippendorff's definition, coincidence by coincidence: nothing here is shared with the module."""
    pairs: dict[tuple[float, float], float] = {}
    for column in np.asarray(table).T:
        said = [value for value in column if not math.isnan(value)]
        for one, other in itertools.permutations(range(len(said)), 2):
            key = (said[one], said[other])
            pairs[key] = pairs.get(key, 0.0) + 1.0 / (len(said) - 1)
    totals: dict[float, float] = {}
    for (one, _), weight in pairs.items():
        totals[one] = totals.get(one, 0.0) + weight
    n = sum(totals.values())

    def apart(c, k):
        if level == "nominal":
            return float(c != k)
        if level == "interval":
            return (c - k) ** 2
        low, high = min(c, k), max(c, k)
        between = sum(total for value, total in totals.items() if low <= value <= high)
        return 0.0 if c == k else (between - (totals[c] + totals[k]) / 2) ** 2

    observed = sum(weight * apart(*key) for key, weight in pairs.items()) / n
    chance = sum(totals[c] * totals[k] * apart(c, k) for c in totals for k in totals) / (n * (n - 1))
    return 1.0 - observed / chance


def test_the_published_cases_come_out_to_a_millionth(cases):
    assert len(cases) == 3
    for case in cases:
        table = np.array(case["ratings"], dtype=float)
        for level, expected in case["alpha"].items():
            assert krippendorff_alpha(table, level) == pytest.approx(expected, abs=1e-6)
        for pair, expected in case["pairs"].items():
            a, b = (table[int(rater)] for rater in pair.split("-"))
            assert (~np.isnan(a) & ~np.isnan(b)).sum() == expected["n"]
            assert percent_agreement([a, b]) == pytest.approx(expected["percent"], abs=1e-6)
            assert cohen_kappa(a, b) == pytest.approx(expected["cohen"], abs=1e-6)
            assert cohen_kappa(a, b, "linear") == pytest.approx(expected["cohen_linear"], abs=1e-6)
            assert cohen_kappa(a, b, "quadratic") == pytest.approx(expected["cohen_quadratic"], abs=1e-6)
        assert fleiss_kappa(table) == pytest.approx(case["fleiss_complete_items"], abs=1e-6)
        assert len(complete(table).counts) == case["complete_items"]


def test_two_raters_of_krippendorffs_text_agree_as_printed():
    # Computing Krippendorff's alpha-reliability (2011): section A, binary, alpha .095; section B, nominal, alpha .692
    binary = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
    assert krippendorff_alpha(binary) == pytest.approx(0.095, abs=5e-4)
    letters = [[float(ord(letter)) for letter in said] for said in ("aabbdcccedda", "babbbccceddd")]
    assert krippendorff_alpha(letters) == pytest.approx(0.692, abs=5e-4)


def test_fleiss_psychiatrists_and_the_textbook_table_come_out_as_printed():
    ratings = np.array([[float(said) for said in row] for row in DIAGNOSES]).T
    assert ratings.shape == (6, 30)
    assert fleiss_kappa(ratings) == pytest.approx(0.4302445, abs=1e-6)
    assert fleiss_kappa(ratings_of(TEN_SUBJECTS)) == pytest.approx(0.20993, abs=1e-5)


def test_kappas_printed_by_a_statistics_package_come_out():
    # SAS, FREQ with AGREE, of this table: simple kappa .4842, weighted (Cicchetti-Allison) .4701
    one, other = table_ratings([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    assert cohen_kappa(one, other) == pytest.approx(0.4842, abs=5e-5)
    assert cohen_kappa(one, other, "linear") == pytest.approx(0.4701, abs=5e-5)
    # a 2 x 2 table of textbooks: 20, 5, 10, 15 gives .4
    assert cohen_kappa(*table_ratings([[20, 5], [10, 15]])) == pytest.approx(0.4, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_cohens_kappa_is_that_of_scikit_learn_over_the_whole_scale(seed, weights):
    one, other = random_ratings(seed, raters=2, missing=0.0, items=40, categories=5)
    scale = sorted({*one, *other})
    expected = cohen_kappa_score(one, other, labels=range(5), weights=weights)
    assert cohen_kappa(one, other, weights) == pytest.approx(expected, abs=1e-12)
    assert len(scale) > 2


def test_a_value_that_nobody_chose_does_not_shrink_the_scale():
    one, other = np.array([1, 1, 5, 2, 5, 1.0]), np.array([1, 2, 5, 5, 1, 1.0])
    expected = cohen_kappa_score(one, other, labels=[1, 2, 3, 4, 5], weights="quadratic")
    assert cohen_kappa(one, other, "quadratic") == pytest.approx(expected, abs=1e-12)
    assert expected != pytest.approx(cohen_kappa_score(one, other, weights="quadratic"), abs=1e-3)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(8))
def test_alpha_is_its_definition_written_out(level, seed):
    table = random_ratings(seed, raters=2 + seed % 4, categories=2 + seed % 5, missing=0.1 * (seed % 5))
    table = table * [1.0, 2.5][seed % 2] + 1e6 * (seed % 3)
    assert krippendorff_alpha(table, level) == pytest.approx(alpha_by_pairs(table, level), abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_order_and_names_of_raters_and_items_do_not_matter(level):
    table = random_ratings(3)
    mixed = table[np.random.default_rng(0).permutation(len(table))][:, np.random.default_rng(1).permutation(30)]
    assert krippendorff_alpha(mixed, level) == pytest.approx(krippendorff_alpha(table, level), abs=1e-12)
    if level == "ordinal":
        assert krippendorff_alpha(np.exp(table), level) == pytest.approx(krippendorff_alpha(table, level), abs=1e-12)


def test_perfect_agreement_is_one_and_chance_is_about_nought():
    rng = np.random.default_rng(5)
    same = np.tile(rng.integers(0, 4, 200).astype(float), (3, 1))
    noise = rng.integers(0, 4, (3, 4_000)).astype(float)
    for level in LEVELS:
        assert krippendorff_alpha(same, level) == 1.0
        assert abs(krippendorff_alpha(noise, level)) < 0.03
    assert cohen_kappa(same[0], same[1]) == 1.0 and abs(cohen_kappa(noise[0], noise[1])) < 0.05
    assert fleiss_kappa(same) == 1.0 and abs(fleiss_kappa(noise)) < 0.03
    assert percent_agreement(noise) == pytest.approx(0.25, abs=0.02)


def test_wholly_opposite_raters_are_below_chance():
    assert cohen_kappa([0, 1] * 10, [1, 0] * 10) == -1.0
    assert krippendorff_alpha([[0, 1] * 10, [1, 0] * 10]) < -0.9


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 3.0])
def test_no_variance_is_undefined_never_nought_or_one(value):
    flat = np.full((3, 10), value)
    assert all(math.isnan(krippendorff_alpha(flat, level)) for level in LEVELS)
    assert math.isnan(fleiss_kappa(flat)) and math.isnan(cohen_kappa(flat[0], flat[1]))
    assert math.isnan(cohen_kappa(flat[0], flat[1], "quadratic"))
    for name in set(MEASURES) - {"percent"}:
        found = measure(name, flat)
        assert math.isnan(found.value) and math.isnan(found.low) and found.reason == ONE_CATEGORY and found.n == 10
    assert percent_agreement(flat) == 1.0


def test_variance_among_single_labels_only_is_no_variance():
    # the third item varies, but nobody else rated it
    table = [[1, 1, 2], [1, 1, np.nan]]
    assert math.isnan(krippendorff_alpha(table)) and measure("alpha_nominal", table).reason == ONE_CATEGORY


def test_one_rater_or_no_shared_item_says_so():
    for table in ([[1, 2, 3]], [[1, 2, 3], [np.nan] * 3]):
        for name in MEASURES:
            found = measure(name, table)
            assert math.isnan(found.value) and found.reason == ONE_RATER and found.n == 0
    apart = [[1, 2, np.nan, np.nan], [np.nan, np.nan, 1, 2]]
    assert {measure(name, apart).reason for name in MEASURES} == {NO_PAIRS}
    assert math.isnan(cohen_kappa(*np.array(apart)))
    assert all(math.isnan(value) for value in disagreement(apart))
    some = [[1, 2, np.nan], [1, np.nan, 1], [np.nan, 2, 2]]
    assert measure("fleiss", some).reason == UNEQUAL and math.isfinite(measure("percent", some).value)


def test_nothing_at_all_is_undefined():
    for table in (np.zeros((0, 0)), np.zeros((2, 0)), np.zeros((0, 3)), np.full((2, 3), np.nan)):
        assert math.isnan(krippendorff_alpha(table)) and math.isnan(percent_agreement(table))
        assert math.isnan(fleiss_kappa(table)) and math.isnan(measure("alpha_interval", table).value)


def test_fleiss_of_items_with_most_ratings_takes_those_only():
    table = [[1, 2, 1, np.nan], [1, np.nan, np.nan, 2], [np.nan, 2, 2, 1], [np.nan, np.nan, np.nan, 1.0]]
    found = most_rated(table)
    assert len(found.counts) == 1 and found.sizes.tolist() == [3.0]
    assert len(most_rated([[1, 2], [np.nan, np.nan]]).counts) == 0
    counts = np.array(TEN_SUBJECTS, dtype=float)
    assert measure_units(fleiss, Units(counts, np.arange(5.0))).value == pytest.approx(0.20993, abs=1e-5)


def test_confusion_counts_what_both_labelled():
    table = confusion([1, 1, 2, np.nan, 3, 9], [1, 2, 2, 2, np.nan, 1], [1, 2, 3])
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_disagreement_is_the_share_of_pairs_and_by_distance_on_a_scale():
    table = np.array([[1, 1, 1, np.nan], [1, 1, 5, 2], [1, 2, 1, np.nan]])
    assert disagreement(table)[:3].tolist() == pytest.approx([0, 2 / 3, 2 / 3]) and math.isnan(disagreement(table)[3])
    assert disagreement(table, 4.0)[:3].tolist() == pytest.approx([0, 1 / 6, 2 / 3])


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "fleiss"])
@pytest.mark.parametrize("seed", range(3))
def test_the_fast_interval_is_that_of_every_resample_computed_anew(name, seed):
    table = random_ratings(seed, missing=0.2)
    table = table[:, (~np.isnan(table)).sum(axis=0) > 1]
    slow_statistic = {
        "alpha_nominal": lambda t: krippendorff_alpha(t, "nominal"),
        "alpha_ordinal": lambda t: krippendorff_alpha(t, "ordinal"),
        "alpha_interval": lambda t: krippendorff_alpha(t, "interval"),
        "percent": percent_agreement,
    }[name]
    fast, slow = measure(name, table, draws=200, seed=seed), bootstrap(slow_statistic, table, draws=200, seed=seed)
    assert fast.n == slow.n == table.shape[1]
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high), abs=1e-9)
    assert slow.low < slow.value < slow.high


def test_the_fast_interval_of_fleiss_too():
    table = random_ratings(1, missing=0.0)
    fast, slow = measure("fleiss", table, draws=100), bootstrap(fleiss_kappa, table, draws=100)
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high), abs=1e-9)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_the_fast_interval_of_cohen_too(weights):
    table = random_ratings(4, raters=2, missing=0.0)
    values = np.unique(table)
    fast = kappa_interval(*np.searchsorted(values, table), range(table.shape[1]), values, weights, draws=150)
    slow = bootstrap(lambda t: cohen_kappa(t[0], t[1], weights), table, draws=150)
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high), abs=1e-9)
    assert kappa_interval([], [], [], range(2)).reason == NO_PAIRS
    assert kappa_interval([0] * 6, [0] * 6, range(6), range(2)).reason == ONE_CATEGORY


def test_parts_of_the_resamples_make_no_difference(monkeypatch):
    table = random_ratings(2)
    whole = measure("alpha_ordinal", table, draws=100)
    monkeypatch.setattr(agreement, "PART", 70)
    assert measure("alpha_ordinal", table, draws=100) == whole


def test_resamples_draw_as_many_items_and_the_same_for_the_same_seed():
    counts = draw_counts(7, 500, seed=3)
    assert counts.shape == (500, 7) and set(counts.sum(axis=1)) == {7}
    assert counts.mean(axis=0) == pytest.approx(np.ones(7), abs=0.15) and len({*map(tuple, counts)}) > 100
    assert (counts == draw_counts(7, 500, seed=3)).all() and (counts != draw_counts(7, 500, seed=4)).any()
    assert draw_counts(0, 10).shape == (10, 0)


def test_the_interval_is_that_of_all_resamples_there_are():
    # 3 of 5 items agree; every one of the 5 ** 5 resamples, by hand
    table = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 2, 2.0]])
    shares = [
        np.mean(table[0][list(drawn)] == table[1][list(drawn)]) for drawn in itertools.product(range(5), repeat=5)
    ]
    found = measure("percent", table, draws=20_000)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])))
    assert (found.value, found.low, found.high) == pytest.approx((0.6, 0.2, 1.0))


def test_intervals_that_resampling_cannot_give_are_left_out_with_the_reason():
    assert "fewer than 5" in measure("percent", [[1, 2, 1], [1, 2, 2]]).reason
    sure = measure("percent", np.tile([1.0, 2, 1, 2, 1, 2], (2, 1)))
    assert sure.value == 1.0 and math.isnan(sure.low) and "same value" in sure.reason
    # resamples that differ, but fewer than one in forty
    nearly = interval(1.0, np.array([1.0] * 99 + [0.5]), 9)
    assert math.isnan(nearly.low) and nearly.reason == MOSTLY_EQUAL
    assert interval(1.0, np.ones(100), 9).reason == ALL_EQUAL
    # a single deviating item: a third of all resamples lacks it and has no variance
    lone = np.ones((2, 12))
    lone[0, 0] = 2
    found = measure("alpha_nominal", lone)
    assert math.isfinite(found.value) and math.isnan(found.low) and "no value" in found.reason


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # two raters who each copy the truth with probability .8 and guess otherwise: expected percent agreement .64 + .36/4
    rng, hits, rounds = np.random.default_rng(0), 0, 300
    for round_ in range(rounds):
        truth = rng.integers(0, 4, 60)
        said = np.where(rng.random((2, 60)) < 0.8, truth, rng.integers(0, 4, (2, 60)))
        found = measure("percent", said, draws=300, seed=round_)
        hits += found.low <= 0.64 + 0.36 / 4 <= found.high
    assert 0.91 <= hits / rounds <= 0.98


@pytest.mark.parametrize(
    "call",
    [
        lambda: krippendorff_alpha([1, 2, 3]),
        lambda: krippendorff_alpha([[1, 2], [1, 2]], "ratio"),
        lambda: cohen_kappa([1, 2], [1, 2, 3]),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(BadInput, match=r"levels are|same items|one row a rater"):
        call()
