"""Branches of a run: same luck, fresh luck and inferred luck as runs of their own, linked, kept and undone."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import text

from engine.edits import FORCED
from engine.errors import BadInput, ModelUnavailable, NotFound
from tests.support.bench import FIELDS, ME, lines, stored
from ui.access import Viewer
from ui.branching import Branching

PROMPTED = {**FIELDS, "temperature": 1.0}
OTHER_PAGE = replace(ME, session="another page")
STRANGER = Viewer("somebody else", "session-3", False)


@pytest.fixture
def branching(bench):
    return Branching(bench)


@pytest.fixture
def parent(bench):
    """A finished run's uid."""
    document = list(bench.generate(PROMPTED, ME))[-1]
    return done(document)["run"]


def done(document):
    return next(line for line in lines(document) if line.get("done"))


def line_with(document, name):
    return [line[name] for line in lines(document) if name in line][-1]


def ids_of(document):
    return [line["id"] for line in lines(document) if "t" in line]


def trace_of(bench, uid):
    return bench.store.runs.get(uid, viewer="local").trace


def edit(bench, uid, at, **fields):
    other = int(next(i for i in trace_of(bench, uid).topk_ids[at] if i != trace_of(bench, uid).token_ids[at]))
    return {"edits": [{"start": at, "stop": at + 1, "ids": [other]}], **fields}, other


def test_a_branch_is_a_run_of_its_own_that_keeps_what_precedes_the_edit_and_names_its_parent(bench, branching, parent):
    fields, other = edit(bench, parent, 3)
    frames = list(branching.branch(parent, fields, ME))
    uid = done(frames[-1])["run"]
    child, factual = bench.store.runs.get(uid, viewer="local"), trace_of(bench, parent)
    assert frames[-1] == bench.open_run(uid, ME) and len(stored(bench)) == 2
    assert (child.header.parent, child.header.fork_position, child.header.kind) == (parent, 3, "counterfactual")
    assert child.trace.token_ids[:3].tolist() == factual.token_ids[:3].tolist() and child.trace.token_ids[3] == other
    assert child.trace.noise_rows.tolist()[:5] == [0, 1, 2, FORCED, 4]
    header = lines(frames[-1])[0]
    assert header["parent"]["uid"] == parent and header["luck"] == "same"
    assert header["edit"] == {"start": 3, "stop": 4, "shift": 0, "held": 4, "edits": [[3, 4, 1]]}
    assert [t["id"] for t in line_with(frames[-1], "from")] == factual.token_ids.tolist()
    assert all(a.startswith(b) for b, a in itertools.pairwise(frames[:-1]))


def test_a_token_edited_to_itself_gives_the_run_itself(bench, branching, parent):
    own = int(trace_of(bench, parent).token_ids[2])
    fields = {"edits": [{"start": 2, "stop": 3, "ids": [own]}]}
    document = list(branching.branch(parent, fields, ME))[-1]
    assert ids_of(document) == trace_of(bench, parent).token_ids.tolist()
    versus = line_with(document, "versus")
    assert (versus["first"], versus["characters"], versus["tokens"]) == (None, 0, 0)
    agreed, shared = versus["agreement"]
    assert agreed == shared > 0


def test_what_the_document_says_of_the_difference_is_true(bench, branching, parent):
    fields, _ = edit(bench, parent, 1)
    document = list(branching.branch(parent, fields, ME))[-1]
    own, factual = trace_of(bench, done(document)["run"]), trace_of(bench, parent)
    versus = line_with(document, "versus")
    assert versus["first"] == [1, 1] and versus["prefix"] == 0
    shared = {int(r): int(t) for r, t in zip(factual.noise_rows, factual.token_ids, strict=True)}
    drawn = list(zip(own.noise_rows, own.token_ids, strict=True))[1:]
    pairs = [(shared[int(r)], int(t)) for r, t in drawn if int(r) in shared]
    assert versus["agreement"] == [sum(a == b for a, b in pairs), len(pairs)]
    assert versus["fragile"] == np.flatnonzero(own.margin < 1e-3).tolist()


def test_the_order_in_which_edits_are_given_says_nothing(bench, branching, parent):
    edits = [{"start": 4, "stop": 5, "text": "x"}, {"start": 12, "stop": 14, "text": "yz"}]
    one, other = (list(branching.branch(parent, {"edits": list(order)}, ME))[-1] for order in (edits, reversed(edits)))
    assert ids_of(one) == ids_of(other) and line_with(one, "versus") == line_with(other, "versus")
    assert lines(one)[0]["edit"] == lines(other)[0]["edit"] and lines(one)[0]["edit"]["start"] == 4


