"""What a person can do that needs the model: generate, score a text, import log-probabilities, open what was kept.

The only place where engine and storage meet. Every long action is a generator of growing documents (see `views`)
that a caller may drop at any point: what there is by then is stored. Does not know gradio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from engine import limits, logprob_import, run_scores, token_scores
from engine.errors import ModelUnavailable, UserError
from engine.generate import generate
from engine.host import ModelHost
from engine.models import LanguageModel
from engine.recording import trace_of
from engine.scoring import encode_for_scoring, score_steps
from engine.types import FinishReason, GenerationRequest, Kind, Step, Trace
from storage.database import Store
from ui import views
from ui.access import Viewer
from ui.headlines import first_words, headline_of
from ui.turns import Ticket, Turnstile

FRAME_SECONDS = 0.15
POLL_SECONDS = 0.25

STATUS: Mapping[str, str] = {
    "stop": "finished",
    "length": "finished",
    "stop_string": "finished",
    "cancelled": "stopped",
    "failed": "failed",
    "scored": "scored",
    "imported": "imported",
}


@dataclass(frozen=True)
class Job:
    """What is being recorded: where its steps come from and what the run will be called by."""

    prompt: str
    system: str | None
    prompt_ids: Sequence[int]
    settings: GenerationRequest | None
    kind: Kind
    ends_as: FinishReason | None
    steps: Callable[[LanguageModel, Callable[[], bool]], Iterator[Step]]
    notes: tuple[str, ...] = ()
    length: int | None = None


class Workbench:
    """The use cases, over one store and one model host."""

    def __init__(self, store: Store, host: ModelHost, bounds: limits.Limits, *, capacity: int = 20) -> None:
        self.store = store
        self.host = host
        self.limits = bounds
        self.turns = Turnstile(capacity, per_session=1)

    def generate(self, fields: Mapping[str, Any], viewer: Viewer) -> Iterator[str]:
        """Answer a prompt, yielding the growing document; the last one is the stored run.

        fields: raw values of GenerationRequest's fields. Raises UserError before the first token; after it,
        a problem is said in the document's closing line and what there is has been kept.
        """
        request = limits.request_from_fields(fields, self.limits)

        def prepare(model: LanguageModel) -> Job:
            prompt_ids = model.encode_prompt(request.prompt, request.system)
            budget, note = limits.check_fits(len(prompt_ids), request.max_new_tokens, model.context_length)
            asked = replace(request, max_new_tokens=budget)
            return Job(
                prompt=request.prompt,
                system=request.system,
                prompt_ids=prompt_ids,
                settings=asked,
                kind="generation",
                ends_as=None,
                steps=lambda model, stopped: generate(model, asked, cancelled=stopped),
                notes=(note,) if note else (),
            )

        yield from self._run_job(prepare, viewer)

    def score_text(self, prompt: str | None, text: str, viewer: Viewer) -> Iterator[str]:
        """Score a pasted text by teacher forcing, with or without a prompt before it."""
        text = limits.validate_text(text, self.limits)
        if prompt:
            prompt = limits.validate_text(prompt, self.limits, field="prompt")

        def prepare(model: LanguageModel) -> Job:
            prompt_ids, token_ids = encode_for_scoring(model, prompt, text)
            return Job(
                prompt=prompt or "",
                system=None,
                prompt_ids=prompt_ids,
                settings=None,
                kind="scored",
                ends_as="scored",
                length=len(token_ids),
                steps=lambda model, stopped: score_steps(model, prompt_ids, token_ids, cancelled=stopped),
            )

        yield from self._run_job(prepare, viewer)

    def import_logprobs(self, data: str | bytes, viewer: Viewer) -> list[str]:
        """Keep runs made from log-probabilities that an API returned; returns their uids."""
        traces = logprob_import.parse(data, self.limits)
        return [self.keep(trace, viewer) for trace in traces]

    def open_run(self, uid: str, viewer: Viewer) -> str:
        """The document of a stored run, as it looked when it had just been made. Raises NotFound, StoreDamaged."""
        stored = self.store.runs.get(uid, viewer=viewer.name)
        head = stored.header
        identity = views.RunIdentity(
            uid=head.uid,
            kind=head.kind,
            title=head.title,
            created=head.created_at.isoformat(timespec="seconds"),
            example=head.example,
            tags=head.tags,
            note=head.note,
        )
        return views.run_document(stored.trace, identity, status=head.status, headline=headline_of(stored.trace))

    def keep(self, trace: Trace, viewer: Viewer) -> str:
        """Store a run in one transaction and return its uid."""
        return self.store.runs.add(
            trace, owner=viewer.name, status=STATUS[trace.finish_reason], run_scores=run_scores.compute(trace)
        )

    def stop(self, viewer: Viewer) -> int:
        """Ask this page's job to stop; returns how many jobs were asked."""
        return self.turns.stop(viewer.session)

    def _run_job(self, prepare: Callable[[LanguageModel], Job], viewer: Viewer) -> Iterator[str]:
        with self.turns.enter(viewer.session) as ticket:
            model = yield from self._wait_for_model(ticket)
            if model is None:
                yield views.state_line("stopped", "Stopped before the first token; nothing was kept.")
                return
            yield from self._record(model, prepare(model), ticket, viewer)

    def _wait_for_model(self, ticket: Ticket) -> Generator[str, None, LanguageModel | None]:
        """Yield what is being waited for until it is this ticket's turn and the model is there; None when stopped."""
        while not self.turns.wait(ticket, POLL_SECONDS):
            if ticket.cancelled.is_set():
                return None
            ahead = self.turns.ahead(ticket)
            if ahead:
                people = "1 person is" if ahead == 1 else f"{ahead} people are"
                yield views.state_line("queued", f"Waiting for the model: {people} before you.")
        while not ticket.cancelled.is_set():
            state = self.host.state
            if state.status == "ready":
                return self.host.model()
            if state.status != "loading":
                raise ModelUnavailable(state.message)
            yield views.state_line("loading", state.message)
            self.host.wait(POLL_SECONDS)
        return None

    def _record(self, model: LanguageModel, job: Job, ticket: Ticket, viewer: Viewer) -> Iterator[str]:
        """Run a job to its end, its cancellation or its failure; keep what there is in each case."""
        live = LiveDocument(model, job)
        reason: FinishReason = "failed"
        problem, shown = "", 0.0
        try:
            for step in job.steps(model, ticket.cancelled.is_set):
                live.add(step)
                if time.monotonic() - shown >= FRAME_SECONDS:
                    live.say_waiting(self.turns.behind(ticket))
                    yield live.text
                    shown = time.monotonic()
            reason = live.reason
        except UserError as error:
            problem = str(error)
        except GeneratorExit:
            reason = "cancelled"
            raise
        finally:
            # reached by a finished job, by a closed tab and by a defect alike: what was decoded is never lost
            ending = self._keep_and_show(live.trace(reason), viewer, problem) if live.steps else ""
        yield ending or views.state_line(
            "failed" if problem else "stopped", problem or "Stopped before the first token; nothing was kept."
        )

    def _keep_and_show(self, trace: Trace, viewer: Viewer, problem: str) -> str:
        try:
            uid = self.keep(trace, viewer)
        except UserError as error:
            uid, problem = "", f"{problem} This run could not be stored: {error}".strip()
        identity = views.RunIdentity(uid=uid, kind=trace.kind, created=datetime.now(UTC).isoformat(timespec="seconds"))
        return views.run_document(
            trace,
            identity,
            status=STATUS[trace.finish_reason],
            headline=headline_of(trace),
            problem=problem,
        )


