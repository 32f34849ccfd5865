"""Attention chains as a person uses them: traced, kept, opened again, stopped, found damaged, left to others."""

from __future__ import annotations

import json
import sqlite3
import threading

import pytest

from engine import attention_chain
from engine.errors import BadInput, ModelUnavailable, NotFound, StoreDamaged
from engine.host import ModelHost
from engine.limits import Limits
from tests.support.app_server import wait_until
from tests.support.bench import ME, STRANGER, head, last, lines
from tests.support.chains import OTHER, SPAN, SUM, scores_of, state, stored_chains, traced, without_note
from ui import chains as chains_module
from ui.access import Viewer
from ui.actions import Workbench
from ui.chains import GIVING_WAY, NO_ANSWER, NONE_READABLE, NOTHING_KEPT, OLDER, Chains


def test_an_answer_is_traced_with_progress_kept_and_opened_as_it_was_without_a_model(bench, chains, run):
    offered = chains.of_run(run, ME)
    assert state(offered) == "idle" and not head(offered)["chain"] and not stored_chains(bench, run)
    frames = list(chains.trace(run, SPAN, ME))
    assert [state(frame) for frame in frames] == ["waiting", *["running"] * (len(frames) - 2), "finished"]
    said = [last(frame, "s")["message"] for frame in frames[1:-1]]
    order = [message.split(":")[0] for message in said]
    assert list(dict.fromkeys(order)) == ["Reading the text", "Following attention", "Trying substitutes"]
    *_, almost, whole = frames
    assert last(almost, "s")["done"] == last(almost, "s")["total"] == len(last(whole, "variants")) > 5
    assert head(whole)["span"] == [30, 32] and head(whole)["chain"] == stored_chains(bench, run)[0]
    elsewhere = Chains(Workbench(bench.store, ModelHost(patience=0.0), Limits()))
    for again in (elsewhere.open(head(whole)["chain"], ME), elsewhere.of_run(run, ME), chains.of_run(run, ME)):
        assert without_note(again) == without_note(whole)
    for line in whole.split("\n")[:-1]:
        json.loads(line, parse_constant=lambda name: pytest.fail(name))


def test_what_the_document_says_hangs_together(chains, run):
    whole = traced(chains, run)
    tokens, arcs = last(whole, "tokens"), last(whole, "arcs")
    places, answer = [row[0] for row in tokens], range(30, 32)
    assert places == sorted(places) and not set(places) & set(answer) and max(places) < 30
    gathered = dict.fromkeys(places, 0.0)
    for source, target, weight, hop in arcs:
        assert source > target and (source in answer) == (hop == 1) and source in {*places, *answer}
        gathered[target] += weight
    for place, score, near, is_kept, hop, surprisal, entropy, from_answer in tokens:
        assert gathered[place] == pytest.approx(score, rel=1e-4) and (near >= 0 or not is_kept)
        assert min(arc[3] for arc in arcs if arc[1] == place) == hop >= 1
        assert surprisal > 0 and entropy > 0 and from_answer >= 0
    parts, variants = last(whole, "confidence"), last(whole, "variants")
    assert parts["kept"] == sum(row[3] for row in tokens) and parts["variants"] == len(variants) > 0
    assert [row[3] for row in variants] == sorted((row[3] for row in variants), reverse=True)
    whole_sum = parts["p_kept"] + sum(row[4] * row[6] for row in variants)
    assert parts["p_uqac"] == pytest.approx(whole_sum, rel=1e-3)
    assert all(row[5] == pytest.approx(row[4] / parts["p_answer"], rel=1e-3) for row in variants)
    assert parts["rauq"] > 0 and parts["attention_weighted_surprisal"] > 0


def test_without_a_span_the_answer_that_is_found_is_traced(chains, sum_run):
    offered = chains.of_run(sum_run, ME)
    first = head(offered)["found"][0]
    assert (first["way"], first["text"]) == ("answer_is", "42") and last(offered, "s")["message"] == ""
    assert head(offered)["span"] == [first["start"], first["stop"]]
    whole = traced(chains, sum_run, {})
    assert head(whole)["span"] == [first["start"], first["stop"]]
    assert head(whole)["others"][0]["text"] == "42"
    assert "".join(head(whole)["pieces"][slice(*head(whole)["span"])]) == "42"


def test_a_text_without_a_prompt_is_traced(chains, bench):
    run = lines(list(bench.score_text("", SUM, ME))[-1])[-1]["run"]
    whole = traced(chains, run, {})
    assert last(whole, "confidence")["p_response"] is not None and last(whole, "confidence")["rauq"] > 0
    assert head(whole)["price"]["rows"] == len(head(whole)["pieces"])


def test_where_no_answer_is_found_it_says_so_and_asks_for_one(chains, run):
    assert head(chains.of_run(run, ME))["span"] is None and last(chains.of_run(run, ME), "s")["message"] == NO_ANSWER
    with pytest.raises(BadInput, match="Select the tokens of the answer"):
        next(chains.trace(run, {}, ME))


