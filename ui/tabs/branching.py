"""Branches on the page: connects what the instrument and the tree ask for to the use cases.

Hands over what was asked and shows documents. Does not know what a branch is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.branching import Branching
from ui.errors import Caught
from ui.tabs.explore import ExploreParts, fields_of
from ui.tabs.frames import JOB, PRIVATE, opened, payload, shown_frames
from ui.tabs.shares import told_after
from ui.tree_numbering import CHANGED
from ui.tree_view import with_problem
from ui.trees import Trees


def wire_branching(parts: ExploreParts, workbench: Workbench, branching: Branching) -> None:
    """Connect the instrument's edits, replicates, undo and links between runs."""
    explorer = parts.explorer
    shown = [explorer, parts.notice, parts.generate, parts.score, parts.stop, parts.stop_scoring]

    def viewer(request: gr.Request) -> Viewer:
        return viewer_of(request)

    def branch(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked = payload(event)
        yield from shown_frames(lambda: branching.branch(str(asked.get("run", "")), asked, viewer(request)))

    def replicates(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked = payload(event)
        uid, count = str(asked.get("run", "")), asked.get("count")
        yield from shown_frames(lambda: branching.replicates(uid, count, viewer(request)))

    def score(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        uid = str(payload(event).get("run", ""))
        yield from shown_frames(lambda: branching.score_here(uid, viewer(request)))

    def stop(request: gr.Request) -> None:
        workbench.stop(viewer(request))

    def undo(event: gr.EventData, request: gr.Request) -> tuple:
        document, notice = opened(lambda: branching.undo(str(payload(event).get("run", "")), viewer(request)))
        return document, notice, *fields_of(document)

    def redo(event: gr.EventData, request: gr.Request) -> tuple:
        document, notice = opened(lambda: branching.redo(str(payload(event).get("uid", "")), viewer(request)))
        return document, notice, *fields_of(document)

    def show(event: gr.EventData, request: gr.Request) -> tuple:
        document, notice = opened(lambda: workbench.open_run(str(payload(event).get("uid", "")), viewer(request)))
        return document, notice, *fields_of(document)

    asked = (explorer.branch_ask, branch), (explorer.replicates_ask, replicates), (explorer.score_here, score)
    told_after([event(handler, None, shown, **JOB) for event, handler in asked], parts.shares, workbench)
    explorer.job_stop(stop, None, None, queue=False, **PRIVATE)
    shown_runs = (explorer.run_open, show), (parts.branches.run_open, show)
    for event, handler in ((explorer.branch_undo, undo), (explorer.branch_redo, redo), *shown_runs):
        event(handler, None, [explorer, parts.notice, *parts.asked], queue=False, **PRIVATE)


def wire_trees(parts: ExploreParts, workbench: Workbench, branching: Branching, trees: Trees) -> None:
    """Connect the tree's events; every answer is a tree document or one sentence."""
    tree = parts.branches
    shown = [parts.explorer, parts.notice, parts.generate, parts.score, parts.stop, parts.stop_scoring]

    def viewer(request: gr.Request) -> Viewer:
        return viewer_of(request)

    def at(event: gr.EventData, request: gr.Request) -> Asked:
        asked = payload(event)
        return Asked(trees, str(asked.pop("run", "")), asked.pop("numbering", None), asked, viewer(request))

    def show(event: gr.EventData, request: gr.Request) -> tuple:
        asked = at(event, request)
        return opened(lambda: trees.open(asked.uid, asked.viewer))

    def grow(event: gr.EventData, request: gr.Request) -> Iterator[str]:
        asked = at(event, request)
        yield from asked.frames(lambda: trees.grow(asked.uid, asked.fields, asked.viewer, numbering=asked.numbering))

    def edit(event: gr.EventData, request: gr.Request) -> Iterator[str]:
        asked = at(event, request)
        node, text = asked.fields.get("node"), asked.fields.get("text")
        yield from asked.frames(lambda: trees.edit(asked.uid, node, text, asked.viewer, numbering=asked.numbering))

    def take(event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        asked = at(event, request)

        def work() -> Iterator[str]:
            fork, ids = trees.path(asked.uid, asked.fields.get("node"), asked.viewer, numbering=asked.numbering)
            yield from branching.take(asked.uid, fork, ids, asked.fields.get("luck"), asked.viewer)

        said = ""
        for frame in shown_frames(work):
            said = frame[1] if isinstance(frame[1], str) else said
            yield (*frame, gr.skip())
        if said == CHANGED:
            yield (*[gr.skip()] * len(shown), asked.refused(said))

    def stop(request: gr.Request) -> None:
        workbench.stop(viewer(request))

    tree.tree_open(show, None, [tree, parts.notice], trigger_mode="multiple", queue=False, **PRIVATE)
    grown = tree.tree_grow(grow, None, tree, **JOB)
    edited = tree.tree_edit(edit, None, tree, trigger_mode="multiple", **JOB)
    tree.tree_stop(stop, None, None, queue=False, **PRIVATE)
    _wire_deeds(tree, trees, at)
    taken = tree.tree_take(take, None, [*shown, tree], **JOB)
    told_after([grown, edited, taken], parts.shares, workbench)


def _wire_deeds(tree: Any, trees: Trees, at: Callable[[gr.EventData, gr.Request], Asked]) -> None:
    """What is done at once, without the model; each is answered by the whole tree."""

    def remove(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        node = asked.fields.get("node")
        return asked.once(lambda: trees.remove(asked.uid, node, asked.viewer, numbering=asked.numbering))

    def restore(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        return asked.once(lambda: trees.restore(asked.uid, asked.fields.get("removed"), asked.viewer))

    def mark(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        node = asked.fields.get("node")
        marks = {name: asked.fields.get(name) for name in ("bookmark", "note", "tags")}
        return asked.once(lambda: trees.mark(asked.uid, node, asked.viewer, numbering=asked.numbering, **marks))

    def export(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        return asked.once(lambda: trees.exported(asked.uid, asked.viewer))

    def bring_in(event: gr.EventData, request: gr.Request) -> str:
        asked = at(event, request)
        return asked.once(lambda: trees.import_tree(asked.uid, asked.fields.get("text"), asked.viewer))

    # the page has taken its step already: none of these may be dropped while another one is answered
    for event, deed in ((tree.tree_remove, remove), (tree.tree_restore, restore), (tree.tree_mark, mark)):
        event(deed, None, tree, trigger_mode="multiple", queue=False, **PRIVATE)
    tree.tree_export(export, None, tree, queue=False, **PRIVATE)
    tree.tree_import(bring_in, None, tree, queue=False, **PRIVATE)


@dataclass(frozen=True)
class Asked:
    """What was asked of a run's tree; a refusal is said where the tree is drawn, on the tree as it stands.

    numbering: the token of the numbers that the page saw.
    """

    trees: Trees
    uid: str
    numbering: object
    fields: Mapping[str, Any]
    viewer: Viewer

    def once(self, work: Callable[[], str]) -> str:
        """The tree after something that is done at once."""
        with Caught() as problem:
            return work()
        return self.refused(problem.sentence)

    def frames(self, start: Callable[[], Iterator[str]]) -> Iterator[str]:
        """The tree as it grows."""
        with Caught() as problem:
            yield from start()
        if problem.sentence:
            yield self.refused(problem.sentence)

    def refused(self, sentence: str) -> str:
        """The tree as it stands, with this sentence."""
        with Caught():
            return with_problem(self.trees.open(self.uid, self.viewer), sentence)
        return ""
