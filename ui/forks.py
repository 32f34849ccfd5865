"""Forking analyses as a person uses them: price one, run it, stop it, go on with it, look into it, add draws to it.

Engine and store meet here; an analysis is kept with the run it is of, its draws whole. A long job gives way to short
ones between two steps. Does not know gradio or how an analysis is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from engine.errors import BadInput, NotFound, UserError
from engine.fork_draws import ForkDraws, from_arrays
from engine.fork_plan import plan_analysis
from engine.outcomes import extractor
from engine.resume import check_same_model
from engine.tree_runs import known_ends
from engine.types import Trace
from storage.records import RunQuery
from ui import fork_view
from ui.access import Viewer
from ui.actions import Workbench
from ui.documents import FORKS_KIND
from ui.fork_fields import (
    bounds_of,
    check_price,
    from_plain,
    settings_of,
    to_plain,
    with_extra_of,
    with_more,
)
from ui.fork_files import write_draws
from ui.fork_headline import BEST, best_fork
from ui.fork_job import ENDS, ForkJob, OpenForks, document_of
from ui.fork_record import LOOK, pack_look, unpack_look
from ui.fork_view import Standing

KIND = FORKS_KIND
# how many times faster continuations side by side were than one answer alone: the embedded model on two cores
SIDE_BY_SIDE = 14.0
LOAD_IT = "load it to draw continuations with it"


class Forks:
    """The use cases, over one workbench."""

    def __init__(self, workbench: Workbench) -> None:
        self._bench = workbench
        self._store = workbench.store
        self.pace: float | None = None

    def price(self, uid: str, fields: Mapping[str, Any], viewer: Viewer) -> str:
        """The document of an analysis that nobody has begun: what it would take. Raises UserError."""
        opened = self._asked(uid, fields, viewer)
        return self._document(opened, Standing("idle"), viewer, whole=False)

    def run(self, uid: str, fields: Mapping[str, Any], viewer: Viewer) -> Iterator[str]:
        """Analyse a run, yielding the growing document; the last one is what was stored.

        Raises UserError before the first continuation has ended; after it a problem stands in the document and what
        there is is kept.
        """
        yield from self._job(self._asked(uid, fields, viewer), viewer)

    def resume(self, uid: str, viewer: Viewer) -> Iterator[str]:
        """Go on with an analysis that was stopped or broke off, from the draws there are; where it is somebody else's,
        with a copy of it. Raises UserError."""
        opened = self._mine(uid, viewer)
        if opened.state == "finished":
            raise BadInput("This analysis is finished: ask for more draws of one branch instead.")
        check_price(opened.plan(), bounds_of(viewer))
        yield from self._job(opened, viewer)

    def add_draws(self, uid: str, position: int, token_id: int, more: int, viewer: Viewer) -> Iterator[str]:
        """Draw `more` continuations of one branch of an analysis, or of a copy of somebody else's. Raises UserError."""
        opened, bounds = self._mine(uid, viewer), bounds_of(viewer)
        # one that went on until its band was narrow has more draws than were planned first
        drawn = sum((one.position, one.token_id) == (position, token_id) for one in opened.draws.rollouts)
        settings = with_more(opened.settings, opened.plan(), position, token_id, more, bounds.draws, drawn=drawn)
        wanted = replace(opened, settings=settings, state="stopped")
        check_price(wanted.plan(), bounds)
        yield from self._job(wanted, viewer)

    def open(self, uid: str, viewer: Viewer) -> str:
        """The document of a stored analysis. Raises NotFound, StoreDamaged."""
        opened = self._opened(uid, viewer)
        document = self._document(opened, Standing(opened.state, opened.message), viewer)
        if not opened.look and opened.owner == viewer.name:
            self.keep_look(opened, opened.state == "finished", document, viewer)
        return document

    def of_run(self, run: str, viewer: Viewer) -> str:
        """The document of a run's newest analysis, "" where it has none. Raises NotFound, StoreDamaged."""
        found = self._store.analyses.list(run, viewer=viewer.name, kind=KIND)
        return self.open(found[-1].uid, viewer) if found else ""

    def texts(self, uid: str, position: int, token_id: int, viewer: Viewer) -> str:
        """The continuations of one branch, grouped by outcome, as a line of the document."""
        return fork_view.texts_line(self._opened(uid, viewer).report(), position, token_id)

    def read_again(self, uid: str, name: str, parameter: str, viewer: Viewer) -> str:
        """The document of an analysis whose stored draws are read by another extractor; nothing is generated."""
        opened = self._opened(uid, viewer)
        settings = settings_of(
            to_plain(opened.settings) | {"extractor": name, "parameter": parameter}, bounds_of(viewer)
        )
        again = replace(opened, settings=settings, look="")
        self._check_readable(again)
        _ = again.report().branches
        return self._document(again, Standing(opened.state, opened.message), viewer)

    def export(self, uid: str, kind: str, viewer: Viewer) -> Path:
        """The draws of an analysis as a new file, kind "jsonl" or "parquet", which the page may hand out. Anybody who
        may open it may have them. Raises UserError."""
        opened = self._opened(uid, viewer)
        return write_draws(opened.run.header.uid, uid, opened.run.trace, opened.report(), kind)

    def _asked(self, uid: str, fields: Mapping[str, Any], viewer: Viewer) -> OpenForks:
        run = self._store.runs.get(uid, viewer=viewer.name)
        ends = self._ends(run.trace)
        settings = settings_of(fields, bounds_of(viewer))
        plan = check_price(plan_analysis(run.trace, settings, ends), bounds_of(viewer))
        words = {i: run.trace.token_bytes.get(i, b"") for i in plan.base}
        control, embed = frozenset(run.trace.special_ids) | ends, self._bench.sentences.embed
        opened = OpenForks(run, settings, ends, ForkDraws(plan.base, words, control, embed=embed))
        self._check_readable(opened)
        return opened

    def _check_readable(self, opened: OpenForks) -> None:
        """Raises UserError, before anybody waits, for a way to read outcomes that fails on the answer itself."""
        settings = opened.settings
        if extractor(settings.extractor, settings.parameter).jointly:
            self._bench.sentences.check()
        else:
            opened.draws.label_of(opened.draws.base_ids, settings.extractor, settings.parameter)

    def _ends(self, trace: Trace) -> frozenset[int]:
        """The ids that end a turn: from the run's model where it is loaded, else from what the run says itself."""
        if self._bench.host.state.status == "ready":
            model = self._bench.host.model()
            with suppress(UserError):
                check_same_model(trace.model, model.card)
                return model.end_ids
        return known_ends([trace])

    def _mine(self, uid: str, viewer: Viewer) -> OpenForks:
        """An analysis to go on with: this person's, or one that becomes a copy with its first new draw."""
        opened = replace(self._opened(uid, viewer), look="")
        return opened if opened.owner == viewer.name else replace(opened, uid="", origin=uid)

    def _opened(self, uid: str, viewer: Viewer) -> OpenForks:
        try:
            stored = self._store.analyses.get(uid, viewer=viewer.name)
        except NotFound as error:
            # the store's sentence may name a run that is none of theirs
            raise _no_analysis(uid) from error
        header = stored.header
        if header.kind != KIND:
            raise _no_analysis(uid)
        run = self._store.runs.get(header.run, viewer=viewer.name)
        arrays = dict(stored.arrays)
        ends = frozenset(int(i) for i in arrays.pop(ENDS, np.array([], dtype=np.int32)))
        # one that says it is running when it is opened was ended with its program
        state = "stopped" if header.status == "running" else header.status
        message = str(header.result.get("message", ""))
        # draws may have been added to what was asked first
        settings = from_plain(header.result.get("settings", header.settings))
        draws = from_arrays(arrays, self._bench.sentences.embed)
        look = ""
        if LOOK in arrays:
            look = unpack_look(arrays[LOOK], settings, len(draws.rollouts), state == "finished")
        return OpenForks(run, settings, ends, draws, uid, state, message, owner=header.owner, look=look)

    def _job(self, opened: OpenForks, viewer: Viewer) -> Iterator[str]:
        if self._bench.host.state.status == "ready":
            check_same_model(opened.run.trace.model, self._bench.host.model().card, LOAD_IT)
        with self._bench.turns.enter(viewer.place, long=True) as ticket:
            before = self._document(opened, Standing("waiting"), viewer, whole=False)
            lines = before[: before.rindex("\n", 0, -1) + 1]
            model = yield from self._bench.wait_telling(
                ticket, lambda said: lines + fork_view.standing_line(opened.report(), Standing("waiting", said))
            )
            if model is None:
                kept = opened.uid or opened.origin
                yield self.open(kept, viewer) if kept else self._document(opened, Standing(opened.state), viewer)
                return
            check_same_model(opened.run.trace.model, model.card, LOAD_IT)
            if opened.uid:
                # another page may have gone on with it while this one waited for its turn
                now = self._opened(opened.uid, viewer)
                opened = replace(opened, draws=now.draws, settings=with_extra_of(opened.settings, now.settings))
            ends = replace(opened, end_ids=model.end_ids)
            ends = replace(
                ends, draws=replace(ends.draws, control=ends.draws.control | model.end_ids | model.special_ids)
            )
            job = ForkJob(self, self._bench, ends, viewer)
            yield from job.draw(model, ticket)
        # what the draws say takes a while to work out: nobody waits for that
        yield job.ended()

    def keep_look(self, opened: OpenForks, done: bool, document: str, viewer: Viewer) -> None:
        """Store what a whole document says of these draws: opening them again would work it out again."""
        look = pack_look(document, opened.settings, len(opened.draws.rollouts), done)
        # without it they are only slower to open
        with suppress(UserError):
            result = {
                **self._store.analyses.get(opened.uid, viewer=viewer.name).header.result,
                BEST: best_fork(document),
            }
            self._store.analyses.save(opened.uid, viewer=viewer.name, arrays={LOOK: look}, result=result)

    def _document(self, opened: OpenForks, standing: Standing, viewer: Viewer, *, whole: bool = True) -> str:
        return document_of(opened, opened.report(), standing, self.seconds_per_token(viewer), whole=whole)

    def seconds_per_token(self, viewer: Viewer) -> float | None:
        """What a token of a continuation took in the last analysis; else about, from this person's newest runs with the
        loaded model; None where nothing tells."""
        if self.pace is not None:
            return self.pace
        host = self._bench.host
        if host.state.status != "ready":
            return None
        query = RunQuery(viewer.name, models=(host.model().card.name,), kinds=("generation",), limit=10)
        rows = [row for row in self._store.runs.list(query).rows if row.tokens and row.seconds]
        # the examples were written elsewhere: they count only where there is nothing else
        own = [row for row in rows if not row.example] or rows
        return median(row.seconds / row.tokens for row in own) / SIDE_BY_SIDE if own else None


def _no_analysis(uid: object) -> NotFound:
    return NotFound(f"There is no forking analysis {str(uid)[:64]!a} here; run one.")
