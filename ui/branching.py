"""Branches of a run: the same luck or fresh luck after an edit, what chance alone would have written, and undo.

The use cases between engine and store for one run and its branches; each is a generator of growing documents. Does
not know gradio.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine import limits
from engine.counterfactual import plan, replayable, rewritten, within
from engine.edits import Intervention
from engine.errors import BadInput, Busy, NotFound, UserError
from engine.models import LanguageModel
from engine.noise import HINDSIGHT_STREAMS
from engine.replicates import MOST
from engine.types import GenerationRequest, Trace
from storage.records import StoredRun
from ui import actions
from ui.access import Viewer
from ui.actions import Workbench, apart, patiently
from ui.documents import REPLICATES_KIND
from ui.edit_fields import OVERWRITTEN, Asked, check_asked, edit_notes, splices_of
from ui.live import Job
from ui.origins import origin, replicates_line
from ui.yardstick import Yardstick, check_count

# what a stranger may ask for at once
PUBLIC_REPLICATES = 16
PUBLIC_CONTEXT = 16_384
ORPHANED = "The run that this branch left was deleted:"


class Branching:
    """What can be done with a run and its branches."""

    def __init__(self, workbench: Workbench) -> None:
        self._bench = workbench
        self._store = workbench.store

    def branch(self, uid: str, fields: Mapping[str, Any], viewer: Viewer) -> Iterator[str]:
        """Write a run again after an intervention, as a run of its own that is linked to it.

        fields: edits (list of {start, stop, text | ids}), luck ("same", "fresh"), alignment, changes (raw settings),
        first, draw; see `edit_fields.check_asked`. Same luck is inferred where none was recorded. Yields the growing
        document; the last one is the stored branch. Raises UserError before the first new token.
        """
        asked = check_asked(fields)
        parent = self._store.runs.get(uid, viewer=viewer.name)

        def prepare(model: LanguageModel) -> Job:
            return self._job(model, parent, asked, viewer)

        yield from self._bench.run_job(prepare, viewer, show=parent)

    def undo(self, uid: str, viewer: Viewer) -> str:
        """Put a branch of one's own into the bin; the document of the run that it left. Raises BadInput, NotFound."""
        run = self._store.runs.get(uid, viewer=viewer.name)
        if run.header.parent is None:
            raise BadInput("This run is no branch of another one: delete it in the library instead.")
        try:
            self._store.runs.header(run.header.parent, viewer=viewer.name)
        except NotFound as gone:
            raise BadInput(f"{ORPHANED} delete this branch in the library instead.") from gone
        self._store.runs.delete([uid], viewer=viewer.name)
        return self._bench.open_run(run.header.parent, viewer)

    def redo(self, uid: str, viewer: Viewer) -> str:
        """Take an undone branch of one's own out of the bin again; its document. Raises NotFound."""
        self._store.runs.restore([uid], viewer=viewer.name)
        return self._bench.open_run(uid, viewer)

    def replicates(self, uid: str, count: object, viewer: Viewer) -> Iterator[str]:
        """Write a branch `count` times more with fresh noise, and say how near it lies to its parent among them.

        Yields the branch's document with a line that is filled in; what there is when it is stopped is kept.
        """
        wanted = check_count(count, MOST if viewer.trusted else PUBLIC_REPLICATES)
        run = self._store.runs.get(uid, viewer=viewer.name)
        parent = self._bench.documents.parent(run, viewer)
        if run.header.parent is None:
            raise BadInput("Replicates are drawn of a branch: change a token of this run first.")
        if parent is None:
            raise BadInput(f"{ORPHANED} bring that one back first, so that there is a text to be near to.")
        if not viewer.trusted and wanted * (len(run.trace.prompt_ids) + len(run.trace)) > PUBLIC_CONTEXT:
            raise BadInput(f"{wanted} answers as long as this one at once are too many here: ask for fewer.")
        document = self._bench.documents.of(run, viewer)
        with self._bench.turns.enter(viewer) as ticket:
            model = yield from self._bench.wait_for_model(ticket, document)
            if model is None:
                yield document
                return
            yardstick = Yardstick(run, parent, wanted)
            shown, started, closed = 0.0, time.perf_counter(), False
            line = ""
            try:
                for _ in yardstick.draw(model, ticket.stopped):
                    if time.monotonic() - shown >= actions.FRAME_SECONDS:
                        yield document + replicates_line(yardstick.result())
                        shown = time.monotonic()
            except GeneratorExit:
                closed = True
                raise
            finally:
                if yardstick.drawn:
                    seconds = time.perf_counter() - started
                    line = apart(lambda: self._keep_replicates(uid, yardstick, seconds, viewer), wait=not closed)
            yield document + line
            if ticket.cut:
                raise Busy(ticket.cut)

    def score_here(self, uid: str, viewer: Viewer) -> Iterator[str]:
        """Score the text of a run that was made elsewhere with the loaded model, as a run that can be branched."""
        trace = self._store.runs.get(uid, viewer=viewer.name).trace
        yield from self._bench.score_text(trace.prompt, trace.answer, viewer)

    def take(self, uid: str, fork: int, ids: Sequence[int], luck: object, viewer: Viewer) -> Iterator[str]:
        """Make a path of the tree a run: tokens `fork`, `fork` + 1, ... of a run give way to `ids`, and it goes on."""
        length = self._store.runs.header(uid, viewer=viewer.name).tokens
        edit = {"start": fork, "stop": min(length, fork + len(ids)), "ids": list(ids)}
        fields = {"edits": [edit], "luck": luck} if ids else {"first": fork, "luck": luck}
        yield from self.branch(uid, fields, viewer)

    def _job(self, model: LanguageModel, parent: StoredRun, asked: Asked, viewer: Viewer) -> Job:
        trace = parent.trace
        luck = "inferred" if asked.luck == "same" and not replayable(trace) else asked.luck
        splices = splices_of(model, trace, asked)
        intervention = Intervention(splices, asked.first, asked.alignment, luck)
        settings = self._settings(trace, asked)
        planned = plan(model, trace, intervention, settings=settings, draw=self._draw(parent, asked, luck, viewer))
        planned = within(planned, self._bench.limits.max_new_tokens)
        fork = planned.held.untouched
        return Job(
            prompt=planned.request.prompt,
            system=planned.request.system,
            prompt_ids=planned.prompt_ids,
            settings=planned.request,
            kind=planned.kind,
            ends_as=None,
            steps=planned.steps,
            notes=(
                *edit_notes(model, trace, planned.held),
                *((OVERWRITTEN,) if luck != "inferred" and rewritten(trace, planned) else ()),
            ),
            kept=planned.kept,
            nothing=planned.ended(model),
            parent=parent,
            origin=origin(
                parent,
                uid=parent.header.uid,
                fork=fork,
                held=len(planned.held.ids),
                intervention=intervention,
                settings=planned.request,
            ),
            whole=planned.whole,
        )

    def _draw(self, parent: StoredRun, asked: Asked, luck: str, viewer: Viewer) -> int:
        """Which fresh stream or posterior draw; asked for when it is this job's turn, so that no two are the same."""
        if asked.draw or luck != "fresh":
            return asked.draw or 1
        own = parent.trace.settings.stream if parent.trace.settings else 0
        if own >= HINDSIGHT_STREAMS:
            own = 0
        return max(own + 1, self._store.runs.next_stream(parent.header.uid, viewer=viewer.name))

    def _settings(self, trace: Trace, asked: Asked) -> GenerationRequest | None:
        """The changed request, within this page's limits; None where nothing is changed."""
        if not asked.changes:
            return None
        base = trace.settings
        recorded: dict[str, Any] = {"prompt": trace.prompt, "system": trace.system}
        if base is not None:
            names = ("max_new_tokens", "temperature", "top_k", "top_p", "seed", "stop")
            recorded |= {name: getattr(base, name) for name in names}
            recorded["max_new_tokens"] = min(base.max_new_tokens, self._bench.limits.max_new_tokens)
        return limits.request_from_fields(recorded | dict(asked.changes), self._bench.limits)

    def _keep_replicates(self, uid: str, yardstick: Yardstick, seconds: float, viewer: Viewer) -> str:
        """The line of the replicates that count now: these, or earlier ones of which more had come to their end."""
        analyses = self._store.analyses
        result = yardstick.result(finished=True, seconds=seconds)
        try:
            mine = [
                found
                for found in analyses.list(uid, viewer=viewer.name, kind=REPLICATES_KIND)
                if found.owner == viewer.name
            ]
            better = [one.result for one in mine if len(one.result.get("distances", ())) > yardstick.ended]
            if better:
                return replicates_line(
                    {**better[-1], "problem": f"{result['problem']} The earlier ones stand.".strip()}
                )
            kept = patiently(lambda: analyses.add(uid, REPLICATES_KIND, yardstick.settings, viewer=viewer.name))
            arrays = yardstick.arrays()
            patiently(lambda: analyses.save(kept, viewer=viewer.name, arrays=arrays, status="finished", result=result))
            for older in mine:
                analyses.delete(older.uid, viewer=viewer.name)
        except UserError as error:
            result = {**result, "problem": f"{result['problem']} These could not be stored: {error}".strip()}
        return replicates_line(result)
