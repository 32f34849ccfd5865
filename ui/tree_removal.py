"""What a person wrote into a tree, taken out of sight and brought back: what is left of the tree, under which numbers.

Paths of token ids name what was taken out, as the numbers of nodes change; its nodes and marks stay stored, so nothing
is lost but the oldest of very much. Does not know the store's ways or how a tree is drawn.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import BadInput
from engine.tree import ROOT, Tree
from engine.tree_runs import find
from ui.tree_fields import moved, moved_growth
from ui.tree_view import Marks

if TYPE_CHECKING:
    from ui.tree_shelf import OpenTree

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
    """Marks that remember this path as taken out, last of all."""
    return replace(marks, removed=(*restore_path(marks, ids).removed, ids))


def restore_path(marks: Marks, ids: tuple[int, ...]) -> Marks:
    """Marks in which this path no longer counts as taken out; what was taken out above and below it does."""
    return replace(marks, removed=tuple(path for path in marks.removed if path != ids))


def name_of(ids: tuple[int, ...]) -> str:
    """A short name for a path that was taken out."""
    return hashlib.blake2b(",".join(map(str, ids)).encode(), digest_size=8).hexdigest()


def removed_path(opened: OpenTree, name: object) -> tuple[int, ...]:
    """The path that was taken out under this name, the last one for None and ""; BadInput when it is not kept."""
    removed = opened.marks.removed
    if not removed:
        raise BadInput("Nothing that was removed from this tree is kept, so nothing can be brought back.")
    found = removed[-1] if name in (None, "") else next((path for path in removed if name_of(path) == name), None)
    if found is None or find((opened.whole or opened).tree, found) is None:
        raise BadInput("What was removed there is back already, or too much was removed since: write it once more.")
    return found


def forget_removed(marks: Marks, tree: Tree, known: int) -> Marks:
    """Marks in which nothing counts as taken out that a person wrote once more: as a node from number `known` on."""

    def again(path: tuple[int, ...]) -> bool:
        node = find(tree, path)
        return node is not None and node >= known and tree[node].forced

    return replace(marks, removed=tuple(path for path in marks.removed if not again(path)))


def as_left(opened: OpenTree) -> OpenTree:
    """A tree without what was taken out of it, and everything that has a number in it under its number now.

    `whole` is the tree with it, unless it is somebody else's, whose removed words are nobody's business.
    """
    gone, kept = _parted(opened.tree, opened.marks.removed, _on_runs(opened))
    if not gone and not kept:
        return opened
    tree, placed = _rebuilt(opened.tree, gone, kept)
    return replace(
        opened,
        tree=tree,
        runs=tuple(replace(run, path=tuple(placed[i] for i in run.path)) for run in opened.runs),
        marks=moved(opened.marks, placed, len(opened.tree)),
        growth=moved_growth(opened.growth, placed),
        whole=opened if opened.own else None,
    )


def hidden_by(opened: OpenTree, ids: tuple[int, ...]) -> int:
    """How many nodes go out of sight with this path."""
    return len(_parted(opened.tree, [ids], _on_runs(opened))[0])


def bounded(tree: Tree, marks: Marks, on_runs: Collection[int], most: int) -> tuple[Tree, Marks, Mapping[int, int]]:
    """A tree that hides at most so many nodes and paths: what was removed first goes for good, the last never does.

    With it the marks, under their numbers now, and number there -> number here.
    """
    removed, oldest = marks.removed, max(0, len(marks.removed) - REMOVED_KEPT)
    while oldest < len(removed) - 1 and len(_parted(tree, removed[oldest:], on_runs)[0]) > most:
        oldest += 1
    if not oldest:
        return tree, marks, {node: node for node in range(len(tree))}
    fresh, placed = _rebuilt(tree, *_parted(tree, removed[:oldest], on_runs))
    return fresh, replace(moved(marks, placed, len(tree)), removed=removed[oldest:]), placed


def _on_runs(opened: OpenTree) -> set[int]:
    return {node for run in opened.runs for node in run.path}


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
