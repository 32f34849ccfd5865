"""A run's tree opens without a model, grows in turns, keeps what has grown however it ends, and never loses a node."""

from __future__ import annotations

import itertools
import json
import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from engine import generate, run_scores
from engine.errors import BadInput, Busy, ModelUnavailable, NotFound, OutOfMemory, UserError
from engine.recording import beginning
from engine.scoring import score_tokens
from engine.testing import tiny_model
from engine.tree import Tree
from engine.tree_forward import TreeForward
from engine.tree_queue import Growth, replay
from engine.types import GenerationRequest
from tests.support.bench import FIELDS, ME, OTHER, lines, stored
from ui import actions, tree_growing, trees
from ui.access import Viewer
from ui.trees import Trees

STRANGER = Viewer("visitor:a", "visitor:a", False)
SMALL = {"budget": 20, "depth": 3, "width": 3}


@pytest.fixture(scope="module")
def recorded(tiny):
    """A run of 40 tokens."""
    return generate.run(tiny, GenerationRequest(**FIELDS))


@pytest.fixture
def run(bench, recorded, monkeypatch):
    """The uid of that run in the store."""
    monkeypatch.setattr(tree_growing, "FRAME_SECONDS", 0.0)
    return bench.keep(recorded, ME)


@pytest.fixture
def grove(bench, run):
    return Trees(bench)


def nodes(document: str) -> dict[int, list]:
    """The newest entry of every node."""
    return {row[0]: row for line in lines(document) for row in line.get("n", [])}


def last(document: str, name: str) -> dict:
    """The newest line of a kind."""
    return [line[name] for line in lines(document) if name in line][-1]


def paths(document: str) -> set[tuple[str, ...]]:
    """Every node as the texts (or bytes) that lead to it."""
    found, known = nodes(document), {0: ()}
    for index in sorted(found)[1:]:
        known[index] = (*known[found[index][1]], found[index][7] or found[index][2])
    return set(known.values())


def analyses(bench, uid, viewer=ME):
    return [a for a in bench.store.analyses.list(uid, viewer=viewer.name, kind="tree") if a.owner == viewer.name]


def branch(bench, uid, fork, ids, kind="counterfactual", viewer=ME):
    """A stored branch: `fork` tokens of a run, then ids; the first of them written by a person."""
    tiny = bench.host.model()
    parent = bench.store.runs.get(uid, viewer=viewer.name).trace
    kept = parent.token_ids.tolist()[:fork]
    scored = score_tokens(tiny, parent.prompt_ids.tolist(), [*kept, *ids], prompt=parent.prompt)
    rows = np.array([*range(fork), -1, *range(fork + 1, fork + len(ids))], dtype=np.int64)
    first = beginning(tiny, parent, fork)
    shared = [name for name in parent.scores if name in scored.scores]
    names = [name for name, value in vars(first).items() if isinstance(value, np.ndarray) and len(value) == fork]
    trace = replace(
        scored,
        **{name: np.concatenate([getattr(first, name), getattr(scored, name)[fork:]]) for name in names},
        kind=kind,
        scores={name: np.concatenate([first.scores[name], scored.scores[name][fork:]]) for name in shared},
        token_bytes={**parent.token_bytes, **scored.token_bytes},
    )
    trace = replace(trace, noise_rows=rows)
    status = {"owner": viewer.name, "status": "finished", "run_scores": run_scores.compute(trace)}
    return bench.store.runs.add(trace, **status, parent=uid, fork_position=fork)


def test_a_tree_opens_without_a_model_and_nothing_is_stored_by_looking(bench, run, grove):
    document = grove.open(run, ME)
    bench.host = type(bench.host)(patience=0.0)
    assert bench.host.state.status != "ready" and nodes(Trees(bench).open(run, ME)) == nodes(document)
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
    assert nodes(opened) == nodes(frames[-1]) == nodes(Trees(bench).open(run, ME))
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
    whole = Trees(bench)
    twin = bench.keep(recorded, ME)
    assert paths(list(whole.grow(twin, asked, ME))[-1]) == paths(rest)


def test_closing_the_page_keeps_what_has_grown_and_frees_the_turn(bench, run, grove):
    job = grove.grow(run, SMALL, ME)
    grown = [next(job) for _ in range(4)][-1]
    job.close()
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


