"""A tree that is growing: its turn at the model, its document so far, and that nothing which has grown is lost.

Knows the queue and when to store; what is done with the tree is handed in. Does not know gradio.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, Busy, UserError
from engine.resume import check_same_model
from engine.tree import Tree
from engine.tree_runs import copied, find, tokens_in_root
from engine.types import ModelCard, Trace
from storage.records import AnalysisStatus
from ui.access import Viewer
from ui.actions import Workbench, saving_apart
from ui.tree_fields import bounds_of, within
from ui.tree_removal import as_left, forget_removed
from ui.tree_shelf import KIND, OpenTree, TreeShelf
from ui.tree_view import Marks, NodeLines, Standing, header_line, marks_line, outcome_of, runs_line, standing_line
from ui.turns import Ticket

if TYPE_CHECKING:
    from engine.models import LanguageModel

FRAME_SECONDS = 0.3
ROOT_CHARS = 160
LOAD_IT = "load it to go on with this tree"

# marks with what is to change at a node
Change = Callable[[Marks, int], Marks]
# changes the tree handed in and yields where it stands
Work = Callable[["LanguageModel", OpenTree, Tree, Callable[[], bool]], Iterator[Standing]]


@dataclass
class Growing:
    """What has grown and how it is shown. opened: the tree before, under its new nodes and words; text: the document
    so far; known: nodes that it had before; shown: all marks as its page sees them; marks: the same where they changed
    since the last frame; late: marks put on nodes that are stored only when it is done, as changes of marks at a node;
    outcome: how many answers had come out when they were looked at last, and what was to be said of them."""

    opened: OpenTree
    words: dict[int, bytes]
    control: set[int]
    lines: NodeLines
    text: str
    spelled: int
    known: int
    shown: Marks
    marks: Marks | None = None
    late: list[tuple[int, Change]] = field(default_factory=list)
    storing: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    outcome: tuple[int | None, dict[str, Any]] | None = None

    @property
    def tree(self) -> Tree:
        return self.opened.tree

    def spell(self, model: LanguageModel) -> None:
        """Take note of the bytes of tokens that are new in the tree."""
        for index in range(self.spelled, len(self.tree)):
            token_id = self.tree[index].token_id
            if token_id not in self.words:
                self.words[token_id] = model.token_bytes(token_id)
            if token_id in model.special_ids:
                self.control.add(token_id)
        self.spelled = len(self.tree)

    def frame(self, standing: Standing) -> str:
        """The document with what is new since the last frame."""
        marks, self.marks = self.marks, None
        # finding the answers takes as long as everything else together, and they come out rarely
        if self.outcome is None or standing.out is None or standing.out != self.outcome[0]:
            self.outcome = (standing.out, outcome_of(self.tree, standing.growth, over=False))
        fresh = self.lines.changed()
        said = standing_line(self.tree, standing, self.outcome[1], self.lines.numbering)
        self.text += fresh + (marks_line(marks) if marks else "") + said
        return self.text

    def mark(self, node: int, change: Change, *, late: bool) -> None:
        """Show a change of the marks at a node; late: it is to be stored with the node, once that is. Raises BadInput,
        Busy."""
        with self.lock:
            if late and self.storing:
                raise Busy("What has grown is being stored: mark this token in a moment.")
            self.shown = self.marks = change(self.shown, node)
            if late:
                self.late.append((node, change))

    def remarked(self, marks: Marks, placed: Mapping[int, int]) -> Marks:
        """Stored marks with those that had to wait for their nodes."""
        for node, change in self.late:
            if node in placed:
                # as many as can be kept may have come from elsewhere since
                with suppress(BadInput):
                    marks = change(marks, placed[node])
        return marks

    def now(self) -> OpenTree:
        """As it is to be stored."""
        return replace(self.opened, words=self.words, control=frozenset(self.control))


class TreeJobs:
    """Lets trees grow one at a time in the model's queue, and stores them."""

    def __init__(self, workbench: Workbench, shelf: TreeShelf) -> None:
        self._bench = workbench
        self._shelf = shelf
        self._growing: dict[tuple[str, str], Growing] = {}
        self.pace: dict[ModelCard, float] = {}

    def load(self, uid: str, viewer: Viewer) -> OpenTree:
        """The tree of a run, as far as it is stored."""
        return as_left(self._shelf.load(uid, viewer, self.at_hand))

    def is_own(self, opened: OpenTree, viewer: Viewer) -> bool:
        """Whether what is stored of a tree was stored by this person."""
        kept = self._bench.store.analyses.list(opened.anchor, viewer=viewer.name, kind=KIND)
        return all(each.owner == viewer.name for each in kept if each.uid == opened.analysis)

    def at_hand(self, trace: Trace) -> LanguageModel | None:
        """The run's own model if it is loaded: it knows which tokens end a turn."""
        if self._bench.host.state.status != "ready":
            return None
        model = self._bench.host.model()
        try:
            check_same_model(trace.model, model.card)
        except UserError:
            return None
        return model

    def growing(self, opened: OpenTree, viewer: Viewer) -> Growing | None:
        """The same person's tree that is growing at this moment."""
        return self._growing.get((viewer.name, opened.anchor))

    def document(self, opened: OpenTree, viewer: Viewer, standing: Standing | None = None) -> str:
        """The whole document of a tree; standing: by default what its last growth came to."""
        text, _ = self._first_lines(opened, viewer)
        return text + standing_line(opened.tree, standing or Standing(message=opened.message, growth=opened.growth))

    def run(
        self, uid: str, viewer: Viewer, work: Work, check_first: Callable[[OpenTree], object]
    ) -> Generator[str, None, None]:
        """Do some work on a tree when its turn has come, on what is stored then; yields growing documents.

        check_first: refuses what cannot be done, before anybody waits. Raises UserError before anything has changed.
        """
        before = self.load(uid, viewer)
        if self._bench.host.state.status == "ready":
            check_same_model(before.run.trace.model, self._bench.host.model().card, LOAD_IT)
        check_first(before)
        with self._bench.turns.enter(viewer) as ticket:
            model = yield from self._wait(ticket, before, viewer)
            if model is None:
                yield self.document(self.load(uid, viewer), viewer)
                return
            check_same_model(before.run.trace.model, model.card, LOAD_IT)
            yield from self._record(model, uid, viewer, ticket, work)

    def _wait(self, ticket: Ticket, opened: OpenTree, viewer: Viewer) -> Generator[str, None, LanguageModel | None]:
        text, _ = self._first_lines(opened, viewer)
        return (
            yield from self._bench.wait_telling(
                ticket,
                lambda said: text + standing_line(opened.tree, Standing("waiting", said, growth=opened.growth)),
            )
        )

    def _record(self, model: LanguageModel, uid: str, viewer: Viewer, ticket: Ticket, work: Work) -> Iterator[str]:
        job = self._begin(as_left(self._shelf.load(uid, viewer, lambda trace: model)), viewer)
        key, size = (viewer.name, job.opened.anchor), len(job.tree)
        standing, problem, closed, shown, ending = Standing("growing"), "", False, 0.0, ""
        self._growing[key] = job
        try:
            for standing in work(model, job.opened, job.tree, ticket.stopped):
                if time.monotonic() - shown >= FRAME_SECONDS:
                    job.spell(model)
                    yield job.frame(standing)
                    shown = time.monotonic()
            if ticket.cut and standing.reason in (None, "cancelled"):
                standing = replace(standing, message=ticket.cut)
        except UserError as error:
            problem = str(error)
            if len(job.tree) == size and not standing.evaluated:
                raise
        except GeneratorExit:
            closed = True
            raise
        finally:
            # reached when it is done, when the tab was closed and by a defect alike: what has grown is never lost
            job.spell(model)
            if len(job.tree) > size or standing.evaluated:
                ending = self._keep(job, standing, problem, viewer, key, apart=closed)
            elif self._growing.get(key) is job:
                del self._growing[key]
        if ticket.cut and not ending:
            raise Busy(ticket.cut)
        yield ending or self.document(job.opened, viewer, replace(standing, state="idle"))

    def _keep(
        self, job: Growing, standing: Standing, problem: str, viewer: Viewer, key: tuple[str, str], *, apart: bool
    ) -> str:
        """Store what has grown. apart: its page was closed, and nobody is made to wait while the store is busy."""
        documents: list[str] = []

        def save() -> None:
            try:
                documents.append(self._store(job, standing, problem, viewer))
            finally:
                if self._growing.get(key) is job:
                    del self._growing[key]

        if not apart:
            save()
            return documents[0]
        saving_apart(save)
        return ""

    def _store(self, job: Growing, standing: Standing, problem: str, viewer: Viewer) -> str:
        with job.lock:
            job.storing = True
        now = job.now()
        status: AnalysisStatus = "failed" if problem else "stopped" if standing.reason is None else "finished"
        if standing.reason == "cancelled":
            status = "stopped"
        final = replace(standing, state="failed" if problem else "idle", message=problem or standing.message)
        try:
            self._shelf.save(
                now,
                viewer,
                growth=standing.growth,
                status=status,
                # what was written once more is there again
                remark=lambda marks, placed: job.remarked(forget_removed(marks, now.tree, job.known), placed),
            )
        except UserError as error:
            self._shelf.remember(now, viewer)
            message = f"{problem} What has grown could not be stored: {error}".strip()
            return self.document(now, viewer, replace(final, state="failed", message=message))
        left = self.load(now.run.header.uid, viewer)
        growth, start = final.growth, final.start
        began = None if growth is None else find(left.tree, now.tree.path_ids(growth.start))
        final = replace(
            final,
            growth=None if growth is None or began is None else replace(growth, start=began),
            start=None if start is None else find(left.tree, now.tree.path_ids(start)),
            masses=None,
        )
        return self.document(left, viewer, final)

    def _begin(self, opened: OpenTree, viewer: Viewer) -> Growing:
        limits = replace(opened.tree.limits, nodes=max(bounds_of(viewer).nodes, len(opened.tree)))
        tree, _ = copied(opened.tree, tree_limits=limits)
        words, control = dict(opened.words), set(opened.control)
        mine = replace(opened, tree=tree, words=words)
        text, lines = self._first_lines(mine, viewer, control)
        marks = within(opened.marks, len(tree))
        return Growing(mine, words, control, lines, text, spelled=len(tree), known=len(tree), shown=marks)

    def _first_lines(self, opened: OpenTree, viewer: Viewer, control: set[int] | None = None) -> tuple[str, NodeLines]:
        """All of a document but how it stands; control: set that is still being added to."""
        header, trace = opened.run.header, opened.run.trace
        spelling = opened.spelling if control is None else replace(opened.spelling, control=control)
        lines = NodeLines(opened.tree, spelling, [run.end for run in opened.runs])
        drawn = lines.changed()
        first = header_line(
            run=header.uid,
            tree=opened.analysis,
            title=header.title or trace.prompt[:60],
            root_text=(trace.prompt or trace.text)[-ROOT_CHARS:] if len(trace.prompt_ids) else trace.pieces[0],
            root_tokens=len(opened.tree.root_ids),
            offset=tokens_in_root(trace),
            limits=bounds_of(viewer).asked,
            seconds_per_node=self._seconds_per_node(trace),
            numbering=lines.numbering,
        )
        marks = marks_line(within(opened.marks, len(opened.tree)))
        return first + drawn + runs_line(opened.runs, header.uid) + marks, lines

    def _seconds_per_node(self, trace: Trace) -> float | None:
        """As measured with this model, else as long as one token of the run took."""
        if trace.model in self.pace:
            return self.pace[trace.model]
        generated = trace.settings is not None and len(trace) > 0 and trace.seconds > 0.0
        return trace.seconds / len(trace) if generated else None
