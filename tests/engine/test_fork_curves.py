"""Outcome curves: the recursion is exact enumeration, unbiased and as accurate as published, and its bands hold."""

from __future__ import annotations

import itertools
import tracemalloc
from functools import cache

import numpy as np
import pytest

from engine.errors import BadInput
from engine.fork_bands import band, curve_samples
from engine.fork_curves import (
    MOST_LABELS,
    OTHER,
    UNFINISHED,
    Branches,
    OutcomeCurve,
    branches_of,
    common_labels,
    kept_mass,
    outcome_curve,
    without_rare,
)
from engine.fork_measures import (
    discoveries,
    distance,
    drift,
    fork_tests,
    hazards,
    jumps,
    noise_range,
    strengths,
    survival,
)
from engine.outcomes import TRUNCATED, UNPARSED
from tests.support.recorded_forks import STRIDED, recorded_rows

VOCABULARY, LENGTH = 4, 4
LABELS = ("a", "b", "c")


def branch(position, token_id, probability, outcomes, *, is_base=False, certain=False):
    return {
        "position": position, "token_id": token_id, "probability": probability, "is_base": is_base,
        "outcomes": outcomes, "certain": certain,
    }  # fmt: skip


@cache
def chances(prefix):
    """p(next token | prefix) of a model that can be listed whole."""
    return np.random.default_rng([9, *prefix]).dirichlet(np.ones(VOCABULARY))


def outcome_of(ids):
    return LABELS[sum(ids) % 3]


@cache
def exact(prefix):
    """The distribution of outcomes behind a prefix, by listing every answer."""
    found = dict.fromkeys(LABELS, 0.0)
    for rest in itertools.product(range(VOCABULARY), repeat=LENGTH - len(prefix)):
        ids, p = list(prefix), 1.0
        for token in rest:
            p *= chances(tuple(ids))[token]
            ids.append(token)
        found[outcome_of(ids)] += p
    return np.array([found[label] for label in LABELS])


def listed(base, draw=None):
    """Branches of every token along a base path; draw: exact chances -> counts, exact ones by default."""
    rows = []
    for t in range(LENGTH):
        for token in range(VOCABULARY):
            is_base = token == base[t]
            certain = is_base and t == LENGTH - 1
            truth = exact((*base[:t], token))
            counts = truth if draw is None or certain else draw(truth)
            rows.append((t, token, chances(tuple(base[:t]))[token], is_base, counts, certain))
    columns = list(zip(*rows, strict=True))
    return Branches(
        np.array(columns[0]), np.array(columns[1]), np.array(columns[2]), np.array(columns[3]),
        np.array(columns[4]), np.array(columns[5]), LABELS,
    )  # fmt: skip


BASE = (1, 3, 0, 2)
TRUTH = np.array([exact(BASE[:t]) for t in range(LENGTH)])


@pytest.mark.parametrize("estimator", ["recursion", "every-branch"])
def test_with_exact_outcomes_both_estimators_give_the_exact_curve(estimator):
    curve = outcome_curve(listed(BASE), estimator=estimator)
    assert curve.probabilities == pytest.approx(TRUTH, abs=1e-12)
    assert curve.end == pytest.approx(exact(BASE)) and curve.kept_mass == pytest.approx(1)
    assert curve.labels == LABELS and curve.positions.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("estimator", ["recursion", "every-branch"])
def test_over_many_analyses_the_curve_is_unbiased(estimator):
    rng = np.random.default_rng(3)
    curves = np.array(
        [
            outcome_curve(
                listed(BASE, lambda p: rng.multinomial(4, p).astype(float)), estimator=estimator
            ).probabilities
            for _ in range(400)
        ]
    )
    error = curves.mean(axis=0) - TRUTH
    assert np.abs(error).max() < 4 * (curves.std(axis=0) / 20).max() < 0.06
    # the control: weighting alternatives alike is biased, beyond what 400 analyses leave to chance
    table = listed(BASE)
    alike = np.array([table.counts[table.at(t)].mean(axis=0) for t in range(LENGTH)])
    assert np.abs(alike - TRUTH).max() > 0.06


