"""Whether a run that comes in from a file is in the library already, and how a deleted one comes back.

The same run is one with the same content and run scores, both compared in every bit; titles, tags and notes are a
person's own and may differ. Does not know files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import StoreDamaged
from storage.access import visible
from storage.headers import RawHeader, load_headers, seal
from storage.runs import verify_run
from storage.schema import RunRow, RunTag, RunText
from storage.writing import PreparedRun, search_text, write_tags


@dataclass(frozen=True)
class Copy:
    """A stored run that is the one that comes in. binned: it was deleted and can be brought back."""

    run_id: int
    uid: str
    binned: bool


def find_holder(session: Session, uid: str) -> int | None:
    """The row that holds a uid, whoever owns it."""
    return session.execute(select(col(RunRow.id)).where(col(RunRow.uid) == uid)).scalar()


def find_whole(session: Session, uids: Iterable[str]) -> frozenset[int]:
    """Rows of those of the runs that hold these uids whose every array is what was stored.

    To be read before anybody is kept waiting: verifying takes as long as opening.
    """
    held = (find_holder(session, uid) for uid in dict.fromkeys(uids))
    return frozenset(run_id for run_id in held if run_id is not None and _is_whole(session, run_id))


def find_copy(
    session: Session, run: PreparedRun, owner: str, holder: int | None, whole: frozenset[int] = frozenset()
) -> Copy | None:
    """The run as `owner` has it already, or None. whole: rows whose arrays were verified just before.

    Looked for where its uid is held, and, for one that got a new uid when it came in before, among the runs of the
    same moment. A damaged run is no copy: the one from the file shall stand beside it.
    """
    for run_id in _candidates(session, run, owner, holder):
        raw = load_headers(session, [run_id])[run_id]
        if _is_same(raw, run, owner) and (run_id in whole or _is_whole(session, run_id)):
            return Copy(run_id, str(raw.run["uid"]), binned=raw.run["deleted_at"] is not None)
    return None


def bring_back(session: Session, copy: Copy, run: PreparedRun) -> None:
    """Take a run out of the bin with the labels and times of the file."""
    own = {name: run.columns[name] for name in ("title", "note", "status", "created_at", "updated_at")}
    where = col(RunRow.id) == copy.run_id
    session.execute(update(RunRow).where(where).values(**own, deleted_at=None))
    session.execute(delete(RunTag).where(col(RunTag.run_id) == copy.run_id))
    write_tags(session, copy.run_id, run.tags)
    found = search_text(own["title"], own["note"], run.tags, run.texts.prompt, run.texts.answer)
    session.execute(update(RunText).where(col(RunText.run_id) == copy.run_id).values(search=found))
    seal(session, copy.run_id)


def _candidates(session: Session, run: PreparedRun, owner: str, holder: int | None) -> Iterator[int]:
    if holder is not None:
        yield holder
    same = [col(getattr(RunRow, name)) == run.columns[name] for name in ("content_hash", "created_at")]
    for row in session.execute(select(col(RunRow.id)).where(visible(owner), *same)).all():
        if row[0] is not None and row[0] != holder:
            yield row[0]


def _is_same(raw: RawHeader, run: PreparedRun, owner: str) -> bool:
    """Whether `owner` has the run, deleted or not, or it is an example that everybody has."""
    stored = raw.run
    reachable = stored["owner"] == owner or (stored["example"] == 1 and stored["deleted_at"] is None)
    same = stored["content_hash"] == run.columns["content_hash"] and dict(raw.scores) == dict(run.run_scores)
    return reachable and same and raw.sound


def _is_whole(session: Session, run_id: int) -> bool:
    try:
        verify_run(session, run_id)
    except StoreDamaged:
        return False
    return True
