"""The bias probe as a person uses it: price it, run it, stop it, go on with it, find it again, open it, delete it.

Engine and store meet here; each answer is stored as a run, the probe as an analysis of the first of them. Does not know
gradio or how a probe is drawn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

from engine import limits
from engine.errors import BadInput, Busy, NotFound
from engine.models import LanguageModel
from engine.outcomes import REGISTRY
from engine.probe import MOST_RUNS, Price, ProbePlan, fit, plan_probe, price, prompt_lengths
from engine.resume import check_same_model
from storage.records import RunQuery
from ui.access import Viewer
from ui.actions import Workbench
from ui.numbers import whole
from ui.probe_board import KIND, LIVE_RESAMPLES, NOTHING_KEPT, Board
from ui.probe_shelf import Binned, ProbePage, ProbeShelf
from ui.probe_view import price_sentence

SETTINGS = ("system", "temperature", "top_k", "top_p", "max_new_tokens", "seed", "stop")


class Probes:
    """Bias probes over one workbench. most_tokens: what one probe may cost at most."""

    def __init__(self, workbench: Workbench, *, most_tokens: int = 5_000_000) -> None:
        self._workbench = workbench
        self._most_tokens = most_tokens
        # those being drawn, and those whose page was closed while their last answers are being stored
        self._at_work: list[Board] = []
        self._saving: list[Board] = []
        self._lock = threading.Lock()
        self._shelf = ProbeShelf(workbench.store, self.at_work)

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
            whole("The number of runs", fields.get("n"), 1, MOST_RUNS, 8),
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
        yield from self._job(Board(self._workbench.store, self.plan(fields), viewer), viewer)

    def resume(self, uid: str, viewer: Viewer) -> Iterator[str]:
        """Go on with a probe that was stopped or broke off, from the answers there are. Raises UserError."""
        board = self._to_draw(uid, viewer)
        if board.state == "finished":
            raise BadInput("This probe is finished: there is nothing left to draw.")
        yield from self._job(board, viewer)

    def open(self, uid: str, viewer: Viewer) -> str:
        """The document of a stored probe: one's own, or that of an example.

        Raises NotFound, StoreDamaged, BadInput when its field is not known.
        """
        at_work = self.at_work(uid)
        board = self._opened(uid, viewer, settled=not at_work)
        if not at_work:
            return board.document()
        there = f"{len(board.cells):,} of {board.price.total:,} answers"
        said = f"This probe is being drawn just now: here are its first {there}."
        return board.document("drawing", said, resamples=LIVE_RESAMPLES)

    def check_free(self, viewer: Viewer) -> None:
        """Raises BadInput while this page draws a probe, which another one on show would hide."""
        if any(board.viewer.place == viewer.place for board in self._at_work):
            raise BadInput("A probe is being drawn on this page: press Stop first, or wait for its end.")

    def list(self, viewer: Viewer, *, limit: int = 50, offset: int = 0) -> ProbePage:
        """This person's probes, newest first. Raises BadInput for a page out of range."""
        return self._shelf.page(viewer, limit=limit, offset=offset)

    def delete(self, uid: str, viewer: Viewer) -> Binned:
        """Move a probe to the bin together with its answers. Raises NotFound; BadInput while it is being drawn."""
        return self._shelf.delete(uid, viewer)

    def restore(self, runs: object, viewer: Viewer) -> None:
        """Undo a deletion: bring these answers back, and with them the probe. Raises NotFound, BadInput."""
        if not isinstance(runs, (list, tuple)) or not all(isinstance(uid, str) for uid in runs):
            raise BadInput("The answers to bring back must be a list of run ids.")
        self._workbench.store.runs.restore(runs, viewer=viewer.name)

    def stop(self, viewer: Viewer) -> int:
        """Ask this page's job to stop; returns how many jobs were asked."""
        return self._workbench.stop(viewer)

    def at_work(self, uid: str) -> bool:
        """Whether a probe is being drawn, waits for it, or its last answers are being stored at this moment."""
        return any(board.uid == uid for board in self._at_work) or self._being_stored(uid)

    def _being_stored(self, uid: str) -> bool:
        with self._lock:
            self._saving = [board for board in self._saving if board.saving]
            return any(board.uid == uid for board in self._saving)

    def _opened(self, uid: str, viewer: Viewer, *, settled: bool) -> Board:
        store = self._workbench.store
        stored = store.analyses.get(uid, viewer=viewer.name)
        header = stored.header
        # a run that its owner lets others see does not open the answers to other prompts: a probe has all of them
        mine = header.owner == viewer.name
        if header.kind != KIND or not (mine or store.runs.header(header.run, viewer=viewer.name).example):
            raise _no_probe(uid)
        return Board.opened(store, stored, viewer, settled=settled)

    def _to_draw(self, uid: str, viewer: Viewer) -> Board:
        """One's own probe with every answer that was drawn. Raises NotFound; Busy while the last are being stored."""
        if self._being_stored(uid):
            raise Busy("The last answers of this probe are still being stored: go on with it in a moment.")
        board = self._opened(uid, viewer, settled=False)
        if board.header and board.header.owner != viewer.name:
            raise _no_probe(uid)
        return board

    def _job(self, board: Board, viewer: Viewer) -> Iterator[str]:
        with self._workbench.turns.enter(viewer) as ticket, self._working(board):
            # at once, so that the page knows that it is at work
            yield board.document("waiting", resamples=LIVE_RESAMPLES)
            model = yield from self._workbench.wait_telling(ticket, lambda said: board.document("waiting", said))
            if model is None:
                yield board.document("stopped", "" if board.cells else NOTHING_KEPT)
                return
            if board.uid:
                # another page may have gone on with it while this one waited for its turn
                now = self._to_draw(board.uid, viewer)
                if now.state == "finished":
                    yield now.document()
                    return
                board.take_over(now)
            if board.card:
                check_same_model(board.card, model.card)
            plan, note, _ = self._fitted(model, board.plan)
            board.begin(plan, model.card, note)
            yield from board.draw(model, ticket)

    @contextmanager
    def _working(self, board: Board) -> Iterator[None]:
        self._at_work.append(board)
        try:
            yield
        finally:
            if board.saving:
                with self._lock:
                    self._saving.append(board)
            self._at_work.remove(board)

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

    def _speed(self, viewer: Viewer) -> float | None:
        """Tokens a second of the latest runs with the loaded model, None where there is none to tell by."""
        host = self._workbench.host
        if host.state.status != "ready":
            return None
        name = host.model().card.name
        page = self._workbench.store.runs.list(RunQuery(viewer.name, models=(name,), kinds=("generation",), limit=10))
        speeds = [row.tokens / row.seconds for row in page.rows if row.seconds > 0 and row.tokens and not row.example]
        return median(speeds) if speeds else None


def _values(raw: object, bounds: limits.Limits) -> list[str]:
    """The values of the slot, from a list or from lines of text."""
    lines = raw.split("\n") if isinstance(raw, str) else raw if isinstance(raw, (list, tuple)) else []
    if not all(isinstance(line, str) for line in lines):
        raise BadInput("The values must be texts: one a line, or a list of texts.")
    for line in lines:
        if line.strip():
            limits.validate_text(line, bounds, field="prompt")
    return list(lines)


def _no_probe(uid: object) -> NotFound:
    return NotFound(f"There is no probe {str(uid)[:64]!a} here; run one.")
