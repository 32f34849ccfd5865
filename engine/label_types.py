"""What people may say of an answer: labels on tokens, questions about the whole, as frozen values.

Knows names and bounds only; how a schema is written and checked is the business of label_schema.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import BadInput

Unit = Literal["token", "span"]
QuestionKind = Literal["choice", "multi", "likert", "text", "token", "preference"]

MOST_PARTS = 20
MOST_LABELS = 40
MOST_OPTIONS = 40
KEYS = range(1, 10)
ANSWER_CHARS = 10_000
# what a question of kind "token" is answered with when no token is the one
NOWHERE = "nowhere"


@dataclass(frozen=True)
class Label:
    """One label of a set. key: the digit 1 to 9 that sets it, None where it has none."""

    name: str
    title: str
    description: str = ""
    key: int | None = None


@dataclass(frozen=True)
class LabelSet:
    """Labels for stretches of tokens. unit "token": a label on several tokens is read token by token.

    overlap: whether several labels of this set may lie on one token.
    """

    name: str
    title: str
    unit: Unit
    labels: tuple[Label, ...]
    overlap: bool = False
    help: str = ""

    def index(self, label: str) -> int:
        """Place of a label in the set from 0, -1 for one that it has not."""
        return next((i for i, one in enumerate(self.labels) if one.name == label), -1)


@dataclass(frozen=True)
class Question:
    """A question about a whole item. Values of an answer by kind:

    choice: one of the options; multi: a list of them in their order; likert: a whole number from low to high;
    text: at most 10,000 characters; token: the index of a token of the item's first run, or "nowhere";
    preference: "a", "b", or "tie" where ties are allowed.
    """

    name: str
    title: str
    kind: QuestionKind
    options: tuple[str, ...] = ()
    low: int = 1
    high: int = 5
    low_text: str = ""
    high_text: str = ""
    required: bool = False
    ties: bool = True
    help: str = ""


@dataclass(frozen=True)
class LabelSchema:
    """What is asked of annotators; names are unique over sets and questions together."""

    label_sets: tuple[LabelSet, ...] = ()
    questions: tuple[Question, ...] = ()

    def label_set(self, name: str) -> LabelSet | None:
        """The set of that name."""
        return next((one for one in self.label_sets if one.name == name), None)

    def question(self, name: str) -> Question | None:
        """The question of that name."""
        return next((one for one in self.questions if one.name == name), None)


@dataclass(frozen=True)
class SchemaProblem:
    """What is wrong with a schema, and in which line of its text (from 1; 0 where that is unknown)."""

    line: int
    reason: str


class SchemaError(BadInput):
    """A schema that cannot be used; `problems` has all that is wrong with it, the sentence names the first."""

    def __init__(self, problems: tuple[SchemaProblem, ...]) -> None:
        first = problems[0]
        place = f"Line {first.line} of the schema: " if first.line else "The schema: "
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{place}{first.reason}{more}")
        self.problems = problems
