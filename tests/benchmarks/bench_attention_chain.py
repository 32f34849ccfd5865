"""What the attention chain of an answer costs beside a plain pass over the same text: memory and time.

Embedded model in float32. Memory is that of a process of its own for each figure, sampled while the text is read and
the chain is found; time is that of both ways in turns. Variants are left out of both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.attention_chain import ChainProgress, steps
from engine.attention_taps import CHUNK
from engine.forward import ForwardPass
from engine.models import LanguageModel, load_model
from engine.scoring import score_tokens
from engine.types import Trace
from tests.benchmarks.bench_generate import alternate
from tests.benchmarks.memory import peak, resident
from tests.benchmarks.rows import Row

ROOT = Path(__file__).resolve().parent.parent.parent
PROMPT = 100
LENGTH = 1_000
SHORT, LONG = 500, 4_000
WARM = 200


def measure(folder: Path, quick: bool) -> list[Row]:
    """Nothing is written to the folder."""
    return [*_memory(quick), *_time(quick)]


def _memory(quick: bool) -> list[Row]:
    shortest, longest = (SHORT, 2 * LENGTH) if quick else (SHORT, LONG)
    extra = {length: _extra(length, 1 if quick else 3) for length in (shortest, LENGTH, longest)}
    whole = 30 * 9 * LENGTH * LENGTH * 4
    times = longest // shortest
    return [
        Row(f"memory that reading {LENGTH:,} tokens and finding a chain takes at its peak over a plain pass",
            extra[LENGTH] / 1e6, "MB"),
        Row(f"the same, as a share of all attention of {LENGTH:,} tokens", extra[LENGTH] / whole, "", "at most 1/10",
            at_most=0.1),
        Row(f"the same with {longest:,} tokens", extra[longest] / 1e6, "MB"),
        Row(f"memory with {longest:,} tokens / with {shortest:,}", extra[longest] / extra[shortest], "×",
            f"at most {1.25 * times:g} ×", at_most=1.25 * times),
    ]  # fmt: skip


def _extra(length: int, rounds: int) -> float:
    """Bytes over a plain pass; the medians of some processes each."""
    plain, chain = (
        statistics.median(_in_a_process(way, length) for _ in range(rounds)) for way in ("plain", "chain")
    )  # fmt: skip
    return chain - plain


def _in_a_process(way: str, length: int) -> int:
    command = [sys.executable, "-m", "tests.benchmarks.bench_attention_chain", way, str(length)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def _held(way: str, length: int) -> int:
    """Bytes of this process at their highest above those before."""
    model = load_model("embedded", device="cpu", dtype="float32")
    work = {"plain": _plain, "chain": _chain}[way]
    trace = _text(model, length)
    # what every first pass sets up for good belongs to neither
    work(model, _text(model, WARM))
    before = resident()
    with peak() as seen:
        work(model, trace)
    return max(seen) - before


def _time(quick: bool) -> list[Row]:
    model = load_model("embedded", device="cpu", dtype="float32")
    trace = _text(model, LENGTH)
    mine, theirs = alternate((lambda: _chain(model, trace), lambda: _rows(model, trace)), 2 if quick else 7)
    ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
    return [
        Row(f"reading {LENGTH:,} tokens and finding a chain", statistics.median(mine), "s"),
        Row("the same / a plain pass with the logits of every response token (median of pairs)", ratio, "×",
            "at most 1.5 ×", at_most=1.5),
    ]  # fmt: skip


def _chain(model: LanguageModel, trace: Trace) -> None:
    found: ChainProgress | None = None
    for found in steps(model, trace, (len(trace) - 1, len(trace))):
        if found.stage == "variants":
            break
    assert found and found.chain and len(found.chain.positions) > 5, "there is no chain to measure"


def _plain(model: LanguageModel, trace: Trace) -> None:
    """What anybody needs to go on with a text."""
    for _ in ForwardPass(model).prefill([*trace.prompt_ids.tolist(), *trace.token_ids.tolist()]):
        pass


def _rows(model: LanguageModel, trace: Trace) -> None:
    """The same parts as those of a reading, with the rows that scores are made of."""
    ids, context = [*trace.prompt_ids.tolist(), *trace.token_ids.tolist()], ForwardPass(model)
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        rows = context.feed(part, keep=min(len(part), max(1, start + len(part) - len(trace.prompt_ids) + 1)))
        assert np.isfinite(rows[-1, 0])


def _text(model: LanguageModel, length: int) -> Trace:
    """A calculation that goes on for so many tokens and ends with a number."""
    lines = [f"Box {i} holds {7 * i % 90 + 10} red pencils and {i % 13 + 2} blue ones." for i in range(1, 400)]
    ids = model.encode(" ".join(lines))[: length - 1]
    assert len(ids) == length - 1
    given = [*ids, model.encode("9")[-1]]
    # nobody looks at the scores that were recorded
    short = score_tokens(model, given[:PROMPT], given[PROMPT : PROMPT + 2])
    return replace(short, token_ids=np.array(given[PROMPT:], dtype=np.int32), pieces=model.pieces(given[PROMPT:]))


if __name__ == "__main__":
    print(_held(sys.argv[1], int(sys.argv[2])))
