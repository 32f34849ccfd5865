"""Turns a device's refusal of memory, however it is worded, into one sentence, and lets go of what was half made.

Knows how NumPy, PyTorch and its backends refuse; does not know what was being computed, but for a number of tokens.
"""

from __future__ import annotations

import functools
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from engine.errors import OutOfMemory

P = ParamSpec("P")
T = TypeVar("T")

# what PyTorch raises as a plain RuntimeError: the allocators of the CPU and of MPS, libraries of CUDA, C++
_REFUSAL = re.compile(r"allocate memory|out of memory|alloc_failed|bad_alloc", re.IGNORECASE)
REMEDY = "shorten the prompt or the answer, ask for fewer answers at once, or use nf4"


def is_refusal(error: BaseException) -> bool:
    """Whether an error says that there was no memory to be had."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and bool(_REFUSAL.search(str(error)))


def refused(tokens: int | None = None) -> OutOfMemory:
    """The sentence; tokens: length of the context for which there was no room, where it is known."""
    what = "this" if tokens is None else f"a context of {tokens} tokens"
    return OutOfMemory(f"There was not enough memory for {what}: {REMEDY}.")


@contextmanager
def memory_guard(tokens: int | None = None, sentence: str = "") -> Iterator[None]:
    """Raise OutOfMemory in place of a refusal; tensors of the calls that ended with it are given back at once.

    sentence: what to say in place of the usual.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_refusal(error):
            raise
        give_back(error)
        raise (OutOfMemory(sentence) if sentence else refused(tokens)) from error


def give_back(error: BaseException) -> None:
    """Empty the ended calls that an error remembers, and hand what the device then holds unused to others."""
    # with its frames an error keeps every array that they had made, for as long as somebody reads the error
    traceback.clear_frames(error.__traceback__)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def within_memory(steps: Iterator[T]) -> Iterator[T]:
    """The same steps, whose refusals of memory leave as OutOfMemory wherever between two of them they came up."""
    with memory_guard():
        yield from steps


def spared(steps: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """A generator function whose every step is under `memory_guard`."""

    @functools.wraps(steps)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        yield from within_memory(steps(*args, **kwargs))

    return guarded
