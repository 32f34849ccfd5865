"""Tags of a tree's nodes: read as people type them, refused in a sentence, carried wherever bookmarks and notes are."""

from __future__ import annotations

import json

import pytest

from engine.errors import BadInput
from tests.support.bench import ME
from tests.support.tree_documents import SMALL, afresh, analyses, last, nodes
from ui.tree_api import record
from ui.tree_fields import marks_from_plain, marks_to_plain, moved, remarked, tags_of, together, within
from ui.tree_view import Marks


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        ("wrong turn, Later ,  to  check\n", ("wrong turn", "Later", "to check")),
        ("Later, LATER, later", ("Later",)),
        (["a", "b, c"], ("a", "b", "c")),
        (" , ,", ()),
        ("", ()),
        ("x" * 40, ("x" * 40,)),
        (",".join("abcdefgh"), tuple("abcdefgh")),
    ],
)
def test_tags_are_read_as_people_type_them(written, tags):
    assert tags_of(written) == tags


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("fine, " + "x" * 41, "has 41 characters; a tag has at most 40"),
        (",".join("abcdefghi"), "There are 9 tags; one node has at most 8"),
        (5, "must be words with commas"),
        (["a", None], "must be words with commas"),
        ({"a": 1}, "must be words with commas"),
    ],
)
def test_bad_tags_are_one_sentence_and_store_nothing(bench, run, grove, written, words):
    with pytest.raises(BadInput, match=words):
        grove.mark(run, 1, ME, tags=written)
    assert analyses(bench, run) == []


def test_tags_are_kept_with_the_tree_beside_the_other_marks_and_taken_away_alone(bench, run, grove):
    document = grove.mark(run, 3, ME, note="why", tags="Odd, later")
    assert last(document, "marks") == {"bookmarks": [], "notes": {"3": "why"}, "tags": {"3": ["Odd", "later"]}}
    list(grove.grow(run, SMALL, ME))
    grove.mark(run, 3, ME, bookmark=True)
    grove.mark(run, 5, ME, tags=["odd"])
    kept = afresh(bench).open(run, ME)
    assert last(kept, "marks")["tags"] == {"3": ["Odd", "later"], "5": ["odd"]}
    assert record(kept)["tags"] == {"3": ["Odd", "later"], "5": ["odd"]}
    grove.mark(run, 3, ME, tags="")
    assert last(grove.open(run, ME), "marks") == {"bookmarks": [3], "notes": {"3": "why"}, "tags": {"5": ["odd"]}}
    grove.mark(run, 5, ME, tags=[])
    after = grove.open(run, ME)
    assert "tags" not in last(after, "marks") and record(after)["tags"] == {}


def test_a_tag_put_on_a_node_that_is_only_growing_stays_on_it(bench, run, grove):
    known = len(nodes(grove.open(run, ME)))
    job = grove.grow(run, SMALL, ME)
    node = max(nodes([next(job) for _ in range(4)][-1]))
    assert node > known
    assert last(grove.mark(run, node, ME, tags="new"), "marks")["tags"] == {str(node): ["new"]}
    list(job)
    assert last(afresh(bench).open(run, ME), "marks")["tags"] == {str(node): ["new"]}


def test_tags_travel_in_a_file_and_meet_those_that_are_there(bench, run, grove):
    grove.mark(run, 4, ME, tags="Odd, €")
    file = grove.export_tree(run, ME).text
    assert json.loads(file)["marks"]["tags"] == {"4": ["Odd", "€"]}
    bench.store.analyses.delete(analyses(bench, run)[0].uid, viewer="local")
    fresh = afresh(bench)
    assert "tags" not in last(fresh.open(run, ME), "marks")
    fresh.mark(run, 4, ME, tags="odd, here")
    assert last(fresh.import_tree(run, file, ME), "marks")["tags"] == {"4": ["odd", "here", "€"]}
    without = json.loads(file)
    del without["marks"]["tags"]
    assert last(fresh.import_tree(run, json.dumps(without), ME), "marks")["tags"] == {"4": ["odd", "here", "€"]}
    for spoiled, words in (({"4": "x" * 41}, "41 characters"), ({"x": ["a"]}, "The node is 'x'"), ([1], "one of tags")):
        without["marks"]["tags"] = spoiled
        with pytest.raises(BadInput, match=words):
            fresh.import_tree(run, json.dumps(without), ME)


def test_marks_of_the_time_before_tags_open_and_look_as_they_did():
    old = {"bookmarks": [2], "notes": {"3": "why"}}
    marks = marks_from_plain(old)
    assert marks == Marks((2,), {3: "why"}) and marks_to_plain(marks) == old
    tagged = remarked(marks, 7, None, None, "x")
    assert marks_from_plain(json.loads(json.dumps(marks_to_plain(tagged)))) == tagged != marks


def test_tags_move_with_their_nodes_and_go_with_them():
    marks = Marks((), {}, {1: ("a",), 2: ("b",), 9: ("new",)})
    assert moved(marks, {1: 4}, 3).tags == {4: ("a",), 9: ("new",)}
    assert within(marks, 2).tags == {1: ("a",)}
    many = together(Marks(tags={1: tuple("abcdefgh")}), Marks(tags={1: ("A", "z"), 2: ("c",)}))
    assert many.tags == {1: tuple("abcdefgh"), 2: ("c",)}
    full = Marks(tuple(range(200)), dict.fromkeys(range(200, 399), "n"), {399: ("t",)})
    with pytest.raises(BadInput, match="400 nodes"):
        remarked(full, 400, None, None, "one more")
    assert remarked(full, 399, None, None, "other").tags == {399: ("other",)}
