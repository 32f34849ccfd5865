"""Going on with a recorded answer where it broke off: the same model, the same noise, the next token.

Knows which runs may go on and how far; does not know the store, nor who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import BadInput, ModelUnavailable
from engine.generate import decode
from engine.limits import Limits, validate
from engine.out_of_memory import spared
from engine.types import NOISE_VERSION, GenerationRequest, ModelCard, Step, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

_COMPLETE = {
    "stop": "This answer is complete: the model ended it itself. Generate another one with another seed.",
    "stop_string": "This answer is complete: it ended at a stop string. Generate another one without it.",
}


@spared
def resume(
    model: LanguageModel, trace: Trace, settings: GenerationRequest, *, cancelled: Callable[[], bool] | None = None
) -> Iterator[Step]:
    """Decode what follows the n tokens of a run, up to `settings.max_new_tokens` tokens in all: steps n, n + 1, ...

    settings: from `plan`, which also says whether the run may go on. Noise rows are counted on from n, so that a run
    stopped anywhere and continued has the tokens of one that was never stopped, on the same machine. In float32 the
    earlier tokens are read again in one pass instead of one by one, which rounds differently in the last digits: only
    where two tokens raced to a near tie (margin below about 1e-5) could another one win. Coarser numbers are read one
    by one, which takes as long as writing them. Raises OutOfMemory.
    """
    earlier = trace.token_ids.tolist()
    stopped = cancelled or (lambda: False)
    yield from decode(model, settings, trace.prompt_ids.tolist(), earlier, settings.max_new_tokens, stopped)


def plan(model: LanguageModel, trace: Trace, limits: Limits) -> GenerationRequest:
    """The run's settings for going on with it on this model.

    A run that was stopped or broke off has what is left of its tokens. One that reached its limit gets as many again
    as it had asked for, within `limits` and the context; only max_new_tokens differs from what was recorded.
    Raises BadInput for a run that cannot go on or whose settings are not allowed here, ModelUnavailable for another
    model than the one it was made with.
    """
    recorded = check_unfinished(trace)
    settings = validate(replace(recorded, max_new_tokens=1), limits)
    check_same_model(trace.model, model.card)
    if model.end_ids.intersection(trace.token_ids[-1:].tolist()):
        raise BadInput(_COMPLETE["stop"])
    if any(stop in trace.text for stop in settings.stop):
        raise BadInput(_COMPLETE["stop_string"])
    room = model.context_length - len(trace.prompt_ids)
    if len(trace) >= room:
        raise BadInput(
            f"The model's context of {model.context_length:,} tokens is full: {len(trace.prompt_ids):,} of the prompt "
            f"and {len(trace):,} of the answer. Generate with a shorter prompt for a longer answer."
        )
    asked = recorded.max_new_tokens if len(trace) < recorded.max_new_tokens else 2 * recorded.max_new_tokens
    asked = min(asked, limits.max_new_tokens)
    if len(trace) >= asked:
        raise BadInput(f"This answer has {len(trace):,} tokens; more than {asked:,} are not written here.")
    return replace(settings, max_new_tokens=min(asked, room))


def check_unfinished(trace: Trace) -> GenerationRequest:
    """The settings of a generated answer that did not end by itself; BadInput, saying why, for any other run."""
    if trace.kind != "generation" or trace.settings is None or not len(trace):
        made = {"import": "imported", "scored": "given and scored"}.get(trace.kind, "made in another way")
        raise BadInput(f"Only an answer that was generated here can be continued; this text was {made}.")
    if trace.finish_reason in _COMPLETE:
        raise BadInput(_COMPLETE[trace.finish_reason])
    if trace.noise_version != NOISE_VERSION:
        raise BadInput(
            f"This run was drawn with the noise {str(trace.noise_version)[:40]!r}; only {NOISE_VERSION} can be "
            "continued here: generate it again."
        )
    return trace.settings


def check_same_model(made_with: ModelCard, loaded: ModelCard, remedy: str = "load it to continue") -> None:
    """ModelUnavailable, with what to do, unless both are the same weights in the same numbers on the same device."""
    if _weights(made_with) != _weights(loaded):
        raise ModelUnavailable(
            f"This run was made with {_called(made_with)}; {remedy} (now loaded: {_called(loaded)})."
        )


def _weights(card: ModelCard) -> tuple[str, ...]:
    return card.repo, card.revision, card.quantization, card.dtype, _device(card), card.tokenizer_hash


def _device(card: ModelCard) -> str:
    """The kind of device: another of the same kind computes the same."""
    return card.device.partition(":")[0]


def _called(card: ModelCard) -> str:
    return (
        f"{card.name} (revision {card.revision[:12] or 'unknown'}, quantisation {card.quantization}, {card.dtype}, "
        f"{_device(card)})"
    )
