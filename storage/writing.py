"""A new run: checked and packed before the write lock is taken, then inserted within the caller's transaction.

Knows how rows of a run belong together; does not know who may do what.
"""

from __future__ import annotations

import json
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, get_args

from sqlalchemy import insert, select
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput
from engine.types import Trace
from storage.chain import ChainArrays, OwnArrays, divide, divide_from, to_row
from storage.headers import columns, seal
from storage.limits import StoreLimits
from storage.records import Status, Visibility
from storage.schema import ModelRow, RunArray, RunRow, RunScore, RunTag, RunText
from storage.traces import TraceTexts, check_trace, content_hash, texts_of, to_arrays
from storage.values import clean_tags, clean_text, clean_uid, microseconds, real_or_null, whole_number

SEPARATOR = "\x1f"  # between the searched fields, so that no match spans two of them


@dataclass(frozen=True)
class NewRun:
    """A run as handed in, with the labels a person gave it."""

    trace: Trace
    owner: str
    status: str
    run_scores: Mapping[str, float]
    title: str = ""
    tags: Sequence[str] = ()
    note: str = ""
    example: bool = False
    visibility: str = "private"
    uid: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class Parent:
    """The run that a new one follows for its first `fork` tokens."""

    run_id: int
    root_id: int | None
    chain_depth: int
    fork: int
    chain: ChainArrays
    score_names: tuple[str, ...]


@dataclass(frozen=True)
class PreparedRun:
    """A checked and packed run; inserting it does no more thinking."""

    columns: Mapping[str, Any]
    texts: TraceTexts
    own: OwnArrays
    tags: tuple[str, ...]
    run_scores: Mapping[str, float | None]
    trace: Trace


def check_new(new: NewRun, limits: StoreLimits) -> None:
    """BadInput unless the run can be stored."""
    check_trace(new.trace, limits)
    if new.trace.seconds < 0:
        raise BadInput(f"A run cannot take {new.trace.seconds} seconds.")
    for field, value, allowed in (("status", new.status, Status), ("visibility", new.visibility, Visibility)):
        if value not in get_args(allowed):
            raise BadInput(f"The {field} '{value}' is unknown; use one of {', '.join(get_args(allowed))}.")
    clean_text(new.owner, "The owner", limits.owner_chars, empty=False)
    clean_text(new.title, "The title", limits.title_chars)
    clean_text(new.note, "The note", limits.note_chars)
    clean_tags(new.tags, limits)
    _scores(new.run_scores, limits)
    if new.uid is not None:
        clean_uid(new.uid)


def prepare(new: NewRun, parent: Parent | None, limits: StoreLimits) -> PreparedRun:
    """Check and pack a run; BadInput before anything is written."""
    check_new(new, limits)
    trace = new.trace
    texts, arrays = texts_of(trace), to_arrays(trace)
    created = microseconds(new.created_at or datetime.now(UTC))
    values = {
        "uid": secrets.token_hex(12) if new.uid is None else new.uid,
        "owner": new.owner,
        "visibility": new.visibility,
        "example": int(new.example),
        "status": new.status,
        "seed": trace.seed,
        "noise_version": trace.noise_version,
        "kind": trace.kind,
        "finish_reason": trace.finish_reason,
        "tokens": len(trace),
        "seconds": texts.seconds,
        "title": new.title,
        "note": new.note,
        "created_at": created,
        "updated_at": created,
        "text_hash": sha256(trace.text.encode()).hexdigest(),
        "content_hash": content_hash(texts, arrays, trace.token_bytes),
    }
    own = divide(arrays, trace.token_bytes)
    depth = 0
    if parent is not None:
        same = parent.score_names == tuple(trace.scores)
        shared = divide_from(parent.chain, arrays, trace.token_bytes, fork=parent.fork, same_scores=same)
        if shared.shares and parent.chain_depth < limits.chain_depth:
            own, depth = shared, parent.chain_depth + 1
        values |= {"parent_id": parent.run_id, "root_id": parent.root_id or parent.run_id}
        values["fork_position"] = parent.fork
    scores = _scores(new.run_scores, limits)
    return PreparedRun(values | {"chain_depth": depth}, texts, own, clean_tags(new.tags, limits), scores, trace)


def add_run(session: Session, run: PreparedRun) -> str:
    """Insert every row of the run and seal it; returns the uid. BadInput when the uid is taken."""
    uid = str(run.columns["uid"])
    if session.execute(select(col(RunRow.id)).where(col(RunRow.uid) == uid)).first():
        raise BadInput(f"A run with the id {uid} is already in the library; leave the id out to get a new one.")
    model_id = _model_id(session, run)
    row = {**run.columns, "model_id": model_id, "header_hash": ""}
    run_id = int(session.execute(insert(RunRow).values(**row).returning(*columns(RunRow, ["id"]))).scalar_one())
    texts = run.texts
    session.execute(
        insert(RunText).values(
            run_id=run_id,
            prompt=texts.prompt,
            system=texts.system,
            answer=texts.answer,
            settings=texts.settings,
            details=texts.details,
            search=search_text(str(row["title"]), str(row["note"]), run.tags, texts.prompt, texts.answer),
        )
    )
    write_tags(session, run_id, run.tags)
    scores = [{"run_id": run_id, "name": name, "value": value} for name, value in run.run_scores.items()]
    if scores:
        session.execute(insert(RunScore), scores)
    arrays = [
        {"run_id": run_id, "name": name, "start": start, **to_row(packed)}
        for name, (start, packed) in run.own.packed.items()
    ]
    session.execute(insert(RunArray), arrays)
    seal(session, run_id)
    return uid


def write_tags(session: Session, run_id: int, tags: Sequence[str]) -> None:
    """Give the run these tags; it must have none."""
    if tags:
        session.execute(insert(RunTag), [{"run_id": run_id, "tag": tag} for tag in tags])


def search_text(title: str, note: str, tags: Sequence[str], prompt: str, answer: str) -> str:
    """What the library searches, folded the way `folded` folds a query."""
    return SEPARATOR.join(folded(part) for part in (title, note, *tags, prompt, answer))


def folded(text: str) -> str:
    """Without case, accents as one character; NUL, at which SQLite's LIKE stops, and the separator become blanks."""
    return unicodedata.normalize("NFC", text.casefold()).replace("\0", " ").replace(SEPARATOR, " ")


def _scores(run_scores: Mapping[str, float], limits: StoreLimits) -> dict[str, float | None]:
    whole_number(len(run_scores), "The number of run scores", 0, limits.scores)
    return {
        clean_text(name, "A run score's name", limits.name_chars, empty=False): real_or_null(value, f"Score '{name}'")
        for name, value in run_scores.items()
    }


def _model_id(session: Session, run: PreparedRun) -> int:
    card = run.texts.card
    found = session.execute(select(col(ModelRow.id)).where(col(ModelRow.card) == card)).scalar()
    if found is not None:
        return int(found)
    values = {name: value for name, value in json.loads(card).items() if name in ModelRow.model_fields}
    statement = insert(ModelRow).values(**values, card=card).returning(*columns(ModelRow, ["id"]))
    return int(session.execute(statement).scalar_one())
