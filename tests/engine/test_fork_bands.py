"""Bands around outcome curves: they cover in every kind of world, hold the curve, and leave noise to be noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine import fork_bands
from engine.fork_bands import band, chance_bands, chance_samples, curve_samples, posterior_weights, sampled_steps
from engine.fork_curves import Branches, frequencies, outcome_curve, without_rare
from engine.fork_measures import drift, fork_tests, noise_range
from engine.fork_sites import draws_for
from tests.support.recorded_forks import STRIDED, recorded_rows

LABELS = ("a", "b", "c")
SURE = np.eye(3)[0]


def lopsided(share):
    return lambda rng, behind: np.array([share, 1.0 - share, 0.0])


def sometimes_flips(rng, behind):
    return np.eye(3)[1] if rng.random() < 0.05 else np.array([0.97, 0.03, 0.0])


def unlike(concentration):
    return lambda rng, behind: rng.dirichlet(np.full(3, concentration))


def near(rng, behind):
    return rng.dirichlet(20 * behind + 0.02) if rng.random() < 0.9 else unlike(0.3)(rng, behind)


# positions; share of alternatives (None: any number of any share); outcomes of an alternative
WORLDS = {
    "nearly all agree": (30, 0.1, lopsided(0.97)),
    "nearly all agree, a long answer": (120, 0.1, lopsided(0.97)),
    "all but one in a hundred agree": (120, 0.05, lopsided(0.99)),
    "nearly all agree, alternatives of all kinds": (60, None, lopsided(0.97)),
    "few forks among those that agree": (60, 0.1, sometimes_flips),
    "every alternative is another answer": (60, None, unlike(0.3)),
    "alternatives like each other": (60, 0.1, unlike(3.0)),
    "alternatives like what stands behind": (100, None, near),
    "a short answer": (10, None, unlike(1.0)),
}


def world(rng, positions, share, outcomes, end=SURE, draws=30):
    """Branches with default draws, and the curve that infinitely many would give, its end last."""
    truth, rows = [end], []
    for t in range(positions - 1, -1, -1):
        shares = _shares(rng, share)
        behind = [truth[0], *(outcomes(rng, truth[0]) for _ in shares[1:])]
        truth.insert(0, np.sum(shares[:, None] * behind, axis=0))
        counts = draws_for(shares, draws=draws)
        for w, chances in enumerate(behind):
            first, last = w == 0, t == positions - 1
            certain = first and last and bool(end.max() == 1)
            if certain or (first and not last):
                drawn = end * last
            else:
                drawn = rng.multinomial(draws if first else counts[w], chances)
            rows.append((t, w, shares[w], first, drawn.astype(float), certain))
    columns = list(zip(*sorted(rows, key=lambda row: row[:2]), strict=True))
    return Branches(*(np.array(column) for column in columns), LABELS), np.array(truth)


def _shares(rng, share):
    if share is not None:
        return np.array([1.0 - share, share])
    others = rng.dirichlet(np.full(3, 2.0))[: rng.integers(0, 4)] * rng.uniform(0.05, 0.7)
    return np.array([1.0 - others.sum(), *others])


def flat_prior(branches):
    """What a prior that is even over the labels makes of the draws."""
    return branches.counts + 1.0 / len(branches.labels)


def coverage(kind, worlds=16, *, widened=True):
    """Of positions and outcomes with a share above 3 %: how many the band covers, and whose estimate it holds."""
    covered, held, total = 0, 0, 0
    for seed in range(worlds):
        table, truth = world(np.random.default_rng([seed, 5]), *WORLDS[kind])
        curve = outcome_curve(table)
        own = np.vstack([curve.probabilities, curve.end])
        low, high = band(curve_samples(table, count=200, seed=seed), holding=own if widened else None)
        # behind the last alternative the curve is certain and always covered
        asked = truth[: table.positions[~table.is_base].max() + 1] > 0.03
        low, high, own, truth = (part[: len(asked)][asked] for part in (low, high, own, truth))
        covered += ((truth >= low - 1e-6) & (truth <= high + 1e-6)).sum()
        held += ((own >= low - 1e-6) & (own <= high + 1e-6)).sum()
        total += len(own)
    assert total > 100
    return covered / total, held / total


def test_bands_cover_in_every_world_as_often_as_they_say_on_average_and_hold_the_curve():
    found = {kind: coverage(kind) for kind in WORLDS}
    covered = np.array([one[0] for one in found.values()])
    assert covered.min() > 0.65 and covered.max() < 0.92, found
    assert 0.75 <= covered.mean() <= 0.85
    assert all(held == 1 for _, held in found.values())


@pytest.mark.parametrize("kind", list(WORLDS)[:4])
def test_bands_of_every_branch_cover_too(kind):
    covered = []
    for seed in range(12):
        rng = np.random.default_rng([seed, 6])
        table, truth = world(rng, *WORLDS[kind])
        own = table.is_base & ~table.certain
        counts = table.counts.copy()
        for i, count in zip(own.nonzero()[0], draws_for(table.shares)[own], strict=True):
            counts[i] = rng.multinomial(count, truth[table.positions[i] + 1])
        table = replace(table, counts=counts)
        curve = outcome_curve(table, estimator="every-branch")
        samples = curve_samples(table, estimator="every-branch", count=200, seed=seed)[:, :-1]
        low, high = band(samples, holding=curve.probabilities)
        last = table.positions[~table.is_base].max() + 1
        truth = truth[:last]
        covered += ((truth >= low[:last] - 1e-6) & (truth <= high[:last] + 1e-6))[truth > 0.03].tolist()
    assert 0.6 < np.mean(covered) < 0.92


def test_curves_lie_in_their_bands_without_being_put_there():
    """But for a few places where all of few draws agree, so that the curve is at the edge of what is possible."""
    assert np.mean([coverage(kind, 6, widened=False)[1] for kind in WORLDS]) > 0.93


def test_a_prior_that_is_even_over_the_labels_fails_where_most_agree(monkeypatch):
    """The negative control: what few draws a branch add to its bias, the recursion adds up."""
    monkeypatch.setattr(fork_bands, "posterior_weights", flat_prior)
    for kind in list(WORLDS)[:3]:
        covered, held = coverage(kind, 6, widened=False)
        assert covered < 0.4 and held < 0.2, kind
    assert coverage("every alternative is another answer", 6)[0] > 0.65, "where it did no harm"


def test_where_every_alternative_flips_the_outcome_there_is_next_to_no_noise():
    table, truth = world(np.random.default_rng(0), 40, 0.1, lambda rng, behind: np.eye(3)[1])
    curve = outcome_curve(table)
    assert curve.probabilities == pytest.approx(truth[:-1]), "draws that all agree err nowhere"
    low, high = band(curve_samples(table, count=200, seed=0))
    assert (high - low).max() < 0.05 and np.abs((high + low)[:-1] / 2 - truth[:-1]).max() < 0.02
    control = curve_samples_with(flat_prior, table)
    assert np.abs(control.mean(axis=0)[:-1] - truth[:-1]).max() > 0.03


def curve_samples_with(weights, table):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fork_bands, "posterior_weights", weights)
        return curve_samples(table, count=200, seed=0)


def test_bands_of_some_recorded_draws_cover_the_curve_of_all_of_them(shared_dir):
    found = {}
    for row in recorded_rows(shared_dir):
        if row.name in STRIDED:
            continue
        whole = row.branches()
        full, rng, covered = outcome_curve(whole), np.random.default_rng(0), []
        for _ in range(2):
            drawn = [
                rng.multivariate_hypergeometric(counts.astype(int), min(int(count), int(counts.sum())))
                for counts, count in zip(whole.counts, draws_for(whole.shares), strict=True)
            ]
            some = replace(whole, counts=np.array(drawn, dtype=float))
            some = without_rare(some, outcome_curve(some))
            curve = outcome_curve(some)
            low, high = band(curve_samples(some, count=200, seed=0)[:, :-1], holding=curve.probabilities)
            for k, label in enumerate(some.labels):
                if label in full.labels:
                    truth = full.probabilities[:, full.labels.index(label)]
                    covered += ((truth >= low[:, k]) & (truth <= high[:, k]))[truth > 0.03].tolist()
        found[row.name] = np.mean(covered)
    assert len(found) == 6 and min(found.values()) > 0.65 and np.mean(list(found.values())) > 0.75, found


def test_sampled_curves_are_those_of_their_sampled_branches():
    table, _ = world(np.random.default_rng(3), 12, None, near)
    curves = curve_samples(table, count=20, seed=4)
    assert curves.dtype == np.float32 and curves.sum(axis=2) == pytest.approx(1, abs=1e-5)
    for step in sampled_steps(table, estimator="recursion", count=20, seed=4):
        assert curves[:, step.row] == pytest.approx(step.values, abs=1e-6)
        assert curves[:, step.row + 1] == pytest.approx(step.base, abs=1e-6)
    assert np.array_equal(curves, curve_samples(table, count=20, seed=4))
    assert not np.array_equal(curves, curve_samples(table, count=20, seed=5))


def test_each_branch_has_a_band_that_holds_what_was_drawn():
    table, _ = world(np.random.default_rng(6), 40, None, unlike(0.3))
    low, high = chance_bands(table, count=200, seed=0)
    own, drawn = frequencies(table), table.draws > 0
    assert ((low <= own + 1e-6) & (own <= high + 1e-6))[drawn].all() and (high >= low).all()
    samples = chance_samples(table, count=200, seed=0)
    assert samples.dtype == np.float32 and samples.shape == (200, *table.counts.shape)
    assert np.array_equal(band(samples, holding=own)[0], low)
    assert np.array_equal(samples[:, table.certain], np.broadcast_to(own[table.certain], (200, 1, 3)))
    few, many = (drawn & ~table.certain & (table.draws < 8)), (table.draws > 20)
    assert (high - low)[few].max() > (high - low)[many].max(), "few draws leave more open"
    assert posterior_weights(table).sum(axis=1)[drawn] == pytest.approx(table.draws[drawn])


@pytest.mark.parametrize("share", [0.5, 0.97])
def test_forks_are_seldom_found_where_there_are_none(share):
    end, false = np.array([share, 1 - share, 0]), 0
    for seed in range(30):
        table, _ = world(np.random.default_rng([seed, 7]), 40, 0.1, lambda rng, behind: behind, end)
        false += fork_tests(table, outcome_curve(table), seed=seed, draws=1_000).real.any()
    assert false <= 4, "5 % of 30 analyses, and what chance adds"


def test_a_fork_among_many_that_agree_is_found():
    found = 0
    for seed in range(15):
        rng = np.random.default_rng([seed, 8])
        table, _ = world(rng, 60, 0.1, lopsided(0.99))
        fork = int(((table.positions == 30) & ~table.is_base).nonzero()[0][0])
        table.counts[fork] = rng.multinomial(10, [0.5, 0.5, 0.0])
        real = fork_tests(table, outcome_curve(table), seed=seed).real
        found += real[fork]
        assert real.sum() <= real[fork] + 2
    assert found >= 11


@pytest.mark.parametrize("share", [0.97, 0.99])
def test_a_curve_that_nearly_all_agree_on_is_flat_and_a_real_change_is_not(share):
    end, flat, missed = np.array([share, 1 - share, 0]), 0, 0
    for seed in range(20):
        table, _ = world(np.random.default_rng([seed, 9]), 60, 0.1, lambda rng, behind: behind, end)
        flat += within_noise(table, seed)
        changed, truth = world(np.random.default_rng([seed, 10]), 60, 0.1, change_at_half(), end)
        assert np.abs(truth[0] - truth[-1]).max() > 0.15
        missed += within_noise(changed, seed)
    assert flat >= 17 and missed <= 1


def within_noise(table, seed):
    curve = outcome_curve(table)
    return np.ptp(drift(curve)) <= noise_range(curve, curve_samples(table, count=200, seed=seed))


def change_at_half():
    """A few alternatives in the middle lead elsewhere, all others to what stands behind."""
    left = iter(range(60))

    def outcomes(rng, behind):
        return np.eye(3)[1] if 30 <= next(left) < 32 else behind

    return outcomes
