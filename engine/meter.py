"""Counts what a network reads: the positions of every forward pass, in all rows, before it begins.

One hook for each model, so that no kind of job can forget to count. Does not know whose job it is, nor tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol


class Watched(Protocol):
    """A network that calls what is registered before each of its passes."""

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, with_kwargs: bool) -> Any: ...


class Meter:
    """listener: told of every pass, how many tokens it reads; what it raises stops the pass. total: tokens so far."""

    def __init__(self) -> None:
        self.listener: Callable[[int], None] | None = None
        self.total = 0

    def watch(self, network: Watched) -> None:
        """Count the passes of this network from now on; whoever lets go of the network lets go of the hook."""
        network.register_forward_pre_hook(self._before_pass, with_kwargs=True)

    def _before_pass(self, network: Any, given: Sequence[Any], named: Mapping[str, Any]) -> None:
        ids = named["input_ids"] if "input_ids" in named else given[0]
        tokens = ids.numel()
        self.total += tokens
        if self.listener is not None:
            self.listener(tokens)
