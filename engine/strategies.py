"""Every way of decoding, one registry entry each: its name, what it does, and its parameters with their bounds.

Checks parameters, starts a strategy and records what came of it. Does not know how events are shown or where runs go.
Adding a strategy is adding one entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine import limits
from engine.best_of_n import best_of_n
from engine.cntp import Caution, cntp
from engine.errors import BadInput
from engine.locally_typical import locally_typical
from engine.out_of_memory import within_memory
from engine.power_smc import Power, power_smc
from engine.recording import trace_of
from engine.trials import Event, Outcome, Stopped
from engine.types import TOP_K, GenerationRequest, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

Values = Mapping[str, float]
# model, checked request, checked values, earlier ids, cancelled -> events, an Outcome last
Start = Callable[["LanguageModel", GenerationRequest, Values, Sequence[int], Stopped], Iterator[Event]]


@dataclass(frozen=True)
class Parameter:
    """One number that a strategy takes, in [low, high] or, with `above`, in (low, high].

    default: None when it is optional, and then left out unless given; whole: whether it is a whole number.
    """

    name: str
    label: str
    short: str
    default: float | None
    low: float
    high: float
    whole: bool = False
    above: bool = False


@dataclass(frozen=True)
class Strategy:
    """One way of decoding. short: one line of meaning; ignores: fields of the request that it does not follow."""

    name: str
    label: str
    short: str
    reference: str
    start: Start
    parameters: tuple[Parameter, ...] = ()
    ignores: tuple[str, ...] = ()


def strategy_named(name: object) -> Strategy:
    """The registry's entry; BadInput, listing the valid names, for any other."""
    if not isinstance(name, str) or name not in STRATEGIES:
        raise BadInput(f"There is no strategy {str(name)[:40]!r}; the strategies are: {', '.join(STRATEGIES)}.")
    return STRATEGIES[name]


def check(name: str, raw: Mapping[str, object] | None = None) -> dict[str, float]:
    """Clean values of a strategy's parameters: those given, else the defaults; whole numbers as int.

    raw: numbers, or text that is one; None and "" mean the default. Raises BadInput, naming value and bound.
    """
    strategy, raw = strategy_named(name), raw or {}
    known = {parameter.name: parameter for parameter in strategy.parameters}
    for key in raw:
        if key not in known:
            offered = f"its parameters are: {', '.join(known)}" if known else "it has none"
            raise BadInput(f"{strategy.label} has no parameter {str(key)[:40]!r}; {offered}.")
    values = {key: _number(parameter, raw.get(key)) for key, parameter in known.items()}
    found = {key: value for key, value in values.items() if value is not None}
    if name == "cntp" and found["high"] <= found["low"]:
        raise BadInput(
            f"The entropy for most trials is {found['high']:g} nats; it must be above the {found['low']:g} nats up to "
            "which there is one."
        )
    return found


def start(
    model: LanguageModel,
    request: GenerationRequest,
    name: str,
    raw: Mapping[str, object] | None = None,
    *,
    earlier: Sequence[int] = (),
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Event]:
    """Decode with a strategy: its events as they happen, an Outcome last.

    earlier: tokens of the answer that are there already. Ends within one token once `cancelled()` turns true, or when
    closed. The same request, values and earlier tokens give the same events. Raises BadInput, OutOfMemory.
    """
    values = check(name, raw)
    request = limits.validate(request, limits.UNBOUNDED)
    return within_memory(strategy_named(name).start(model, request, values, earlier, cancelled or (lambda: False)))


def record(
    model: LanguageModel,
    outcome: Outcome,
    name: str,
    raw: Mapping[str, object] | None = None,
    *,
    seconds: float = 0.0,
) -> Trace:
    """The answer of a strategy that began at the prompt as a run, whose notes say how it was decoded."""
    if outcome.first:
        raise ValueError("an outcome behind earlier tokens is joined to the run that they come from")
    settings = outcome.settings
    return trace_of(
        model,
        outcome.steps,
        model.encode_prompt(settings.prompt, settings.system),
        prompt=settings.prompt,
        system=settings.system,
        settings=settings,
        seconds=seconds,
        notes=(note(name, raw),),
    )


def note(name: str, raw: Mapping[str, object] | None = None) -> str:
    """How an answer was decoded, in a sentence that holds all that is needed to decode it again."""
    values = ", ".join(f"{key} = {value!r}" for key, value in check(name, raw).items())
    return f"Decoded by {STRATEGIES[name].label.lower()} ({name}{': ' if values else ''}{values})."


