"""The entry points of the forking analysis: a run goes in, reports come out, and plain records make a curve."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput
from engine.forking import ForkSettings, OutcomeCurve, analyse, outcome_curve
from engine.generate import run
from engine.types import GenerationRequest

SETTINGS = ForkSettings("exact_text", threshold=0.03, draws=4, most=8, max_tokens=14)


def test_a_run_goes_in_and_reports_come_out_until_one_is_done_or_it_is_cancelled(tiny):
    trace = run(tiny, GenerationRequest("Tell me", max_new_tokens=6, temperature=0.0))
    *before, whole = analyse(tiny, trace, SETTINGS)
    assert whole.done and before and not any(report.done for report in before)
    assert whole.curve.probabilities.sum(axis=1) == pytest.approx(1)
    seen = []

    def cancelled():
        return len(seen) >= 8

    for report in analyse(tiny, trace, SETTINGS, cancelled=cancelled):
        seen.append(report)
    assert not seen[-1].done and 0 < seen[-1].count < whole.count
    *_, resumed = analyse(tiny, trace, SETTINGS, resume=seen[-1].draws)
    assert resumed.done and set(resumed.draws.rollouts) == set(whole.draws.rollouts)


RECORDS = [
    {"position": 0, "token_id": 5, "probability": 0.6, "is_base": True, "outcomes": []},
    {"position": 0, "token_id": 6, "probability": 0.2, "is_base": False, "outcomes": ["b", "b", "a", "b"]},
    {"position": 1, "token_id": 7, "probability": 0.5, "is_base": True, "outcomes": ["a"], "certain": True},
    {"position": 1, "token_id": 8, "probability": 0.5, "is_base": False, "outcomes": ["b", "a"]},
]


def test_plain_records_make_a_curve_by_either_estimator():
    curve = outcome_curve(RECORDS)
    assert isinstance(curve, OutcomeCurve) and curve.labels == ("b", "a")
    assert curve.positions.tolist() == [0, 1] and curve.kept_mass == pytest.approx([0.8, 1.0])
    # by hand: o_1 = .5 a + .5 (b + a) / 2; o_0 = .75 o_1 + .25 (3 b + a) / 4
    assert curve.probabilities == pytest.approx(np.array([[0.75 * 0.25 + 0.25 * 0.75, 0.625], [0.25, 0.75]]))
    turned = outcome_curve(RECORDS, labels=("a", "b"))
    assert turned.labels == ("a", "b") and turned.probabilities == pytest.approx(curve.probabilities[:, ::-1])
    with pytest.raises(BadInput, match="Nothing was drawn for token id 5 at position 0"):
        outcome_curve(RECORDS, estimator="every-branch")
    drawn = [{**RECORDS[0], "outcomes": ["a", "b", "b", "b"]}, *RECORDS[1:]]
    every = outcome_curve(drawn, estimator="every-branch")
    # .75 (a + 3 b) / 4 + .25 (a + 3 b) / 4
    assert dict(zip(every.labels, every.probabilities[0], strict=True)) == pytest.approx({"a": 0.25, "b": 0.75})
    with pytest.raises(BadInput, match="no branches"):
        outcome_curve([])
    with pytest.raises(BadInput, match="none of the labels"):
        outcome_curve(RECORDS, labels=("a",))
