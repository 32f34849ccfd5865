"""One forking analysis while it is drawn: its draws so far, its place in the store, and its document at every moment.

When it ends, stops, fails or its page is closed, every continuation that came to its end is stored; when the program
dies, those of the last seconds (SAVE_SECONDS) are drawn again. Does not know who waits for whom, nor gradio.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from engine.errors import UserError
from engine.fork_analysis import ForkingReport, analyse
from engine.fork_draws import ForkDraws, to_arrays
from engine.fork_plan import ForkPlan, ForkSettings, plan_analysis
from engine.models import LanguageModel
from storage.records import StoredRun
from ui import fork_view
from ui.access import Viewer
from ui.actions import Workbench, apart, patiently
from ui.documents import FORKS_KIND
from ui.fork_fields import bounds_of, over, to_plain
from ui.fork_underway import Underway
from ui.fork_view import Standing
from ui.turns import Ticket

FRAME_SECONDS = 1.0
# a document of many branches takes longer to work out, and then comes as much less often
CHEAP_SECONDS = 0.1
SAVE_SECONDS = 10.0
ENDS, SPENT = "end_ids", "tokens"
# how the token that ends an answer is written
END = "⟨end⟩"
# what an analysis must have drawn before its pace tells anything
PACE_TOKENS = 2_000
NOTHING_KEPT = "Stopped before the first continuation had ended; nothing was kept."


@dataclass(frozen=True)
class OpenForks:
    """An analysis with its run. uid: "" while it is not stored; origin: whose draws it begins with, where it is to
    become a copy of somebody else's; state: as `fork_view.Standing` has it; look: what was worked out of it before;
    spent: tokens that its owner had drawn for it."""

    run: StoredRun
    settings: ForkSettings
    end_ids: frozenset[int]
    draws: ForkDraws
    uid: str = ""
    state: str = "stopped"
    message: str = ""
    origin: str = ""
    owner: str = ""
    look: str = ""
    spent: int = 0

    def plan(self) -> ForkPlan:
        """What it draws in all."""
        return plan_analysis(self.run.trace, self.settings, self.end_ids)

    def report(self) -> ForkingReport:
        """What there is of it."""
        return ForkingReport(self.plan(), self.draws, len(self.draws.rollouts), 0, 0, 0.0, self.state == "finished")


def lacks(draws: ForkDraws, plan: ForkPlan) -> bool:
    """Whether a plan has draws that are not there."""
    return any(draws.missing(*branch, count) for branch, count in plan.counts.items())


class Keeper(Protocol):
    """What a job needs of those who know all analyses."""

    underway: Underway

    def make_room(self, run: str, viewer: Viewer) -> None: ...

    def seconds_per_token(self, viewer: Viewer) -> float | None: ...

    def keep_look(self, opened: OpenForks, done: bool, document: str, viewer: Viewer) -> None: ...


class ForkJob:
    """One analysis while it is drawn."""

    def __init__(self, forks: Keeper, bench: Workbench, opened: OpenForks, viewer: Viewer) -> None:
        self._bench, self._viewer, self._opened, self._forks = bench, viewer, opened, forks
        self._speed = forks.seconds_per_token(viewer)
        self._uid = opened.uid
        self._saved = time.monotonic()
        self._known = len(opened.draws.rollouts)
        self._end_of = opened.report(), Standing("failed")
        self._underway = forks.underway

    def draw(self, model: LanguageModel, ticket: Ticket) -> Iterator[str]:
        """Draw what is missing and keep it; documents, the last one as it is stored."""
        opened, report = self._opened, self._opened.report()
        state, problem, shown, pause, closed = "failed", "", 0.0, FRAME_SECONDS, False
        steps = analyse(
            model,
            opened.run.trace,
            opened.settings,
            resume=opened.draws,
            memory_bytes=self._bench.limits.rollout_megabytes * 2**20,
            cancelled=ticket.stopped,
        )
        try:
            if self._uid:
                self._underway.begin(self._uid)
            for report in steps:
                copied = not self._uid and self._opened.origin
                if report.count > self._known and (copied or time.monotonic() - self._saved >= SAVE_SECONDS):
                    self._save(report, "running", "")
                if time.monotonic() - shown >= pause:
                    began = time.monotonic()
                    # draws that cannot be read are kept, and no more of them are drawn
                    _ = report.branches
                    frame = self._document(report, Standing("running", left=self._left(report)), whole=False)
                    pause = FRAME_SECONDS * max(1.0, (time.monotonic() - began) / CHEAP_SECONDS)
                    yield frame
                    shown = time.monotonic()
                if self._bench.turns.give_way(ticket):
                    yield self._document(report, Standing("waiting", "Somebody's short job goes first."), whole=False)
                    while not self._bench.turns.wait(ticket, 0.25) and not ticket.cancelled.is_set():
                        pass
                problem = "" if report.done else over(self._opened.spent + report.tokens, bounds_of(self._viewer))
                if problem:
                    break
            state = "finished" if report.done else "stopped"
            problem = problem or ("" if report.done else ticket.cut)
            if report.tokens >= PACE_TOKENS:
                self._underway.keep_pace(model.card, report.seconds / report.tokens)
        except UserError as error:
            if not self._worth(report, state):
                raise
            problem = str(error)
        except GeneratorExit:
            state, closed = "stopped", True
            raise
        finally:
            # a finished analysis, a closed tab and a defect end here alike: no draw is lost
            report = report.settled()
            said = apart(lambda: self._end(report, state, problem), wait=not closed)
            problem = said or problem
        self._end_of = report, Standing(state, problem if self._worth(report, state) else NOTHING_KEPT)

    @property
    def nothing_kept(self) -> bool:
        """Whether it was stopped before there was anything to store."""
        return self._end_of[1].message == NOTHING_KEPT

    def ended(self) -> str:
        """The last document, as it is stored."""
        report, standing = self._end_of
        document = self._document(report, standing, whole=True)
        if self._uid:
            now = replace(self._opened, uid=self._uid, settings=report.plan.settings, draws=report.draws)
            self._forks.keep_look(now, report.done, document, self._viewer)
        return document

    def _worth(self, report: ForkingReport, state: str) -> bool:
        """Whether there is anything to store: draws that were not there before, or an end that nothing is missing at.

        What is stored already says how it ended.
        """
        return bool(self._uid) or report.count > self._known or state == "finished"

    def _left(self, report: ForkingReport) -> float | None:
        """Seconds that the rest will take, about; None before anything was drawn.

        Continuations go on side by side and the short ones end first, so tokens are counted rather than ends.
        """
        if not report.tokens:
            return None
        planned, plan = sum(report.plan.counts.values()), report.plan
        missing, drawn = planned - report.count, report.draws.rollouts[self._known : report.count]
        ended = sum(len(one.ids) for one in drawn)
        foreseen = plan.expected_tokens * (planned - self._known) / max(planned, 1) - report.tokens
        seen = missing * ended / len(drawn) - (report.tokens - ended) if drawn else 0.0
        return report.seconds / report.tokens * max(foreseen, seen, missing)

    def _document(self, report: ForkingReport, standing: Standing, *, whole: bool) -> str:
        uid = self._uid or self._opened.origin
        return document_of(replace(self._opened, uid=uid), report, standing, self._speed, whole=whole)

    def _end(self, report: ForkingReport, state: str, problem: str) -> str:
        """Store it as it ended, where there is anything to store; a sentence when that failed."""
        try:
            if self._worth(report, state):
                self._save(report, state, problem)
        except UserError as error:
            return f"{problem} The analysis could not be stored: {error}".strip()
        finally:
            # only now: whoever waits for this analysis reads what is stored of it
            self._underway.end(self._uid)
        return problem

    def _save(self, report: ForkingReport, status: str, message: str) -> None:
        analyses, name = self._bench.store.analyses, self._viewer.name
        settings = to_plain(report.plan.settings)
        if not self._uid:
            uid = self._opened.run.header.uid
            self._uid = patiently(lambda: analyses.add(uid, FORKS_KIND, settings, viewer=name))
            self._underway.begin(self._uid)
            self._forks.make_room(uid, self._viewer)
        arrays = to_arrays(report.draws) | {ENDS: np.array(sorted(self._opened.end_ids), dtype=np.int32)}
        spent = self._opened.spent + report.tokens
        result = {**fork_view.summary(report), "message": message, "settings": settings, SPENT: spent}

        def write() -> None:
            with self._underway.writing:
                analyses.save(self._uid, viewer=name, arrays=arrays, status=status, result=result)

        patiently(write)
        self._saved = time.monotonic()


def document_of(
    opened: OpenForks, report: ForkingReport, standing: Standing, speed: float | None, *, whole: bool
) -> str:
    """The document of an analysis; see `fork_view`."""
    header = opened.run.header
    title = header.title or opened.run.trace.prompt[:60]
    pieces = [*opened.run.trace.pieces[: len(report.plan.base)]]
    if report.plan.sites[-1].position == len(pieces):
        pieces.append(END)
    notes = fork_view.notes_of(opened.run.trace)
    first = fork_view.header_line(
        run=header.uid, uid=opened.uid, title=title, pieces=pieces, report=report, seconds_per_token=speed, notes=notes
    )
    if whole and opened.look:
        return first + opened.look + fork_view.standing_line(report, standing)
    return fork_view.document(first, report, standing, whole=whole, notes=notes)
