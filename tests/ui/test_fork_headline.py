"""What is said above a run whose forks are known: the fork that moves the curve most, or nothing new."""

import json

import pytest

from engine import generate
from engine.fork_curves import NO_ANSWERS
from engine.types import GenerationRequest
from tests.support.bench import ME
from tests.support.fork_documents import JUMP, PIECES, whole
from ui import examples, fork_job
from ui import forks as forks_module
from ui.fork_headline import best_fork, fork_headline
from ui.forks import Forks


def test_the_best_fork_is_the_one_that_moves_the_curve_most():
    best = best_fork(whole("run"))
    assert (best["position"], best["text"], best["probability"]) == (JUMP, " 13", 0.2)
    assert best["there"][1] == pytest.approx(0.9) and best["here"] == ["12", 0.9]


def document(labels, counts, *, end, estimator="recursion", base=None, second=None):
    """A finished analysis of one token with one or two forks; counts: what the stronger one came to."""
    forks = [[0, 7, "x", 0.3, 0, sum(counts), counts, 1.0, 0.3, 0.01, 1, None, None]]
    if second:
        forks.append([0, 8, "y", 0.2, 0, sum(second), second, 0.5, 0.1, 0.01, 1, None, None])
    own = base or [0] * len(labels)
    parts = (
        {"estimator": estimator},
        {"labels": labels},
        {"p": [[0, 0.9, end, end, end]], "end": {"o": end}},
        {"b": [[0, 1, "a", 0.6, 1, sum(own), own, 0.0, 0.0, None, None, None, None], *forks]},
    )
    return "".join(json.dumps(part) + "\n" for part in parts)


NAMES = ["12", "13", *NO_ANSWERS]


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_outcome_is_never_named_as_one(name):
    counts = [2, 4, 0, 0, 0, 0]
    counts[NAMES.index(name)] = 14
    end = [0.4 if label == "12" else 0.6 if label == name else 0.0 for label in NAMES]
    best = best_fork(document(NAMES, counts, end=end))
    assert best["there"] == ["13", 0.2] and best["here"] == ["12", 0.4]
    nothing = [0, 0, 0, 0, 0, 0]
    nothing[NAMES.index(name)] = 20
    assert best_fork(document(NAMES, nothing, end=end)) is None
    other = best_fork(document(NAMES, nothing, end=end, second=[0, 5, 0, 0, 0, 5]))
    assert other["text"] == "y" and other["there"] == ["13", 0.5]


def test_where_every_branch_was_drawn_a_fork_is_compared_with_the_tokens_own_draws():
    shapes = {"end": [0.1, 0.9, 0.0, 0.0, 0.0, 0.0], "base": [9, 1, 0, 0, 0, 0]}
    counts = [0, 10, 0, 0, 0, 0]
    assert best_fork(document(NAMES, counts, **shapes))["here"] == ["13", 0.9]
    assert best_fork(document(NAMES, counts, **shapes, estimator="every-branch"))["here"] == ["12", 0.9]
    shapes["base"] = None
    assert best_fork(document(NAMES, counts, **shapes, estimator="every-branch"))["here"] == ["13", 0.9]


def test_where_nothing_is_told_from_noise_there_is_no_fork():
    assert best_fork(whole("run", labels=("12",))) is None


def test_the_sentence_names_both_ways_and_both_outcomes(tiny):
    trace = generate.run(tiny, GenerationRequest("Tell me", max_new_tokens=len(PIECES), temperature=0.0))
    best = {"position": 3, "text": " 13", "probability": 0.2, "there": ["13", 0.9], "here": ["12", 0.95]}
    said = fork_headline(trace, best)
    assert said.select == 3
    assert (
        "instead, 90\u00a0% of what follows ends in 13, not in 12." in said.sentence
        and "“13” (20\u00a0%)" in said.sentence
    )
    same = fork_headline(trace, best | {"there": ["12", 0.4]})
    assert "40\u00a0% and not 95\u00a0% of what follows ends in 12." in same.sentence
    assert fork_headline(trace, best | {"position": 99}).sentence == ""


def test_a_finished_analysis_speaks_for_its_run_when_it_is_opened(bench):
    examples.install(bench.store)
    first = json.loads(bench.open_run(examples.example_uid(examples.FIRST_SHOWN), ME).splitlines()[0])
    best = best_fork(Forks(bench).of_run(examples.example_uid(examples.FIRST_SHOWN), ME))
    assert best is not None and first["select"] == best["position"] and "the answer forks" in first["note"]
    other = json.loads(bench.open_run(examples.example_uid(1), ME).splitlines()[0])
    assert "most torn" in other["note"], "a run that nobody has analysed"


def test_what_an_analysis_found_is_kept_with_it(bench, tiny, monkeypatch):
    monkeypatch.setattr(fork_job, "FRAME_SECONDS", 0.0)
    uid = bench.keep(generate.run(tiny, GenerationRequest("Tell me", max_new_tokens=10, temperature=0.0)), ME)
    found = {"position": 2, "text": "x", "probability": 0.1, "there": ["a", 1.0], "here": ["b", 1.0]}
    monkeypatch.setattr(forks_module, "best_fork", lambda document: found)
    list(Forks(bench).run(uid, {"extractor": "exact_text", "draws": 4, "max_tokens": 12}, ME))
    assert json.loads(bench.open_run(uid, ME).splitlines()[0])["select"] == 2
