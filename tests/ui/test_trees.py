"""A run's tree opens without a model, grows in turns, keeps what has grown however it ends, and never loses a node."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from engine.errors import Busy, OutOfMemory, UserError
from engine.scoring import score_tokens
from engine.tree import Tree
from engine.tree_forward import TreeForward
from engine.tree_queue import Growth, replay
from tests.support.bench import ME, OTHER, Held, all_saved, lines
from tests.support.tree_documents import SMALL, afresh, analyses, last, nodes, paths
from ui import actions, trees
from ui.ending import end_saves


def test_a_tree_opens_without_a_model_and_nothing_is_stored_by_looking(bench, run, grove):
    document = grove.open(run, ME)
    bench.host = type(bench.host)(patience=0.0)
    assert bench.host.state.status != "ready" and nodes(afresh(bench).open(run, ME)) == nodes(document)
    head, trace = lines(document)[0], bench.store.runs.get(run, viewer="local").trace
    assert (head["run"], head["tree"], head["title"]) == (run, "", "Tell me")
    assert head["root"] == {"text": "Tell me", "tokens": len(trace.prompt_ids)} and head["seconds_per_node"] > 0
    (placed,) = last(document, "runs")
    found, index, texts, sum_ = nodes(document), placed["end"], [], 0.0
    while index:
        texts.append(found[index][2])
        sum_ += found[index][3]
        index = found[index][1]
    assert "".join(reversed(texts)) == trace.text and len(texts) == 40
    assert sum_ == pytest.approx(-trace.scores["surprisal"].sum(), rel=1e-4)
    assert analyses(bench, run) == [] and last(document, "s")["state"] == "idle"


def test_growing_yields_a_growing_document_and_ends_with_what_is_stored(bench, run, grove):
    before = grove.open(run, ME)
    frames = list(grove.grow(run, SMALL, ME))
    assert len(frames) > 3
    for one, other in itertools.pairwise(frames[:-1]):
        assert other.startswith(one)
    assert nodes(frames[-2]) == nodes(frames[-1])
    assert paths(before) < paths(frames[-1])
    s = last(frames[-1], "s")
    assert (s["state"], s["reason"], s["evaluated"], s["policy"]) == ("idle", "budget", 20, "likely")
    opened = grove.open(run, ME)
    assert nodes(opened) == nodes(frames[-1]) == nodes(afresh(bench).open(run, ME))
    assert last(opened, "s")["leaves"] == s["leaves"] != []
    (kept,) = analyses(bench, run)
    assert kept.status == "finished" and lines(opened)[0]["tree"] == kept.uid and lines(before)[0]["tree"] == ""
    # numbers of nodes that were on show stay theirs
    assert all(nodes(opened)[i][:4] == row[:4] for i, row in nodes(before).items())


def test_the_first_answers_of_likely_are_the_most_probable_of_all(bench, run, grove, tiny):
    asked = {"node": 0, "budget": 2000, "width": 2, "depth": 2, "leaves": 5}
    s = last(list(grove.grow(run, asked, ME))[-1], "s")
    assert s["reason"] == "leaves" and s["exact"] >= 5
    root = tuple(bench.store.runs.get(run, viewer="local").trace.prompt_ids.tolist())
    first = TreeForward(tiny, root)([root])[0].astype(float)
    second = TreeForward(tiny, root)([(*root, i) for i in range(len(first))]).astype(float)
    ends = [i for i in range(len(first)) if i in tiny.end_ids]
    every = sorted(first[i] + second[i][j] for i in range(len(first)) if i not in ends for j in range(len(first)))
    best = sorted([*every[-5:], *(first[i] for i in ends)])[::-1][:5]
    assert [leaf["logprob"] for leaf in s["leaves"][:5]] == pytest.approx(best, abs=1e-4)


def test_one_more_answer_is_one_more_than_came_out(run, grove):
    asked = {"budget": 2000, "width": 3, "depth": 2, "leaves": 2}
    out = [last(list(grove.grow(run, asked, ME))[-1], "s")["out"]]
    for _ in range(2):
        s = last(list(grove.grow(run, asked | {"leaves": "more"}, ME))[-1], "s")
        assert s["reason"] == "leaves" and s["evaluated"] > 0
        out.append(s["out"])
    assert 2 <= out[0] < out[1] < out[2] < 60


def test_fair_growth_estimates_with_standard_errors(run, grove):
    s = last(list(grove.grow(run, {"policy": "fair", "budget": 60, "width": 8, "depth": 3, "seed": "9"}, ME))[-1], "s")
    length, share = s["estimates"]
    assert 1 <= length["value"] <= 3 and length["error"] is not None and 0 <= share["value"] <= 1
    assert all(leaf["weight"] > 0 for leaf in s["leaves"][: s["exact"]]) and s["exact"] > 2


def test_stop_keeps_what_has_grown_and_growing_on_makes_the_tree_of_one_growth(bench, run, grove, recorded):
    asked = {"budget": 40, "width": 3, "depth": 4}
    job = grove.grow(run, asked, ME)
    for _ in range(4):
        next(job)
    assert bench.stop(OTHER) == 0 and bench.stop(ME) == 1
    frames = list(job)
    s = last(frames[-1], "s")
    assert (s["state"], s["reason"]) == ("idle", "cancelled") and 0 < s["evaluated"] < 40 and "Stopped" in s["message"]
    assert analyses(bench, run)[0].status == "stopped"
    rest = list(grove.grow(run, asked | {"budget": 40 - s["evaluated"]}, ME))[-1]
    whole = afresh(bench)
    twin = bench.keep(recorded, ME)
    assert paths(list(whole.grow(twin, asked, ME))[-1]) == paths(rest)


def test_closing_the_page_keeps_what_has_grown_and_frees_the_turn(bench, run, grove):
    job = grove.grow(run, SMALL, ME)
    grown = [next(job) for _ in range(4)][-1]
    job.close()
    all_saved()
    assert paths(grove.open(run, ME)) >= paths(grown) > paths(lines_before(grown))
    assert analyses(bench, run)[0].status == "stopped"
    assert last(list(grove.grow(run, SMALL, ME))[-1], "s")["state"] == "idle"


def lines_before(document: str) -> str:
    """A growing document as it began: up to its first standing."""
    return document[: document.index('{"s":')]


def test_a_growth_that_fails_half_way_is_kept_and_says_why(bench, run, grove, monkeypatch):
    def broken(*args, **kwargs):
        for count, progress in enumerate(original(*args, **kwargs)):
            if count == 2:
                raise OutOfMemory("There was not enough memory: shorten the prompt.")
            yield progress

    original = trees.grow
    before = paths(grove.open(run, ME))
    monkeypatch.setattr(trees, "grow", broken)
    document = list(grove.grow(run, SMALL, ME))[-1]
    s = last(document, "s")
    assert s["state"] == "failed" and "not enough memory" in s["message"]
    monkeypatch.undo()
    assert before < paths(grove.open(run, ME)) == paths(document) and analyses(bench, run)[0].status == "failed"


def test_two_growths_at_once_take_turns_and_neither_loses_a_node(bench, run, grove):
    first = grove.grow(run, SMALL, ME)
    next(first)
    waiting = []
    other = grove.grow(run, {"node": 3, **SMALL}, OTHER)
    thread = threading.Thread(target=lambda: waiting.extend(other))
    thread.start()
    deadline = time.monotonic() + 10
    while not waiting and time.monotonic() < deadline:
        time.sleep(0.02)
    one = list(first)[-1]
    thread.join(60)
    s = last(waiting[0], "s")
    assert s["state"] == "waiting" and "1 person is before you" in s["message"]
    assert paths(one) < paths(waiting[-1]) == paths(grove.open(run, ME)) and len(analyses(bench, run)) == 1


def test_what_is_saved_late_is_put_together_with_what_was_saved_meanwhile(bench, run, grove):
    opened = [grove._jobs.load(run, ME) for _ in range(2)]
    ends = []
    for each, policy in zip(opened, ("likely", "fair"), strict=True):
        job = grove._jobs._begin(each, ME)
        evaluate = TreeForward(bench.host.model(), job.tree.root_ids)
        list(trees.grow(job.tree, evaluate, policy, budget=9, width=3, depth=3))
        job.spell(bench.host.model())
        ends.append(job.now())
    apart = [{end.tree.path_ids(n.index) for n in end.tree} for end in ends]
    assert apart[0] - apart[1] and apart[1] - apart[0]
    grove._shelf.save(ends[0], ME)
    saved = grove._shelf.save(ends[1], ME, growth=Growth("fair", 3, 3))
    together: Tree = afresh(bench)._jobs.load(run, ME).tree
    assert {together.path_ids(n.index) for n in together} == apart[0] | apart[1]
    assert all(together.path_ids(h) == ends[1].tree.path_ids(t) for t, h in saved.placed.items())
    assert replay(together, Growth("fair", 3, 3)).leaves


def test_a_full_store_does_not_lose_what_has_grown(bench, run, grove, monkeypatch):
    def full(*args, **kwargs):
        raise UserError("The disk is full: make room and try again.")

    monkeypatch.setattr(bench.store.analyses, "save", full)
    document = list(grove.grow(run, SMALL, ME))[-1]
    s = last(document, "s")
    assert s["state"] == "failed" and "could not be stored: The disk is full" in s["message"]
    monkeypatch.undo()
    # what was on show is still there to go on from
    assert paths(list(grove.grow(run, {**SMALL, "budget": 1}, ME))[-1]) >= paths(document)


def test_an_edit_stands_beside_the_node_with_the_models_own_log_probability(bench, run, grove, tiny):
    before = nodes(grove.open(run, ME))
    beside = last(grove.open(run, ME), "runs")[0]["end"]
    document = list(grove.edit(run, beside, "ho", ME))[-1]
    found, end = nodes(document), last(document, "s")["start"]
    trace = bench.store.runs.get(run, viewer="local").trace
    prefix = [*trace.prompt_ids.tolist(), *trace.token_ids.tolist()[:-1]]
    expected = score_tokens(tiny, prefix, tiny.encode("ho"))
    path = []
    while end not in before:
        path.append(end)
        end = found[end][1]
    assert end == before[beside][1] and all(found[i][6] & 2 for i in path)
    given = [found[i][3] for i in reversed(path)]
    assert given == pytest.approx((-expected.scores["surprisal"]).tolist()[-len(given) :], abs=1e-4)
    assert "".join(found[i][2] for i in reversed(path)) == "ho"
    assert found[beside][:4] == before[beside][:4] and nodes(grove.open(run, ME)) == found
    grown = list(grove.grow(run, {"node": path[0], "budget": 3, "depth": 2}, ME))[-1]
    assert last(grown, "s")["start"] == path[0] and len(nodes(grown)) > len(found)


def test_a_stored_tree_that_is_damaged_is_left_aside_and_grown_anew(bench, run, grove):
    list(grove.grow(run, SMALL, ME))
    with bench.store.write() as session:
        from sqlalchemy import text

        session.execute(text("UPDATE analysis_array SET data = zeroblob(length(data)) WHERE name = 'tree'"))
    again = afresh(bench)
    document = again.open(run, ME)
    assert "damaged" in last(document, "s")["message"] and len(last(document, "runs")) == 1
    assert last(list(again.grow(run, SMALL, ME))[-1], "s")["evaluated"] == 20
    assert "damaged" not in last(afresh(bench).open(run, ME), "s")["message"]


def test_closing_the_page_while_the_store_is_busy_holds_nobody_up_and_loses_nothing(bench, run, grove, monkeypatch):
    released, save = threading.Event(), bench.store.analyses.save

    def busy(*args, **kwargs):
        if not released.is_set():
            raise Busy("The library has been busy.")
        return save(*args, **kwargs)

    monkeypatch.setattr(bench.store.analyses, "save", busy)
    job = grove.grow(run, SMALL, ME)
    grown = [next(job) for _ in range(4)][-1]
    began = time.monotonic()
    job.close()
    assert time.monotonic() - began < 2 and actions.SAVE_PATIENCE_SECONDS > 2
    released.set()
    all_saved()
    assert paths(afresh(bench).open(run, ME)) >= paths(grown)


def test_a_closed_tree_that_is_still_being_saved_is_waited_for_when_the_program_ends(bench, run, grove, monkeypatch):
    job = grove.grow(run, SMALL, ME)
    grown = [next(job) for _ in range(4)][-1]
    held = Held(bench, monkeypatch)
    job.close()
    assert held.asked.wait(20) and not end_saves(0.0)
    held.free.set()
    assert end_saves(60.0)
    assert paths(afresh(bench).open(run, ME)) >= paths(grown)
