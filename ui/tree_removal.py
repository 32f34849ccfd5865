"""What a person wrote into a tree, taken out of it again: what is left of the tree, and under which numbers.

Paths of token ids name what was taken out, as the numbers of nodes change; whoever stores an older tree with it brings
nothing back. Does not know the store's ways or how a tree is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from engine.errors import BadInput
from engine.tree import ROOT, Tree
from engine.tree_runs import find
from ui.tree_fields import moved, moved_growth
from ui.tree_shelf import OpenTree
from ui.tree_view import Marks

REMOVED_KEPT = 200


def written_node(opened: OpenTree, index: int) -> int:
    """The node itself, where a person wrote it and no run goes through it; BadInput, saying why it stays, otherwise."""
    node = opened.tree.node(index)
    run = next((run for run in opened.runs if index in run.path), None)
    if run is not None:
        title = (run.header.title or run.header.prompt or "Untitled run")[:40]
        raise BadInput(f"The run “{title}” goes through this token, so it stays: delete that run first.")
    if not node.forced:
        raise BadInput("Only what a person wrote can be removed; this token is the model's own: fold it instead.")
    return index


def remove_path(marks: Marks, ids: tuple[int, ...]) -> Marks:
    """Marks that remember this path as taken out; of very many only the latest."""
    others = [path for path in marks.removed if path[: len(ids)] != ids]
    return replace(marks, removed=(*others, ids)[-REMOVED_KEPT:])


def forget_removed(marks: Marks, tree: Tree) -> Marks:
    """Marks in which nothing counts as taken out that stands in this tree again."""
    return replace(marks, removed=tuple(path for path in marks.removed if find(tree, path) is None))


def as_left(opened: OpenTree) -> OpenTree:
    """A tree without what was taken out of it, and everything that has a number in it under its number now."""
    on_runs = {node for run in opened.runs for node in run.path}
    gone, kept = _parted(opened.tree, opened.marks.removed, on_runs)
    if not gone and not kept:
        return opened
    tree, placed = _rebuilt(opened.tree, gone, kept)
    return replace(
        opened,
        tree=tree,
        runs=tuple(replace(run, path=tuple(placed[i] for i in run.path)) for run in opened.runs),
        marks=moved(opened.marks, placed, len(opened.tree)),
        growth=moved_growth(opened.growth, placed),
    )


def _parted(tree: Tree, paths: Iterable[tuple[int, ...]], on_runs: Collection[int]) -> tuple[set[int], set[int]]:
    """The nodes that go, and those that stay as what the model itself would have put there."""
    gone, kept = set[int](), set[int]()
    waiting = [index for path in paths if (index := find(tree, path)) is not None]
    while waiting:
        index = waiting.pop()
        if not tree[index].forced or index in on_runs:
            continue
        if _chosen(tree, index):
            # without it the growth that counts on it would no longer be the one that it says it is
            kept.add(index)
            waiting.extend(tree.children(index))
        else:
            gone.update(tree.below(index))
    return gone, kept


def _chosen(tree: Tree, index: int) -> bool:
    """Whether a growth counts this node among the children that it kept of its parent."""
    node = tree[index]
    evaluation = tree.evaluation(node.parent)
    if evaluation is None:
        return False
    among_best = evaluation.width > 0 and node.logprob > -math.inf and node.logprob >= evaluation.dropped
    return among_best or any(index in drawn.children for drawn in evaluation.noise.values())


def _rebuilt(tree: Tree, gone: Collection[int], kept: Collection[int]) -> tuple[Tree, Mapping[int, int]]:
    """The tree without some nodes, with others no longer as written, and number there -> number here."""
    fresh = Tree(
        tree.root_ids,
        end_ids=tree.end_ids,
        vocabulary_size=tree.vocabulary_size,
        context_length=tree.context_length,
        tree_limits=tree.limits,
    )
    placed = {ROOT: ROOT}
    for node in tree:
        if node.index != ROOT and node.index not in gone:
            forced = node.forced and node.index not in kept
            placed[node.index] = fresh.add(placed[node.parent], node.token_id, node.logprob, forced=forced)
    for index, here in placed.items():
        evaluation = tree.evaluation(index)
        if evaluation is not None:
            noise = {
                seed: replace(drawn, children=tuple(placed[i] for i in drawn.children))
                for seed, drawn in evaluation.noise.items()
            }
            fresh.set_evaluation(here, replace(evaluation, noise=noise))
    return fresh, placed
