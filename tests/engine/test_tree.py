"""What a tree promises under any policy: exact masses, exact n-best, one result however it is grown, clear refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.tree import ROOT, Tree, TreeLimits, masses
from engine.tree_growth import grow, insert
from engine.tree_json import tree_to_dict
from engine.tree_policies import POLICIES, policy_named
from engine.tree_queue import Growth, replay
from tests.support.toy_tree import END, PROMPT, Given, Toy


def grown(toy, policy="likely", *, budget=1000, width=5, depth=4, **options):
    tree = toy.tree()
    *_, last = grow(tree, toy, policy, budget=budget, width=width, depth=depth, **options)
    return tree, last


def paths(tree, outcome):
    return [tree.path_ids(leaf.node) for leaf in outcome.leaves]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [1, 3, 10])
def test_likely_gives_the_n_most_probable_answers_of_an_exhaustive_search(seed, count):
    toy = Toy(vocabulary=5, seed=seed)
    answers = toy.answers(4)
    best = sorted(answers, key=lambda path: -answers[path])[:count]
    tree, last = grown(toy, leaves=count)
    outcome = replay(tree, Growth("likely", 5, 4))
    assert last.reason == "leaves" and outcome.exact >= count
    assert paths(tree, outcome)[:count] == best
    np.testing.assert_allclose([math.exp(leaf.phi) for leaf in outcome.leaves[:count]], [answers[p] for p in best])
    assert toy.asked < len({path[:i] for path in answers for i in range(len(path))}), "it looked at everything"


def test_a_width_too_small_says_how_many_answers_are_certain_and_widening_finds_the_others():
    toy = Toy(vocabulary=5, seed=3)
    answers = toy.answers(4)
    ranked = sorted(answers, key=lambda path: -answers[path])
    tree, _ = grown(toy, width=2)
    outcome = replay(tree, Growth("likely", 2, 4))
    assert 1 <= outcome.exact < len(outcome.leaves)
    assert paths(tree, outcome)[: outcome.exact] == ranked[: outcome.exact]
    assert paths(tree, outcome) != ranked[: len(outcome.leaves)], "a width of 2 cannot find them all"
    *_, last = grow(tree, toy, "likely", budget=1000, width=2, depth=4, leaves=10, widen=True, batch=3)
    wide = replay(tree, Growth("likely", 2, 4, widen=True))
    assert last.reason == "leaves" and wide.exact == len(wide.leaves) >= 10
    assert paths(tree, wide)[:10] == ranked[:10]


@pytest.mark.parametrize("policy", POLICIES)
def test_widening_brings_out_every_answer_in_the_end_in_the_order_of_a_full_width(policy):
    narrow, last = grown(toy := Toy(vocabulary=5), policy, width=1, depth=3, widen=True, batch=4)
    full, _ = grown(Toy(vocabulary=5), policy, width=5, depth=3)
    got, expected = replay(narrow, Growth(policy, 1, 3, widen=True)), replay(full, Growth(policy, 5, 3))
    assert last.reason == "complete" and last.masses.open == last.masses.pruned == 0.0
    if policy != "informative":  # there a deeper node may come before the one above it
        assert paths(narrow, got) == paths(full, expected)
    assert set(paths(narrow, got)) == set(toy.answers(3))


def test_informative_looks_next_where_probability_times_entropy_is_largest():
    toy = Toy(vocabulary=4, seed=1)
    tree = toy.tree()
    for _ in range(12):
        waiting = [n for n in tree if tree.evaluation(n.index) is None and not n.finished and n.depth < 4]
        above = {n.index: [ROOT, *tree.path(n.index)[:-1]] for n in waiting}
        heat = {i: np.mean([tree.evaluation(j).entropy for j in above[i]]) if i else 1.0 for i in above}
        expected = max(waiting, key=lambda n: math.exp(n.phi) * heat[n.index]).index
        list(grow(tree, toy, "informative", budget=1, width=4, depth=4))
        assert tree.evaluation(expected) is not None


def test_one_certain_step_does_not_hide_what_lies_behind_it():
    toy = Given({(): [0.1, 0.3, 0.6], (2,): [0.0, 0.0, 1.0]}, [0.2, 0.4, 0.4])
    tree, _ = grown(toy, "informative", budget=4, width=3)
    behind = tree.child(tree.child(ROOT, 2), 2)
    assert tree.evaluation(tree.child(ROOT, 2)).entropy == 0.0
    assert tree.evaluation(behind) is not None


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("width", "budget"), [(1, 3), (2, 7), (5, 9), (5, 1000)])
def test_masses_are_those_of_the_full_tree_and_add_up_to_one(policy, width, budget):
    toy = Toy(vocabulary=5)
    answers = toy.answers(3)
    for last in grow(tree := toy.tree(), toy, policy, budget=budget, width=width, depth=3, batch=2):
        m = last.masses
        assert abs(m.finished + m.limited + m.open + m.pruned - 1.0) < 1e-9
    assert m == masses(tree, ROOT, 3)
    ended = [n for n in tree if n.finished]
    cut = [n for n in tree if not n.finished and n.depth == 3]
    assert abs(m.finished - sum(answers[tree.path_ids(n.index)] for n in ended)) < 1e-9
    assert abs(m.limited - sum(answers[tree.path_ids(n.index)] for n in cut)) < 1e-9
    listed = [tree.path_ids(n.index) for n in tree if tree.evaluation(n.index) is None and not n.finished]
    inside = [a for path in listed if len(path) < 3 for a in answers if a[: len(path)] == path]
    assert abs(m.open - sum(answers[a] for a in inside)) < 1e-9
    if width == 5:
        assert m.pruned == 0.0
    if budget == 1000 and width == 5:
        assert last.reason == "complete" and m.open == 0.0


def test_a_prefix_at_the_depth_limit_is_no_finished_answer_and_a_deeper_growth_goes_on_from_it():
    toy = Toy()
    tree, first = grown(toy, depth=1)
    outcome = replay(tree, Growth("likely", 5, 1))
    assert {leaf.finished for leaf in outcome.leaves} == {True, False}
    assert all(leaf.finished == (tree[leaf.node].token_id == END) for leaf in outcome.leaves)
    assert first.masses.limited > 0 and toy.asked == 1
    *_, deeper = grow(tree, toy, "likely", budget=1000, width=5, depth=3)
    fresh, _ = grown(Toy(), depth=3)
    assert tree_to_dict(tree) == tree_to_dict(fresh)
    assert deeper.masses.finished > first.masses.finished


@settings(max_examples=40, deadline=None)
@given(
    policy=st.sampled_from(sorted(POLICIES)),
    pieces=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    batch=st.integers(1, 9),
    width=st.integers(1, 5),
    closed_after=st.integers(1, 3),
    widen=st.booleans(),
)
def test_a_growth_in_pieces_and_batches_of_any_size_gives_the_same_tree(
    policy, pieces, batch, width, closed_after, widen
):
    whole, last = grown(Toy(vocabulary=5), policy, budget=sum(pieces), width=width, widen=widen, batch=1)
    toy = Toy(vocabulary=5)
    tree = toy.tree()
    for budget in pieces:
        list(grow(tree, toy, policy, budget=budget, width=width, widen=widen, depth=4, batch=batch))
    assert tree_to_dict(tree) == tree_to_dict(whole)
    assert replay(tree, Growth(policy, width, 4, widen=widen)) == replay(whole, Growth(policy, width, 4, widen=widen))
    assert max(toy.batches) <= batch
    # left alone in the middle of a batch's turn, then taken up again
    cut, left = Toy(vocabulary=5).tree(), last.evaluated
    running = grow(cut, toy, policy, budget=left, width=width, widen=widen, depth=4, batch=batch)
    for _, progress in zip(range(closed_after), running, strict=False):
        spent = progress.evaluated
    running.close()
    if spent < left:
        list(grow(cut, toy, policy, budget=left - spent, width=width, widen=widen, depth=4, batch=batch))
    assert tree_to_dict(cut) == tree_to_dict(whole)


def test_another_policy_over_the_same_tree_gives_what_it_would_alone():
    for first in POLICIES:
        for second in POLICIES:
            tree, _ = grown(toy := Toy(vocabulary=5), first, budget=6, width=2)
            list(grow(tree, toy, second, budget=1000, width=3, depth=4, leaves=3))
            alone, _ = grown(Toy(vocabulary=5), second, width=3, leaves=3)
            got, expected = (replay(t, Growth(second, 3, 4)) for t in (tree, alone))
            assert paths(tree, got)[:3] == paths(alone, expected)[:3]
            assert [leaf.key for leaf in got.leaves[:3]] == [leaf.key for leaf in expected.leaves[:3]]
            m = masses(tree)
            assert abs(m.finished + m.open + m.pruned - 1.0) < 1e-9


def test_one_more_brings_out_one_more_and_stops():
    toy = Toy(vocabulary=5)
    tree = toy.tree()
    seen = []
    for count in (1, 2, 3, 4):
        *_, last = grow(tree, toy, "fair", budget=1000, width=5, depth=4, leaves=count, batch=1)
        assert last.reason == "leaves" and last.leaves == count
        now = [leaf.node for leaf in replay(tree, Growth("fair", 5, 4)).leaves]
        assert now[: len(seen)] == seen and len(now) >= count
        seen = now


def test_stop_is_heard_between_batches_and_nothing_is_lost():
    toy = Toy(vocabulary=5)
    tree = toy.tree()
    asked = iter([False, False, True])
    *_, last = grow(tree, toy, "likely", budget=100, width=5, depth=4, batch=2, cancelled=lambda: next(asked))
    assert last.reason == "cancelled" and toy.batches == [1, 2]
    fresh, _ = grown(Toy(vocabulary=5), budget=last.evaluated)
    assert tree_to_dict(tree) == tree_to_dict(fresh)


@pytest.mark.parametrize("batch", [1, 8, 64])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_full_tree_stops_growing_at_its_limit_whatever_the_batch(policy, batch):
    limits = TreeLimits(nodes=52)
    tree = Tree(PROMPT, end_ids=[END], vocabulary_size=5, context_length=64, tree_limits=limits)
    *_, last = grow(tree, Toy(vocabulary=5), policy, budget=100, width=5, depth=4, batch=batch)
    assert last.reason == "full" and 52 - 5 < len(tree) <= 52
    one, _ = grown(Toy(vocabulary=5), policy, budget=last.evaluated, batch=1)
    assert tree_to_dict(tree) == tree_to_dict(one), "it stopped at another place than a growth one by one"
    *_, again = grow(tree, Toy(vocabulary=5), policy, budget=100, width=5, depth=4, batch=batch)
    assert again.reason == "full" and again.evaluated == 0


@pytest.mark.parametrize("name", ["best", "", None, 3, ["likely"], [], {"likely": 1}, {}])
def test_what_is_no_policy_is_refused_with_those_that_are(name):
    with pytest.raises(BadInput, match=r"There is no policy .*: choose one of likely, fair, informative"):
        policy_named(name)
    assert policy_named("likely").name == "likely"


def test_a_growth_from_a_node_stays_below_it_and_its_masses_are_shares_of_that_node():
    toy = Toy(vocabulary=4)
    tree, _ = grown(toy, budget=1)
    start = tree.child(ROOT, 2)
    *_, last = grow(tree, toy, "likely", budget=1000, width=4, depth=2, start=start)
    assert {n.index for n in tree if tree.evaluation(n.index)} <= {ROOT, *tree.below(start)}
    m = last.masses
    assert abs(m.finished + m.limited - 1.0) < 1e-9
    best = replay(tree, Growth("likely", 4, 2, start=start)).leaves[0]
    assert best.phi == pytest.approx(tree[best.node].phi - tree[start].phi)


def test_an_edit_becomes_a_sibling_with_the_model_s_own_probability_and_changes_nothing_else():
    toy = Toy(vocabulary=5)
    tree, _ = grown(toy, budget=8, width=2)
    before, best = list(tree), replay(tree, Growth("likely", 2, 4))
    top = tree.child(ROOT, tree[tree.children(ROOT)[0]].token_id)
    other = next(t for t in range(1, 5) if tree.child(ROOT, t) is None)
    last = insert(tree, toy, top, [other, 3, END])
    assert list(tree)[: len(before)] == before
    assert replay(tree, Growth("likely", 2, 4)) == best, "an edit must not enter what the model chose"
    assert tree.path_ids(last) == (other, 3, END) and tree[last].finished
    assert [tree[i].forced for i in tree.path(last)] == [True] * 3
    assert math.exp(tree[last].phi) == pytest.approx(toy.answers(3)[(other, 3, END)])
    m = masses(tree)
    assert abs(m.finished + m.limited + m.open + m.pruned - 1.0) < 1e-9
    size, asked = len(tree), toy.asked
    assert insert(tree, toy, top, [other, 3, END]) == last and (len(tree), toy.asked) == (size, asked)
    alone = next(i for i in tree.path(last))
    list(grow(tree, toy, "likely", budget=3, width=5, depth=3, start=alone))
    assert len(tree.children(alone)) == 5


def test_an_edit_that_the_model_rules_out_is_there_and_has_no_mass():
    toy = Given({}, [0.5, 0.5, 0.0])
    tree, _ = grown(toy, budget=1, width=3)
    last = insert(tree, toy, tree.child(ROOT, 1), [2, 1])
    assert tree[last].phi == -math.inf and tree.child(ROOT, 2) is not None
    assert abs(sum(vars(masses(tree)).values()) - 1.0) < 1e-9
    *_, progress = grow(tree, toy, "fair", budget=5, width=3, depth=2, start=last)
    assert abs(sum(vars(progress.masses).values()) - 1.0) < 1e-9


@pytest.mark.parametrize("policy", POLICIES)
def test_certain_and_impossible_tokens_and_prefixes_too_rare_for_a_float_leave_no_nan(policy):
    rare = math.exp(-80)
    toy = Given({(): [0.0, 1.0, 0.0]}, [rare, rare, 1.0])
    tree, last = grown(toy, policy, budget=60, width=3, depth=12)
    assert tree.children(ROOT) == (1,), "a token of probability 0 is no child"
    outcome = replay(tree, Growth(policy, 3, 12))
    assert all(math.isfinite(n.phi) for n in tree) and not any(math.isnan(leaf.key) for leaf in outcome.leaves)
    assert abs(sum(vars(last.masses).values()) - 1.0) < 1e-9
    deep = insert(tree, toy, 1, [1] * 11)
    assert tree[deep].phi < -700
    *_, below = grow(tree, toy, policy, budget=20, width=3, depth=3, start=deep)
    assert abs(sum(vars(below.masses).values()) - 1.0) < 1e-9


def test_equal_probabilities_come_out_with_the_lower_ids_first():
    tree, _ = grown(Given({}, [0.25] * 4), width=4, depth=2)
    outcome = paths(tree, replay(tree, Growth("likely", 4, 2)))
    assert outcome == [(0,), *((a, b) for a in (1, 2, 3) for b in range(4))]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": "lucky"}, ["'lucky'", "likely, fair, informative"]),
        ({"width": 0}, ["width", "0", "1 to 1,000"]),
        ({"width": 10**9}, ["width", "1000000000"]),
        ({"width": True}, ["width", "True"]),
        ({"depth": -1}, ["depth", "-1"]),
        ({"depth": 63}, ["depth of 63", "at most 62"]),
        ({"budget": 0}, ["budget", "0"]),
        ({"budget": 10**7}, ["budget", "100,000"]),
        ({"batch": 0}, ["batch"]),
        ({"batch": 1.5}, ["batch", "1.5"]),
        ({"leaves": 0}, ["number of answers"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": 2**63}, ["seed"]),
        ({"start": 99}, ["no node 99", "0 to"]),
        ({"start": -1}, ["no node -1"]),
        ({"start": "finished"}, ["ended its answer"]),
    ],
)
def test_a_growth_that_cannot_be_is_refused_before_anything_is_evaluated(options, words):
    toy = Toy(vocabulary=4)
    tree, _ = grown(toy, budget=1)
    if options.get("start") == "finished":
        options = {"start": tree.child(ROOT, END)}
    asked = toy.asked
    with pytest.raises(BadInput) as caught:
        grow(tree, toy, **{"policy": "likely", "budget": 5, "width": 3, "depth": 3, **options})
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert toy.asked == asked


@pytest.mark.parametrize(
    ("root", "words"),
    [([], ["no root"]), ([1] * 64, ["64 tokens", "context of 64", "shorten"]), ([5], ["Token id 5"]), ([-1], ["-1"])],
)
def test_a_root_that_cannot_be_is_refused(root, words):
    with pytest.raises(BadInput) as caught:
        Tree(root, end_ids=[END], vocabulary_size=5, context_length=64)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("beside", "ids", "words"),
    [
        (ROOT, [1], ["root"]),
        (1, [], ["1 to 1,000 tokens"]),
        (1, [9], ["Token id 9"]),
        (1, [END, 1], ["ends the answer"]),
        (1, [1] * 63, ["65 tokens", "shorten"]),
        (77, [1], ["no node 77"]),
    ],
)
def test_an_edit_that_cannot_be_is_refused_and_leaves_the_tree_alone(beside, ids, words):
    toy = Toy()
    tree, _ = grown(toy, budget=1)
    size = len(tree)
    with pytest.raises(BadInput) as caught:
        insert(tree, toy, beside, ids)
    assert all(word in str(caught.value) for word in words) and len(tree) == size


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_row_is_a_defect_that_is_named_and_adds_no_node(bad):
    toy = Toy()
    tree = toy.tree()
    with pytest.raises(ValueError, match="NaN"):
        list(grow(tree, lambda prefixes: np.full((len(prefixes), 4), bad), "likely", budget=1, width=2, depth=2))
    assert len(tree) == 1 and tree.evaluation(ROOT) is None


def test_an_answer_no_better_than_one_left_out_is_not_certain():
    tree, _ = grown(Given({}, [0.25] * 4), width=2, depth=1)
    outcome = replay(tree, Growth("likely", 2, 1))
    assert len(outcome.leaves) == 2 and outcome.leaves[0].key == outcome.dropped
    assert outcome.exact == 0, "two others are as probable"
    assert replay(grown(Given({}, [0.25] * 4), width=4, depth=1)[0], Growth("likely", 4, 1)).exact == 4


def test_equal_probabilities_come_out_with_the_lower_ids_first_whatever_the_numbers_of_the_nodes():
    toy = Given({}, [0.25] * 4)
    tree, _ = grown(toy, width=1, depth=2, budget=1)
    numbers = [insert(tree, toy, 1, [token_id]) for token_id in (3, 2, 1)]
    list(grow(tree, toy, "likely", budget=100, width=4, depth=2))
    assert numbers == sorted(numbers)
    assert paths(tree, replay(tree, Growth("likely", 4, 2))) == [
        (0,), *((a, b) for a in (1, 2, 3) for b in range(4))
    ]  # fmt: skip


def test_each_widening_looks_at_twice_as_many_children():
    toy = Given({}, [1 / 32] * 32)
    tree = Tree(PROMPT, end_ids=[END], vocabulary_size=32, context_length=64)
    *_, last = grow(tree, toy, "likely", budget=100, width=1, depth=1, widen=True)
    assert last.reason == "complete" and len(tree.children(ROOT)) == 32
    assert last.evaluated == 6, "1, 2, 4, 8, 16 and 32 children"


@pytest.mark.parametrize("policy", ["likely", "fair"])
def test_where_every_child_is_known_a_greater_width_asks_nothing(policy):
    toy = Given({}, [0.5, 0.25, 0.25, 0.0])
    tree, _ = grown(toy, policy, width=3, depth=2)
    asked = toy.asked
    *_, last = grow(tree, toy, policy, budget=100, width=4, depth=2)
    assert (last.reason, last.evaluated, toy.asked) == ("complete", 0, asked) and asked > 1


def test_the_last_place_of_the_context_can_be_reached():
    toy = Toy()
    tree, _ = grown(toy, budget=1, depth=62)
    assert len(PROMPT) + 62 == tree.context_length
    last = insert(tree, toy, 1, [1] * 62)
    assert len(tree.prefix(last)) == tree.context_length
    with pytest.raises(BadInput, match="shorten"):
        insert(tree, toy, 1, [1] * 63)


def test_every_token_of_a_long_edit_has_its_probability_after_all_that_precede_it():
    toy = Toy()
    tree, _ = grown(toy, budget=1)
    ids = [1, 2, 3, 3, 2] * 8
    last = insert(tree, toy, 1, ids)
    for i, index in enumerate(tree.path(last)):
        assert tree[index].logprob == pytest.approx(float(toy.row((*PROMPT, *ids[:i]))[ids[i]]), abs=1e-5)
