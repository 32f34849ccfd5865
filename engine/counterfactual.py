"""What would have been written had something been different, all else being equal: the same noise, another input.

Source: Chatzi et al., "Counterfactual Token Generation in Large Language Models", arXiv 2409.17027; Ravfogel et al.,
"Gumbel Counterfactual Generation From Language Models", arXiv 2411.07180. That both texts share their noise is a choice
of the causal model and not a fact about the network. Does not know where runs are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine import lent_gpu, limits
from engine.edits import (
    FORCED,
    Alignment,
    Delete,
    EditPrompt,
    Held,
    Insert,
    Intervention,
    Luck,
    Replace,
    Splice,
    hold,
    splice_of,
)
from engine.errors import BadInput
from engine.generate import NoiseRows, draw_on, finish_of
from engine.hindsight import NOISE_STREAMS, HindsightNoise, check_untruncated
from engine.hindsight import hindsight_row as hindsight_row  # part of this module for those who call it
from engine.out_of_memory import spared
from engine.reading import read, rounds_alike
from engine.recording import beginning, joined, trace_of
from engine.resume import check_same_model
from engine.scoring import score_on
from engine.types import HINDSIGHT_VERSION, NOISE_VERSION, FinishReason, GenerationRequest, Kind, Step, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

# how much longer than the text a continuation of given text may become
ROOM_BEHIND = 100
OTHER_MODEL = "load it, or score the text with the loaded model and go on from there by hindsight"


@spared
def counterfactual_steps(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    request: GenerationRequest,
    held: Held,
    *,
    noise_rows: NoiseRows | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Step]:
    """The tokens behind `held.untouched`: those that stand by intervention, scored, then those drawn anew.

    request: its seed and stream give the noise (noise_rows gives another); its max_new_tokens bounds the noise rows, so
    that an answer made longer by an insertion may reach as far down the noise as the original. The answer ends where
    a held token ends it. Raises BadInput when it does not fit into the context, OutOfMemory.
    """
    stopped = cancelled or (lambda: False)
    limits.check_ids(held.ids, model.card.vocabulary_size)
    budget, _ = limits.check_fits(len(prompt_ids), max(1, held.longest(request.max_new_tokens)), model.context_length)
    if len(held.ids) > budget:
        raise BadInput(
            f"The edited answer has {len(held.ids):,} tokens; only {budget:,} fit into the model's context behind the "
            "prompt. Shorten the edit."
        )
    earlier = held.ids[: held.untouched]
    reading = read(model, prompt_ids, earlier, stopped, one_by_one=not rounds_alike(model))
    if reading is None:
        return
    forced = held.ids[held.untouched :]
    for step in score_on(reading, forced, held.untouched, stopped, ends=False):
        last = step.index + 1 == budget
        reason = finish_of(model, request, step.token_id, reading.text, len(step.piece), last)
        if reason:
            step = replace(step, piece=step.piece + reading.decoder.flush(), finish_reason=reason)
        yield step
        if reason or stopped():
            return
    drawn = range(len(held.ids), budget)
    if drawn and not (held.ids and held.ids[-1] in model.end_ids):
        yield from draw_on(model, request, reading, drawn, held.row, stopped, noise_rows)


@dataclass(frozen=True)
class Plan:
    """An intervention made out: everything that drawing the other run needs, and what it will be.

    request: seed, stream and settings of the drawn tokens; held: what stands before them; kept: the leading tokens
    that are the original's, as a run (None when none are); noise_rows: None for the request's own noise.
    """

    request: GenerationRequest
    prompt_ids: Sequence[int]
    held: Held
    kept: Trace | None
    kind: Kind
    noise_version: str
    intervention: Intervention
    noise_rows: NoiseRows | None = None

    def ended(self, model: LanguageModel) -> FinishReason | None:
        """Why the other run ends with the tokens that are kept; None where there is anything to score or to draw."""
        held, most = self.held, self.request.max_new_tokens
        if not held.ids or held.untouched < len(held.ids):
            return None
        room = min(held.longest(most), model.context_length - len(self.prompt_ids)) > len(held.ids)
        if room and held.ids[-1] not in model.end_ids:
            return None
        return finish_of(model, self.request, held.ids[-1], "", 0, last=True)

    def steps(self, model: LanguageModel, cancelled: Callable[[], bool] | None = None) -> Iterator[Step]:
        """The tokens behind those kept; see `counterfactual_steps`."""
        return lent_gpu.steps(
            counterfactual_steps,
            model,
            self.prompt_ids,
            self.request,
            self.held,
            noise_rows=self.noise_rows,
            tokens=len(self.held.ids) + self.request.max_new_tokens,
            cancelled=cancelled or (lambda: False),
        )

    def whole(self, model: LanguageModel, added: Trace) -> Trace:
        """The other run, from the run of its `steps` alone."""
        run = added if self.kept is None else replace(joined(model, self.kept, added), seconds=added.seconds)
        drawn = len(run) != len(self.held.ids)
        intervention = self.intervention if drawn else replace(self.intervention, next_row=self.held.row)
        return replace(run, noise_version=self.noise_version, intervention=intervention)


def plan(
    model: LanguageModel,
    trace: Trace,
    intervention: Intervention,
    *,
    settings: GenerationRequest | None = None,
    draw: int = 1,
) -> Plan:
    """How a run would have been written after an intervention: edits of the answer, other settings, prompt or system.

    settings: the changed request (None: as recorded). draw: which fresh stream (from 1), or which posterior draw
    (from 1) where the luck is inferred; the run's own noise needs none. Raises BadInput for a run whose luck cannot be
    had in that way, ModelUnavailable for another model than the run's.
    """
    check_same_model(trace.model, model.card, OTHER_MODEL)
    if intervention.luck == "same":
        recorded = check_replayable(trace)
    else:
        recorded = _taken(trace, settings, inferred=intervention.luck == "inferred")
    request = _validated(settings or recorded, trace)
    if request.seed != recorded.seed:
        raise BadInput("A counterfactual keeps the run's seed: ask for fresh luck instead of another seed.")
    request = replace(request, stream=_stream(intervention.luck, recorded, draw))
    rows = np.full(len(trace), FORCED) if intervention.luck == "inferred" else trace.noise_rows
    same_prompt = (request.prompt, request.system) == (recorded.prompt, recorded.system)
    other_input = not same_prompt or _drawn_from(request) != _drawn_from(recorded)
    splices, first = _changes(trace, intervention, other_input)
    known = trace.intervention.next_row if trace.intervention and intervention.luck != "inferred" else None
    held = hold(trace.token_ids, rows, splices, first=first, alignment=intervention.alignment, next_row=known)
    check_ends(model, held)
    if other_input:
        # what stands behind another prompt, or was drawn from another distribution, stands by intervention
        held = replace(held, rows=(FORCED,) * len(held.ids), untouched=0)
    ids = trace.prompt_ids.tolist() if same_prompt else model.encode_prompt(request.prompt, request.system)
    kept = replace(beginning(model, trace, held.untouched), intervention=None) if held.untouched else None
    if kept is not None and intervention.luck != "same":
        kept = as_given(kept)
    if intervention.luck == "inferred":
        noise_rows = HindsightNoise(
            model, trace.prompt_ids.tolist(), trace.token_ids.tolist(), seed=request.seed, draw=draw - 1,
            temperature=recorded.temperature, first_row=held.row,
        )  # fmt: skip
        return Plan(request, ids, held, kept, "counterfactual", HINDSIGHT_VERSION, intervention, noise_rows)
    kind: Kind = "counterfactual" if intervention.luck == "same" else "branch"
    return Plan(request, ids, held, kept, kind, NOISE_VERSION, intervention)


def within(planned: Plan, most: int) -> Plan:
    """The plan with at most `most` tokens drawn: what is recorded may come from where more were allowed."""
    reach = planned.held.row + most
    if planned.request.max_new_tokens <= reach:
        return planned
    return replace(planned, request=replace(planned.request, max_new_tokens=reach))


def regenerate(
    model: LanguageModel,
    trace: Trace,
    edits: Sequence[Replace | Insert | Delete | EditPrompt] = (),
    *,
    noise: Literal["same", "fresh"] = "same",
    alignment: Alignment | Literal["fresh"] = "suffix",
    stream: int = 1,
    cancelled: Callable[[], bool] | None = None,
) -> Trace:
    """The run as it would have been after these edits, with its own luck ("same") or another ("fresh").

    alignment: "fresh" is another word for fresh noise. stream: which other luck, from 1. An edit of the prompt draws
    the whole answer anew and goes with no other edit.
    Raises the errors of `plan`; BadInput for an empty edit or noise that is neither.
    """
    if noise not in ("same", "fresh"):
        raise BadInput(f"The noise {str(noise)[:40]!r} is unknown; choose same or fresh.")
    if alignment == "fresh":
        noise, alignment = "fresh", "suffix"
    if noise == "fresh" and (isinstance(stream, bool) or not isinstance(stream, int) or stream < 1):
        raise BadInput(f"The stream of fresh luck is {stream!r}; it must be a whole number from 1.")
    prompts = [edit for edit in edits if isinstance(edit, EditPrompt)]
    splices = [splice_of(edit, model.encode) for edit in edits if not isinstance(edit, EditPrompt)]
    if prompts and (splices or len(prompts) > 1):
        raise BadInput("Another prompt draws the whole answer anew: edit either the prompt, once, or the answer.")
    settings = None
    if prompts:
        system = trace.system if prompts[0].system is None else prompts[0].system
        recorded = check_replayable(trace) if noise == "same" else _taken(trace, None, inferred=False)
        settings = replace(recorded, prompt=prompts[0].text, system=system)
    return counterfactual(
        model, trace, splices, settings=settings, alignment=alignment, cancelled=cancelled,
        stream=None if noise == "same" else stream,
    )  # fmt: skip


def counterfactual(
    model: LanguageModel,
    trace: Trace,
    splices: Sequence[Splice] = (),
    *,
    settings: GenerationRequest | None = None,
    first: int = 0,
    alignment: Alignment = "suffix",
    stream: int | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Trace:
    """The run as it would have been after an intervention; see `plan`, which raises the same errors.

    Without edits the `first` tokens stay, and what an earlier intervention wrote. stream: another noise stream of the
    seed ("fresh luck"); None keeps the run's own ("same luck"). Without any change the run itself comes back.
    """
    started = time.perf_counter()
    intervention = Intervention(tuple(splices), first, alignment, "same" if stream is None else "fresh")
    planned = plan(model, trace, intervention, settings=settings, draw=stream or 0)
    return recorded_run(model, planned, started, cancelled)


def recorded_run(
    model: LanguageModel, planned: Plan, started: float, cancelled: Callable[[], bool] | None = None
) -> Trace:
    """Draw a planned run to its end; started: time.perf_counter() of the beginning."""
    request = planned.request
    steps = list(planned.steps(model, cancelled))
    added = trace_of(
        model,
        steps,
        planned.prompt_ids,
        prompt=request.prompt,
        system=request.system,
        settings=request,
        kind=planned.kind,
        finish_reason=None if steps else planned.ended(model),
        seconds=time.perf_counter() - started,
    )
    return planned.whole(model, added)


def _changes(trace: Trace, intervention: Intervention, other_input: bool) -> tuple[tuple[Splice, ...], int]:
    """The edits to be made, and without any how many leading tokens stay; other_input: prompt or settings differ.

    What an earlier intervention wrote into the run stays where nothing is changed before it, so that a run to which
    nothing is done comes back as it is.
    """
    ids, splices = trace.token_ids.tolist(), intervention.splices
    seam = _seam(trace)
    if intervention.luck == "inferred" or not seam or other_input:
        return splices, intervention.first
    idle = all(tuple(ids[s.start : s.stop]) == s.ids and s.stop <= len(ids) for s in splices)
    if not idle or any(s.start >= seam for s in splices):
        return splices, intervention.first
    return (), max(intervention.first, seam)


def _seam(trace: Trace) -> int:
    """Where the last stretch begins that was drawn with one row after the other; 0 for a run nobody intervened in."""
    if trace.intervention and trace.intervention.next_row is not None:
        return len(trace)
    rows = trace.noise_rows
    breaks = [i for i in range(1, len(rows)) if rows[i] != FORCED and rows[i] != rows[i - 1] + 1]
    written = (rows == FORCED).nonzero()[0]
    return max(breaks[-1] if breaks else 0, int(written[-1]) + 1 if len(written) else 0)


def rewritten(trace: Trace, planned: Plan) -> bool:
    """Whether an earlier intervention stands behind what is changed, and so is drawn over like everything there."""
    kept = len(planned.held.ids) - planned.held.shift
    return bool(trace.intervention and _seam(trace) > kept)


def _stream(luck: Luck, recorded: GenerationRequest, draw: int) -> int:
    """The noise stream of a luck: the run's own, a fresh one, or that of a posterior draw."""
    if luck == "same":
        return recorded.stream
    most = NOISE_STREAMS - 1
    if not 0 <= draw <= most:
        raise BadInput(f"The draw is {draw}; it must be a whole number from 0 to {most:,}.")
    return draw if luck == "fresh" else NOISE_STREAMS + draw - 1


