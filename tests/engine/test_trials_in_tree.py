"""Trials as nodes of a tree: exact log-probabilities, masses that add up, and growth that goes on from there."""

import math
from dataclasses import astuple

import numpy as np
import pytest

from engine.errors import BadInput
from engine.scoring import score_tokens
from engine.strategies import start
from engine.tree import ROOT, Tree, TreeLimits, masses
from engine.tree_forward import TreeForward
from engine.tree_growth import grow
from engine.tree_json import tree_from_dict, tree_to_dict
from engine.trials_in_tree import into_tree
from engine.types import GenerationRequest
from tests.support.toy_model import one_thread

REQUEST = GenerationRequest("Tell me", max_new_tokens=14, seed=3)
VALUES = {"cntp": {"most": 4, "cap": 6}, "power_smc": {"particles": 6, "alpha": 3}, "best_of_n": {"trials": 4}}


@pytest.fixture(scope="module", autouse=True)
def quick():
    with one_thread():
        yield


def tree_of(model, ids=None, **bounds):
    return Tree(
        ids or model.encode_prompt("Tell me", None),
        end_ids=model.end_ids,
        vocabulary_size=model.card.vocabulary_size,
        context_length=model.context_length,
        tree_limits=TreeLimits(**bounds),
    )


@pytest.mark.parametrize("name", VALUES)
def test_every_trial_and_the_answer_hang_below_the_root_with_exact_log_probabilities(tiny, name):
    *_, outcome = start(tiny, REQUEST, name, VALUES[name])
    tree = tree_of(tiny)
    planted = into_tree(tree, outcome)
    assert tree.path_ids(planted.answer[-1]) == tuple(step.token_id for step in outcome.steps)
    assert set(planted.trials) == {trial.number for trial in outcome.trials}
    for trial in outcome.trials:
        nodes = planted.trials[trial.number]
        assert tuple(tree[node].token_id for node in nodes) == trial.ids
        assert tree[nodes[0]].depth == trial.start + 1
        scored = score_tokens(tiny, tree.root_ids, tree.path_ids(nodes[-1])).scores["surprisal"]
        assert tree[nodes[-1]].phi == pytest.approx(-float(scored.sum(dtype=np.float64)), abs=1e-3)
        assert tree[nodes[-1]].finished == (trial.finish_reason == "stop")
    assert len(tree) <= 1 + sum(len(trial.ids) for trial in outcome.trials) + len(outcome.steps)


@pytest.mark.parametrize("name", VALUES)
def test_masses_add_up_and_the_tree_grows_on_from_there(tiny, name):
    *_, outcome = start(tiny, REQUEST, name, VALUES[name])
    tree = tree_of(tiny)
    into_tree(tree, outcome)
    before = masses(tree)
    assert math.fsum(astuple(before)) == pytest.approx(1.0, abs=1e-6)
    finished = [node.phi for node in tree if node.finished]
    assert before.finished == pytest.approx(sum(math.exp(phi) for phi in finished))
    *_, last = grow(tree, TreeForward(tiny, tree.root_ids), "likely", budget=30, width=5, depth=6)
    assert last.evaluated == 30
    assert math.fsum(astuple(last.masses)) == pytest.approx(1.0, abs=1e-9)
    for node in tree:
        row = [math.exp(tree[child].logprob) for child in tree.children(node.index)]
        evaluation = tree.evaluation(node.index)
        assert evaluation is None or sum(row) + tree.rest(node.index) == pytest.approx(1.0, abs=1e-5)


def test_planting_into_a_grown_tree_uses_its_nodes_and_keeps_its_masses(tiny):
    *_, outcome = start(tiny, REQUEST, "best_of_n", VALUES["best_of_n"])
    tree = tree_of(tiny)
    list(grow(tree, TreeForward(tiny, tree.root_ids), "likely", budget=40, width=40, depth=6))
    size, known = len(tree), [tree[i].logprob for i in range(len(tree))]
    into_tree(tree, outcome)
    assert size < len(tree) and [tree[i].logprob for i in range(size)] == known
    assert math.fsum(astuple(masses(tree))) == pytest.approx(1.0, abs=1e-5)
    grown = len(tree)
    into_tree(tree, outcome)
    assert len(tree) == grown, "planting twice adds nothing"


def test_a_strategy_that_began_at_a_node_hangs_below_it_and_the_tree_can_be_kept(tiny):
    *_, whole = start(tiny, REQUEST, "sample")
    tree = tree_of(tiny)
    planted = into_tree(tree, whole)
    at = planted.answer[3]
    *_, outcome = start(tiny, REQUEST, "cntp", VALUES["cntp"], earlier=tree.path_ids(at))
    below = into_tree(tree, outcome, at)
    assert tree.path_ids(below.answer[-1])[:4] == tree.path_ids(at)
    assert all(tree[nodes[0]].depth == outcome.trials[i].start + 1 for i, nodes in below.trials.items())
    again = tree_from_dict(tree_to_dict(tree))
    assert list(again) == list(tree)


def test_what_does_not_fit_is_refused_and_nothing_is_added(tiny):
    *_, outcome = start(tiny, REQUEST, "best_of_n", VALUES["best_of_n"])
    tree = tree_of(tiny, nodes=20)
    with pytest.raises(BadInput, match="at most 20 nodes; it has 1"):
        into_tree(tree, outcome)
    assert len(tree) == 1
    with pytest.raises(BadInput, match="no node 7"):
        into_tree(tree_of(tiny), outcome, 7)
    long = tree_of(tiny, [40] * 505)
    with pytest.raises(BadInput, match="context holds 512"):
        into_tree(long, outcome)
    tree = tree_of(tiny)
    end = tree.add(ROOT, 256, -1.0)
    with pytest.raises(BadInput, match="nothing can hang below it"):
        into_tree(tree, outcome, end)
