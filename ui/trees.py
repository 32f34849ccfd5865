"""What a person can do with the branching tree of a run: open it, grow it, edit, mark, export and import it.

The use cases between engine and store for trees; long ones are generators of growing documents (see `tree_view`)
that may be dropped at any point: what has grown by then is stored. Does not know gradio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, Busy
from engine.tree import Tree
from engine.tree_forward import TreeForward
from engine.tree_growth import grow, insert
from engine.tree_json import FORMAT
from engine.tree_queue import check, replay
from engine.tree_runs import agreeing, tokens_in_root
from engine.tree_views import subtree_mass
from ui import tree_view
from ui.access import Viewer
from ui.actions import Workbench
from ui.tree_fields import (
    AskedGrowth,
    TreeBounds,
    asked_growth,
    bounds_of,
    edit_text,
    moved,
    node_number,
    remarked,
    together,
)
from ui.tree_files import ReadTree, TreeFile, check_fits, joined, read_tree_file, write_tree_file
from ui.tree_growing import TreeJobs
from ui.tree_removal import as_left, forget_removed, remove_path, written_node
from ui.tree_shelf import OpenTree
from ui.tree_view import Standing

if TYPE_CHECKING:
    from engine.models import LanguageModel

ENDINGS: Mapping[str, str] = {
    "complete": "Everything within this width and depth has been looked into.",
    "full": "The tree is full: it holds at most {nodes:,} nodes.",
    "cancelled": "Stopped; what has grown is kept.",
}


class Trees:
    """The use cases, over one workbench."""

    def __init__(self, workbench: Workbench) -> None:
        self._shelf = workbench.tree_shelf
        self._jobs = TreeJobs(workbench, self._shelf)

    def open(self, uid: str, viewer: Viewer) -> str:
        """The document of the tree in which a run lies: what is stored of it and its runs as they are now.

        Needs no model. Raises NotFound, StoreDamaged.
        """
        return self._jobs.document(self._jobs.load(uid, viewer), viewer)

    def grow(self, uid: str, fields: Mapping[str, Any], viewer: Viewer) -> Iterator[str]:
        """Look into more nodes, yielding the growing document; the last one is the stored tree.

        fields: see `tree_fields.asked_growth`. Raises UserError before anything has grown; after it, a problem is
        said in the document's last line. Stopped or dropped, what has grown is kept.
        """
        asked = asked_growth(fields, bounds_of(viewer))

        def work(model: LanguageModel, opened: OpenTree, tree: Tree, stopped: Callable[[], bool]) -> Iterator[Standing]:
            yield from self._growth(model, tree, asked, stopped)

        yield from self._jobs.run(uid, viewer, work, lambda opened: check(opened.tree, asked.growth))

    def edit(self, uid: str, node: object, text: object, viewer: Viewer) -> Iterator[str]:
        """Put a text in place of a node's token beside it, each token with the model's own log-probability.

        The original stays. The last document's standing starts at the last new node. Raises UserError.
        """
        beside, written = node_number(node), edit_text(text)

        def work(model: LanguageModel, opened: OpenTree, tree: Tree, stopped: Callable[[], bool]) -> Iterator[Standing]:
            parent = _parent(tree, beside)
            ids = model.encode(written)
            yield Standing(state="growing", budget=len(ids), start=parent)
            last = insert(tree, agreeing(tree, TreeForward(model, tree.prefix(parent))), beside, ids)
            share = subtree_mass(tree, last, parent)
            yield Standing(
                state="growing",
                message=f"By itself the model would have written this with a probability of {share:.3g}.",
                evaluated=len(ids),
                budget=len(ids),
                reason="complete",
                start=last,
            )

        yield from self._jobs.run(uid, viewer, work, lambda opened: _parent(opened.tree, beside))

    def mark(
        self,
        uid: str,
        node: object,
        viewer: Viewer,
        *,
        bookmark: bool | None = None,
        note: str | None = None,
        tags: str | list[str] | None = None,
    ) -> str:
        """Set or take away a node's bookmark, note and tags (None leaves them, "" takes them away); the document.

        tags: words with commas between them, or a list. The tree is stored with it as one's own. Raises BadInput,
        NotFound, Busy.
        """
        marked = node_number(node)
        opened = self._jobs.load(uid, viewer)
        growing = self._jobs.growing(opened, viewer)
        (growing.tree if growing else opened.tree).node(marked)
        saved = self._shelf.save(
            opened,
            viewer,
            # what is only growing yet has no other number
            remark=lambda marks, placed: remarked(marks, placed.get(marked, marked), bookmark, note, tags),
        )
        if growing:
            growing.marks = saved.marks
            return growing.text + tree_view.marks_line(saved.marks)
        return self.open(uid, viewer)

    def remove(self, uid: str, node: object, viewer: Viewer) -> str:
        """Take out of the tree what a person wrote, from this node on, with all that grew below it; its document.

        Other nodes may get other numbers, and their marks go with them. Raises BadInput for the model's own tokens and
        those of runs, Busy, NotFound.
        """
        opened = self._jobs.load(uid, viewer)
        index = written_node(opened, node_number(node))
        if not self._jobs.is_own(opened, viewer):
            raise BadInput("Somebody else wrote this and shows it to everybody, so it stays: fold it instead.")
        if self._jobs.growing(opened, viewer):
            raise Busy("This tree is growing: stop that, or wait until it is done, then remove what you wrote.")
        ids = opened.tree.path_ids(index)
        left = as_left(replace(opened, marks=remove_path(opened.marks, ids)))
        self._shelf.save(left, viewer, remark=lambda marks, _: remove_path(marks, ids))
        now = self._jobs.load(uid, viewer)
        said = _removed(len(opened.tree) - len(now.tree))
        return self._jobs.document(now, viewer, Standing(message=said, growth=now.growth))

    def export_tree(self, uid: str, viewer: Viewer) -> TreeFile:
        """The tree with its marks as JSON text that `import_tree` takes back exactly."""
        return write_tree_file(self._jobs.load(uid, viewer))

    def exported(self, uid: str, viewer: Viewer) -> str:
        """The tree's document, and in it the file for the browser to save."""
        opened = self._jobs.load(uid, viewer)
        file = write_tree_file(opened)
        return self._jobs.document(opened, viewer) + tree_view.export_line(file.name, file.text)

    def import_tree(self, uid: str, text: object, viewer: Viewer) -> str:
        """Put an exported tree of the same prompt and model into this run's tree, of which nothing is lost; its
        document, which says how much was new.

        Raises BadInput, one sentence saying what does not fit.
        """
        bounds = bounds_of(viewer)
        file = _read(text, bounds)
        opened = self._jobs.load(uid, viewer)
        check_fits(file, opened)
        merged, placed = joined(file, opened, bounds, self._jobs.at_hand(opened.run.trace))
        theirs = moved(file.marks, placed, len(file.tree))
        self._shelf.save(
            merged,
            viewer,
            remark=lambda marks, stored: forget_removed(
                together(marks, moved(theirs, stored, len(merged.tree))), merged.tree
            ),
        )
        now = self._jobs.load(uid, viewer)
        said = _loaded(len(file.tree), len(merged.tree) - len(opened.tree))
        return self._jobs.document(now, viewer, Standing(message=f"{said} {now.message}".strip(), growth=now.growth))

    def path(self, uid: str, node: object, viewer: Viewer) -> tuple[int, tuple[int, ...]]:
        """How to make a path of the tree a run: how many of this run's leading tokens it shares, and the ids behind.

        Raises BadInput for a node that the tree does not have.
        """
        opened = self._jobs.load(uid, viewer)
        trace = opened.run.trace
        ids = opened.tree.path_ids(opened.tree.node(node_number(node)).index)
        own = trace.token_ids[tokens_in_root(trace) :].tolist()
        shared = next((i for i, (a, b) in enumerate(zip(ids, own, strict=False)) if a != b), min(len(ids), len(own)))
        return tokens_in_root(trace) + shared, ids[shared:]

    def _growth(
        self, model: LanguageModel, tree: Tree, asked: AskedGrowth, stopped: Callable[[], bool]
    ) -> Iterator[Standing]:
        growth = check(tree, asked.growth)
        leaves = len(replay(tree, growth).leaves) + 1 if asked.leaves == "more" else asked.leaves
        evaluate = agreeing(tree, TreeForward(model, tree.prefix(growth.start)))
        started = time.perf_counter()
        for progress in grow(
            tree,
            evaluate,
            growth.policy,
            budget=asked.budget,
            width=growth.width,
            depth=growth.depth,
            leaves=leaves,
            seed=growth.seed,
            start=growth.start,
            widen=growth.widen,
            cancelled=stopped,
        ):
            if progress.evaluated:
                self._jobs.pace[model.card] = (time.perf_counter() - started) / progress.evaluated
            yield Standing(
                state="growing",
                message=ENDINGS.get(progress.reason or "", "").format(nodes=tree.limits.nodes),
                growth=growth,
                evaluated=progress.evaluated,
                budget=asked.budget,
                reason=progress.reason,
                masses=progress.masses,
                out=progress.leaves,
            )


def _read(text: object, bounds: TreeBounds) -> ReadTree:
    """A tree from the text of a file; what does not even name the format is said to be no tree."""
    try:
        return read_tree_file(text, bounds)
    except BadInput as problem:
        if isinstance(text, str) and FORMAT in text:
            raise
        raise BadInput(f"This file is no tree of Forklore. {problem}") from problem


def _loaded(size: int, new: int) -> str:
    """What a file brought, both counted in nodes."""
    return f"The file was loaded: it holds {size:,} tokens, {new:,} of which are new here."


def _removed(size: int) -> str:
    """What a removal took away, in tokens."""
    if not size:
        return "What was written here is what the model itself would go on with, so it stays as the model's own."
    return f"Removed {size:,} {'token' if size == 1 else 'tokens'}: what you wrote, and all that followed it."


def _parent(tree: Tree, beside: int) -> int:
    """The parent of the node beside which something is put."""
    parent = tree.node(beside).parent
    if parent < 0:
        raise BadInput("The root of the tree has no place beside it: start another run from the edited prompt.")
    return parent
