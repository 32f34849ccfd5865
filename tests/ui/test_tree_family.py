"""Runs of one family hang on one tree, everybody has a tree of their own, and what comes later is taken in."""

from __future__ import annotations

from dataclasses import replace

from engine.scoring import score_tokens
from tests.support.bench import FIELDS, ME, lines, stored
from tests.support.tree_documents import SMALL, analyses, branch, last, nodes, paths
from ui.access import Viewer

STRANGER = Viewer("visitor:a", "visitor:a", False)


def test_branches_hang_where_they_left_and_share_what_they_share(bench, run, grove):
    first = branch(bench, run, 10, list(b"other"))
    second = branch(bench, first, 12, list(b"xy"), kind="branch")
    document = grove.open(run, ME)
    by_uid = {entry["uid"]: entry for entry in last(document, "runs")}
    found = nodes(document)
    assert set(by_uid) == {run, first, second}
    assert [by_uid[u]["current"] for u in (run, first, second)] == [True, False, False]

    def depth(node):
        return 0 if not node else 1 + depth(found[node][1])

    assert (depth(by_uid[first]["fork"]), depth(by_uid[first]["end"])) == (10, 15)
    assert (depth(by_uid[second]["fork"]), depth(by_uid[second]["end"])) == (12, 14)
    forced = [i for i, row in found.items() if row[6] & 2]
    assert len(forced) == 2 and all(found[i][1] in (by_uid[first]["fork"], by_uid[second]["fork"]) for i in forced)
    # from wherever in the family it is opened, it is the same tree
    list(grove.grow(second, SMALL, ME))
    assert nodes(grove.open(run, ME)) == nodes(grove.open(second, ME)) != found
    assert len(analyses(bench, run)) == 1 and analyses(bench, second) == []


def test_a_branch_of_another_prompt_is_left_out_and_has_a_tree_of_its_own(bench, run, grove, tiny):
    scored = score_tokens(tiny, tiny.encode_prompt("Tell you"), list(b"no"), prompt="Tell you")
    other = bench.store.runs.add(
        replace(scored, kind="counterfactual"), owner="local", status="finished", run_scores={}, parent=run,
        fork_position=0,
    )  # fmt: skip
    assert [entry["uid"] for entry in last(grove.open(run, ME), "runs")] == [run]
    assert [entry["uid"] for entry in last(grove.open(other, ME), "runs")] == [other]
    list(grove.grow(other, SMALL, ME))
    assert len(analyses(bench, other)) == 1 and analyses(bench, run) == []


def test_a_tree_that_was_stored_takes_in_runs_that_came_or_went_on_since(bench, run, grove):
    list(bench.generate(FIELDS | {"max_new_tokens": 20, "seed": 8}, ME))
    half = next(r.uid for r in stored(bench) if r.uid != run)
    list(grove.grow(half, SMALL, ME))
    before = grove.open(half, ME)
    list(bench.continue_run(half, ME))
    later = branch(bench, half, 5, list(b"new"))
    after = grove.open(half, ME)
    ends = {entry["uid"]: entry["end"] for entry in last(after, "runs")}
    assert later in ends and paths(before) < paths(after)
    assert all(nodes(after)[i][:3] == row[:3] for i, row in nodes(before).items())

    def depth(node):
        return 0 if not node else 1 + depth(nodes(after)[node][1])

    assert depth(ends[half]) == bench.store.runs.header(half, viewer="local").tokens > 20


def test_a_text_without_a_prompt_has_its_first_token_for_a_root(bench, grove, tiny):
    scored = score_tokens(tiny, [], list(b"hello there"))
    uid = bench.store.runs.add(scored, owner="local", status="scored", run_scores={})
    document = grove.open(uid, ME)
    assert lines(document)[0]["root"] == {"text": "h", "tokens": 1}
    end = last(document, "runs")[0]["end"]
    assert grove.path(uid, end, ME) == (11, ()) and grove.path(uid, 0, ME) == (1, ())
    assert last(list(grove.grow(uid, {**SMALL, "node": end}, ME))[-1], "s")["evaluated"] == 20


def test_an_example_can_be_grown_by_everybody_each_for_themselves(bench, run, grove):
    trace = bench.store.runs.get(run, viewer="local").trace
    uid = bench.store.runs.add(trace, owner="examples", status="finished", run_scores={}, example=True)
    before = grove.open(uid, STRANGER)
    grown = list(grove.grow(uid, SMALL, STRANGER))[-1]
    grove.mark(uid, 2, STRANGER, note="mine")
    assert paths(before) < paths(grown) == paths(grove.open(uid, STRANGER))
    assert paths(grove.open(uid, ME)) == paths(before) and last(grove.open(uid, ME), "marks")["notes"] == {}
    other = replace(STRANGER, name="visitor:b", session="visitor:b")
    assert paths(grove.open(uid, other)) == paths(before)
