"""The best-first queue of one growth, made again from the tree each time it is asked for.

Any policy of the registry drives it. It says which nodes come next and which leaves came out; does not evaluate.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace

import numpy as np

from engine import limits
from engine.errors import BadInput
from engine.tree import ROOT, Tree
from engine.tree_policies import Place, is_kept, policy_named, root_noise


@dataclass(frozen=True)
class Growth:
    """What decides which nodes are looked into, and in which order.

    policy: a name of the registry; width >= 1: children kept of one node; depth >= 1: tokens below the start, where a
    prefix is left as it is; seed in [0, 2^63), used by `fair` only; start: the node from which the growth goes down.
    widen: look at twice as many children of a node once the best of those left out is the best of all that wait; each
    time counts as an evaluation.
    """

    policy: str
    width: int
    depth: int
    seed: int = 0
    start: int = ROOT
    widen: bool = False


@dataclass(frozen=True)
class Leaf:
    """One answer: its node, log p(node | start), its priority, and whether it ended itself or at the depth limit."""

    node: int
    phi: float
    key: float
    finished: bool


@dataclass(frozen=True)
class Outcome:
    """What a growth has brought out: leaves in order, and how far that order can be relied on.

    head: the largest priority still waiting; dropped: the largest among children left out because of the width (both
    -inf where there is none). The first `exact` leaves of `likely` are the most probable answers of all, those of
    `fair` a sample without replacement. For `fair` a width of n is enough for n leaves; `likely` is exact at any
    width with `widen`, as a likely answer may begin with an unlikely token.
    """

    leaves: tuple[Leaf, ...]
    head: float
    dropped: float

    @property
    def exact(self) -> int:
        return sum(leaf.key > self.dropped for leaf in self.leaves)


def replay(tree: Tree, growth: Growth) -> Outcome:
    """What a growth of this kind has brought out so far, as far as the tree goes; nothing is evaluated."""
    queue = Queue(tree, check(tree, growth))
    queue.advance(None)
    return queue.outcome()


def check(tree: Tree, growth: Growth) -> Growth:
    """The growth itself; BadInput, naming value and remedy, when the tree cannot grow like that."""
    policy_named(growth.policy)
    start = tree.node(growth.start)
    check_whole("width", growth.width, tree.limits.width)
    check_whole("depth", growth.depth, tree.limits.depth)
    if isinstance(growth.seed, bool) or not isinstance(growth.seed, int) or not 0 <= growth.seed <= limits.MAX_SEED:
        raise BadInput(f"The seed is {str(growth.seed)[:40]}; it must be a whole number from 0 to {limits.MAX_SEED}.")
    if start.finished:
        raise BadInput("The model ended its answer at this node: nothing follows it; choose a node above.")
    length = len(tree.root_ids) + start.depth
    if length + growth.depth > tree.context_length:
        raise BadInput(
            f"A depth of {growth.depth:,} after {length:,} tokens does not fit into the model's context of "
            f"{tree.context_length:,}: choose a depth of at most {tree.context_length - length:,}."
            if length < tree.context_length
            else f"The model's context of {tree.context_length:,} tokens is full here: choose a node above."
        )
    return growth


def check_whole(name: str, value: object, most: int) -> None:
    """Raise BadInput unless the value is a whole number from 1 to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise BadInput(f"The {name} is {str(value)[:40]}; it must be a whole number from 1 to {most:,}.")


