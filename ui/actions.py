"""What a person can do that needs the model: generate, score a text, import log-probabilities, open what was kept.

The only place where engine and storage meet. Every long action is a generator of growing documents (see `views`)
that a caller may drop at any point: what there is by then is stored. Does not know gradio.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from engine import lent_gpu, limits, logprob_import, run_scores, token_scores
from engine.errors import BadInput, Busy, ModelUnavailable, NotFound, UserError
from engine.generate import generate
from engine.host import ModelHost
from engine.models import LanguageModel
from engine.resume import check_unfinished, plan, resume
from engine.scoring import encode_for_scoring, score_steps
from engine.sentence_model import SentenceModel
from engine.types import FinishReason, Trace
from storage.access import not_found
from storage.database import Store
from storage.records import RunHeader, StoredRun
from ui import strategy_jobs, views
from ui.access import Viewer
from ui.documents import Documents
from ui.headlines import headline_of
from ui.live import Job, LiveDocument, identity_of
from ui.long_answers import beside
from ui.quotas import QuotaLimits, Quotas
from ui.turns import Ticket, TurnLimits, Turnstile

FRAME_SECONDS = 0.15
POLL_SECONDS = 0.25
SAVE_PATIENCE_SECONDS = 60.0
QUICK_SAVE_SECONDS = 0.5
# by this name whoever ends the program knows what is not to be cut off
SAVING = "saving"
Saved = TypeVar("Saved")
ORPHAN = "The run that this one left was deleted while it was written."
NOTHING_KEPT = "Stopped before the first token; nothing was kept."
OVER_RUN = frozenset(entry.name for entry in token_scores.REGISTRY.values() if entry.over_run)

STATUS: Mapping[str, str] = {
    "stop": "finished",
    "length": "finished",
    "stop_string": "finished",
    "cancelled": "stopped",
    "failed": "failed",
    "scored": "scored",
    "imported": "imported",
}


class Workbench:
    """The use cases, over one store and one model host; quotas: what each person may ask for."""

    def __init__(
        self,
        store: Store,
        host: ModelHost,
        bounds: limits.Limits,
        *,
        turn_limits: TurnLimits | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        from ui.tree_shelf import TreeShelf  # it is as patient with a busy store as this module says

        self.store = store
        self.host = host
        self.limits = bounds
        self.documents = Documents(store)
        # one for all who save trees, so that their saves wait for each other
        self.tree_shelf = TreeShelf(store)
        self.quotas = Quotas(QuotaLimits()) if quotas is None else quotas
        self.turns = Turnstile(turn_limits, self.quotas)
        host.listen(self.turns.read)
        # loaded by whoever first tells answers apart by their meaning, and shared by all
        self.sentences = SentenceModel()

    def generate(self, fields: Mapping[str, Any], viewer: Viewer) -> Iterator[str]:
        """Answer a prompt, yielding the growing document; the last one is the stored run.

        fields: raw values of GenerationRequest's fields, and `strategy` with `strategy_parameters` (see
        `strategy_jobs`). Raises UserError before the first token; after it, a problem is said in the document's closing
        line and what there is has been kept.
        """
        asked_for, fields = strategy_jobs.asked_strategy(fields, viewer)
        request = limits.request_from_fields(fields, self.limits)
        strategy_jobs.check_settings(asked_for, request)

        def prepare(model: LanguageModel) -> Job:
            prompt_ids = model.encode_prompt(request.prompt, request.system)
            budget, note = limits.check_fits(len(prompt_ids), request.max_new_tokens, model.context_length)
            asked = replace(request, max_new_tokens=budget)
            job = Job(
                prompt=request.prompt,
                system=request.system,
                prompt_ids=prompt_ids,
                settings=asked,
                kind="generation",
                ends_as=None,
                steps=lambda model, stopped: lent_gpu.steps(
                    generate, model, asked, tokens=len(prompt_ids) + budget, cancelled=stopped
                ),
                notes=(note,) if note else (),
            )
            return strategy_jobs.by_strategy(model, job, asked_for, self.tree_shelf, viewer)

        yield from self.run_job(prepare, viewer)

    def continue_run(self, uid: str, viewer: Viewer) -> Iterator[str]:
        """Go on with a run that was stopped, broke off or reached its limit, as the same run with the same noise.

        Documents begin with all tokens there are; the last one is the stored run. A problem before the next token
        leaves the run as it was and is raised as UserError; stopping it again leaves it to be continued again.
        """
        before = self._unfinished(uid, viewer)

        def prepare(model: LanguageModel) -> Job:
            now = self._unfinished(uid, viewer)
            if len(now.trace) != len(before.trace):
                raise BadInput("This run has been continued elsewhere meanwhile: open it again to see how it goes on.")
            settings = plan(model, now.trace, self.limits)
            return Job(
                prompt=now.trace.prompt,
                system=now.trace.system,
                prompt_ids=now.trace.prompt_ids.tolist(),
                settings=settings,
                kind=now.trace.kind,
                ends_as=None,
                steps=lambda model, stopped: lent_gpu.steps(
                    resume, model, now.trace, settings, tokens=settings.max_new_tokens, cancelled=stopped
                ),
                notes=strategy_jobs.continued(now.trace.notes, len(now.trace)),
                before=now,
            )

        shown = False
        try:
            with closing(self.run_job(prepare, viewer, before)) as documents:
                for document in documents:
                    yield document
                    shown = True
        except UserError:
            if shown:
                yield self.open_run(uid, viewer)
            raise

    def score_text(self, prompt: str | None, text: str, viewer: Viewer) -> Iterator[str]:
        """Score a pasted text by teacher forcing, with or without a prompt before it."""
        text = limits.validate_text(text, self.limits)
        if prompt:
            prompt = limits.validate_text(prompt, self.limits, field="prompt")

        def prepare(model: LanguageModel) -> Job:
            prompt_ids, token_ids = encode_for_scoring(model, prompt, text)
            limits.check_text_fits(len(prompt_ids), len(token_ids), model.context_length)
            return Job(
                prompt=prompt or "",
                system=None,
                prompt_ids=prompt_ids,
                settings=None,
                kind="scored",
                ends_as="scored",
                length=len(token_ids),
                steps=lambda model, stopped: lent_gpu.steps(
                    score_steps, model, prompt_ids, token_ids, tokens=len(token_ids), cancelled=stopped
                ),
            )

        yield from self.run_job(prepare, viewer)

    @beside
    def import_logprobs(self, data: str | bytes, viewer: Viewer) -> list[str]:
        """Keep runs made from log-probabilities that an API returned; returns their uids."""
        traces = logprob_import.parse(data, self.limits)
        self.quotas.keep(viewer, len(data))
        return [self.keep(trace, viewer) for trace in traces]

    def open_run(self, uid: str, viewer: Viewer) -> str:
        """The document of a stored run, as it looked when it had just been made. Raises NotFound, StoreDamaged."""
        return self.documents.open(uid, viewer)

    def _unfinished(self, uid: str, viewer: Viewer) -> StoredRun:
        """A run of this person that did not end by itself. Raises NotFound, BadInput, StoreDamaged."""
        stored = self.store.runs.get(uid, viewer=viewer.name)
        if stored.header.example:
            raise BadInput("This example comes with the page for everybody: generate a run of your own to continue it.")
        if stored.header.owner != viewer.name:
            raise not_found(uid)
        check_unfinished(stored.trace)
        return stored

    def keep(self, trace: Trace, viewer: Viewer, parent: StoredRun | None = None, fork: int = 0) -> str:
        """Store a run in one transaction and return its uid; parent, fork: which run it leaves, after how many tokens.

        A branch of a run that somebody else made keeps all its tokens itself and is linked all the same.
        """
        return self.store.runs.add(
            trace,
            owner=viewer.name,
            status=STATUS[trace.finish_reason],
            run_scores=run_scores.compute(trace),
            parent=parent.header.uid if parent else None,
            fork_position=fork if parent else None,
        )

    def stop(self, viewer: Viewer) -> int:
        """Ask this page's job to stop; returns how many jobs were asked."""
        return self.turns.stop(viewer)

    def run_job(
        self, prepare: Callable[[LanguageModel], Job], viewer: Viewer, show: StoredRun | None = None
    ) -> Generator[str, None, None]:
        """Wait for the model, record what `prepare` makes of it, and keep it; show: the run that stays on show.

        Documents of a run that goes on begin with all of its tokens. Raises UserError before the first new token.
        """
        if show is None:
            # what could not be kept is refused before anybody waits for it
            self.store.runs.check_room(viewer=viewer.name)
        with self.turns.enter(viewer) as ticket:
            model = yield from self.wait_for_model(ticket, self.documents.opening(show, viewer) if show else "")
            if model is None:
                yield self.documents.of(show, viewer) if show else views.state_line("stopped", NOTHING_KEPT)
                return
            yield from self._record(model, prepare(model), ticket, viewer)

    def wait_for_model(self, ticket: Ticket, shown: str) -> Generator[str, None, LanguageModel | None]:
        """Yield what is being waited for until it is this ticket's turn and the model is there; None when stopped by
        its person, Busy with the reason when stopped by the house.

        shown: the lines of the run that stays on show meanwhile.
        """
        return (yield from self._waiting(ticket, lambda state, said: shown + views.state_line(state, said)))

    def wait_telling(self, ticket: Ticket, tell: Callable[[str], str]) -> Generator[str, None, LanguageModel | None]:
        """Wait as `wait_for_model` does, yielding what `tell` makes of the sentence about it."""
        return (yield from self._waiting(ticket, lambda state, said: tell(said)))

    def _waiting(self, ticket: Ticket, tell: Callable[[str, str], str]) -> Generator[str, None, LanguageModel | None]:
        while not self.turns.wait(ticket, POLL_SECONDS):
            if ticket.cancelled.is_set():
                _say_why(ticket)
                return None
            if before := self.turns.others(ticket)[0]:
                yield tell("queued", f"Waiting for the model: {before.before()}.")
        while not ticket.cancelled.is_set():
            state = self.host.state
            if state.status == "ready":
                return self.host.model()
            if state.status != "loading":
                raise ModelUnavailable(state.message)
            yield tell("loading", state.message)
            self.host.wait(POLL_SECONDS)
        _say_why(ticket)
        return None

    def _record(self, model: LanguageModel, job: Job, ticket: Ticket, viewer: Viewer) -> Iterator[str]:
        """Run a job to its end, its cancellation or its failure; keep what there is in each case."""
        live = (job.shown_by or LiveDocument)(model, job)
        reason: FinishReason = "failed"
        problem, shown, closed = "", 0.0, False
        try:
            yield live.text
            for step in job.steps(model, ticket.stopped):
                live.add(step)
                if time.monotonic() - shown >= FRAME_SECONDS:
                    live.say_waiting(self.turns.others(ticket)[1])
                    yield live.text
                    shown = time.monotonic()
            reason = live.reason
            problem = ticket.cut if reason == "cancelled" else ""
        except UserError as error:
            problem = str(error)
            if (job.before or job.parent) and not live.steps:
                raise
        except GeneratorExit:
            # a tab closed right after the last token closes a finished run
            reason, closed = live.reason, True
            raise
        finally:
            # reached by a finished job, by a closed tab and by a defect alike: what was decoded is never lost
            ending = ""
            if live.settle():
                ending = (
                    apart(lambda: self._keep_and_show(job, live.trace(reason), viewer, ""), wait=False)
                    if closed
                    else self._keep_and_show(job, live.trace(reason), viewer, problem)
                )
        if ticket.cut and not ending:
            raise Busy(ticket.cut)
        instead = job.before or job.parent
        if instead and not ending:
            ending = self.documents.of(instead, viewer)
        yield ending or views.state_line("failed" if problem else "stopped", problem or NOTHING_KEPT)

    def _keep_and_show(self, job: Job, trace: Trace, viewer: Viewer, problem: str) -> str:
        created = datetime.now(UTC).isoformat(timespec="seconds")
        # a continued run whose longer form could not be stored is still there in its shorter one
        identity = views.RunIdentity("", trace.kind, created=created, origin=job.origin)
        if job.before:
            identity = identity_of(job.before.header)
        try:
            if job.before:
                uid = job.before.header.uid
                identity = identity_of(patiently(lambda: self._extend(uid, trace, viewer)))
            else:
                uid = patiently(lambda: self._keep_new(job, trace, viewer))
                if job.parent and trace.finish_reason != "failed":
                    return self.documents.open(uid, viewer, problem)
                identity = replace(identity, uid=uid)
                if job.stored:
                    problem = f"{problem} {job.stored(uid)}".strip()
        except UserError as error:
            problem = f"{problem} {_not_stored(job, error)}".strip()
        return views.run_document(
            trace,
            identity,
            status=STATUS[trace.finish_reason],
            headline=headline_of(trace),
            problem=problem,
        )

    def _keep_new(self, job: Job, trace: Trace, viewer: Viewer) -> str:
        """Store a new run; a branch whose parent went away meanwhile is kept as a run of its own."""
        try:
            return self.keep(trace, viewer, job.parent, job.fork)
        except NotFound:
            if job.parent is None:
                raise
            return self.keep(replace(trace, notes=(*trace.notes, ORPHAN)), viewer)

    def _extend(self, uid: str, trace: Trace, viewer: Viewer) -> RunHeader:
        """Put a continued run in its place in the store."""
        return self.store.runs.extend(
            uid,
            trace,
            viewer=viewer.name,
            status=STATUS[trace.finish_reason],
            run_scores=run_scores.compute(trace),
            over_run=OVER_RUN,
        )


