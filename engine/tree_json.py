"""A tree as plain values that JSON can hold, and back, bit for bit; what comes in is checked before it is a tree.

Python's JSON writes each float64 with as many digits as bring it back exactly; -inf, which JSON lacks, is null.
Does not know files, nor what a person attached to a node.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from engine import limits
from engine.errors import BadInput
from engine.tree import LIMITS, ROOT, Evaluation, Noise, Tree, TreeLimits
from engine.tree_policies import PREFIX_HASH
from engine.types import NOISE_VERSION

FORMAT = "forklore-tree"
VERSION = 1
# children of one node may exceed 1 together by what several passes over it round differently
SLACK = 1e-3


def tree_to_dict(tree: Tree) -> dict[str, Any]:
    """The whole tree: nodes as [parent, token id, log-probability, forced], in order, without the root.

    evaluations: one object a node that was evaluated; seeds are written as text, because many readers of JSON round
    whole numbers above 2^53.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "noise": {"version": NOISE_VERSION, "prefix_hash": PREFIX_HASH},
        "root": list(tree.root_ids),
        "end_ids": sorted(tree.end_ids),
        "vocabulary_size": tree.vocabulary_size,
        "context_length": tree.context_length,
        "nodes": [
            [node.parent, node.token_id, _written(node.logprob), int(node.forced)]
            for node in tree
            if node.index != ROOT
        ],
        "evaluations": list(_evaluations(tree)),
    }


def tree_from_dict(data: object, *, tree_limits: TreeLimits = LIMITS) -> Tree:
    """The tree that `tree_to_dict` wrote, with the same numbers in every bit.

    Raises BadInput, one sentence naming what is wrong and where, for anything else: unknown parents, cycles, values
    that are no probabilities, too many nodes, noise of another kind.
    """
    top = _mapping(data, "The tree")
    if top.get("format") != FORMAT:
        raise BadInput(f"Its format is {_shown(top.get('format'))}, not {FORMAT!r}.")
    if top.get("version") != VERSION or isinstance(top["version"], bool):
        raise BadInput(f"The tree has version {_shown(top.get('version'))}; only version {VERSION} can be read here.")
    expected = {"version": NOISE_VERSION, "prefix_hash": PREFIX_HASH}
    if top.get("noise") != expected:
        raise BadInput(
            f"The tree was drawn with the noise {_shown(top.get('noise'))}; only {expected} can be read here."
        )
    vocabulary = _count(top.get("vocabulary_size"), "The vocabulary size", 1, 2**31)
    end_ids = _ids(top.get("end_ids"), "The end-of-turn ids", vocabulary)
    tree = Tree(
        _ids(top.get("root"), "The root", vocabulary),
        end_ids=end_ids,
        vocabulary_size=vocabulary,
        context_length=_count(top.get("context_length"), "The context length", 1, 2**31),
        tree_limits=tree_limits,
    )
    nodes = _list(top.get("nodes"), "The list of nodes")
    if len(nodes) >= tree_limits.nodes:
        raise BadInput(f"The tree has {len(nodes) + 1:,} nodes; at most {tree_limits.nodes:,} can be read here.")
    for index, entry in enumerate(nodes, start=1):
        _add(tree, index, entry, len(nodes))
    for entry in _list(top.get("evaluations"), "The list of evaluations"):
        _evaluate(tree, entry)
    _check_sums(tree)
    return tree


def _evaluations(tree: Tree) -> Iterator[dict[str, Any]]:
    for node in tree:
        evaluation = tree.evaluation(node.index)
        if evaluation is not None:
            yield {
                "node": node.index,
                "entropy": evaluation.entropy,
                "rest": tree.rest(node.index),
                "width": evaluation.width,
                "dropped": _written(evaluation.dropped),
                "noise": [
                    {
                        "seed": str(seed),
                        "width": drawn.width,
                        "children": list(drawn.children),
                        "values": list(drawn.values),
                        "dropped": _written(drawn.dropped),
                    }
                    for seed, drawn in sorted(evaluation.noise.items())
                ],
            }


def _add(tree: Tree, index: int, entry: object, count: int) -> None:
    where = f"Node {index:,} of the tree"
    values = _list(entry, where)
    if len(values) != 4:
        raise BadInput(f"{where} has {len(values)} values; it needs four: parent, token id, log-probability, forced.")
    parent, token_id, logprob, forced = values
    if isinstance(parent, bool) or not isinstance(parent, int) or not 0 <= parent <= count:
        raise BadInput(f"{where} has the parent {_shown(parent)}, which is not in the tree.")
    if parent >= index:
        raise BadInput(
            f"{where} has node {parent:,} as its parent, which does not come before it: the tree runs in a cycle or is "
            "out of order."
        )
    token = _count(token_id, f"The token id of node {index:,}", 0, tree.vocabulary_size - 1)
    if tree[parent].finished:
        raise BadInput(f"{where} follows node {parent:,}, at which the answer has ended.")
    if len(tree.root_ids) + tree[parent].depth + 1 > tree.context_length:
        raise BadInput(f"{where} lies beyond the model's context of {tree.context_length:,} tokens.")
    if tree.child(parent, token) is not None:
        raise BadInput(f"{where} repeats token {token} below node {parent:,}.")
    if isinstance(forced, bool) or forced not in (0, 1):
        raise BadInput(f"{where} says {_shown(forced)} for forced; it must be 0 or 1.")
    tree.add(parent, token, _logprob(logprob, f"The log-probability of node {index:,}"), forced=forced == 1)


