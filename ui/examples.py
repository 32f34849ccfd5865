"""The finished example runs that ship with the project: puts them into a store that lacks them.

They are made by assets/make_examples.py from the embedded model. Does not know how they are shown.
"""

from __future__ import annotations

import logging
from pathlib import Path

from engine.errors import NotFound, StoreDamaged
from storage import transfer
from storage.database import Store

EXAMPLES = Path(__file__).parent.parent / "assets" / "examples.zip"
OWNER = "examples"
# Raised with every change of the examples: a uid always stands for the same content.
EDITION = 1


def example_uid(number: int) -> str:
    """The uid of the n-th example of this edition, from 1."""
    return f"{transfer.RESERVED}{EDITION}-{number}"


def install(store: Store, source: Path = EXAMPLES) -> int:
    """Import this edition's examples unless they are there; returns how many were added.

    A damaged example is left as it is and named in the log: the page works without it.
    """
    try:
        store.runs.header(example_uid(1), viewer=OWNER)
    except StoreDamaged as error:
        logging.getLogger("forklore").warning("an example is left out: %s", error)
    except NotFound:
        return len(transfer.import_runs(store, source.read_bytes(), owner=OWNER, example=True).added)
    return 0
