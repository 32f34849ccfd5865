"""A workbench over the tiny model and a fresh store, which shows every token at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.host import ModelHost
from engine.limits import Limits
from engine.models import LanguageModel
from storage.database import Store
from ui import actions
from ui.actions import Workbench


@pytest.fixture
def bench(tiny: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """The use cases of one person's app."""
    monkeypatch.setattr(actions, "FRAME_SECONDS", 0.0)
    host = ModelHost(patience=0.0)
    host.hold(tiny)
    with Store(tmp_path / "forklore.db") as store:
        yield Workbench(store, host, Limits())
