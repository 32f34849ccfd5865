"""Bias probe: what becomes of a field of the answer when one word of the prompt is another, luck being the same.

Runs of one seed under two values of the slot share their noise, so each is the other's counterfactual; the direct
effect holds the answer up to the field and draws only what follows. Does not know where runs are kept.
Source: Chatzi et al., "Counterfactual Token Generation in Large Language Models", arXiv 2409.17027.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from engine import limits
from engine.counterfactual import counterfactual_steps
from engine.edits import FORCED, Held
from engine.errors import BadInput
from engine.generate import generate
from engine.out_of_memory import spared
from engine.outcomes import REGISTRY, Outcome, extractor, first_token, outcome
from engine.recording import trace_of
from engine.types import FinishReason, GenerationRequest, Step, Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

MOST_VALUES = 20
MOST_RUNS = 200
VALUE_CHARS = 2_000
# noise stream of fresh luck; runs draw with stream 0 of their seeds
FRESH_STREAM = 1
_SLOT = re.compile(r"\{\s*([^\W\d][\w ]{0,39}?)\s*\}")

CellKind = Literal["run", "direct", "luck"]
CellKey = tuple[CellKind, int, int, int]


@dataclass(frozen=True)
class ProbePlan:
    """A checked probe. slot: the name between the braces; request: settings of the first run, its prompt the template.

    Run i of every value has seed `request.seed` + i. field, parameter: see `outcomes`. direct: whether the direct
    effect is drawn too; baseline: whether what fresh luck alone does to the field is drawn with it.
    """

    template: str
    slot: str
    values: tuple[str, ...]
    runs: int
    field: str
    parameter: str
    direct: bool
    request: GenerationRequest
    baseline: bool = False

    @property
    def luck_alone(self) -> bool:
        """Whether answers are also held up to their field and gone on with under the same value, with fresh luck."""
        return self.direct and self.baseline

    def prompt(self, value: int) -> str:
        """The template with value number `value` in every place of the slot."""
        return fill(self.template, self.values[value])


@dataclass(frozen=True)
class Cell:
    """One answer of a probe and the field in it.

    kind "run": run number `run` under value `value`, drawn from its first token. "direct": the answer of that run under
    value `source` held up to its field, the rest drawn under `value` with the same noise. "luck": held likewise, the
    rest drawn under the same value with fresh noise. source: `value` for a run and for luck.
    ids: all tokens, the first `held` of which were not drawn; field_at: index of the field's first token, -1 where no
    field was found. finish_reason: None where nothing was left to draw.
    """

    kind: CellKind
    run: int
    source: int
    value: int
    label: str
    number: float | None
    ids: tuple[int, ...]
    held: int
    field_at: int
    text: str
    finish_reason: FinishReason | None

    @property
    def key(self) -> CellKey:
        """What tells this answer from every other of the same probe."""
        return self.kind, self.run, self.source, self.value


@dataclass(frozen=True)
class Drawn:
    """Progress. tokens: of the answer being drawn; cell: the answer when it is there; trace: its run, as recorded."""

    tokens: int
    cell: Cell | None = None
    trace: Trace | None = None


@dataclass(frozen=True)
class Price:
    """What a probe costs at most: answers drawn whole, answers drawn from their field on, tokens of both together.

    read: tokens of the prompts, which are read anew for every answer; None where their lengths are not known.
    """

    answers: int
    continuations: int
    tokens: int
    read: int | None = None

    @property
    def total(self) -> int:
        """All answers, drawn whole or from their field on."""
        return self.answers + self.continuations

    @property
    def work(self) -> int:
        """Tokens that the model has to go through, as far as they are known."""
        return self.tokens + (self.read or 0)


def fill(template: str, value: str) -> str:
    """The template with the value in every place of its slot; the value itself is taken as it is."""
    return _SLOT.sub(lambda _: value, template)


def slot_of(template: str) -> str:
    """The name of the template's one slot. Raises BadInput for no template, no slot, or different slots."""
    if not template.strip():
        raise BadInput('The template is empty: write a prompt with a slot, such as "{Sex}: ...".')
    names = list(dict.fromkeys(match[1].strip() for match in _SLOT.finditer(template)))
    if not names:
        raise BadInput('The template has no slot: write a word in braces where the value goes, such as "{Sex}".')
    if len(names) > 1:
        shown = " and ".join("{" + name + "}" for name in names[:3])
        raise BadInput(f"The template has different slots, {shown}: a probe changes one thing, so keep one of them.")
    return names[0]


