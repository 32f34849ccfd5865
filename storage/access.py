"""Who may see and change which run.

A run that is not the viewer's is NotFound in the same words as one that does not exist. Knows rows and names of
viewers; does not know how somebody proves to be that viewer.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, select, text
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput, NotFound, StoreDamaged
from storage.headers import RawHeader, load_header, load_headers
from storage.schema import RunRow
from storage.values import is_uid

# counted to the table's end, whether or where a run is found
_COUNT = text("SELECT COUNT(*) FROM run NOT INDEXED WHERE uid = :uid")
_NO_RUN = -1


def check_viewer(viewer: str) -> None:
    """BadInput for an empty viewer, who would otherwise see what nobody owns."""
    if not isinstance(viewer, str) or not viewer:
        raise BadInput("Nobody is asking: the viewer must be a non-empty name.")


def visible(viewer: str) -> ColumnElement[bool]:
    """Rows that the library shows to `viewer`."""
    return and_(or_(col(RunRow.owner) == viewer, col(RunRow.example) == 1), col(RunRow.deleted_at).is_(None))


def find_run(session: Session, uid: str, viewer: str) -> RawHeader:
    """The verified header of a run that `viewer` may open. NotFound, StoreDamaged."""
    check_viewer(viewer)
    raw = _locate(session, uid)
    if raw is None or not may_open(raw, viewer):
        raise _refused(session, uid, raw)
    return raw


def may_open(raw: RawHeader, viewer: str) -> bool:
    """Whether a run is the viewer's own, an example or unlisted, and not in the bin."""
    run = raw.run
    open_to_viewer = run["owner"] == viewer or run["example"] == 1 or run["visibility"] == "unlisted"
    return run["deleted_at"] is None and open_to_viewer


def find_own(session: Session, uid: str, viewer: str, *, binned: bool = False) -> RawHeader:
    """The verified header of a run that `viewer` may change; binned: also one in the bin.

    NotFound, StoreDamaged, and BadInput for an example.
    """
    check_viewer(viewer)
    raw = _locate(session, uid)
    if raw is None:
        raise _refused(session, uid, raw)
    if raw.run["example"] == 1 and raw.run["deleted_at"] is None:
        raise BadInput("This is an example that comes with the page and cannot be changed; run your own to label it.")
    if raw.run["owner"] != viewer or (raw.run["deleted_at"] is not None and not binned):
        raise _refused(session, uid, raw)
    return raw


def not_found(uid: str) -> NotFound:
    """The one sentence for runs that are not there, deleted, or somebody else's."""
    return NotFound(f"There is no run {str(uid)[:64]!a} here; look in the library for what there is.")


def _locate(session: Session, uid: str) -> RawHeader | None:
    if not is_uid(uid):
        raise not_found(uid)
    run_id = session.execute(select(col(RunRow.id)).where(col(RunRow.uid) == uid)).scalar()
    if run_id is None:
        return None
    raw = load_header(session, run_id)
    if raw.run["uid"] != uid:
        raise StoreDamaged("The library's index is damaged: it names another run for this id; use a backup.")
    return raw


def _refused(session: Session, uid: str, raw: RawHeader | None) -> NotFound | StoreDamaged:
    """What to say of a run that is not there (`raw` is None) or not the viewer's, after the same work for both: how
    long a refusal takes must not tell them apart."""
    if raw is None:
        load_headers(session, [_NO_RUN])
    there = session.execute(_COUNT, {"uid": uid}).scalar()
    # a damaged index must not pass for an absent run
    if there and raw is None:
        return StoreDamaged("The library's index is damaged: it does not find a run that is there; use a backup.")
    return not_found(uid)
