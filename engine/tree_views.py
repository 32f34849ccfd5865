"""How a tree is folded for looking at: chains without a fork as one piece, thin branches left out. Pure functions.

Nothing here changes a tree. Does not know texts, pages or how a piece is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from engine.errors import BadInput
from engine.tree import ROOT, Tree


@dataclass(frozen=True)
class Segment:
    """Nodes that follow one another without a fork among what is shown.

    nodes: top to bottom, at least one; parent: index of the segment above, -1 for the first; mass: p(first node |
    start); hidden: probability, given the start, of children of these nodes that are in the tree but not shown.
    """

    nodes: tuple[int, ...]
    parent: int
    mass: float
    hidden: float


def segments(
    tree: Tree,
    start: int = ROOT,
    *,
    min_mass: float = 0.0,
    collapse: bool = True,
    apart: Collection[int] = (),
) -> tuple[Segment, ...]:
    """What to show of a tree below (and with) `start`: parents before children, siblings from the most probable down.

    min_mass in [0, 1]: nodes with less probability given the start are left out, with all below them; forced nodes
    stay, with what leads to them, as somebody put them there. collapse: a node with one shown child is put together
    with it, unless that child is in `apart` (nodes to be seen on their own: bookmarked ones). Raises BadInput.
    """
    tree.node(start)
    if not 0.0 <= min_mass <= 1.0:
        raise BadInput(f"The smallest mass to show is {min_mass}; it must lie between 0 and 1.")
    kept = _leading_to_forced(tree)
    found: list[Segment] = []
    waiting = [(start, -1, 1.0)]
    while waiting:
        first, above, share = waiting.pop()
        nodes, hidden, last = [first], [], share
        while True:
            shown, thin = _shown(tree, nodes[-1], last, min_mass, kept)
            hidden.append(thin)
            if not collapse or len(shown) != 1 or shown[0][0] in apart:
                break
            nodes.append(shown[0][0])
            last = shown[0][1]
        waiting.extend((child, len(found), mass) for child, mass in reversed(shown))
        found.append(Segment(tuple(nodes), above, share, math.fsum(hidden)))
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


def _shown(
    tree: Tree, index: int, share: float, min_mass: float, kept: Collection[int]
) -> tuple[list[tuple[int, float]], float]:
    """Children to show with their masses, most probable first (ties: lowest token id), and the mass of the others."""
    children = [(child, share * math.exp(tree[child].logprob)) for child in tree.children(index)]
    children.sort(key=lambda pair: (-tree[pair[0]].logprob, tree[pair[0]].token_id))
    shown = [(child, mass) for child, mass in children if mass >= min_mass or child in kept]
    return shown, math.fsum(mass for child, mass in children if mass < min_mass and child not in kept)


def _leading_to_forced(tree: Tree) -> set[int]:
    found: set[int] = set()
    for node in tree:
        index = node.index if node.forced else ROOT
        while index != ROOT and index not in found:
            found.add(index)
            index = tree[index].parent
    return found