def test_chains_of_a_run_are_listed_newest_first_and_each_can_be_opened(chains, run):
    older, newer = traced(chains, run), traced(chains, run, {"start": 20, "stop": 21, "heads": 4})
    uids = [head(newer)["chain"], head(older)["chain"]]
    assert [one["uid"] for one in head(newer)["others"]] == uids == [one["uid"] for one in chains.analyses(run, ME)]
    assert head(chains.of_run(run, ME))["chain"] == uids[0]
    again = chains.open(uids[1], ME)
    assert without_note(again)[1] == without_note(older)[1] and head(again)["span"] == [30, 32]
    assert head(chains.open(uids[0], ME))["settings"]["heads"] == 4
    assert set(chains.analyses(run, ME)[0]) == {"uid", "text", "start", "stop", "how", "created"}
    assert [one["how"] for one in chains.analyses(run, ME)] == ["number of heads 4", ""]


@pytest.mark.parametrize("at", [0, 1])
def test_stopped_before_there_is_a_chain_nothing_is_kept_and_what_was_there_is_shown(bench, chains, run, at):

    def stopped():
        shown = ""
        for index, frame in enumerate(chains.trace(run, SPAN, ME)):
            shown = frame
            if index == at:
                assert bench.stop(ME) == 1
        return shown

    frame = stopped()
    assert state(frame) == "stopped" and last(frame, "s")["message"] == NOTHING_KEPT and not stored_chains(bench, run)
    assert not any("tokens" in line for line in lines(frame))
    before = traced(chains, run)
    frame = stopped()
    assert state(frame) == "stopped" and frame.split("\n")[1:6] == before.split("\n")[1:6]
    assert head(frame)["chain"] == head(before)["chain"] and len(stored_chains(bench, run)) == 1


def test_stopped_while_substitutes_are_tried_the_chain_is_kept_and_says_what_is_missing(bench, chains, run):
    whole = traced(chains, run)
    other = {**SPAN, "heads": 15}
    frame = ""
    for frame in chains.trace(run, other, ME):
        if any("tokens" in line for line in lines(frame)) and state(frame) == "running":
            bench.stop(ME)
    variants, confidence = last(frame, "variants"), last(frame, "confidence")
    assert state(frame) == "finished" and len(stored_chains(bench, run)) == 2
    assert len(variants) > 0 and any(row[4] is None for row in variants) and confidence["p_uqac"] is None
    assert any("Stopped after" in said for said in last(frame, "warnings"))
    assert confidence["p_answer"] == last(whole, "confidence")["p_answer"]
    assert last(chains.open(head(frame)["chain"], ME), "variants") == variants


def test_the_same_question_again_replaces_what_was_traced_before(bench, chains, run):
    uids = [head(traced(chains, run))["chain"] for _ in range(2)]
    assert stored_chains(bench, run) == uids[1:] and uids[0] != uids[1]
    traced(chains, run, {**SPAN, "heads": 3})
    assert len(stored_chains(bench, run)) == 2


def test_a_closed_page_frees_the_model_and_keeps_nothing_half(bench, chains, run):
    frames = chains.trace(run, SPAN, ME)
    for _ in range(4):
        next(frames)
    frames.close()
    assert not stored_chains(bench, run) and bench.stop(ME) == 0
    traced(chains, run)


def test_short_jobs_of_others_go_first_and_the_chain_ends_the_same(bench, chains, run):
    alone = traced(chains, run)
    done, threads = [], []

    def short():
        list(bench.generate({"prompt": "Tell me", "max_new_tokens": 3}, OTHER))
        done.append(1)

    seen = []
    for number, frame in enumerate(chains.trace(run, SPAN, ME)):
        seen.append(last(frame, "s")["message"])
        if number in (1, 8):
            threads.append(threading.Thread(target=short))
            threads[-1].start()
            wait_until(lambda: bench.turns.waiting() >= 2, 20)
    for thread in threads:
        thread.join(20)
    assert seen.count(GIVING_WAY) == 2 == len(done)
    assert without_note(frame)[1] == without_note(alone)[1]


def test_stopped_while_it_gives_way_it_ends(bench, chains, run):
    with bench.turns.enter(OTHER):
        frames = chains.trace(run, SPAN, ME)
        assert state(next(frames)) == "waiting"
        bench.stop(ME)
        *_, frame = frames
    assert last(frame, "s")["message"] == NOTHING_KEPT and not stored_chains(bench, run)


def test_an_analysis_of_another_kind_is_no_chain(bench, chains, run):
    other = bench.store.analyses.add(run, "forks", {}, viewer=ME.name)
    with pytest.raises(NotFound, match="no attention chain"):
        chains.open(other, ME)
    assert head(chains.of_run(run, ME))["chain"] == ""


