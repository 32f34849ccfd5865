"""Decoding speed on the embedded model beside `transformers` generate, and what streaming to the page adds.

Same model object, prompt, number of tokens and sampling; runs alternate, the medians are compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from engine.generate import generate, run
from engine.host import ModelHost
from engine.limits import Limits
from engine.models import LanguageModel, load_model
from engine.types import GenerationRequest
from storage.database import Store
from tests.benchmarks.rows import Row
from ui.access import Viewer
from ui.actions import Workbench

PROMPT = "Write a long story about a fox who keeps a lighthouse, with many turns."


def measure(folder: Path, quick: bool) -> list[Row]:
    model = load_model("embedded", device="cpu", dtype="float32")
    tokens, rounds = (48, 2) if quick else (160, 5)
    request = GenerationRequest(PROMPT, max_new_tokens=tokens, seed=1, temperature=1.0)
    ids = model.encode_prompt(PROMPT)
    drawn = run(model, request)
    length = len(drawn)

    def theirs() -> None:
        with torch.inference_mode():
            prompt = torch.tensor([ids])
            out = model.network.generate(
                prompt, attention_mask=torch.ones_like(prompt), do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                min_new_tokens=length, max_new_tokens=length,
            )  # fmt: skip
        assert out.shape[1] == len(ids) + length

    def ours() -> None:
        assert sum(1 for _ in generate(model, request)) == length

    bench = _workbench(folder, model)
    viewer = Viewer("local", "bench", True)
    fields = {"prompt": PROMPT, "max_new_tokens": tokens, "seed": 1}

    def streamed() -> None:
        for _ in bench.generate(fields, viewer):
            pass

    seconds = alternate((ours, theirs, streamed), rounds)
    mine, peer = statistics.median(seconds[0]), statistics.median(seconds[1])
    return [
        Row("generation, everything recorded", length / mine, "tokens/s"),
        Row("transformers generate with do_sample, same model, prompt and length", length / peer, "tokens/s"),
        Row("ours / theirs (median of pairs)", _ratio(seconds[1], seconds[0]), "×", "at least as fast", at_least=1.0),
        Row("time that streaming to the page and storing add", 100 * (_ratio(seconds[2], seconds[0]) - 1), "%",
            "under 10 %", at_most=10.0),
    ]  # fmt: skip


def alternate(ways: tuple[Callable[[], None], ...], rounds: int) -> list[list[float]]:
    """Seconds of each way, taken in turns so that a slow spell of the machine hits all of them; one round warms up."""
    seconds: list[list[float]] = [[] for _ in ways]
    for turn in range(rounds + 1):
        for way, taken in zip(ways, seconds, strict=True):
            started = time.perf_counter()
            way()
            if turn:
                taken.append(time.perf_counter() - started)
    return seconds


def _ratio(numerators: list[float], denominators: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def _workbench(folder: Path, model: LanguageModel) -> Workbench:
    host = ModelHost()
    host.hold(model)
    return Workbench(Store(folder / "bench.db"), host, Limits())