def test_fresh_luck_is_another_every_time_and_says_so(bench, branching, parent):
    fields, _ = edit(bench, parent, 2, luck="fresh")
    first, second = (list(branching.branch(parent, fields, ME))[-1] for _ in range(2))
    assert lines(first)[0]["luck"] == "fresh" and line_with(first, "versus")["agreement"] is None
    streams = [trace_of(bench, done(document)["run"]).settings.stream for document in (first, second)]
    assert streams == [1, 2] and ids_of(first) != ids_of(second)
    again = list(branching.branch(parent, {**fields, "draw": 1}, ME))[-1]
    assert ids_of(again) == ids_of(first)
    # what is in the bin still counts: fresh luck after an undo is not the luck that was undone
    branching.undo(done(again)["run"], ME)
    third = list(branching.branch(parent, fields, ME))[-1]
    assert trace_of(bench, done(third)["run"]).settings.stream == 3


def test_a_given_text_branches_by_inferred_luck(bench, branching):
    given_text = done(list(bench.score_text("Say", "abc abc abd", ME))[-1])["run"]
    document = list(branching.branch(given_text, {"edits": [{"start": 4, "stop": 5, "text": "x"}]}, ME))[-1]
    run = bench.store.runs.get(done(document)["run"], viewer="local")
    assert lines(document)[0]["luck"] == "inferred" and run.trace.noise_version.endswith("hindsight")
    same = list(
        branching.branch(
            given_text, {"edits": [{"start": 4, "stop": 5, "ids": [int(trace_of(bench, given_text).token_ids[4])]}]}, ME
        )
    )[-1]
    given = trace_of(bench, given_text).token_ids.tolist()
    assert ids_of(same)[: len(given)] == given
    # an inferred branch can be branched again: its own luck is inferred in turn
    deeper = list(branching.branch(run.header.uid, {"edits": [{"start": 5, "stop": 6, "text": "y"}]}, ME))[-1]
    assert lines(deeper)[0]["luck"] == "inferred"


def test_a_text_without_a_prompt_branches_too(bench, branching):
    given_text = done(list(bench.score_text("", "abc abc abd", ME))[-1])["run"]
    document = list(branching.branch(given_text, {"edits": [{"start": 4, "stop": 5, "text": "x"}]}, ME))[-1]
    assert lines(document)[0]["luck"] == "inferred" and len(ids_of(document)) > 5


def test_another_temperature_or_prompt_is_named_and_draws_all_again(bench, branching, parent):
    document = list(branching.branch(parent, {"changes": {"temperature": 0.2, "prompt": "Other?"}}, ME))[-1]
    header = lines(document)[0]
    assert header["changed"] == ["prompt", "temperature"] and header["prompt"] == "Other?" and header["edit"] is None
    assert header["parent"]["fork"] == 0 and trace_of(bench, done(document)["run"]).settings.seed == 3


def test_replicates_say_how_near_the_branch_lies_among_chance(bench, branching, parent):
    fields, _ = edit(bench, parent, 2)
    uid = done(list(branching.branch(parent, fields, ME))[-1])["run"]
    frames = list(branching.replicates(uid, 5, ME))
    found = line_with(frames[-1], "replicates")
    assert found["finished"] and len(found["distances"]) == len(found["tokens"]) == len(found["texts"]) == 5
    assert found["value"] == line_with(frames[-1], "versus")["characters"] and 0 < found["stickiness"] <= 1
    below = (
        sum(d < found["value"] for d in found["distances"]) + sum(d == found["value"] for d in found["distances"]) / 2
    )
    assert found["percentile"] == pytest.approx(below / 5)
    assert bench.open_run(uid, ME) == frames[-1]
    kept = bench.store.analyses.list(uid, viewer="local", kind="replicates")
    assert len(kept) == 1 and kept[0].status == "finished"
    more = line_with(list(branching.replicates(uid, 7, ME))[-1], "replicates")
    assert more["distances"][:5] == found["distances"]
    assert len(bench.store.analyses.list(uid, viewer="local", kind="replicates")) == 1


