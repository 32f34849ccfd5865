"""Everything of a run but its arrays: reading, verifying and sealing.

A header is sealed by a hash over the raw values of all its rows, so that a damaged title or score is noticed before
anything is made of it. Knows rows; does not know queries of the library or traces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, select, update
from sqlalchemy.orm import Session, aliased
from sqlmodel import SQLModel, col

from engine.errors import StoreDamaged
from storage.records import ANSWER_CHARS, PROMPT_CHARS, RunHeader
from storage.schema import ModelRow, RunRow, RunScore, RunTag, RunText
from storage.traces import TraceTexts
from storage.values import Scalar, digest, moment

_TEXT_FIELDS = ("prompt", "system", "answer", "settings", "details")


@dataclass(frozen=True)
class RawHeader:
    """The rows of one run, values as SQLite gave them; a damaged file may hold anything here."""

    run: Mapping[str, Any]
    text: Mapping[str, Any]
    model: Mapping[str, Any]
    parent: Any
    root: Any
    tags: tuple[Any, ...]
    scores: tuple[tuple[Any, Any], ...]

    @property
    def label(self) -> str:
        """How sentences call this run."""
        return f"Run {self.run['uid']}"

    def hash(self) -> str:
        """What `header_hash` must be."""
        values: list[Scalar] = [value for name, value in self.run.items() if name != "header_hash"]
        values += [self.text[name] for name in _TEXT_FIELDS]
        values += [*self.model.values(), self.parent, self.root, len(self.tags), *self.tags]
        for name, value in self.scores:
            values += [name, value]
        return digest(values)

    @property
    def sound(self) -> bool:
        """Whether every value is what was stored."""
        return self.run["header_hash"] == self.hash()

    def verify(self) -> None:
        """StoreDamaged unless sound."""
        if not self.sound:
            raise StoreDamaged(
                f"{self.label} is damaged: its description does not match its checksum. "
                "Nothing was changed; restore it from a backup or an export."
            )


def columns(table: type[SQLModel], names: Sequence[str] | None = None) -> list[Any]:
    """The columns of a table in the order of its fields, or only those named."""
    return [col(getattr(table, name)) for name in names or table.model_fields]


@cache
def _statements() -> tuple[Select[Any], Select[Any], Select[Any]]:
    """Tags, scores and header rows of the runs `ids`; built once, because building takes longer than running."""
    parent, root = aliased(RunRow), aliased(RunRow)
    ids: BindParameter[int] = bindparam("ids", expanding=True)
    tags = select(*columns(RunTag)).where(col(RunTag.run_id).in_(ids))
    scores = select(*columns(RunScore)).where(col(RunScore.run_id).in_(ids))
    rows = (
        select(*columns(RunRow), *columns(RunText, _TEXT_FIELDS), *columns(ModelRow), col(parent.uid), col(root.uid))
        .select_from(RunRow)
        .outerjoin(RunText, col(RunText.run_id) == RunRow.id)
        .outerjoin(ModelRow, col(ModelRow.id) == RunRow.model_id)
        .outerjoin(parent, col(parent.id) == RunRow.parent_id)
        .outerjoin(root, col(root.id) == RunRow.root_id)
        .where(col(RunRow.id).in_(ids))
    )
    return tags, scores, rows


def load_headers(session: Session, ids: Sequence[int]) -> dict[int, RawHeader]:
    """Raw headers by row id; ids without a run are missing from the answer. Reads no arrays."""
    tag_query, score_query, row_query = _statements()
    asked = {"ids": list(ids)}
    tags: dict[int, list[Any]] = {}
    for run_id, tag in session.execute(tag_query, asked):
        tags.setdefault(run_id, []).append(tag)
    scores: dict[int, list[tuple[Any, Any]]] = {}
    for run_id, name, value in session.execute(score_query, asked):
        scores.setdefault(run_id, []).append((name, value))
    first = len(RunRow.model_fields)
    second = first + len(_TEXT_FIELDS)
    found = {}
    for row in session.execute(row_query, asked):
        values = tuple(row)
        found[values[0]] = RawHeader(
            run=dict(zip(RunRow.model_fields, values[:first], strict=True)),
            text=dict(zip(_TEXT_FIELDS, values[first:second], strict=True)),
            model=dict(zip(ModelRow.model_fields, values[second:-2], strict=True)),
            parent=values[-2],
            root=values[-1],
            tags=tuple(sorted(tags.get(values[0], ()), key=str)),
            scores=tuple(sorted(scores.get(values[0], ()), key=str)),
        )
    return found


def load_header(session: Session, run_id: int) -> RawHeader:
    """The verified header of one run that is known to exist; StoreDamaged otherwise."""
    raw = load_headers(session, [run_id]).get(run_id)
    if raw is None:
        raise StoreDamaged("The library's index names a run that is not there; restore it from a backup.")
    raw.verify()
    return raw


def seal(session: Session, run_id: int) -> None:
    """Write the hash of what the rows hold now; the caller has verified or written every one of them."""
    raw = load_headers(session, [run_id])[run_id]
    session.execute(update(RunRow).where(col(RunRow.id) == run_id).values(header_hash=raw.hash()))


def to_header(raw: RawHeader) -> RunHeader:
    """The header of a sound raw header; of a damaged one only the uid, marked so."""
    if not raw.sound:
        return _damaged(str(raw.run["uid"]))
    run, text = raw.run, raw.text
    return RunHeader(
        uid=run["uid"],
        title=run["title"],
        prompt=text["prompt"][:PROMPT_CHARS],
        answer=text["answer"][:ANSWER_CHARS],
        kind=run["kind"],
        status=run["status"],
        model_name=raw.model["name"],
        quantization=raw.model["quantization"],
        tokens=run["tokens"],
        seed=run["seed"],
        created_at=moment(run["created_at"]),
        tags=raw.tags,
        note=run["note"],
        run_scores={name: float("nan") if value is None else value for name, value in raw.scores},
        example=bool(run["example"]),
        parent=raw.parent,
        owner=run["owner"],
        visibility=run["visibility"],
        fork_position=run["fork_position"],
        root=raw.root,
        finish_reason=run["finish_reason"],
        seconds=float("nan") if run["seconds"] is None else run["seconds"],
        text_hash=run["text_hash"],
        updated_at=moment(run["updated_at"]),
    )


def to_texts(raw: RawHeader) -> TraceTexts:
    """The parts of the trace that are no arrays, from a verified header."""
    run, text = raw.run, raw.text
    return TraceTexts(
        **{name: text[name] for name in _TEXT_FIELDS},
        **{name: run[name] for name in ("seed", "finish_reason", "kind", "noise_version", "seconds")},
        card=raw.model["card"],
    )


def _damaged(uid: str) -> RunHeader:
    return RunHeader(
        uid=uid,
        title="(damaged)",
        prompt="",
        answer="",
        kind="",
        status="",
        model_name="",
        quantization="",
        tokens=0,
        seed=None,
        created_at=datetime.fromtimestamp(0, UTC),
        tags=(),
        note="This run fails its checksum; restore it from a backup or an export.",
        run_scores={},
        example=False,
        parent=None,
        owner="",
        damaged=True,
    )
