"""What somebody labelled beside what is known: for training items, whose reader is told, and silent check items.

A known label is met by one of the same set and name that covers about the same tokens. Does not know who labelled, or
where the known answers come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.label_events import ItemState
from engine.label_schema import LabelSchema

# share of tokens in common, of all that either covers, from which two ranges are the same finding
SAME_PLACE = 0.5
QUOTED = 60

Range = tuple[str, str, int, int, int]


@dataclass(frozen=True)
class Comparison:
    """right of `of` known things were met; lines: one sentence each, in the order of what is known."""

    right: int
    of: int
    lines: tuple[str, ...]


def compare(
    schema: LabelSchema, expected: Mapping[str, Any], state: ItemState, pieces: Sequence[Sequence[str]]
) -> Comparison:
    """How far a state meets what is known. expected: {labels: [{set, label, run, start, stop}], answers: {}}; pieces:
    the tokens of each run. Labels of a set of which some are known count as wrong where none is known; those of sets
    of single tokens are compared token by token."""
    outcomes = [
        *_answers(schema, expected.get("answers") or {}, state),
        *_labels(schema, expected.get("labels"), state, pieces),
    ]
    return Comparison(sum(right for right, _ in outcomes), len(outcomes), tuple(line for _, line in outcomes))


def _answers(schema: LabelSchema, known: Mapping[str, Any], state: ItemState) -> list[tuple[bool, str]]:
    titles = {question.name: question.title for question in schema.questions}
    found = []
    for name, value in known.items():
        given = state.answers.get(name)
        right = sorted(given or []) == sorted(value) if isinstance(value, list) else given == value
        told = f"{titles.get(name, name)} {_said(value)}" + ("" if right else f", not {_said(given)}")
        found.append((right, told))
    return found


def _labels(
    schema: LabelSchema, known: Any, state: ItemState, pieces: Sequence[Sequence[str]]
) -> list[tuple[bool, str]]:
    if known is None:
        return []
    rows = [(row["set"], row["label"], int(row.get("run", 0)), int(row["start"]), int(row["stop"])) for row in known]
    sets = {row[0] for row in rows}
    given = [(row.set, row.label, row.run, row.start, row.stop) for row in state.labels if not sets or row.set in sets]
    wanted, own = _tokenwise(schema, rows), _tokenwise(schema, given)
    titles = {(one.name, label.name): label.title for one in schema.label_sets for label in one.labels}
    found = []
    for row in wanted:
        met = next((one for one in own if one[:3] == row[:3] and overlap(one, row) >= SAME_PLACE), None)
        if met:
            own.remove(met)
        said = f"{titles.get(row[:2], row[1])} on {_quoted(row, pieces)}"
        found.append((met is not None, f"{said}: {'found' if met else 'missed'}"))
    return found + [
        (False, f"{titles.get(row[:2], row[1])} on {_quoted(row, pieces)}: nothing is wrong there") for row in own
    ]


def _tokenwise(schema: LabelSchema, rows: list[Range]) -> list[Range]:
    """Ranges, those of sets of single tokens as one range for each token."""
    single = {one.name for one in schema.label_sets if one.unit == "token"}
    parts = [[(*row[:3], at, at + 1) for at in range(row[3], row[4])] if row[0] in single else [row] for row in rows]
    return list(dict.fromkeys(part for group in parts for part in group))


def overlap(one: Range, other: Range) -> float:
    """Tokens in common over tokens in either, in [0, 1]."""
    common = min(one[4], other[4]) - max(one[3], other[3])
    return max(0, common) / (max(one[4], other[4]) - min(one[3], other[3]))


def _quoted(row: Range, pieces: Sequence[Sequence[str]]) -> str:
    text = "".join(pieces[row[2]][row[3] : row[4]]).strip()
    return f"‘{text[:QUOTED]}{'…' if len(text) > QUOTED else ''}’"


def _said(value: Any) -> str:
    if value is None:
        return "no answer"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