def _number(parameter: Parameter, value: object) -> float | None:
    if value is None or value == "":
        return parameter.default
    number = math.nan
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
    too_low = number <= parameter.low if parameter.above else number < parameter.low
    if math.isnan(number) or too_low or number > parameter.high or (parameter.whole and number != int(number)):
        kind = "a whole number" if parameter.whole else "a number"
        bound = f"above {parameter.low:g} and at most" if parameter.above else f"from {parameter.low:g} to"
        raise BadInput(f"{parameter.label} is {str(value)[:40]!r}; it must be {kind} {bound} {parameter.high:g}.")
    return int(number) if parameter.whole else number


def _greedy(
    model: LanguageModel, request: GenerationRequest, values: Values, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    return _sample(model, replace(request, temperature=0.0), values, earlier, stopped)


def _sample(
    model: LanguageModel, request: GenerationRequest, values: Values, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    # the typical set that holds everything leaves plain sampling
    return locally_typical(model, request, mass=1.0, earlier=earlier, stopped=stopped)


def _typical(
    model: LanguageModel, request: GenerationRequest, values: Values, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    return locally_typical(model, request, mass=values["mass"], earlier=earlier, stopped=stopped)


def _cntp(
    model: LanguageModel, request: GenerationRequest, values: Values, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    caution = Caution(int(values["most"]), values["low"], values["high"], int(values["cap"]))
    return cntp(model, request, caution, earlier=earlier, stopped=stopped)


def _power_smc(
    model: LanguageModel, request: GenerationRequest, values: Values, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    power = Power(int(values["particles"]), values["alpha"], int(values["ramp"]), values["threshold"])
    return power_smc(model, request, power, earlier=earlier, stopped=stopped)


def _best_of_n(
    model: LanguageModel, request: GenerationRequest, values: Values, earlier: Sequence[int], stopped: Stopped
) -> Iterator[Event]:
    return best_of_n(
        model,
        request,
        trials=int(values["trials"]),
        stop_entropy=values.get("stop_entropy"),
        earlier=earlier,
        stopped=stopped,
    )


def _by_name(*entries: Strategy) -> Mapping[str, Strategy]:
    return {entry.name: entry for entry in entries}


STRATEGIES: Mapping[str, Strategy] = _by_name(
    Strategy(
        "greedy", "Greedy decoding", "Always the most probable token.", "", _greedy,
        ignores=("temperature", "top_k", "top_p", "seed"),
    ),
    Strategy("sample", "Sampling", "Each token drawn by its probability.", "", _sample),
    Strategy(
        "typical", "Locally typical sampling",
        "Only tokens about as surprising as the model expects the next one to be.",
        "Meister et al. 2023 (arXiv 2202.00666)", _typical,
        (
            Parameter("mass", "The typical mass", "probability that the typical set has to reach; 1 is plain sampling",
                      0.95, 0.0, 1.0, above=True),
        ),
    ),
    Strategy(
        "cntp", "Cautious next-token",
        "Where the model is unsure, several continuations to the next punctuation; the least perplexing is kept.",
        "Wang et al. 2025 (arXiv 2507.03038)", _cntp,
        (
            Parameter("most", "The largest number of trials", "continuations tried where the model is least sure",
                      10, 1, 32, whole=True),
            Parameter("low", "The entropy for one trial", "nats up to which the next token is simply drawn",
                      0.01, 0.0, 10.0),
            Parameter("high", "The entropy for most trials", "nats from which the largest number is tried",
                      1.5, 0.0, 12.0, above=True),
            Parameter("cap", "The longest trial", "tokens after which a trial ends without punctuation",
                      32, 1, 256, whole=True),
        ),
    ),
    Strategy(
        "power_smc", "Power sampling with particles",
        "Answers in proportion to a power of their probability, by particles that are weighed and resampled.",
        "Azizi et al. 2026 (arXiv 2602.10273)", _power_smc,
        (
            Parameter("particles", "The number of particles", "answers drawn side by side", 16, 2, 64, whole=True),
            Parameter("alpha", "The exponent", "probable answers gain by it; 1 is plain sampling", 4.0, 1.0, 16.0),
            Parameter("ramp", "The ramp", "tokens over which the exponent rises from 1; 0 for none",
                      0, 0, 1_000, whole=True),
            Parameter("threshold", "The resampling threshold",
                      "share of the particles below which their effective number must fall", 0.5, 0.0, 1.0),
        ),
        ignores=("temperature", "top_k", "top_p"),
    ),
    Strategy(
        "best_of_n", "Best of N", "N whole answers; the one with the highest mean log-probability is kept.",
        "Adiwardana et al. 2020 (arXiv 2001.09977)", _best_of_n,
        (
            Parameter("trials", "The number of answers", "how many are drawn", 8, 2, 64, whole=True),
            Parameter("stop_entropy", "The entropy to stop at",
                      "bits; when the first answer's mean top-20 entropy is at most this, no other is drawn",
                      None, 0.0, math.log2(TOP_K)),
        ),
    ),
)  # fmt: skip