def test_a_visitor_traces_an_example_and_the_chain_is_theirs(bench, chains, recorded):
    run = bench.store.runs.add(recorded, owner="examples", status="finished", run_scores={}, example=True)
    shipped = head(traced(chains, run, SPAN, Viewer("examples", "make", True)))["chain"]
    assert head(chains.of_run(run, STRANGER))["chain"] == shipped
    mine = head(traced(chains, run, {"start": 20, "stop": 22}, STRANGER))["chain"]
    assert head(chains.of_run(run, STRANGER))["chain"] == mine
    assert [one["uid"] for one in chains.analyses(run, STRANGER)] == [mine, shipped]
    other = Viewer("visitor:b", "visitor:b", False)
    assert [one["uid"] for one in chains.analyses(run, other)] == [shipped]
    with pytest.raises(NotFound):
        chains.open(mine, other)


def test_a_stranger_keeps_the_newest_chains_of_a_run_only(bench, chains, run, recorded, monkeypatch):
    monkeypatch.setattr(chains_module, "KEPT_A_RUN", 2)
    theirs = bench.keep(recorded, STRANGER)
    few = SPAN | {"similar": 1, "more": 0}
    for viewer, one, count in ((STRANGER, theirs, 2), (ME, run, 4)):
        uids = [head(traced(chains, one, few | {"heads": n}, viewer))["chain"] for n in range(1, 5)]
        assert stored_chains(bench, one, viewer) == uids[-count:]


DRAWN = "UPDATE analysis_array SET data = zeroblob(9) WHERE analysis_id = (SELECT id FROM analysis WHERE uid = ?)"
SAID = "UPDATE analysis SET progress = 'x' WHERE uid = ?"


@pytest.mark.parametrize("change", [DRAWN, SAID], ids=["arrays", "description"])
def test_a_damaged_chain_is_named_gives_way_to_an_older_one_and_the_run_still_opens(bench, chains, run, change):
    older, newer = traced(chains, run), traced(chains, run, {"start": 20, "stop": 21})
    path = bench.store.path
    with sqlite3.connect(path) as raw:
        raw.execute(change, (head(newer)["chain"],))
    with pytest.raises(StoreDamaged, match=head(newer)["chain"]):
        chains.open(head(newer)["chain"], ME)
    document = chains.of_run(run, ME)
    assert head(document)["chain"] == head(older)["chain"] and last(document, "s")["message"] == OLDER
    assert head(older)["chain"] in [one["uid"] for one in chains.analyses(run, ME)]
    assert scores_of(bench.open_run(run, ME))[-2:] == ["rauq", "attention_weighted_surprisal"]
    with sqlite3.connect(path) as raw:
        raw.execute(change, (head(older)["chain"],))
    document = chains.of_run(run, ME)
    assert head(document)["chain"] == "" and last(document, "s")["message"] == NONE_READABLE
    assert "rauq" not in scores_of(bench.open_run(run, ME))
    assert lines(bench.open_run(run, ME))[-1]["status"] == "finished"
    again = traced(chains, run)
    assert head(chains.of_run(run, ME))["chain"] == head(again)["chain"]


def test_a_damaged_run_is_not_taken_for_one_without_chains(bench, chains, run):
    with sqlite3.connect(bench.store.path) as raw:
        raw.execute("UPDATE run SET title = 'x' WHERE uid = ?", (run,))
    with pytest.raises(StoreDamaged):
        chains.of_run(run, ME)


def test_one_that_was_begun_and_never_stored_is_not_listed_and_says_so_when_opened(bench, chains, run):
    begun = bench.store.analyses.add(run, "chain", {}, viewer=ME.name)
    assert chains.analyses(run, ME) == [] and head(chains.of_run(run, ME))["chain"] == ""
    with pytest.raises(StoreDamaged, match="trace the answer again"):
        chains.open(begun, ME)


def test_a_chain_that_cannot_be_stored_is_shown_all_the_same_and_says_so(bench, chains, run, monkeypatch):
    def refused(*_, **__):
        raise NotFound("There is no run here.")

    monkeypatch.setattr(bench.store.analyses, "add", refused)
    *_, frame = chains.trace(run, SPAN, ME)
    assert state(frame) == "failed" and "could not be stored: There is no run" in last(frame, "s")["message"]
    assert last(frame, "tokens") and head(frame)["chain"] == ""


def test_a_failure_in_the_middle_frees_the_model_and_keeps_nothing(bench, chains, run, monkeypatch):
    def broken(*_, **__):
        raise ModelUnavailable("The attention chain is not available.")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(attention_chain, "weighed", broken)
        with pytest.raises(ModelUnavailable):
            list(chains.trace(run, SPAN, ME))
    assert not stored_chains(bench, run) and bench.stop(ME) == 0
    traced(chains, run)
