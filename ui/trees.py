"""What a person can do with the branching tree of a run: open it, grow it, edit, mark, export and import it.

The use cases between engine and store for trees; long ones are generators of growing documents (see `tree_view`)
that may be dropped at any point: what has grown by then is stored. Does not know gradio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, Busy
from engine.tree import Tree
from engine.tree_forward import TreeForward
from engine.tree_growth import grow, insert
from engine.tree_json import FORMAT
from engine.tree_queue import check, replay
from engine.tree_runs import agreeing, find, tokens_in_root
from engine.tree_views import subtree_mass
from ui import tree_view
from ui.access import Viewer
from ui.actions import Workbench
from ui.long_answers import beside
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
from ui.tree_numbering import check_numbering, seen_tree
from ui.tree_removal import (
    forget_removed,
    hidden_by,
    name_of,
    remove_path,
    removed_path,
    restore_path,
    written_node,
)
from ui.tree_shelf import OpenTree
from ui.tree_view import Marks, Standing

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
        self._quotas = workbench.quotas
        self._jobs = TreeJobs(workbench, self._shelf)

    def open(self, uid: str, viewer: Viewer) -> str:
        """The document of the tree in which a run lies: what is stored of it and its runs as they are now.

        Needs no model. Raises NotFound, StoreDamaged.
        """
        return self._jobs.document(self._jobs.load(uid, viewer), viewer)

    def grow(self, uid: str, fields: Mapping[str, Any], viewer: Viewer, *, numbering: object = None) -> Iterator[str]:
        """Look into more nodes, yielding the growing document; the last one is the stored tree.

        fields: see `tree_fields.asked_growth`; numbering: here and below, the token of the numbers that the page saw.
        Raises UserError before anything has grown; after it, a problem is said in the document's last line. Stopped or
        dropped, what has grown is kept.
        """
        asked = asked_growth(fields, bounds_of(viewer))
        start = asked.growth.start

        def work(model: LanguageModel, opened: OpenTree, tree: Tree, stopped: Callable[[], bool]) -> Iterator[Standing]:
            # others may have changed it while this waited for its turn
            check_numbering(tree, numbering, start)
            yield from self._growth(model, tree, asked, stopped)

        def check_first(opened: OpenTree) -> None:
            check_numbering(opened.tree, numbering, start)
            check(opened.tree, asked.growth)

        yield from self._jobs.run(uid, viewer, work, check_first)

    def edit(self, uid: str, node: object, text: object, viewer: Viewer, *, numbering: object = None) -> Iterator[str]:
        """Put a text in place of a node's token beside it, each token with the model's own log-probability.

        The original stays. The last document's standing starts at the last new node. Raises UserError.
        """
        beside, written = node_number(node), edit_text(text)

        def checked_parent(opened: OpenTree) -> int:
            check_numbering(opened.tree, numbering, beside)
            return _parent(opened.tree, beside)

        def work(model: LanguageModel, opened: OpenTree, tree: Tree, stopped: Callable[[], bool]) -> Iterator[Standing]:
            parent = checked_parent(opened)
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

        yield from self._jobs.run(uid, viewer, work, checked_parent)

    def mark(
        self,
        uid: str,
        node: object,
        viewer: Viewer,
        *,
        bookmark: bool | None = None,
        note: str | None = None,
        tags: str | list[str] | None = None,
        numbering: object = None,
    ) -> str:
        """Set or take away a node's bookmark, note and tags (None leaves them, "" takes them away); the document.

        tags: words with commas between them, or a list. The tree is stored with it as one's own. Raises BadInput,
        NotFound, Busy.
        """
        marked = node_number(node)
        opened = self._jobs.load(uid, viewer)
        growing = self._jobs.growing(opened, viewer)
        tree = seen_tree([opened.tree, growing.tree] if growing else [opened.tree], numbering, marked)
        ids = tree.path_ids(tree.node(marked).index)
        stored = find(opened.tree, ids)

        def change(marks: Marks, node: int) -> Marks:
            return remarked(marks, node, bookmark, note, tags)

        if stored is not None:
            self._shelf.save(opened, viewer, remark=lambda marks, placed: change(marks, placed[stored]))
        shown = find(growing.tree, ids) if growing else None
        if growing and shown is not None:
            growing.mark(shown, change, late=stored is None)
        if growing and growing.opened.run.header.uid == uid:
            return growing.text + tree_view.marks_line(growing.shown)
        return self.open(uid, viewer)

    def remove(self, uid: str, node: object, viewer: Viewer, *, numbering: object = None) -> str:
        """Take out of sight what a person wrote, from this node on, with all that grew below it; the tree's document,
        which names what was removed for `restore`.

        Other nodes may get other numbers. Raises BadInput for the model's own tokens and those of runs, Busy, NotFound.
        """
        number = node_number(node)
        opened = self._jobs.load(uid, viewer)
        check_numbering(opened.tree, numbering, number)
        ids = opened.tree.path_ids(written_node(opened, number))
        if not self._jobs.is_own(opened, viewer):
            raise BadInput("Somebody else wrote this and shows it to everybody, so it stays: fold it instead.")
        if self._jobs.growing(opened, viewer):
            raise Busy("This tree is growing: stop that, or wait until it is done, then remove what you wrote.")
        self._shelf.save(opened, viewer, remark=lambda marks, _: remove_path(marks, ids))
        now = self._jobs.load(uid, viewer)
        said = _removed(hidden_by(opened, ids))
        return self._jobs.document(now, viewer, Standing(message=said, growth=now.growth, removed=name_of(ids)))

    def restore(self, uid: str, removed: object, viewer: Viewer) -> str:
        """Bring back what `remove` took out of sight under this name, with all that grew below it and its marks; what
        was removed last for "". The document's standing starts at its first node.

        Other nodes may get other numbers. Raises BadInput, Busy, NotFound.
        """
        opened = self._jobs.load(uid, viewer)
        if not self._jobs.is_own(opened, viewer):
            raise BadInput("You removed nothing from this tree, so nothing can be brought back.")
        if self._jobs.growing(opened, viewer):
            raise Busy("This tree is growing: stop that, or wait until it is done, then bring back what you removed.")
        ids = removed_path(opened, removed)
        self._shelf.save(opened, viewer, remark=lambda marks, _: restore_path(marks, ids))
        now = self._jobs.load(uid, viewer)
        said = _restored(hidden_by(now, ids))
        standing = Standing(message=said, growth=now.growth, start=find(now.tree, ids), restored=name_of(ids))
        return self._jobs.document(now, viewer, standing)

    def export_tree(self, uid: str, viewer: Viewer) -> TreeFile:
        """The tree with its marks as JSON text that `import_tree` takes back exactly."""
        return write_tree_file(self._jobs.load(uid, viewer))

    @beside
    def exported(self, uid: str, viewer: Viewer) -> str:
        """The tree's document, and in it the file for the browser to save."""
        opened = self._jobs.load(uid, viewer)
        file = write_tree_file(opened)
        return self._jobs.document(opened, viewer) + tree_view.export_line(file.name, file.text)

    @beside
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
        self._quotas.keep(viewer, len(str(text)))
        theirs = moved(file.marks, placed, len(file.tree))
        self._shelf.save(
            merged,
            viewer,
            remark=lambda marks, stored: forget_removed(
                together(marks, moved(theirs, stored, len(merged.tree))), merged.tree, len(opened.tree)
            ),
        )
        now = self._jobs.load(uid, viewer)
        said = _loaded(len(file.tree), len(merged.tree) - len(opened.tree))
        return self._jobs.document(now, viewer, Standing(message=f"{said} {now.message}".strip(), growth=now.growth))

    def path(self, uid: str, node: object, viewer: Viewer, *, numbering: object = None) -> tuple[int, tuple[int, ...]]:
        """How to make a path of the tree a run: how many of this run's leading tokens it shares, and the ids behind.

        Raises BadInput for a node that the tree does not have.
        """
        number = node_number(node)
        opened = self._jobs.load(uid, viewer)
        check_numbering(opened.tree, numbering, number)
        trace = opened.run.trace
        ids = opened.tree.path_ids(opened.tree.node(number).index)
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
    return f"Removed {_tokens(size)}: what you wrote, and all that followed it."


def _restored(size: int) -> str:
    """What came back, in tokens."""
    return f"Brought back {_tokens(size)}: what you wrote, and all that followed it." if size else "It is yours again."


def _tokens(size: int) -> str:
    return f"{size:,} {'token' if size == 1 else 'tokens'}"


def _parent(tree: Tree, beside: int) -> int:
    """The parent of the node beside which something is put."""
    parent = tree.node(beside).parent
    if parent < 0:
        raise BadInput("The root of the tree has no place beside it: start another run from the edited prompt.")
    return parent
