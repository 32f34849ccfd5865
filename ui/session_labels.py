"""Labels made elsewhere, as actions in a session: JSON lines, each with a text of the session and what is said of it.

{"text_hash" | "run" | "text", "labels": [{"set", "label", "start", "stop" | "start_char", "stop_char"}], "answers":
{question: value}}. What does not fit is named with its line; the rest is taken. Characters are code points; a label
that begins or ends within a token takes the whole token. Pure; does not know the store.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

from engine.errors import BadInput
from engine.label_events import LabelEvent, check_event, fold, missing
from engine.label_nodes import shown
from engine.label_schema import LabelSchema
from storage.annotation_records import FrozenRun, ItemRecord
from storage.limits import ImportLimits
from storage.strict_json import parse
from ui.session_voices import bounds

MOST_LINES = 200_000
MOST_ACTIONS = 500_000
_KEYS = ("text_hash", "run", "text")
_FIELDS = {*_KEYS, "labels", "answers"}
_LABEL = {"set", "label"}


@dataclass(frozen=True)
class _Place:
    """A run of an item that a line speaks of."""

    item: ItemRecord
    index: int

    @property
    def run(self) -> FrozenRun:
        return self.item.runs[self.index]

    @property
    def tokens(self) -> list[int]:
        return [len(run.pieces) for run in self.item.runs]


def read_labels(
    data: str | bytes, items: Sequence[ItemRecord], schema: LabelSchema, limits: ImportLimits | None = None
) -> tuple[dict[str, list[LabelEvent]], list[dict[str, Any]]]:
    """Actions by item uid, and what was refused as {"line", "reason"}. BadInput for a file that is refused whole.

    The same file gives the same actions with the same ids, so that importing it twice adds nothing. An item that has
    every required answer is handed in.
    """
    bounds_of_file = limits or ImportLimits()
    found: dict[str, dict[str, LabelEvent]] = {}
    refused = _Refused(bounds_of_file.problems)
    index = _index(items)
    actions = 0
    for number, line in _lines(data, bounds_of_file):
        for place, kind, payload in _read(number, line, index, schema, bounds_of_file, refused):
            event = LabelEvent(_uuid(place.item, kind, payload), kind, payload)
            found.setdefault(place.item.uid, {}).setdefault(event.uuid, event)
            actions += 1
        if actions > MOST_ACTIONS:
            raise BadInput(f"The file has more than {MOST_ACTIONS:,} labels; split it into smaller files.")
    by_uid = {item.uid: item for item in items}
    events = {uid: _handed_in(by_uid[uid], list(own.values()), schema) for uid, own in found.items()}
    return events, refused.told()


class _Refused:
    """What was refused, the first of it with reasons, the rest counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: list[dict[str, Any]] = []
        self._more = 0

    def add(self, line: int, reason: str) -> None:
        if len(self._rows) < self._most:
            self._rows.append({"line": line, "reason": reason})
        else:
            self._more += 1

    def told(self) -> list[dict[str, Any]]:
        more = [{"line": 0, "reason": f"{self._more:,} more were refused."}] if self._more else []
        return self._rows + more


def _lines(data: str | bytes, limits: ImportLimits) -> Iterator[tuple[int, bytes]]:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > limits.file_bytes:
        raise BadInput(f"The file has {len(raw):,} bytes; split it into files of at most {limits.file_bytes:,}.")
    if raw.startswith(b"PK\x03\x04"):
        raise BadInput("This is an archive; unpack it and choose the file of JSON lines in it.")
    if raw.count(b"\n") > MOST_LINES:
        raise BadInput(f"The file has more than {MOST_LINES:,} lines; split it into smaller files.")
    lines = [(i, line) for i, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1) if line.strip()]
    if not lines:
        raise BadInput('The file is empty; each line is an object such as {"text_hash": …, "labels": […]}.')
    return iter(lines)


def _index(items: Sequence[ItemRecord]) -> dict[tuple[str, str], list[_Place]]:
    index: dict[tuple[str, str], list[_Place]] = {}
    for item in items:
        for i, run in enumerate(item.runs):
            for key in (("run", run.uid), ("text_hash", run.text_hash)):
                index.setdefault(key, []).append(_Place(item, i))
    return index


