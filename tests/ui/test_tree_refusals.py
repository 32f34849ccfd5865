"""What cannot be done with a tree is one sentence, before anybody waits, and leaves nothing behind."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from engine.errors import BadInput, Busy, ModelUnavailable, NotFound, OutOfMemory
from engine.testing import tiny_model
from tests.support.bench import FIELDS, ME, OTHER, lines
from tests.support.tree_documents import SMALL, analyses, last, nodes
from ui import trees
from ui.access import Viewer
from ui.tree_fields import marks_from_plain, together

STRANGER = Viewer("visitor:a", "visitor:a", False)


def test_a_problem_before_anything_has_grown_is_raised_and_stores_nothing(bench, run, grove, monkeypatch):
    def broken(*args, **kwargs):
        raise OutOfMemory("There was not enough memory: shorten the prompt.")
        yield

    monkeypatch.setattr(trees, "grow", broken)
    with pytest.raises(OutOfMemory):
        list(grove.grow(run, SMALL, ME))
    assert analyses(bench, run) == []
    assert bench.turns.waiting() == 0


def test_what_an_api_returned_can_be_opened_but_not_grown(bench, grove):
    top = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.5}]
    content = [{"token": "Yes", "logprob": -0.1, "top_logprobs": top}, {"token": " so", "logprob": -0.5}]
    answer = {"model": "remote", "choices": [{"message": {"content": "Yes so"}, "logprobs": {"content": content}}]}
    (uid,) = bench.import_logprobs(json.dumps(answer), ME)
    assert {row[2] for row in nodes(grove.open(uid, ME)).values()} >= {" so"}
    with pytest.raises(ModelUnavailable, match="remote"):
        list(grove.grow(uid, SMALL, ME))


def test_a_run_of_another_model_can_be_looked_at_but_not_grown(bench, run, grove, tiny):
    before = nodes(grove.open(run, ME))
    bench.host.hold(tiny_model(seed=1))
    assert nodes(grove.open(run, ME)) == before
    with pytest.raises(ModelUnavailable, match="load it to go on with this tree"):
        list(grove.grow(run, SMALL, ME))
    assert analyses(bench, run) == []
    bench.host.hold(tiny)
    assert last(list(grove.grow(run, SMALL, ME))[-1], "s")["evaluated"] == 20


@pytest.mark.parametrize("use", ["open", "grow", "edit", "mark", "export_tree", "import_tree", "path"])
def test_a_tree_of_somebody_elses_run_is_not_there(run, grove, use):
    arguments = {
        "grow": [SMALL], "edit": [1, "x"], "mark": [1], "import_tree": [grove.export_tree(run, ME).text], "path": [1]
    }  # fmt: skip
    with pytest.raises(NotFound, match="There is no run"):
        result = getattr(grove, use)(run, *arguments.get(use, []), STRANGER)
        list(result)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"policy": "best"}, "choose one of likely, fair, informative"),
        ({"budget": 2_001}, "The budget is 2001; it must be a whole number from 1 to 2,000"),
        ({"budget": 0}, "The budget"),
        ({"width": "wide"}, "The width is 'wide'"),
        ({"width": 2.5}, "The width is 2.5"),
        ({"depth": 257}, "The depth"),
        ({"depth": True}, "The depth is 'True'"),
        ({"seed": "9" * 30}, "The seed"),
        ({"leaves": -1}, "number of answers"),
        ({"node": 10_000}, "has no node 10000"),
        ({"node": "x"}, "The node is 'x'"),
        ({"beam": 3}, "no setting 'beam'"),
    ],
)
def test_bad_fields_are_one_sentence_before_anybody_waits(bench, run, grove, fields, words):
    held = bench.generate(FIELDS, OTHER)
    next(held)
    with pytest.raises(BadInput, match=words) as refused:
        next(grove.grow(run, SMALL | fields, ME))
    held.close()
    assert len(str(refused.value)) < 300 and analyses(bench, run) == []


@pytest.mark.parametrize(
    ("node", "text", "words"),
    [(0, "x", "no place beside"), (1, "", "at least one character"), (1, None, "at least one"),
     (1, "x" * 2_001, "2,000"), (9_999, "x", "no node"),
     (1, "a\ud800", "half of a character"), (1, "a<|end|>b", "after a token that ends")],
)  # fmt: skip
def test_a_bad_edit_is_one_sentence_and_stores_nothing(bench, run, grove, node, text, words):
    with pytest.raises(BadInput, match=words):
        list(grove.edit(run, node, text, ME))
    assert analyses(bench, run) == []


@pytest.mark.parametrize(
    ("marks", "words"),
    [({"note": "x" * 2_001}, "2,000"), ({"bookmark": "yes"}, "true or false"), ({"note": 5}, "must be a text")],
)
def test_a_bad_mark_is_one_sentence_and_stores_nothing(bench, run, grove, marks, words):
    with pytest.raises(BadInput, match=words):
        grove.mark(run, 1, ME, **marks)
    assert analyses(bench, run) == []


def test_strangers_get_tighter_limits(run, grove):
    viewer = replace(ME, trusted=False)
    assert lines(grove.open(run, ME))[0]["limits"]["budget"] == 2_000
    assert lines(grove.open(run, viewer))[0]["limits"]["budget"] == 200
    with pytest.raises(BadInput, match="from 1 to 200"):
        list(grove.grow(run, {"budget": 201}, viewer))


def test_one_page_does_one_thing_at_a_time(bench, run, grove):
    job = grove.grow(run, SMALL, ME)
    next(job)
    with pytest.raises(Busy, match="already at work"):
        next(grove.grow(run, SMALL, ME))
    job.close()


def test_a_queued_person_can_leave_and_sees_the_tree_again(bench, run, grove):
    held = bench.generate(FIELDS, OTHER)
    next(held)
    job = grove.grow(run, SMALL, ME)
    next(job)
    bench.stop(ME)
    assert nodes(list(job)[-1]) == nodes(grove.open(run, ME)) and analyses(bench, run) == []
    held.close()


@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_node_is_the_root_for_a_growth_and_for_nothing_else(bench, run, grove, missing):
    for ask in (
        lambda: grove.mark(run, missing, ME, bookmark=True),
        lambda: list(grove.edit(run, missing, "x", ME)),
        lambda: grove.remove(run, missing, ME),
        lambda: grove.path(run, missing, ME),
    ):
        with pytest.raises(BadInput, match="The node is missing"):
            ask()
    assert analyses(bench, run) == []
    document = list(grove.grow(run, {**SMALL, "node": missing}, ME))[-1]
    assert last(document, "s")["start"] == 0 and last(document, "s")["evaluated"] == SMALL["budget"]


def test_a_file_with_too_many_marks_is_refused_at_once_and_so_are_too_many_together(bench, run, grove):
    for name, value in (("bookmarks", [1] * 10**6), ("notes", {str(i): "x" for i in range(401)})):
        began = time.monotonic()
        with pytest.raises(BadInput, match=f"{name}; at most 400 can be kept"):
            marks_from_plain({name: value})
        assert time.monotonic() - began < 1
    marks = marks_from_plain({"bookmarks": list(range(400))})
    assert together(marks, marks_from_plain({"bookmarks": [1, 2]})) == marks
    with pytest.raises(BadInput, match="marks on 402 nodes"):
        together(marks, marks_from_plain({"bookmarks": [1, 900, 901]}))
