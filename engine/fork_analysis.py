"""A forking analysis of one run, drawn and read: continuations of every branch, and what they say so far.

Knows sites, roll-outs and extractors; does not know where analyses are kept or how they are drawn.
Source: Bigelow et al., "Forking Paths in Neural Text Generation", arXiv 2412.07961; the recursion is explained in
`fork_curves`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import lent_gpu
from engine.errors import BadInput, UserError
from engine.fork_bands import band, curve_samples
from engine.fork_curves import Branches, OutcomeCurve, branches_of, common_labels, outcome_curve
from engine.fork_draws import ForkDraws
from engine.fork_plan import ForkPlan, ForkSettings, plan_analysis
from engine.fork_sites import Site
from engine.meaning import Embed
from engine.out_of_memory import spared
from engine.outcomes import extractor
from engine.rollouts import MEMORY_BYTES, ROWS, Decided, Task, roll_out
from engine.types import Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

BAND_SAMPLES = 200
# share of each branch's draws that is taken before any branch gets the rest
FIRST_ROUND = 0.25
MORE = 1.5


@dataclass(frozen=True)
class ForkingReport:
    """What an analysis has so far. tokens: drawn by this call; rows: tokens that went through the network for them;
    done: nothing is left to draw; seconds: of this call; provisional: labels that are found jointly may be those of
    fewer draws. All else is worked out when it is asked for, and raises UserError where the draws cannot be read."""

    plan: ForkPlan
    draws: ForkDraws
    count: int
    tokens: int
    rows: int
    seconds: float
    done: bool
    provisional: bool = False

    def settled(self) -> ForkingReport:
        """The same with the labels that all draws together have."""
        return replace(self, provisional=False) if self.provisional else self

    @cached_property
    def problem(self) -> str:
        """Why the draws cannot be read as it was asked, "" where they can."""
        try:
            _ = self.branches
        except UserError as error:
            return str(error)
        return ""

    @cached_property
    def branches(self) -> Branches | None:
        """Branches of the positions that are complete from the end on; None before the last one is."""
        return branches_so_far(self.plan, self.draws, self.count, provisional=self.provisional)

    @cached_property
    def curve(self) -> OutcomeCurve | None:
        """The outcome curve over those positions."""
        return None if self.branches is None else outcome_curve(self.branches, estimator=self.plan.settings.estimator)

    @cached_property
    def samples(self) -> np.ndarray | None:
        """Curves that the draws allow for: float32 [BAND_SAMPLES, T + 1, K]."""
        settings = self.plan.settings
        return None if self.branches is None else curve_samples(
            self.branches, estimator=settings.estimator, count=BAND_SAMPLES, seed=settings.seed
        )  # fmt: skip

    @cached_property
    def bands(self) -> tuple[np.ndarray, np.ndarray] | None:
        """80 % bands, which hold the curve: low and high, float64 [T + 1, K]."""
        if self.samples is None or self.curve is None:
            return None
        return band(self.samples, holding=np.vstack([self.curve.probabilities, self.curve.end[None]]))


@spared
def analyse(
    model: LanguageModel,
    trace: Trace,
    settings: ForkSettings,
    *,
    resume: ForkDraws | None = None,
    rows: int = ROWS,
    memory_bytes: int = MEMORY_BYTES,
    embed: Embed | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[ForkingReport]:
    """Draw what an analysis of a run needs; yields a report after every step of the network, the last one `done`.

    resume: draws of an earlier call, which are not drawn again: a draw depends on seed, position, token and number
    alone, so the whole is the same as that of a call that was never interrupted. embed: vectors of texts, where
    outcomes are told apart by meaning and `resume` brings none. Stops within one step when `cancelled()` turns true;
    the report then is not `done`. Raises BadInput, OutOfMemory.
    """
    started, stopped = time.perf_counter(), cancelled or (lambda: False)
    plan = plan_analysis(trace, settings, model.end_ids)
    words = {i: model.token_bytes(i) for i in plan.base}
    draws = resume or ForkDraws(plan.base, words, model.special_ids | model.end_ids, embed=embed)
    if draws.base_ids != plan.base:
        raise BadInput("These draws are of another answer: begin a new analysis.")
    tokens = passed = 0

    def report(done: bool) -> ForkingReport:
        seconds = time.perf_counter() - started
        return ForkingReport(plan, draws, len(draws.rollouts), tokens, passed, seconds, done, provisional=not done)

    while True:
        missing = _tasks(plan, draws)
        # who decides early reads the draws so far, which do not go where a GPU is lent: the outcomes are the same
        decided = None if lent_gpu.lent() else _decided(draws, model, settings)
        for step in lent_gpu.steps(
            roll_out, model, trace.prompt_ids.tolist(), plan.base, missing, seed=settings.seed,
            max_tokens=plan.max_tokens, rows=rows, memory_bytes=memory_bytes, decided=decided,
            tokens=sum(task.count for task in missing) * plan.max_tokens, cancelled=stopped,
        ):  # fmt: skip
            for one in step.finished:
                draws.words.update((i, model.token_bytes(i)) for i in (one.token_id, *one.ids) if i not in draws.words)
            draws.add(step.finished)
            tokens, passed = tokens + step.drawn, passed + step.rows
            yield report(False)
        if stopped():
            return
        wider = _more(plan, draws)
        if wider is None:
            yield report(True)
            return
        plan = wider


def branches_so_far(plan: ForkPlan, draws: ForkDraws, count: int, *, provisional: bool = False) -> Branches | None:
    """The branches of all positions from the last one back to the first that lacks a draw."""
    settings = plan.settings
    found: dict[tuple[int, int], list[str]] = {}
    names = draws.labels(settings.extractor, settings.parameter, provisional=provisional)
    drawn = zip(draws.rollouts[:count], names[:count], strict=True)
    # in an order of their own: the same draws give the same labels in the same order, however they came
    for one, name in sorted(drawn, key=lambda pair: pair[0].draw):
        found.setdefault((one.position, one.token_id), []).append(name)
    records: list[dict[str, Any]] = []
    for site in reversed(plan.sites):
        here = list(_records(plan, draws, site, found))
        if not all(record["outcomes"] or _needs_none(plan, record) for record in here):
            break
        records += here
    if not records:
        return None
    return branches_of(records, common_labels(records, estimator=settings.estimator))


def _records(
    plan: ForkPlan, draws: ForkDraws, site: Site, found: Mapping[tuple[int, int], list[str]]
) -> Iterator[dict[str, Any]]:
    settings, last = plan.settings, plan.sites[-1].position
    for token_id, probability in zip(site.token_ids.tolist(), site.probabilities.tolist(), strict=True):
        is_base = token_id == int(site.token_ids[0])
        outcomes = found.get((site.position, token_id), [])
        drawn = (site.position, token_id) in plan.counts
        ended = not drawn and not is_base
        certain = ended or (is_base and not drawn and site.position == last)
        if certain:
            # an end of turn adds nothing to what stands before it
            ids = plan.base[: site.position] if ended else plan.base
            outcomes = [draws.label_of(ids, settings.extractor, settings.parameter)]
        yield {
            "position": site.position, "token_id": token_id, "probability": probability, "is_base": is_base,
            "outcomes": outcomes, "certain": certain,
        }  # fmt: skip


def _needs_none(plan: ForkPlan, record: Mapping[str, Any]) -> bool:
    """With the recursion a base token draws nothing, but at the last position."""
    return (record["position"], record["token_id"]) not in plan.counts


def _tasks(plan: ForkPlan, draws: ForkDraws) -> list[Task]:
    """What is missing, a share of every branch first, so that the whole curve is there early."""
    first, rest = [], []
    for (position, token_id), count in plan.counts.items():
        early = max(1, round(FIRST_ROUND * count))
        for part in draws.missing(position, token_id, count):
            cut = min(max(part.start, early), part.stop)
            if part.start < cut:
                first.append(Task(position, token_id, part.start, cut - part.start))
            if cut < part.stop:
                rest.append(Task(position, token_id, cut, part.stop - cut))
    return first + rest


def _decided(draws: ForkDraws, model: LanguageModel, settings: ForkSettings) -> Decided | None:
    """Whether a response that goes on has an outcome already that nothing can change; None where that never holds."""
    entry = extractor(settings.extractor, settings.parameter)
    settled = entry.settled
    if settled is None:
        return None

    def decided(ids: tuple[int, ...]) -> bool:
        draws.words.update((i, model.token_bytes(i)) for i in ids if i not in draws.words)
        text = draws.text_of(ids)
        found = entry.find(text, settings.parameter.strip())
        return found is not None and settled(text, found)

    return decided


def _more(plan: ForkPlan, draws: ForkDraws) -> ForkPlan | None:
    """The plan with more draws of the branches that the widest band comes from; None when it is narrow enough.

    Looks at the draws of this plan alone: those of a later round, which a call that was stopped had begun, must not
    change what the round is.
    """
    settings = plan.settings
    if settings.until is None:
        return None
    own = draws.first(plan.counts)
    report = ForkingReport(plan, own, len(own.rollouts), 0, 0, 0.0, done=True)
    if report.bands is None or report.branches is None:
        return None
    low, high = report.bands
    growing = {key: count for key, count in plan.counts.items() if count < settings.most}
    if not growing or float((high - low).max()) < settings.until:
        return None
    table = report.branches
    chances = table.counts / np.maximum(table.draws, 1.0)[:, None]
    spread = np.where(
        table.certain, 0.0, table.shares**2 * (1.0 - (chances**2).sum(axis=1)) / np.maximum(table.draws, 1)
    )
    parts = {
        (int(t), int(w)): float(part)
        for t, w, part in zip(table.positions, table.token_ids, spread, strict=True)
        if (int(t), int(w)) in growing
    }
    ordered = sorted(growing, key=lambda key: -parts.get(key, 0.0))
    chosen = ordered[: max(1, len(ordered) // 3)]
    counts = {
        key: min(settings.most, max(count + 1, round(MORE * count))) if key in chosen else count
        for key, count in plan.counts.items()
    }
    return ForkPlan(settings, plan.base, plan.sites, plan.ends_itself, plan.max_tokens, counts)