def test_only_the_last_base_branch_is_used_by_the_recursion():
    table = listed(BASE)
    blank = table.is_base & (table.positions < LENGTH - 1)
    counts = np.where(blank[:, None], 0.0, table.counts)
    bare = Branches(table.positions, table.token_ids, table.probabilities, table.is_base, counts, table.certain, LABELS)
    assert outcome_curve(bare).probabilities == pytest.approx(TRUTH, abs=1e-12)
    with pytest.raises(BadInput, match="Nothing was drawn for token id 1 at position 0"):
        outcome_curve(bare, estimator="every-branch")


@pytest.mark.parametrize("draws", [5, 10, 30])
def test_the_bands_cover_as_often_as_they_say(draws):
    """Over worlds of all kinds: sure and unsure branches, few and many alternatives."""
    inside, total = 0, 0
    for world in range(120):
        rng = np.random.default_rng([draws, world])
        table, truth = _world(rng, draws)
        low, high = band(curve_samples(table, count=200, seed=world)[:, :-1])
        # behind the last alternative the curve is certain and always covered
        last = table.positions[~table.is_base].max() + 1
        inside += ((truth >= low - 1e-12) & (truth <= high + 1e-12))[:last].sum()
        total += truth[:last].size
    assert 0.75 <= inside / total <= 0.85
    assert total > 2_000


def _world(rng, draws, positions=16):
    """Branches with `draws` in proportion, and the curve that infinitely many would give."""
    concentration = rng.choice([0.1, 0.3, 1.0, 3.0])
    records, truths = [], []
    for _ in range(positions):
        share = rng.dirichlet([6.0, *np.ones(rng.integers(0, 3))])
        records.append([(p, rng.dirichlet(np.full(3, concentration))) for p in share])
    behind = np.eye(3)[0]
    for row in reversed(records):
        behind = row[0][0] * behind + sum(p * truth for p, truth in row[1:])
        truths.append(behind)
    rows = []
    for t, row in enumerate(records):
        for w, (p, truth) in enumerate(row):
            last = t == positions - 1
            count = int(np.clip(round(draws * p / 0.3), 2, 100))
            counts = (np.eye(3)[0] if last else np.zeros(3)) if w == 0 else rng.multinomial(count, truth)
            rows.append((t, w, 0.98 * p, w == 0, counts.astype(float), w == 0 and last))
    columns = list(zip(*rows, strict=True))
    return Branches(*(np.array(column) for column in columns), LABELS), np.array(truths[::-1])


def test_recorded_curves_come_out_to_the_last_recorded_digit(shared_dir):
    for row in recorded_rows(shared_dir):
        curve = outcome_curve(row.branches(), estimator="every-branch")
        assert np.array_equal(np.round(curve.probabilities, 6), row.published), row.name
        assert curve.kept_mass.min() == pytest.approx(row.expected["kept_mass"]["min"], abs=1e-6)
        assert curve.kept_mass.mean() == pytest.approx(row.expected["kept_mass"]["mean"], abs=1e-6)


def test_the_recursion_on_recorded_draws_lands_where_it_is_known_to(shared_dir):
    seen = 0
    for row in recorded_rows(shared_dir):
        if row.name in STRIDED:
            with pytest.raises(BadInput, match="every position between"):
                outcome_curve(row.branches())
            continue
        whole = outcome_curve(row.branches(), estimator="every-branch").probabilities
        expected = row.expected["backward_recursion"]
        for draws in (30, 200):
            curve = outcome_curve(row.branches(slice(0, draws)))
            assert curve.probabilities[0] == pytest.approx(expected[f"o_0_S{draws}"], abs=1e-6)
            mean = distance(curve.probabilities, whole, "TV").mean()
            assert mean == pytest.approx(expected[f"tv_S{draws}_vs_full"], abs=1e-6)
        seen += 1
    assert seen == 6


