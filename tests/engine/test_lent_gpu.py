"""A promise of a lent GPU: whatever the model reads in the other process is told to this one, to the last token."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from engine import lent_gpu
from engine.errors import BadInput
from engine.forward import ForwardPass
from engine.models import LanguageModel
from engine.testing import tiny_model


def reading(model: LanguageModel, fail: bool, *, cancelled: Callable[[], bool] | None) -> Iterator[str]:
    """Reads before, between and after its items."""
    context = ForwardPass(model)
    for item in ("one", "two"):
        context.feed([1, 2, 3])
        yield item
    context.feed([1, 2])
    if fail:
        raise BadInput("No more.")


@pytest.mark.parametrize("fail", [False, True])
def test_what_is_read_after_the_last_item_is_counted_too(monkeypatch: pytest.MonkeyPatch, fail: bool) -> None:
    here, there = tiny_model(seed=1), tiny_model(seed=1)
    monkeypatch.setattr(lent_gpu._Lending, "borrow", lent_gpu._in_worker)
    monkeypatch.setattr(lent_gpu._Lending, "models", {lent_gpu._key(here): there})
    monkeypatch.setattr(lent_gpu._Lending, "inside", False)
    told: list[int] = []
    here.meter.listener = told.append
    items = lent_gpu.steps(reading, here, fail, tokens=10, cancelled=lambda: False)
    assert [next(items), next(items)] == ["one", "two"]
    if fail:
        with pytest.raises(BadInput, match="No more"):
            next(items)
    else:
        assert list(items) == []
    assert told == [3, 3, 2]
