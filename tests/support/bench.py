"""People, fields and small readers for tests of the use cases; the bench itself is a fixture of tests/ui."""

from __future__ import annotations

import json
from typing import Any

from storage.records import RunHeader, RunQuery
from ui.access import Viewer
from ui.actions import Workbench

ME = Viewer("local", "session-1", True)
OTHER = Viewer("local", "session-2", True)
STRANGER = Viewer("visitor:a", "visitor:a", False)
FIELDS = {"prompt": "Tell me", "max_new_tokens": 40, "seed": 3}


def lines(document: str) -> list[dict[str, Any]]:
    """The lines of a document."""
    return [json.loads(line) for line in document.split("\n") if line]


def head(document: str) -> dict[str, Any]:
    """The first line of a document."""
    return lines(document)[0]


def last(document: str, name: str) -> Any:
    """What the last line with this name says."""
    return [line[name] for line in lines(document) if name in line][-1]


def stored(bench: Workbench, viewer: Viewer = ME) -> tuple[RunHeader, ...]:
    """The library of this person."""
    return bench.store.runs.list(RunQuery(viewer.name)).rows
