"""People, fields and small readers for tests of the use cases, and the bench itself."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from engine.host import ModelHost
from engine.limits import Limits
from engine.models import LanguageModel
from storage.database import Store
from storage.records import RunHeader, RunQuery
from ui.access import Viewer
from ui.actions import Workbench
from ui.ending import end_saves

ME = Viewer("local", "session-1", True)
OTHER = Viewer("local", "session-2", True)
STRANGER = Viewer("visitor:a", "visitor:a", False)
FIELDS = {"prompt": "Tell me", "max_new_tokens": 40, "seed": 3}


def bench_of(model: LanguageModel, store: Store) -> Workbench:
    """The use cases of one person's app over this store, with this model."""
    host = ModelHost(patience=0.0)
    host.hold(model)
    return Workbench(store, host, Limits())


def lines(document: str) -> list[dict[str, Any]]:
    """The lines of a document."""
    return [json.loads(line) for line in document.split("\n") if line]


def head(document: str) -> dict[str, Any]:
    """The first line of a document."""
    return lines(document)[0]


def last(document: str, name: str) -> Any:
    """What the last line with this name says."""
    return [line[name] for line in lines(document) if name in line][-1]


def all_saved() -> None:
    """Wait until what pages left behind when they were closed has been saved."""
    assert end_saves(60.0), "a closed page is being saved for ever"


class Held:
    """A store of analyses that is busy until it is let go."""

    def __init__(self, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.asked = threading.Event(), threading.Event()
        self.real = bench.store.analyses.save
        monkeypatch.setattr(bench.store.analyses, "save", self)

    def __call__(self, *given: Any, **more: Any) -> None:
        self.asked.set()
        assert self.free.wait(20)
        self.real(*given, **more)


def stored(bench: Workbench, viewer: Viewer = ME) -> tuple[RunHeader, ...]:
    """The library of this person."""
    return bench.store.runs.list(RunQuery(viewer.name)).rows
