"""What people said in a session as numbers: answers as a table of raters and items, labels as grids and spans.

Only items of the work count, and only what was submitted: training and hidden checks are left out. Pure; does not know
measures, scores or the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.errors import BadInput
from engine.label_events import ItemState, grid
from engine.label_schema import LabelSchema
from engine.label_types import NOWHERE, LabelSet, Question
from engine.span_agreement import Span
from storage.annotation_records import ItemOutline
from ui.session_overview import targets
from ui.session_states import SessionStates

Level = Literal["token", "span", "run", "pair"]
_LEVELS_OF_LABELS = ("token", "span", "run")
NOWHERE_CODE = -1.0
# ids of targets in one sentence
MOST_NAMED = 12


@dataclass(frozen=True)
class Target:
    """What is looked at: a label set, one label of it, or a question. level: what one observation of it is.

    label: None for any label of the set.
    """

    uid: str
    title: str
    level: Level
    label_set: LabelSet | None = None
    label: str | None = None
    question: Question | None = None


@dataclass(frozen=True)
class Answers:
    """Answers to one question. values: float64 [raters, items], NaN for none; codes: the value of each category."""

    raters: tuple[str, ...]
    values: np.ndarray
    categories: tuple[str, ...]
    codes: tuple[float, ...]


def read_target(schema: LabelSchema, text: str) -> Target:
    """The target of that id: "set:NAME", "label:SET/LABEL" or "question:NAME", as `targets` lists them.

    Labels may name a level behind "@": "token", "span" or "run" (whether the answer has the label at all).
    Raises BadInput listing the ids.
    """
    uid, _, level = text.partition("@")
    known = {one["id"]: one["title"] for one in targets(schema)}
    kind, _, rest = uid.partition(":")
    set_name, _, label = rest.partition("/")
    found = schema.label_set(set_name) if kind in ("set", "label") else None
    if found is not None and label and found.index(label) >= 0:
        # a set of one label is a target of its own only
        known.setdefault(uid, found.title)
    if uid not in known or (level and (found is None or level not in _LEVELS_OF_LABELS)):
        named = ", ".join([*list(known)[:MOST_NAMED], *(["..."] if len(known) > MOST_NAMED else [])])
        raise BadInput(f"There is nothing to compare under {text[:80]!a}; there is: {named or 'nothing'}.")
    if found is not None:
        asked: Any = level or found.unit
        return Target(text, known[uid], asked, label_set=found, label=label if kind == "label" else None)
    question = schema.question(rest)
    assert question is not None  # its id is among the known ones
    return Target(text, known[uid], question_level(question), question=question)


def question_level(question: Question) -> Level:
    """What an answer is said of: a token, a pair of runs, or the whole run."""
    if question.kind == "token":
        return "token"
    return "pair" if question.kind == "preference" else "run"


def work(found: SessionStates) -> tuple[ItemOutline, ...]:
    """The items that count."""
    return tuple(item for item in found.outline if item.part == "work")


def voices(found: SessionStates, target: Target | None = None) -> dict[str, dict[str, ItemState]]:
    """Item uid -> pseudonym -> what that person submitted, of all items of the work.

    target: labels made elsewhere speak of a set only where they have one of it: a file about one set says nothing of
    the others.
    """
    names = {member.uid: member.pseudonym for member in found.members}
    brought = {member.uid for member in found.members if member.role == "import"}
    label_set = target.label_set if target else None

    def speaks(uid: str, state: ItemState) -> bool:
        return uid not in brought or label_set is None or any(one.set == label_set.name for one in state.labels)

    return {
        item.uid: {names[uid]: state for uid, state in found.submitted(item.uid).items() if speaks(uid, state)}
        for item in work(found)
    }


def raters(said: Mapping[str, Mapping[str, ItemState]]) -> tuple[str, ...]:
    """Everybody who submitted something, A2 before A10."""
    names = {name for states in said.values() for name in states}
    return tuple(sorted(names, key=lambda name: (len(name), name)))


def answers(said: Mapping[str, Mapping[str, ItemState]], question: Question) -> Answers:
    """Every submitted answer as a number: the place of an option, the value of a scale, the index of a token (-1 for
    nowhere), or the place of a whole choice of several options among all that were made."""
    people = raters(said)
    given = [[states[name].answers.get(question.name) if name in states else None for states in said.values()]
             for name in people]  # fmt: skip
    names, codes = _categories(question, [value for row in given for value in row if value is not None])
    number = dict(zip(names, codes, strict=True))
    table = [[np.nan if value is None else number[_name(question, value)] for value in row] for row in given]
    return Answers(people, np.array(table, dtype=np.float64).reshape(len(people), len(said)), names, codes)


def _categories(question: Question, given: Sequence[Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    if question.kind == "likert":
        values = range(question.low, question.high + 1)
        return tuple(map(str, values)), tuple(map(float, values))
    if question.kind == "token":
        chosen = sorted({NOWHERE_CODE if value == NOWHERE else float(value) for value in given})
        return tuple(NOWHERE if code == NOWHERE_CODE else str(int(code)) for code in chosen), tuple(chosen)
    if question.kind == "choice":
        names = question.options
    elif question.kind == "preference":
        names = ("a", "tie", "b") if question.ties else ("a", "b")
    else:
        names = tuple(sorted({_name(question, value) for value in given}))
    return names, tuple(float(code) for code in range(len(names)))


def _name(question: Question, value: Any) -> str:
    return " + ".join(value) if question.kind == "multi" else str(value)


def item_grid(target: Target, state: ItemState, item: ItemOutline) -> np.ndarray:
    """Categories of all tokens of an item, its runs behind one another: int64 [tokens]; 0 is no label."""
    assert target.label_set is not None
    return np.concatenate(
        [grid(state, target.label_set, target.label, run, count) for run, count in enumerate(item.tokens)]
        or [np.zeros(0, np.int64)]
    )


def item_spans(target: Target, state: ItemState, item: ItemOutline) -> list[Span]:
    """The spans with the target's labels, in tokens of all runs behind one another; of token labels every token."""
    assert target.label_set is not None
    starts = np.concatenate([[0], np.cumsum(item.tokens)]).astype(int)
    found = []
    for one in state.labels:
        if one.set == target.label_set.name and target.label in (None, one.label):
            first, last = int(starts[one.run]) + one.start, int(starts[one.run]) + one.stop
            whole = target.label_set.unit == "span"
            found += (
                [Span(first, last, one.label)] if whole else [Span(i, i + 1, one.label) for i in range(first, last)]
            )
    return found


def label_names(target: Target) -> tuple[str, ...]:
    """What the numbers of a grid stand for."""
    assert target.label_set is not None
    titles = {one.name: one.title for one in target.label_set.labels}
    return ("no label", *(titles.values() if target.label is None else [titles[target.label]]))