def plan_probe(
    template: str,
    values: Sequence[str],
    runs: int,
    field: str,
    request: GenerationRequest,
    *,
    parameter: str = "",
    direct: bool = True,
) -> ProbePlan:
    """A probe, checked; the request's prompt is not looked at. Raises BadInput, one sentence naming the remedy."""
    slot = slot_of(template)
    kept = tuple(value.strip() for value in values if value.strip())
    if len(kept) < 2:
        have = "one value" if kept else "no value"
        raise BadInput(f"There is {have} for {{{slot}}}: give at least two, one a line.")
    if len(kept) > MOST_VALUES:
        raise BadInput(f"There are {len(kept)} values for {{{slot}}}; at most {MOST_VALUES} can be compared.")
    twice = next((value for i, value in enumerate(kept) if value in kept[:i]), None)
    if twice is not None:
        raise BadInput(f"The value '{twice[:60]}' is there twice: give each value once.")
    long = next((value for value in kept if len(value) > VALUE_CHARS), None)
    if long is not None:
        raise BadInput(f"The value '{long[:40]}…' has {len(long):,} characters; at most {VALUE_CHARS:,} are allowed.")
    if not 1 <= runs <= MOST_RUNS:
        raise BadInput(f"{runs} runs a value were asked for; choose between 1 and {MOST_RUNS}.")
    if request.seed + runs - 1 > limits.MAX_SEED:
        raise BadInput(f"The seed {request.seed} leaves no room for {runs} runs: choose a smaller one.")
    if request.temperature == 0.0 and runs > 1:
        raise BadInput("At temperature 0 all runs of a value are the same: ask for 1 run, or raise the temperature.")
    entry = extractor(field, parameter)
    if not entry.single:
        raise BadInput(
            f"The field '{entry.label}' is for forking analyses only: a bias probe reads each answer by itself, by "
            f"one of {', '.join(name for name, other in REGISTRY.items() if other.single)}."
        )
    asked = replace(request, prompt=template)
    # at temperature 0 luck decides nothing
    baseline = request.temperature > 0.0
    return ProbePlan(template, slot, kept, runs, field, parameter.strip(), direct, asked, baseline)


def price(plan: ProbePlan, prompts: Sequence[int] = ()) -> Price:
    """What the plan costs at most; no model is needed. prompts: from `prompt_lengths`, where there is one."""
    values = len(plan.values)
    answers = plan.runs * values
    held = (values - 1 if plan.direct else 0) + plan.luck_alone
    continuations = answers * held
    # behind each prompt stand the answers of its value, and those held under other values or with fresh luck
    behind = plan.runs * (1 + held)
    read = behind * sum(prompts) if prompts else None
    return Price(answers, continuations, (answers + continuations) * plan.request.max_new_tokens, read)


def prompt_lengths(model: LanguageModel, plan: ProbePlan) -> tuple[int, ...]:
    """How many tokens the prompt of each value has. Raises BadInput for text that is not Unicode."""
    return tuple(len(model.encode_prompt(plan.prompt(i), plan.request.system)) for i in range(len(plan.values)))


def fit(model: LanguageModel, plan: ProbePlan) -> tuple[ProbePlan, str]:
    """The plan with as many tokens an answer as fit behind every value's prompt, and a sentence where that is fewer.

    Raises BadInput, naming the value, for a prompt that is too long or has no token.
    """
    budgets = []
    for i, value in enumerate(plan.values):
        ids = model.encode_prompt(plan.prompt(i), plan.request.system)
        if not ids:
            raise BadInput(
                f"The model's tokenizer has no token for the prompt with '{value[:60]}'; write it differently."
            )
        try:
            budgets.append(limits.check_fits(len(ids), plan.request.max_new_tokens, model.context_length))
        except BadInput as error:
            raise BadInput(f"With '{value[:60]}' in the slot: {error}") from error
    budget, note = min(budgets)
    # one limit for all, or longer answers under one value would look like an effect of it
    return replace(plan, request=replace(plan.request, max_new_tokens=budget)), note


