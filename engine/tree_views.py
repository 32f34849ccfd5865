"""How a tree is folded for looking at: chains without a fork as one piece, thin branches left out. Pure functions.

Nothing here changes a tree. Does not know texts, pages or how a piece is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.errors import BadInput
from engine.tree import ROOT, Tree


@dataclass(frozen=True)
class Segment:
    """Nodes that follow one another without a fork among what is shown.

    nodes: top to bottom, at least one; parent: index of the segment above, -1 for the first; mass: p(first node |
    start); hidden: probability, given the start, of the children of the last node that are in the tree but not shown.
    """

    nodes: tuple[int, ...]
    parent: int
    mass: float
    hidden: float


def segments(tree: Tree, start: int = ROOT, *, min_mass: float = 0.0, collapse: bool = True) -> tuple[Segment, ...]:
    """What to show of a tree below (and with) `start`: parents before children, siblings from the most probable down.

    min_mass in [0, 1]: nodes with less probability given the start are left out, with all below them; forced nodes
    stay, as somebody put them there. collapse: put nodes with one shown child together with it. Raises BadInput.
    """
    tree.node(start)
    if not 0.0 <= min_mass <= 1.0:
        raise BadInput(f"The smallest mass to show is {min_mass}; it must lie between 0 and 1.")
    found: list[Segment] = []
    waiting = [(start, -1, 1.0)]
    while waiting:
        first, above, share = waiting.pop()
        nodes, hidden, last = [first], 0.0, share
        while True:
            shown, hidden = _shown(tree, nodes[-1], last, min_mass)
            if not collapse or len(shown) != 1 or hidden > 0.0:
                break
            nodes.append(shown[0][0])
            last = shown[0][1]
        waiting.extend((child, len(found), mass) for child, mass in reversed(shown))
        found.append(Segment(tuple(nodes), above, share, hidden))
    return tuple(found)


def subtree_mass(tree: Tree, index: int, start: int = ROOT) -> float:
    """p(node | start) for a node at or below `start`; ValueError for another one."""
    phi = 0.0
    while index != start:
        if index == ROOT:
            raise ValueError("the node is not below the start")
        phi += tree[index].logprob
        index = tree[index].parent
    return math.exp(phi)


def _shown(tree: Tree, index: int, share: float, min_mass: float) -> tuple[list[tuple[int, float]], float]:
    """Children to show with their masses, most probable first (ties: lowest token id), and the mass of the others."""
    children = [(child, share * math.exp(tree[child].logprob)) for child in tree.children(index)]
    children.sort(key=lambda pair: (-tree[pair[0]].logprob, tree[pair[0]].token_id))
    # an inserted node may hang on thin ones, which stay for its sake
    shown = [(child, mass) for child, mass in children if mass >= min_mass or _holds_forced(tree, child)]
    kept = {child for child, _ in shown}
    return shown, math.fsum(mass for child, mass in children if child not in kept)


def _holds_forced(tree: Tree, index: int) -> bool:
    return any(tree[i].forced for i in tree.below(index))
