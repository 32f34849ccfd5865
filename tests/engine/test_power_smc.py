"""Power-SMC against exact enumeration: its weighted particles are the power distribution, plain sampling is not."""

from collections import defaultdict

import numpy as np
import pytest

from engine.power_smc import effective_size, log_mean, systematic
from engine.strategies import start
from engine.trials import Outcome, Resampled, Trial
from engine.types import GenerationRequest
from tests.support.toy_model import answers, one_thread, toy_model

LENGTH = 3
ALPHA = 2.5
SEEDS = 240


@pytest.fixture(scope="module", autouse=True)
def quick():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def toy():
    return toy_model(seed=1)


@pytest.fixture(scope="module")
def law(toy):
    """p(y) of every answer."""
    exact = answers(toy, LENGTH)
    assert len(exact) == 1 + 3 + 9 * 4 and sum(exact.values()) == pytest.approx(1.0)
    return exact


def whole(outcome: Outcome, number: int) -> tuple[int, ...]:
    """All ids of a particle, from its last trial up through those that it goes on from."""
    by_number: dict[int, Trial] = {trial.number: trial for trial in outcome.trials}
    ids: tuple[int, ...] = ()
    at: int | None = number
    while at is not None:
        ids, at = by_number[at].ids + ids, by_number[at].parent
    return ids


def run_all(toy, **values):
    """One outcome per seed, and how often it resampled."""
    found = []
    for seed in range(SEEDS):
        request = GenerationRequest("x", max_new_tokens=LENGTH, seed=seed)
        *events, outcome = start(toy, request, "power_smc", {"particles": 6, "alpha": ALPHA, **values})
        assert isinstance(outcome, Outcome) and not outcome.stopped
        found.append((outcome, sum(isinstance(event, Resampled) for event in events)))
    return found


def worst(samples: np.ndarray, expected: np.ndarray) -> float:
    """Largest distance of a column's mean from its expectation, in standard errors: samples [seeds, answers]."""
    errors = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return float((np.abs(samples.mean(axis=0) - expected) / np.maximum(errors, 1e-6)).max())


def estimates(outcomes, law, weigh) -> np.ndarray:
    rows = []
    for outcome, _ in outcomes:
        mass: dict[tuple[int, ...], float] = defaultdict(float)
        for number, log_weight in outcome.weights:
            mass[whole(outcome, number)] += weigh(log_weight) / len(outcome.weights)
        assert set(mass) <= set(law)
        rows.append([mass[ids] for ids in law])
    return np.array(rows)


@pytest.mark.parametrize(
    "values",
    [{}, {"threshold": 1.0}, {"threshold": 0.9, "ramp": 2}, {"threshold": 0.9, "ramp": 20}],
    ids=["rarely resampled", "always resampled", "ramp", "ramp longer than the answer"],
)
def test_weighted_particles_estimate_the_power_distribution_of_every_answer(toy, law, values):
    outcomes = run_all(toy, **values)
    if "threshold" in values:
        assert sum(times for _, times in outcomes) > SEEDS / 10, "nothing was resampled: the test proves too little"
    powers = np.array(list(law.values())) ** ALPHA
    samples = estimates(outcomes, law, np.exp)
    common = powers > 0.005 * powers.sum()
    assert common.sum() >= 5
    assert worst(samples[:, common], powers[common]) < 4.0
    rare = samples[:, ~common].sum(axis=1, keepdims=True)
    assert worst(rare, powers[~common].sum(keepdims=True)) < 4.0
    evidence = np.exp([outcome.log_evidence for outcome, _ in outcomes])
    assert worst(evidence[:, None], np.array([powers.sum()])) < 4.0


def test_plain_sampling_at_the_proposal_temperature_is_not_the_power_distribution(toy, law):
    outcomes = run_all(toy, threshold=0.0)
    assert not any(times for _, times in outcomes)
    unweighted = estimates(outcomes, law, lambda log_weight: 1.0)
    at_temperature = answers(toy, LENGTH, 1.0 / ALPHA)
    cold = np.array([at_temperature[ids] for ids in law])
    powers = np.array(list(law.values())) ** ALPHA
    common = cold > 0.01
    assert worst(unweighted[:, common], cold[common]) < 4.0, "without weights it is sampling at temperature 1 / alpha"
    assert worst(unweighted[:, common], (powers / powers.sum())[common]) > 8.0


def test_the_answer_is_drawn_from_the_particles(toy, law):
    outcomes = run_all(toy, particles=24)
    powers = np.array(list(law.values())) ** ALPHA
    drawn = np.array(
        [[tuple(s.token_id for s in outcome.steps) == ids for ids in law] for outcome, _ in outcomes], dtype=float
    )
    expected = powers / powers.sum() * SEEDS
    common = expected >= 5.0
    counts = drawn.sum(axis=0)
    observed = np.append(counts[common], counts[~common].sum())
    wanted = np.append(expected[common], expected[~common].sum())
    assert common.sum() >= 3
    assert ((observed - wanted) ** 2 / wanted).sum() < 3.5 * len(wanted)


def test_at_alpha_1_all_weights_stay_equal_and_nothing_is_resampled(toy):
    outcomes = run_all(toy, alpha=1.0)
    for outcome, times in outcomes:
        assert times == 0
        np.testing.assert_allclose([weight for _, weight in outcome.weights], 0.0, atol=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_systematic_resampling_gives_each_particle_its_share_rounded_up_or_down(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 65))
    weights = rng.dirichlet(np.full(count, 0.2))
    parents = systematic(weights, float(rng.uniform(1e-12, 1.0)))
    offspring = np.bincount(parents, minlength=count)
    assert offspring.sum() == count and (np.diff(parents) >= 0).all()
    assert (np.abs(offspring - count * weights) < 1.0 + 1e-9).all()


def test_systematic_resampling_is_unbiased_and_never_keeps_a_particle_of_no_weight():
    weights = np.array([0.0, 0.05, 0.55, 0.0, 0.4, 0.0])
    grid = (np.arange(2000) + 0.5) / 2000
    mean = np.mean([np.bincount(systematic(weights, u), minlength=6) for u in grid], axis=0)
    np.testing.assert_allclose(mean, 6 * weights, atol=2e-3)
    assert (mean[[0, 3, 5]] == 0.0).all()


def test_effective_size_and_log_mean_at_their_limits():
    assert effective_size(np.full(8, 1 / 8)) == pytest.approx(8.0)
    assert effective_size(np.array([1.0, 0.0, 0.0])) == 1.0
    assert log_mean(np.array([-1000.0, -1000.0])) == pytest.approx(-1000.0)
    assert log_mean(np.log([1.0, 3.0])) == pytest.approx(np.log(2.0))


def test_particles_resample_when_their_effective_number_is_below_the_threshold_and_go_on_from_their_parents(tiny):
    request = GenerationRequest("Tell me", max_new_tokens=16, seed=5)
    *events, outcome = start(tiny, request, "power_smc", {"particles": 8, "alpha": 4})
    resampled = [event for event in events if isinstance(event, Resampled)]
    assert resampled
    for event in resampled:
        assert event.effective_size < 4.0
        assert np.sum(event.weights) == pytest.approx(1.0)
        offspring = np.bincount(event.parents, minlength=8)
        assert (np.abs(offspring - 8 * np.array(event.weights)) < 1.0 + 1e-9).all()
    answer = tuple(step.token_id for step in outcome.steps)
    assert answer in {whole(outcome, number) for number, _ in outcome.weights}
    assert len({trial.number for trial in outcome.trials}) == len(outcome.trials)
