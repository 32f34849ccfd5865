"""The branching tree of a model's own distribution: nodes that are only ever added, and what their evaluation gave.

The root is a prompt or any position of a run. Probabilities are those at temperature 1 over the full vocabulary: no
temperature and no truncation is applied. Does not know models, the order of growth, or how a tree is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace

from engine import limits
from engine.errors import BadInput

ROOT = 0


@dataclass(frozen=True)
class TreeLimits:
    """Upper bounds. nodes: in one tree; budget: evaluations in one growth; width: children kept of one node;
    depth: tokens below where a growth starts; batch: nodes evaluated at once; forced: tokens of one edit."""

    nodes: int = 200_000
    budget: int = 100_000
    width: int = 1_000
    depth: int = 4_096
    batch: int = 256
    forced: int = 1_000


LIMITS = TreeLimits()


@dataclass(frozen=True, slots=True)
class Node:
    """One token after its parent's prefix.

    index: its number, in the order of adding; parent: -1 for the root, whose token_id is -1 too; depth: tokens below
    the root; logprob: log p(token | parent's prefix), nats, -inf where the model rules the token out; phi: their sum
    since the root, log p(prefix); finished: the token ends the turn; forced: it was put there by a person.
    """

    index: int
    token_id: int
    parent: int
    depth: int
    logprob: float
    phi: float
    finished: bool
    forced: bool


@dataclass(frozen=True)
class Noise:
    """The children of a node that win with one seed's noise, and that noise.

    width: how many were asked for; children: node indices, largest logprob + noise first; values: float64 Gumbel
    noise of each; dropped: the largest logprob + noise among all other children, -inf where there is none.
    """

    width: int
    children: tuple[int, ...]
    values: tuple[float, ...]
    dropped: float


@dataclass(frozen=True)
class Evaluation:
    """What one pass over a node's prefix gave.

    entropy: of its next token, nats, in [0, ln V];
    width: how many most likely children were asked for (0: none were); dropped: log-probability of the most likely
    one beyond those, -inf where there is none; noise: seed -> the children that win with that seed.
    """

    entropy: float
    width: int = 0
    dropped: float = -math.inf
    noise: Mapping[int, Noise] = field(default_factory=dict)


@dataclass(frozen=True)
class Masses:
    """Where the probability below a node is; together 1.

    finished: answers that end; limited: prefixes at the depth limit, where the model would go on; open: nodes and
    children that nothing has looked into yet; pruned: children that a growth left out because of its width.
    """

    finished: float
    limited: float
    open: float
    pruned: float


class Tree:
    """An append-only store of nodes; the same calls in the same order give the same numbers.

    root_ids: the m >= 1 ids of the root's prefix; end_ids: those that end a turn; vocabulary_size: length of a row of
    log-probabilities; context_length: most tokens in one prefix. Raises BadInput. Not for several threads at once.
    """

    def __init__(
        self,
        root_ids: Sequence[int],
        *,
        end_ids: Iterable[int],
        vocabulary_size: int,
        context_length: int,
        tree_limits: TreeLimits = LIMITS,
    ) -> None:
        if len(root_ids) == 0:
            raise BadInput("The tree has no root: start it from a prompt or from a token of a run.")
        limits.check_ids(root_ids, vocabulary_size)
        if len(root_ids) >= context_length:
            raise BadInput(
                f"The root of the tree has {len(root_ids):,} tokens; the model's context of {context_length:,} leaves "
                "no room for another one: shorten the prompt or start from an earlier token."
            )
        self.root_ids = tuple(int(i) for i in root_ids)
        self.end_ids = frozenset(int(i) for i in end_ids)
        self.vocabulary_size = vocabulary_size
        self.context_length = context_length
        self.limits = tree_limits
        self._nodes = [Node(ROOT, -1, -1, 0, 0.0, 0.0, False, False)]
        self._children: list[dict[int, int]] = [{}]
        self._evaluations: dict[int, Evaluation] = {}
        # what `rest` worked out, until another child comes
        self._rests: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __getitem__(self, index: int) -> Node:
        return self._nodes[index]

    def node(self, index: object) -> Node:
        """The node with this number; BadInput, saying which there are, when it does not exist."""
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self._nodes):
            raise BadInput(f"The tree has no node {str(index)[:40]}: its nodes are 0 to {len(self._nodes) - 1:,}.")
        return self._nodes[index]

    def children(self, index: int) -> tuple[int, ...]:
        """The numbers of a node's children, in the order of adding."""
        return tuple(self._children[index].values())

    def child(self, index: int, token_id: int) -> int | None:
        """The number of the child with this token, if the tree holds it."""
        return self._children[index].get(token_id)

    def evaluation(self, index: int) -> Evaluation | None:
        """What the evaluation of a node gave; None while its next token is unknown."""
        return self._evaluations.get(index)

    def path(self, index: int) -> tuple[int, ...]:
        """Node numbers from the root (left out) down to this node (included); empty for the root."""
        found = []
        while index != ROOT:
            found.append(index)
            index = self._nodes[index].parent
        return tuple(reversed(found))

    def path_ids(self, index: int) -> tuple[int, ...]:
        """Token ids below the root down to this node."""
        return tuple(self._nodes[i].token_id for i in self.path(index))

    def prefix(self, index: int) -> tuple[int, ...]:
        """All token ids that the model sees at this node: the root's and the path's."""
        return self.root_ids + self.path_ids(index)

    def below(self, start: int = ROOT) -> Iterator[int]:
        """The numbers of a node and all nodes below it, parents before children, siblings in the order of adding."""
        waiting = [start]
        while waiting:
            index = waiting.pop()
            yield index
            waiting.extend(reversed(self._children[index].values()))

    def add(self, parent: int, token_id: int, logprob: float, *, forced: bool = False) -> int:
        """The number of the child with this token; it is added unless it is there, and then stays as it is."""
        known = self._children[parent].get(token_id)
        if known is not None:
            return known
        above = self._nodes[parent]
        index = len(self._nodes)
        phi = above.phi + logprob
        finished = token_id in self.end_ids
        self._nodes.append(Node(index, token_id, parent, above.depth + 1, logprob, phi, finished, forced))
        self._children.append({})
        self._children[parent][token_id] = index
        self._rests.pop(parent, None)
        return index

    def rest(self, index: int) -> float:
        """Probability of all tokens that are not among a node's children: what these leave of 1, correctly rounded.

        So the masses of a tree add up whatever added the children, in whichever order.
        """
        found = self._rests.get(index)
        if found is None:
            taken = math.fsum(math.exp(self._nodes[child].logprob) for child in self.children(index))
            every = len(self._children[index]) == self.vocabulary_size
            found = self._rests[index] = 0.0 if every else max(0.0, 1.0 - taken)
        return found

    def set_evaluation(self, index: int, evaluation: Evaluation) -> None:
        """Put down what a pass over this node gave; what is known of its entropy and of other seeds stays."""
        known = self._evaluations.get(index)
        if known is not None:
            evaluation = replace(evaluation, entropy=known.entropy, noise={**known.noise, **evaluation.noise})
            if known.width > evaluation.width:
                evaluation = replace(evaluation, width=known.width, dropped=known.dropped)
        self._evaluations[index] = evaluation


def masses(tree: Tree, start: int = ROOT, depth: int | None = None) -> Masses:
    """Where the probability below `start` is, as shares of its own; depth: where growth stopped, counted from there.

    Over the whole tree below `start`, whichever growths made it.
    """
    deepest = math.inf if depth is None else tree[start].depth + depth
    parts: list[Masses] = []
    shares = {start: 1.0}
    if tree.evaluation(start) is None:
        parts.append(_as_one(tree, start, 1.0, deepest))
    for index in tree.below(start):
        share = shares.pop(index)
        if tree.evaluation(index) is not None:
            parts.append(around(tree, index, share, deepest))
            shares.update((child, share * math.exp(tree[child].logprob)) for child in tree.children(index))
    return total(parts)


def around(tree: Tree, index: int, share: float, deepest: float) -> Masses:
    """The part of an evaluated node's mass that no evaluated node below it accounts for; share: the node's own."""
    evaluation = tree.evaluation(index)
    if evaluation is None:
        return _as_one(tree, index, share, deepest)
    rest = share * tree.rest(index)
    left_out = Masses(0.0, 0.0, 0.0, rest) if evaluation.width or evaluation.noise else Masses(0.0, 0.0, rest, 0.0)
    waiting = [child for child in tree.children(index) if tree.evaluation(child) is None]
    return total([left_out, *(_as_one(tree, i, share * math.exp(tree[i].logprob), deepest) for i in waiting)])


def total(parts: Iterable[Masses], minus: Masses | None = None) -> Masses:
    """The correctly rounded sum of each kind (math.fsum), less what `minus` holds of it."""
    columns = list(zip(*(astuple(part) for part in parts), strict=True)) or [(0.0,)] * 4
    less = astuple(minus) if minus else (0.0,) * 4
    return Masses(*(max(0.0, math.fsum((*column, -away))) for column, away in zip(columns, less, strict=True)))


def _as_one(tree: Tree, index: int, share: float, deepest: float) -> Masses:
    node = tree[index]
    if node.finished:
        return Masses(share, 0.0, 0.0, 0.0)
    return Masses(0.0, share, 0.0, 0.0) if node.depth >= deepest else Masses(0.0, 0.0, share, 0.0)
