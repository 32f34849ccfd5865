"""A tree goes to JSON and back bit for bit; whatever else comes in is refused with a sentence, never with a crash."""

import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.tree import ROOT, TreeLimits, masses
from engine.tree_estimates import draw
from engine.tree_growth import grow, insert
from engine.tree_json import tree_from_dict, tree_to_dict
from engine.tree_policies import POLICIES
from engine.tree_queue import Growth, replay
from tests.support.toy_tree import END, Given, Toy


def made(toy=None, steps=(("likely", 4, 2), ("fair", 3, 3), ("informative", 2, 1)), seed=2**63 - 1):
    tree = (toy := toy or Toy(vocabulary=5)).tree()
    for policy, budget, width in steps:
        list(grow(tree, toy, policy, budget=budget, width=width, depth=4, seed=seed))
    if any(not tree[i].finished for i in tree.children(ROOT)):
        insert(tree, toy, tree.children(ROOT)[0], [3, 4, END])
    return tree


def carried(tree):
    return tree_from_dict(json.loads(json.dumps(tree_to_dict(tree), allow_nan=False)))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(0, 1000),
    steps=st.lists(st.tuples(st.sampled_from(sorted(POLICIES)), st.integers(1, 8), st.integers(1, 5)), max_size=4),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_tree_comes_back_bit_for_bit_and_grows_on_as_if_it_had_never_left(rows, steps, seed):
    tree = made(toy := Toy(vocabulary=5, seed=rows), steps, seed)
    back = carried(tree)
    assert list(back) == list(tree) and back.root_ids == tree.root_ids and back.end_ids == tree.end_ids
    assert all(back.evaluation(n.index) == tree.evaluation(n.index) for n in tree)
    assert masses(back) == masses(tree)
    for policy in POLICIES:
        for each in (tree, back):
            list(grow(each, toy, policy, budget=3, width=3, depth=4, seed=seed))
        assert replay(back, Growth(policy, 3, 4, seed)) == replay(tree, Growth(policy, 3, 4, seed))
    assert draw(back, seed=seed, width=3, depth=4).kappa == draw(tree, seed=seed, width=3, depth=4).kappa
    assert tree_to_dict(back) == tree_to_dict(tree)


def test_impossible_tokens_and_values_with_all_digits_come_back():
    toy = Given({}, [0.5, 0.5, 0.0])
    tree = toy.tree()
    list(grow(tree, toy, "fair", budget=3, width=2, depth=3))
    last = insert(tree, toy, tree.children(ROOT)[0], [2])
    back = carried(tree)
    assert back[last].logprob == -math.inf and list(back) == list(tree)


def at(*keys):
    """A change of one value deep in the data."""

    def change(data, value):
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


