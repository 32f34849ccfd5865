"""A session as a data set: a zip that the `datasets` library loads as it is unpacked, with card and manifest.

data/ has a row for each item and voice with the item's texts, items/ a row for each item. Columns are typed: an answer
has the type of its question. Pure; the zip is the same for the same session.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.label_schema import NOWHERE, Question
from storage.annotation_records import FrozenRun
from ui.session_card import card
from ui.session_lines import manifest, time_text
from ui.session_tables import bio_tags
from ui.session_voices import Item, Told, Voice, bounds, covered

if TYPE_CHECKING:
    import pyarrow

DATA = "data/train-00000-of-00001.parquet"
ITEMS = "items/train-00000-of-00001.parquet"
# rows that are held in memory at a time, and in a row group
PART = 500
# what stands for "nowhere" in a column of token indices, where null is no answer
NOWHERE_INDEX = -1


def zipped(told: Told, names: bool = False) -> bytes:
    """The whole archive: README.md, manifest.json, and the two tables."""
    data, items = data_schema(told, names), items_schema(told)
    columns = {name: [(one.name, str(one.type)) for one in shape] for name, shape in (("data", data), ("items", items))}
    files = {
        "README.md": card(told, names, columns, {"default": DATA, "items": ITEMS}).encode(),
        "manifest.json": (json.dumps(manifest(told, names), indent=2) + "\n").encode(),
        DATA: _parquet(data, _data_rows(told)),
        ITEMS: _parquet(items, _item_rows(told)),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # always the same moment, or the same session would give another file each time
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _parquet(shape: pyarrow.Schema, rows: Iterable[dict[str, Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    rest = iter(rows)
    with pyarrow.parquet.ParquetWriter(out, shape, compression="zstd") as writer:
        while part := list(islice(rest, PART)):
            writer.write_table(pyarrow.Table.from_pylist(part, schema=shape))
    return out.getvalue()


def items_schema(told: Told) -> pyarrow.Schema:
    """Columns of items/: the texts, those of a second run with "_b"."""
    import pyarrow as pa

    return pa.schema([("item", pa.int32()), ("part", pa.string()), *_text_columns(told)])


def _text_columns(told: Told) -> list[tuple[str, Any]]:
    import pyarrow as pa

    text, numbers = pa.string(), pa.list_(pa.int32())
    columns = {
        "run": text, "model": text, "prompt": text, "system": text, "text": text, "text_hash": text,
        "tokens": pa.list_(text), "token_start_char": numbers, "token_stop_char": numbers, "special_tokens": numbers,
    }  # fmt: skip
    return [(name + mark, kind) for mark in _marks(told) for name, kind in columns.items()]


def _marks(told: Told) -> tuple[str, ...]:
    return ("", "_b") if any(len(item.record.runs) > 1 for item in told.items) else ("",)


def data_schema(told: Told, names: bool) -> pyarrow.Schema:
    """Columns of data/: who says it, the item's texts, and everything that is said."""
    import pyarrow as pa

    text, number = pa.string(), pa.int32()
    label = {
        "set": text, "label": text, "run": number, "start": number, "stop": number, "start_char": number,
        "stop_char": number, "text": text,
    }  # fmt: skip
    head = {"item": number, "part": text, "annotator": text, **({"annotator_name": text} if names else {})}
    tags = {f"tags_{one.name}{mark}": pa.list_(text) for one in told.schema.label_sets for mark in _marks(told)}
    types = {
        "multi": pa.list_(text),
        "likert": number,
        "token": number,
    }
    answers = {f"answer_{one.name}": types.get(one.kind, text) for one in told.schema.questions}
    rest = {
        "comment": text, "flagged": pa.bool_(), "skip_reason": text, "reason": text, "confidence": number,
        "active_seconds": pa.float64(), "changes": number, "last_at": text, "schema_version": number,
        "guidelines_versions": pa.list_(number),
    }  # fmt: skip
    labels = [("labels", pa.list_(pa.struct(list(label.items()))))]
    columns = [*head.items(), ("status", text), *_text_columns(told), *labels, *tags.items(), *answers.items()]
    return pa.schema([*columns, *rest.items()])


def _item_rows(told: Told) -> Iterator[dict[str, Any]]:
    for item in told.items:
        yield {"item": item.number, "part": item.record.part, **_texts(item)}


def _texts(item: Item) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for mark, run in zip(("", "_b"), item.record.runs, strict=False):
        row |= {name + mark: value for name, value in _text_row(run).items()}
    return row


def _text_row(run: FrozenRun) -> dict[str, Any]:
    places = bounds(run)
    return {
        "run": run.uid, "model": run.model_name, "prompt": run.prompt, "system": run.system, "text": run.text,
        "text_hash": run.text_hash, "tokens": list(run.pieces), "token_start_char": places[:-1],
        "token_stop_char": places[1:], "special_tokens": list(run.special),
    }  # fmt: skip


def _data_rows(told: Told) -> Iterator[dict[str, Any]]:
    for item in told.items:
        texts = _texts(item)
        for voice in item.voices:
            yield {"item": item.number, "part": item.record.part, **texts, **_said(item, voice, told)}


def _said(item: Item, voice: Voice, told: Told) -> dict[str, Any]:
    state, runs = voice.state, item.record.runs
    row: dict[str, Any] = {
        "annotator": voice.who, "annotator_name": voice.name, "status": state.status, "comment": state.comment,
        "flagged": state.flagged, "skip_reason": state.skip_reason, "reason": voice.reason,
        "confidence": voice.confidence, "changes": state.changes,
        "active_seconds": state.active_seconds if state.events else None,
        "guidelines_versions": list(state.guidelines_versions),
    }  # fmt: skip
    events = [*voice.labels.values(), *voice.answers.values()]
    row["last_at"] = time_text(max((event.at for event in events if event.at), default=None))
    row["schema_version"] = told.whole.session.schema_version
    places = [bounds(run) for run in runs]
    row["labels"] = [] if voice.labelled else None
    for label in state.labels:
        start, stop, text = covered(label, runs[label.run], places[label.run])
        place = {"run": label.run, "start": label.start, "stop": label.stop, "start_char": start, "stop_char": stop}
        row["labels"].append({"set": label.set, "label": label.label, **place, "text": text})
    for index, (mark, run) in enumerate(zip(("", "_b"), runs, strict=False)):
        for one in told.schema.label_sets:
            known = voice.counts and voice.labelled
            row[f"tags_{one.name}{mark}"] = bio_tags(voice, one, index, len(run.pieces)) if known else None
    return row | {f"answer_{one.name}": _typed(one, state.answers.get(one.name)) for one in told.schema.questions}


def _typed(question: Question, value: Any) -> Any:
    return NOWHERE_INDEX if question.kind == "token" and value == NOWHERE else value
