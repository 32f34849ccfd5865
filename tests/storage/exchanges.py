"""What the tests of exchanged files share: storing a small run, exporting, counting."""

from __future__ import annotations

import json
from typing import Any

from storage.database import Store
from storage.records import RunQuery
from storage.transfer import FORMAT, export_runs
from tests.storage.examples import small_trace

MANIFEST = json.dumps({"format": FORMAT, "version": 1}) + "\n"


def add(store: Store, seed: int = 0, **options: Any) -> str:
    """Store a small run."""
    return store.runs.add(small_trace(seed), **{"status": "finished", "run_scores": {}, **options})


def exported(store: Store, *uids: str) -> str:
    """The file of these runs."""
    return "".join(export_runs(store, uids, viewer="local"))


def total(store: Store) -> int:
    """How many runs the library shows."""
    return store.runs.list(RunQuery("local")).total