NODE, EVALUATION, NOISE = ("nodes", 3), ("evaluations", 0), ("evaluations", 0, "noise", 0)
REFUSED = [
    (at("format"), "other", ["format", "'other'"]),
    (at("version"), 2, ["version 2", "only version 1"]),
    (at("noise"), {"version": "mt19937"}, ["noise", "philox4x64-v1"]),
    (at("root"), [], ["no root"]),
    (at("root"), [1, 9], ["root", "9", "0 to 4"]),
    (at("root"), "12", ["root", "list", "'12'"]),
    (at("root"), [1] * 64, ["64 tokens", "context"]),
    (at("end_ids"), None, ["end-of-turn", "missing"]),
    (at("vocabulary_size"), 0, ["vocabulary size", "0"]),
    (at("vocabulary_size"), True, ["vocabulary size", "True"]),
    (at("context_length"), 10**400, ["context length", "digits"]),
    (at("nodes"), {}, ["list of nodes"]),
    (at("nodes"), [[0, 1, -1.0, 0]] * 60, ["61 nodes", "at most 60"]),
    (at(*NODE), [0, 1], ["Node 4", "2 values", "four"]),
    (at(*NODE, 0), 999, ["Node 4", "parent 999", "not in the tree"]),
    (at(*NODE, 0), -1, ["parent -1"]),
    (at(*NODE, 0), 4, ["Node 4", "node 4", "cycle"]),
    (at(*NODE, 0), 6, ["Node 4", "node 6", "cycle"]),
    (at(*NODE, 0), 1.0, ["parent 1.0"]),
    (at(*NODE, 1), 5, ["token id of node 4", "5", "0 to 4"]),
    (at(*NODE, 2), math.nan, ["log-probability of node 4", "nan"]),
    (at(*NODE, 2), math.inf, ["log-probability of node 4", "inf"]),
    (at(*NODE, 2), 0.5, ["log-probability of node 4", "0.5"]),
    (at(*NODE, 2), "-1", ["log-probability of node 4", "a number"]),
    (at(*NODE, 2), -9.0, ["add up to", "not 1"]),
    (at(*NODE, 3), 2, ["forced", "2"]),
    (at("evaluations"), [], ["children but was never evaluated"]),
    (at("evaluations"), [7], ["evaluation", "7"]),
    (at(*EVALUATION, "node"), 999, ["node of an evaluation", "999"]),
    (at("evaluations", -1, "node"), 0, ["one too many"]),
    (at(*EVALUATION, "entropy"), -1.0, ["entropy of node 0", "-1.0"]),
    (at(*EVALUATION, "entropy"), math.nan, ["entropy", "nan"]),
    (at(*EVALUATION, "rest"), 1.5, ["remaining mass"]),
    (at(*EVALUATION, "width"), -1, ["width of node 0"]),
    (at(*EVALUATION, "dropped"), 1.0, ["best child left out"]),
    (at(*NOISE, "seed"), "x", ["seed", "'x'"]),
    (at(*NOISE, "seed"), 7, ["seed", "as text"]),
    (at(*NOISE, "seed"), "9999999999999999999", ["seed", "9999999999999999999"]),
    (at(*NOISE, "children"), [999], ["own children"]),
    (at(*NOISE, "children"), [True], ["own children"]),
    (at(*NOISE, "values"), [], ["0 values"]),
    (at(*NOISE, "values", 0), math.nan, ["one of its values", "nan"]),
    (at(*NOISE, "dropped"), math.inf, ["left out", "inf"]),
]


@pytest.mark.parametrize(("change", "value", "words"), REFUSED)
def test_what_is_no_tree_is_refused_with_what_is_wrong_and_where(change, value, words):
    data = tree_to_dict(made())
    tree_from_dict(copy.deepcopy(data))
    change(data, value)
    with pytest.raises(BadInput) as caught:
        tree_from_dict(data, tree_limits=TreeLimits(nodes=60))
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("data", [None, 3, "tree", [], {}, {"format": "forklore-tree"}])
def test_anything_else_is_refused(data):
    with pytest.raises(BadInput):
        tree_from_dict(data)


def test_a_token_twice_below_one_node_and_a_token_after_the_end_are_refused():
    data = tree_to_dict(made())
    repeated = copy.deepcopy(data)
    repeated["nodes"].append(repeated["nodes"][0])
    with pytest.raises(BadInput, match="repeats token"):
        tree_from_dict(repeated)
    ended = next(i for i, node in enumerate(data["nodes"], start=1) if node[1] == END)
    data["nodes"].append([ended, 1, -1.0, 0])
    with pytest.raises(BadInput, match="ended"):
        tree_from_dict(data)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 80),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-1, 6), max_size=4),
    st.dictionaries(st.sampled_from(["node", "seed", "width"]), st.integers(-1, 5), max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), value=VALUES)
def test_one_wrong_value_anywhere_is_refused_or_gives_a_tree_that_works(data, value):
    toy = Toy(vocabulary=5)
    whole = tree_to_dict(made(toy))
    place = whole
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = value
    try:
        tree = tree_from_dict(whole)
    except BadInput as refusal:
        assert str(refusal).endswith(".") and "\n" not in str(refusal)
        return
    assert tree_to_dict(tree_from_dict(tree_to_dict(tree))) == tree_to_dict(tree)
    for policy in POLICIES:
        outcome = replay(tree, Growth(policy, 3, 4, 2**63 - 1))
        assert not any(math.isnan(leaf.key) for leaf in outcome.leaves)
    assert not math.isnan(sum(vars(masses(tree)).values()))