def saving_apart(save: Callable[[], object]) -> threading.Thread:
    """Save in a thread of its own, which tells when it has ended. Who closes a generator is the server itself, and
    everybody's page would stand still while a store is busy: it waits for a moment only."""
    saving = threading.Thread(target=save, name=SAVING)
    saving.start()
    saving.join(QUICK_SAVE_SECONDS)
    return saving


def apart(save: Callable[[], str], *, wait: bool) -> str:
    """Save in a thread of its own, and what it says if waited for."""
    said: list[str] = []
    saving = saving_apart(lambda: said.append(save()))
    if wait:
        saving.join()
    return said[0] if wait and said else ""


def patiently(save: Callable[[], Saved]) -> Saved:
    """Save, waiting while somebody else's large save is under way: what took minutes to write outlives seconds."""
    deadline = time.monotonic() + SAVE_PATIENCE_SECONDS
    while True:
        try:
            return save()
        except Busy:
            if time.monotonic() >= deadline:
                raise
        time.sleep(POLL_SECONDS)


def _say_why(ticket: Ticket) -> None:
    if ticket.cut:
        raise Busy(ticket.cut)


def _not_stored(job: Job, error: UserError) -> str:
    what = "What was added" if job.before else "This run"
    return f"{what} could not be stored: {error}"
