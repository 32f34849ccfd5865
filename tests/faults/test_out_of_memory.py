"""A promise for small machines: whatever step runs out of memory, it ends with a sentence and gives everything back.

What was made is kept, the turn is free, no tensor stays behind, and the same request then comes out bit for bit as
without the fault. Memory is refused here on purpose; `test_memory_limit` takes it away for real.
"""

from __future__ import annotations

import gc
import inspect
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from engine import generate
from engine.errors import OutOfMemory, UserError
from engine.models import LanguageModel
from engine.sentence_model import SentenceModel
from engine.types import Trace
from tests.support.bench import ME
from tests.support.jobs import KINDS, Kind, essence, kept
from ui.actions import Workbench
from ui.errors import DEFECT, Caught

REFUSALS: tuple[Callable[[], Exception], ...] = (
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free."),
    MemoryError,
    lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 8589934592 bytes. Error code 12 (Cannot allocate memory)"
    ),
)
PLACES = 3
ENGINE = str(Path(generate.__file__).parent)


class Fault:
    """Raises a refusal when the n-th thing of its sort is asked for; n = 0 only counts them."""

    def __init__(self, nth: int = 0, refusal: Callable[[], Exception] = MemoryError) -> None:
        self.count, self._nth, self._refusal = 0, nth, refusal

    @property
    def fired(self) -> bool:
        return self.count >= self._nth

    def tick(self) -> None:
        self.count += 1
        if self.count == self._nth:
            raise self._refusal()


@contextmanager
def forward_passes(model: LanguageModel, fault: Fault) -> Iterator[None]:
    """In the middle of a pass: the first layer's keys and values are in the cache already, the second's are too."""
    network: Any = model.network
    hook = network.model.layers[1].mlp.register_forward_pre_hook(lambda *_: fault.tick())
    try:
        yield
    finally:
        hook.remove()


class _Allocations(TorchDispatchMode):
    """Every operation of PyTorch in this thread, each of which makes room for its result."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self._fault = fault

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._fault.tick()
        return func(*args, **(kwargs or {}))


def allocations(model: LanguageModel, fault: Fault) -> AbstractContextManager[object]:
    return _Allocations(fault)


@contextmanager
def calls(model: LanguageModel, fault: Fault) -> Iterator[None]:
    """Every call of a function of the engine, where Python or NumPy may be refused memory."""

    def watch(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        # a generator is entered once more when it is closed, where an exception reaches nobody
        if event == "call" and code.co_filename.startswith(ENGINE) and not code.co_flags & inspect.CO_GENERATOR:
            fault.tick()

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)


Source = Callable[[LanguageModel, Fault], AbstractContextManager[object]]


def finish(job: Iterator[str], source: Source) -> tuple[str, str]:
    """The last document of a job, and the sentence that it ended with.

    What PyTorch refuses is told by the engine itself, so that the job can end in good order; of what Python refuses,
    some comes up in documents and scores of a run, where the one top handler tells it.
    """
    document = ""
    with Caught() if source is calls else nullcontext() as caught:
        try:
            for frame in job:
                document = frame
        except UserError as error:
            return document, str(error)
    return document, caught.sentence if caught else ""


def tensors() -> int:
    """How many tensors are alive that came after `gc.freeze`."""
    return sum(1 for one in gc.get_objects() if type(one) is torch.Tensor)


def disturb(kind: Kind, bench: Workbench, ten: Trace, model: LanguageModel, source: Source, fault: Fault) -> str:
    """One request with a fault in it: the sentence it ends with. Nothing but what is kept stays of it."""
    job = kind.begin(bench, ten)
    before = tensors()
    with source(model, fault):
        document, said = finish(job, source)
    del job
    assert bench.turns.stop(ME) == 0, "the turn was given back"
    assert tensors() == before, f"{tensors() - before} tensors stay behind"
    assert fault.fired, "the fault never came"
    assert DEFECT not in said
    return said or document


def counted(kind: Kind, bench: Workbench, ten: Trace, model: LanguageModel, source: Source) -> tuple[str, int]:
    """What an undisturbed request comes to, and how many things of the source's sort it asks for."""
    fault, job = Fault(), kind.begin(bench, ten)
    before = tensors()
    with source(model, fault):
        document, said = finish(job, source)
    del job
    assert not said and tensors() == before, "a request that goes well leaves nothing either"
    return essence(document), fault.count


@pytest.fixture
def exact_collector() -> Iterator[None]:
    """The collector is off and knows nothing of what was there before: what is alive is what somebody still holds."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.mark.usefixtures("exact_collector")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_forward_pass_without_memory_ends_in_a_sentence_and_leaves_nothing_behind(
    kind: Kind, bench: Workbench, ten: Trace, tiny: LanguageModel
) -> None:
    whole, passes = counted(kind, bench, ten, tiny, forward_passes)
    for place, nth in enumerate(dict.fromkeys((1, 2, passes // 2 + 1, passes))):
        for refusal in REFUSALS if place == 2 else REFUSALS[place % 3 :][:1]:
            had = kept(bench)
            said = disturb(kind, bench, ten, tiny, forward_passes, Fault(nth, refusal))
            assert "not enough memory" in said and "shorten" in said, said[-400:]
            if nth == passes and kind.keeps:
                assert kept(bench) > had, "what there was is kept"
        again, _ = counted(kind, bench, ten, tiny, forward_passes)
        assert again == whole, "the next request comes out as without the fault"


@pytest.mark.usefixtures("exact_collector")
@pytest.mark.parametrize("source", [allocations, calls], ids=["PyTorch", "Python"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_any_refusal_between_two_passes_ends_in_a_sentence_too(
    kind: Kind, source: Source, bench: Workbench, ten: Trace, tiny: LanguageModel
) -> None:
    _, once = counted(kind, bench, ten, tiny, source)
    whole, steps = counted(kind, bench, ten, tiny, source)
    choose = random.Random(f"{kind.name} {source.__name__}")
    # what is worked out once and kept, and how often a frame is due, leave calls more or less
    last = steps if source is allocations else min(once, steps) // 2
    for nth in (*sorted(choose.sample(range(1, last), PLACES)), last):
        said = disturb(kind, bench, ten, tiny, source, Fault(nth, choose.choice(REFUSALS)))
        assert "not enough memory" in said and "shorten" in said, (nth, steps, said[-400:])
    again, _ = counted(kind, bench, ten, tiny, forward_passes)
    assert again == whole


def test_sentences_that_cannot_be_compared_for_lack_of_memory_are_compared_later() -> None:
    texts = ["The answer is 42.", "It is 42.", "Nobody knows."]
    expected = SentenceModel().embed(texts)
    for refusal in REFUSALS:
        model = SentenceModel()
        model.embed(["loaded"])
        network: Any = model._loaded[1] if model._loaded else None
        hook = network.encoder.layer[3].register_forward_pre_hook(lambda *_, fail=refusal: _raise(fail()))
        with pytest.raises(OutOfMemory, match="compare the answers by their meaning: ask for fewer"):
            model.embed(texts)
        hook.remove()
        np.testing.assert_array_equal(model.embed(texts), expected)


def _raise(error: Exception) -> None:
    raise error