def _evaluate(tree: Tree, entry: object) -> None:
    values = _mapping(entry, "An evaluation of the tree")
    index = _count(values.get("node"), "The node of an evaluation", 0, len(tree) - 1)
    where = f"of node {index:,}"
    if tree[index].finished or tree.evaluation(index) is not None:
        raise BadInput(f"The evaluation {where} is one too many: it is finished, or there are two.")
    entropy = _number(values.get("entropy"), f"The entropy {where}", 0.0, math.log(tree.vocabulary_size) + SLACK)
    # it follows from the children, so it is written for other readers and only checked here
    rest = _number(values.get("rest"), f"The remaining mass {where}", 0.0, 1.0 + SLACK)
    if abs(rest - tree.rest(index)) > SLACK:
        raise BadInput(
            f"The probabilities below node {index:,} of the tree add up to {1 - tree.rest(index) + rest:.6g}, not 1."
        )
    most = max(tree.limits.width, tree.vocabulary_size)
    width = _count(values.get("width"), f"The width {where}", 0, most)
    dropped = _logprob(values.get("dropped"), f"The best child left out {where}")
    noise = dict(_noise(tree, index, each) for each in _list(values.get("noise"), f"The noise {where}"))
    tree.set_evaluation(index, Evaluation(entropy, width, dropped, noise))


def _noise(tree: Tree, index: int, entry: object) -> tuple[int, Noise]:
    where = f"The noise of node {index:,}"
    values = _mapping(entry, where)
    seed = values.get("seed")
    if not isinstance(seed, str) or not (seed.isascii() and seed.isdigit()) or len(seed) > 19:
        raise BadInput(f"{where} has the seed {_shown(seed)}; it must be a whole number, written as text.")
    _count(int(seed), f"{where}: its seed", 0, limits.MAX_SEED)
    width = _count(values.get("width"), f"{where}: its width", 1, max(tree.limits.width, tree.vocabulary_size))
    children = _list(values.get("children"), f"{where}: its children")
    below = set(tree.children(index))
    if not 1 <= len(children) <= width or not all(type(i) is int and i in below for i in children):
        raise BadInput(f"{where} must list 1 to {width:,} of the node's own children.")
    if len(set(children)) != len(children) or any(tree[i].logprob == -math.inf for i in children):
        raise BadInput(f"{where} lists a child twice, or one of probability 0.")
    drawn = _list(values.get("values"), f"{where}: its values")
    if len(drawn) != len(children):
        raise BadInput(f"{where} has {len(drawn):,} values for {len(children):,} children.")
    # Gumbel noise of 52-bit uniform numbers lies within these
    exact = tuple(_number(value, f"{where}: one of its values", -10.0, 100.0) for value in drawn)
    dropped = values.get("dropped")
    best_dropped = -math.inf if dropped is None else _number(dropped, f"{where}: its best child left out", -1e6, 100.0)
    return int(seed), Noise(width, tuple(children), exact, best_dropped)


def _check_sums(tree: Tree) -> None:
    """Every node with children was evaluated, and they do not add up to more than 1."""
    for node in tree:
        children = tree.children(node.index)
        if children and tree.evaluation(node.index) is None:
            raise BadInput(f"Node {node.index:,} of the tree has children but was never evaluated.")
        whole = math.fsum(math.exp(tree[child].logprob) for child in children)
        if whole > 1.0 + SLACK:
            raise BadInput(f"The probabilities below node {node.index:,} of the tree add up to {whole:.6g}, not 1.")


def _written(value: float) -> float | None:
    return None if value == -math.inf else value


def _logprob(value: object, what: str) -> float:
    return -math.inf if value is None else _number(value, what, -1e6, SLACK)


def _number(value: object, what: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{what} is {_shown(value)}; it must be a number.")
    # NaN fails both comparisons
    if not low <= value <= high:
        raise BadInput(f"{what} is {_shown(value)}; it must lie between {low:g} and {high:g}.")
    return float(value)


def _count(value: object, what: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadInput(f"{what} is {_shown(value)}; it must be a whole number from {low:,} to {high:,}.")
    return value


def _ids(value: object, what: str, vocabulary: int) -> list[int]:
    return [_count(each, f"{what}: a token id", 0, vocabulary - 1) for each in _list(value, what)]


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadInput(f"{what} must be a list; it is {_shown(value)}.")
    return value


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{what} must be an object with named values; it is {_shown(value)}.")
    return value


def _shown(value: object) -> str:
    """The start of a foreign value, never the whole of a long one; numbers too long to print are named."""
    if isinstance(value, list | dict):
        return f"a list of {len(value):,}" if isinstance(value, list) else f"an object of {len(value):,}"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    return "missing" if value is None else repr(value[:40] if isinstance(value, str) else value)
