"""The forking analysis beside the published sampler: tokens a second, time to an equally good curve, and memory.

Embedded model in float32. Rates count drawn tokens only, of the same branches, longest response and batch, both ways in
turns within one run. Recorded roll-outs of another model, where they are at hand, say what the estimator saves.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from engine.fork_sites import base_ids, sites
from engine.generate import run
from engine.models import LanguageModel, load_model
from engine.rollouts import Task, roll_out
from engine.types import GenerationRequest, Trace
from tests.benchmarks import fork_accuracy, fork_time
from tests.benchmarks.memory import peak, resident
from tests.benchmarks.published_sampler import tokens_a_second
from tests.benchmarks.rows import Row

# multiple choice with the choices spelt out, as in the published work
QUESTION = """A farmer has 17 sheep. On Monday he buys 25 more at the market, and on Friday he sells 9 of them to his \
neighbour, who already has 30. How many sheep does the farmer have now?

A. 33
B. 42
C. 51
D. 63

Think step by step, then finish with 'The answer is' and the letter."""
BATCH = 64
DRAWS = 8
ANSWER = 40
LONGEST = 60
# of each roll-out whose memory is looked at
SHORT = 8


def measure(folder: Path, quick: bool) -> list[Row]:
    """Nothing is written to the folder."""
    model = load_model("embedded", device="cpu", dtype="float32")
    trace = run(model, GenerationRequest(QUESTION, max_new_tokens=ANSWER, temperature=0.0))
    return [
        *_rates(model, trace, quick),
        *_memory(model, trace, quick),
        *fork_time.measure(model, quick),
        *_recorded(quick),
    ]


def _rates(model: LanguageModel, trace: Trace, quick: bool) -> list[Row]:
    branches = _spread(_branches(model, trace), 4 if quick else 5 * BATCH // DRAWS)
    # a quick look does not fill a batch, so it has no promise
    prompt, base = trace.prompt_ids.tolist(), base_ids(trace, model.end_ids)
    ours, theirs = [], []
    for _ in range(1 if quick else 3):
        ours.append(_our_rate(model, trace, branches))
        theirs.append(
            tokens_a_second(model, prompt, base, branches, draws=DRAWS, batch=BATCH, max_tokens=LONGEST)
        )  # fmt: skip
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return [
        Row(f"{len(branches) * DRAWS} roll-outs of at most {LONGEST} tokens, draws that agree so far being one row",
            statistics.median(ours), "tokens/s"),
        Row("the same by `transformers` generate, left-padded, several returns each", statistics.median(theirs),
            "tokens/s"),
        Row("ours / theirs (median of rounds)", ratio, "×", "" if quick else "at least 3 ×",
            at_least=None if quick else 3.0),
    ]  # fmt: skip


def _branches(model: LanguageModel, trace: Trace) -> list[tuple[int, int]]:
    """Alternates at every position, without ends of the turn."""
    return [
        (site.position, token_id)
        for site in sites(trace, range(len(base_ids(trace, model.end_ids))))
        for token_id in site.token_ids[1:].tolist()
        if token_id not in model.end_ids
    ]


def _spread(branches: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """As many of them, from all over the answer."""
    return [branches[i * len(branches) // count] for i in range(min(count, len(branches)))]


def _our_rate(model: LanguageModel, trace: Trace, branches: list[tuple[int, int]]) -> float:
    tasks = [Task(position, token_id, 0, DRAWS) for position, token_id in branches]
    prompt, base = trace.prompt_ids.tolist(), base_ids(trace, model.end_ids)
    started = time.perf_counter()
    drawn = sum(step.drawn for step in roll_out(model, prompt, base, tasks, seed=0, max_tokens=LONGEST, rows=BATCH))
    return drawn / (time.perf_counter() - started)


def _memory(model: LanguageModel, trace: Trace, quick: bool) -> list[Row]:
    """Memory at its highest while few and many roll-outs are drawn, which are dropped when they come to their end.
    Already the few fill every place that draws in flight may take."""
    few, many = (300, 600) if quick else (600, 1_800)
    branches = _branches(model, trace)[:2]
    before = resident()
    _held(model, trace, branches, BATCH // 2)
    peaks = [_held(model, trace, branches, count // 2) - before for count in (few, many)]
    return [
        Row(
            f"memory that drawing {many:,} roll-outs takes at its peak, those that ended handed on",
            peaks[1] / 1e6,
            "MB",
        ),
        Row(f"more than {few:,} take", (peaks[1] - peaks[0]) / 1e6, "MB", "at most 10 MB", at_most=10.0),
    ]


def _held(model: LanguageModel, trace: Trace, branches: list[tuple[int, int]], draws: int) -> int:
    """Bytes of this process at their highest while each branch is drawn from this often."""
    longest = max(position for position, _ in branches) + SHORT
    tasks = [Task(position, token_id, 0, draws) for position, token_id in branches]
    prompt, base = trace.prompt_ids.tolist(), base_ids(trace, model.end_ids)
    with peak() as seen:
        drawn = sum(len(step.finished) for step in roll_out(
            model, prompt, base, tasks, seed=0, max_tokens=longest, rows=BATCH
        ))  # fmt: skip
    assert drawn == draws * len(branches)
    return max(seen)


def _recorded(quick: bool) -> list[Row]:
    """What the estimator alone saves, on recorded answers."""
    rows = fork_accuracy.recordings()
    if not rows:
        print(
            "No recorded roll-outs beside the project: what the recursion saves on them is left out.", file=sys.stderr
        )
        return []
    figures = fork_accuracy.accuracy(rows, 2 if quick else 10)
    table = [
        Row(f"mean TV to the held half, {figure.way}, {figure.draws} draws, {100 * figure.share:.2g} % of the tokens",
            figure.mean, "")
        for figure in figures
    ]  # fmt: skip
    return [
        *table,
        Row(f"tokens of every branch / of the recursion, equally good curves, at least; {len(rows)} recorded answers",
            fork_accuracy.times_fewer(figures), "×"),
    ]  # fmt: skip
