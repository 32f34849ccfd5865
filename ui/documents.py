"""The whole document of a stored run: its tokens, where it came from, and which runs leave it.

Reads the store as one viewer; what that viewer may not see is left out. Does not know the model or the page.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace

from engine.counterfactual import replayable
from engine.errors import NotFound, StoreDamaged
from engine.types import Trace
from storage.database import Store
from storage.records import RunHeader, StoredRun
from ui.access import Viewer
from ui.chain_record import token_scores_of
from ui.chain_shelf import finished_chains
from ui.fork_headline import BEST, fork_headline
from ui.headlines import Headline
from ui.live import opening, stored_document
from ui.long_answers import LONG_RUNS
from ui.origins import behind, children_line, origin_of, price_line, replicates_line, versus_line

REPLICATES_KIND = "replicates"
FORKS_KIND = "forks"
MOST_CHILDREN = 200
# tokens from which on a document takes a good part of a second to write, in which others get little done
LONG = 4_000


class Documents:
    """Opens runs of one store as documents."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, uid: str, viewer: Viewer, problem: str = "") -> str:
        """The document of a run, as it looked when it had just been made. problem: why it ended early, said with it.
        Raises NotFound, StoreDamaged, and of a long run Busy."""
        run = self._store.runs.get(uid, viewer=viewer.name)
        with LONG_RUNS.take(viewer) if len(run.trace) > LONG and not viewer.trusted else nullcontext():
            return self.of(run, viewer, problem)

    def of(self, run: StoredRun, viewer: Viewer, problem: str = "") -> str:
        """The document of an opened run, with what attention has made known of it."""
        parent, run = self.parent(run, viewer), self._with_attention(run, viewer)
        document = stored_document(
            run, origin_of(run, parent), self._fork(run, viewer), problem, foreign=_foreign(run, viewer)
        )
        return document + self._behind(run, parent, viewer)

    def _with_attention(self, run: StoredRun, viewer: Viewer) -> StoredRun:
        """The run with the scores of its newest attention chain that can be read, as it is where there is none."""
        for one in finished_chains(self._store, run.header.uid, viewer)[0]:
            # a damaged one is told of where it is opened
            with suppress(StoreDamaged):
                scores = token_scores_of(self._store.analyses.get(one.uid, viewer=viewer.name).arrays)
                # a run that was continued since is longer
                known = {name: values for name, values in scores.items() if len(values) == len(run.trace)}
                if known:
                    return replace(run, trace=replace(run.trace, scores={**run.trace.scores, **known}))
        return run

    def _fork(self, run: StoredRun, viewer: Viewer) -> Headline | None:
        """What the newest finished forking analysis of a run found; None where there is none, or no fork."""
        try:
            found = self._store.analyses.list(run.header.uid, viewer=viewer.name, kind=FORKS_KIND)
        except StoreDamaged:
            # said where it is opened; the run is readable without it
            return None
        finished = [one.result for one in found if one.status == "finished"]
        best = finished[-1].get(BEST) if finished else None
        return fork_headline(run.trace, best) if best else None

    def opening(self, run: StoredRun, viewer: Viewer) -> str:
        """A run's document without its closing line: what stays on show until the next run begins."""
        return opening(run, origin_of(run, self.parent(run, viewer)), _foreign(run, viewer))

    def parent(self, run: StoredRun, viewer: Viewer) -> StoredRun | None:
        """The run that this one leaves, None when there is none or it cannot be opened any more."""
        if run.header.parent is None:
            return None
        try:
            return self._store.runs.get(run.header.parent, viewer=viewer.name)
        except (NotFound, StoreDamaged):
            return None

    def replicates_of(self, uid: str, viewer: Viewer) -> str:
        """The line of what chance alone wrote instead of a branch, "" while nothing was drawn."""
        found = self._store.analyses.list(uid, viewer=viewer.name, kind=REPLICATES_KIND)
        known = [one.result for one in found if one.result]
        return replicates_line(known[-1]) if known else ""

    def _behind(self, run: StoredRun, parent: StoredRun | None, viewer: Viewer) -> str:
        """The lines after the closing one."""
        lines = []
        if run.header.parent is not None:
            lines += [
                price_line(run.trace),
                versus_line(run, parent) if parent else "",
                self.replicates_of(run.header.uid, viewer),
            ]
        family = self._store.runs.family(run.header.uid, viewer=viewer.name)
        children = [header for header in family if header.parent == run.header.uid and not header.damaged]
        if children:
            luck = {"branch": "fresh", "counterfactual": "same" if replayable(run.trace) else "inferred"}
            words = [(child, self._words(child, run.trace, viewer)) for child in children[:MOST_CHILDREN]]
            lines.append(children_line(words, luck))
        return "".join(lines)

    def _words(self, child: RunHeader, parent: Trace, viewer: Viewer) -> str:
        """The first words of a branch behind its fork."""
        fork = child.fork_position or 0
        kept = len(parent.answer) - len(behind(parent, fork))
        if kept < len(child.answer):
            return child.answer[kept:]
        try:
            return behind(self._store.runs.get(child.uid, viewer=viewer.name).trace, fork)
        except (NotFound, StoreDamaged):
            return ""


def _foreign(run: StoredRun, viewer: Viewer) -> bool:
    """Whether a run is somebody else's; an example is everybody's."""
    return not run.header.example and run.header.owner != viewer.name
