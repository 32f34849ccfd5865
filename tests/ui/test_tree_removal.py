"""What a person wrote into a tree can be taken out again, with what grew below it, and nothing else changes by it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from engine.errors import BadInput, Busy
from engine.tree_json import tree_from_dict, tree_to_dict
from tests.support.bench import ME
from tests.support.tree_documents import SMALL, afresh, analyses, branch, last, nodes, paths
from ui.access import Viewer
from ui.tree_fields import marks_from_plain
from ui.tree_view import Marks
from ui.trees import Trees

FORCED = 2


def write(grove: Trees, run: str, text: str = "ho", beside: int = 2) -> tuple[list[int], str]:
    """Writes a text beside a node: its new nodes from the first to the last, and the document."""
    known = set(nodes(grove.open(run, ME)))
    document = list(grove.edit(run, beside, text, ME))[-1]
    fresh = sorted(set(nodes(document)) - known)
    assert fresh and all(nodes(document)[i][6] & FORCED for i in fresh), "something new was written"
    return fresh, document


def below(document: str, top: int) -> set[int]:
    found = nodes(document)
    inside = {top}
    for index in sorted(found):
        if found[index][1] in inside:
            inside.add(index)
    return inside


def labelled(document: str) -> dict[tuple[str, ...], dict]:
    """Marks by the path of their node."""
    found, known = nodes(document), {0: ()}
    for index in sorted(found)[1:]:
        known[index] = (*known[found[index][1]], found[index][7] or found[index][2])
    marks = last(document, "marks")
    return {known[int(node)]: text for node, text in marks["notes"].items()}


def stored_marks(bench, run: str) -> Marks:
    (kept,) = analyses(bench, run)
    return marks_from_plain(kept.result["marks"])


def check_whole(grove: Trees, run: str) -> None:
    """The tree is one that can be read again, and everywhere its probabilities make 1."""
    found = nodes(grove.open(run, ME))
    for index, row in found.items():
        kids = [other[3] for other in found.values() if other[1] == index and other[3] is not None]
        if kids:
            assert sum(math.exp(p) for p in kids) + row[5] == pytest.approx(1, abs=1e-4)
    values = json.loads(grove.export_tree(run, ME).text)
    assert tree_to_dict(tree_from_dict(values)) == {key: values[key] for key in tree_to_dict(tree_from_dict(values))}


def test_what_was_written_is_gone_with_what_grew_below_it_and_marks_stay_where_they_were(bench, run, grove):
    before = paths(grove.open(run, ME))
    (first, *_, end), _ = write(grove, run)
    list(grove.grow(run, {**SMALL, "node": end}, ME))
    grown = list(grove.grow(run, {**SMALL, "node": 0, "width": 2}, ME))[-1]
    later = max(set(nodes(grown)) - below(grown, first))
    assert later > end, "a node whose number will change"
    grove.mark(run, later, ME, note="later")
    grove.mark(run, 3, ME, note="early")
    noted = labelled(grove.mark(run, end, ME, note="mine"))
    taken = below(grown, first)
    after = grove.remove(run, first, ME)
    assert last(after, "s")["state"] == "idle" and f"Removed {len(taken)} tokens" in last(after, "s")["message"]
    assert len(nodes(after)) == len(nodes(grown)) - len(taken)
    assert before <= paths(after) < paths(grown)
    assert (
        labelled(after) == {path: text for path, text in noted.items() if text != "mine"} and len(labelled(after)) == 2
    )
    for opened in (grove.open(run, ME), afresh(bench).open(run, ME)):
        assert nodes(opened) == nodes(after) and last(opened, "marks") == last(after, "marks")
    assert not any(row[6] & FORCED for row in nodes(after).values())
    check_whole(grove, run)
    assert "removed" not in json.loads(grove.export_tree(run, ME).text)["marks"] and "removed" not in last(
        after, "marks"
    )
    # and it can grow on
    assert last(list(grove.grow(run, SMALL, ME))[-1], "s")["state"] == "idle"


def test_what_was_removed_can_be_written_again_and_then_stays(bench, run, grove):
    (first, *_), written = write(grove, run)
    grove.remove(run, first, ME)
    again, document = write(grove, run)
    assert paths(document) == paths(written) and paths(afresh(bench).open(run, ME)) == paths(written)
    grove.remove(run, again[0], ME)
    assert paths(grove.open(run, ME)) < paths(written)


def test_a_removal_may_begin_within_what_was_written(run, grove):
    (first, second, *_), _ = write(grove, run, "hoho")
    after = nodes(grove.remove(run, second, ME))
    assert first in after and after[first][6] & FORCED and second not in {i for i in after if after[i][6] & FORCED}


def test_somebody_who_saves_an_older_tree_brings_nothing_back(bench, run, grove):
    (first, *_), written = write(grove, run)
    other = afresh(bench)
    stale = other._jobs.load(run, ME)
    after = grove.remove(run, first, ME)
    other._shelf.save(stale, ME)
    assert len(other._shelf.load(run, ME, other._jobs.at_hand).tree) == len(nodes(written)) > len(nodes(after))
    assert paths(afresh(bench).open(run, ME)) == paths(after) < paths(written)
    marked = afresh(bench).mark(run, 1, ME, bookmark=True)
    assert last(marked, "marks")["bookmarks"] == [1] and paths(marked) == paths(after)


def test_a_file_that_holds_what_was_removed_brings_it_back(bench, run, grove):
    (first, *_), written = write(grove, run)
    file = grove.export_tree(run, ME).text
    grove.remove(run, first, ME)
    assert paths(grove.import_tree(run, file, ME)) == paths(written) == paths(afresh(bench).open(run, ME))


def test_what_a_growth_found_as_well_stays_as_the_models_own(bench, run):
    first = afresh(bench)
    above = nodes(first.open(run, ME))[2][1]

    def beside(document: str) -> set[str]:
        return {row[2] for row in nodes(document).values() if row[1] == above}

    known = beside(first.open(run, ME))
    best = beside(list(first.grow(run, {"node": above, "width": 50, "depth": 1, "budget": 1}, ME))[-1]) - known
    bench.store.analyses.delete(analyses(bench, run)[0].uid, viewer="local")
    grove = afresh(bench)
    letters = [chr(i) for i in range(33, 127)]
    expected = [text for text in letters if text in best][:2]
    others = [text for text in letters if text not in best | known][:2]
    written = [*expected, *others]
    for text in written:
        write(grove, run, text)
    list(grove.grow(run, {"node": above, "width": 50, "depth": 1, "budget": 1}, ME))
    fair = {"node": above, "policy": "fair", "width": 4, "depth": 1, "budget": 1}
    leaves = {leaf["logprob"] for leaf in last(list(grove.grow(run, fair, ME))[-1], "s")["leaves"]}
    stayed, went = set(), set()
    for text in written:
        document = grove.open(run, ME)
        node = next(i for i, row in nodes(document).items() if row[1] == above and row[2] == text)
        logprob = nodes(document)[node][3]
        after = grove.remove(run, node, ME)
        rows = [row for row in nodes(after).values() if row[1] == above and row[2] == text]
        assert not any(row[6] & FORCED for row in rows)
        if rows:
            assert rows[0][3] == logprob and "stays as the model's own" in last(after, "s")["message"]
        (stayed if rows else went).add(text)
        assert {leaf["logprob"] for leaf in last(after, "s")["leaves"]} == leaves != set()
    check_whole(grove, run)
    assert stayed == set(expected) != set() and went == set(others) != set()


def test_what_a_run_goes_through_and_what_nobody_wrote_is_refused_in_a_sentence(bench, run, grove):
    other = branch(bench, run, 10, list(b"other"))
    document = grove.open(run, ME)
    entry = next(entry for entry in last(document, "runs") if entry["uid"] == other)
    written = next(i for i, row in nodes(document).items() if row[6] & FORCED)
    for node, words in (
        (written, "The run “.*” goes through this token"),
        (entry["end"], "goes through this token"),
        (0, "goes through this token"),
        (max(nodes(document)), "Only what a person wrote|goes through"),
        (10**5, "has no node"),
        ("x", "The node is 'x'"),
    ):
        with pytest.raises(BadInput, match=words):
            grove.remove(run, node, ME)
    assert analyses(bench, run) == [] and grove.open(run, ME) == document
    write(grove, run)
    alternative = next(i for i, row in nodes(grove.open(run, ME)).items() if row[6] == 8)
    with pytest.raises(BadInput, match="Only what a person wrote"):
        grove.remove(run, alternative, ME)
    assert not stored_marks(bench, run).removed, "nothing that was refused is remembered as removed"


def test_while_it_grows_nothing_is_removed(run, grove):
    (first, *_), _ = write(grove, run)
    job = grove.grow(run, SMALL, ME)
    next(job), next(job)
    with pytest.raises(Busy, match="growing"):
        grove.remove(run, first, ME)
    list(job)
    grove.remove(run, first, ME)


def test_what_somebody_else_wrote_for_everybody_is_not_taken_away(bench, run):
    trace = bench.store.runs.get(run, viewer="local").trace
    uid = bench.store.runs.add(trace, owner="examples", status="finished", run_scores={}, example=True)
    grove, owner = afresh(bench), Viewer("examples", "session-9", True)
    document = list(grove.edit(uid, 2, "ho", owner))[-1]
    written = last(document, "s")["start"]
    stranger = replace(ME, name="visitor:a", session="visitor:a")
    assert nodes(grove.open(uid, stranger))[written][6] & FORCED
    with pytest.raises(BadInput, match="Somebody else wrote this"):
        grove.remove(uid, written, stranger)
    assert paths(grove.open(uid, stranger)) == paths(document)
