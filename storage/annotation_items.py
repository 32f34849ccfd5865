"""Items of a session with their frozen texts: written once, read alone, in pages or as an outline without texts.

Knows rows; does not know who was given which item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput
from engine.label_schema import LabelSchema
from storage.annotation_purging import open_to
from storage.annotation_records import FrozenRun, ItemOutline, ItemRecord
from storage.annotation_rows import Row, damaged, insert_rows, joined, label_of, next_id, query, read, sealed
from storage.annotation_settings import expected_text
from storage.limits import StoreLimits
from storage.schema import AnnotationItem, AnnotationRun, RunRow

PREVIEW_CHARS = 160


def item_rows(items: Iterable[ItemRecord], schema: LabelSchema, limits: StoreLimits) -> list[tuple[Row, list[Row]]]:
    """The rows of new items, without ids and hashes, each with those of its runs. BadInput."""
    rows, chars = [], 0
    for number, item in enumerate(items, 1):
        tokens = [len(run.pieces) for run in item.runs]
        first, *others = item.runs
        row = {
            "uid": item.uid,
            "place": item.place,
            "part": item.part,
            "run": first.uid,
            "tokens": tokens[0],
            "other_run": others[0].uid if others else None,
            "other_tokens": tokens[1] if others else None,
            "preview": _preview(first),
            "expected": expected_text(item.expected, schema, tokens, f"Item {number}", limits),
        }
        rows.append((row, [_run_row(run, side) for side, run in enumerate(item.runs)]))
        chars += sum(len(run.text) + len(run.prompt) + len(run.system or "") for run in item.runs)
        if chars > limits.session_chars:
            raise BadInput(f"The texts of the items have more than {limits.session_chars:,} characters; choose fewer.")
    return rows


def size_of(rows: Iterable[tuple[Row, list[Row]]]) -> int:
    """About how many bytes the texts of items take."""
    return sum(
        len(value) for _, runs in rows for run in runs for value in run.values() if isinstance(value, str | bytes)
    )


def write_items(session: Session, session_id: int, rows: Sequence[tuple[Row, list[Row]]]) -> str:
    """Insert the items of a new session; returns the hash over all of them and their texts."""
    first = next_id(session, AnnotationItem)
    items, runs, hashes = [], [], []
    for item_id, (row, own) in enumerate(rows, first):
        items.append(sealed(AnnotationItem, {**row, "id": item_id, "session_id": session_id}))
        texts = [sealed(AnnotationRun, {**run, "item_id": item_id}) for run in own]
        runs += texts
        hashes += [items[-1]["row_hash"], *(text["row_hash"] for text in texts)]
    insert_rows(session, AnnotationItem, items)
    insert_rows(session, AnnotationRun, runs)
    return joined(hashes)


def copied_rows(session: Session, found: Row) -> list[tuple[Row, list[Row]]]:
    """The verified rows of all items of a session, for another session with the same items."""
    items = _page(session, found, 0, found["items"])
    texts = _texts(session, found, items)
    return [(item, texts[item["id"]]) for item in items]


def read_item(session: Session, found: Row, item_id: int) -> ItemRecord:
    """One item that is known to be there, with its texts. StoreDamaged."""
    rows = read(session, _of(found).where(col(AnnotationItem.id) == item_id), AnnotationItem, label_of(found["uid"]))
    if not rows:
        raise damaged(label_of(found["uid"]), "one of its items is missing")
    return to_items(session, found, rows)[0]


def read_items(session: Session, found: Row, offset: int, limit: int | None) -> tuple[ItemRecord, ...]:
    """A page of the items with their texts, by place."""
    return to_items(session, found, _page(session, found, offset, found["items"] if limit is None else limit))


def to_items(session: Session, found: Row, rows: Sequence[Row]) -> tuple[ItemRecord, ...]:
    """Verified item rows with their texts."""
    texts = _texts(session, found, rows)
    return tuple(
        ItemRecord(
            uid=row["uid"],
            place=row["place"],
            part=row["part"],
            runs=tuple(_to_run(found, text, uid) for text, uid in zip(texts[row["id"]], runs_of(row), strict=True)),
            expected=_expected(row),
        )
        for row in rows
    )


def read_outline(session: Session, found: Row) -> tuple[ItemOutline, ...]:
    """All items without their texts, by place; StoreDamaged when one is missing."""
    rows = _page(session, found, 0, found["items"])
    return tuple(
        ItemOutline(
            uid=row["uid"],
            place=row["place"],
            part=row["part"],
            runs=runs_of(row),
            tokens=tokens_of(row),
            text=row["preview"],
            expected=_expected(row),
        )
        for row in rows
    )


def read_gone(session: Session, found: Row) -> frozenset[str]:
    """Runs of the session's items that are not there for its owner: missing, in the bin, or somebody else's own."""
    named = select(col(AnnotationItem.run), col(AnnotationItem.other_run))
    pairs = session.execute(named.where(col(AnnotationItem.session_id) == found["id"])).all()
    wanted = {uid for pair in pairs for uid in pair if uid is not None}
    living = select(col(RunRow.uid)).where(col(RunRow.deleted_at).is_(None), open_to(found["owner"]))
    items = select(col(AnnotationItem.run)).where(col(AnnotationItem.session_id) == found["id"])
    others = select(col(AnnotationItem.other_run)).where(
        col(AnnotationItem.session_id) == found["id"], col(AnnotationItem.other_run).is_not(None)
    )
    there = session.execute(living.where(col(RunRow.uid).in_(items.union(others)))).scalars()
    return frozenset(wanted - set(there))


def runs_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Uids of the runs of an item's row."""
    return (row["run"],) if row["other_run"] is None else (row["run"], row["other_run"])