def test_a_problem_before_anything_has_grown_is_raised_and_stores_nothing(bench, run, grove, monkeypatch):
    def broken(*args, **kwargs):
        raise OutOfMemory("There was not enough memory: shorten the prompt.")
        yield

    monkeypatch.setattr(trees, "grow", broken)
    with pytest.raises(OutOfMemory):
        list(grove.grow(run, SMALL, ME))
    assert analyses(bench, run) == []
    assert bench.turns._line == type(bench.turns._line)()


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
    together: Tree = Trees(bench)._jobs.load(run, ME).tree
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


def test_marks_are_kept_with_the_tree_and_survive_its_growth(bench, run, grove):
    document = grove.mark(run, 3, ME, bookmark=True, note="why not")
    assert last(document, "marks") == {"bookmarks": [3], "notes": {"3": "why not"}}
    list(grove.grow(run, SMALL, ME))
    grove.mark(run, 7, ME, bookmark=True)
    assert last(Trees(bench).open(run, ME), "marks") == {"bookmarks": [3, 7], "notes": {"3": "why not"}}
    grove.mark(run, 3, ME, bookmark=False, note="")
    assert last(grove.open(run, ME), "marks") == {"bookmarks": [7], "notes": {}}
    assert len(analyses(bench, run)) == 1


def test_a_mark_put_on_a_new_node_while_the_tree_grows_stays_on_it(bench, run, grove):
    known = len(nodes(grove.open(run, ME)))
    job = grove.grow(run, SMALL, ME)
    grown = [next(job) for _ in range(4)][-1]
    node = max(nodes(grown))
    assert node > known
    assert last(grove.mark(run, node, ME, bookmark=True, note="this"), "marks")["bookmarks"] == [node]
    with pytest.raises(BadInput, match="has no node"):
        grove.mark(run, node + 10_000, ME, bookmark=True)
    frames = list(job)
    assert last(frames[0], "marks")["bookmarks"] == [node]
    opened = Trees(bench).open(run, ME)
    assert last(opened, "marks") == {"bookmarks": [node], "notes": {str(node): "this"}}
    assert nodes(opened)[node][:4] == nodes(grown)[node][:4] and nodes(opened) == nodes(frames[-1])


def test_an_export_comes_back_exactly_into_an_empty_library(bench, run, grove, tiny, tmp_path):
    list(grove.grow(run, SMALL, ME))
    list(grove.edit(run, 2, "ho", ME))
    grove.mark(run, 4, ME, bookmark=True, note="€")
    file = grove.export_tree(run, ME)
    (line,) = [line for line in lines(grove.exported(run, ME)) if "export" in line]
    assert line["export"] == {"name": file.name, "text": file.text} and file.name.endswith(".json")
    before = grove.open(run, ME)
    bench.store.analyses.delete(analyses(bench, run)[0].uid, viewer="local")
    fresh = Trees(bench)
    assert len(nodes(fresh.open(run, ME))) < len(nodes(before))
    after = fresh.import_tree(run, file.text, ME)
    assert nodes(after) == nodes(before) and last(after, "marks") == last(before, "marks")
    ours, theirs = (json.loads(text) for text in (fresh.export_tree(run, ME).text, file.text))
    rests = [[evaluation.pop("rest") for evaluation in each["evaluations"]] for each in (ours, theirs)]
    assert ours == theirs and rests[0] == pytest.approx(rests[1], abs=1e-7)


def test_an_import_loses_nothing_of_what_is_there(bench, run, grove):
    list(grove.grow(run, SMALL, ME))
    file = grove.export_tree(run, ME).text
    bench.store.analyses.delete(analyses(bench, run)[0].uid, viewer="local")
    there = Trees(bench)
    grown = list(there.grow(run, {"policy": "fair", "budget": 15, "depth": 3, "seed": 2}, ME))[-1]
    there.mark(run, 1, ME, bookmark=True)
    both = there.import_tree(run, file, ME)
    assert paths(grown) < paths(both) and last(both, "marks")["bookmarks"] == [1]


