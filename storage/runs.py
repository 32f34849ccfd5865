"""The library of runs: adding, opening, listing, labelling, deleting.

Knows who may see what (`viewer`) and one transaction per call; leaves packing to chain.py and sealing to headers.py.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, aliased
from sqlmodel import col

from engine.errors import BadInput, NotFound, StoreDamaged
from engine.noise import HINDSIGHT_STREAMS
from engine.types import Trace
from storage.access import check_viewer, find_own, find_run
from storage.annotation_purging import in_sessions, purge_session
from storage.chain import ChainArrays, assemble, read_rows
from storage.connections import Connections
from storage.growing import check_grown, grow_run
from storage.headers import RawHeader, load_header, load_headers, seal, to_header, to_texts
from storage.library import find_children_settings, find_family, find_models, find_page, find_tags
from storage.limits import StoreLimits
from storage.records import RunHeader, RunPage, RunQuery, StoredRun, Visibility
from storage.room import check_room
from storage.schema import RunRow, RunTag, RunText
from storage.traces import content_hash, from_parts
from storage.values import clean_tags, clean_text, microseconds, whole_number
from storage.writing import NewRun, Parent, PreparedRun, add_run, prepare, search_text, write_tags

PURGED_AT_ONCE = 100


class RunStore:
    """Runs of one database. A viewer sees own runs, examples, and by uid also unlisted runs of others.

    What a viewer may not see is NotFound, exactly like what is not there. Examples cannot be changed by anybody.
    """

    def __init__(self, connections: Connections, limits: StoreLimits) -> None:
        self._connections = connections
        self._limits = limits

    def add(
        self,
        trace: Trace,
        *,
        owner: str = "local",
        title: str = "",
        tags: Sequence[str] = (),
        note: str = "",
        status: str,
        run_scores: Mapping[str, float],
        example: bool = False,
        parent: str | None = None,
        fork_position: int | None = None,
        visibility: str = "private",
        uid: str | None = None,
        created_at: datetime | None = None,
    ) -> str:
        """Store a run in one transaction and return its uid; an error leaves nothing behind.

        parent with fork_position p: the run's first p tokens are the parent's and are not stored again.
        run_scores: name -> float, NaN where a score does not exist. Errors: BadInput, NotFound (parent), Busy.
        """
        new = NewRun(trace, owner, status, run_scores, title, tags, note, example, visibility, uid, created_at)
        prepared = self.prepare(new, parent=parent, fork_position=fork_position)
        with self._connections.write() as session:
            if not example:
                check_room(session, self._limits, owner, runs=1, tokens=len(trace))
            return add_run(session, prepared)

    def check_room(self, *, viewer: str) -> None:
        """Raises UserError where a new run of this viewer could not be kept."""
        with self._connections.read() as session:
            check_room(session, self._limits, viewer, runs=1, tokens=1)

    def prepare(self, new: NewRun, *, parent: str | None = None, fork_position: int | None = None) -> PreparedRun:
        """Check and pack a run without writing it, so that several can be written in one transaction."""
        if (parent is None) != (fork_position is None):
            raise BadInput("A fork needs both its parent and the position at which it leaves it.")
        found = None
        if parent is not None and fork_position is not None:
            found = _to_parent(*self._open(parent, new.owner), fork_position)
        return prepare(new, found, self._limits)

    def extend(
        self,
        uid: str,
        trace: Trace,
        *,
        viewer: str,
        status: str,
        run_scores: Mapping[str, float],
        over_run: Collection[str] = (),
    ) -> RunHeader:
        """Replace a run's trace by a longer one that begins with it; returns the new header.

        In one transaction; an error leaves the run as it was. Uid, title, tags, note, parent and creation time stay,
        and forks of the run read as before. over_run: names of scores that need the whole run and may change.
        Errors: BadInput (not a longer form of what is stored; an example), NotFound, Busy, StoreDamaged.
        """
        grown = self.prepare(NewRun(trace, viewer, status, run_scores))
        with self._connections.write() as session:
            raw = find_own(session, uid, viewer)
            rows = read_rows(session, int(raw.run["id"]))
            chain = _checked(raw, rows)
            check_room(session, self._limits, viewer, tokens=len(trace) - int(raw.run["tokens"]))
            check_grown(from_parts(to_texts(raw), chain.arrays, chain.token_bytes, raw.label), trace, over_run)
            grow_run(session, raw, rows, chain.arrays, grown)
            return to_header(load_header(session, int(raw.run["id"])))

    def get(self, uid: str, *, viewer: str) -> StoredRun:
        """One run with its trace, exactly as stored. NotFound; StoreDamaged when any bit of it is wrong."""
        raw, chain = self._open(uid, viewer)
        trace = from_parts(to_texts(raw), chain.arrays, chain.token_bytes, raw.label)
        return StoredRun(to_header(raw), trace)

    def header(self, uid: str, *, viewer: str) -> RunHeader:
        """One run without its arrays. NotFound; StoreDamaged."""
        with self._connections.read() as session:
            return to_header(find_run(session, uid, viewer))

    def list(self, query: RunQuery) -> RunPage:
        """One page of the library; reads no arrays. A damaged row is listed as such, without its values."""
        check_viewer(query.viewer)
        with self._connections.read() as session:
            ids, total = find_page(session, query, self._limits)
            raw = load_headers(session, ids)
            tags, models = find_tags(session, query.viewer), find_models(session, query.viewer)
        return RunPage(tuple(to_header(raw[i]) for i in ids if i in raw), total, tags, models)

    def family(self, uid: str, *, viewer: str) -> tuple[RunHeader, ...]:
        """A run and those that `viewer` sees of all that come from the same first run, oldest first; no arrays.

        Where they are more than one page of the library may have, the run itself, the first one and the newest.
        NotFound; StoreDamaged when the run itself is.
        """
        with self._connections.read() as session:
            run = find_run(session, uid, viewer).run
            ids = find_family(session, run, viewer, self._limits.list_rows)
            raw = load_headers(session, ids)
        return tuple(to_header(raw[i]) for i in ids if i in raw)

    def next_stream(self, uid: str, *, viewer: str) -> int:
        """A noise stream that no run which left this one with fresh noise has, those in the bin among them; from 1.

        NotFound, StoreDamaged.
        """
        with self._connections.read() as session:
            texts = find_children_settings(session, int(find_run(session, uid, viewer).run["id"]))
        streams = (int(json.loads(text).get("stream", 0)) for text in texts)
        return 1 + max((stream for stream in streams if stream < HINDSIGHT_STREAMS), default=0)

    def update(
        self,
        uid: str,
        *,
        viewer: str,
        title: str | None = None,
        tags: Iterable[str] | None = None,
        note: str | None = None,
        visibility: str | None = None,
    ) -> RunHeader:
        """Change what is not None and return the new header. NotFound, BadInput (also for examples), StoreDamaged."""
        changes: dict[str, Any] = {"updated_at": microseconds(datetime.now(UTC))}
        if title is not None:
            changes["title"] = clean_text(title, "The title", self._limits.title_chars)
        if note is not None:
            changes["note"] = clean_text(note, "The note", self._limits.note_chars)
        if visibility is not None:
            if visibility not in get_args(Visibility):
                raise BadInput(f"The visibility '{visibility}' is unknown; use private or unlisted.")
            changes["visibility"] = visibility
        new_tags = None if tags is None else clean_tags(tags, self._limits)
        with self._connections.write() as session:
            raw = find_own(session, uid, viewer)
            run_id = int(raw.run["id"])
            session.execute(update(RunRow).where(col(RunRow.id) == run_id).values(**changes))
            if new_tags is not None:
                session.execute(delete(RunTag).where(col(RunTag.run_id) == run_id))
                write_tags(session, run_id, new_tags)
            _reindex(session, run_id)
            seal(session, run_id)
            return to_header(load_header(session, run_id))

    def delete(self, uids: Iterable[str], *, viewer: str) -> int:
        """Move runs to the bin, all or none; returns how many. Forks of them stay readable. NotFound, BadInput."""
        return self._mark(uids, viewer, microseconds(datetime.now(UTC)))

    def restore(self, uids: Iterable[str], *, viewer: str) -> int:
        """Take runs out of the bin again, all or none; returns how many. NotFound, BadInput."""
        return self._mark(uids, viewer, None)

    def purge(self, *, before: datetime) -> int:
        """Remove for good what was deleted before a moment; returns how many runs went.

        Runs that living forks or annotation sessions still need stay; sessions that lie in the bin go as well. Room in
        the file is reused, the file does not shrink.
        """
        limit = microseconds(before)
        while self._purge_session(limit):
            pass
        removed = 0
        while count := self._purge_some(limit):
            removed += count
        return removed

    def _purge_session(self, before: int) -> bool:
        with self._connections.erase() as session:
            return purge_session(session, before)

    def _purge_some(self, before: int) -> int:
        """Runs without forks, some at a time, so that nobody's save waits for long."""
        child = aliased(RunRow)
        childless = ~select(col(child.id)).where(col(child.parent_id) == RunRow.id).exists()
        chosen = select(col(RunRow.id)).where(col(RunRow.deleted_at) < before, childless, ~in_sessions(col(RunRow.uid)))
        with self._connections.erase() as session:
            ids = session.execute(chosen.limit(PURGED_AT_ONCE)).scalars().all()
            if ids:
                session.execute(delete(RunRow).where(col(RunRow.id).in_(ids)))
        return len(ids)

    def _mark(self, uids: Iterable[str], viewer: str, deleted_at: int | None) -> int:
        wanted = (uids,) if isinstance(uids, str) else tuple(dict.fromkeys(uids))
        if len(wanted) > self._limits.uids:
            raise BadInput(f"{len(wanted):,} runs at once are too many; name at most {self._limits.uids:,}.")
        with self._connections.write() as session:
            for uid in wanted:
                raw = find_own(session, uid, viewer, binned=deleted_at is None)
                where = col(RunRow.id) == raw.run["id"]
                session.execute(update(RunRow).where(where).values(deleted_at=deleted_at))
                seal(session, int(raw.run["id"]))
        return len(wanted)

    def _open(self, uid: str, viewer: str) -> tuple[RawHeader, ChainArrays]:
        with self._connections.read() as session:
            raw = find_run(session, uid, viewer)
            rows = read_rows(session, int(raw.run["id"]))
        return raw, _checked(raw, rows)

    def find_parent(self, session: Session, uid: str, owner: str, fork: int) -> Parent | None:
        """The run to follow for `fork` tokens, or None when `owner` may not open it or it is damaged."""
        try:
            raw = find_run(session, uid, owner)
            return _to_parent(raw, _checked(raw, read_rows(session, int(raw.run["id"]))), fork)
        except (NotFound, StoreDamaged):
            return None


