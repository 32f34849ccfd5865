"""Time to an outcome curve of equal accuracy: an analysis as it comes, beside the published sampler on every branch.

One short greedy answer of the embedded model. A reference curve from 400 draws of every branch says how far a curve is
from the truth; further draws of every branch, in random parts, say how many of them the published estimator needs to be
as near as the default analysis is, and the measured rate of the published sampler what they take.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

import numpy as np

from engine.fork_analysis import analyse, branches_so_far
from engine.fork_curves import Branches, Estimator, outcome_curve
from engine.fork_draws import ForkDraws
from engine.fork_measures import distance
from engine.fork_plan import ForkPlan, ForkSettings, plan_analysis
from engine.fork_sites import MOST_DRAWS, base_ids
from engine.generate import run
from engine.models import LanguageModel
from engine.rollouts import ROWS, Task, roll_out
from engine.types import GenerationRequest, Trace
from tests.benchmarks.fork_accuracy import EVERY, SHARED_OUT, Recording, wanted
from tests.benchmarks.published_sampler import tokens_a_second
from tests.benchmarks.rows import Row

QUESTION = "What is 40 + 2?"
# From the colon of "... add them together: 40 + 2 = 60." to its end: every branch of the whole takes too long.
FIRST, BEHIND = 16, 10
OTHER_SEED = 1_000
PARTS = 40
SWEEP = (2, 5, 10, 20, 30, 50, 75, 100, 150, 200)


@dataclass(frozen=True)
class Size:
    """How much is drawn: of every branch for the reference, and further ones to take parts from; rounds: analyses;
    batches: of the published sampler, of so many rows each, whose rate they give."""

    reference: int
    pool: int
    rounds: int
    batches: int
    rows: int


FULL, QUICK = Size(400, 200, 3, 2, ROWS), Size(20, 20, 1, 1, ROWS // 4)


def measure(model: LanguageModel, quick: bool) -> list[Row]:
    """A quick look has no promise: its reference is too small."""
    size = QUICK if quick else FULL
    trace = run(model, GenerationRequest(QUESTION, max_new_tokens=48, temperature=0.0))
    length = len(base_ids(trace, model.end_ids))
    assert length > FIRST, "the answer is another one than the positions were chosen for"
    settings = ForkSettings("last_number", first=FIRST, max_tokens=length + BEHIND)
    seconds = statistics.median([_seconds(model, trace, settings) for _ in range(size.rounds)])
    plan, every = _every_branch(model, trace, settings, size.reference + size.pool)
    reference, pool = _cut(every, size.reference)
    truth = outcome_curve(_all(reference), estimator="every-branch").probabilities
    ours = _apart(pool, SHARED_OUT, settings.draws, truth)
    sweep = [draws for draws in SWEEP if draws <= size.pool]
    theirs = [_apart(pool, EVERY, draws, truth) for draws in sweep]
    if not quick and not theirs[-1] < ours < theirs[0]:
        raise AssertionError(f"the accuracy of the analysis, {ours:.4f}, lies outside what was swept: {theirs}")
    needed = float(np.exp(np.interp(-np.log(ours), -np.log(theirs), np.log(sweep))))
    tokens = needed * every.lengths.mean(axis=1).sum()
    rate = _published_rate(model, trace, plan, size)
    return [
        Row(f"analysis of the last {len(plan.sites)} positions of an answer of {length} tokens as it comes, mean TV "
            f"{ours:.4f} to {size.reference} draws of every branch", seconds, "s"),
        Row(f"draws of every branch for the same accuracy, {tokens:,.0f} tokens together", needed, "draws"),
        Row(f"their time by the published sampler (from its rate here, {rate:.0f} tokens/s) / the analysis's",
            tokens / rate / seconds, "×", "" if quick else "at least 25 ×", at_least=None if quick else 25.0),
    ]  # fmt: skip


def _seconds(model: LanguageModel, trace: Trace, settings: ForkSettings) -> float:
    *_, report = analyse(model, trace, settings)
    return report.seconds


def _every_branch(model: LanguageModel, trace: Trace, settings: ForkSettings, count: int) -> tuple[ForkPlan, Recording]:
    """As many draws of every branch, with a seed of their own."""
    asked = replace(settings, estimator="every-branch", draws=count, fewest=count, most=count, end_draws=count)
    plan = plan_analysis(trace, asked, model.end_ids)
    tasks = [Task(position, token_id, 0, number) for (position, token_id), number in plan.counts.items()]
    draws = ForkDraws(plan.base, {}, model.special_ids | model.end_ids)
    prompt, most = trace.prompt_ids.tolist(), plan.max_tokens
    for step in roll_out(model, prompt, plan.base, tasks, seed=OTHER_SEED, max_tokens=most):
        draws.add(step.finished)
    ids = {i for one in draws.rollouts for i in (one.token_id, *one.ids)} | set(plan.base)
    draws.words.update((i, model.token_bytes(i)) for i in ids)
    return plan, _recording(plan, draws, count)


def _recording(plan: ForkPlan, draws: ForkDraws, count: int) -> Recording:
    table = branches_so_far(plan, draws, len(draws.rollouts))
    assert table is not None
    place = {key: i for i, key in enumerate(zip(table.positions.tolist(), table.token_ids.tolist(), strict=True))}
    found, lengths = np.full((len(table), count), -1), np.zeros((len(table), count), dtype=np.int64)
    labels = draws.labels(plan.settings.extractor, plan.settings.parameter)
    for one, name in zip(draws.rollouts, labels, strict=True):
        at = place[one.position, one.token_id], one.draw
        found[at] = table.labels.index(name if name in table.labels else "Other")
        lengths[at] = len(one.ids)
    return Recording(table, found, lengths)


def _cut(whole: Recording, first: int) -> tuple[Recording, Recording]:
    """The first draws of each branch, and the others."""
    return (
        Recording(whole.branches, whole.found[:, :first], whole.lengths[:, :first]),
        Recording(whole.branches, whole.found[:, first:], whole.lengths[:, first:]),
    )


def _all(some: Recording) -> Branches:
    return some.having(np.ones(some.found.shape, dtype=bool))


def _apart(pool: Recording, way: str, draws: int, truth: np.ndarray) -> float:
    """Mean total variation to the truth over positions, and over random parts of the draws."""
    rng = np.random.default_rng(0)
    counts = np.minimum(wanted(pool.branches, way, draws, MOST_DRAWS), pool.found.shape[1])
    chosen = np.arange(pool.found.shape[1]) < counts[:, None]
    estimator: Estimator = "every-branch" if way == EVERY else "recursion"
    curves = [outcome_curve(pool.shuffled(rng).having(chosen), estimator=estimator) for _ in range(PARTS)]
    return float(np.mean([distance(curve.probabilities, truth, "TV").mean() for curve in curves]))


def _published_rate(model: LanguageModel, trace: Trace, plan: ForkPlan, size: Size) -> float:
    """Tokens a second of the published sampler on branches from all over the answer, one a batch or several, whichever
    is faster."""
    branches = sorted(plan.counts)
    prompt, base = trace.prompt_ids.tolist(), list(plan.base)
    rates = []
    for draws in (size.rows, 8) if size is FULL else (8,):
        every = max(1, len(branches) * draws // (size.rows * size.batches))
        rates.append(tokens_a_second(
            model, prompt, base, branches[::every], draws=draws, batch=size.rows, max_tokens=plan.max_tokens
        ))  # fmt: skip
    return max(rates)
