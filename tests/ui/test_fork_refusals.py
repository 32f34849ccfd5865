"""A refusal leaves the forks panel with what is kept, never with an analysis that waits for ever."""

from __future__ import annotations

import json

import gradio as gr
import pytest

from engine.errors import Busy, ModelUnavailable
from tests.support.bench import ME, lines
from tests.support.forking import SMALL
from ui.forks import Forks
from ui.tabs.forking import Asked, drawn

FEW = SMALL | {"draws": 3, "most": 3, "max_tokens": 14}


@pytest.fixture
def forks(bench):
    return Forks(bench)


def refused_later():
    yield "waiting"
    raise ModelUnavailable("The model could not be loaded.")


def refused_at_once():
    raise Busy("This page is already at work.")
    yield


def state(document):
    return lines(document)[-1]["s"]["state"]


def test_a_refusal_behind_the_first_document_shows_what_is_kept_with_the_sentence_beside(forks, answer):
    asked = Asked({}, answer, ME)
    (first, _), (price, aside) = drawn(forks, asked, refused_later)
    assert first == "waiting" and state(price) == "idle" and lines(price)[0]["price"]["draws"]
    assert json.loads(aside)["problem"] == "The model could not be loaded."
    *_, whole = forks.run(answer, FEW, ME)
    *_, (kept, aside) = drawn(forks, asked, refused_later)
    assert lines(kept)[1:-1] == lines(whole)[1:-1] and state(kept) == "finished"
    assert json.loads(aside)["problem"] == "The model could not be loaded."


def test_a_refusal_before_it_leaves_what_is_shown_which_may_be_another_job_of_the_page(forks, answer):
    ((document, aside),) = drawn(forks, Asked({}, answer, ME), refused_at_once)
    assert document == gr.skip() and json.loads(aside)["problem"] == "This page is already at work."


def test_one_that_is_not_refused_is_shown_as_it_is(forks, answer):
    frames = list(drawn(forks, Asked({}, answer, ME), lambda: forks.run(answer, FEW, ME)))
    assert state(frames[-1][0]) == "finished" and all(aside == gr.skip() for _, aside in frames)


def test_of_a_run_that_is_none_the_refusal_itself_is_shown(forks):
    *_, (document, aside) = drawn(forks, Asked({}, "nobody", ME), refused_later)
    assert "There is no run" in lines(document)[0]["refused"] and json.loads(aside)["problem"]