class Queue:
    """The nodes waiting in one growth, and the leaves that came out; made from the tree alone."""

    def __init__(self, tree: Tree, growth: Growth) -> None:
        self._tree = tree
        self._growth = growth
        self._policy = policy_named(growth.policy)
        self.seed = growth.seed if self._policy.noisy else None
        self._leaves: list[Leaf] = []
        self._dropped = -math.inf
        self._heap: list[tuple[float, _Tie, Place]] = []
        first = 0.0 if self.seed is None else root_noise(self.seed, tree.prefix(growth.start))
        self._push(Place(first, growth.start, 0.0, 0, 0.0, first, growth.width))

    @property
    def head(self) -> Place | None:
        """The best node waiting."""
        return self._heap[0][2] if self._heap else None

    def outcome(self) -> Outcome:
        head = self.head
        return Outcome(tuple(self._leaves), head.key if head else -math.inf, self._dropped)

    def advance(self, leaves: int | None) -> int:
        """Take from the queue until its best node must be evaluated or `leaves` are out; how many are."""
        while self._heap and (leaves is None or len(self._leaves) < leaves):
            place = self._heap[0][2]
            leaf = self._is_leaf(place)
            if not leaf and not self._is_known(place):
                break
            heapq.heappop(self._heap)
            if leaf:
                self._leaves.append(Leaf(place.node, place.phi, place.key, self._tree[place.node].finished))
            else:
                self._expand(place)
        return len(self._leaves)

    def waiting(self, count: int) -> list[Place]:
        """Up to `count` nodes that are to be evaluated, best first."""
        unknown = (entry for entry in self._heap if not self._is_leaf(entry[2]) and not self._is_known(entry[2]))
        return [entry[2] for entry in heapq.nsmallest(count, unknown)]

    def _is_leaf(self, place: Place) -> bool:
        return self._tree[place.node].finished or place.steps >= self._growth.depth

    def _is_known(self, place: Place) -> bool:
        return is_kept(self._tree.evaluation(place.node), place.width, self.seed)

    def _push(self, place: Place) -> None:
        heapq.heappush(self._heap, (-place.key, _Tie(self._tree, place.node), place))

    def _expand(self, place: Place) -> None:
        evaluation = self._tree.evaluation(place.node)
        assert evaluation is not None
        children, scores = self._best_children(place)
        logprobs = [self._tree[child].logprob for child in children]
        phi = place.phi + np.array([*logprobs, scores[-1]])
        keys = self._policy.child_keys(place, evaluation, phi, np.array(scores))
        heat = place.heat + evaluation.entropy
        fresh = list(zip(children, keys[:-1].tolist(), phi[:-1].tolist(), strict=True))[place.taken :]
        for child, key, own in fresh:
            self._push(Place(key, child, own, place.steps + 1, heat, key, self._growth.width))
        beyond = float(keys[-1])
        if self._growth.widen and scores[-1] > -math.inf:
            wider = min(2 * place.width, self._tree.vocabulary_size)
            self._push(replace(place, key=beyond, width=wider, taken=len(children)))
        else:
            self._dropped = max(self._dropped, beyond)

    def _best_children(self, place: Place) -> tuple[list[int], list[float]]:
        """The n children this growth keeps, and the scores of each and of the best one beyond them [n + 1]."""
        evaluation, nodes = self._tree.evaluation(place.node), self._tree
        assert evaluation is not None
        if self.seed is not None:
            drawn = evaluation.noise[self.seed]
            dropped = drawn.dropped
            scored = [(nodes[i].logprob + u, i) for i, u in zip(drawn.children, drawn.values, strict=True)]
        else:
            dropped = evaluation.dropped
            scored = [(nodes[i].logprob, i) for i in nodes.children(place.node) if nodes[i].logprob > -math.inf]
        scored.sort(key=lambda pair: (-pair[0], nodes[pair[1]].token_id))
        kept, beyond = scored[: place.width], scored[place.width :]
        best_beyond = max(dropped, beyond[0][0] if beyond else -math.inf)
        return [i for _, i in kept], [*(score for score, _ in kept), best_beyond]


@dataclass(frozen=True, eq=False, slots=True)
class _Tie:
    """Among equal keys the path with the lower token ids comes first, whatever the nodes' numbers."""

    tree: Tree = field(repr=False)
    node: int

    def __lt__(self, other: _Tie) -> bool:
        return self.tree.path_ids(self.node) < other.tree.path_ids(other.node)
