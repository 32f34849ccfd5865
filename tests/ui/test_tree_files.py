"""Marks, exports, imports and paths of a tree: what is put on it and carried about stays on the same nodes."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from engine.errors import BadInput
from tests.support.bench import ME, lines
from tests.support.tree_documents import SMALL, afresh, analyses, last, nodes, paths


def test_marks_are_kept_with_the_tree_and_survive_its_growth(bench, run, grove):
    document = grove.mark(run, 3, ME, bookmark=True, note="why not")
    assert last(document, "marks") == {"bookmarks": [3], "notes": {"3": "why not"}}
    list(grove.grow(run, SMALL, ME))
    grove.mark(run, 7, ME, bookmark=True)
    assert last(afresh(bench).open(run, ME), "marks") == {"bookmarks": [3, 7], "notes": {"3": "why not"}}
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
    opened = afresh(bench).open(run, ME)
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
    fresh = afresh(bench)
    assert len(nodes(fresh.open(run, ME))) < len(nodes(before))
    after = fresh.import_tree(run, file.text, ME)
    assert nodes(after) == nodes(before) and last(after, "marks") == last(before, "marks")
    assert fresh.export_tree(run, ME).text == file.text


def test_an_import_loses_nothing_of_what_is_there(bench, run, grove):
    list(grove.grow(run, SMALL, ME))
    file = grove.export_tree(run, ME).text
    bench.store.analyses.delete(analyses(bench, run)[0].uid, viewer="local")
    there = afresh(bench)
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
        (lambda text: "", "It cannot be read"),
        (lambda text: "{" * 50, "nested"),
        (lambda text: text[:-5], "not JSON"),
        (lambda text: 5, "not int"),
        (lambda text: "[1]", "not a JSON object"),
        (wrong(lambda v: v.update(format="x")), "Its format is"),
        (wrong(lambda v: v.pop("model")), "which model"),
        (wrong(lambda v: v["model"].update(revision="b")), "another model.*revision"),
        (wrong(lambda v: v["model"].update(dtype="bfloat16")), "dtype"),
        (wrong(lambda v: v.update(root=[1, *v["root"]])), "another prompt"),
        (wrong(lambda v: v["noise"].update(version="other")), "drawn with the noise"),
        (wrong(lambda v: v["nodes"].append([10**9, 1, -1, 0])), "not in the tree"),
        (wrong(lambda v: v.update(marks=[])), "marks"),
        (wrong(lambda v: v["marks"].update(notes={"x": "y"})), "The node is 'x'"),
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
    assert nodes(afresh(bench).open(run, ME)) == after


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
