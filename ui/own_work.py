"""What people may do with all that is theirs: share a run by its link, delete for good, know how long it is kept.

Every answer is about the viewer's own; what is somebody else's looks like nothing. Does not know gradio.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from engine.errors import BadInput
from storage.records import RunHeader
from ui.access import Viewer
from ui.actions import Workbench
from ui.given import text_of

EVERYTHING = "everything"


class OwnWork:
    """One person's work over one store. keep_days: how long a stranger's is kept unchanged, None where all is kept."""

    def __init__(self, workbench: Workbench, keep_days: int | None = None) -> None:
        self._workbench = workbench
        self._store = workbench.store
        self._keep_days = keep_days

    def access(self, uid: Any, viewer: Viewer) -> dict[str, Any]:
        """Who may see a run that the viewer sees: {run, mine, shared, branches}; branches: the viewer's own of it."""
        return self._access(self._store.runs.header(text_of(uid, "run id"), viewer=viewer.name), viewer)

    def share(self, uid: Any, shared: Any, viewer: Viewer) -> dict[str, Any]:
        """Let whoever has a run's link open it, or nobody else any more. NotFound unless it is the viewer's own."""
        if not isinstance(shared, bool):
            raise BadInput(f"Whether the run is shared must be true or false, not {type(shared).__name__}.")
        visibility = "unlisted" if shared else "private"
        header = self._store.runs.update(text_of(uid, "run id"), viewer=viewer.name, visibility=visibility)
        return self._access(header, viewer)

    def delete(self, uids: Any, with_branches: Any, viewer: Viewer) -> int:
        """Remove runs for good, with all that the viewer made of them where asked; returns how many went."""
        if isinstance(uids, str) or not isinstance(uids, Sequence) or not all(isinstance(uid, str) for uid in uids):
            raise BadInput("The runs to delete must be a list of run ids.")
        if not isinstance(with_branches, bool):
            raise BadInput(f"Whether branches go too must be true or false, not {type(with_branches).__name__}.")
        return self._store.belongings.delete_runs(uids, viewer=viewer.name, with_branches=with_branches)

    def branches(self, uids: Any, viewer: Viewer) -> int:
        """How many runs more would go with the branches of these."""
        if isinstance(uids, str) or not isinstance(uids, Sequence) or not all(isinstance(uid, str) for uid in uids):
            raise BadInput("The runs must be a list of run ids.")
        return self._store.belongings.branches(uids, viewer=viewer.name)

    def delete_everything(self, confirm: Any, viewer: Viewer) -> dict[str, int]:
        """Remove all that is the viewer's for good, what is being written included."""
        if confirm != EVERYTHING:
            raise BadInput(f'To delete everything of yours, confirm it with the word "{EVERYTHING}".')
        self._workbench.stop(viewer)
        return vars(self._store.belongings.delete_all(viewer=viewer.name)).copy()

    def kept(self, viewer: Viewer) -> dict[str, Any]:
        """How long the viewer's work is kept: {days, until, known}; days and until None where it is kept until it is
        deleted.

        until: when the first of it goes, unless it is changed before. known: whether this browser is known again once
        the page is closed; where it is not, nobody finds the work then.
        """
        if self._keep_days is None or not viewer.anonymous:
            return {"days": None, "until": None, "known": not viewer.fleeting}
        oldest = self._store.belongings.oldest(viewer=viewer.name)
        until = None if oldest is None else (oldest + timedelta(days=self._keep_days)).isoformat()
        return {"days": self._keep_days, "until": until, "known": not viewer.fleeting}

    def _access(self, header: RunHeader, viewer: Viewer) -> dict[str, Any]:
        mine = header.owner == viewer.name and not header.example
        branches = self._store.belongings.branches([header.uid], viewer=viewer.name) if mine else 0
        shared = header.visibility == "unlisted"
        return {"run": header.uid, "mine": mine, "shared": shared, "example": header.example, "branches": branches}
