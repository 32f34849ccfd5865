"""Growing a tree: one best-first queue that any policy drives, stopped and taken up again at any point.

A growth keeps nothing of its own: its queue is made again from the tree each time, so that a growth in pieces, in
batches of any size, gives the tree of one that was never stopped. Does not know models: `evaluate` is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine import limits
from engine.errors import BadInput
from engine.out_of_memory import spared
from engine.tree import ROOT, Masses, Tree, around, masses, total
from engine.tree_policies import Kept, Place, forced_child, keep_children, prefix_noise, record
from engine.tree_queue import Growth, Queue, check, check_whole

# prefixes (all ids from the very first) to float32 [b, V], log-probabilities of what follows each
Evaluate = Callable[[list[tuple[int, ...]]], np.ndarray]
Reason = Literal["leaves", "complete", "budget", "cancelled", "full"]
FORCED_BATCH = 16


@dataclass(frozen=True)
class Progress:
    """Where a growth stands. evaluated: nodes looked into by this call; nodes: in the tree; leaves: brought out so
    far, by earlier calls too; masses: shares of the start's probability; reason: why it ended, None while it goes on.
    """

    evaluated: int
    nodes: int
    leaves: int
    masses: Masses
    reason: Reason | None


def grow(
    tree: Tree,
    evaluate: Evaluate,
    policy: str,
    *,
    budget: int,
    width: int,
    depth: int,
    batch: int = 8,
    leaves: int | None = None,
    seed: int = 0,
    start: int = ROOT,
    widen: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Progress]:
    """Look into up to `budget` more nodes, best first, and say after each batch where the growth stands.

    The first Progress is where it stands before anything was evaluated, the last one has a reason. leaves: stop once
    that many have come out in all, counted from the first growth of the kind ("one more" is one more than before);
    for `likely` with `widen` that is exact n-best. batch: nodes evaluated at once; those evaluated ahead of their turn
    enter the tree when it comes, so the tree does not depend on it. `fair` gains little by it: it follows one answer
    to its end before the next. May be closed at any point. Raises BadInput.
    """
    growth = check(tree, Growth(policy, width, depth, seed, start, widen))
    check_whole("budget", budget, tree.limits.budget)
    check_whole("batch", batch, tree.limits.batch)
    if leaves is not None:
        check_whole("number of answers", leaves, tree.limits.nodes)
    stopped = cancelled or (lambda: False)
    return _run(tree, evaluate, growth, budget, batch, leaves, stopped)


def insert(tree: Tree, evaluate: Evaluate, beside: int, ids: Sequence[int]) -> int:
    """Put an edited continuation beside a node: the number of its last node. What is there stays as it was.

    ids: n >= 1 tokens in place of the node's own; those that the tree holds already are used, others are added as
    forced, with the model's own log-probability. Growths from above go by the model's choice only; grow with `start`
    at the new node to go on from it. Raises BadInput.
    """
    parent = _check_edit(tree, beside, ids)
    known = 0
    while known < len(ids) and (child := tree.child(parent, int(ids[known]))) is not None:
        parent, known = child, known + 1
    missing = [int(i) for i in ids[known:]]
    prefix = tree.prefix(parent)
    for low in range(0, len(missing), FORCED_BATCH):
        chunk = range(low, min(low + FORCED_BATCH, len(missing)))
        rows = _rows(tree, evaluate, [(*prefix, *missing[:i]) for i in chunk])
        for i, row in zip(chunk, rows, strict=True):
            logprob, evaluation = forced_child(row, missing[i])
            child = tree.add(parent, missing[i], logprob, forced=True)
            tree.set_evaluation(parent, evaluation)
            parent = child
    return parent


@spared
def _run(
    tree: Tree,
    evaluate: Evaluate,
    growth: Growth,
    budget: int,
    batch: int,
    leaves: int | None,
    stopped: Callable[[], bool],
) -> Iterator[Progress]:
    queue = Queue(tree, growth)
    out = queue.advance(leaves)
    deepest = tree[growth.start].depth + growth.depth
    standing = masses(tree, growth.start, growth.depth)
    spent = 0
    ahead: dict[tuple[int, int], Kept] = {}
    reason = _reason(tree, queue, leaves is not None and out >= leaves, budget, stopped)
    yield Progress(spent, len(tree), out, standing, reason)
    while reason is None:
        places = [p for p in queue.waiting(min(batch, budget - spent)) if _turn(p) not in ahead]
        ahead.update(_evaluated(tree, evaluate, queue.seed, places))
        while (head := queue.head) is not None and _turn(head) in ahead and spent < budget and _fits(tree, head):
            before = around(tree, head.node, math.exp(head.phi), deepest)
            record(tree, head.node, ahead.pop(_turn(head)), head.width, queue.seed)
            standing = total([standing, around(tree, head.node, math.exp(head.phi), deepest)], minus=before)
            spent += 1
            out = queue.advance(leaves)
            if leaves is not None and out >= leaves:
                break
        reason = _reason(tree, queue, leaves is not None and out >= leaves, budget - spent, stopped)
        # running sums drift by a rounding error a node; the last word is summed anew
        final = standing if reason is None else masses(tree, growth.start, growth.depth)
        yield Progress(spent, len(tree), out, final, reason)


def _reason(tree: Tree, queue: Queue, enough: bool, left: int, stopped: Callable[[], bool]) -> Reason | None:
    if enough:
        return "leaves"
    if queue.head is None:
        return "complete"
    if left <= 0:
        return "budget"
    if not _fits(tree, queue.head):
        return "full"
    return "cancelled" if stopped() else None


def _fits(tree: Tree, place: Place) -> bool:
    return len(tree) + place.width <= tree.limits.nodes


def _evaluated(
    tree: Tree, evaluate: Evaluate, seed: int | None, places: Sequence[Place]
) -> Iterator[tuple[tuple[int, int], Kept]]:
    prefixes = [tree.prefix(place.node) for place in places]
    for place, prefix, row in zip(places, prefixes, _rows(tree, evaluate, prefixes), strict=True):
        perturbation = None if seed is None else prefix_noise(seed, prefix, len(row))
        yield _turn(place), keep_children(row, place.width, perturbation)


def _turn(place: Place) -> tuple[int, int]:
    return place.node, place.width


def _rows(tree: Tree, evaluate: Evaluate, prefixes: list[tuple[int, ...]]) -> np.ndarray:
    rows = evaluate(prefixes)
    if rows.shape != (len(prefixes), tree.vocabulary_size):
        raise ValueError(f"evaluate gave {rows.shape}, not {(len(prefixes), tree.vocabulary_size)}")
    return rows


def _check_edit(tree: Tree, beside: int, ids: Sequence[int]) -> int:
    """The parent under which an edit goes."""
    node = tree.node(beside)
    if node.parent < 0:
        raise BadInput("The root of the tree has no place beside it: start another tree from the edited prompt.")
    if not 1 <= len(ids) <= tree.limits.forced:
        raise BadInput(f"An edit has 1 to {tree.limits.forced:,} tokens; this one has {len(ids):,}.")
    limits.check_ids(ids, tree.vocabulary_size)
    if any(int(i) in tree.end_ids for i in ids[:-1]):
        raise BadInput("The edit goes on after a token that ends the answer: leave out what follows that token.")
    length = len(tree.root_ids) + node.depth - 1 + len(ids)
    if length > tree.context_length:
        raise BadInput(
            f"With this edit the prefix has {length:,} tokens; the model's context holds {tree.context_length:,}: "
            "shorten the edit."
        )
    if len(tree) + len(ids) > tree.limits.nodes:
        raise BadInput(f"The tree is full: it holds at most {tree.limits.nodes:,} nodes.")
    return node.parent
