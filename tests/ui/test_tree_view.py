"""A tree's document says what the tree holds, spells texts along their paths, and grows by what has changed only."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest

from engine.errors import BadInput
from engine.scoring import score_tokens
from engine.tree import ROOT, Tree, masses
from engine.tree_estimates import draw, weights
from engine.tree_growth import grow, insert
from engine.tree_policies import forced_child
from engine.tree_queue import Growth, replay
from storage.records import RunHeader
from tests.support.bench import ME, lines
from tests.support.toy_tree import Toy
from ui.tree_view import (
    LEAVES_MEANWHILE,
    Marks,
    NodeLines,
    PlacedRun,
    Spelling,
    Standing,
    completed,
    export_line,
    marks_line,
    runs_line,
    standing_line,
    with_problem,
)
from ui.trees import Trees

WORDS = {0: b"<end>", 1: "€".encode()[:1], 2: "€".encode()[1:], 3: b"so"}
SPELLING = Spelling(WORDS, {0})


def rows(text: str) -> dict[int, list]:
    """The newest entry of every node."""
    return {row[0]: row for line in lines(text) for row in line.get("n", [])}


def chain(*ids: int) -> tuple[Tree, int]:
    """A tree with one path."""
    tree, node = Toy().tree(), ROOT
    for token_id in ids:
        logprob, evaluation = forced_child(np.log([0.4, 0.3, 0.2, 0.1]), token_id)
        above, node = node, tree.add(node, token_id, logprob)
        tree.set_evaluation(above, evaluation)
    return tree, node


def test_texts_are_spelled_along_the_path_and_parts_of_a_character_show_as_bytes():
    tree, last = chain(3, 1, 2, 1, 3)
    found = rows(NodeLines(tree, SPELLING).changed())
    texts = [(found[i][2], found[i][7]) for i in tree.path(last)]
    assert texts == [("so", 0), ("", "e2"), ("€", 0), ("", "e2"), ("\ufffdso", "73 6f")]
    assert found[ROOT][1:3] == [-1, ""]
    # the same token at another place is no end of a character
    tree, last = chain(3, 2)
    assert rows(NodeLines(tree, SPELLING).changed())[last][7] == "82 ac"


def test_a_character_that_the_root_began_is_completed_below_it():
    tree, last = chain(2)
    assert rows(NodeLines(tree, Spelling(WORDS, set(), b"\xe2")).changed())[last][2] == "€"


@pytest.mark.parametrize("text", ["añ€🙂b", "\ufffd", "🙂" * 3])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_bytes_cut_anywhere_come_together_again(text, size):
    raw, tail, out = text.encode(), b"", ""
    for i in range(0, len(raw), size):
        piece, tail = completed(tail, raw[i : i + size])
        out += piece
    assert (out, tail) == (text, b"")


def test_flags_tell_ends_edits_control_tokens_and_what_was_only_recorded():
    toy = Toy()
    tree = toy.tree()
    # recorded: a path to node 1 and an alternative, node 2
    logprob, _ = forced_child(toy.row((1, 2)), 3)
    tree.add(ROOT, 3, logprob)
    other, evaluation = forced_child(toy.row((1, 2)), 1)
    tree.add(ROOT, 1, other)
    tree.set_evaluation(ROOT, evaluation)
    written = NodeLines(tree, SPELLING, ends=[1])
    found = rows(written.changed())
    assert (found[1][6], found[2][6]) == (0, 8) and found[1][4:6] == [None, None]
    assert found[ROOT][4] == pytest.approx(evaluation.entropy, rel=1e-5) and found[ROOT][5] == pytest.approx(
        tree.rest(ROOT), rel=1e-5
    )
    list(grow(tree, toy, "likely", budget=1, width=4, depth=3))
    last = insert(tree, toy, 1, [3, 1])
    found = rows(written.changed())
    assert found[2][6] == 0 and found[tree.child(ROOT, 0)][6] == 1 + 4 and found[last][6] == 2


def test_while_it_grows_only_what_is_new_or_changed_is_written_and_the_newest_lines_are_the_tree():
    toy = Toy()
    tree = toy.tree()
    written = NodeLines(tree, SPELLING)
    text, pieces = "", []
    for _ in grow(tree, toy, "likely", budget=25, width=3, depth=5, batch=4, widen=True):
        pieces.append(written.changed())
        text += pieces[-1]
    assert rows(text) == rows(NodeLines(tree, SPELLING).changed()) and len(rows(text)) == len(tree)
    sizes = [len(rows(piece)) for piece in pieces[1:]]
    assert 0 < max(sizes) < len(tree) / 2
    assert written.changed() == ""


def test_a_token_that_cannot_be_is_null_and_the_text_is_strict_json():
    tree = Toy().tree()
    logprob, evaluation = forced_child(np.log([0.5, 0.5, 1e-300, 1e-300]) - np.array([0, 0, 0, math.inf]), 3)
    node = tree.add(ROOT, 3, logprob, forced=True)
    tree.set_evaluation(ROOT, evaluation)
    text = NodeLines(tree, SPELLING).changed() + standing_line(tree, Standing())
    assert rows(text)[node][3] is None
    json.loads(text.split("\n")[0], parse_constant=lambda name: pytest.fail(name))


@pytest.mark.parametrize("policy", ["likely", "fair", "informative"])
def test_standing_says_what_came_out_and_where_the_probability_is(policy):
    toy = Toy()
    tree = toy.tree()
    growth = Growth(policy, 3, 4, seed=5, widen=policy == "likely")
    (*_, last) = grow(tree, toy, policy, budget=60, width=3, depth=4, seed=5, widen=growth.widen)
    (line,) = lines(standing_line(tree, Standing(growth=growth, evaluated=60, budget=60, reason=last.reason)))
    s = line["s"]
    assert s["masses"] == pytest.approx(vars(masses(tree, ROOT, 4)), rel=1e-5)
    expected = replay(tree, growth).leaves
    assert [leaf["node"] for leaf in s["leaves"]] == [leaf.node for leaf in expected] and s["out"] == len(expected) > 3
    assert [leaf["logprob"] for leaf in s["leaves"]] == pytest.approx([leaf.phi for leaf in expected], rel=1e-5)
    assert s["exact"] == (0 if policy == "informative" else replay(tree, growth).exact)
    assert (s["state"], s["policy"], s["budget"], s["evaluated"]) == ("idle", policy, 60, 60)
    if policy != "fair":
        assert s["estimates"] == [] and all(leaf["weight"] is None for leaf in s["leaves"])
        return
    sample = draw(tree, seed=5, width=3, depth=4)
    given = {leaf["node"]: leaf["weight"] for leaf in s["leaves"] if leaf["weight"] is not None}
    assert list(given) == sample.leaves.tolist()
    assert list(given.values()) == pytest.approx(weights(sample).tolist(), rel=1e-5)
    length, share = s["estimates"]
    answers = toy.answers(4)
    truth = sum(p for path, p in answers.items() if path[-1] == 0)
    assert share["value"] == pytest.approx(truth, abs=max(0.05, 4 * share["error"]))
    mean_length = sum(p * len(path) for path, p in answers.items())
    assert length["value"] == pytest.approx(mean_length, abs=max(0.2, 4 * length["error"]))


def test_meanwhile_only_the_latest_answers_are_written():
    toy = Toy()
    tree = toy.tree()
    list(grow(tree, toy, "likely", budget=200, width=4, depth=4))
    growth = Growth("likely", 4, 4)
    (line,) = lines(standing_line(tree, Standing("growing", growth=growth)))
    everything = replay(tree, growth).leaves
    assert line["s"]["out"] == len(everything) > LEAVES_MEANWHILE == len(line["s"]["leaves"])
    assert line["s"]["leaves"][-1]["node"] == everything[-1].node


def header(uid: str, **changes) -> RunHeader:
    values = {
        "uid": uid, "title": "", "prompt": "Say something " * 9, "answer": "", "kind": "generation",
        "status": "finished", "model_name": "", "quantization": "", "tokens": 3, "seed": 1,
        "created_at": datetime.now(UTC), "tags": (), "note": "", "run_scores": {}, "example": False,
        "parent": None, "owner": "local",
    }  # fmt: skip
    return RunHeader(**values | changes)


def test_runs_end_where_their_path_ends_and_leave_where_their_parent_goes_on():
    first = PlacedRun(header("a", title="One"), None, (0, 1, 2, 3))
    branch = PlacedRun(header("b", kind="branch", parent="a", fork_position=2), "fresh", (0, 1, 2, 9, 10))
    short = PlacedRun(header("c", kind="branch", parent="a", fork_position=50), "same", (0, 1))
    (line,) = lines(runs_line([first, branch, short], "b"))
    assert [(r["uid"], r["fork"], r["end"], r["current"], r["luck"]) for r in line["runs"]] == [
        ("a", 0, 3, False, None),
        ("b", 2, 10, True, "fresh"),
        ("c", 1, 1, False, "same"),
    ]
    assert line["runs"][0]["title"] == "One" and line["runs"][1]["title"].startswith("Say something")


def test_marks_exports_and_problems_are_lines_of_their_own():
    assert lines(marks_line(Marks((4, 2), {7: "why"}))) == [{"marks": {"bookmarks": [4, 2], "notes": {"7": "why"}}}]
    assert lines(export_line("t.json", "{}\n")) == [{"export": {"name": "t.json", "text": "{}\n"}}]
    tree = Toy().tree()
    before = standing_line(tree, Standing(growth=Growth("likely", 2, 2)))
    first, problem = lines(with_problem(before, "It is full."))
    assert problem["s"] == first["s"] | {"state": "failed", "message": "It is full."}
    assert lines(with_problem("", "No."))[0]["s"]["message"] == "No."


@pytest.mark.parametrize(("prompt", "offset"), [("", 1), ("Tell", 0)])
def test_the_header_says_how_many_of_the_runs_own_tokens_stand_in_the_root(bench, tiny, prompt, offset):
    ids = tiny.encode_prompt(prompt) if prompt else []
    scored = score_tokens(tiny, ids, list(b"hello there"), prompt=prompt)
    uid = bench.store.runs.add(scored, owner="local", status="scored", run_scores={})
    said = lines(Trees(bench).open(uid, ME))
    assert said[0]["offset"] == offset
    path, end = 0, said[-1]["s"] and next(line["runs"] for line in said if "runs" in line)[0]["end"]
    parents = {row[0]: row[1] for line in said for row in line.get("n", [])}
    while end > 0:
        path, end = path + 1, parents[end]
    assert path + offset == 11, "the root and the path hold every token of the run once"


def test_a_loaded_file_is_said_and_one_that_is_no_tree_is_named_so(bench, tiny):
    scored = score_tokens(tiny, tiny.encode_prompt("Tell"), list(b"hello"), prompt="Tell")
    uid = bench.store.runs.add(scored, owner="local", status="scored", run_scores={})
    grove = Trees(bench)
    file = grove.export_tree(uid, ME).text
    said = lines(grove.import_tree(uid, file, ME))[-1]["s"]
    size = len(json.loads(file)["nodes"]) + 1
    assert said["state"] == "idle"
    assert said["message"].startswith(f"The file was loaded: it holds {size} tokens, 0 of which are new here.")
    assert "loaded" not in lines(grove.open(uid, ME))[-1]["s"]["message"]
    with pytest.raises(BadInput, match=r"^This file is no tree of Forklore\. .*format is"):
        grove.import_tree(uid, '{"some": "tree"}', ME)
    with pytest.raises(BadInput, match=r"^This file is no tree of Forklore\. .*not JSON"):
        grove.import_tree(uid, "{", ME)
    with pytest.raises(BadInput, match="which model") as problem:
        grove.import_tree(uid, json.dumps({**json.loads(file), "model": 1}), ME)
    assert "no tree of Forklore" not in str(problem.value), "a tree it is"
