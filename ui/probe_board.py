"""One bias probe at work: its answers so far, its place in the store, and its document at every moment.

When it ends, stops, fails or its page is closed, every answer drawn is stored; when the program dies, those of the last
seconds (SAVE_SECONDS) are drawn again. Does not know who waits for whom, nor gradio.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from engine import run_scores
from engine.errors import BadInput, NotFound, StoreDamaged, UserError
from engine.models import LanguageModel
from engine.probe import CellKey, Drawn, Price, ProbePlan, price, probe
from engine.probe_effects import RESAMPLES, Effect, effects
from engine.types import ModelCard, Trace
from storage.database import Store
from storage.records import AnalysisHeader, StoredAnalysis
from ui.access import Viewer
from ui.actions import STATUS, patiently, saving_apart
from ui.probe_record import (
    EFFECTS,
    MOST_KEPT_RUNS,
    KeptCell,
    answer_uid,
    array_name,
    pack_cells,
    pack_effects,
    plan_of,
    plan_settings,
    unpack_cells,
    unpack_effects,
)  # fmt: skip
from ui.probe_view import Progress, probe_document
from ui.turns import Ticket

KIND = "probe"
FRAME_SECONDS = 0.5
# while it grows effects are shown from fewer resamples, and less often the longer they take
LIVE_RESAMPLES = 200
LIVE_SHARE = 10.0
# a run of many values takes minutes: its answers are stored on the way too
SAVE_SECONDS = 10.0
TITLE_CHARS = 120
NOTHING_KEPT = "Stopped before the first answer; nothing was kept."


class Board:
    """One probe as far as it is: its answers, its place in the store, and its document."""

    def __init__(self, store: Store, plan: ProbePlan, viewer: Viewer, header: AnalysisHeader | None = None) -> None:
        self._store = store
        self.plan = plan
        self.viewer = viewer
        self.header = header
        self.uid = header.uid if header else ""
        # a probe that says it is running when it is opened was ended with its program
        self.state = "stopped" if header and header.status == "running" else header.status if header else "running"
        self._message = str(header.result.get("message", "")) if header else ""
        self.cells: dict[CellKey, KeptCell] = {}
        self.card: ModelCard | None = None
        self._notes: list[str] = []
        self._effects: tuple[int, int, tuple[Effect, ...]] = (-1, 0, ())
        self._known = 0
        self._tokens = 0
        self._began = self._saved = time.monotonic()
        self._saving: threading.Thread | None = None
        self._key = str(header.settings.get("key") or "") if header else secrets.token_hex(12)

    @classmethod
    def opened(cls, store: Store, stored: StoredAnalysis, viewer: Viewer, *, settled: bool = True) -> Board:
        """A probe as it was stored. Raises StoreDamaged, BadInput when its field is not known.

        settled: nobody is drawing it, so that effects which were not stored are worth computing and storing.
        """
        board = cls(store, plan_of(stored.header.settings), viewer, stored.header)
        board.card = store.runs.get(stored.header.run, viewer=viewer.name).trace.model
        for name in sorted(set(stored.arrays) - {EFFECTS}):
            for kept in unpack_cells(stored.arrays[name]):
                board.cells[kept.cell.key] = kept
        if board.state == "finished" and len(board.cells) < board._total():
            board.state = "stopped"
        known = unpack_effects(stored.arrays[EFFECTS], len(board.cells)) if EFFECTS in stored.arrays else None
        if known is not None:
            board._effects = (len(board.cells), RESAMPLES, known)
        elif settled and stored.header.owner == viewer.name and board.cells:
            # ended with its program, or computed by other rules: only the first look at it takes its time
            board.keep_effects()
        return board

    @property
    def price(self) -> Price:
        """What the whole probe costs at most."""
        return price(self.plan)

    @property
    def saving(self) -> bool:
        """Whether its page was closed and its last answers are still being stored."""
        return self._saving is not None and self._saving.is_alive()

    def take_over(self, other: Board) -> None:
        """Go on from what another page has stored of the same probe."""
        self.plan, self.header, self.card, self.cells = other.plan, other.header, other.card, other.cells
        self.state, self._effects = other.state, other._effects

    def begin(self, plan: ProbePlan, card: ModelCard, note: str) -> None:
        """The model is there: what was asked is now what will be drawn."""
        self.plan, self.card, self.state, self._message = plan, card, "running", ""
        self._notes = [note] if note else []
        self._known = len(self.cells)
        self._began = self._saved = time.monotonic()

    def draw(self, model: LanguageModel, ticket: Ticket) -> Iterator[str]:
        """Draw what is missing and keep it; documents, the last one as it is stored."""
        done = [kept.cell for kept in self.cells.values()]
        state, problem, shown, pause, closed = "failed", "", 0.0, FRAME_SECONDS, False
        try:
            for drawn in probe(model, self.plan, done=done, cancelled=ticket.stopped):
                self._take(drawn)
                if time.monotonic() - shown >= pause:
                    began = time.monotonic()
                    yield self.document("running", resamples=LIVE_RESAMPLES)
                    shown = time.monotonic()
                    pause = max(FRAME_SECONDS, LIVE_SHARE * (shown - began))
            state = "finished" if len(self.cells) == self._total() else "stopped"
            problem = ticket.cut if state == "stopped" else ""
        except UserError as error:
            if not self.cells:
                raise
            problem = str(error)
        except GeneratorExit:
            state, closed = "stopped", True
            raise
        finally:
            # a finished probe, a closed tab and a defect end here alike: no answer is lost
            problem = self._end(state, problem, closed) or problem
        self.keep_effects()
        yield self.document(state, problem or ("" if self.cells else NOTHING_KEPT))

    def document(self, state: str = "", message: str = "", *, resamples: int = RESAMPLES) -> str:
        """The probe as JSON, in a state other than the stored one where one is given."""
        done = len(self.cells)
        drawn, seconds = done - self._known, time.monotonic() - self._began
        going = state == "running"
        left = seconds / drawn * (self._total() - done) if going and drawn else None
        return probe_document(
            self.plan,
            self.price,
            state=state or self.state,
            message=message or self._message,
            progress=Progress(done, self._total(), self._tokens, seconds if going else 0.0, left),
            cells=list(self.cells.values()),
            effects=self._found(resamples),
            uid=self.uid,
            model=self.card,
            notes=self._notes,
        )

    def _found(self, resamples: int) -> tuple[Effect, ...]:
        """The effects of the answers there are, computed once for each number of them."""
        done, used, found = self._effects
        if done != len(self.cells) or used < resamples:
            found = effects(self.plan, (kept.cell for kept in self.cells.values()), resamples=resamples)
            self._effects = (len(self.cells), resamples, found)
        return found

    def _total(self) -> int:
        return self.price.total

    def _take(self, drawn: Drawn) -> None:
        """Keep an answer; the first one brings the probe into the store."""
        self._tokens = 0 if drawn.cell else drawn.tokens
        if not drawn.cell:
            return
        uid = ""
        if drawn.trace and (drawn.cell.run * len(self.plan.values) + drawn.cell.value) < MOST_KEPT_RUNS:
            uid = self._keep_run(drawn.trace, drawn.cell.run, drawn.cell.value)
        self.cells[drawn.cell.key] = KeptCell(drawn.cell, uid)
        if not self.uid:
            settings = plan_settings(self.plan, self._key)
            self.uid = patiently(lambda: self._store.analyses.add(uid, KIND, settings, viewer=self.viewer.name))
            return
        # answers come run by run, so a run is whole now
        whole = len(self.cells) % (self._total() // self.plan.runs) == 0
        if whole or time.monotonic() - self._saved >= SAVE_SECONDS:
            self._save(drawn.cell.run)

    def _keep_run(self, trace: Trace, run: int, value: int) -> str:
        """The uid under which an answer is in the library: put there now, or before the program died."""
        title = f"{self.plan.slot}: {' '.join(self.plan.values[value].split())[:TITLE_CHARS]} (probe, run {run + 1})"
        scores = run_scores.compute(trace)

        def add(uid: str | None) -> str:
            return self._store.runs.add(
                trace,
                owner=self.viewer.name,
                title=title,
                tags=(KIND,),
                status=STATUS[trace.finish_reason],
                run_scores=scores,
                uid=uid,
            )

        uid = answer_uid(self._key, run, value) if self._key else None
        try:
            return patiently(lambda: add(uid))
        except BadInput:
            # taken: by this answer, drawn before the program died; else by what is in the bin or damaged
            return uid if uid and self._is_there(uid, trace) else patiently(lambda: add(None))

    def _is_there(self, uid: str, trace: Trace) -> bool:
        try:
            stored = self._store.runs.get(uid, viewer=self.viewer.name)
        except (NotFound, StoreDamaged):
            return False
        return stored.header.owner == self.viewer.name and stored.trace.token_ids.tolist() == trace.token_ids.tolist()

    def _save(self, run: int, **more: Any) -> None:
        """Store the answers of one run number."""
        cells = [kept for key, kept in self.cells.items() if key[1] == run]
        arrays = {array_name(run): pack_cells(cells)} if cells else None
        done = f"{len(self.cells)}"
        patiently(
            lambda: self._store.analyses.save(self.uid, viewer=self.viewer.name, arrays=arrays, progress=done, **more)
        )
        self._saved = time.monotonic()

    def keep_effects(self) -> None:
        """Store the effects too: for a large probe they take seconds, and opening it would compute them again."""
        if not self.uid:
            return
        arrays = {EFFECTS: pack_effects(self._found(RESAMPLES), len(self.cells))}
        # without them it is only slower to open
        with suppress(UserError):
            self._store.analyses.save(self.uid, viewer=self.viewer.name, arrays=arrays)

    def _end(self, state: str, problem: str, closed: bool) -> str:
        """Store the last answers and how it ended; a sentence when that failed."""
        said: list[str] = []

        def save() -> None:
            try:
                last = max((key[1] for key in self.cells), default=0)
                self._save(last, status=state, result={"message": problem})
            except UserError as error:
                said.append(f"{problem} The probe could not be stored: {error}".strip())

        if not self.uid:
            return ""
        self.state = state
        if not closed:
            save()
            return said[0] if said else ""
        self._saving = saving_apart(save)
        return ""
