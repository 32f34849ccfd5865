"""Token scores follow their formulas: closed forms, bounds, invariances, float types; the registry is whole."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import token_scores
from engine.errors import BadInput

SEEDS = st.integers(0, 2**31)


def random_rows(seed, n=4, size=200, scale=3.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, size)).astype(np.float32) * scale, rng.integers(0, size, n)


def scores_of(logits, ids):
    return token_scores.run_scores(token_scores.row_scores(token_scores.rows_from_logits(logits, ids)))


def in_float64(logits, ids):
    logp = logits.astype(np.float64)
    logp = logp - np.logaddexp.reduce(logp, axis=1, keepdims=True)
    p = np.exp(logp)
    s = -logp[np.arange(len(ids)), ids]
    h = -(p * logp).sum(1)
    v = (p * logp**2).sum(1) - h**2
    return logp, p, s, h, v, -np.sort(-p, axis=1)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(0.1, 12.0))
def test_every_formula_agrees_with_double_precision(seed, scale):
    logits, ids = random_rows(seed, scale=scale)
    got = scores_of(logits, ids)
    logp, p, s, h, v, ordered = in_float64(logits, ids)
    expected = {
        "surprisal": s,
        "entropy": h,
        "varentropy": v,
        "probability": np.exp(-s),
        "entropy_normalized": h / math.log(logp.shape[1]),
        "rank": (logp > logp[np.arange(len(ids)), ids][:, None]).sum(1),
        "max_probability": ordered[:, 0],
        "margin": ordered[:, 0] - ordered[:, 1],
        "renyi_half": 2 * np.log(np.sqrt(p).sum(1)),
        "renyi_2": -np.log((p**2).sum(1)),
        "renyi_inf": -np.log(ordered[:, 0]),
        "typical_deviation": abs(s - h),
        "minkpp": (h - s) / np.sqrt(np.maximum(v, token_scores.VARIANCE_FLOOR)),
        "curvature_share": (h - s) / math.sqrt(v.sum()),
        "self_certainty": -logp.mean(1) - math.log(logp.shape[1]),
    }
    for name, values in expected.items():
        # two logits that differ in their last bit may tie once normalised: a rank may move by one
        np.testing.assert_allclose(got[name], values, rtol=2e-4, atol=1 if name == "rank" else 2e-4, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.floats(0.01, 30.0), st.floats(-50, 50))
def test_bounds_hold_and_a_constant_added_to_the_logits_changes_nothing(seed, scale, constant):
    logits, ids = random_rows(seed, scale=scale)
    got, shifted = scores_of(logits, ids), scores_of(logits + np.float32(constant), ids)
    top = math.log(logits.shape[1])
    slack = 1e-4
    assert (got["entropy"] >= 0).all() and (got["entropy"] <= top + slack).all()
    assert (got["renyi_2"] <= got["entropy"] + slack).all() and (got["renyi_inf"] <= got["renyi_2"] + slack).all()
    assert (got["entropy"] <= got["renyi_half"] + slack).all() and (got["renyi_half"] <= top + slack).all()
    assert (got["boosted_prob"] >= got["probability"] - slack).all() and (got["boosted_prob"] <= 1 + slack).all()
    assert (got["margin"] <= got["max_probability"] + slack).all()
    assert set(got["cntp_trials"]) <= set(range(1, 11))
    assert set(got["forking_flag"]) <= {0.0, 1.0} and got["forking_flag"].sum() >= 1
    for name in ("entropy", "surprisal", "varentropy"):
        np.testing.assert_allclose(got[name], shifted[name], atol=2e-2, rtol=1e-3, err_msg=name)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_renaming_the_vocabulary_changes_nothing_but_another_token_does(seed):
    logits, ids = random_rows(seed)
    order = np.random.default_rng(seed + 1).permutation(logits.shape[1])
    where = np.argsort(order)
    plain, renamed = scores_of(logits, ids), scores_of(logits[:, order], where[ids])
    for name in plain:
        tolerance = 1 if name == "rank" else 1e-4
        np.testing.assert_allclose(plain[name], renamed[name], rtol=1e-4, atol=tolerance, err_msg=name)
    other = scores_of(logits, (ids + 1) % logits.shape[1])
    assert not np.allclose(plain["surprisal"], other["surprisal"]), "the negative control must differ"


def test_closed_forms_of_the_uniform_and_the_certain_row():
    uniform = scores_of(np.zeros((1, 64), np.float32), np.array([3]))
    assert uniform["entropy"][0] == pytest.approx(math.log(64), abs=1e-5)
    assert uniform["varentropy"][0] == pytest.approx(0, abs=1e-6)
    assert uniform["minkpp"][0] == pytest.approx(0, abs=1e-2)
    assert uniform["self_certainty"][0] == pytest.approx(0, abs=1e-5)
    certain = np.full((1, 64), -1e9, np.float32)
    certain[0, 3] = 0
    sure = scores_of(certain, np.array([3]))
    assert sure["entropy"][0] == 0 and sure["surprisal"][0] == 0 and sure["margin"][0] == 1
    assert sure["quadrant"][0] == token_scores.QUADRANTS.index("settled")


def test_a_masked_vocabulary_gives_finite_entropies():
    logits = np.full((1, 64), -np.inf, np.float32)
    logits[0, :2] = 0
    got = scores_of(logits, np.array([0]))
    assert got["entropy"][0] == pytest.approx(math.log(2), abs=1e-6)
    assert got["varentropy"][0] == pytest.approx(0, abs=1e-6)


def test_boosted_probability_follows_the_last_large_gap():
    p = np.array([[0.5, 0.3, 0.02, *([0.18 / 97] * 97)]])
    for token, expected in ((0, 0.8 + 0.02), (2, 0.82), (50, 0.18 / 97)):
        assert scores_of(np.log(p), np.array([token]))["boosted_prob"][0] == pytest.approx(expected, abs=1e-5)
    flat = np.full((1, 100), 0.01)
    assert scores_of(np.log(flat), np.array([4]))["boosted_prob"][0] == pytest.approx(0.01, abs=1e-6)


def test_classes_of_entropy_and_varentropy():
    h = np.array([0.1, 3.0, 1.0, 3.0, 1.0])
    v = np.array([0.1, 0.5, 4.0, 4.0, 2.0])
    assert [token_scores.QUADRANTS[int(q)] for q in token_scores.quadrant(h, v)] == list(token_scores.QUADRANTS)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_scored_in_float32(kind):
    logits, ids = random_rows(0)
    half = torch.tensor(logits).to(kind)
    rows = token_scores.rows_from_logits(half.float().numpy(), ids)
    assert rows.logprobs.dtype == np.float32
    np.testing.assert_allclose(np.exp(rows.logprobs.astype(np.float64)).sum(1), 1.0, atol=1e-5)
    coarse = np.exp(torch.log_softmax(half, -1).double().numpy()).sum(1)
    assert abs(coarse - 1).max() > 1e-4, "normalising in half precision is the control that must lose digits"


def test_one_row_at_a_time_gives_the_same_numbers_as_all_at_once():
    logits, ids = random_rows(5, n=16, size=5000)
    together = token_scores.row_scores(token_scores.rows_from_logits(logits, ids))
    for i in range(16):
        alone = token_scores.row_scores(token_scores.rows_from_logits(logits[i : i + 1], ids[i : i + 1]))
        for name, values in alone.items():
            assert values[0] == pytest.approx(together[name][i], rel=1e-4, abs=1e-5), name


def test_nan_logits_are_refused_with_a_remedy():
    with pytest.raises(BadInput, match="not numbers"):
        token_scores.rows_from_logits(np.full((1, 8), np.nan, np.float32), np.array([0]))


def test_every_entry_says_what_it_is_and_its_needs_come_before_it():
    seen = set()
    for name, entry in token_scores.REGISTRY.items():
        assert name == entry.name and set(entry.needs) <= seen
        assert all((entry.label, entry.symbol, entry.definition, entry.short, entry.reference))
        seen.add(name)


def test_an_unknown_name_lists_the_valid_ones():
    with pytest.raises(BadInput, match=r"surprisal.*varentropy"):
        token_scores.score_named("nonsense")
