"""Infinite and very large values of scores keep their place, and take no other figure with them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.support.session_material import material, state, trace
from ui.session_evidence import collect
from ui.session_measures import Question, curves, scores
from ui.session_ratings import read_target
from ui.session_truth import verdicts


def by_name(answer):
    return {row["name"]: row for row in answer["rows"]}


def asked(given, question):
    return scores(given.found, question, **given.parts())


@pytest.mark.parametrize("target", ["label:marks/odd", "label:marks/odd@span", "label:marks/odd@run"])
@pytest.mark.parametrize("end", [np.inf, -np.inf])
def test_one_infinite_value_in_one_run_leaves_every_score_its_row(target, end):
    plain = [trace(place) for place in range(20)]
    values = np.array(plain[3].scores["surprisal"])
    values[4] = end
    runs = [replace(run, scores={**run.scores, "surprisal": values}) if place == 3 else run
            for place, run in enumerate(plain)]  # fmt: skip
    said = [{"A1": state([("marks", "odd", 3, 6)] if place % 2 else [])} for place in range(20)]
    answer, usual = (asked(material(said, given), Question(target, "A1")) for given in (runs, plain))
    rows, wanted = by_name(answer), by_name(usual)
    assert list(map(len, (rows, answer["rows"]))) == list(map(len, (wanted, usual["rows"])))
    touched = [name for name, row in rows.items() if "surprisal" in name and row["n"]]
    assert touched and all(rows[name]["auroc"][0] is not None for name in touched)
    assert rows[touched[0]]["n"] == wanted[touched[0]]["n"]
    for name in touched:
        drawn = curves(material(said, runs).found, Question(target, "A1"), name, **material(said, runs).parts())
        assert drawn["roc"][-1] == [1, 1] and json.dumps(drawn, allow_nan=False)


def test_values_larger_than_single_precision_keep_their_order():
    plain = [trace(place) for place in range(4)]
    said = [{"A1": state(correct="no" if place > 1 else "yes")} for place in range(4)]
    runs = []
    for run, size in zip(plain, (1e39, 1e40, 1e41, 1e42), strict=True):
        runs.append(replace(run, scores={**run.scores, "entropy": np.full(20, size)}))
    given = material(said, runs)
    found = collect(read_target(given.found.schema, "question:correct"), "no",
                    verdicts(given.found, (), "A1"), given.items, given.parts()["trace_of"])  # fmt: skip
    place = [one.name for one in found.columns].index("max_entropy")
    assert np.isfinite(found.values[place]).all() and (np.diff(found.values[place]) > 0).all()