def test_an_inferred_branch_is_averaged_over_its_posterior(bench, branching):
    given_text = done(list(bench.score_text("Say", "abc abc abd", ME))[-1])["run"]
    uid = done(list(branching.branch(given_text, {"edits": [{"start": 4, "stop": 5, "text": "x"}]}, ME))[-1])["run"]
    found = line_with(list(branching.replicates(uid, 8, ME))[-1], "replicates")
    assert len(found["inferred"]["distances"]) == 8 and found["inferred"]["distances"][0] == found["own"]
    assert found["value"] == pytest.approx(np.mean(found["inferred"]["distances"]), abs=1e-5)


def test_stopped_replicates_keep_those_that_had_ended(bench, branching, parent):
    fields, _ = edit(bench, parent, 2)
    uid = done(list(branching.branch(parent, fields, ME))[-1])["run"]
    job = branching.replicates(uid, 8, ME)
    for _ in range(4):
        next(job)
    bench.stop(ME)
    found = line_with(list(job)[-1], "replicates")
    assert found["finished"] and len(found["distances"]) < 8 and "of 8" in found["problem"]


def test_a_request_stopped_early_does_not_cost_the_replicates_there_are(bench, branching, parent):
    fields, _ = edit(bench, parent, 2)
    uid = done(list(branching.branch(parent, fields, ME))[-1])["run"]
    before = line_with(list(branching.replicates(uid, 4, ME))[-1], "replicates")
    job = branching.replicates(uid, 8, ME)
    next(job), next(job)
    bench.stop(ME)
    after = line_with(list(job)[-1], "replicates")
    assert after["distances"] == before["distances"] and "earlier ones stand" in after["problem"]
    assert line_with(bench.open_run(uid, ME), "replicates")["distances"] == before["distances"]


def test_replicates_are_drawn_with_luck_that_no_branch_has(bench, branching, parent):
    fields, _ = edit(bench, parent, 2)
    uid = done(list(branching.branch(parent, fields, ME))[-1])["run"]
    fresh = trace_of(bench, done(list(branching.branch(parent, {**fields, "luck": "fresh"}, ME))[-1])["run"])
    list(branching.replicates(uid, 2, ME))
    kept = bench.store.analyses.list(uid, viewer="local", kind="replicates")[0]
    ids = bench.store.analyses.get(kept.uid, viewer="local").arrays
    first = ids["ids"][: ids["sizes"][0]].tolist()
    assert kept.settings["first_stream"] > 100_000 and first != fresh.token_ids.tolist()


def test_a_branch_whose_parent_is_deleted_meanwhile_is_kept(bench, branching, parent):
    job = branching.branch(parent, edit(bench, parent, 2)[0], ME)
    next(job), next(job)
    bench.store.runs.delete([parent], viewer="local")
    document = list(job)[-1]
    run = bench.store.runs.get(done(document)["run"], viewer="local")
    assert run.header.parent is None and any("deleted while it was written" in note for note in run.trace.notes)


def test_a_stranger_is_held_to_the_pages_limits(bench, branching, parent):
    bench.store.runs.update(parent, viewer="local", visibility="unlisted")
    bench.limits = replace(bench.limits, max_new_tokens=5)
    document = list(branching.branch(parent, edit(bench, parent, 2)[0], STRANGER))[-1]
    assert len(ids_of(document)) <= 3 + 5
    with pytest.raises(BadInput, match="from 1 to 16"):
        list(branching.replicates(done(document)["run"], 256, STRANGER))


def test_undo_puts_the_branch_away_and_shows_its_parent(bench, branching, parent):
    fields, _ = edit(bench, parent, 2)
    uid = done(list(branching.branch(parent, fields, ME))[-1])["run"]
    assert line_with(bench.open_run(parent, ME), "children")[0]["uid"] == uid
    document = branching.undo(uid, ME)
    assert done(document)["run"] == parent and not any("children" in line for line in lines(document))
    with pytest.raises(NotFound):
        bench.open_run(uid, ME)
    with pytest.raises(BadInput, match="no branch"):
        branching.undo(parent, ME)


def test_a_branch_stores_its_own_tokens_only(bench, branching, parent):
    fields, _ = edit(bench, parent, 8)
    uid = done(list(branching.branch(parent, fields, ME))[-1])["run"]
    query = text("SELECT name, start FROM run_array JOIN run ON run.id = run_id WHERE uid = :uid")
    with bench.store.read() as session:
        starts = {str(name): int(start) for name, start in session.execute(query, {"uid": uid})}
    alone = {"prompt_ids", "text", "special_ids", "score_columns", "vocabulary_index", "vocabulary_bytes"}
    assert {name: start for name, start in starts.items() if name not in alone} == dict.fromkeys(
        set(starts) - alone, 8
    ) and starts["vocabulary_bytes"]


