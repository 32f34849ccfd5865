"""Runs a job's steps where a GPU is only lent for a while (Spaces with ZeroGPU), in the process that holds it.

The `spaces` package forks that process, pickles what goes there and comes back, and ends it when the time is over: so
steps are arrays and plain values, errors come as values, and the store stays here. Without it, or without such a GPU,
a job runs where it is called, as if this were not there.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from engine import errors
from engine.errors import Busy, ModelUnavailable, UserError

if TYPE_CHECKING:
    from engine.models import LanguageModel

PACKAGE = "spaces"
VARIABLE = "SPACES_ZERO_GPU"
# what a loan is asked for: a start, and about as many tokens a second as a model of a few billion writes
START_SECONDS, TOKENS_A_SECOND, MOST_SECONDS = 15, 10, 120
WORKER_ERROR = "ZeroGPU worker error"
ABORTED = "GPU task aborted"
NOT_HERE = (
    "This cannot be done on a Space whose GPU is lent for a short time: generate, score, continue and branch here, or "
    "run Forklore on a machine of your own."
)
TAKEN_BACK = (
    "The GPU is not lent any more (its time or your share of it is used up). What there was is kept; try again later, "
    "with a shorter answer."
)
STALE = "The model was changed while the GPU was lent: restart the Space, then try again."
Item = TypeVar("Item")
# a function of a module that takes the model first and `cancelled` by name
Work = Callable[..., Iterator[Item]]
Message = tuple[str, Any, int]


class _Lending:
    """borrow: the function that runs in the lent process, None where no GPU is lent; inside: whether this is it."""

    borrow: Callable[..., Iterator[Message]] | None = None
    inside = False
    models: ClassVar[dict[str, LanguageModel]] = {}


def begin() -> bool:
    """Get ready where a GPU is lent; to be called before anything loads torch. Whether one is."""
    wanted = os.environ.get(VARIABLE, "").lower() in ("1", "t", "true")
    if wanted and importlib.util.find_spec(PACKAGE) is not None:
        spaces = importlib.import_module(PACKAGE)
        _Lending.borrow = spaces.GPU(duration=_seconds)(_in_worker)
    return _Lending.borrow is not None


def lent() -> bool:
    """Whether this program's GPU is lent."""
    return _Lending.borrow is not None


def hold(model: LanguageModel) -> None:
    """Make a model known to the processes that will be forked, and keep this one from computing with it."""
    if not lent():
        return
    _Lending.models = {_key(model): model}
    model.network.register_forward_pre_hook(_only_inside)


def steps(
    work: Work[Item],
    model: LanguageModel,
    *given: Any,
    tokens: int,
    cancelled: Callable[[], bool],
    **named: Any,
) -> Iterator[Item]:
    """The items of work(model, *given, cancelled=..., **named), wherever they are computed.

    tokens: about how many the model will read and write, for the length of a loan. Stops within one item when
    `cancelled()` turns true. Raises what `work` raises of UserErrors; ModelUnavailable for what cannot be sent; Busy
    when the GPU is taken back.
    """
    if not lent():
        return work(model, *given, cancelled=cancelled, **named)
    return _borrowed(work, model, given, named, tokens, cancelled)


def _borrowed(
    work: Work[Item],
    model: LanguageModel,
    given: tuple[Any, ...],
    named: Mapping[str, Any],
    tokens: int,
    cancelled: Callable[[], bool],
) -> Iterator[Item]:
    assert _Lending.borrow is not None
    try:
        pickle.dumps((work, given, named))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ModelUnavailable(NOT_HERE) from error
    messages = _Lending.borrow(_loan(tokens), _key(model), work, given, named)
    try:
        while True:
            message = _next(messages)
            if message is None:
                return
            kind, value, read = message
            if read and model.meter.listener is not None:
                model.meter.listener(read)
            if kind == "read":
                continue
            if kind == "error":
                raise _error(*value)
            yield value
            if cancelled():
                return
    finally:
        messages.close()  # type: ignore[attr-defined]


def _next(messages: Iterator[Message]) -> Message | None:
    """The next message, None at the end; the lender's own refusals as a sentence."""
    try:
        return next(messages, None)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("gradio", PACKAGE):
            raise
        if getattr(error, "title", "") == WORKER_ERROR and str(getattr(error, "message", "")) != ABORTED:
            raise RuntimeError("a defect in the process that holds the GPU") from error
        raise Busy(TAKEN_BACK) from error


def _in_worker(
    seconds: int, key: str, work: Work[Any], given: tuple[Any, ...], named: Mapping[str, Any]
) -> Iterator[Message]:
    """What runs in the lent process: ("step", item, tokens read) for each item, and at the end ("read", None, tokens
    read since) or ("error", (kind, sentence), ...)."""
    _Lending.inside = True
    model = _Lending.models.get(key)
    if model is None:
        yield "error", (ModelUnavailable.__name__, STALE), 0
        return
    read = 0

    def count(tokens: int) -> None:
        nonlocal read
        read += tokens

    model.meter.listener = count
    try:
        for item in work(model, *given, cancelled=None, **named):
            told, read = read, 0
            yield "step", item, told
        yield "read", None, read
    except UserError as error:
        yield "error", (type(error).__name__, str(error)), read


def _error(kind: str, sentence: str) -> UserError:
    found = getattr(errors, kind, UserError)
    return found(sentence) if issubclass(found, UserError) else UserError(sentence)


def _only_inside(network: object, given: object) -> None:
    if not _Lending.inside:
        raise ModelUnavailable(NOT_HERE)


def _key(model: LanguageModel) -> str:
    return f"{model.card.name} {id(model):x}"


def _loan(tokens: int) -> int:
    return min(MOST_SECONDS, START_SECONDS + tokens // TOKENS_A_SECOND)


def _seconds(seconds: int, *rest: Any) -> int:
    """How long the GPU is asked for: the first argument of the call."""
    return seconds