def tokens_of(row: Mapping[str, Any]) -> tuple[int, ...]:
    """Tokens of each run of an item's row."""
    return (row["tokens"],) if row["other_tokens"] is None else (row["tokens"], row["other_tokens"])


def items_hash(session: Session, found: Row) -> str:
    """What `items_hash` must be, over verified rows."""
    return joined(
        value
        for item, texts in copied_rows(session, found)
        for value in (item["row_hash"], *(text["row_hash"] for text in texts))
    )


def _page(session: Session, found: Row, offset: int, limit: int) -> list[Row]:
    """Item rows by place; StoreDamaged when one is missing."""
    first, count = max(0, offset), max(0, limit)
    rows = read(session, _of(found).offset(first).limit(count), AnnotationItem, label_of(found["uid"]))
    if [row["place"] for row in rows] != list(range(first, min(first + count, found["items"]))):
        raise damaged(label_of(found["uid"]), "some of its items are missing")
    return rows


def _of(found: Row) -> Any:
    return query(AnnotationItem, col(AnnotationItem.session_id) == found["id"]).order_by(col(AnnotationItem.place))


def _texts(session: Session, found: Row, items: Sequence[Row]) -> dict[int, list[Row]]:
    """The text rows of these items by item id, the first run's first; StoreDamaged when one is missing."""
    texts: dict[int, list[Row]] = {item["id"]: [] for item in items}
    ids = list(texts)
    for start in range(0, len(ids), 1000):
        statement = query(AnnotationRun, col(AnnotationRun.item_id).in_(ids[start : start + 1000]))
        statement = statement.order_by(col(AnnotationRun.item_id), col(AnnotationRun.side))
        for row in read(session, statement, AnnotationRun, label_of(found["uid"])):
            texts[row["item_id"]].append(row)
    for item in items:
        if len(texts[item["id"]]) != len(runs_of(item)):
            raise damaged(label_of(found["uid"]), f"the text of item {item['uid']} is missing")
    return texts


def _run_row(run: FrozenRun, side: int) -> Row:
    return {
        "side": side,
        "prompt": run.prompt,
        "system": run.system,
        "body": run.text,
        "sizes": json.dumps([len(piece) for piece in run.pieces], separators=(",", ":")),
        "special": json.dumps(list(run.special), separators=(",", ":")),
        "text_hash": run.text_hash,
        "model_name": run.model_name,
        "seed": run.seed,
    }


def _to_run(found: Row, row: Row, uid: str) -> FrozenRun:
    ends = [0, *accumulate(json.loads(row["sizes"]))]
    body = row["body"]
    if ends[-1] != len(body):
        raise damaged(label_of(found["uid"]), "the pieces of a text do not make it up")
    return FrozenRun(
        uid=uid,
        prompt=row["prompt"],
        system=row["system"],
        text=body,
        pieces=tuple(body[start:stop] for start, stop in pairwise(ends)),
        special=tuple(json.loads(row["special"])),
        text_hash=row["text_hash"],
        model_name=row["model_name"],
        seed=row["seed"],
    )


def _preview(run: FrozenRun) -> str:
    hidden = set(run.special)
    return "".join(piece for i, piece in enumerate(run.pieces) if i not in hidden)[:PREVIEW_CHARS]


def _expected(row: Row) -> Any:
    return None if row["expected"] is None else json.loads(row["expected"])