def wrong(change):
    """An export's text with something else in it."""

    def apply(text: str) -> str:
        values = json.loads(text)
        change(values)
        return json.dumps(values)

    return apply


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: "", "holds no tree"),
        (lambda text: "{" * 50, "nested"),
        (lambda text: text[:-5], "not JSON"),
        (lambda text: 5, "not int"),
        (lambda text: "[1]", "not a JSON object"),
        (wrong(lambda v: v.update(format="x")), "no tree of this project"),
        (wrong(lambda v: v.pop("model")), "which model"),
        (wrong(lambda v: v["model"].update(revision="b")), "another model.*revision"),
        (wrong(lambda v: v["model"].update(dtype="bfloat16")), "dtype"),
        (wrong(lambda v: v.update(root=[1, *v["root"]])), "another prompt"),
        (wrong(lambda v: v["noise"].update(version="other")), "drawn with the noise"),
        (wrong(lambda v: v["nodes"].append([10**9, 1, -1, 0])), "not in the tree"),
        (wrong(lambda v: v.update(marks=[])), "marks"),
        (wrong(lambda v: v["marks"].update(notes={"x": "y"})), "The node is x"),
        (lambda text: text + " " * 2**22, "bytes"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_a_sentence_and_changes_nothing(bench, run, grove, spoil, words):
    viewer = replace(ME, trusted=False)
    text = grove.export_tree(run, viewer).text
    before = grove.open(run, viewer)
    with pytest.raises(BadInput, match=words) as refused:
        grove.import_tree(run, spoil(text), viewer)
    assert len(str(refused.value)) < 400 and grove.open(run, viewer) == before and analyses(bench, run) == []
    assert nodes(grove.import_tree(run, text, viewer)) == nodes(before)


def test_contradicting_numbers_of_a_file_give_way_and_the_tree_can_be_read_again(bench, run, grove):
    values = json.loads(grove.export_tree(run, ME).text)
    values["nodes"], values["evaluations"] = (
        [[0, i, math.log(0.05), 0] for i in range(65, 85)],
        [{"node": 0, "entropy": 1.0, "rest": 0.0, "width": 20, "dropped": -3.5, "noise": []}],
    )
    before = nodes(grove.open(run, ME))
    after = nodes(grove.import_tree(run, json.dumps(values), ME))
    children = [row for row in after.values() if row[1] == 0]
    assert sum(math.exp(row[3]) for row in children) == pytest.approx(1 - after[0][5], abs=1e-5)
    assert all(after[i][:4] == row[:4] for i, row in before.items()) and len(after) > len(before)
    assert nodes(Trees(bench).open(run, ME)) == after


def test_a_path_is_taken_where_it_leaves_the_run(bench, run, grove, tiny):
    trace = bench.store.runs.get(run, viewer="local").trace
    ids = trace.token_ids.tolist()
    document = list(grove.grow(run, {"node": 0, **SMALL}, ME))[-1]
    placed = last(document, "runs")[0]
    assert grove.path(run, placed["end"], ME) == (40, ()) and grove.path(run, 0, ME) == (0, ())
    edited = last(list(grove.edit(run, placed["end"], "ho", ME))[-1], "s")["start"]
    assert grove.path(run, edited, ME) == (39, tuple(tiny.encode("ho"))) and len(ids) == 40
    with pytest.raises(BadInput, match="has no node 99999"):
        grove.path(run, 99_999, ME)


def test_a_text_without_a_prompt_has_its_first_token_for_a_root(bench, grove, tiny):
    scored = score_tokens(tiny, [], list(b"hello there"))
    uid = bench.store.runs.add(scored, owner="local", status="scored", run_scores={})
    document = grove.open(uid, ME)
    assert lines(document)[0]["root"] == {"text": "h", "tokens": 1}
    end = last(document, "runs")[0]["end"]
    assert grove.path(uid, end, ME) == (11, ()) and grove.path(uid, 0, ME) == (1, ())
    assert last(list(grove.grow(uid, {**SMALL, "node": end}, ME))[-1], "s")["evaluated"] == 20


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
        ({"width": "wide"}, "The width is wide"),
        ({"width": 2.5}, "The width is 2.5"),
        ({"depth": 257}, "The depth"),
        ({"depth": True}, "The depth is True"),
        ({"seed": "9" * 30}, "The seed"),
        ({"leaves": -1}, "number of answers"),
        ({"node": 10_000}, "has no node 10000"),
        ({"node": "x"}, "The node is x"),
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


def test_a_stored_tree_that_is_damaged_is_left_aside_and_grown_anew(bench, run, grove):
    list(grove.grow(run, SMALL, ME))
    with bench.store.write() as session:
        from sqlalchemy import text

        session.execute(text("UPDATE analysis_array SET data = zeroblob(length(data)) WHERE name = 'tree'"))
    again = Trees(bench)
    document = again.open(run, ME)
    assert "damaged" in last(document, "s")["message"] and len(last(document, "runs")) == 1
    assert last(list(again.grow(run, SMALL, ME))[-1], "s")["evaluated"] == 20
    assert "damaged" not in last(Trees(bench).open(run, ME), "s")["message"]


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
    deadline = time.monotonic() + 10
    while paths(Trees(bench).open(run, ME)) < paths(grown) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert paths(Trees(bench).open(run, ME)) >= paths(grown)
