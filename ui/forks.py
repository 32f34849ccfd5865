"""Forking analyses as a person uses them: price one, run it, stop it, go on with it, look into it, add draws to it.

Engine and store meet here; an analysis is kept with the run it is of, its draws whole. A long job gives way to short
ones between two steps. Does not know gradio or how an analysis is drawn.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from engine.errors import BadInput, Busy, NotFound, StoreDamaged, UserError
from engine.fork_draws import ForkDraws, from_arrays
from engine.fork_plan import plan_analysis
from engine.models import LanguageModel
from engine.outcomes import extractor
from engine.resume import check_same_model
from engine.tree_runs import known_ends
from engine.types import Trace
from storage.analysis_index import newest_analyses
from storage.records import RunQuery
from ui import fork_view
from ui.access import Viewer
from ui.actions import Workbench
from ui.documents import FORKS_KIND
from ui.fork_fields import (
    ANY,
    ForkBounds,
    bounds_of,
    check_price,
    from_plain,
    over,
    settings_of,
    to_plain,
    with_extra_of,
    with_more,
)
from ui.fork_files import write_draws
from ui.fork_headline import BEST, best_fork
from ui.fork_job import ENDS, NOTHING_KEPT, SPENT, ForkJob, OpenForks, document_of, lacks
from ui.fork_record import LOOK, pack_look, unpack_look
from ui.fork_underway import Underway
from ui.fork_view import Standing
from ui.turns import Ticket

KIND = FORKS_KIND
# how many times faster continuations side by side were than one answer alone: the embedded model on two cores
SIDE_BY_SIDE = 14.0
LOAD_IT = "load it to draw continuations with it"
# analyses of one run that a stranger keeps; older ones make room
KEPT_A_RUN = 20
POLL_SECONDS = 0.25
ELSEWHERE = "Another page is drawing this analysis: open it again to see how far it is."
LANDING = "What another page drew of it is being stored."
OLDER = "A newer analysis of this run cannot be opened, this is the one before it."
NONE_READABLE = "No analysis of this run can be opened any more, but a new one can be begun."
# one that was being drawn when its program ended
ENDED = {"running": "stopped"}


class Forks:
    """The use cases, over one workbench."""

    def __init__(self, workbench: Workbench) -> None:
        self._bench = workbench
        self._store = workbench.store
        self.underway = Underway()

    def price(self, uid: str, fields: Mapping[str, Any], viewer: Viewer) -> str:
        """The document of an analysis that nobody has begun: what it would take. Raises UserError."""
        opened = self._asked(uid, fields, viewer)
        return self._document(opened, Standing("idle"), viewer, whole=False)

    def offer(self, uid: str, viewer: Viewer, note: str = "") -> str:
        """What an analysis by the usual settings would take, with a note, and where that is more than this person may
        ask for, a sentence about it: it can be asked for with others. Raises UserError."""
        try:
            opened = self._asked(uid, {}, viewer)
        except BadInput as error:
            opened, note = self._asked(uid, {}, viewer, ANY), f"{note} {error}".strip()
        return self._document(opened, Standing("idle", note), viewer, whole=False)

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
        yield from self._job(_not_over(opened, viewer), viewer)

    def add_draws(self, uid: str, position: int, token_id: int, more: int, viewer: Viewer) -> Iterator[str]:
        """Draw `more` continuations of one branch of an analysis, or of a copy of somebody else's. Raises UserError."""
        opened, bounds = self._mine(uid, viewer), bounds_of(viewer)
        # one that went on until its band was narrow has more draws than were planned first
        drawn = sum((one.position, one.token_id) == (position, token_id) for one in opened.draws.rollouts)
        settings = with_more(opened.settings, opened.plan(), position, token_id, more, bounds.draws, drawn=drawn)
        wanted = replace(opened, settings=settings, state="stopped")
        check_price(wanted.plan(), bounds)
        yield from self._job(_not_over(wanted, viewer), viewer)

    def open(self, uid: str, viewer: Viewer, note: str = "") -> str:
        """The document of a stored analysis, with a note where it has nothing to say. Raises NotFound, StoreDamaged,
        Busy while another one is worked out for this person."""
        opened = self._opened(uid, viewer)
        standing = Standing(opened.state, opened.message or note)
        if opened.look:
            return self._document(opened, standing, viewer)
        with self.underway.alone(viewer):
            if opened.state == "running":
                return self._document(opened, standing, viewer, whole=False)
            document = self._document(opened, standing, viewer)
            if opened.owner == viewer.name:
                self.keep_look(opened, opened.state == "finished", document, viewer)
            return document

    def of_run(self, run: str, viewer: Viewer, note: str = "") -> str:
        """The document of a run's newest analysis that can be read, "" where it has none; note: as in `open`. Raises
        NotFound, StoreDamaged where the run itself is damaged, Busy."""
        uids = self._of_run(run, viewer)
        for uid in uids:
            try:
                return self.open(uid, viewer, note)
            except (StoreDamaged, BadInput) as error:
                logging.getLogger("forklore").warning("a forking analysis cannot be opened: %s", error)
                note = OLDER
        return self.offer(run, viewer, NONE_READABLE) if uids else ""

    def analyses(self, run: str, viewer: Viewer) -> list[dict[str, Any]]:
        """The analyses of a run that this person may open, newest first: uid, field, parameter, status, draws and when
        each was begun. Raises NotFound, StoreDamaged."""
        found = self._store.analyses.list(run, viewer=viewer.name, kind=KIND)
        return [
            {
                "uid": one.uid,
                "field": str(one.settings.get("extractor", "")),
                "parameter": str(one.settings.get("parameter", "")),
                "status": "running" if self.underway.is_drawn(one.uid) else ENDED.get(one.status, one.status),
                "draws": int(one.result.get("draws", 0)),
                "created": one.created_at.isoformat(timespec="seconds"),
            }
            for one in reversed(found)
        ]

    def texts(
        self, uid: str, position: int, token_id: int, viewer: Viewer, field: str = "", parameter: str = ""
    ) -> str:
        """The continuations of one branch, grouped by outcome, as a line of the document; field, parameter: read as
        `read_again` does."""
        opened = self._read_as(self._opened(uid, viewer), field, parameter, viewer)
        return fork_view.texts_line(opened.report(), position, token_id)

    def read_again(self, uid: str, name: str, parameter: str, viewer: Viewer) -> str:
        """The document of an analysis whose stored draws are read by another extractor; nothing is generated. Raises
        UserError."""
        with self.underway.alone(viewer):
            opened = self._opened(uid, viewer)
            again = self._read_as(opened, name, parameter, viewer)
            return self._document(again, Standing(opened.state, opened.message), viewer)

    def export(self, uid: str, kind: str, viewer: Viewer, field: str = "", parameter: str = "") -> Path:
        """The draws of an analysis as a file, kind "jsonl" or "parquet", which the page may hand out; field, parameter:
        read as `read_again` does. Anybody who may open it may have them. Raises UserError."""
        with self.underway.alone(viewer):
            opened = self._read_as(self._opened(uid, viewer), field, parameter, viewer)
            report = opened.report()
            # draws are only ever added
            key = (viewer.name, uid, kind, str(report.count), json.dumps(to_plain(opened.settings)))
            return self.underway.file(
                key, lambda: write_draws(opened.run.header.uid, uid, opened.run.trace, report, kind)
            )

    def _read_as(self, opened: OpenForks, name: str, parameter: str, viewer: Viewer) -> OpenForks:
        """The same draws read by another extractor; as they were for "". Raises UserError."""
        if not name:
            return opened
        asked = to_plain(opened.settings) | {"extractor": name, "parameter": parameter}
        again = replace(opened, settings=settings_of(asked, bounds_of(viewer)), look="")
        self._check_readable(again)
        _ = again.report().branches
        return again

    def _of_run(self, run: str, viewer: Viewer) -> list[str]:
        """The uids of a run's analyses, newest first, without those whose description is damaged, unless all are."""
        try:
            return [each.uid for each in self._store.analyses.list(run, viewer=viewer.name, kind=KIND)][::-1]
        except StoreDamaged as error:
            # raised again where it is the run
            header = self._store.runs.header(run, viewer=viewer.name)
            logging.getLogger("forklore").warning("a forking analysis is left out: %s", error)
        most = self._store.limits.list_rows
        owners = dict.fromkeys((viewer.name, header.owner))
        rows = [row for owner in owners for row in newest_analyses(self._store, KIND, viewer=owner, limit=most)[0]]
        here = [row for row in rows if row.run == run]
        return [row.uid for row in here if row.header is not None] or [row.uid for row in here]

    def make_room(self, run: str, viewer: Viewer) -> None:
        """Forget a stranger's oldest analyses of a run, beyond the newest KEPT_A_RUN."""
        if viewer.trusted:
            return
        with suppress(UserError):
            found = self._store.analyses.list(run, viewer=viewer.name, kind=KIND)
            mine = [each.uid for each in found if each.owner == viewer.name]
            for uid in mine[:-KEPT_A_RUN]:
                if not self.underway.is_drawn(uid):
                    self._store.analyses.delete(uid, viewer=viewer.name)

    def _asked(
        self, uid: str, fields: Mapping[str, Any], viewer: Viewer, allowed: ForkBounds | None = None
    ) -> OpenForks:
        run = self._store.runs.get(uid, viewer=viewer.name)
        ends, bounds = self._ends(run.trace), allowed or bounds_of(viewer)
        settings = settings_of(fields, bounds)
        plan = plan_analysis(run.trace, settings, ends)
        if settings.max_tokens is None and plan.max_tokens > bounds.response:
            settings = replace(settings, max_tokens=bounds.response)
            plan = plan_analysis(run.trace, settings, ends)
        check_price(plan, bounds)
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
        opened = replace(self._opened(uid, viewer), look="", message="")
        return opened if opened.owner == viewer.name else replace(opened, uid="", origin=uid, spent=0)

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
        # draws may have been added to what was asked first
        settings = from_plain(header.result.get("settings", header.settings))
        try:
            draws = from_arrays(arrays, self._bench.sentences.embed)
        except (KeyError, IndexError, ValueError) as error:
            raise StoreDamaged(f"Analysis {uid} was begun and none of its draws were stored: run it again.") from error
        opened = OpenForks(
            run, settings, ends, draws, uid, header.status, str(header.result.get("message", "")),
            owner=header.owner, spent=int(header.result.get(SPENT, 0)),
        )  # fmt: skip
        if self.underway.is_drawn(uid):
            return replace(opened, state="running", message=ELSEWHERE)
        # one that says it is running was ended with its program; one may be planned with more branches today than when
        # it was finished
        if opened.state == "running" or (opened.state == "finished" and lacks(draws, opened.plan())):
            opened = replace(opened, state="stopped")
        if LOOK not in arrays:
            return opened
        return replace(
            opened, look=unpack_look(arrays[LOOK], settings, len(draws.rollouts), opened.state == "finished")
        )

    def _job(self, opened: OpenForks, viewer: Viewer) -> Iterator[str]:
        if self._bench.host.state.status == "ready":
            check_same_model(opened.run.trace.model, self._bench.host.model().card, LOAD_IT)
        with self._bench.turns.enter(viewer, long=True) as ticket:
            before = self._document(opened, Standing("waiting"), viewer, whole=False)
            lines = before[: before.rindex("\n", 0, -1) + 1]

            def tell(said: str) -> str:
                return lines + fork_view.standing_line(opened.report(), Standing("waiting", said))

            model = yield from self._bench.wait_telling(ticket, tell)
            landed = yield from self._landed(opened.uid, ticket, tell)
            if model is None or not landed:
                yield self._as_it_was(opened, viewer)
                return
            job = ForkJob(self, self._bench, self._as_it_is(opened, model, viewer), viewer)
            yield from job.draw(model, ticket)
            if job.nothing_kept and ticket.cut:
                raise Busy(ticket.cut)
        # what the draws say takes a while to work out: nobody waits for that
        yield self._as_it_was(opened, viewer, NOTHING_KEPT) if job.nothing_kept else job.ended()

    def _landed(self, uid: str, ticket: Ticket, tell: Callable[[str], str]) -> Generator[str, None, bool]:
        """Wait until what a page that was closed drew of this analysis is stored; False when stopped meanwhile."""
        while self.underway.is_drawn(uid):
            if ticket.cancelled.wait(POLL_SECONDS):
                return False
            yield tell(LANDING)
        return True

    def _as_it_was(self, opened: OpenForks, viewer: Viewer, note: str = "") -> str:
        """What is on show when an analysis was stopped before its turn came, or before anything came of it."""
        kept = opened.uid or opened.origin
        older = self.open(kept, viewer, note) if kept else self.of_run(opened.run.header.uid, viewer, note)
        return older or self._document(opened, Standing(opened.state, note), viewer)

    def _as_it_is(self, opened: OpenForks, model: LanguageModel, viewer: Viewer) -> OpenForks:
        """An analysis as it stands when its turn has come, with what this model says. Raises UserError."""
        check_same_model(opened.run.trace.model, model.card, LOAD_IT)
        if opened.uid:
            # another page may have gone on with it while this one waited for its turn
            now = self._opened(opened.uid, viewer)
            settings = with_extra_of(opened.settings, now.settings)
            opened = replace(opened, draws=now.draws, settings=settings, spent=now.spent)
            check_price(opened.plan(), bounds_of(viewer))
        control = opened.draws.control | model.end_ids | model.special_ids
        return replace(opened, end_ids=model.end_ids, draws=replace(opened.draws, control=control))

    def keep_look(self, opened: OpenForks, done: bool, document: str, viewer: Viewer) -> None:
        """Store what a whole document says of these draws: opening them again would work it out again."""
        look = pack_look(document, opened.settings, len(opened.draws.rollouts), done)
        # without it they are only slower to open
        with suppress(UserError), self.underway.writing:
            result = self._store.analyses.get(opened.uid, viewer=viewer.name).header.result
            result = {**result, BEST: best_fork(document)}
            self._store.analyses.save(opened.uid, viewer=viewer.name, arrays={LOOK: look}, result=result)

    def _document(self, opened: OpenForks, standing: Standing, viewer: Viewer, *, whole: bool = True) -> str:
        return document_of(opened, opened.report(), standing, self.seconds_per_token(viewer), whole=whole)

    def seconds_per_token(self, viewer: Viewer) -> float | None:
        """What a token of a continuation took in the last analysis with the loaded model; else about, from this
        person's newest runs with it; None where nothing tells."""
        host = self._bench.host
        if host.state.status != "ready":
            return None
        card = host.model().card
        pace = self.underway.pace(card)
        if pace is not None:
            return pace
        query = RunQuery(viewer.name, models=(card.name,), kinds=("generation",), limit=10)
        rows = [row for row in self._store.runs.list(query).rows if row.tokens and row.seconds]
        # the examples were written elsewhere: they count only where there is nothing else
        own = [row for row in rows if not row.example] or rows
        return median(row.seconds / row.tokens for row in own) / SIDE_BY_SIDE if own else None


def _not_over(opened: OpenForks, viewer: Viewer) -> OpenForks:
    """The same; BadInput where it has taken as many tokens as this person may ask for, and lacks draws still."""
    said = over(opened.spent, bounds_of(viewer))
    if said and lacks(opened.draws, opened.plan()):
        raise BadInput(said)
    return opened


def _no_analysis(uid: object) -> NotFound:
    return NotFound(f"There is no forking analysis {str(uid)[:64]!a} here; run one.")
