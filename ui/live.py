"""The document of a run while it is being written, and of one that is stored: what is on show, as text that grows.

Turns steps and stored runs into the lines of `views`. Does not know queues, the store, or who is asking.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine import token_scores
from engine.models import LanguageModel
from engine.recording import joined, trace_of
from engine.types import FinishReason, GenerationRequest, Kind, Step, Trace
from storage.records import RunHeader, StoredRun
from ui import views
from ui.headlines import Headline, first_words, headline_of
from ui.origins import NO_ORIGIN, Origin
from ui.turns import Others


@dataclass(frozen=True)
class Job:
    """What is being recorded: where its steps come from and what the run will be called by.

    before: the stored run that this job goes on with; its steps are then those that follow. kept: tokens that stand
    before the steps of a new run; parent: the run that it leaves behind them. whole: the finished run, from the run of
    the steps alone. nothing: why it ends where no step is to come, as all of its tokens are `kept`. steps: None among
    them is time to look and nothing to show. shown_by: what writes the document when it is not a LiveDocument;
    stored: told the uid of the stored run, it says what else could not be kept, or "".
    """

    prompt: str
    system: str | None
    prompt_ids: Sequence[int]
    settings: GenerationRequest | None
    kind: Kind
    ends_as: FinishReason | None
    steps: Callable[[LanguageModel, Callable[[], bool]], Iterator[Step | None]]
    notes: tuple[str, ...] = ()
    length: int | None = None
    before: StoredRun | None = None
    kept: Trace | None = None
    nothing: FinishReason | None = None
    parent: StoredRun | None = None
    origin: Origin = NO_ORIGIN
    whole: Callable[[LanguageModel, Trace], Trace] | None = None
    shown_by: Callable[[LanguageModel, Job], LiveDocument] | None = None
    stored: Callable[[str], str] | None = None

    @property
    def fork(self) -> int:
        """How many leading tokens of the new run are its parent's."""
        return len(self.kept) if self.kept is not None else 0


class LiveDocument:
    """The growing document of a job, and the steps it was made from; a continued run begins with what it has."""

    def __init__(self, model: LanguageModel, job: Job) -> None:
        self.steps: list[Step] = []
        self._model = model
        self._job = job
        self._started = time.perf_counter()
        self._waiting = Others()
        kept = job.before.trace if job.before else job.kept
        self._bytes: dict[int, bytes] = dict(kept.token_bytes) if kept is not None else {}
        self._lines = views.TokenLines(self._bytes, model.special_ids)
        if job.before:
            self._names = list(job.before.trace.scores)
            self._lines_so_far = [opening(job.before)]
            return
        # what needs the whole run (a quantile, a sum) exists once the run has ended
        entries = token_scores.REGISTRY.values()
        own = [entry.name for entry in entries if not entry.over_run and entry.reads == "distribution"]
        self._names = list(kept.scores) if kept is not None else own
        identity = views.RunIdentity(uid=f"live-{id(self):x}", kind=job.kind, origin=job.origin)
        header = views.header_line(
            identity,
            prompt=job.prompt,
            system=job.system,
            model=model.card,
            settings=job.settings,
            score_names=self._names,
            headline=first_words(job.kind),
            notes=job.notes,
        )
        self._lines_so_far = [header, job.origin.factual]
        if kept is not None:
            self._lines_so_far += views.token_lines(kept, self._lines)

    @property
    def text(self) -> str:
        """The document as it is now."""
        # joined when somebody looks, not with every token: a long text would be copied thousands of times
        self._lines_so_far = ["".join(self._lines_so_far)]
        return self._lines_so_far[0]

    def add(self, step: Step | None) -> None:
        """Append one token's line."""
        if step is None:
            return
        self.steps.append(step)
        alternatives = list(zip(step.alternatives.ids.tolist(), step.alternatives.logprobs.tolist(), strict=True))[
            : views.LIVE_ALTERNATIVES
        ]
        for token_id in (step.token_id, step.runner_up, *(i for i, _ in alternatives)):
            if token_id >= 0 and token_id not in self._bytes:
                self._bytes[token_id] = self._model.token_bytes(token_id)
        # beside the few shown meanwhile stands all that is not shown
        others = max(0.0, 1.0 - sum(math.exp(logprob) for _, logprob in alternatives)) if alternatives else math.nan
        draw = (step.noise_row, step.margin, step.runner_up, step.luck, step.support, step.log_normalizer)
        values = [step.scores.get(name) for name in self._names]
        drawn = draw if step.support else None
        self._lines_so_far.append(self._lines.line(step.piece, step.token_id, values, alternatives, others, drawn))

    def settle(self) -> bool:
        """Whether there is anything to keep, once no more steps are to come."""
        return bool(self.steps) or self._job.nothing is not None

    def say_waiting(self, others: Others) -> None:
        """Tell the reader who waits for this run to end, when that has changed."""
        if others != self._waiting:
            self._waiting = others
            self._lines_so_far.append(views.waiting_line(others.people, others.pages))

    @property
    def reason(self) -> FinishReason:
        """How the steps so far would end the run: a job of known length that fell short was cancelled."""
        if self._job.ends_as and self.complete:
            return self._job.ends_as
        return (self.steps[-1].finish_reason if self.steps else self._job.nothing) or "cancelled"

    @property
    def complete(self) -> bool:
        """True when a job of known length has yielded all its steps."""
        return self._job.length is not None and len(self.steps) == self._job.length

    def trace(self, reason: FinishReason) -> Trace:
        """What there is, as a run."""
        added = trace_of(
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
        if self._job.before:
            return joined(self._model, self._job.before.trace, added)
        return self._job.whole(self._model, added) if self._job.whole else added


def identity_of(header: RunHeader, origin: Origin = NO_ORIGIN, foreign: bool = False) -> views.RunIdentity:
    """Who a stored run is on the page. foreign: whether it is somebody else's than the one's who looks."""
    return views.RunIdentity(
        uid=header.uid,
        kind=header.kind,
        title=header.title,
        created=header.created_at.isoformat(timespec="seconds"),
        example=header.example,
        foreign=foreign,
        tags=header.tags,
        note=header.note,
        origin=origin,
    )


def stored_document(
    stored: StoredRun,
    origin: Origin = NO_ORIGIN,
    headline: Headline | None = None,
    problem: str = "",
    foreign: bool = False,
) -> str:
    """The document of a stored run, as it looked when it was made; headline: something better to say of it; problem:
    what is to be said of how it ended just now; foreign: whether it is somebody else's."""
    identity = identity_of(stored.header, origin, foreign)
    said = headline or headline_of(stored.trace)
    return views.run_document(stored.trace, identity, status=stored.header.status, headline=said, problem=problem)


def opening(stored: StoredRun, origin: Origin = NO_ORIGIN, foreign: bool = False) -> str:
    """A stored run's document without its closing line: what a continued run begins with, token for token."""
    return stored_document(stored, origin, foreign=foreign).rstrip("\n").rpartition("\n")[0] + "\n"