def _read(
    number: int,
    line: bytes,
    index: Mapping[tuple[str, str], list[_Place]],
    schema: LabelSchema,
    limits: ImportLimits,
    refused: _Refused,
) -> Iterator[tuple[_Place, str, dict[str, Any]]]:
    """Every action that a line comes to; what does not fit goes to `refused`."""
    try:
        if len(line) > limits.line_bytes:
            raise BadInput(f"it has {len(line):,} bytes; at most {limits.line_bytes:,} are allowed")
        fields = parse(line, limits)
        places = _places(fields, index)
        labels, answers = fields.get("labels", []), fields.get("answers", {})
        if not isinstance(labels, list) or not isinstance(answers, Mapping):
            raise BadInput("labels must be a list and answers a mapping")
        if not labels and not answers:
            raise BadInput("it has neither labels nor answers")
    except BadInput as problem:
        refused.add(number, _sentence(problem))
        return
    answered = {place.item.uid: place for place in reversed(places)}.values()
    for label in labels:
        for place in places:
            try:
                yield place, "label", check_event(schema, "label", _label(label, place), place.tokens)
            except BadInput as problem:
                refused.add(number, _sentence(problem))
                break
    for name, value in answers.items():
        for place in answered:
            try:
                yield place, "answer", check_event(schema, "answer", {"question": name, "value": value}, place.tokens)
            except BadInput as problem:
                refused.add(number, _sentence(problem))
                break


def _sentence(problem: BadInput) -> str:
    said = str(problem).rstrip(".")
    return said[:1].upper() + said[1:] + "."


def _places(fields: Mapping[str, Any], index: Mapping[tuple[str, str], list[_Place]]) -> list[_Place]:
    """Where the text of a line stands in the session; a text that several items have stands in all of them."""
    unknown = [name for name in fields if name not in _FIELDS]
    if unknown:
        raise BadInput(f"there is no field {shown(unknown[0])}; the fields are {', '.join(sorted(_FIELDS))}")
    given = [name for name in _KEYS if name in fields]
    if not given:
        raise BadInput("it names no text: give text_hash, run or text")
    places: list[_Place] | None = None
    for name in given:
        value = fields[name]
        if not isinstance(value, str):
            raise BadInput(f"{name} must be text, not {shown(value)}")
        key = (
            ("text_hash", sha256(value.encode("utf-8", "surrogatepass")).hexdigest())
            if name == "text"
            else (name, value)
        )
        here = index.get(key, [])
        if not here:
            raise BadInput(f"no item of this session has the {name} {shown(value)}")
        places = here if places is None else [place for place in places if place in here]
    if not places:
        raise BadInput(f"{' and '.join(given)} name different texts")
    return places


def _label(fields: Any, place: _Place) -> dict[str, Any]:
    """The payload of a label, by tokens."""
    if not isinstance(fields, Mapping):
        raise BadInput(f"a label is a mapping with set, label and where it lies, not {shown(fields)}")
    by_tokens, by_characters = {*_LABEL, "start", "stop"}, {*_LABEL, "start_char", "stop_char"}
    own = dict(fields)
    if set(own) == by_characters:
        start, stop = _tokens(own["start_char"], own["stop_char"], place.run)
    elif set(own) == by_tokens:
        start, stop = own["start"], own["stop"]
    else:
        raise BadInput("a label has set, label, and either start and stop or start_char and stop_char")
    return {"set": own["set"], "label": own["label"], "run": place.index, "start": start, "stop": stop}


def _tokens(first: Any, behind: Any, run: FrozenRun) -> tuple[int, int]:
    """The tokens that hold the characters from `first` to before `behind`."""
    for value in (first, behind):
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadInput(f"start_char and stop_char must be whole numbers, not {shown(value)}")
    if not 0 <= first < behind <= len(run.text):
        place = f"{shown(first)} to before {shown(behind)}"
        raise BadInput(f"the characters {place} are not within the text, which has {len(run.text)}")
    places = bounds(run)
    return bisect_right(places, first) - 1, bisect_left(places, behind)


def _handed_in(item: ItemRecord, events: list[LabelEvent], schema: LabelSchema) -> list[LabelEvent]:
    """The actions between "reopen" and, where nothing required is missing, "submit", which belong to them."""
    content = [event.uuid for event in events]
    opened = LabelEvent(_uuid(item, "reopen", content), "reopen", {})
    if missing(schema, fold(events, schema)):
        return [opened, *events]
    return [opened, *events, LabelEvent(_uuid(item, "submit", content), "submit", {})]


def _uuid(item: ItemRecord, kind: str, content: Any) -> str:
    said = json.dumps([item.uid, kind, content], sort_keys=True)
    return blake2b(said.encode(), digest_size=16).hexdigest()
