"""Analyses that were stopped and gone on with, and what their draws are called when they are read in another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.fork_analysis import analyse
from engine.fork_curves import NO_ANSWERS, UNFINISHED
from engine.fork_draws import ForkDraws, from_arrays, to_arrays
from engine.fork_plan import ForkSettings
from engine.generate import run
from engine.outcomes import TRUNCATED, UNPARSED
from engine.rollouts import Rollout
from engine.types import GenerationRequest

SETTINGS = ForkSettings("exact_text", threshold=0.02, draws=8, most=100, max_tokens=18)


@pytest.fixture(scope="module")
def answer(tiny):
    return run(tiny, GenerationRequest("Tell me", max_new_tokens=12, temperature=0.0))


def last(model, trace, settings, **options):
    *_, report = analyse(model, trace, settings, **options)
    return report


def known(report):
    return {key_of(one): one.ids for one in report.draws.rollouts}


def stopping_after(steps):
    left = iter(range(steps))
    return lambda: next(left, None) is None


@pytest.fixture(scope="module")
def narrowed(tiny, answer):
    """An analysis that takes several rounds to its band."""
    first = last(tiny, answer, SETTINGS)
    width = float((first.bands[1] - first.bands[0]).max())
    for part in np.arange(0.85, 0.6, -0.025):
        settings = replace(SETTINGS, until=float(part) * width)
        whole = last(tiny, answer, settings)
        if sum(whole.plan.counts.values()) > 1.9 * sum(first.plan.counts.values()):
            break
    else:
        pytest.fail("no band takes several rounds")
    return settings, whole


def stopped_often(model, trace, settings, seed):
    """The last report of an analysis that was stopped at random steps, and how often it was."""
    rng, resume, stops = np.random.default_rng(seed), None, 0
    while True:
        report = last(model, trace, settings, resume=resume, cancelled=stopping_after(int(rng.integers(20, 80))))
        if report.done:
            return report, stops
        stops += 1
        resume = from_arrays(to_arrays(report.draws))


def test_however_often_it_was_stopped_a_band_is_reached_by_the_same_draws(tiny, answer, narrowed):
    settings, whole = narrowed
    alike = 0
    for seed in range(4):
        report, stops = stopped_often(tiny, answer, settings, seed)
        assert stops >= 3, "it was stopped in several rounds"
        found, expected = known(report), known(whole)
        assert found.keys() == expected.keys() and report.plan.counts == whole.plan.counts
        # other rows at once are other rounding, which decides where a number lies next to a boundary
        differ = [one for one in report.draws.rollouts if found[key_of(one)] != expected[key_of(one)]]
        assert len(differ) <= 2 and all(one.close for one in differ)
        if not differ:
            alike += 1
            assert report.curve.labels == whole.curve.labels
            assert np.array_equal(report.curve.probabilities, whole.curve.probabilities)
            assert all(np.array_equal(*pair) for pair in zip(report.bands, whole.bands, strict=True))
    assert alike >= 2


def key_of(one):
    return one.position, one.token_id, one.draw


def test_draws_of_a_later_round_do_not_change_an_earlier_one(tiny, answer, narrowed):
    _, whole = narrowed
    counts = last(tiny, answer, SETTINGS).plan.counts
    own = whole.draws.first(counts)
    assert len(own.rollouts) == sum(counts.values()) < len(whole.draws.rollouts)
    assert own.rollouts == sorted(own.rollouts, key=key_of)
    names = whole.draws.labels("exact_text")
    said = {key_of(one): n for one, n in zip(whole.draws.rollouts, names, strict=True)}
    assert list(own.labels("exact_text")) == [said[key_of(one)] for one in own.rollouts]


def spoken(*texts, endings=None, embed=None):
    """Draws behind an empty answer that say these texts."""
    words = {i: text.encode() for i, text in enumerate(texts)}
    draws = ForkDraws((), words, frozenset(), embed=embed)
    kinds = endings or ["stop"] * len(texts)
    draws.add(Rollout(0, i, 0, (), kind, 0) for i, kind in enumerate(kinds))
    return draws


@pytest.mark.parametrize("name", ["exact_text", "first_line"])
def test_an_answer_that_says_other_is_an_answer(name):
    draws = spoken("Other", "truncated", "unparsed", "unfinished", "other", "", "cut")
    assert draws.labels(name)[:6] == ["“Other”", "“truncated”", "“unparsed”", "“unfinished”", "other", UNPARSED]
    assert draws.label_of([0], name) == "“Other”"
    cut = spoken("Other", endings=["length"])
    assert cut.labels(name) == [TRUNCATED], "this one may go on"
    assert set(NO_ANSWERS) == {"Other", "truncated", "unparsed", "unfinished"}


def test_a_draw_that_was_stopped_once_decided_is_not_called_truncated():
    texts = ["B\nand", "B\nand", "B\nand"]
    draws = spoken(*texts, endings=["decided", "length", "stop"])
    assert draws.labels("first_line") == ["B", "B", "B"], "whose line is over"
    assert draws.labels("exact_text") == [UNFINISHED, TRUNCATED, "B and"]
    assert from_arrays(to_arrays(draws)).labels("exact_text") == [UNFINISHED, TRUNCATED, "B and"]


def test_so_it_is_where_labels_are_found_from_all_answers_together():
    asked = []

    def embed(texts):
        asked.extend(texts)
        return np.array([[1.0, 0.0] if text.startswith("B") else [0.0, 1.0] for text in texts], dtype=np.float32)

    draws = spoken("B it is", "B it", "B", "no", endings=["stop", "decided", "length", "stop"], embed=embed)
    found = draws.labels("meaning")
    assert found[1:3] == [UNFINISHED, TRUNCATED] and found[0] != found[3]
    assert sorted(asked) == ["B it is", "no"]
    again = draws.first({(0, 0): 1, (0, 1): 1, (0, 2): 1, (0, 3): 1})
    assert again.labels("meaning") == found and len(asked) == 2, "no text is embedded twice"
