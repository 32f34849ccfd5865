"""The finished example runs that ship with the project: puts them into a store that lacks them.

They are made by scripts/make_examples.py from the embedded model. Does not know how they are shown.
"""

from __future__ import annotations

from pathlib import Path

from storage import transfer
from storage.database import Store

EXAMPLES = Path(__file__).parent.parent / "assets" / "examples.jsonl.gz"
OWNER = "examples"


def install(store: Store, source: Path = EXAMPLES) -> int:
    """Import the examples that are not there yet; returns how many were added."""
    report = transfer.import_runs(store, source.read_bytes(), owner=OWNER, example=True)
    return len(report.added)