class LiveDocument:
    """The growing document of a job, and the steps it was made from."""

    def __init__(self, model: LanguageModel, job: Job) -> None:
        self.steps: list[Step] = []
        self._model = model
        self._job = job
        self._started = time.perf_counter()
        self._waiting = 0
        self._bytes: dict[int, bytes] = {}
        self._lines = views.TokenLines(self._bytes, model.special_ids)
        # what needs the whole run (a quantile, a sum) exists once the run has ended
        self._names = [entry.name for entry in token_scores.REGISTRY.values() if not entry.over_run]
        identity = views.RunIdentity(uid=f"live-{id(self):x}", kind=job.kind)
        self.text = views.header_line(
            identity,
            prompt=job.prompt,
            system=job.system,
            model=model.card,
            settings=job.settings,
            score_names=self._names,
            headline=first_words(job.kind),
            notes=job.notes,
        )

    def add(self, step: Step) -> None:
        """Append one token's line."""
        self.steps.append(step)
        alternatives = list(zip(step.alternatives.ids.tolist(), step.alternatives.logprobs.tolist(), strict=True))[
            : views.LIVE_ALTERNATIVES
        ]
        for token_id in (step.token_id, step.runner_up, *(i for i, _ in alternatives)):
            if token_id >= 0 and token_id not in self._bytes:
                self._bytes[token_id] = self._model.token_bytes(token_id)
        draw = (step.noise_row, step.margin, step.runner_up, step.luck, step.support, step.log_normalizer)
        self.text += self._lines.line(
            step.piece,
            step.token_id,
            [step.scores.get(name) for name in self._names],
            alternatives,
            step.tail_mass,
            draw if step.support else None,
        )

    def say_waiting(self, people: int) -> None:
        """Tell the reader how many others wait for this run to end, when that has changed."""
        if people != self._waiting:
            self._waiting = people
            self.text += views.waiting_line(people)

    @property
    def reason(self) -> FinishReason:
        """How the steps so far would end the run: a job of known length that fell short was cancelled."""
        if self._job.ends_as and self.complete:
            return self._job.ends_as
        return (self.steps[-1].finish_reason if self.steps else None) or "cancelled"

    @property
    def complete(self) -> bool:
        """True when a job of known length has yielded all its steps."""
        return self._job.length is not None and len(self.steps) == self._job.length

    def trace(self, reason: FinishReason) -> Trace:
        """What there is, as a run."""
        return trace_of(
            self._model,
            self.steps,
            self._job.prompt_ids,
            prompt=self._job.prompt,
            system=self._job.system,
            settings=self._job.settings,
            kind=self._job.kind,
            finish_reason=reason,
            seconds=time.perf_counter() - self._started,
            notes=self._job.notes,
        )
