"""The bias probe as a person uses it: price it, run it, stop it, go on with it, open it again.

Engine and store meet here; each answer is stored as a run, the probe as an analysis of the first of them. Does not know
gradio or how a probe is drawn.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from statistics import median
from typing import Any

from engine import limits, run_scores
from engine.errors import BadInput, NotFound, UserError
from engine.models import LanguageModel
from engine.outcomes import REGISTRY
from engine.probe import CellKey, Drawn, Price, ProbePlan, fit, plan_probe, price, probe, prompt_lengths
from engine.probe_effects import RESAMPLES, Effect, effects
from engine.resume import check_same_model
from engine.types import ModelCard
from storage.records import AnalysisHeader, RunQuery
from ui.access import Viewer
from ui.actions import STATUS, Workbench, patiently
from ui.probe_record import (
    EFFECTS,
    KeptCell,
    array_name,
    pack_cells,
    pack_effects,
    plan_of,
    plan_settings,
    unpack_cells,
    unpack_effects,
)  # fmt: skip
from ui.probe_view import Progress, price_sentence, probe_document
from ui.turns import Ticket

KIND = "probe"
FRAME_SECONDS = 0.5
# while it grows effects are shown from fewer resamples, and less often the longer they take
LIVE_RESAMPLES = 200
LIVE_SHARE = 10.0
MOST_KEPT_RUNS = 400
TITLE_CHARS = 120
SAVE_SECONDS = 0.5
NOTHING_KEPT = "Stopped before the first answer; nothing was kept."
SETTINGS = ("system", "temperature", "top_k", "top_p", "max_new_tokens", "seed", "stop")


class Probes:
    """Bias probes over one workbench. most_tokens: what one probe may cost at most."""

    def __init__(self, workbench: Workbench, *, most_tokens: int = 5_000_000) -> None:
        self._workbench = workbench
        self._most_tokens = most_tokens

    def plan(self, fields: Mapping[str, Any]) -> ProbePlan:
        """A checked probe from raw values. Raises BadInput, one sentence.

        fields: template; values, a list or a text with one a line; n; field; parameter; direct; and the settings of
        GenerationRequest but its prompt.
        """
        bounds = self._workbench.limits
        template = fields.get("template")
        if isinstance(template, str) and template.strip():
            limits.validate_text(template, bounds, field="prompt")
        raw = {name: fields[name] for name in SETTINGS if name in fields}
        request = limits.request_from_fields({**raw, "prompt": "{slot}"}, bounds)
        plan = plan_probe(
            template if isinstance(template, str) else "",
            _values(fields.get("values"), bounds),
            _whole("The number of runs", fields.get("n"), 8),
            str(fields.get("field") or next(iter(REGISTRY))),
            request,
            parameter=str(fields.get("parameter") or ""),
            direct=fields.get("direct") is not False,
        )
        cost = price(plan).tokens
        if cost > self._most_tokens:
            raise BadInput(
                f"This probe may take {cost:,} tokens; at most {self._most_tokens:,} are allowed here: give fewer "
                "values, runs or tokens an answer, or leave the direct effect out."
            )
        return plan

    def price(self, fields: Mapping[str, Any], viewer: Viewer) -> str:
        """What a probe would cost, in one sentence. Raises BadInput."""
        plan = self.plan(fields)
        if self._workbench.host.state.status != "ready":
            return price_sentence(price(plan), None)
        plan, _, cost = self._fitted(self._workbench.host.model(), plan)
        return price_sentence(cost, self._speed(viewer))

    def run(self, fields: Mapping[str, Any], viewer: Viewer) -> Iterator[str]:
        """Draw a probe, yielding the growing document; the last one is what was stored.

        Raises UserError before the first answer; after it a problem stands in the document and what there is is kept.
        """
        yield from self._job(_Board(self._workbench, self.plan(fields), viewer), viewer)

    def resume(self, uid: str, viewer: Viewer) -> Iterator[str]:
        """Go on with a probe that was stopped or broke off, from the answers there are. Raises UserError."""
        board = self._opened(uid, viewer)
        if board.state == "finished":
            raise BadInput("This probe is finished: there is nothing left to draw.")
        if board.header and board.header.owner != viewer.name:
            raise _no_probe(uid)
        yield from self._job(board, viewer)

    def open(self, uid: str, viewer: Viewer) -> str:
        """The document of a stored probe. Raises NotFound, StoreDamaged, BadInput when its field is not known."""
        return self._opened(uid, viewer).document()

    def stop(self, viewer: Viewer) -> int:
        """Ask this page's job to stop; returns how many jobs were asked."""
        return self._workbench.stop(viewer)

    def _opened(self, uid: str, viewer: Viewer) -> _Board:
        stored = self._workbench.store.analyses.get(uid, viewer=viewer.name)
        if stored.header.kind != KIND:
            raise _no_probe(uid)
        board = _Board(self._workbench, plan_of(stored.header.settings), viewer, stored.header)
        board.card = self._workbench.store.runs.get(stored.header.run, viewer=viewer.name).trace.model
        for name in sorted(set(stored.arrays) - {EFFECTS}):
            for kept in unpack_cells(stored.arrays[name]):
                board.cells[kept.cell.key] = kept
        if EFFECTS in stored.arrays:
            board.know(unpack_effects(stored.arrays[EFFECTS], len(board.cells)))
        return board

    def _job(self, board: _Board, viewer: Viewer) -> Iterator[str]:
        with self._workbench.turns.enter(viewer.place) as ticket:
            model = yield from self._wait(ticket, board)
            if model is None:
                yield board.document("stopped", "" if board.cells else NOTHING_KEPT)
                return
            if board.uid:
                # another page may have gone on with it while this one waited for its turn
                board = self._opened(board.uid, viewer)
                if board.state == "finished":
                    yield board.document()
                    return
            if board.card:
                check_same_model(board.card, model.card)
            plan, note, _ = self._fitted(model, board.plan)
            board.begin(plan, model.card, note)
            yield from board.draw(model, ticket)

    def _fitted(self, model: LanguageModel, plan: ProbePlan) -> tuple[ProbePlan, str, Price]:
        """The plan as this model can draw it, what `fit` says of it, and its price. Raises BadInput."""
        plan, note = fit(model, plan)
        cost = price(plan, prompt_lengths(model, plan))
        if cost.work > self._most_tokens:
            raise BadInput(
                f"This probe may draw {cost.tokens:,} tokens and read {cost.read:,} of its prompts, anew for each "
                f"answer; at most {self._most_tokens:,} together are allowed here: shorten the template, give fewer "
                "values, runs or tokens an answer, or leave the direct effect out."
            )
        return plan, note, cost

    def _wait(self, ticket: Ticket, board: _Board) -> Generator[str, None, LanguageModel | None]:
        """Yield documents that say what is being waited for; the model, or None when stopped."""
        waiting = self._workbench.wait_for_model(ticket, "")
        while True:
            try:
                line = next(waiting)
            except StopIteration as end:
                return end.value
            yield board.document("waiting", str(json.loads(line)["text"]))

    def _speed(self, viewer: Viewer) -> float | None:
        """Tokens a second of the latest runs with the loaded model, None where there is none to tell by."""
        host = self._workbench.host
        if host.state.status != "ready":
            return None
        name = host.model().card.name
        page = self._workbench.store.runs.list(RunQuery(viewer.name, models=(name,), kinds=("generation",), limit=10))
        speeds = [row.tokens / row.seconds for row in page.rows if row.seconds > 0 and row.tokens and not row.example]
        return median(speeds) if speeds else None


