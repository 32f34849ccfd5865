"""Which attention chains a run has for a person, newest first, past those whose description is damaged.

Reads the store; does not know how a chain is traced or shown.
"""

from __future__ import annotations

from engine.errors import StoreDamaged
from storage.analysis_index import newest_analyses
from storage.database import Store
from storage.records import AnalysisHeader
from ui.access import Viewer

KIND = "chain"


def finished_chains(store: Store, run: str, viewer: Viewer) -> tuple[list[AnalysisHeader], bool]:
    """The finished chains of a run that this person may open, newest first, and whether one was left out as it is
    damaged. Raises NotFound, StoreDamaged where the run itself is damaged."""
    try:
        found, lost = list(store.analyses.list(run, viewer=viewer.name, kind=KIND)), False
    except StoreDamaged:
        # raised again where it is the run
        header = store.runs.header(run, viewer=viewer.name)
        most = store.limits.list_rows
        owners = dict.fromkeys((viewer.name, header.owner))
        pages = [newest_analyses(store, KIND, viewer=owner, limit=most)[0] for owner in owners]
        here = [row.header for page in pages for row in page if row.run == run]
        found, lost = sorted(filter(None, here), key=lambda one: one.created_at), None in here
    return [one for one in reversed(found) if one.status == "finished"], lost