def _validated(request: GenerationRequest, trace: Trace) -> GenerationRequest:
    """A text may have been given without a prompt; nothing that is asked may."""
    if request.prompt or trace.prompt:
        return limits.validate(request, limits.UNBOUNDED)
    return replace(limits.validate(replace(request, prompt="-"), limits.UNBOUNDED), prompt="")


def _taken(trace: Trace, settings: GenerationRequest | None, *, inferred: bool) -> GenerationRequest:
    """The settings under which a text is taken to have been drawn: its own, else those given, else temperature 1.

    inferred: its luck is, which truncation does not allow; fresh luck asks nothing of the record.
    """
    taken = trace.settings or settings or GenerationRequest(trace.prompt, trace.system)
    for request in filter(None, (taken, settings) if inferred else ()):
        check_untruncated(request.top_k, request.top_p)
    if not inferred and replayable(trace):
        return taken
    room = limits.UNBOUNDED.max_new_tokens
    return replace(taken, prompt=trace.prompt, system=trace.system, max_new_tokens=min(room, len(trace) + ROOM_BEHIND))


def as_given(trace: Trace) -> Trace:
    """The run with its tokens standing by intervention: where luck is fresh, what precedes it is part of the input."""
    nobody = np.full(len(trace), np.nan, dtype=np.float32)
    none = np.full(len(trace), -1)
    return replace(trace, noise_rows=none.astype(np.int64), runner_up=none.astype(np.int32), margin=nobody, luck=nobody)


