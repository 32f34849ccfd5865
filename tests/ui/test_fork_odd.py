"""Forking analyses of odd answers: nothing to read, one outcome, one token, an end among the alternatives, many."""

from __future__ import annotations

import threading

import pytest

from engine import changepoints, generate, outcomes
from engine.errors import BadInput
from engine.outcomes import Extractor, Found
from engine.testing import END_ID
from engine.types import GenerationRequest
from tests.support.app_server import wait_until
from tests.support.bench import ME, OTHER, last, lines
from tests.support.forking import SMALL
from ui import fork_job
from ui.fork_job import NOTHING_KEPT
from ui.forks import Forks

# reads the same in every answer, however it goes on
SAME = Extractor(
    "same", 1, "The same", "the same", lambda text, parameter: Found("42", 0, 0), settled=lambda text, found: True
)


@pytest.fixture
def forks(bench, monkeypatch):
    monkeypatch.setattr(fork_job, "FRAME_SECONDS", 0.0)
    monkeypatch.setitem(outcomes.REGISTRY, "same", SAME)
    return Forks(bench)


@pytest.fixture
def kept(bench, tiny):
    """A run in the library: kept(**fields of its request) -> uid."""

    def keep(**fields):
        asked = {"max_new_tokens": 10, "temperature": 0.0} | fields
        return bench.keep(generate.run(tiny, GenerationRequest("Tell me", **asked)), ME)

    return keep


def whole(forks, uid, **fields):
    *_, document = forks.run(uid, SMALL | fields, ME)
    assert last(document, "s")["state"] == "finished"
    return document


def claims(document):
    """What a document presents as a fork: branches told from noise, jumps, change points."""
    said = last(document, "said")
    real = [row[:2] for row in last(document, "b") if row[10]]
    return real, [jump for found in said["jumps"].values() for jump in found], said["changes"]["locations"]


def ended(tiny, longest=40):
    """Fields of a request whose answer ends by itself behind some tokens."""
    for seed in range(60):
        trace = generate.run(tiny, GenerationRequest("Tell me", max_new_tokens=longest, seed=seed))
        if trace.finish_reason == "stop" and 5 < len(trace) < 14:
            return {"max_new_tokens": longest, "temperature": 1.0, "seed": seed}
    raise AssertionError("no answer ended by itself")