@spared
def probe(
    model: LanguageModel,
    plan: ProbePlan,
    *,
    done: Collection[Cell] = (),
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Drawn]:
    """Draw every answer that is not among `done`, run by run, yielding after each token and with each answer.

    plan: as `fit` gives it. When cancelled, the answer being drawn is dropped; a later call goes on with those that
    came. Each answer depends on plan and place alone, never on the order of work. Raises BadInput, OutOfMemory.
    """
    stopped = cancelled or (lambda: False)
    cells = {cell.key: cell for cell in done}
    values = range(len(plan.values))
    for run in range(plan.runs):
        keys: list[CellKey] = [("run", run, value, value) for value in values]
        if plan.direct:
            keys += [("direct", run, a, b) for a in values for b in values if a != b]
        if plan.luck_alone:
            keys += [("luck", run, value, value) for value in values]
        for key in keys:
            if key in cells:
                continue
            for drawn in _draw(model, plan, key, cells, stopped):
                yield drawn
                if drawn.cell:
                    cells[key] = drawn.cell
            if key not in cells:
                return


def _draw(
    model: LanguageModel, plan: ProbePlan, key: CellKey, cells: dict[CellKey, Cell], stopped: Callable[[], bool]
) -> Iterator[Drawn]:
    kind, run, source, value = key
    request = replace(plan.request, prompt=plan.prompt(value), seed=plan.request.seed + run)
    if stopped():
        return
    if kind == "run":
        yield from _draw_run(model, plan, key, request, stopped)
        return
    base = cells["run", run, source, source]
    if base.field_at < 0:
        # there is nothing to hold anything before
        empty = replace(base, value=value, label=base.label, number=None, ids=(), text="", finish_reason=None)
        yield Drawn(0, replace(empty, kind=kind))
    elif base.field_at == 0 and kind == "direct":
        # the field opens the answer, so that all of it is the direct effect
        yield Drawn(0, replace(cells["run", run, value, value], kind=kind, source=source))
    else:
        request = replace(request, stream=FRESH_STREAM) if kind == "luck" else request
        yield from _draw_held(model, plan, key, base, request, stopped)


def _draw_run(
    model: LanguageModel, plan: ProbePlan, key: CellKey, request: GenerationRequest, stopped: Callable[[], bool]
) -> Iterator[Drawn]:
    """A whole answer, recorded as a run."""
    steps: list[Step] = []
    started = time.perf_counter()
    for step in generate(model, request, cancelled=stopped):
        steps.append(step)
        yield Drawn(len(steps))
    if not steps or steps[-1].finish_reason is None:
        return
    prompt_ids = model.encode_prompt(request.prompt, request.system)
    seconds = time.perf_counter() - started
    trace = trace_of(
        model, steps, prompt_ids, prompt=request.prompt, system=request.system, settings=request, seconds=seconds
    )
    yield Drawn(len(steps), _cell(model, plan, key, trace.token_ids.tolist(), 0, trace.finish_reason), trace)


def _draw_held(
    model: LanguageModel,
    plan: ProbePlan,
    key: CellKey,
    base: Cell,
    request: GenerationRequest,
    stopped: Callable[[], bool],
) -> Iterator[Drawn]:
    """The base answer held up to its field behind the request's prompt, what follows drawn with the request's noise.

    Held tokens are read in the same way behind their own prompt and behind another.
    """
    ids = base.ids[: base.field_at]
    held = Held(ids, (FORCED,) * len(ids), len(ids), 0, 0)
    prompt_ids = model.encode_prompt(request.prompt, request.system)
    drawn = list(ids)
    reason: FinishReason | None = None
    for step in counterfactual_steps(model, prompt_ids, request, held, cancelled=stopped):
        reason = step.finish_reason
        if step.index >= len(ids):
            drawn.append(step.token_id)
            yield Drawn(len(drawn))
    if reason is None:
        return
    yield Drawn(len(drawn), _cell(model, plan, key, drawn, len(ids), reason))


def _cell(
    model: LanguageModel, plan: ProbePlan, key: CellKey, ids: Sequence[int], held: int, reason: FinishReason
) -> Cell:
    kind, run, source, value = key
    pieces = model.pieces(ids)
    special = [i in model.special_ids for i in ids]
    text = "".join(piece for piece, out in zip(pieces, special, strict=True) if not out)
    found: Outcome = outcome(plan.field, text, parameter=plan.parameter, cut=reason == "length")
    at = first_token(pieces, special, found.found.start) if found.found else -1
    return Cell(kind, run, source, value, found.label, found.number, tuple(ids), held, at, text, reason)
