"""Run scores follow their formulas over all tokens; what is missing is n/a, never 0; published values are met."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import run_scores, token_scores
from engine.attention_scores import AttentionReading
from engine.errors import BadInput
from engine.types import ModelCard, Trace

CARD = ModelCard("toy", "", "", "none", "float32", "cpu", "", 100, 64)
SEEDS = st.integers(0, 2**31)


def trace_from(scores, topk_logprobs=None, tail_mass=None):
    """A scored run of n tokens with these token scores; without alternatives unless they are given."""
    n = len(next(iter(scores.values()))) if scores else 0
    topk = np.full((n, 20), -np.inf, np.float32) if topk_logprobs is None else np.asarray(topk_logprobs, np.float32)
    known = np.isfinite(topk)
    return Trace(
        prompt="p",
        system=None,
        prompt_ids=np.zeros(1, np.int32),
        token_ids=np.zeros(n, np.int32),
        pieces=("x",) * n,
        text="x" * n,
        scores={name: np.asarray(values, np.float32) for name, values in scores.items()},
        topk_ids=np.where(known, np.arange(topk.shape[1], dtype=np.int32), -1).astype(np.int32),
        topk_logprobs=topk,
        tail_mass=np.asarray(np.full(n, np.nan) if tail_mass is None else tail_mass, np.float32),
        noise_rows=np.full(n, -1, np.int64),
        margin=np.full(n, np.nan, np.float32),
        runner_up=np.full(n, -1, np.int32),
        luck=np.full(n, np.nan, np.float32),
        support=np.zeros(n, np.int32),
        log_normalizer=np.full(n, np.nan, np.float32),
        token_bytes={0: b"x"} | {i: bytes([i]) for i in range(1, topk.shape[1])},
        special_ids=frozenset(),
        seed=None,
        finish_reason="scored",
        kind="scored",
        model=CARD,
    )


def trace_from_logits(logits, ids):
    rows = token_scores.rows_from_logits(logits, ids)
    best = -np.sort(-rows.logprobs, axis=1)[:, :20]
    tail = np.maximum(0, 1 - np.exp(best.astype(np.float64)).sum(1))
    return trace_from(token_scores.run_scores(token_scores.row_scores(rows)), best, tail)


def random_trace(seed, n=11, size=100):
    """With every score there is, those from attention among them."""
    rng = np.random.default_rng(seed)
    trace = trace_from_logits(rng.normal(size=(n, size)).astype(np.float32) * 3, rng.integers(0, size, n))
    reading = AttentionReading(
        trace.scores["surprisal"].astype(np.float64), rng.uniform(size=(2, 3, n)), rng.uniform(0.1, 1, n)
    )
    return replace(trace, scores={**trace.scores, **token_scores.attention_scores(reading)})


def reordered(trace, order):
    return replace(
        trace,
        scores={name: values[order] for name, values in trace.scores.items()},
        token_ids=trace.token_ids[order],
        topk_ids=trace.topk_ids[order],
        topk_logprobs=trace.topk_logprobs[order],
        tail_mass=trace.tail_mass[order],
    )


SUMS = {"g_nll", "chow_sum", "sequence_log_probability", "sequence_probability", "curvature"}
# quantiles interpolate between neighbours and fifths are rounded down, so doubling a run may move them
ORDER_STATISTICS = {"minkpp_20", "mink_20", "chow_quantile", "chow_median"}


def test_values_worked_out_by_hand():
    surprisal = np.log([2.0, 4.0, 8.0, 2.0, 2.0, 4.0, 2.0, 2.0, 2.0, 16.0])
    got = run_scores.compute(
        trace_from({
            "surprisal": surprisal,
            "entropy": [1.0, 2.0, 3.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0],
            "varentropy": [0.4] * 10,
            "minkpp": [0.5, -1.0, -3.0, 0.1, 0.2, -2.0, 0.3, 0.4, 0.6, -2.5],
        })
    )  # fmt: skip
    total = 17 * math.log(2)
    expected = {
        "g_nll": total,
        "chow_sum": total,
        "sequence_log_probability": -total,
        "sequence_probability": 2.0**-17,
        "mean_surprisal": total / 10,
        "chow_average": total / 10,
        "perplexity": 2.0**1.7,
        "min_probability": 1 / 16,
        "mean_entropy": 1.4,
        "max_entropy": 3.0,
        "minkpp_20": -2.75,
        "mink_20": -3.5 * math.log(2),
        "chow_median": math.log(2),
        "chow_quantile": 2.2 * math.log(2),
        "curvature": (14 - total) / 2,
    }
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, rel=1e-5), name
    assert all(math.isnan(got[name]) for name in set(got) - set(expected)), "what was not given is n/a"


@pytest.mark.parametrize("n, counted", [(1, 1), (4, 1), (5, 1), (9, 1), (10, 2), (14, 2), (15, 3)])
def test_the_lowest_fifth_is_rounded_down_to_at_least_one_token(n, counted):
    got = run_scores.compute(trace_from({"surprisal": np.arange(n), "minkpp": -np.arange(n)}))
    lowest = -np.mean(np.arange(n)[-counted:])
    assert got["mink_20"] == pytest.approx(lowest) and got["minkpp_20"] == pytest.approx(lowest)


def test_top_20_entropy_worked_out_by_hand():
    even = np.log(np.full(20, 0.02))  # 40 % known, renormalised to twenty equal shares
    pair = np.log([0.5, 0.5] + [1e-30] * 18)
    got = run_scores.think_just_enough(trace_from({"surprisal": [1.0, 1.0]}, [even, pair], [0.6, 0.0]))
    assert got == pytest.approx((math.log2(20) + 1.0) / 2, abs=1e-6)


def test_top_20_entropy_needs_twenty_alternatives_or_all_there_are():
    five = np.full((1, 20), -np.inf)
    five[0, :5] = np.log(0.2)
    all_there_is = trace_from({"surprisal": [1.0]}, five, [0.0])
    assert run_scores.think_just_enough(all_there_is) == pytest.approx(math.log2(5), abs=1e-6)
    cut_off = trace_from({"surprisal": [1.0]}, five - 1, [1 - math.exp(-1)])
    assert math.isnan(run_scores.think_just_enough(cut_off))


def test_published_values_are_met(shared_dir):
    for case in json.loads((shared_dir / "golden" / "scores_expected.json").read_text(encoding="utf-8"))["cases"]:
        got = run_scores.compute(
            trace_from({name: case[name] for name in ("surprisal", "entropy", "varentropy", "minkpp")})
        )
        for name in ("curvature", "g_nll", "mean_entropy"):
            assert got[name] == pytest.approx(case[name], abs=1e-4), name
        assert got["min_probability"] == pytest.approx(math.exp(-max(case["surprisal"])), abs=1e-4)
        assert got["minkpp_20"] == pytest.approx(min(case["minkpp"]), abs=1e-4), "a fifth of 8 tokens is one"
        without_end = run_scores.compute(
            trace_from({name: case[name][:-1] for name in ("surprisal", "entropy", "varentropy", "minkpp")})
        )
        assert abs(without_end["mean_entropy"] - case["mean_entropy"]) > 1e-3, "the control drops the end of turn"
        # the other library's list drops it, and so meets the control; its "Perplexity" is a mean without exp
        assert without_end["mean_entropy"] == pytest.approx(np.mean(case["lm_polygraph"]["TokenEntropy"]), abs=1e-4)
        assert got["mean_surprisal"] == pytest.approx(case["lm_polygraph"]["Perplexity"], abs=1e-4)


def test_the_embedded_model_meets_the_published_values(embedded, shared_dir):
    from engine.scoring import score_tokens

    for case in json.loads((shared_dir / "golden" / "scores_expected.json").read_text(encoding="utf-8"))["cases"]:
        got = run_scores.compute(score_tokens(embedded, case["prompt_ids"], case["token_ids"]))
        for name in ("curvature", "g_nll", "mean_entropy"):
            assert got[name] == pytest.approx(case[name], abs=1e-4), name
        missing = {name for name, value in got.items() if math.isnan(value)}
        assert missing == {"rauq_uncertainty", "mean_attention_weighted_surprisal"}, "only those need its attention"


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(1, 30))
def test_bounds_hold(seed, n):
    trace = random_trace(seed, n)
    got = run_scores.compute(trace)
    slack = 1e-4
    assert got["perplexity"] >= 1 - slack and got["perplexity"] == pytest.approx(math.exp(got["mean_surprisal"]))
    assert 0 <= got["sequence_probability"] <= got["min_probability"] + slack <= 1 + 2 * slack
    assert got["min_probability"] == pytest.approx(float(trace.scores["probability"].min()), rel=1e-4)
    assert -slack <= got["mean_entropy"] <= got["max_entropy"] + slack <= math.log(100) + 2 * slack
    assert got["mink_20"] <= -got["mean_surprisal"] + slack
    assert got["minkpp_20"] <= float(trace.scores["minkpp"].mean()) + slack
    assert got["chow_median"] <= got["chow_quantile"] + slack <= float(trace.scores["surprisal"].max()) + 2 * slack
    assert 0 <= got["think_just_enough"] <= math.log2(20) + slack
    assert got["curvature"] == pytest.approx(float(trace.scores["curvature_share"].sum()), abs=1e-3)
    assert all(math.isfinite(value) for value in got.values())


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_the_order_of_tokens_changes_nothing_but_another_token_does(seed):
    trace = random_trace(seed)
    order = np.random.default_rng(seed).permutation(len(trace))
    got, shuffled = run_scores.compute(trace), run_scores.compute(reordered(trace, order))
    other = run_scores.compute(random_trace(seed + 1))
    for name, value in got.items():
        assert shuffled[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name
        assert other[name] != pytest.approx(value, rel=1e-5, abs=0), f"the control must move {name}"


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_saying_it_twice_leaves_means_and_doubles_sums(seed):
    trace = random_trace(seed, 10)
    got, twice = run_scores.compute(trace), run_scores.compute(reordered(trace, np.tile(np.arange(10), 2)))
    for name in set(got) - SUMS - ORDER_STATISTICS:
        assert twice[name] == pytest.approx(got[name], rel=1e-5), name
    assert twice["g_nll"] == pytest.approx(2 * got["g_nll"], rel=1e-5)
    assert twice["sequence_log_probability"] == pytest.approx(2 * got["sequence_log_probability"], rel=1e-5)
    assert twice["curvature"] == pytest.approx(math.sqrt(2) * got["curvature"], rel=1e-4, abs=1e-5)
    for name in ("minkpp_20", "mink_20"):
        assert twice[name] == pytest.approx(got[name], rel=1e-5), f"{name}: a fifth of 20 is twice a fifth of 10"


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 10), st.floats(0.1, 5.0))
def test_a_more_surprising_token_never_makes_a_run_look_surer(seed, at, more):
    trace = random_trace(seed)
    raised = trace.scores["surprisal"].copy()
    raised[at] += more
    worse = run_scores.compute(replace(trace, scores={**trace.scores, "surprisal": raised}))
    got = run_scores.compute(trace)
    for name, entry in run_scores.REGISTRY.items():
        if entry.needs != ("surprisal",):
            continue
        change = worse[name] - got[name]
        assert (change >= 0) if entry.direction == "uncertain" else (change <= 0), name
    assert worse["g_nll"] > got["g_nll"] and worse["perplexity"] > got["perplexity"]


def test_a_first_token_without_a_distribution_is_left_out_and_any_other_gap_is_not_bridged():
    trace = random_trace(3)
    whole = run_scores.compute(reordered(trace, np.arange(1, len(trace))))

    def with_gap(at):
        scores = {name: np.where(np.arange(len(trace)) == at, np.nan, v) for name, v in trace.scores.items()}
        topk, tail = trace.topk_logprobs.copy(), trace.tail_mass.copy()
        topk[at], tail[at] = -np.inf, np.nan
        return run_scores.compute(replace(trace, scores=scores, topk_logprobs=topk, tail_mass=tail))

    for name, value in with_gap(0).items():
        assert value == pytest.approx(whole[name], rel=1e-5), name
    assert all(math.isnan(value) for value in with_gap(4).values())


@pytest.mark.parametrize("scores", [{}, {"surprisal": []}, {"surprisal": [math.nan]}])
def test_a_run_without_values_has_no_score_and_none_is_zero(scores):
    got = run_scores.compute(trace_from(scores))
    assert got.keys() == run_scores.REGISTRY.keys()
    assert all(math.isnan(value) for value in got.values())


def test_a_hopeless_run_has_infinite_perplexity_instead_of_an_overflow():
    got = run_scores.compute(trace_from({"surprisal": [800.0, 900.0]}))
    assert got["perplexity"] == math.inf and got["min_probability"] == 0.0 and got["g_nll"] == 1700.0


def test_every_entry_says_what_it_is_and_whether_the_end_of_turn_counts():
    for name, entry in run_scores.REGISTRY.items():
        assert name == entry.name and entry.needs
        assert all((entry.label, entry.symbol, entry.definition, entry.short, entry.reference))
        assert "end-of-turn token included" in entry.definition
        assert set(entry.needs) - {"topk"} <= token_scores.REGISTRY.keys()
    assert "greedily" in run_scores.REGISTRY["g_nll"].caveat


def test_an_unknown_name_lists_the_valid_ones():
    assert run_scores.score_named("g_nll").symbol == "ΣS"
    with pytest.raises(BadInput, match=r"perplexity.*curvature"):
        run_scores.score_named("nonsense")