def test_what_recorded_curves_say_is_what_was_published(shared_dir):
    for row in recorded_rows(shared_dir):
        table = row.branches()
        curve = outcome_curve(table, estimator="every-branch")
        merged = without_rare(table, curve)
        assert list(merged.labels) == row.expected["collapsed_categories"]
        rare = row.name == "llama_row001"  # whose published distances are those of all labels
        if not rare:
            table, curve = merged, outcome_curve(merged, estimator="every-branch")
        assert drift(curve)[:10] == pytest.approx(row.expected["drift_L2"]["first10"], abs=1e-6)
        assert drift(curve).max() == pytest.approx(row.expected["drift_L2"]["max"], abs=1e-6)
        grid = curve.positions.tolist()
        for above, known in row.expected["tv_jumps"].items():
            steps = [jump for jump in jumps(curve, above=float(above)) if jump.token != grid[-1]]
            found = [(grid[grid.index(jump.token) + 1], round(jump.size, 4)) for jump in steps]
            assert found == [tuple(pair) for pair in known], (row.name, above)
        found = strengths(table, curve, "every-branch")
        for eps, known in row.expected["survival_final_by_eps"].items():
            last = survival(table, found.distances, eps=float(eps))[-1]
            assert last == pytest.approx(known, abs=1e-6), (row.name, eps)
        at_risk = [
            (int(t), round(float(h), 5)) for t, h in zip(grid, hazards(table, found.distances), strict=True) if h
        ]
        assert at_risk == [tuple(pair) for pair in row.expected["hazard_positions_eps0.6"]]
        best = row.expected["top_forking_tokens"]["rows"][0]
        strongest = int(found.distances.argmax())
        assert found.distances[strongest] == pytest.approx(best[0], abs=1e-4)
        tied = (found.distances > found.distances[strongest] - 1e-9).nonzero()[0]
        if not rare:
            assert best[2:4] in [[int(table.positions[i]), int(table.token_ids[i])] for i in tied]


def test_distances_between_distributions_have_their_closed_forms():
    one, other = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0])
    assert distance(one, other, "TV") == 1 and distance(one, other, "L1") == 2
    assert distance(one, other, "L2") == pytest.approx(np.sqrt(1.5))
    assert distance(one, other, "JS") == pytest.approx(np.log(2)) and distance(one, one, "JS") == 0
    with pytest.raises(BadInput, match="unknown"):
        distance(one, other, "cosine")


def test_a_jump_blames_the_token_before_the_new_level():
    curve = OutcomeCurve(
        np.arange(3), ("a", "b"), np.array([[1, 0], [1, 0], [0.5, 0.5]]), np.ones(3), np.array([0.0, 1.0])
    )
    assert [(jump.token, jump.size) for jump in jumps(curve)] == [(1, 0.5), (2, 0.5)]
    assert jumps(curve, above=0.5) == []


def test_rare_labels_become_other_once_for_the_whole_answer_and_what_is_no_answer_does_not():
    draws = ["a"] * 980 + ["b"] * 9 + [UNPARSED] * 6 + [TRUNCATED] * 5
    table = branches_of([branch(0, 1, 1.0, draws, is_base=True)])
    assert table.labels == ("a", "b", UNPARSED, TRUNCATED)
    merged = without_rare(table, outcome_curve(table))
    assert merged.labels == ("a", OTHER, UNPARSED, TRUNCATED) and merged.counts.tolist() == [[980, 9, 6, 5]]
    assert without_rare(merged, outcome_curve(merged)) is merged
    two = branches_of([branch(0, 1, 0.6, ["a"] * 1000, is_base=True), branch(0, 2, 0.4, ["a"] * 95 + ["b"] * 5)])
    assert without_rare(two, outcome_curve(two, estimator="every-branch")).labels == ("a", "b")


