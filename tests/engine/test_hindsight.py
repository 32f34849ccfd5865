"""Inferred noise explains its text, always; over texts it is ordinary noise; how noise couples rows is counted."""

import math

import numpy as np
import pytest
from scipy import stats

from engine import noise, sampling
from engine.along import LogitsAlong
from engine.counterfactual import counterfactual_steps
from engine.edits import Splice, hold
from engine.errors import BadInput
from engine.forward import ForwardPass
from engine.generate import run
from engine.hindsight import NOISE_STREAMS, HindsightNoise, check_untruncated, posterior_row
from engine.stickiness import stickiness
from engine.types import GenerationRequest


def softmax(logits):
    p = np.exp(logits - logits.max())
    return p / p.sum()


def log_exponentials(rng, shape):
    return np.log(rng.exponential(size=shape))


@pytest.mark.parametrize("size", [2, 50, 50_000])
def test_the_observed_token_wins_its_race_however_unlikely_it_is(size):
    rng = np.random.default_rng(size)
    for scale in (0.1, 3.0, 40.0):
        logits = scale * rng.standard_normal(size)
        for observed in (int(logits.argmin()), int(logits.argmax()), size // 2):
            row = posterior_row(logits, observed, log_exponentials(rng, size), math.log(rng.exponential()))
            assert np.isfinite(row).all()
            assert sampling.race(sampling.truncate(logits, 1.0), row).token_id == observed


def test_over_texts_of_the_model_inferred_noise_is_gumbel_noise():
    rng = np.random.default_rng(1)
    logits = np.array([1.0, 0.0, -1.0, 2.0])
    observed = rng.choice(4, size=6000, p=softmax(logits))
    rows = np.array([posterior_row(logits, x, log_exponentials(rng, 4), math.log(rng.exponential())) for x in observed])
    for token in range(4):
        assert stats.kstest(-rows[:, token], stats.gumbel_r.cdf).pvalue > 1e-3
    assert abs(stats.spearmanr(rows[:, 0], rows[:, 3]).statistic) < 0.05, "columns are independent"
    blind = np.array(
        [posterior_row(logits, 3, log_exponentials(rng, 4), math.log(rng.exponential())) for _ in observed]
    )
    assert stats.kstest(-blind[:, 3], stats.gumbel_r.cdf).pvalue < 1e-6, "negative control: one text is no sample"


def test_a_text_comes_back_from_its_inferred_noise(tiny):
    trace = run(tiny, GenerationRequest("Tell me", max_new_tokens=70, seed=3, temperature=0.9))
    text, prompt_ids = trace.token_ids.tolist(), trace.prompt_ids.tolist()
    request = GenerationRequest("Tell me", max_new_tokens=70, temperature=0.9)
    drawn, at = [], len(text) // 2
    for draw in range(3):
        inferred = HindsightNoise(tiny, prompt_ids, text, seed=11, draw=draw, temperature=0.9)
        held = hold(text, range(len(text)))
        steps = list(counterfactual_steps(tiny, prompt_ids, request, held, noise_rows=inferred))
        assert [step.token_id for step in steps] == text
        drawn.append(tuple(round(step.luck, 6) for step in steps))
        edited = hold(text, range(len(text)), [Splice(at, at + 1, (text[at],))])
        later = HindsightNoise(tiny, prompt_ids, text, seed=11, draw=draw, temperature=0.9, first_row=at + 1)
        rest = list(counterfactual_steps(tiny, prompt_ids, request, edited, noise_rows=later))
        assert [step.token_id for step in rest] == text[at:]
    assert len(set(drawn)) == 3, "every posterior draw is another explanation"


def test_behind_the_text_the_noise_is_fresh_and_rows_come_in_order(tiny):
    ids = tiny.encode("Hello there")
    inferred = HindsightNoise(tiny, [65], ids, seed=2, draw=1, first_row=3)
    fresh = inferred(len(ids) + 5, 288)
    np.testing.assert_array_equal(fresh, noise.log_exponential_row(2, 10**6 + 1, len(ids) + 5, 288))
    with pytest.raises(BadInput, match="ascending"):
        inferred(2, 288)


def test_the_logits_of_a_row_are_those_of_one_plain_pass(tiny):
    ids = tiny.encode("A longer text, longer than one block of rows, so that a seam lies within it: " * 2)
    along = LogitsAlong(tiny, [65, 66], ids, first=5)
    plain = ForwardPass(tiny).feed([65, 66, *ids], keep=len(ids) + 1)
    for row in (5, 6, 36, 37, 38, 69, 70, len(ids) - 1):
        np.testing.assert_allclose(along.before(row), plain[row], atol=2e-4)


def test_what_hindsight_cannot_do_is_refused(tiny):
    for top_k, top_p in ((5, None), (None, 0.9)):
        with pytest.raises(BadInput, match="cannot be told from the text"):
            check_untruncated(top_k, top_p)
    check_untruncated(None, 1.0)
    with pytest.raises(BadInput, match="temperature above 0"):
        HindsightNoise(tiny, [65], [66], seed=1, draw=0, temperature=0.0)
    with pytest.raises(BadInput, match="counted from 0"):
        HindsightNoise(tiny, [65], [66], seed=1, draw=-1)


def test_stickiness_is_the_chance_of_drawing_the_same_token_with_shared_noise():
    rng = np.random.default_rng(5)
    for size in (2, 5, 40):
        a, b = 2 * rng.standard_normal((2, size))
        p, q = softmax(a), softmax(b)
        direct = sum(1 / np.maximum(p / p[i], q / q[i]).sum() for i in range(size))
        assert stickiness(p, q) == pytest.approx(direct, abs=1e-12)
        gumbels = rng.gumbel(size=(40_000, size))
        same = ((a + gumbels).argmax(1) == (b + gumbels).argmax(1)).mean()
        assert same == pytest.approx(direct, abs=4 * math.sqrt(0.25 / 40_000))
        independent = float((p * q).sum())
        assert direct > independent, "negative control: independent noise agrees less often"
    assert stickiness(p, p) == pytest.approx(1) and stickiness(np.array([1.0, 0]), np.array([0, 1.0])) == 0
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.0, 0.5])
    assert stickiness(p, q) == pytest.approx(1 / 3), "tokens that one of the two never draws stand in the way"