def test_one_outcome_only_is_said_and_no_fork_is_claimed(forks, kept, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(changepoints, "posterior", lambda *_: pytest.fail("changes were looked for within noise"))
        document = whole(forks, kept(), extractor="same")
    assert last(document, "labels") == ["42"] and last(document, "s")["draws"] > 20
    assert claims(document) == ([], [], []) and last(document, "said")["changes"]["flat"] is True
    assert "Every continuation has the same outcome, 42: there is no fork here." in last(document, "said")["warnings"]
    # the same draws with several outcomes do make claims, and do not say so
    other = whole(forks, kept(), draws=30, most=40)
    assert claims(other) != ([], [], [])
    assert not any("no fork here" in sentence for sentence in last(other, "said")["warnings"])


def test_no_outcome_in_any_continuation_is_said(forks, kept):
    document = whole(forks, kept(), extractor="boxed")
    assert set(last(document, "labels")) <= {"unparsed", "truncated"}
    assert (
        "No continuation has an outcome that could be read: choose another way to read it."
        in (last(document, "said")["warnings"])
    )


def test_an_end_of_turn_among_the_alternatives_is_a_branch_without_draws(forks, kept):
    document = whole(forks, kept(), threshold=1e-4, alternates=20, draws=2, most=2)
    ends = [row for row in last(document, "b") if row[1] == END_ID]
    assert ends and all(row[5] == 0 and sum(row[6]) == 1 for row in ends)
    with pytest.raises(BadInput, match="choose one of its alternatives"):
        next(forks.add_draws(lines(document)[0]["forks"], ends[0][0], END_ID, 5, ME))


def test_an_answer_that_was_cut_and_one_that_ended_have_the_end_that_they_have(forks, kept, tiny):
    cut = whole(forks, kept())
    base = [row for row in last(cut, "b") if row[4]]
    assert base[-1][5] == SMALL["draws"] and all(row[5] == 0 for row in base[:-1])
    own = whole(forks, kept(**ended(tiny)), max_tokens=40)
    assert all(row[5] == 0 for row in last(own, "b") if row[4]) and max(last(own, "end")["o"]) == 1


def test_an_answer_of_one_token(forks, kept):
    document = whole(forks, kept(max_new_tokens=1), max_tokens=6)
    assert [row[0] for row in last(document, "p")] == [0] and sum(last(document, "p")[0][2]) == pytest.approx(
        1, abs=1e-3
    )
    again = forks.open(lines(document)[0]["forks"], ME)
    assert last(again, "b") == last(document, "b")


def test_an_answer_without_any_alternative_takes_no_draw_and_is_kept_as_finished(bench, forks, kept, tiny):
    uid = kept(**ended(tiny))
    document = whole(forks, uid, threshold=1.0, max_tokens=40)
    assert last(document, "s")["draws"] == 0 and last(document, "s")["message"] == ""
    assert len(last(document, "labels")) == 1 and claims(document) == ([], [], [])
    assert last(forks.of_run(uid, ME), "b") == last(document, "b")
    with pytest.raises(BadInput, match="nothing to export"):
        forks.export(lines(document)[0]["forks"], "jsonl", ME)


@pytest.mark.parametrize("number", [0, 1, 2, 4, 8, 16, 24])
def test_stopped_at_any_point_it_keeps_what_there_is_and_goes_on_to_the_same_draws(bench, forks, kept, number):
    uid, stopped = kept(), ""
    for place, frame in enumerate(forks.run(uid, SMALL, ME)):
        stopped = frame
        if place == number:
            bench.stop(ME)
    standing, analysis = last(stopped, "s"), lines(stopped)[0]["forks"]
    alone = forks._opened(lines(whole(forks, kept()))[0]["forks"], ME).draws.rollouts
    if not standing["draws"]:
        assert standing["state"] == "stopped" and standing["message"] in (NOTHING_KEPT, "") and analysis == ""
        assert forks.of_run(uid, ME) == ""
        return
    assert standing["state"] == "stopped" and standing["draws"] < len(alone)
    assert last(forks.open(analysis, ME), "s")["draws"] == standing["draws"]
    list(forks.resume(analysis, ME))
    assert set(forks._opened(analysis, ME).draws.rollouts) == set(alone)


def test_three_hundred_tokens_are_priced_before_and_a_short_job_gets_its_turn_within_a_step(bench, forks, kept, tiny):
    uid = kept(max_new_tokens=300, temperature=1.0, seed=20)
    fields = SMALL | {"threshold": 0.05, "draws": 3, "most": 4, "max_tokens": None}
    price = lines(forks.price(uid, fields, ME))[0]
    assert price["length"] == 300 and price["longest"] == 500
    assert price["price"]["draws"] > 500 and price["price"]["tokens"] > 50_000
    done, behind = threading.Event(), None

    def short():
        list(bench.generate({"prompt": "Tell me", "max_new_tokens": 3}, OTHER))
        done.set()

    for number, frame in enumerate(forks.run(uid, fields, ME)):
        if number == 4:
            threading.Thread(target=short).start()
            wait_until(lambda: bench.turns.waiting() >= 2, 20)
            behind = 0
        elif behind is not None:
            behind += 1
            if last(frame, "s")["message"] == "Somebody's short job goes first.":
                assert behind <= 2 and done.wait(20)
                behind = None
        if done.is_set():
            bench.stop(ME)
    assert done.is_set() and behind is None and last(frame, "s")["state"] == "stopped"
