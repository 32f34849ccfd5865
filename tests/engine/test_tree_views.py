"""Folding shows all that matters and changes nothing: chains become one piece, thin branches are counted as hidden."""

import math

import pytest

from engine.errors import BadInput
from engine.tree import ROOT
from engine.tree_growth import grow, insert
from engine.tree_json import tree_to_dict
from engine.tree_views import segments, subtree_mass
from tests.support.toy_tree import END, Given, Toy

CHAIN = Given({(): [0.0, 0.3, 0.7], (2,): [0.0, 1.0, 0.0], (2, 1): [0.0, 0.0, 1.0]}, [0.5, 0.25, 0.25])


def full(toy, depth=4):
    tree = toy.tree()
    list(grow(tree, toy, "likely", budget=1000, width=toy.vocabulary, depth=depth))
    return tree


def test_nodes_without_a_fork_become_one_piece_down_to_the_fork():
    tree = full(CHAIN)
    first, second, *_ = segments(tree)
    assert first.nodes == (ROOT,) and first.parent == -1 and first.mass == 1.0
    assert [tree[i].token_id for i in second.nodes] == [2, 1, 2] and second.parent == 0
    assert second.mass == pytest.approx(0.7)
    apart = tree.child(tree.child(ROOT, 2), 1)
    assert [len(s.nodes) for s in segments(tree, apart=[apart])][1:3] == [1, 2]
    assert all(len(s.nodes) == 1 for s in segments(tree, collapse=False))


@pytest.mark.parametrize("collapse", [True, False])
@pytest.mark.parametrize("min_mass", [0.0, 0.01, 0.2, 1.0])
def test_every_node_is_shown_once_or_hidden_by_its_mass_and_parents_come_first(collapse, min_mass):
    tree = full(Toy(vocabulary=4))
    before = tree_to_dict(tree)
    found = segments(tree, min_mass=min_mass, collapse=collapse)
    assert tree_to_dict(tree) == before
    shown = [i for s in found for i in s.nodes]
    assert len(shown) == len(set(shown))
    assert set(shown) == {ROOT} | {n.index for n in tree if n.index and math.exp(n.phi) >= min_mass}
    for place, segment in enumerate(found):
        assert segment.parent < place
        above = tree[segment.nodes[0]].parent
        assert segment.parent == -1 if above == -1 else found[segment.parent].nodes[-1] == above
        away = [c for i in segment.nodes for c in tree.children(i) if c not in shown]
        assert segment.hidden == pytest.approx(sum(math.exp(tree[c].phi) for c in away))
    siblings = [s.mass for s in found if s.parent == 0]
    assert siblings == sorted(siblings, reverse=True)


def test_a_view_from_a_node_counts_its_mass_as_one_and_edits_stay_in_sight():
    toy = Toy(vocabulary=4)
    tree = toy.tree()
    list(grow(tree, toy, "likely", budget=1, width=1, depth=4))
    other = next(t for t in range(1, 4) if tree.child(ROOT, t) is None)
    last = insert(tree, toy, 1, [other, 1, END])
    assert last in {i for s in segments(tree, min_mass=1.0) for i in s.nodes}
    start = tree.path(last)[0]
    view = segments(tree, start)
    assert view[0].mass == 1.0 and view[0].nodes == tree.path(last)
    assert subtree_mass(tree, last, start) == pytest.approx(math.exp(tree[last].phi - tree[start].phi))
    with pytest.raises(ValueError, match="not below"):
        subtree_mass(tree, 1, start)


@pytest.mark.parametrize("min_mass", [-0.1, 1.1, math.nan])
def test_a_smallest_mass_that_is_no_share_is_refused(min_mass):
    with pytest.raises(BadInput, match="between 0 and 1"):
        segments(Toy().tree(), min_mass=min_mass)


def test_a_view_of_a_node_that_is_not_there_is_refused():
    with pytest.raises(BadInput, match="no node 5"):
        segments(Toy().tree(), 5)