def test_counterfactuals_by_gumbel_noise_are_stable_and_by_inverse_transform_are_not():
    """If i won under p and k wins under q with the same noise, the odds of k against i have risen."""
    rng = np.random.default_rng(9)
    violations = {"gumbel": 0, "inverse": 0}
    for _ in range(200):
        a, b = 1.5 * rng.standard_normal((2, 6))
        p, q = softmax(a), softmax(b)
        gumbels, uniforms = rng.gumbel(size=(1000, 6)), rng.random(1000)
        pairs = {
            "gumbel": ((a + gumbels).argmax(1), (b + gumbels).argmax(1)),
            "inverse": (np.searchsorted(p.cumsum(), uniforms), np.searchsorted(q.cumsum(), uniforms)),
        }
        for name, (i, k) in pairs.items():
            i, k = np.minimum(i, 5), np.minimum(k, 5)
            changed = i != k
            violations[name] += int((q[k] / q[i] <= p[k] / p[i])[changed].sum())
    assert violations["gumbel"] == 0 and violations["inverse"] > 1000


def test_the_time_of_a_row_has_nothing_to_do_with_its_noise(tiny):
    """log T is read off the observed token; drawn from the noise's own stream it would be one of its values."""
    ids = run(tiny, GenerationRequest("Tell me", max_new_tokens=60, seed=8)).token_ids.tolist()
    inferred = HindsightNoise(tiny, [65], ids, seed=4, draw=2)
    logits = ForwardPass(tiny).feed([65, *ids], keep=len(ids) + 1)[:-1].astype(float)
    times, priors = [], []
    for row, (observed, values) in enumerate(zip(ids, logits, strict=True)):
        prior = noise.log_exponential_row(4, NOISE_STREAMS + 2, row, 288)
        time = inferred(row, 288)[observed] - np.log(softmax(values)[observed])
        times.append(time)
        priors.append(prior[0])
    assert len(times) > 20 and abs(stats.spearmanr(times, priors).statistic) < 0.5
    assert stats.kstest(-np.array(times), stats.gumbel_r.cdf).pvalue > 1e-3