def free_answers(positions, draws=10):
    """Records of an answer whose every continuation says something else, but for a few."""
    records = []
    for t in range(positions):
        last = t == positions - 1
        records.append(branch(t, 1, 0.9, ["own"] if last else [], is_base=True, certain=last))
        drawn = [UNPARSED, "again", "again", *(f"answer {t} {i}" for i in range(draws - 3))]
        records.append(branch(t, 2, 0.1, drawn))
    return records


def test_where_every_answer_is_another_one_they_are_other_and_those_that_recur_are_not():
    records = free_answers(60)
    table = branches_of(records)
    assert len(table.labels) == 3 + 60 * 7
    # one draw of a branch weighs one hundredth there: more than what is rare, and not by chance
    assert outcome_curve(table).probabilities.max(axis=0).min() >= 0.01 - 1e-12
    assert common_labels(records) == ("again", "own", OTHER, UNPARSED)
    merged = without_rare(table, outcome_curve(table))
    assert merged.labels == ("again", "own", OTHER, UNPARSED) and merged.draws.tolist() == table.draws.tolist()
    certain = [branch(0, 1, 0.97, ["own"], is_base=True, certain=True), branch(0, 2, 0.03, ["ended"], certain=True)]
    assert common_labels(certain) == ("own", "ended"), "what is known without drawing is no chance find"


def test_no_more_than_the_most_frequent_labels_have_a_place_of_their_own():
    draws = [f"answer {i}" for i in range(2 * MOST_LABELS) for _ in range(2 + (i % 2))]
    records = [branch(0, 1, 1.0, [*draws, UNPARSED, TRUNCATED, UNFINISHED], is_base=True)]
    names = common_labels(records)
    assert names[-4:] == (OTHER, UNPARSED, UNFINISHED, TRUNCATED) and len(names) == MOST_LABELS + 4
    assert all(int(name.split()[1]) % 2 for name in names[:-4]), "those that were drawn three times"
    table = branches_of(records)
    assert without_rare(table, outcome_curve(table)).labels == names
    few = branches_of(records, names)
    assert few.counts[0, names.index(OTHER)] == 2 * MOST_LABELS


@pytest.mark.parametrize("estimator", ["recursion", "every-branch"])
def test_the_labels_of_recorded_draws_are_those_of_their_curve(shared_dir, estimator):
    seen = 0
    for row in recorded_rows(shared_dir):
        if row.name in STRIDED and estimator == "recursion":
            continue
        records = [{**record, "outcomes": record["outcomes"][:30]} for record in row.records]
        table = branches_of(records)
        dense = without_rare(table, outcome_curve(table, estimator=estimator))
        again = branches_of(records, common_labels(records, estimator=estimator))
        assert set(again.labels) == set(dense.labels)
        order = [again.labels.index(name) for name in dense.labels]
        assert np.array_equal(again.counts[:, order], dense.counts)
        seen += len(dense.labels) < len(table.labels)
    assert seen, "some labels are rare"


def test_the_memory_of_curves_does_not_grow_with_what_is_said_once():
    records = free_answers(300)
    tracemalloc.start()
    table = branches_of(records, common_labels(records))
    curve = outcome_curve(table)
    samples = curve_samples(table, count=200, seed=0)
    fork_tests(table, curve)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert samples.nbytes == 200 * 301 * 4 * 4 and most < 2**24


def test_kept_mass_and_shares_leave_out_what_was_not_explored():
    table = branches_of([branch(0, 1, 0.3, ["a"], is_base=True), branch(0, 2, 0.1, ["b"])])
    assert kept_mass(table)[1] == pytest.approx([0.4]) and table.shares == pytest.approx([0.75, 0.25])
    curve = outcome_curve(table)
    assert curve.probabilities == pytest.approx(np.array([[0.75, 0.25]])) and curve.kept_mass == pytest.approx([0.4])