def _reindex(session: Session, run_id: int) -> None:
    """Make the searched text follow the labels."""
    body = _search(load_headers(session, [run_id])[run_id])
    session.execute(update(RunText).where(col(RunText.run_id) == run_id).values(search=body))


def _search(raw: RawHeader) -> str:
    return search_text(raw.run["title"], raw.run["note"], raw.tags, raw.text["prompt"], raw.text["answer"])


def verify_run(session: Session, run_id: int) -> int:
    """StoreDamaged unless every row and array of the run is what was stored; returns the number of arrays read."""
    raw = load_header(session, run_id)
    rows = read_rows(session, run_id)
    _checked(raw, rows)
    stored = session.execute(select(col(RunText.search)).where(col(RunText.run_id) == run_id)).scalar()
    if stored != _search(raw):
        raise StoreDamaged(f"{raw.label} is readable, but the text by which it is searched is damaged; save its title.")
    return len(rows)


def _to_parent(raw: RawHeader, chain: ChainArrays, fork: int) -> Parent:
    names = tuple(from_parts(to_texts(raw), chain.arrays, chain.token_bytes, raw.label).scores)
    run = raw.run
    return Parent(run["id"], run["root_id"], run["chain_depth"], whole_number(fork, "The fork position"), chain, names)


def _checked(raw: RawHeader, rows: Sequence[Any]) -> ChainArrays:
    """The arrays of a run, verified one by one and as a whole."""
    chain = assemble(rows, raw.label)
    if content_hash(to_texts(raw), chain.arrays, chain.token_bytes) != raw.run["content_hash"]:
        raise StoreDamaged(
            f"{raw.label} is damaged: its content does not match its checksum. "
            "Nothing was changed; restore it from a backup or an export, or delete it."
        )
    return chain
