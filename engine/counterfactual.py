"""What would have been written had something been different, all else being equal: the same noise, another input.

Source: Chatzi et al., "Counterfactual Token Generation in Large Language Models", arXiv 2409.17027; Ravfogel et al.,
"Gumbel Counterfactual Generation From Language Models", arXiv 2411.07180. That both texts share their noise is a choice
of the causal model and not a fact about the network. Does not know where runs are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine import limits
from engine.edits import FORCED, Alignment, Held, Splice, hold
from engine.errors import BadInput
from engine.generate import NoiseRows, draw_on, finish_of
from engine.reading import read
from engine.recording import beginning, joined, trace_of
from engine.resume import check_same_model
from engine.scoring import score_on
from engine.types import NOISE_VERSION, FinishReason, GenerationRequest, Kind, Step, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

# below this lead another machine, or another way of batching, may draw another token (float32; bfloat16)
FRAGILE_MARGIN = 1e-3
FRAGILE_MARGIN_BFLOAT16 = 0.25


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
    reading = read(model, prompt_ids, held.ids[: held.untouched], stopped)
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


def counterfactual(
    model: LanguageModel,
    trace: Trace,
    splices: Sequence[Splice] = (),
    *,
    settings: GenerationRequest | None = None,
    first: int = 0,
    alignment: Alignment = "suffix",
    stream: int | None = None,
    noise_rows: NoiseRows | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Trace:
    """The run as it would have been after an intervention: edits of the answer, or other settings, prompt or system.

    settings: the changed request (None: as recorded); without edits the `first` tokens stay. stream: another noise
    stream of the seed ("fresh luck"); None keeps the run's own ("same luck"). Its kind is "counterfactual" when the
    luck is the same, "branch" otherwise. Without any change the run itself comes back.
    Raises BadInput for a run without recorded noise, ModelUnavailable for another model than the run's.
    """
    started = time.perf_counter()
    request, prompt_ids, held = plan(
        model, trace, splices, settings=settings, first=first, alignment=alignment, stream=stream
    )
    kind: Kind = "counterfactual" if stream is None else "branch"
    steps = list(counterfactual_steps(model, prompt_ids, request, held, noise_rows=noise_rows, cancelled=cancelled))
    ended: FinishReason | None = None
    if not steps and held.ids:
        ended = finish_of(model, request, held.ids[-1], "", 0, last=True)
    added = trace_of(
        model,
        steps,
        prompt_ids,
        prompt=request.prompt,
        system=request.system,
        settings=request,
        kind=kind,
        finish_reason=ended,
        seconds=time.perf_counter() - started,
    )
    if held.untouched == 0:
        return added
    kept = beginning(model, trace, held.untouched)
    if request.stream != check_replayable(trace).stream:
        kept = as_given(kept)
    return replace(joined(model, kept, added), seconds=added.seconds)


def plan(
    model: LanguageModel,
    trace: Trace,
    splices: Sequence[Splice] = (),
    *,
    settings: GenerationRequest | None = None,
    first: int = 0,
    alignment: Alignment = "suffix",
    stream: int | None = None,
) -> tuple[GenerationRequest, Sequence[int], Held]:
    """The request, prompt ids and held tokens of an intervention; see `counterfactual`. Raises the same errors."""
    recorded = check_replayable(trace)
    check_same_model(trace.model, model.card)
    request = limits.validate(settings or recorded, limits.UNBOUNDED)
    if request.seed != recorded.seed:
        raise BadInput("A counterfactual keeps the run's seed: ask for fresh luck instead of another seed.")
    request = replace(request, stream=recorded.stream if stream is None else stream)
    held = hold(trace.token_ids, trace.noise_rows, splices, first=first, alignment=alignment)
    check_ends(model, held)
    same_prompt = (request.prompt, request.system) == (recorded.prompt, recorded.system)
    if not same_prompt or _drawn_from(request) != _drawn_from(recorded):
        # what stands behind another prompt, or was drawn from another distribution, stands by intervention
        held = replace(held, rows=(FORCED,) * len(held.ids), untouched=0)
    ids = trace.prompt_ids.tolist() if same_prompt else model.encode_prompt(request.prompt, request.system)
    return request, ids, held


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


def check_ends(model: LanguageModel, held: Held) -> None:
    """BadInput when held tokens stand behind one that ends the answer."""
    end = next((i for i, token_id in enumerate(held.ids) if token_id in model.end_ids), None)
    if end is not None and end + 1 < len(held.ids):
        raise BadInput(f"The answer ends at token {end}; nothing can stand behind it. Replace that token instead.")


def fragile(trace: Trace) -> list[int]:
    """Positions whose draw was so close that another machine, device or batch may decide it otherwise."""
    threshold = FRAGILE_MARGIN_BFLOAT16 if trace.model.dtype == "bfloat16" else FRAGILE_MARGIN
    return [int(i) for i in (trace.margin < threshold).nonzero()[0]]


def replay(model: LanguageModel, trace: Trace, *, cancelled: Callable[[], bool] | None = None) -> list[int]:
    """The ids that a run's noise gives when it is drawn again: each token with the row it had, forced ones as they are.

    The recorded ids are the truth and this is a check: they may differ only from a token on that `fragile` names.
    """
    request, stopped = check_replayable(trace), cancelled or (lambda: False)
    rows, recorded = trace.noise_rows.tolist(), trace.token_ids.tolist()
    reading = read(model, trace.prompt_ids.tolist(), (), stopped)
    ids: list[int] = []
    while reading is not None and len(ids) < len(rows) and not stopped():
        start = len(ids)
        stop = next((i for i in range(start + 1, len(rows)) if not _goes_on(rows, i)), len(rows))
        if rows[start] == FORCED:
            ids += [step.token_id for step in score_on(reading, recorded[start:stop], start, stopped, ends=False)]
            continue
        drawn = draw_on(model, request, reading, range(start, stop), rows[start], stopped)
        ids += [step.token_id for step in drawn]
        if len(ids) < stop:
            break
        reading.logits = reading.context.feed(ids[-1:])
    return ids


def _goes_on(rows: Sequence[int], i: int) -> bool:
    """Whether token i belongs to the same stretch as the one before: both forced, or drawn with neighbouring rows."""
    return rows[i] == rows[i - 1] == FORCED or (rows[i - 1] != FORCED and rows[i] == rows[i - 1] + 1)
