"""The probes that a person has kept: found again newest first, moved to the bin with their answers.

A probe lives and goes with the run it is an analysis of. Does not know how a probe is drawn, nor gradio.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from engine.errors import BadInput, NotFound, StoreDamaged
from engine.outcomes import extractor
from engine.probe import price
from storage.analysis_index import Listed, newest_analyses, own_analysis, readable_arrays
from storage.database import Store
from storage.records import AnalysisHeader
from ui.access import Viewer
from ui.probe_board import KIND
from ui.probe_record import EFFECTS, answer_uids, plan_of, unpack_cells


@dataclass(frozen=True)
class KeptProbe:
    """One probe of the list. state: "drawing", "finished", "stopped" or "failed"; done of total answers are there.

    problem: why it cannot be opened, "" where it can; the other fields then say as much as is known.
    """

    uid: str
    template: str = ""
    values: tuple[str, ...] = ()
    runs: int = 0
    field: str = ""
    state: str = "failed"
    done: int = 0
    total: int = 0
    created: datetime | None = None
    problem: str = ""


@dataclass(frozen=True)
class ProbePage:
    """One page of the list. total: probes there are in all."""

    rows: tuple[KeptProbe, ...]
    total: int


@dataclass(frozen=True)
class Binned:
    """A probe that was moved to the bin. runs: uids of the answers that went with it, which bring it back.

    whole: False where the answer that the probe belongs to is damaged: then the probe itself is gone for good.
    """

    uid: str
    template: str
    runs: tuple[str, ...]
    whole: bool = True


class ProbeShelf:
    """The list over one store. drawing: tells whether the probe of a uid is at work at this moment."""

    def __init__(self, store: Store, drawing: Callable[[str], bool]) -> None:
        self._store = store
        self._drawing = drawing

    def page(self, viewer: Viewer, *, limit: int, offset: int) -> ProbePage:
        """This person's probes, newest first."""
        found, total = newest_analyses(self._store, KIND, viewer=viewer.name, limit=limit, offset=offset)
        return ProbePage(tuple(self._kept(listed) for listed in found), total)

    def delete(self, uid: str, viewer: Viewer) -> Binned:
        """Move the answers of a probe to the bin, and the probe with them; of a damaged one those that can be read.

        Raises NotFound, BadInput.
        """
        listed = own_analysis(self._store, KIND, uid, viewer=viewer.name)
        if self._drawing(listed.uid):
            raise BadInput("This probe is being drawn just now: press Stop, then delete it.")
        settings = listed.header.settings if listed.header else {}
        arrays = readable_arrays(self._store, listed.uid)
        cells = (kept for name, array in arrays.items() if name != EFFECTS for kept in unpack_cells(array))
        # runs that the program kept right before it died stand in no array, but their uids are known
        answers = [listed.run, *(kept.uid for kept in cells if kept.uid), *answer_uids(settings)]
        # those deleted in the library before stay as they are when the probe is brought back
        runs = tuple(uid for uid in dict.fromkeys(answers) if self._there(uid, viewer))
        self._store.runs.delete(runs, viewer=viewer.name)
        whole = listed.run in runs
        if not whole:
            self._store.analyses.delete(listed.uid, viewer=viewer.name)
        return Binned(listed.uid, str(settings.get("template", "")), runs, whole)

    def _there(self, uid: str, viewer: Viewer) -> bool:
        try:
            return self._store.runs.header(uid, viewer=viewer.name).owner == viewer.name
        except (NotFound, StoreDamaged):
            return False

    def _kept(self, listed: Listed) -> KeptProbe:
        return self._row(listed.header) if listed.header else KeptProbe(listed.uid, problem=listed.problem)

    def _row(self, header: AnalysisHeader) -> KeptProbe:
        settings = header.settings
        try:
            plan, problem = plan_of(settings), ""
            field, total = extractor(plan.field, plan.parameter).label, price(plan).total
        except BadInput as error:
            problem, field, total = str(error), "", 0
        done = int(header.progress) if header.progress.isdigit() else 0
        # one that says it is running and is not was ended with its program
        short = header.status == "running" or (header.status == "finished" and done < total)
        state = "drawing" if self._drawing(header.uid) else "stopped" if short else header.status
        return KeptProbe(
            uid=header.uid,
            template=str(settings.get("template", "")),
            values=tuple(settings.get("values", ())),
            runs=int(settings.get("runs", 0)),
            field=field,
            state=state,
            done=done,
            total=total,
            created=header.created_at,
            problem=problem,
        )


def plain(kept: KeptProbe) -> dict[str, Any]:
    """A row as JSON has it."""
    created = kept.created.isoformat(timespec="seconds") if kept.created else None
    return {**asdict(kept), "values": list(kept.values), "created": created}


def shelf_document(page: ProbePage, *, binned: Binned | None = None, restored: str = "") -> str:
    """The list as the browser draws it; binned: what was just deleted, for Undo; restored: what Undo brought back."""
    gone = {**asdict(binned), "runs": list(binned.runs)} if binned else None
    return json.dumps(
        {
            "v": 1,
            "total": page.total,
            "rows": [plain(kept) for kept in page.rows],
            "binned": gone,
            "restored": restored,
        },
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
    )
