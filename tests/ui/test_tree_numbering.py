"""A node is named by its number only by those who count as the tree does now; all others are told, nothing is done."""

from __future__ import annotations

import threading
import time

import pytest

from engine.errors import BadInput
from engine.tree import Tree
from tests.support.bench import FIELDS, ME, OTHER, lines
from tests.support.tree_documents import SMALL, afresh, last, nodes, paths
from tests.ui.test_tree_removal import write
from ui.tree_numbering import CHANGED, agrees, check_numbering, numbering_of


def token(document: str) -> str:
    """The newest token of a document, as its page knows it."""
    found = [line.get("numbering") or line.get("s", {}).get("numbering") for line in lines(document)]
    return [each for each in found if each][-1]


def test_a_token_holds_while_a_tree_grows_and_for_no_other_tree():
    def tree(*ids: int) -> Tree:
        made = Tree([1], end_ids=[], vocabulary_size=20, context_length=50)
        for i, token_id in enumerate(ids):
            made.add(i // 2, token_id, -3.0)
        return made

    seen = numbering_of(tree(3, 4, 5))
    assert agrees(tree(3, 4, 5), seen, 3) and agrees(tree(3, 4, 5, 6), seen, 3)
    assert not agrees(tree(3, 4, 5, 6), seen, 4), "a node that was not there"
    assert not any(agrees(tree(*ids), seen, 1) for ids in ((3, 4), (3, 5, 4), (3, 4, 6), (4, 3, 5, 6)))
    for wrong in ("", "x", "-1-", "4", "9" * 30, f"{seen}0", 7):
        assert not agrees(tree(3, 4, 5), str(wrong), 1)
    check_numbering(tree(3), None, 99)
    with pytest.raises(BadInput, match=CHANGED):
        check_numbering(tree(3), "x", 0)


def test_a_page_that_saw_the_tree_before_a_removal_does_nothing_to_the_wrong_node(bench, run, grove):
    (first, *_), _ = write(grove, run)
    (other, *_), stale = write(grove, run, "ku")
    seen = token(stale)
    grove.remove(run, first, ME)
    assert nodes(grove.open(run, ME)).get(other) != nodes(stale)[other]
    before, result = grove.open(run, ME), lambda: afresh(bench).open(run, ME)
    for ask in (
        lambda node: grove.mark(run, node, ME, note="mine", numbering=seen),
        lambda node: grove.remove(run, node, ME, numbering=seen),
        lambda node: list(grove.edit(run, node, "x", ME, numbering=seen)),
        lambda node: list(grove.grow(run, {**SMALL, "node": node}, ME, numbering=seen)),
        lambda node: grove.path(run, node, ME, numbering=seen),
    ):
        with pytest.raises(BadInput, match=CHANGED):
            ask(other)
        assert result() == before
    # once it has looked again, the same is done
    now = token(before)
    assert now != seen
    assert last(grove.mark(run, 2, ME, note="mine", numbering=now), "marks")["notes"] == {"2": "mine"}


def test_a_page_that_saw_the_tree_before_it_grew_may_go_on(run, grove):
    seen = token(grove.open(run, ME))
    list(grove.grow(run, SMALL, ME))
    assert token(grove.open(run, ME)) != seen
    assert last(grove.mark(run, 3, ME, bookmark=True, numbering=seen), "marks")["bookmarks"] == [3]


def test_what_was_removed_and_brought_back_leaves_the_numbers_as_they_were(run, grove):
    (first, *_), written = write(grove, run)
    seen = token(written)
    gone = grove.remove(run, first, ME, numbering=seen)
    assert token(gone) != seen
    assert token(grove.restore(run, "", ME)) == seen


def test_a_removal_while_a_growth_waits_for_its_turn_stops_it(bench, run, grove):
    (first, *_), _ = write(grove, run)
    (other, *_), document = write(grove, run, "ku")
    held = bench.generate(FIELDS, OTHER)
    next(held)
    problems: list[str] = []

    def ask(start) -> threading.Thread:
        def work() -> None:
            try:
                for frame in start():
                    waiting.append(frame)
            except BadInput as problem:
                problems.append(str(problem))

        thread = threading.Thread(target=work)
        waiting: list[str] = []
        thread.start()
        deadline = time.monotonic() + 10
        while not waiting and time.monotonic() < deadline:
            time.sleep(0.02)
        assert last(waiting[0], "s")["state"] == "waiting"
        return thread

    thread = ask(lambda: grove.grow(run, {**SMALL, "node": other}, ME, numbering=token(document)))
    after = grove.remove(run, first, ME)
    list(held)
    thread.join(60)
    assert problems == [CHANGED] and paths(grove.open(run, ME)) == paths(after)
    # without a removal the same growth is done
    held = bench.generate(FIELDS, OTHER)
    next(held)
    now = last(after, "s")
    thread = ask(lambda: grove.edit(run, 2, "x", ME, numbering=token(after)))
    list(held)
    thread.join(60)
    assert now and problems == [CHANGED] and paths(grove.open(run, ME)) > paths(after)


def test_what_is_removed_while_a_growth_begins_stays_removed(bench, run, grove):
    (first, *_, end), _ = write(grove, run)
    job = grove.grow(run, {**SMALL, "node": end}, ME)
    next(job), next(job)
    opened = grove._jobs.load(run, ME)
    elsewhere = afresh(bench)  # knows nothing of the growth, as one that had not begun
    gone = elsewhere.remove(run, first, ME)
    grown = list(job)[-1]
    assert len(opened.tree) > len(nodes(gone)) and paths(grown) == paths(gone) == paths(afresh(bench).open(run, ME))
    back = nodes(afresh(bench).restore(run, "", ME))
    assert len(back) > len(opened.tree), "and what grew below it is not lost"


def test_a_mark_on_a_node_that_is_only_growing_finds_it_whatever_is_hidden(bench, run, grove):
    (first, *_, end), _ = write(grove, run)
    list(grove.grow(run, {**SMALL, "node": end}, ME))
    grove.remove(run, first, ME)
    known = len(nodes(grove.open(run, ME)))
    job = grove.grow(run, SMALL, ME)
    frame = [next(job) for _ in range(4)][-1]
    fresh = max(nodes(frame))
    assert fresh >= known
    shown = grove.mark(run, fresh, ME, note="here", numbering=token(frame))
    assert last(shown, "marks")["notes"] == {str(fresh): "here"} and shown.startswith(frame)
    early = grove.mark(run, 3, ME, bookmark=True, numbering=token(frame))
    assert last(early, "marks") == {"bookmarks": [3], "notes": {str(fresh): "here"}}
    done = list(job)[-1]
    text = nodes(frame)[fresh][1:4]
    for document in (done, afresh(bench).open(run, ME)):
        (noted,) = last(document, "marks")["notes"]
        assert nodes(document)[int(noted)][1:4] == text and last(document, "marks")["bookmarks"] == [3]


def test_a_mark_while_another_run_of_the_family_grows_is_answered_with_the_tree_of_the_run_asked_for(bench, run, grove):
    from tests.support.tree_documents import branch

    other = branch(bench, run, 10, list(b"other"))
    seen = token(grove.open(other, ME))
    job = grove.grow(run, SMALL, ME)
    frame = [next(job) for _ in range(3)][-1]
    answer = grove.mark(other, 3, ME, bookmark=True, numbering=seen)
    assert lines(answer)[0]["run"] == other and last(answer, "marks")["bookmarks"] == [3]
    here = grove.mark(run, 4, ME, bookmark=True, numbering=token(frame))
    assert lines(here)[0]["run"] == run and last(here, "marks")["bookmarks"] == [3, 4] and here.startswith(frame)
    assert last(list(job)[-1], "marks")["bookmarks"] == [3, 4]
