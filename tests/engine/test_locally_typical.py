"""The locally typical set against its definition, and what it leaves of plain sampling at its limits."""

import numpy as np
import pytest

from engine.generate import run
from engine.locally_typical import typical
from engine.sampling import Support, truncate
from engine.strategies import record, start
from engine.types import GenerationRequest

REQUEST = GenerationRequest("Tell me", max_new_tokens=24, seed=3)


def ball(logits: np.ndarray, mass: float) -> set[int]:
    """The definition: the narrowest band of surprisal around the entropy that holds the mass."""
    p = np.exp(logits - logits.max())
    p /= p.sum()
    surprisal = -np.log(p)
    distance = np.abs(surprisal - (p * surprisal).sum())
    for radius in np.sort(distance):
        inside = set(np.flatnonzero(distance <= radius).tolist())
        if p[list(inside)].sum() >= mass:
            return inside
    return set(range(len(logits)))


@pytest.mark.parametrize("mass", [0.05, 0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("seed", range(12))
def test_it_keeps_the_narrowest_band_around_the_entropy_that_holds_the_mass(seed, mass):
    logits = np.random.default_rng(seed).normal(size=40) * (0.3 + seed / 3)
    kept = typical(truncate(logits, 1.0), mass)
    assert kept.ids is not None
    assert set(kept.ids.tolist()) == ball(logits, mass)
    assert kept.size == len(kept.ids) == len(kept.log_weights)
    np.testing.assert_array_equal(kept.log_weights, logits[kept.ids])
    assert (np.diff(kept.log_weights) <= 0).all(), "most likely first, as every support is listed"


def test_towards_a_mass_of_1_it_keeps_everything_and_towards_0_the_most_typical_token():
    support = truncate(np.random.default_rng(1).normal(size=30), 1.0)
    assert typical(support, 1.0) is support
    assert typical(support, 1.0 - 1e-9).size == 30
    alone = typical(support, 1e-9)
    assert alone.size == 1
    assert set(alone.ids.tolist()) == ball(support.log_weights, 1e-9)


def test_the_most_probable_token_may_be_left_out_as_no_head_of_a_ranking_would():
    p = np.array([0.4] + [0.01] * 60)
    kept = typical(truncate(np.log(p), 1.0), 0.5)
    assert 0 not in kept.ids
    assert 0 in truncate(np.log(p), 1.0, top_p=0.5).ids
    assert kept.ids.tolist() == list(range(1, 51)), "among equals the lowest ids"


def test_it_works_on_what_top_k_leaves():
    logits = np.random.default_rng(2).normal(size=30) * 2
    head = truncate(logits, 0.7, top_k=6)
    kept = typical(head, 0.6)
    assert set(kept.ids.tolist()) == {int(head.ids[i]) for i in ball(head.log_weights, 0.6)}


def test_a_token_without_probability_is_never_kept_before_one_that_has_some():
    logits = np.array([0.0, -np.inf, 0.5, -np.inf, 1.0])
    assert set(typical(truncate(logits, 1.0), 0.999).ids.tolist()) == {0, 2, 4}


def test_a_single_token_stays():
    one = Support(np.array([7]), 1, np.zeros(1))
    assert typical(one, 0.1) is one


def test_with_all_the_mass_it_is_plain_sampling_with_the_same_noise_and_with_less_it_is_not(tiny):
    plain = run(tiny, REQUEST)
    *_, all_of_it = start(tiny, REQUEST, "typical", {"mass": 1.0})
    assert [s.token_id for s in all_of_it.steps] == plain.token_ids.tolist()
    np.testing.assert_array_equal(record(tiny, all_of_it, "typical", {"mass": 1.0}).margin, plain.margin)
    *_, less = start(tiny, REQUEST, "typical", {"mass": 0.3})
    assert [s.token_id for s in less.steps] != plain.token_ids.tolist()


def test_every_token_drawn_is_in_its_typical_set(tiny):
    *events, outcome = start(tiny, REQUEST, "typical", {"mass": 0.4})
    from engine.forward import ForwardPass

    context = ForwardPass(tiny)
    logits = context.feed(tiny.encode_prompt(REQUEST.prompt, None))
    left_out = 0
    for step in outcome.steps:
        kept = typical(truncate(logits[0], 1.0), 0.4)
        assert step.token_id in kept.ids
        left_out += logits.shape[1] - kept.size
        logits = context.feed([step.token_id])
    assert left_out > 0 and len(outcome.steps) == len(events)