def test_two_edits_of_one_run_at_once_are_two_branches(bench, branching, parent):
    one, other = edit(bench, parent, 1)[0], edit(bench, parent, 4)[0]
    first = branching.branch(parent, one, ME)
    next(first)
    second = branching.branch(parent, other, OTHER_PAGE)
    waiting = next(second)
    assert "Waiting" in waiting
    first_done = list(first)[-1]
    second_done = list(second)[-1]
    assert done(first_done)["run"] != done(second_done)["run"]
    children = line_with(bench.open_run(parent, ME), "children")
    assert sorted(child["fork"] for child in children) == [1, 4]


def test_a_branch_of_a_branch_and_a_deleted_parent_keep_what_they_need(bench, branching, parent):
    uid = done(list(branching.branch(parent, edit(bench, parent, 2)[0], ME))[-1])["run"]
    deeper = done(list(branching.branch(uid, edit(bench, uid, 5)[0], ME))[-1])["run"]
    before = trace_of(bench, deeper)
    bench.store.runs.delete([parent, uid], viewer="local")
    document = bench.open_run(deeper, ME)
    assert ids_of(document) == before.token_ids.tolist()
    assert lines(document)[0]["parent"]["gone"] and not any("from" in line for line in lines(document))


REFUSED = {
    "beyond the text": ({"edits": [{"start": 9_999, "stop": 10_000, "text": "x"}]}, "outside the answer"),
    "empty replacement": ({"edits": [{"start": 1, "stop": 2, "text": ""}]}, "replacement is empty"),
    "10,000 characters": ({"edits": [{"start": 1, "stop": 2, "text": "x" * 10_000}]}, "10,000 characters"),
    "a prompt that overflows": ({"changes": {"prompt": "x" * 2_000}}, "context"),
    "an edit that overflows": ({"edits": [{"start": 1, "stop": 2, "text": "x" * 900}]}, "context"),
    "two that overlap": (
        {"edits": [{"start": 1, "stop": 3, "text": "x"}, {"start": 2, "stop": 4, "text": "y"}]}, "overlap"),
    "text and ids": ({"edits": [{"start": 1, "stop": 2, "text": "x", "ids": [1]}]}, "either"),
    "an id that is none": ({"edits": [{"start": 1, "stop": 2, "ids": [10**6]}]}, "vocabulary"),
    "an unknown luck": ({"luck": "good"}, "luck 'good'"),
    "an unknown alignment": ({"alignment": "left"}, "alignment 'left'"),
    "a setting that stays": ({"changes": {"seed": 3}}, "'seed' cannot be changed"),
    "no list": ({"edits": "x"}, "list"),
    "a place that is none": ({"edits": [{"start": -1, "stop": 2, "text": "x"}]}, "start of an edit"),
    "nothing inserted": ({"edits": [{"start": 1, "stop": 1, "ids": []}]}, "inserts nothing"),
    "a hot temperature": ({"changes": {"temperature": 9}}, "temperature is 9"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_impossible_branch_is_refused_in_a_sentence_and_nothing_is_stored(bench, branching, parent, case):
    fields, words = REFUSED[case]
    with pytest.raises(BadInput) as refused:
        list(branching.branch(parent, fields, ME))
    assert words.lower() in str(refused.value).lower() and len(stored(bench)) == 1


def test_what_has_no_luck_to_share_is_refused_with_what_can_be_done(bench, branching, parent):
    run = bench.store.runs.get(parent, viewer="local").trace
    elsewhere = bench.store.runs.add(
        replace(run, model=replace(run.model, revision="elsewhere")), status="finished", run_scores={}
    )
    with pytest.raises(ModelUnavailable, match="hindsight"):
        list(branching.branch(elsewhere, edit(bench, elsewhere, 1)[0], ME))
    old = replace(run, noise_version="xorshift-v0")
    older = bench.store.runs.add(old, status="finished", run_scores={})
    assert lines(list(branching.branch(older, edit(bench, older, 1)[0], ME))[-1])[0]["luck"] == "inferred"
    fresh = list(branching.branch(older, edit(bench, older, 1, luck="fresh")[0], ME))[-1]
    assert lines(fresh)[0]["luck"] == "fresh", "it asks nothing of the noise that was"
    cut = replace(old, settings=replace(old.settings, top_k=5))
    truncated = bench.store.runs.add(cut, status="finished", run_scores={})
    with pytest.raises(BadInput, match="top-k"):
        list(branching.branch(truncated, edit(bench, truncated, 1)[0], ME))


def test_nobody_branches_what_is_not_theirs(bench, branching, parent):
    with pytest.raises(NotFound):
        list(branching.branch(parent, edit(bench, parent, 1)[0], STRANGER))
    with pytest.raises(NotFound):
        list(branching.replicates(parent, 8, STRANGER))


@pytest.mark.parametrize("luck", ["same", "fresh"])
def test_the_last_tokens_left_out_are_a_branch_too_though_nothing_is_drawn(bench, branching, parent, luck):
    length = len(trace_of(bench, parent))
    assert trace_of(bench, parent).finish_reason == "length", "or more would follow"
    for first in (length - 1, length - 4):
        fields = {"edits": [{"start": first, "stop": length, "ids": []}], "luck": luck}
        document = list(branching.branch(parent, fields, ME))[-1]
        uid = done(document)["run"]
        assert uid != parent and ids_of(document) == trace_of(bench, parent).token_ids[:first].tolist()
        assert bench.store.runs.header(uid, viewer="local").parent == parent
        assert done(document)["reason"] == "length" and not done(document).get("problem")
        back = {"edits": [{"start": first, "stop": first, "ids": trace_of(bench, parent).token_ids[first:].tolist()}]}
        if luck == "same":
            assert ids_of(list(branching.branch(uid, back, ME))[-1]) == trace_of(bench, parent).token_ids.tolist()


def test_a_given_text_and_a_branch_by_hindsight_take_fresh_luck_as_well(bench, branching):
    given = done(list(bench.score_text("Tell me", "a b c d e f", ME))[-1])["run"]
    inferred = done(list(branching.branch(given, {"edits": [{"start": 2, "stop": 3, "text": "x"}]}, ME))[-1])["run"]
    for uid in (given, inferred):
        streams = set()
        for _ in range(2):
            fields = {"edits": [{"start": 3, "stop": 4, "text": "y"}], "luck": "fresh"}
            branch = trace_of(bench, done(list(branching.branch(uid, fields, ME))[-1])["run"])
            streams.add(branch.settings.stream)
            assert (
                branch.kind == "branch" and branch.token_ids[:3].tolist() == trace_of(bench, uid).token_ids[:3].tolist()
            )
        assert streams == {1, 2}


def test_another_prompt_draws_all_of_a_branch_anew_and_says_what_is_gone(bench, branching, parent):
    first = done(list(branching.branch(parent, edit(bench, parent, 9)[0], ME))[-1])["run"]
    document = list(branching.branch(first, {"changes": {"prompt": "Tell us"}}, ME))[-1]
    assert trace_of(bench, done(document)["run"]).noise_rows[:12].tolist() == list(range(12))
    assert any("An earlier edit stood behind" in note for note in lines(document)[0]["notes"])


def test_a_branch_whose_original_was_deleted_is_told_what_can_be_done(bench, branching, parent):
    branch = done(list(branching.branch(parent, edit(bench, parent, 3)[0], ME))[-1])["run"]
    bench.store.runs.delete([parent], viewer="local")
    with pytest.raises(BadInput, match="left was deleted: bring that one back"):
        next(branching.replicates(branch, 4, ME))
    with pytest.raises(BadInput, match="left was deleted: delete this branch in the library"):
        branching.undo(branch, ME)
    bench.store.runs.restore([parent], viewer="local")
    assert done(branching.undo(branch, ME))["run"] == parent


def test_percentiles_wait_for_all_replicates_and_hold_each_inferred_draw_by_itself(bench, branching, parent):
    branch = done(list(branching.branch(parent, edit(bench, parent, 3)[0], ME))[-1])["run"]
    told = [line_with(frame, "replicates") for frame in branching.replicates(branch, 5, ME) if "replicates" in frame]
    assert all(each["percentile"] is None for each in told if len(each["distances"]) < 5)
    assert told[-1]["percentile"] is not None and len(told[-1]["distances"]) == 5