class _Board:
    """One probe as far as it is: its answers, its place in the store, and its document."""

    def __init__(
        self, workbench: Workbench, plan: ProbePlan, viewer: Viewer, header: AnalysisHeader | None = None
    ) -> None:
        self._store = workbench.store
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
        self._began = time.monotonic()

    def know(self, found: tuple[Effect, ...] | None) -> None:
        """Effects of the answers there are, where somebody has computed them before."""
        if found is not None:
            self._effects = (len(self.cells), RESAMPLES, found)

    @property
    def price(self) -> Price:
        """What the whole probe costs at most."""
        return price(self.plan)

    def begin(self, plan: ProbePlan, card: ModelCard, note: str) -> None:
        """The model is there: what was asked is now what will be drawn."""
        self.plan, self.card, self.state, self._message = plan, card, "running", ""
        self._notes = [note] if note else []
        self._known, self._began = len(self.cells), time.monotonic()

    def draw(self, model: LanguageModel, ticket: Ticket) -> Iterator[str]:
        """Draw what is missing and keep it; documents, the last one as it is stored."""
        done = [kept.cell for kept in self.cells.values()]
        state, problem, shown, pause, closed = "failed", "", 0.0, FRAME_SECONDS, False
        try:
            for drawn in probe(model, self.plan, done=done, cancelled=ticket.cancelled.is_set):
                self._take(drawn)
                if time.monotonic() - shown >= pause:
                    began = time.monotonic()
                    yield self.document("running", resamples=LIVE_RESAMPLES)
                    shown = time.monotonic()
                    pause = max(FRAME_SECONDS, LIVE_SHARE * (shown - began))
            state = "finished" if len(self.cells) == self._total() else "stopped"
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
        self._keep_effects()
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
            trace, value = drawn.trace, self.plan.values[drawn.cell.value]
            title = f"{self.plan.slot}: {' '.join(value.split())[:TITLE_CHARS]} (probe, run {drawn.cell.run + 1})"
            scores = run_scores.compute(trace)
            uid = patiently(
                lambda: self._store.runs.add(
                    trace,
                    owner=self.viewer.name,
                    title=title,
                    tags=(KIND,),
                    status=STATUS[trace.finish_reason],
                    run_scores=scores,
                )
            )
        self.cells[drawn.cell.key] = KeptCell(drawn.cell, uid)
        if not self.uid:
            settings = plan_settings(self.plan)
            self.uid = patiently(lambda: self._store.analyses.add(uid, KIND, settings, viewer=self.viewer.name))
        elif len(self.cells) % (self._total() // self.plan.runs) == 0:
            # answers come run by run, so a run is whole now
            self._save(drawn.cell.run)

    def _save(self, run: int, **more: Any) -> None:
        """Store the answers of one run number."""
        cells = [kept for key, kept in self.cells.items() if key[1] == run]
        arrays = {array_name(run): pack_cells(cells)} if cells else None
        done = f"{len(self.cells)}"
        patiently(
            lambda: self._store.analyses.save(self.uid, viewer=self.viewer.name, arrays=arrays, progress=done, **more)
        )

    def _keep_effects(self) -> None:
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
        # who closes a generator is the server itself, and everybody's page stands still while it does
        saving = threading.Thread(target=save)
        saving.start()
        saving.join(SAVE_SECONDS)
        return ""


def _values(raw: object, bounds: limits.Limits) -> list[str]:
    """The values of the slot, from a list or from lines of text."""
    lines = raw.split("\n") if isinstance(raw, str) else raw if isinstance(raw, (list, tuple)) else []
    if not all(isinstance(line, str) for line in lines):
        raise BadInput("The values must be texts: one a line, or a list of texts.")
    for line in lines:
        if line.strip():
            limits.validate_text(line, bounds, field="prompt")
    return list(lines)


def _whole(label: str, value: object, default: int) -> int:
    if value is None or value == "":
        return default
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadInput(f"{label} is {str(value)[:40]!r}; it must be a whole number.")


def _no_probe(uid: object) -> NotFound:
    return NotFound(f"There is no probe {str(uid)[:64]!a} here; run one.")
