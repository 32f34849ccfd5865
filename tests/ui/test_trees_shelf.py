"""The shelf of trees opens whatever is on it, shows nobody another person's tree and lets nobody wait for another."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import pytest

from engine import generate
from engine.errors import BadInput
from engine.testing import tiny_model
from engine.tree import LIMITS, Tree
from engine.tree_forward import TreeForward
from engine.tree_growth import grow
from engine.tree_json import tree_from_dict
from engine.tree_runs import agreeing, copied
from engine.types import GenerationRequest
from tests.support.bench import FIELDS, ME
from tests.support.tree_documents import analyses, branch
from ui import tree_shelf
from ui.access import Viewer
from ui.tree_fields import TRUSTED, asked_growth, remarked
from ui.tree_shelf import REMEMBERED, OpenTree, TreeShelf

OWNER = Viewer("visitor:owner", "visitor:owner", False)
GUEST = Viewer("visitor:guest", "visitor:guest", False)
SECRET = "what I think of it"


@pytest.fixture(scope="module")
def recorded(tiny):
    """A run of 40 tokens."""
    return generate.run(tiny, GenerationRequest(**FIELDS))


@pytest.fixture
def shelf(bench):
    return TreeShelf(bench.store)


def opened(shelf: TreeShelf, uid: str, viewer: Viewer = ME) -> OpenTree:
    return shelf.load(uid, viewer, lambda trace: None)


def grown(bench, before: OpenTree, nodes: int = LIMITS.nodes, policy: str = "likely") -> OpenTree:
    """The same tree after some growth; nodes: as many as it may have then."""
    tree, _ = copied(before.tree, tree_limits=replace(LIMITS, nodes=nodes))
    evaluate = agreeing(tree, TreeForward(bench.host.model(), tree.root_ids))
    *_, last = grow(tree, evaluate, policy, budget=30, width=4, depth=4)
    assert last.evaluated and len(tree) > len(before.tree)
    return replace(before, tree=tree)


def paths(tree: Tree) -> set[tuple[int, ...]]:
    return {tree.path_ids(node.index) for node in tree}


def uids(tree: OpenTree) -> set[str]:
    return {run.header.uid for run in tree.runs}


def unlisted(bench, uid: str, viewer: Viewer = OWNER) -> str:
    bench.store.runs.update(uid, viewer=viewer.name, visibility="unlisted")
    return uid


def test_a_full_tree_opens_and_takes_in_runs_that_came_since(bench, recorded, shelf):
    run = bench.keep(recorded, ME)
    before = opened(shelf, run)
    full = grown(bench, before, len(before.tree) + 40)
    full.tree.limits = replace(LIMITS, nodes=len(full.tree))
    shelf.save(full, ME)
    later = branch(bench, run, 10, list(b"something else"))
    after = opened(shelf, run)
    assert later in uids(after) and len(after.tree) > len(full.tree) and paths(full.tree) < paths(after.tree)
    assert paths(opened(TreeShelf(bench.store), run).tree) == paths(after.tree)


def test_two_trees_that_are_full_together_open_and_are_stored(bench, recorded, shelf, monkeypatch):
    run = bench.keep(recorded, ME)
    small = replace(LIMITS, nodes=len(opened(shelf, run).tree) + 30)
    monkeypatch.setattr(tree_shelf, "LIMITS", small, raising=False)
    monkeypatch.setattr(tree_shelf, "tree_from_dict", partial(tree_from_dict, tree_limits=small))
    first, second = opened(shelf, run), opened(TreeShelf(bench.store), run)
    one, other = grown(bench, first, small.nodes), grown(bench, second, small.nodes, "fair")
    both = paths(one.tree) | paths(other.tree)
    assert len(both) > small.nodes >= len(one.tree)
    TreeShelf(bench.store).save(one, ME)
    # of the other it is known only here
    shelf.remember(other, ME)
    assert paths(opened(shelf, run).tree) == both
    shelf.save(other, ME)
    assert paths(opened(TreeShelf(bench.store), run).tree) == both and len(analyses(bench, run)) == 1


def test_while_one_persons_save_waits_for_the_store_others_open_and_save(bench, recorded, shelf, monkeypatch):
    mine, theirs = bench.keep(recorded, OWNER), bench.keep(recorded, GUEST)
    waiting, go_on, save = threading.Event(), threading.Event(), bench.store.analyses.save

    def slow(uid, *, viewer, **values):
        if viewer == OWNER.name:
            waiting.set()
            assert go_on.wait(30)
        return save(uid, viewer=viewer, **values)

    monkeypatch.setattr(bench.store.analyses, "save", slow)
    held = grown(bench, opened(shelf, mine, OWNER))
    twin = grown(bench, opened(shelf, mine, OWNER), policy="fair")
    saving = [threading.Thread(target=shelf.save, args=(tree, OWNER)) for tree in (held, twin)]
    saving[0].start()
    assert waiting.wait(30)
    other = threading.Thread(target=lambda: shelf.save(opened(shelf, theirs, GUEST), GUEST))
    other.start()
    other.join(10)
    stuck = other.is_alive()
    # the same tree waits its turn: otherwise there would be two of it
    saving[1].start()
    saving[1].join(0.3)
    in_turn = saving[1].is_alive()
    go_on.set()
    for thread in (*saving, other):
        thread.join(30)
    assert not stuck and in_turn and len(analyses(bench, theirs, GUEST)) == 1
    assert len(analyses(bench, mine, OWNER)) == 1
    assert paths(opened(shelf, mine, OWNER).tree) == paths(held.tree) | paths(twin.tree)


@pytest.mark.parametrize("example", [False, True])
def test_an_unlisted_run_does_not_show_its_owners_tree_and_an_example_does(bench, recorded, shelf, example):
    run = bench.store.runs.add(
        recorded, owner=OWNER.name, status="finished", run_scores={}, example=example, visibility="unlisted"
    )
    private = branch(bench, run, 10, list(b"private"), viewer=OWNER)
    tree = grown(bench, opened(shelf, run, OWNER))
    shelf.save(tree, OWNER, remark=lambda marks, placed: remarked(marks, 3, True, SECRET))
    own = opened(shelf, run, OWNER)
    assert own.marks.notes == {3: SECRET} and own.analysis and private in uids(own)
    seen = opened(shelf, run, GUEST)
    assert uids(seen) == {run}
    if example:
        assert seen.marks.notes == {3: SECRET} and paths(seen.tree) == paths(own.tree)
        return
    alone = opened(TreeShelf(bench.store), bench.keep(recorded, GUEST), GUEST)
    assert seen.marks.notes == {} and seen.marks.bookmarks == () and (seen.analysis, seen.growth) == ("", None)
    assert paths(seen.tree) == paths(alone.tree) < paths(own.tree)
    # what the guest puts there is the guest's, and the owner's stays
    shelf.save(seen, GUEST, remark=lambda marks, placed: remarked(marks, 1, True, "mine"))
    assert opened(shelf, run, GUEST).marks.notes == {1: "mine"}
    assert opened(TreeShelf(bench.store), run, OWNER).marks.notes == {3: SECRET}


def test_a_branch_of_an_unlisted_run_lies_in_the_same_tree_from_either(bench, recorded, shelf):
    hidden = bench.keep(recorded, OWNER)
    shared = unlisted(bench, branch(bench, hidden, 12, list(b"shared"), viewer=OWNER))
    mine = branch(bench, shared, 14, list(b"mine"), viewer=GUEST)
    first, second = opened(shelf, shared, GUEST), opened(shelf, mine, GUEST)
    assert first.anchor == second.anchor == shared and uids(first) == uids(second) == {shared, mine}
    shelf.save(grown(bench, second), GUEST, remark=lambda marks, placed: remarked(marks, 2, True, None))
    again = TreeShelf(bench.store)
    from_both = [opened(again, uid, GUEST) for uid in (shared, mine)]
    assert len({each.analysis for each in from_both}) == 1 and from_both[0].marks.bookmarks == (2,)
    assert analyses(bench, mine, GUEST) == []
    # the owner's goes up to the first run; once the guest may open that, too, it is the guest's as well
    assert opened(shelf, shared, OWNER).anchor == hidden
    unlisted(bench, hidden)
    assert {opened(shelf, uid, GUEST).anchor for uid in (hidden, shared, mine)} == {hidden}


def test_a_branch_of_a_run_that_was_taken_back_begins_a_tree_of_its_own(bench, recorded, shelf):
    shared = unlisted(bench, bench.keep(recorded, OWNER))
    mine = branch(bench, shared, 14, list(b"mine"), viewer=GUEST)
    assert opened(shelf, mine, GUEST).anchor == shared
    bench.store.runs.update(shared, viewer=OWNER.name, visibility="private")
    alone = opened(shelf, mine, GUEST)
    assert alone.anchor == mine and uids(alone) == {mine}


def test_what_others_open_does_not_push_out_what_i_see(bench, recorded, shelf, monkeypatch):
    run = bench.keep(recorded, ME)
    unsaved = grown(bench, opened(shelf, run))
    shelf.remember(unsaved, ME)
    others = [Viewer(f"visitor:{i}", f"visitor:{i}", False) for i in range(3)]
    theirs = replace(unsaved, tree=opened(TreeShelf(bench.store), run).tree)
    for i in range(3 * REMEMBERED):
        shelf.remember(replace(theirs, anchor=f"tree {i}"), others[i % 3])
    assert len(shelf._shown) == 1 + 3 * REMEMBERED
    shelf.remember(replace(theirs, anchor="one more"), others[0])
    assert len(shelf._shown) == 1 + 3 * REMEMBERED and (others[0].name, "tree 0") not in shelf._shown
    monkeypatch.setattr(tree_shelf, "REMEMBERED_BY_ALL", 10, raising=False)
    shelf.remember(replace(theirs, anchor="another"), others[1])
    assert len(shelf._shown) == 10 and (others[1].name, "another") in shelf._shown
    monkeypatch.setattr(tree_shelf, "REMEMBERED_NODES", len(unsaved.tree) + 3 * len(theirs.tree), raising=False)
    shelf.remember(replace(theirs, anchor="the last"), others[2])
    assert len(shelf._shown) == 4 and {name for name, _ in shelf._shown} == {ME.name, *(o.name for o in others)}
    assert paths(opened(shelf, run).tree) == paths(unsaved.tree)


@pytest.mark.parametrize("policy", [["likely"], [], {"name": "likely"}, {}, 3, False])
def test_a_policy_that_is_no_name_is_refused_with_the_names_there_are(policy):
    with pytest.raises(BadInput, match="choose one of likely, fair, informative"):
        asked_growth({"policy": policy}, TRUSTED)
    assert {asked_growth({"policy": name}, TRUSTED).growth.policy for name in (None, "", "likely")} == {"likely"}


def test_another_models_run_does_not_join_the_tree_it_came_from(bench, recorded, shelf):
    shared = unlisted(bench, bench.keep(recorded, OWNER))
    mine = branch(bench, shared, 14, list(b"mine"), viewer=GUEST)
    assert opened(shelf, mine, GUEST).anchor == shared
    card = tiny_model(seed=1).card
    trace = replace(bench.store.runs.get(mine, viewer=GUEST.name).trace, model=card)
    foreign = bench.store.runs.add(
        trace, owner=GUEST.name, status="finished", run_scores={}, parent=shared, fork_position=0
    )
    assert opened(shelf, foreign, GUEST).anchor == foreign