BAD = {
    "nothing": ([], "no branches"),
    "two base tokens": ([branch(0, 1, 0.5, ["a"], is_base=True), branch(0, 2, 0.4, ["a"], is_base=True)], "needs one"),
    "no base token": ([branch(0, 1, 0.5, ["a"])], "needs one"),
    "a token twice": ([branch(0, 1, 0.5, ["a"], is_base=True), branch(0, 1, 0.1, ["a"])], "same token twice"),
    "no chance": ([branch(0, 1, 0.0, ["a"], is_base=True)], "above 0"),
    "too much": ([branch(0, 1, 0.9, ["a"], is_base=True), branch(0, 2, 0.9, ["a"])], "add up to 1.8"),
    "a gap": ([branch(0, 1, 0.9, ["a"], is_base=True), branch(2, 1, 0.9, ["a"], is_base=True)], "every position"),
    "no end": ([branch(0, 1, 0.9, [], is_base=True)], "Nothing was drawn"),
}


@pytest.mark.parametrize("case", BAD)
def test_branches_that_say_nothing_are_refused_in_a_sentence(case):
    records, words = BAD[case]
    with pytest.raises(BadInput, match=words):
        outcome_curve(records)
    with pytest.raises(BadInput, match="unknown"):
        outcome_curve([branch(0, 1, 1.0, ["a"], is_base=True)], estimator="magic")
    with pytest.raises(BadInput, match="none of the labels"):
        branches_of([branch(0, 1, 1.0, ["z"], is_base=True)], ["a"])


def test_noise_is_called_noise_and_a_fork_is_told_from_it():
    false, missed, tested = 0, 0, 0
    for world in range(40):
        rng = np.random.default_rng(world)
        records = []
        for t in range(12):
            real = t == 0
            truth = [0.1, 0.9] if real else [0.5, 0.5]
            records.append(branch(t, 1, 0.6, [], is_base=True))
            records.append(branch(t, 2, 0.3, rng.choice(["a", "b"], 30, p=truth).tolist()))
        records[-2]["outcomes"] = rng.choice(["a", "b"], 200).tolist()
        table = branches_of(records, ["a", "b"])
        tests = fork_tests(table, outcome_curve(table), seed=world, draws=1_000)
        forks = set(table.positions[tests.real].tolist())
        false += len(forks - {0})
        missed += 0 not in forks
        tested += 12
        assert np.isnan(tests.p_values[table.is_base]).all()
    assert missed <= 4 and false / (40 * 1.0 + false) < 0.12
    assert tested == 480


def test_of_many_hypotheses_few_are_rejected_falsely():
    assert discoveries(np.array([0.01, 0.04, 0.03, 0.9])).tolist() == [True, False, False, False]
    assert discoveries(np.array([0.01, 0.02, 0.03, 0.9])).tolist() == [True, True, True, False]
    assert discoveries(np.array([])).tolist() == []
    rng = np.random.default_rng(0)
    assert np.mean([discoveries(rng.random(50)).any() for _ in range(400)]) == pytest.approx(0.05, abs=0.025)


def test_a_curve_that_never_changes_ranges_within_its_noise():
    inside = 0
    for world in range(60):
        rng = np.random.default_rng([1, world])
        records = []
        for t in range(14):
            records.append(branch(t, 1, 0.6, [], is_base=True))
            records.append(branch(t, 2, 0.3, rng.choice(["a", "b"], 20).tolist()))
        records[-2]["outcomes"] = rng.choice(["a", "b"], 40).tolist()
        table = branches_of(records, ["a", "b"])
        curve = outcome_curve(table)
        inside += np.ptp(drift(curve)) <= noise_range(curve, curve_samples(table, count=200, seed=world))
    assert inside >= 52
    table, _ = _world(np.random.default_rng(8), 30)
    curve = outcome_curve(table)
    assert np.ptp(drift(curve)) > noise_range(curve, curve_samples(table, count=200, seed=0)), "the control: it changes"
