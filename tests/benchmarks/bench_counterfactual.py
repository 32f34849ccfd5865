"""What a counterfactual costs beside plain generation, and replicates in one batch beside one after another.

Embedded model in float32; each ratio is the median over rounds within one run, both sides drawing the same number of
tokens in turns. Memory is that of this process while a batch is drawn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from engine.counterfactual import Plan, plan
from engine.edits import Intervention, Splice
from engine.generate import generate, run
from engine.models import LanguageModel, load_model
from engine.replicates import replicates
from engine.types import GenerationRequest, Step
from tests.benchmarks.bench_generate import PROMPT, alternate
from tests.benchmarks.memory import peak, resident
from tests.benchmarks.rows import Row

EDITED = 8
COUNT = 8


def measure(folder: Path, quick: bool) -> list[Row]:
    """Nothing is written to the folder."""
    model = load_model("embedded", device="cpu", dtype="float32")
    return [*_counterfactual(model, quick), *_replicates(model, quick)]


def _counterfactual(model: LanguageModel, quick: bool) -> list[Row]:
    drawn, rounds = (32, 2) if quick else (96, 5)
    request = GenerationRequest(PROMPT, max_new_tokens=drawn + EDITED + 1, seed=1)
    planned = _edited(model, request)
    got = list(islice(planned.steps(model), drawn + 1))
    assert len(got) == drawn + 1 and got[-1].noise_row == EDITED + drawn, "the edited answer ended too early"

    plain = GenerationRequest(PROMPT, max_new_tokens=drawn, seed=1)
    pairs = [_in_turns(planned.steps(model), generate(model, plain)) for _ in range(rounds)]
    return [
        Row(f"counterfactual of {drawn} tokens behind an edit", statistics.median(mine for mine, _ in pairs), "s"),
        Row(f"counterfactual / plain generation of {drawn} tokens (median of rounds)",
            statistics.median(mine / theirs for mine, theirs in pairs), "×", "at most 1.1 ×", at_most=1.1),
    ]  # fmt: skip


def _in_turns(*ways: Iterator[Step]) -> tuple[float, ...]:
    """Seconds of each way to its end, a token of each in turns: a slow spell of the machine hits all of them alike."""
    seconds = [0.0 for _ in ways]
    going = list(range(len(ways)))
    while going:
        for index in tuple(going):
            started = time.perf_counter()
            if next(ways[index], None) is None:
                going.remove(index)
            seconds[index] += time.perf_counter() - started
        going.reverse()
    return tuple(seconds)


def _replicates(model: LanguageModel, quick: bool) -> list[Row]:
    tokens, rounds = (24, 1) if quick else (48, 3)
    planned = _edited(model, GenerationRequest(PROMPT, max_new_tokens=tokens, seed=1))
    before = resident()
    with peak() as seen:
        together = _drawn(model, planned, COUNT, 1)
    extra = max(seen) - before
    alone = [ids for stream in range(1, COUNT + 1) for ids in _drawn(model, planned, 1, stream)]
    assert together == alone, "the batch drew other tokens than one replicate after another"

    def batch() -> None:
        _drawn(model, planned, COUNT, 1)

    def one_by_one() -> None:
        for stream in range(1, COUNT + 1):
            _drawn(model, planned, 1, stream)

    mine, theirs = alternate((batch, one_by_one), rounds)
    drawn = sum(len(ids) - EDITED - 1 for ids in together)
    return [
        Row(f"{COUNT} replicates in one batch, {drawn} tokens together", statistics.median(mine), "s"),
        Row("one after another / in one batch (median of pairs)", _ratio(theirs, mine), "×",
            "at least 3 ×", at_least=3.0),
        Row("memory that the batch takes at its peak", extra / 1e6, "MB"),
    ]  # fmt: skip


def _edited(model: LanguageModel, request: GenerationRequest) -> Plan:
    """An answer with token EDITED replaced by its most likely alternative."""
    trace = run(model, request)
    old = int(trace.token_ids[EDITED])
    new = next(int(i) for i in trace.topk_ids[EDITED] if int(i) != old and int(i) not in model.special_ids)
    return plan(model, trace, Intervention((Splice(EDITED, EDITED + 1, (new,)),)))


def _drawn(model: LanguageModel, planned: Plan, count: int, first_stream: int) -> list[list[int]]:
    *_, found = replicates(model, planned.prompt_ids, planned.request, planned.held, count, first_stream=first_stream)
    return [one.ids for one in found]


def _ratio(numerators: list[float], denominators: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))
