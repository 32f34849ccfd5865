"""A session as text tables: CSV with one label a row, safe to open in a spreadsheet, and CoNLL with a column a voice.

Offsets are token indices and code points. Pure; knows forms of tables only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from engine.label_events import LabelEvent
from engine.label_schema import LabelSet
from storage.annotation_records import FrozenRun
from ui.fork_files import cleaned
from ui.session_lines import FORMAT, VERSION, time_text
from ui.session_voices import EXPECTED, Item, Told, Voice, bounds, covered, values

COLUMNS = (
    "item", "part", "annotator", "kind", "name", "value", "run_index", "run", "start", "stop", "start_char",
    "stop_char", "text", "text_hash", "status", "reason", "confidence", "active_seconds", "changes", "at",
    "schema_version", "guidelines_version",
)  # fmt: skip
# what makes a spreadsheet take a cell for a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# blanks and controls that somebody's reader may break a line or a column at, and marks that turn the direction
_BREAKING = (
    *range(9), 11, 12, *range(14, 32), *range(127, 161), 0x061C, 0x1680, *range(0x2000, 0x2010), *range(0x2028, 0x2030),
    0x205F, *range(0x2066, 0x206A), 0x3000, 0xFEFF,
)  # fmt: skip
_NAMED = {"\\": "\\\\", " ": "\\s", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = str.maketrans({**{chr(sign): f"\\u{sign:04x}" for sign in _BREAKING}, **_NAMED})


def csv_table(told: Told, names: bool = False) -> bytes:
    """One row for each text, label, answer, comment, flag and status; UTF-8 with the mark that spreadsheets need."""
    out = io.StringIO(newline="")
    columns = [*COLUMNS[:3], *(["annotator_name"] if names else []), *COLUMNS[3:]]
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for item in told.items:
        for row in _rows(item, told):
            writer.writerow({name: safe(value) for name, value in row.items()})
    return out.getvalue().encode("utf-8-sig")


def safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = cleaned(value).replace("\0", "\ufffd")
    return "'" + text if text.startswith(_FORMULA) else text


def _rows(item: Item, told: Told) -> Iterator[dict[str, Any]]:
    session = told.whole.session
    head = {"item": item.number, "part": item.record.part}
    for index, run in enumerate(item.record.runs):
        places = bounds(run)
        span = {"start": 0, "stop": len(run.pieces), "start_char": 0, "stop_char": places[-1], "text": run.text}
        yield {**head, "kind": "text", **_of_run(index, run), **span}
    for voice in item.voices:
        said = {**head, "annotator": voice.who, "annotator_name": voice.name, "status": voice.state.status}
        said |= {"schema_version": session.schema_version}
        yield from ({**said, **row} for row in _labels(item, voice))
        yield from ({**said, **row} for row in _answers(item, voice, told))
        yield from ({**said, **row} for row in _about(voice))


def _of_run(index: int, run: FrozenRun) -> dict[str, Any]:
    return {"run_index": index, "run": run.uid, "text_hash": run.text_hash}


def _of_event(event: LabelEvent | None) -> dict[str, Any]:
    if event is None:
        return {}
    versions = {"schema_version": event.schema_version, "guidelines_version": event.guidelines_version}
    return {"at": time_text(event.at), **versions}


def _labels(item: Item, voice: Voice) -> Iterator[dict[str, Any]]:
    places = [bounds(run) for run in item.record.runs]
    for label in voice.state.labels:
        run = item.record.runs[label.run]
        start, stop, text = covered(label, run, places[label.run])
        span = {"start": label.start, "stop": label.stop, "start_char": start, "stop_char": stop, "text": text}
        named = {"kind": "label", "name": label.set, "value": label.label}
        yield {**named, **_of_run(label.run, run), **span, **_of_event(voice.labels.get(label.uuid))}


def _answers(item: Item, voice: Voice, told: Told) -> Iterator[dict[str, Any]]:
    run = item.record.runs[0]
    for question in told.schema.questions:
        if question.name not in voice.state.answers:
            continue
        for value in values(question, voice.state.answers[question.name]):
            row = {"kind": "answer", "name": question.name, "value": value}
            if question.kind == "token" and isinstance(value, int):
                places = bounds(run)
                row |= {**_of_run(0, run), "start": value, "stop": value + 1, "text": run.pieces[value]}
                row |= {"start_char": places[value], "stop_char": places[value + 1]}
            yield {**row, **_of_event(voice.answers.get(question.name))}


def _about(voice: Voice) -> Iterator[dict[str, Any]]:
    state = voice.state
    if state.comment:
        yield {"kind": "comment", "value": state.comment}
    if state.flagged:
        yield {"kind": "flag", "value": True}
    if voice.who != EXPECTED:
        times = {"active_seconds": state.active_seconds, "changes": state.changes} if state.events else {}
        reason = state.skip_reason or voice.reason
        yield {"kind": "status", "value": state.status, "reason": reason, "confidence": voice.confidence, **times}


def conll(told: Told, names: bool = False) -> bytes:
    """Tokens below each other, a column of BIO tags for each label set and voice; a block for each text.

    A voice that has not handed in an item has "_" there. Several labels on a token are joined by "|".
    """
    session, who = told.whole.session, told.voices
    shown = _shown_names(told) if names else {}
    tracks = [(label_set, voice) for label_set in told.schema.label_sets for voice in who]
    columns = ["id", "token", "start_char", "stop_char"]
    columns += [_escaped(f"{label_set.name}:{shown.get(voice, voice)}") for label_set, voice in tracks]
    lines = [
        f"# {FORMAT} version {VERSION}; schema version {session.schema_version}; guidelines version "
        f"{session.guidelines_version}",
        f"# title: {_escaped(session.title)}",
        r"# tokens are escaped: \s blank, \n \r \t line end and tab, \\ backslash, \uXXXX other blanks, \e nothing",
        "# offsets count Unicode code points of the text from 0; _ stands where a voice has not handed in",
        "# columns: " + " ".join(columns),
    ]
    for item in told.items:
        for index, run in enumerate(item.record.runs):
            lines += ["", f"# item {item.number} run_index {index} part {item.record.part}"]
            lines += [f"# run {_escaped(run.uid)} text_hash {run.text_hash} tokens {len(run.pieces)}"]
            lines += _block(item, index, run, tracks)
    return cleaned("\n".join(lines) + "\n").encode()


def _shown_names(told: Told) -> Mapping[str, str]:
    return {member.pseudonym: f"{member.pseudonym}={member.name}" for member in told.members}


def _block(item: Item, index: int, run: FrozenRun, tracks: list[tuple[LabelSet, str]]) -> Iterator[str]:
    places = bounds(run)
    voices = {voice.who: voice for voice in item.voices}
    tags = [bio_tags(voices.get(who), label_set, index, len(run.pieces)) for label_set, who in tracks]
    for i, piece in enumerate(run.pieces):
        cells = [str(i), _escaped(piece), str(places[i]), str(places[i + 1]), *(column[i] for column in tags)]
        yield "\t".join(cells)


def bio_tags(voice: Voice | None, label_set: LabelSet, run: int, tokens: int) -> list[str]:
    """One tag a token for a set of labels: B-, I- or O, several joined by "|"; "_" where nothing was handed in."""
    if voice is None or not voice.counts:
        return ["_"] * tokens
    found: list[list[str]] = [[] for _ in range(tokens)]
    mine = [label for label in voice.state.labels if (label.set, label.run) == (label_set.name, run)]
    for label in sorted(mine, key=lambda one: (label_set.index(one.label), one.start)):
        for token in range(label.start, label.stop):
            # of a set for single tokens every token is a unit of its own
            begins = token == label.start or label_set.unit == "token"
            found[token].append(f"{'B' if begins else 'I'}-{label.label}")
    return ["|".join(tags) or "O" for tags in found]


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES) or "\\e"
