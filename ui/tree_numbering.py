"""Whether a page and the program count the nodes of a tree alike: a token for the numbers that a page has seen.

The token of a tree stays good while the tree only grows; whatever gives a node another number makes it stale. Does not
know why numbers change, nor where trees are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from engine.errors import BadInput
from engine.tree import Node, Tree

CHANGED = "This tree was changed elsewhere; look again."


class Numbering:
    """The numbers of the nodes taken so far, as a token: how many there are, and a hash of what each stands for."""

    def __init__(self) -> None:
        self._count = 0
        self._hash = hashlib.blake2b(digest_size=6)

    def take(self, node: Node) -> None:
        """The node with the next number."""
        self._count += 1
        self._hash.update(b"%d,%d;" % (node.parent, node.token_id))

    @property
    def token(self) -> str:
        return f"{self._count}-{self._hash.hexdigest()}"


def numbering_of(nodes: Iterable[Node]) -> str:
    """The token of these nodes, which come in the order of their numbers."""
    found = Numbering()
    for node in nodes:
        found.take(node)
    return found.token


def agrees(tree: Tree, token: str, number: int) -> bool:
    """Whether whoever saw this token means by a number the node that has it in the tree."""
    digits = token.partition("-")[0]
    count = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else -1
    if not number < count <= len(tree):
        return False
    return numbering_of(tree[index] for index in range(count)) == token


def check_numbering(tree: Tree, token: object, number: int) -> None:
    """BadInput unless a number means the same node to whoever names it. token: None or "" from those who take care
    themselves, as scripts do."""
    if token not in (None, "") and not agrees(tree, str(token), number):
        raise BadInput(CHANGED)


def seen_tree(trees: Sequence[Tree], token: object, number: int) -> Tree:
    """Of several states of one tree the one in which somebody saw a node of this number. Raises BadInput."""
    if token in (None, ""):
        return next((tree for tree in trees if number < len(tree)), trees[-1])
    found = next((tree for tree in trees if agrees(tree, str(token), number)), None)
    if found is None:
        raise BadInput(CHANGED)
    return found
