"""What an annotator does: reads the guidelines, is given one item after another, saves every action.

Each call names who asks, by the secret of a labelling link or by who the server knows them to be, and is answered with
what that person may know: in a blind session neither scores nor anything of others. Does not know gradio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine import token_scores
from engine.errors import BadInput, NotFound, StoreDamaged
from engine.label_events import ItemState, LabelEvent, check_milliseconds, check_uuid, fold, state_fields
from engine.label_schema import schema_of
from engine.types import Trace
from storage.annotation_records import EventRecord, FrozenRun, ItemRecord, MemberRecord, SessionRecord
from storage.database import Store
from ui.access import Viewer
from ui.given import text_of
from ui.known_answers import compare
from ui.wire import REPLACEMENT, minute, number

MOST_EVENTS = 500


class Annotating:
    """The annotators' use cases over one store. done: called when somebody has nothing left to label."""

    def __init__(self, store: Store, done: Callable[[], object] = lambda: None) -> None:
        self._store = store
        self._done = done

    def mine(self, viewer: Viewer) -> list[dict[str, Any]]:
        """The sessions in which this person has a part, and the examples."""
        return [self._listed(session, viewer) for session in self._store.annotations.sessions(viewer=viewer.name)]

    def open(self, session: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """What the session asks of this person."""
        return self._welcome(*self._who(session, link, viewer))

    def begin(self, session: Any, answers: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """The guidelines were read and the questions on them answered; BadInput names a wrong answer."""
        record, member = self._who(session, link, viewer)
        if not isinstance(answers, list):
            raise BadInput("The answers to the questions on the guidelines must be a list, one for each question.")
        return self._welcome(record, self._store.annotations.begin(record, member, answers))

    def next(self, session: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """The item to go on with, or {done: true} when nothing is left for this person."""
        record, member = self._who(session, link, viewer)
        _ready(record, member)
        item = self._store.annotations.take_next(record, member)
        if item is None:
            self._done()
            return {"done": True, "progress": self._progress(record, member), "mine": self._mine(record, member)}
        return self._shown(record, member, item)

    def item(self, session: Any, item: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """One of the items that this person was given."""
        record, member = self._who(session, link, viewer)
        uid = text_of(item, "item")
        if uid not in {row[0] for row in self._store.annotations.own_items(record, member)}:
            raise NotFound(f"The item {uid[:64]!a} was not given to you in this session.")
        return self._shown(record, member, self._store.annotations.item(record, uid))

    def save(self, session: Any, item: Any, events: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """Keep what was done, all or nothing; the same action sent twice is kept once."""
        record, member = self._who(session, link, viewer)
        _ready(record, member)
        uid = text_of(item, "item")
        found = self._store.annotations.save(record, member, uid, events_of(events))
        state = _folded(record, found)
        saved = max((row.event.at for row in found if row.event.at), default=datetime.now(UTC))
        submitted = state.status == "submitted"
        return {
            "saved": saved.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "state": state_fields(state),
            "progress": self._progress(record, member),
            # texts are read for who is told something about them only: a save stays quick
            "feedback": _feedback(record, self._store.annotations.item(record, uid), state) if submitted else None,
        }

    def _who(self, session: Any, link: Any, viewer: Viewer) -> tuple[SessionRecord, MemberRecord]:
        secret = text_of(link, "labelling link") if link else ""
        uid = text_of(session, "session") if session else ""
        if secret:
            record, member = self._store.annotations.who(secret=secret)
            if uid and record.uid != uid:
                raise NotFound("This labelling link is for another session; open the link itself.")
            return record, member
        return self._store.annotations.who(session=uid, viewer=viewer.name)

    def _listed(self, session: SessionRecord, viewer: Viewer) -> dict[str, Any]:
        row: dict[str, Any] = {
            "session": session.uid, "title": session.title, "status": session.status, "example": session.example,
            "role": "owner" if session.owner == viewer.name else "reader", "member": False, "done": 0,
            "total": session.items,
        }  # fmt: skip
        try:
            record, member = self._store.annotations.who(session=session.uid, viewer=viewer.name)
        except (NotFound, BadInput):
            return row
        progress = self._progress(record, member)
        own = session.owner == viewer.name
        return row | {"role": "owner" if own else member.role, "member": True, **progress}

    def _welcome(self, session: SessionRecord, member: MemberRecord) -> dict[str, Any]:
        shown = shows_scores(session)
        return {
            "session": session.uid, "title": session.title, "role": member.role, "me": member.pseudonym,
            "guidelines": session.guidelines, "guidelines_version": session.guidelines_version,
            "guidelines_read": member.begun_at is not None, "schema": dict(session.schema),
            "blind": session.settings.blind, "show_scores": shown, "status": session.status,
            "opens_at": minute(session.settings.opens_at), "closes_at": minute(session.settings.closes_at),
            "quiz": [{"question": row["question"], "options": row["options"]} for row in session.settings.quiz],
            "progress": self._progress(session, member), "example": session.example,
            "scores": _score_entries() if shown else [],
        }  # fmt: skip

    def _progress(self, session: SessionRecord, member: MemberRecord) -> dict[str, int]:
        found = self._store.annotations.progress(session, member)
        return {"done": found.done, "skipped": found.skipped, "total": found.total}

    def _mine(self, session: SessionRecord, member: MemberRecord) -> list[dict[str, Any]]:
        own = self._store.annotations.own_items(session, member)
        return [{"item": row[0], "status": row[3], "flag": bool(row[4])} for row in own]

    def _shown(self, session: SessionRecord, member: MemberRecord, item: ItemRecord) -> dict[str, Any]:
        annotations = self._store.annotations
        own = annotations.own_items(session, member)
        state = _folded(session, annotations.own_events(session, member, item.uid))
        document: dict[str, Any] = {
            "item": item.uid,
            "place": 1 + next((i for i, row in enumerate(own) if row[0] == item.uid), len(own)),
            "part": "training" if item.part == "training" else "work",
            "n": len(own),
            "runs": [self._run(session, run) for run in item.runs],
            "state": state_fields(state),
            "mine": self._mine(session, member),
            "guidelines_version": session.guidelines_version,
            "progress": self._progress(session, member),
            "feedback": _feedback(session, item, state),
        }
        if not session.settings.blind:
            document["others"] = _others(session, annotations.others_events(session, member, item.uid))
        return document

    def _run(self, session: SessionRecord, run: FrozenRun) -> dict[str, Any]:
        shown = run_fields(run)
        if session.settings.blind:
            # which model it was may sway a preference
            shown["model"] = ""
        else:
            shown["run"] = run.uid
        if shows_scores(session):
            trace = trace_of(self._store, session, run)
            shown["scores"] = {} if trace is None else _scores(trace, len(run.pieces))
        return shown


def trace_of(store: Store, session: SessionRecord, run: FrozenRun) -> Trace | None:
    """The run of an item as the session's owner has it, None where it is gone or says something else by now.

    Tokens that came later do not matter: the scores of those before them stay.
    """
    try:
        trace = store.runs.get(run.uid, viewer=session.owner).trace
    except (NotFound, StoreDamaged):
        return None
    return trace if trace.pieces[: len(run.pieces)] == run.pieces else None


def run_fields(run: FrozenRun) -> dict[str, Any]:
    """A frozen run as the page draws it."""
    tokens: list[dict[str, Any]] = [{"t": piece} for piece in run.pieces]
    for i in run.special:
        tokens[i]["c"] = 1
    for i, piece in enumerate(run.pieces):
        if not piece or REPLACEMENT in piece:
            tokens[i]["x"] = ""
    return {"prompt": run.prompt, "system": run.system, "model": run.model_name, "tokens": tokens}


def shows_scores(session: SessionRecord) -> bool:
    """Whether annotators see uncertainty: never in a blind session."""
    return session.settings.show_scores and not session.settings.blind


def events_of(events: Any) -> list[LabelEvent]:
    """What a browser or script sent, as events; what they hold is checked where the schema is known."""
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise BadInput(f"The events must be a list of at most {MOST_EVENTS} actions.")
    found = []
    for row in events:
        if not isinstance(row, Mapping) or not isinstance(row.get("payload", {}), Mapping):
            raise BadInput("Each event must be an object with uuid, kind and payload.")
        found.append(
            LabelEvent(
                check_uuid(row.get("uuid")),
                text_of(row.get("kind"), "event's kind"),
                dict(row.get("payload", {})),
                check_milliseconds(row.get("active_ms", 0)),
                check_milliseconds(row.get("wall_ms", 0)),
                guidelines_version=_version(row.get("guidelines_version", 0)),
            )
        )
    return found


def _version(value: Any) -> int:
    """The version of the guidelines that a person had before them; 0 where it was not said."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**6:
        raise BadInput(f"The guidelines' version of an event must be a whole number, not {str(value)[:40]!a}.")
    return value


def _ready(session: SessionRecord, member: MemberRecord) -> None:
    if session.example:
        raise BadInput(
            "This is a demonstration that comes with the page: its labels are fixed. Make a session to label."
        )
    if member.begun_at is None:
        raise BadInput("Read the guidelines first and press Begin.")


def _folded(session: SessionRecord, rows: Sequence[EventRecord]) -> ItemState:
    return fold([row.event for row in rows], schema_of(session.schema))


def _feedback(session: SessionRecord, item: ItemRecord, state: ItemState) -> dict[str, Any] | None:
    """What a training item tells once it was submitted; a check item never tells."""
    if item.part != "training" or item.expected is None or state.status != "submitted":
        return None
    found = compare(schema_of(session.schema), item.expected, state, [run.pieces for run in item.runs])
    return {"right": found.right, "of": found.of, "lines": list(found.lines), "expected": dict(item.expected)}


def _others(session: SessionRecord, rows: Sequence[EventRecord]) -> list[dict[str, Any]]:
    by: dict[str, list[EventRecord]] = {}
    for row in rows:
        by.setdefault(row.member, []).append(row)
    return [{"by": name, "state": state_fields(_folded(session, rows))} for name, rows in sorted(by.items())]


def _scores(trace: Trace, tokens: int) -> dict[str, list[float | int | None]]:
    return {name: [number(value) for value in np.asarray(trace.scores[name])[:tokens]] for name in trace.scores}


def _score_entries() -> list[dict[str, Any]]:
    return [
        {"name": entry.name, "title": entry.label, "unit": entry.unit, "direction": entry.direction,
         "low": entry.low, "high": entry.high}
        for entry in token_scores.REGISTRY.values()
        if entry.reads == "distribution"
    ]  # fmt: skip
