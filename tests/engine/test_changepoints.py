"""Change points: the posterior is the sum over every cut, flat curves stay flat, recorded curves give known places."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from engine import changepoints
from engine.changepoints import MOST_POINTS, pelt, posterior
from engine.fork_measures import drift
from engine.forking import OutcomeCurve
from engine.pelt import MultinomialCost
from tests.support.recorded_forks import STRIDED, recorded_rows

TOLERANCE = 0.03


def curve_of(row):
    """The published curve of a recorded row."""
    values = row.published
    return OutcomeCurve(np.arange(len(values)), row.labels, values, np.ones(len(values)), values[-1])


def test_the_posterior_is_the_sum_over_every_way_of_cutting_a_short_curve():
    y = np.array([0.1, 0.12, 0.09, 0.5, 0.52, 0.47, 0.5, 0.9, 0.88, 0.95, 0.91, 0.9])
    n, shortest = len(y), changepoints.SHORTEST
    z = (y - y.mean()) / y.std(ddof=1)
    scale = 2 + 1000 ** (1 - np.ptp(y))
    nu, kappa, c = 20, n / (n + 20), 0.5 * math.log((n + 20) / 20)
    grid = np.geomspace(1e-4, 4 + 4 * scale / n, 48)

    def evidence(a, b, s2):
        part, t = z[a:b], np.arange(a, b) - (a + b - 1) / 2
        flat = part.sum() ** 2 / len(part)
        line = flat + (t @ part) ** 2 / (t @ t)
        return np.logaddexp(*(-(r + 1) * c + kappa * e / (2 * s2) - math.log(2) for r, e in enumerate((flat, line))))

    assert nu == changepoints.PRECISION
    counts, places = np.zeros(7), np.zeros(n)
    for m in range(7):
        cuts = [
            cut
            for cut in itertools.combinations(range(1, n), m)
            if all(b - a >= shortest for a, b in itertools.pairwise((0, *cut, n)))
        ]
        for cut, s2 in itertools.product(cuts, grid):
            log = sum(evidence(a, b, s2) for a, b in itertools.pairwise((0, *cut, n))) - math.log(len(cuts))
            weight = math.exp(log - (0.01 + n / 2) * math.log(s2) - (scale + z @ z / 2) / s2)
            counts[m] += weight
            places[list(cut)] += weight
    found = posterior(y)
    assert found.count_probabilities == pytest.approx(counts / counts.sum(), abs=1e-9)
    assert found.location_probabilities == pytest.approx(places / counts.sum(), abs=1e-9)
    assert found.possible == 3 and counts[4:].sum() == 0
    assert found.odds == pytest.approx(counts[1:].sum() / counts[0])
    assert found.bayes_factor == pytest.approx(found.odds / 3)
    assert found.expected == pytest.approx(counts @ np.arange(7) / counts.sum())


def test_recorded_curves_change_where_they_are_known_to(shared_dir):
    rows = list(recorded_rows(shared_dir))
    for row in rows:
        expected = row.expected["exact_posterior"]
        found = posterior(drift(curve_of(row)), variances=64)
        assert found.count_probabilities == pytest.approx(expected["count_probabilities"], abs=TOLERANCE), row.name
        assert found.expected == pytest.approx(expected["expected_m"], abs=TOLERANCE)
        for place, probability in expected["top_locations"]:
            assert found.location_probabilities[place] == pytest.approx(probability, abs=TOLERANCE), row.name
        assert (found.odds > 1e9) == (expected["odds"] == "above 1e9")
    assert len(rows) == 8


def test_the_number_of_grid_points_decides_nothing(shared_dir):
    row = next(recorded_rows(shared_dir))
    coarse, fine = (posterior(drift(curve_of(row)), variances=count) for count in (48, 96))
    assert coarse.count_probabilities == pytest.approx(fine.count_probabilities, abs=2e-3)


def test_a_flat_curve_has_no_change_and_without_its_prior_it_would_have(monkeypatch):
    noise = np.random.default_rng(5).normal(scale=0.004, size=120)
    noise[:60] += 0.004
    assert posterior(noise).count_probabilities[0] > 0.5
    monkeypatch.setattr(changepoints, "_noise_scale", lambda y: 1e-6)
    assert posterior(noise).count_probabilities[0] < 0.1, "the control: standardising turns noise into signal"


def test_curves_too_short_or_without_variation_do_not_change():
    for y in ([0.3], [0.1, 0.9, 0.2], [0.1] * 50):
        found = posterior(np.array(y))
        assert found.count_probabilities[0] == 1 and found.odds == 0 and not found.location_probabilities.any()
        assert found.bayes_factor == 0 and len(found.location_probabilities) == len(y)
    for bad in ([], [0.1, math.nan], [[0.1]]):
        with pytest.raises(ValueError, match="finite"):
            posterior(np.array(bad))


def test_a_step_is_found_where_it_is():
    y = np.concatenate([np.zeros(40), np.full(40, 0.8)]) + np.random.default_rng(0).normal(scale=0.02, size=80)
    found = posterior(y)
    assert int(found.location_probabilities.argmax()) == 40 and found.odds > 9 and found.step == 1


def test_a_long_curve_is_looked_at_in_steps_so_that_time_is_bounded():
    y = np.concatenate([np.zeros(403), np.full(397, 0.8)]) + np.random.default_rng(0).normal(scale=0.02, size=800)
    whole, coarse = posterior(y), posterior(y, most_points=300)
    assert whole.step == 1 and coarse.step == 3 and len(coarse.location_probabilities) == 800
    place = int(coarse.location_probabilities.argmax())
    assert int(whole.location_probabilities.argmax()) == 403 and abs(place - 403) <= 3 and place % 3 == 0
    assert coarse.odds > 9 and coarse.count_probabilities.sum() == pytest.approx(1)
    assert coarse.expected == pytest.approx(coarse.location_probabilities.sum())
    began = time.process_time()
    long = posterior(np.tile(y, 8), variances=4)
    assert long.step == math.ceil(6_400 / MOST_POINTS) and time.process_time() - began < 10
    flat = posterior(np.full(5_000, 0.2))
    assert flat.count_probabilities[0] == 1 and not flat.location_probabilities.any()


def test_the_multinomial_cost_is_the_closed_form():
    cost = MultinomialCost().fit(np.array([[5.0, 0.0]] * 4 + [[0.0, 5.0]] * 4))
    assert cost.error(0, 4) == 0 and cost.error(0, 8) == pytest.approx(40 * math.log(2))


def test_the_second_opinion_agrees_with_recorded_ones(shared_dir):
    for row in recorded_rows(shared_dir):
        grid = sorted({record["position"] for record in row.records})
        counts = len(row.records[0]["outcomes"]) * row.published
        starts = pelt(counts)
        # recorded midway between the two observed positions
        middles = [(grid[start - 1] + grid[start]) / 2 for start in starts]
        assert middles == row.expected["pelt_on_S_times_o_t"]["mult_pen64"], row.name
        assert (row.name in STRIDED) == (len(grid) != grid[-1] - grid[0] + 1)
    assert pelt(np.ones((3, 2))) == []