def _drawn_from(request: GenerationRequest) -> tuple[float, int | None, float | None]:
    return request.temperature, request.top_k, request.top_p


def check_replayable(trace: Trace) -> GenerationRequest:
    """The settings of a run whose noise can be made again; BadInput, saying what else can be done, for any other."""
    if trace.settings is None or trace.noise_version is None:
        raise BadInput(
            "This text was not drawn here, so its luck was not recorded: use hindsight, which infers it from the text."
        )
    if trace.noise_version != NOISE_VERSION:
        raise BadInput(
            f"This run was drawn with the noise {trace.noise_version[:40]!r}, which cannot be made again here (it is "
            f"{NOISE_VERSION}): use hindsight, or generate it again."
        )
    return trace.settings


def replayable(trace: Trace) -> bool:
    """Whether the noise of a run can be made again."""
    return trace.settings is not None and trace.noise_version == NOISE_VERSION


def check_ends(model: LanguageModel, held: Held) -> None:
    """BadInput when held tokens stand behind one that ends the answer."""
    end = next((i for i, token_id in enumerate(held.ids) if token_id in model.end_ids), None)
    if end is not None and end + 1 < len(held.ids):
        raise BadInput(f"The answer ends at token {end}; nothing can stand behind it. Replace that token instead.")
