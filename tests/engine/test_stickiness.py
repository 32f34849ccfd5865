"""Stickiness along two texts: one where nothing differs, and the closed form of every row where something does."""

from dataclasses import replace

import numpy as np
import pytest

from engine.counterfactual import counterfactual
from engine.edits import FORCED, Splice
from engine.forward import ForwardPass
from engine.generate import run
from engine.stickiness import sampled_from, stickiness, stickiness_along
from engine.types import GenerationRequest

REQUEST = GenerationRequest("Tell me of the sea", max_new_tokens=40, temperature=0.8, top_p=0.9, seed=5)


def rows_of(model, trace):
    """Logits before every token, in one pass: float32 [n, V]."""
    ids = [*trace.prompt_ids.tolist(), *trace.token_ids.tolist()]
    return ForwardPass(model).feed(ids, keep=len(trace) + 1)[:-1]


def test_a_run_sticks_to_itself(tiny):
    trace = run(tiny, REQUEST)
    assert list(stickiness_along(tiny, trace, trace, 3, lambda: False)) == pytest.approx([1.0] * (len(trace) - 3))


def test_each_row_is_the_closed_form_of_what_both_runs_were_drawn_from(tiny):
    trace = run(tiny, REQUEST)
    other = counterfactual(tiny, trace, [Splice(4, 5, (70, 71))])
    p, q = rows_of(tiny, trace), rows_of(tiny, other)
    at = {int(row): i for i, row in enumerate(trace.noise_rows) if row != FORCED}
    wanted = [
        stickiness(sampled_from(p[at[int(row)]], REQUEST), sampled_from(q[j], REQUEST))
        for j, row in enumerate(other.noise_rows)
        if j >= 4 and int(row) in at
    ]
    found = list(stickiness_along(tiny, trace, other, 4, lambda: False))
    assert len(found) > 10 and min(found) < 0.999 and found == pytest.approx(wanted, abs=1e-5)


def test_probabilities_are_those_after_truncation(tiny):
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))
    shares = sampled_from(logits, GenerationRequest("-", top_k=2, temperature=1.0))
    assert shares == pytest.approx([0.625, 0.375, 0, 0])
    assert sampled_from(logits, GenerationRequest("-", temperature=0.0)).tolist() == [1, 0, 0, 0]


def test_fresh_luck_and_a_stop_leave_nothing_to_compare(tiny):
    trace = run(tiny, REQUEST)
    assert list(stickiness_along(tiny, trace, trace, 3, lambda: True)) == []
    assert list(stickiness_along(tiny, trace, trace, len(trace), lambda: False)) == []


def test_tokens_that_stand_by_intervention_in_both_runs_are_not_compared(tiny):
    edited = counterfactual(tiny, run(tiny, REQUEST), [Splice(4, 5, (70, 71))])
    drawn = int((edited.noise_rows[2:] != FORCED).sum())
    assert drawn == len(edited) - 4
    assert list(stickiness_along(tiny, edited, edited, 2, lambda: False)) == pytest.approx([1.0] * drawn)


def test_each_of_two_runs_is_taken_at_its_own_settings(tiny):
    trace = run(tiny, REQUEST)
    cooler = replace(REQUEST, temperature=0.3, top_p=0.5)
    other = counterfactual(tiny, trace, settings=cooler)
    p, q = rows_of(tiny, trace), rows_of(tiny, other)
    both = range(min(len(trace), len(other)))
    wanted = [stickiness(sampled_from(p[i], REQUEST), sampled_from(q[i], cooler)) for i in both]
    as_one = [stickiness(sampled_from(p[i], REQUEST), sampled_from(q[i], REQUEST)) for i in both]
    found = list(stickiness_along(tiny, trace, other, 0, lambda: False))
    assert found == pytest.approx(wanted, abs=1e-5) != pytest.approx(as_one, abs=1e-2)
