"""A tree from recorded runs holds what they recorded, stays whole whatever is put into it, and loses nothing."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import BadInput
from engine.generate import run
from engine.logprob_import import parse
from engine.scoring import score_text, score_tokens
from engine.tree import LIMITS, ROOT, Evaluation, Tree, TreeLimits, masses
from engine.tree_estimates import draw
from engine.tree_forward import TreeForward
from engine.tree_growth import grow
from engine.tree_json import tree_from_dict, tree_to_dict
from engine.tree_policies import keep_children, record
from engine.tree_queue import Growth, replay
from engine.tree_runs import SHOWN_SHARE, agreeing, copied, find, graft, known_ends, merge, root_of, tree_for
from engine.types import GenerationRequest
from tests.support.toy_tree import PROMPT, Given, Toy


@pytest.fixture(scope="module")
def traces(tiny):
    """One prompt, two seeds."""
    return [run(tiny, GenerationRequest("Tell me", max_new_tokens=40, seed=seed)) for seed in (3, 4)]


def whole(tree: Tree) -> Tree:
    """The tree as it comes back from JSON, where everything about it is checked."""
    return tree_from_dict(json.loads(json.dumps(tree_to_dict(tree), allow_nan=False)))


def same(one: Tree, other: Tree) -> bool:
    return tree_to_dict(one) == tree_to_dict(other)


def test_recorded_numbers_stand_in_the_tree_as_they_were_recorded(tiny, traces):
    trace = traces[0]
    tree = tree_for(trace, tiny.end_ids)
    path = graft(tree, trace)
    assert len(path) == len(trace) + 1 and tree.root_ids == tuple(trace.prompt_ids.tolist())
    assert tree.path_ids(path[-1]) == tuple(trace.token_ids.tolist())
    alternatives = 0
    for i, (above, node) in enumerate(itertools.pairwise(path)):
        evaluation = tree.evaluation(above)
        assert tree[node].logprob == -float(trace.scores["surprisal"][i])
        assert evaluation.entropy == float(trace.scores["entropy"][i])
        known = zip(trace.topk_ids[i].tolist(), trace.topk_logprobs[i].tolist(), strict=True)
        shown = {t: p for t, p in known if p >= math.log(SHOWN_SHARE)}
        children = {tree[c].token_id: tree[c].logprob for c in tree.children(above)}
        own = int(trace.token_ids[i])
        assert {t: p for t, p in children.items() if t != own} == {t: p for t, p in shown.items() if t != own}
        assert tree.rest(above) == pytest.approx(1 - sum(math.exp(p) for p in children.values()), abs=1e-12)
        alternatives += len(children) - 1
    assert alternatives > 20
    assert same(whole(tree), tree)
    assert sum(vars(masses(tree)).values()) == pytest.approx(1, abs=1e-6)


def test_what_nobody_looked_into_is_open_and_not_left_out(traces, tiny):
    tree = tree_for(traces[0], tiny.end_ids)
    path = graft(tree, traces[0])
    beside = [c for above in path[:-1] for c in tree.children(above) if c not in path]
    assert beside and all(tree.evaluation(c) is None and not tree.children(c) for c in beside)
    assert masses(tree).pruned == 0.0


def test_runs_of_one_prompt_share_their_beginning_and_nothing_is_put_in_twice(tiny, traces):
    tree = tree_for(traces[0], tiny.end_ids)
    paths = [graft(tree, trace) for trace in traces]
    size = len(tree)
    first, second = (trace.token_ids.tolist() for trace in traces)
    shared = next(i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    assert paths[0][: shared + 1] == paths[1][: shared + 1] and paths[0][shared + 1] != paths[1][shared + 1]
    assert [graft(tree, trace) for trace in traces] == paths and len(tree) == size
    assert same(whole(tree), tree)


def test_a_run_of_another_prompt_is_refused(tiny, traces):
    other = run(tiny, GenerationRequest("Tell you", max_new_tokens=3))
    with pytest.raises(BadInput, match="another prompt"):
        graft(tree_for(traces[0], tiny.end_ids), other)


def test_of_a_branch_what_a_person_wrote_is_forced_and_of_a_pasted_text_nothing_is(tiny, traces):
    ids = traces[0].token_ids.tolist()
    scored = score_tokens(tiny, traces[0].prompt_ids.tolist(), [*ids[:5], 65, 66, *ids[6:12]])
    rows = np.array([*range(5), -1, -1, *range(6, 12)])
    edited = replace(scored, kind="counterfactual", noise_rows=rows)
    tree = tree_for(traces[0], tiny.end_ids)
    graft(tree, traces[0])
    path = graft(tree, edited)
    assert [i for i, node in enumerate(path) if tree[node].forced] == [6, 7]
    pasted = score_text(tiny, "Tell me", "hello")
    assert not any(tree[node].forced for node in graft(tree, pasted)) and same(whole(tree), tree)


def test_without_a_prompt_the_first_token_is_the_root(tiny):
    pasted = score_tokens(tiny, [], list(b"hello there"))
    tree = tree_for(pasted, tiny.end_ids)
    path = graft(tree, pasted)
    assert root_of(pasted) == (ord("h"),) and path[:2] == (ROOT, ROOT)
    assert tree.prefix(path[-1]) == tuple(b"hello there") and len(path) == 12
    assert same(whole(tree), tree)


def test_what_an_api_returned_makes_a_tree_too(tiny):
    top = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.5}]
    content = [{"token": "Yes", "logprob": -0.1, "top_logprobs": top}, {"token": " so", "logprob": -0.5}]
    (trace,) = parse(json.dumps({"choices": [{"message": {"content": "Yes so"}, "logprobs": {"content": content}}]}))
    tree = tree_for(trace, known_ends([trace]))
    path = graft(tree, trace)
    assert len(path) == 3 and tree[path[-1]].logprob == pytest.approx(-0.5) and same(whole(tree), tree)


def test_the_end_of_a_turn_ends_the_path(tiny, traces):
    trace = traces[0]
    end = int(trace.token_ids[10])
    first = trace.token_ids.tolist().index(end)
    tree = tree_for(trace, [end])
    path = graft(tree, trace)
    assert len(path) == first + 2 and tree[path[-1]].finished and tree.evaluation(path[-1]) is None
    assert same(whole(tree), tree)
    unnamed = replace(trace, special_ids=frozenset())
    assert known_ends([trace]) == {256} == tiny.end_ids and known_ends([unnamed]) == frozenset()
    assert known_ends([unnamed, replace(unnamed, finish_reason="stop")]) == {int(trace.token_ids[-1])}


def test_a_tree_learns_which_tokens_end_a_turn_and_keeps_its_numbers_where_it_can(tiny, traces):
    tree = tree_for(traces[0], [])
    path = graft(tree, traces[0])
    same_numbers, placed = copied(tree, end_ids=tiny.end_ids)
    assert placed == {i: i for i in range(len(tree))} and same_numbers.end_ids == tiny.end_ids
    end = tree[path[20]].token_id
    cut, placed = copied(tree, end_ids=[end])
    assert len(cut) < len(tree) and not any(cut.children(n.index) for n in cut if n.finished)
    assert all(cut.path_ids(there) == tree.path_ids(here) for here, there in placed.items())
    assert same(whole(cut), cut)


def test_a_copy_is_the_tree_bit_for_bit_and_apart_from_it(tiny, traces):
    tree = tree_for(traces[0], tiny.end_ids)
    graft(tree, traces[0])
    evaluate = TreeForward(tiny, tree.root_ids)
    for policy in ("likely", "fair"):
        list(grow(tree, agreeing(tree, evaluate), policy, budget=12, width=4, depth=5, widen=policy == "likely"))
    before = tree_to_dict(tree)
    copy, _ = copied(tree)
    assert same(copy, tree)
    list(grow(copy, agreeing(copy, evaluate), "likely", budget=5, width=9, depth=7))
    assert tree_to_dict(tree) == before and not same(copy, tree)


def test_a_recorded_run_grows_on_and_the_tree_stays_whole(tiny, traces):
    tree = tree_for(traces[0], tiny.end_ids)
    path = graft(tree, traces[0])
    recorded = {i: tree[i] for i in range(len(tree))}
    start = path[7]
    evaluate = agreeing(tree, TreeForward(tiny, tree.prefix(start)))
    (*_, last) = grow(tree, evaluate, "likely", budget=300, width=5, depth=2, start=start, leaves=3, widen=True)
    assert last.reason == "leaves" and all(tree[i] == node for i, node in recorded.items())
    assert replay(tree, Growth("likely", 5, 2, start=start, widen=True)).exact >= 3
    assert same(whole(tree), tree)


def test_rows_of_a_coarse_pass_keep_what_is_in_the_tree(tiny, traces):
    tree = tree_for(traces[0], tiny.end_ids)
    path = graft(tree, traces[0])
    exact = TreeForward(tiny, tree.root_ids)

    def coarse(prefixes):
        noise = np.random.default_rng(1).normal(scale=1.0, size=(len(prefixes), tree.vocabulary_size))
        return exact(prefixes) + noise.astype(np.float32)

    rows = agreeing(tree, coarse)([tree.prefix(path[3])])
    for child in tree.children(path[3]):
        assert rows[0][tree[child].token_id] == pytest.approx(tree[child].logprob, abs=1e-6)
    assert np.exp(rows[0].astype(float)).sum() == pytest.approx(1, abs=1e-5)
    list(grow(tree, agreeing(tree, coarse), "likely", budget=40, width=6, depth=6))
    assert same(whole(tree), tree)
    # the control: without it the children of some node add up to more than 1
    bare = tree_for(traces[0], tiny.end_ids)
    graft(bare, traces[0])
    list(grow(bare, coarse, "likely", budget=40, width=6, depth=6))
    with pytest.raises(BadInput, match="add up to"):
        whole(bare)


def test_two_growths_apart_come_together_and_neither_loses_a_node(tiny, traces):
    base = tree_for(traces[0], tiny.end_ids)
    graft(base, traces[0])
    trees = []
    for policy, seed, width in (("likely", 0, 3), ("fair", 5, 6), ("fair", 5, 2)):
        tree, _ = copied(base)
        evaluate = agreeing(tree, TreeForward(tiny, tree.root_ids))
        list(grow(tree, evaluate, policy, budget=10, width=width, depth=4, seed=seed))
        trees.append(tree)
    for order in ((0, 1, 2), (2, 1, 0)):
        together, _ = copied(trees[order[0]])
        for number in order[1:]:
            placed = merge(together, trees[number])
            assert all(together.path_ids(h) == trees[number].path_ids(t) for t, h in placed.items())
            assert len(placed) == len(trees[number])
        paths = {together.path_ids(n.index) for n in together}
        assert paths == {tree.path_ids(n.index) for tree in trees for n in tree}
        assert same(whole(together), together)
        fair = Growth("fair", 6, 4, 5)
        assert replay(together, fair).leaves and [
            (together.path_ids(leaf.node), leaf.key) for leaf in replay(together, fair).leaves
        ] == [(trees[1].path_ids(leaf.node), leaf.key) for leaf in replay(trees[1], fair).leaves]
        assert draw(together, seed=5, width=6, depth=4).kappa == draw(trees[1], seed=5, width=6, depth=4).kappa


def test_contradicting_probabilities_never_add_up_to_more_than_one():
    one, other = Given({}, [0.1, 0.6, 0.3]).tree(), Given({}, [0.1, 0.2, 0.7]).tree()
    for tree, row in ((one, [0.1, 0.6, 0.3]), (other, [0.1, 0.2, 0.7])):
        record(tree, ROOT, keep_children(np.log(row), 1, None), 1, None)
    merge(one, other)
    logprobs = {one[c].token_id: one[c].logprob for c in one.children(ROOT)}
    assert math.exp(logprobs[1]) == pytest.approx(0.6) and math.exp(logprobs[2]) == pytest.approx(0.4)
    assert same(whole(one), one)


def test_a_tree_of_another_root_or_a_full_one_takes_nothing(tiny, traces):
    one = Toy().tree()
    other = Tree((*PROMPT, 1), end_ids=[0], vocabulary_size=4, context_length=64)
    with pytest.raises(BadInput, match="another prompt"):
        merge(one, other)
    small = tree_for(traces[0], tiny.end_ids, tree_limits=TreeLimits(nodes=20))
    with pytest.raises(BadInput, match="at most 20 nodes"):
        graft(small, traces[0])
    assert len(small) <= 20 and LIMITS.nodes > 20


def test_a_node_is_found_by_the_ids_of_its_path(tiny, traces):
    tree = tree_for(traces[0], tiny.end_ids)
    path = graft(tree, traces[0])
    assert all(find(tree, tree.path_ids(node)) == node for node in path)
    assert find(tree, [287]) is None and tree.evaluation(ROOT) != Evaluation(0.0)


def test_a_tree_of_a_larger_vocabulary_or_with_more_nodes_than_there_is_room_for_is_refused():
    small, large = Toy(vocabulary=4).tree(), Toy(vocabulary=5).tree()
    assert merge(large, small) == {ROOT: ROOT}
    with pytest.raises(BadInput, match="vocabulary"):
        merge(small, large)
    record(large, ROOT, keep_children(np.log([0.2] * 5), 5, None), 5, None)
    with pytest.raises(BadInput, match="at most 4 nodes"):
        copied(large, tree_limits=TreeLimits(nodes=4))
    assert len(copied(large, tree_limits=TreeLimits(nodes=6))[0]) == 6


def test_recorded_numbers_beyond_what_can_be_are_taken_to_their_bounds(tiny, traces):
    trace = traces[0]
    entropy, logprobs = trace.scores["entropy"].copy(), trace.topk_logprobs.copy()
    entropy[:2] = -1e-6, 99.0
    logprobs[0, 0] = 1e-6
    tree = tree_for(trace, tiny.end_ids)
    path = graft(tree, replace(trace, scores={**trace.scores, "entropy": entropy}, topk_logprobs=logprobs))
    assert tree.evaluation(path[0]).entropy == 0.0
    assert tree.evaluation(path[1]).entropy == math.log(tree.vocabulary_size)
    assert all(node.logprob <= 0.0 for node in tree)


def test_a_tree_may_be_filled_to_its_last_node():
    limits = TreeLimits(nodes=6)
    tree = Tree(PROMPT, end_ids=[0], vocabulary_size=5, context_length=64, tree_limits=limits)
    *_, last = grow(tree, Toy(vocabulary=5), "likely", budget=100, width=5, depth=4)
    assert last.reason == "full" and len(tree) == 6
