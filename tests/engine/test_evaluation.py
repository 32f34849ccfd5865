"""Scores are measured as the standard libraries do it, ties and all; what is undefined says so; chance is chance."""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from engine import ranking as ranking_module
from engine.bootstrap import draw_counts
from engine.errors import BadInput
from engine.evaluation import CONSTANT, ONE_ITEM, ScoreEvaluation, calibrated, calibration_bins, ece, evaluate
from engine.evaluation_curves import MOST_POINTS, curves, risk_coverage
from engine.ranking import misplaced, rank_measures, ranking


def sample(seed, items=30, each=10, share=0.3, signal=1.0, levels=None):
    """Labels, score and items; levels: round the score so that many tie."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(items), each)
    wrong = rng.random(items * each) < share
    score = rng.normal(size=items * each) + signal * wrong
    return wrong.astype(int), score if levels is None else np.round(score * levels) / levels, groups


def one(labels, score, groups=None, **settings) -> ScoreEvaluation:
    groups = np.arange(len(labels)) if groups is None else groups
    (found,) = evaluate(labels, {"score": np.asarray(score, dtype=float)}, groups, **settings)
    return found


def prr_of_an_order(wrong) -> float:
    """The published definition, observation by observation: wrong from the most to the least certain."""
    n, wrong = len(wrong), np.asarray(wrong, dtype=float)

    def area(order):
        return np.mean([1 - np.mean(order[:kept]) for kept in range(1, n + 1)])

    random = 1 - wrong.mean()
    return (area(wrong) - random) / (area(np.sort(wrong)) - random)


def peer_area(estimator, target):
    """Prediction rejection area as lm-polygraph defines it (0.7, whole set), written anew: targets from 0 to 1, the
    least uncertain first, the mean of the first k averaged over all k."""
    target = np.asarray(target, dtype=float)
    scaled = (target - target.min()) / (target.max() - target.min())
    kept = scaled[np.argsort(estimator)]
    return float(np.mean(np.cumsum(kept) / np.arange(1, len(kept) + 1)))


def peer_prr(area, wrong, score, rounds=4_000):
    """PRR as that package normalises it: the area at random is the mean over shuffles."""
    right, rng = 1.0 - np.asarray(wrong), np.random.default_rng(0)
    by_chance = np.mean([area(rng.permutation(len(right)), right) for _ in range(rounds)])
    best = area(-right, right)
    return (area(score, right) - by_chance) / (best - by_chance)


@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("seed", range(4))
def test_auroc_precision_and_correlation_are_those_of_the_libraries(seed, levels):
    labels, score, groups = sample(seed, levels=levels, share=0.1 + 0.2 * seed)
    found = one(labels, score, groups, draws=20)
    assert found.auroc.value == pytest.approx(roc_auc_score(labels, score), abs=1e-12)
    assert found.average_precision.value == pytest.approx(average_precision_score(labels, score), abs=1e-12)
    assert found.spearman == pytest.approx(spearmanr(labels, score).statistic, abs=1e-12)
    assert (found.n, found.positives, found.items) == (300, labels.sum(), 30)


@pytest.mark.parametrize("levels", [None, 2])
def test_every_resample_is_what_the_libraries_make_of_the_drawn_copies(levels):
    labels, score, groups = sample(7, items=12, each=8, levels=levels)
    weights = draw_counts(12, 40, seed=1)
    drawn = rank_measures(ranking(labels.astype(bool), score, groups), weights)
    for row, counts in enumerate(weights):
        copies = np.repeat(np.arange(len(labels)), counts[groups])
        y, s = labels[copies], score[copies]
        assert drawn["auroc"][row] == pytest.approx(roc_auc_score(y, s), abs=1e-12)
        assert drawn["average_precision"][row] == pytest.approx(average_precision_score(y, s), abs=1e-12)
        rng = np.random.default_rng(row)
        orders = [np.lexsort((rng.random(len(s)), s)) for _ in range(300)]
        mean = np.mean([prr_of_an_order(y[order]) for order in orders[: 3 if row else 300]])
        assert drawn["prr"][row] == pytest.approx(mean, abs=0.05 if row else 0.005)


def test_a_resample_without_one_of_the_kinds_has_no_value():
    order = ranking(np.array([True, False, False]), np.array([3.0, 1, 2]), np.array([0, 1, 2]))
    drawn = rank_measures(order, np.array([[1, 1, 1], [0, 2, 1], [3, 0, 0]], dtype=np.int32))
    for values in drawn.values():
        assert values[0] == pytest.approx(1.0) and np.isnan(values[1:]).all()


@pytest.mark.parametrize(
    "labels", [p for n in (2, 3, 4, 5) for p in itertools.product((0, 1), repeat=n) if 0 < sum(p) < n]
)
def test_prr_is_its_definition_on_every_small_order(labels):
    score = np.arange(len(labels), dtype=float)
    assert one(labels, score).prr.value == pytest.approx(prr_of_an_order(labels), abs=1e-12)


@pytest.mark.parametrize("tied", [[0, 0, 1, 1, 1], [0, 0, 0, 0, 0], [2, 1, 1, 0, 0], [1, 1, 1, 1, 0]])
@pytest.mark.parametrize("labels", [(0, 1, 0, 1, 1), (1, 0, 0, 0, 0), (0, 0, 1, 1, 0)])
def test_ties_are_the_mean_over_all_their_orders(tied, labels):
    orders = [
        order
        for order in itertools.permutations(range(5))
        if all(tied[a] <= tied[b] for a, b in itertools.pairwise(order))
    ]
    expected = np.mean([prr_of_an_order([labels[i] for i in order]) for order in orders])
    found = one(labels, tied)
    assert found.prr.value == pytest.approx(expected, abs=1e-12)
    assert found.auroc.value == pytest.approx(roc_auc_score(labels, tied), abs=1e-12)


def test_prr_is_the_closed_form_of_its_areas():
    # k wrong of n: the area of an order is 1 - (1/n) sum over wrong places s of H_n - H_(s-1), random 1 - k/n
    labels, score, _ = sample(3, items=60, each=1)
    n, harmonic = len(labels), np.concatenate([[0.0], np.cumsum(1 / np.arange(1, len(labels) + 1))])
    places = np.flatnonzero(labels[np.argsort(score)]) + 1
    k = len(places)

    def area(at):
        return 1 - (harmonic[n] - harmonic[np.asarray(at) - 1]).sum() / n

    expected = (area(places) - (1 - k / n)) / (area(np.arange(n - k, n) + 1) - (1 - k / n))
    assert one(labels, score).prr.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_prr_is_that_of_the_definition_in_lm_polygraph(seed):
    labels, score, _ = sample(seed, items=80, each=1)
    assert one(labels, score).prr.value == pytest.approx(peer_prr(peer_area, labels, score), abs=0.01)


def polygraph_area():
    """The area function of the installed package, of that file alone: the package itself pulls in half a world."""
    spec = importlib.util.find_spec("lm_polygraph")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("lm-polygraph is not installed; see requirements-extras.txt")
    folder = Path(spec.submodule_search_locations[0]) / "ue_metrics"
    package = types.ModuleType("peer_metrics")
    package.__path__ = [str(folder)]
    sys.modules["peer_metrics"] = package
    try:
        return importlib.import_module("peer_metrics.pred_rej_area").PredictionRejectionArea()
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "peer_metrics"]:
            del sys.modules[name]


@pytest.mark.parametrize("seed", range(3))
def test_prr_is_that_of_the_lm_polygraph_package(seed):
    area = polygraph_area()
    labels, score, _ = sample(seed, items=80, each=1)
    assert area(score, 1 - labels) == pytest.approx(peer_area(score, 1 - labels), abs=1e-12)
    assert one(labels, score).prr.value == pytest.approx(peer_prr(area, labels, score), abs=0.01)


def test_perfect_reversed_and_useless_scores():
    labels = np.array([0] * 30 + [1] * 10)
    best, worst, flat = one(labels, labels), one(labels, -labels), one(labels, np.zeros(40))
    assert (best.auroc.value, best.average_precision.value, best.prr.value) == pytest.approx((1, 1, 1))
    assert worst.auroc.value == 0 and worst.prr.value < 0 and worst.spearman == pytest.approx(-1)
    assert flat.auroc.value == 0.5 and flat.prr.value == pytest.approx(0, abs=1e-12) and flat.reason == CONSTANT
    assert flat.average_precision.value == pytest.approx(0.25) and math.isnan(flat.spearman)


def test_labels_at_random_are_told_from_nothing():
    covered, ratios = 0, []
    for seed in range(40):
        labels, score, groups = sample(seed, signal=0.0, items=40, each=20)
        found = one(labels, score, groups, draws=200)
        covered += found.auroc.low <= 0.5 <= found.auroc.high
        ratios.append(found.prr.value)
    assert covered >= 34 and abs(np.mean(ratios)) < 0.03


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # of two normal distributions one apart the AUROC is the normal law at 1 / sqrt 2
    truth, hits, rounds = norm.cdf(1 / math.sqrt(2)), 0, 200
    for seed in range(rounds):
        labels, score, groups = sample(seed, items=50, each=4)
        found = one(labels, score, groups, draws=200, seed=seed)
        hits += found.auroc.low <= truth <= found.auroc.high
    assert 0.90 <= hits / rounds <= 0.98


def test_drawing_items_is_wider_than_drawing_tokens_where_items_differ():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 50)
    hard = rng.random(40) < 0.5
    labels = (rng.random(2_000) < np.where(hard, 0.7, 0.1)[groups]).astype(int)
    score = (hard + rng.normal(size=40))[groups] + 0.1 * rng.normal(size=2_000)
    by_item, by_token = one(labels, score, groups), one(labels, score)
    assert by_item.auroc.value == by_token.auroc.value
    assert by_item.auroc.high - by_item.auroc.low > 1.8 * (by_token.auroc.high - by_token.auroc.low)


def test_scores_are_sorted_and_the_undefined_stand_last_in_their_order():
    labels, score, groups = sample(0)
    nothing = np.full(len(labels), np.nan)
    found = evaluate(labels, {"none": nothing, "bad": -score, "good": score, "void": nothing}, groups, draws=50)
    assert [row.name for row in found] == ["good", "bad", "none", "void"]
    assert found[2].n == 0 and math.isnan(found[2].auroc.value) and found[2].reason == "no values"
    assert found[0].auroc.value == pytest.approx(1 - found[1].auroc.value)


def test_missing_values_are_left_out_and_counted():
    labels, score, groups = sample(1)
    holes = score.copy()
    holes[::3] = np.nan
    known = ~np.isnan(holes)
    found, plain = one(labels, holes, groups), one(labels[known], score[known], groups[known])
    assert found.n == known.sum() == plain.n and found.auroc.value == plain.auroc.value
    assert found.ece == plain.ece


@pytest.mark.parametrize("value", [0, 1])
def test_one_kind_of_label_is_undefined_never_nought_or_one(value):
    found = one(np.full(20, value), np.arange(20.0))
    for interval in (found.auroc, found.average_precision, found.prr):
        assert math.isnan(interval.value) and math.isnan(interval.low) and interval.reason == f"all labels are {value}"
    assert math.isnan(found.ece) and math.isnan(found.spearman) and found.reason


def test_no_labels_at_all_and_few_items_say_so():
    empty = one([], [])
    assert math.isnan(empty.auroc.value) and empty.reason == "no labels" and empty.n == 0
    few = one([0, 1, 0, 1], [1, 2, 3, 4.0], [0, 0, 1, 1])
    assert few.auroc.value == 0.75 and math.isnan(few.auroc.low) and "fewer than 5" in few.auroc.reason
    single = one([0, 1, 0, 0, 0, 0], np.arange(6.0))
    assert math.isnan(single.ece) and single.reason == ONE_ITEM


def test_calibration_of_a_score_that_is_a_probability_is_good_and_of_a_shifted_one_is_mended():
    rng = np.random.default_rng(0)
    truth = rng.random(4_000)
    labels, groups = (rng.random(4_000) < truth).astype(int), np.arange(4_000) // 10
    found, bent = one(labels, truth, groups, draws=10), one(labels, truth**5, groups, draws=10)
    assert found.ece < 0.04 and bent.ece == pytest.approx(found.ece, abs=0.005)
    raw = ece(calibration_bins(labels.astype(bool), truth**5))
    assert raw > 0.2
    assert sum(part.n for part in found.calibration) == 4_000 and len(found.calibration) <= 20


def test_no_item_is_calibrated_on_itself():
    # within each item the score tells all, but in opposite directions: only a leak between folds could use it
    groups = np.repeat(np.arange(10), 20)
    labels = np.tile(np.repeat([0, 1], 10), 10)
    score = groups * 100.0 + labels
    probabilities = calibrated(labels.astype(bool), score, groups)
    assert probabilities is not None
    for group in range(10):
        inside = probabilities[groups == group]
        assert inside.max() - inside.min() < 1e-9


def test_ece_is_the_weighted_gap_of_its_bins():
    wrong, p = np.array([1, 0, 1, 1], dtype=bool), np.array([0.02, 0.03, 0.96, 1.0])
    bins = calibration_bins(wrong, p)
    assert [(part.predicted, part.observed, part.n) for part in bins] == [(0.025, 0.5, 2), (0.98, 1.0, 2)]
    assert ece(bins) == pytest.approx(0.5 * 0.475 + 0.5 * 0.02) and math.isnan(ece(()))


def test_parts_of_the_resamples_make_no_difference(monkeypatch):
    labels, score, groups = sample(2, levels=3)
    whole = one(labels, score, groups, draws=60)
    monkeypatch.setattr(ranking_module, "PART", 1_000)
    assert one(labels, score, groups, draws=60) == whole


def test_names_of_items_and_the_order_of_observations_do_not_matter():
    labels, score, groups = sample(4, levels=3)
    mixed = np.random.default_rng(0).permutation(len(labels))
    found, again = (
        one(labels, score, groups, draws=60),
        one(labels[mixed], score[mixed], groups[mixed] * 7 + 3, draws=60),
    )
    assert (found.auroc.low, found.prr.high) == pytest.approx((again.auroc.low, again.prr.high), abs=1e-12)


def test_misplaced_shares_average_to_what_the_auroc_lacks():
    labels, score, _ = sample(5, levels=2)
    shares = misplaced(labels.astype(bool), score)
    for kind in (0, 1):
        assert shares[labels == kind].mean() == pytest.approx(1 - roc_auc_score(labels, score), abs=1e-12)
    assert misplaced(np.array([True, False, False]), np.array([1.0, 0, 2])).tolist() == [0.5, 0, 1]
    assert np.isnan(misplaced(np.array([True, True]), np.array([1.0, 2]))).all()


@pytest.mark.parametrize("end", [math.inf, -math.inf])
def test_an_infinite_value_ranks_as_the_most_extreme_there_is(end):
    labels, score, groups = sample(3)
    infinite, extreme = score.copy(), score.copy()
    infinite[[3, 40, 77]], extreme[[3, 40, 77]] = end, math.copysign(1e6, end)
    found, wanted = one(labels, infinite, groups, draws=50), one(labels, extreme, groups, draws=50)
    assert (found.auroc, found.average_precision, found.prr) == (wanted.auroc, wanted.average_precision, wanted.prr)
    assert found.n == 300 and found.spearman == wanted.spearman and math.isfinite(found.ece)
    # calibrated as the last finite value, not as something far away
    finite = infinite[np.isfinite(infinite)]
    last = np.where(np.isinf(infinite), finite.max() if end > 0 else finite.min(), infinite)
    assert (calibrated(labels == 1, infinite, groups) == calibrated(labels == 1, last, groups)).all()
    drawn, drawn_wanted = curves(labels, infinite, groups), curves(labels, extreme, groups)
    assert drawn.roc == drawn_wanted.roc and drawn.risk_coverage == drawn_wanted.risk_coverage
    assert len(drawn.calibration) > 1


def test_a_score_that_is_infinite_everywhere_is_a_constant():
    labels, _, groups = sample(3)
    found = one(labels, np.full(300, math.inf), groups, draws=50)
    assert found.auroc.value == 0.5 and found.reason == CONSTANT and math.isfinite(found.ece)
    both = one(labels, np.where(labels == 1, math.inf, -math.inf), groups, draws=50)
    assert both.auroc.value == 1.0 and both.ece == pytest.approx(0.0)


def test_curves_are_short_and_end_where_they_must():
    labels, score, groups = sample(6, items=100, each=50)
    found = curves(labels, score, groups)
    assert len(found.roc) <= MOST_POINTS and len(found.risk_coverage) <= MOST_POINTS
    assert found.roc[0] == (0, 0) and found.roc[-1] == (1, 1)
    xs, ys = np.array(found.roc).T
    assert (np.diff(xs) >= 0).all() and (np.diff(ys) >= 0).all()
    assert np.trapezoid(ys, xs) == pytest.approx(roc_auc_score(labels, score), abs=0.005)
    full = set(zip(*(rate.tolist() for rate in roc_curve(labels, score)[:2]), strict=True))
    assert set(found.roc) <= full
    assert found.risk_coverage[-1] == pytest.approx((1.0, labels.mean())) and found.base == labels.mean()
    assert all(best <= risk + 1e-12 for (_, best), (_, risk) in zip(found.best, found.risk_coverage, strict=True))


def test_risk_and_coverage_are_the_shares_of_what_is_kept():
    wrong, score = np.array([0, 1, 0, 1], dtype=bool), np.array([0.1, 0.9, 0.2, 0.3])
    assert risk_coverage(wrong, score) == ((0.25, 0), (0.5, 0), (0.75, pytest.approx(1 / 3)), (1, 0.5))
    assert risk_coverage(wrong, np.zeros(4)) == ((0.25, 0.5), (0.5, 0.5), (0.75, 0.5), (1, 0.5))


def test_curves_of_one_kind_say_why_there_are_none():
    assert curves([1, 1], [0.1, 0.2]).reason == "all labels are 1" and curves([1, 1], [0.1, 0.2]).roc == ()
    assert curves([0, 1], [np.nan, np.nan]).reason == "no labels"


@pytest.mark.parametrize(
    "call",
    [
        lambda: evaluate([0, 1, 2], {"s": [1, 2, 3.0]}, [0, 1, 2]),
        lambda: evaluate([0, 1], {"s": [1, 2, 3.0]}, [0, 1]),
        lambda: evaluate([0, 1], {"s": [1, 2.0]}, [0, 1, 2]),
        lambda: curves([0, 1], [1.0]),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(BadInput, match=r"0 and 1|has the shape|as long"):
        call()


def test_a_session_of_sixty_thousand_tokens_is_evaluated_in_seconds():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(200), 300)
    labels = (rng.random(60_000) < 0.1).astype(int)
    scores = {str(i): rng.normal(size=60_000) + 0.1 * i * labels for i in range(2)}
    begun = time.process_time()
    found = evaluate(labels, scores, groups, draws=500)
    assert time.process_time() - begun < 6 and len(found) == 2
