"""What annotators are asked, written as YAML or JSON: read with line and reason of all that is wrong, written back.

Pure: text and values in, values out. Does not know who annotates what, or where schemas are kept.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import yaml

from engine.errors import BadInput
from engine.label_nodes import Problems, nodes_of_plain, nodes_of_text, shown
from engine.label_reading import FIELDS_OF_KIND, read_schema, with_keys
from engine.label_types import (
    ANSWER_CHARS,
    KEYS,
    NOWHERE,
    Label,
    LabelSchema,
    LabelSet,
    Question,
    SchemaError,
    SchemaProblem,
)

__all__ = [
    "KEYS", "NOWHERE", "Label", "LabelSchema", "LabelSet", "Question", "SchemaError", "SchemaProblem",
    "check_answer", "check_label", "parse_schema", "schema_fields", "schema_of", "schema_yaml",
]  # fmt: skip


def parse_schema(text: str) -> LabelSchema:
    """The schema that a YAML or JSON text describes; SchemaError with every problem and its line."""
    if not isinstance(text, str):
        raise BadInput(f"A schema is a text, not {type(text).__name__}.")
    problems = Problems()
    return read_schema(nodes_of_text(text), problems)


def schema_of(fields: Mapping[str, Any]) -> LabelSchema:
    """The schema again that `schema_fields` has written; SchemaError, without lines, for anything else."""
    return read_schema(nodes_of_plain(fields), Problems())


def schema_fields(schema: LabelSchema) -> dict[str, Any]:
    """A schema as JSON has it; a question has the fields of its kind only."""
    return {
        "label_sets": [_set_fields(one) for one in schema.label_sets],
        "questions": [_question_fields(one) for one in schema.questions],
    }


def _set_fields(one: LabelSet) -> dict[str, Any]:
    labels = [
        {"name": label.name, "title": label.title, "description": label.description, "key": label.key}
        for label in one.labels
    ]
    head = {"name": one.name, "title": one.title, "unit": one.unit, "overlap": one.overlap, "help": one.help}
    return {**head, "labels": labels}


def _question_fields(one: Question) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": one.name, "title": one.title, "kind": one.kind}
    for name in FIELDS_OF_KIND[one.kind]:
        value = getattr(one, name)
        fields[name] = list(value) if isinstance(value, tuple) else value
    return {**fields, "required": one.required, "help": one.help}


def schema_yaml(schema: LabelSchema) -> str:
    """A schema as YAML that `parse_schema` reads back the same; what goes without saying is left out."""
    text: dict[str, Any] = {}
    if schema.label_sets:
        text["labels"] = [_short_set(one) for one in schema.label_sets]
    if schema.questions:
        text["questions"] = [_short_question(one) for one in schema.questions]
    return yaml.dump(text, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _short_set(one: LabelSet) -> dict[str, Any]:
    fields = _set_fields(one)
    given = with_keys([Label(label.name, label.title, label.description) for label in one.labels], [None] * 40)
    for label, natural in zip(fields["labels"], given, strict=True):
        if one.labels == tuple(given):
            del label["key"]
        _without(label, title=natural.name, description="")
    return _without(fields, title=one.name, overlap=False, help="")


def _short_question(one: Question) -> dict[str, Any]:
    fields = _without(_question_fields(one), title=one.name, low_text="", high_text="", help="", required=False)
    return _without(fields, ties=True)


def _without(fields: dict[str, Any], **plain: object) -> dict[str, Any]:
    for name, value in plain.items():
        if name in fields and fields[name] == value:
            del fields[name]
    return fields


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and whatever an older reader would take for something else than text in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def check_answer(schema: LabelSchema, question: str, value: Any, tokens: int) -> Any:
    """An answer's value, cleaned. tokens: length of the item's first run. BadInput for what the question does not take.

    A list of a multiple choice comes back in the order of the options, each once.
    """
    asked = schema.question(question) if isinstance(question, str) else None
    if asked is None:
        known = ", ".join(one.name for one in schema.questions) or "none"
        raise BadInput(f"There is no question {shown(question)}; the questions are: {known}.")
    if asked.kind == "choice":
        return _option(asked, value)
    if asked.kind == "multi":
        if not isinstance(value, list | tuple) or len(value) > len(asked.options):
            raise BadInput(f"The answer to '{asked.title}' must be a list of options, not {shown(value)}.")
        chosen = {_option(asked, one) for one in value}
        return [option for option in asked.options if option in chosen]
    if asked.kind == "likert":
        return _whole(asked, value, asked.low, asked.high)
    if asked.kind == "token":
        return NOWHERE if value == NOWHERE else _whole(asked, value, 0, tokens - 1)
    if asked.kind == "preference":
        allowed = ("a", "b", "tie") if asked.ties else ("a", "b")
        if not isinstance(value, str) or value not in allowed:
            raise BadInput(f"The answer to '{asked.title}' is {shown(value)}; it must be one of {', '.join(allowed)}.")
        return value
    return check_text(value, f"The answer to '{asked.title}'", ANSWER_CHARS)


def _option(asked: Question, value: Any) -> str:
    if not isinstance(value, str) or value not in asked.options:
        raise BadInput(f"'{asked.title}' has no option {shown(value)}; choose one of: {', '.join(asked.options)}.")
    return value


def _whole(asked: Question, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        also = ", or 'nowhere'" if asked.kind == "token" else ""
        what = "the index of a token" if asked.kind == "token" else "a whole number"
        raise BadInput(
            f"The answer to '{asked.title}' is {shown(value)}; it must be {what} from {low} to {high}{also}."
        )
    return value


def check_text(value: Any, what: str, longest: int) -> str:
    """A text that people write: any characters that UTF-8 holds, line ends as one sign."""
    if not isinstance(value, str):
        raise BadInput(f"{what} must be text, not {type(value).__name__}.")
    text = value.replace("\r\n", "\n")
    if len(text) > longest:
        raise BadInput(f"{what} has {len(text):,} characters; at most {longest:,} are allowed.")
    if any(unicodedata.category(sign) == "Cs" for sign in text):
        raise BadInput(f"{what} holds half of a character (a lone surrogate); remove it.")
    return text


def check_label(schema: LabelSchema, name: str, label: str, start: int, stop: int, tokens: int) -> None:
    """BadInput unless the set has the label and the tokens `start` to `stop` - 1 are among the run's."""
    one = schema.label_set(name) if isinstance(name, str) else None
    if one is None:
        known = ", ".join(one.name for one in schema.label_sets) or "none"
        raise BadInput(f"There is no label set {shown(name)}; the sets are: {known}.")
    if not isinstance(label, str) or one.index(label) < 0:
        known = ", ".join(entry.name for entry in one.labels)
        raise BadInput(f"The label set '{one.name}' has no label {shown(label)}; its labels are: {known}.")
    for value, field in ((start, "start"), (stop, "end")):
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadInput(f"The {field} of a label must be the index of a token, not {shown(value)}.")
    if start >= stop:
        raise BadInput(f"A label from token {shown(start)} to before token {shown(stop)} holds no token.")
    if not 0 <= start < stop <= tokens:
        place = f"tokens {shown(start)} to before {shown(stop)}"
        raise BadInput(f"A label on {place} lies outside the text, which has {tokens} tokens.")
