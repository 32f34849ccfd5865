"""From the tree of a schema's text to the schema, noting everything that is wrong on the way.

Each reader takes a node and gives back a value, or a stand-in after a problem was noted, so that one reading finds
all problems. Does not know YAML, nor what is done with a schema.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from engine.label_nodes import MOST_DIGITS, Fields, Listing, Node, Problems, Word, shown
from engine.label_types import (
    KEYS,
    MOST_LABELS,
    MOST_OPTIONS,
    MOST_PARTS,
    Label,
    LabelSchema,
    LabelSet,
    Question,
    QuestionKind,
    SchemaError,
    SchemaProblem,
    Unit,
)

TITLE_CHARS = 200
HELP_CHARS = 2_000
NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
NUMBER = re.compile(rf"[-+]?[0-9]{{1,{MOST_DIGITS}}}")
FIELDS_OF_KIND: dict[str, tuple[str, ...]] = {
    "choice": ("options",),
    "multi": ("options",),
    "likert": ("low", "high", "low_text", "high_text"),
    "text": (),
    "token": (),
    "preference": ("ties",),
}
_OF_ALL_KINDS = ("name", "title", "kind", "required", "help")
_OF_A_KIND = tuple(dict.fromkeys(name for names in FIELDS_OF_KIND.values() for name in names))
_OF_A_SET = ("name", "title", "unit", "overlap", "help", "labels")
_OF_A_LABEL = ("name", "title", "description", "key")
# what other tools call our fields
_SYNONYMS = {
    "type": ("kind", "unit"), "choices": ("options",), "values": ("options",), "answers": ("options",),
    "min": ("low",), "max": ("high",), "text": ("title",), "question": ("title",), "id": ("name",),
    "help": ("description",), "description": ("help",), "hint": ("help", "description"), "hotkey": ("key",),
    "sets": ("labels",), "spans": ("labels",), "tags": ("labels",), "mandatory": ("required",),
}  # fmt: skip
# marks that turn the direction of what follows: a title with one could say something else than it holds
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def read_schema(root: Node, problems: Problems) -> LabelSchema:
    """The schema that a tree describes; SchemaError with everything that is wrong."""
    if not isinstance(root, Fields):
        reason = "it must be a mapping with 'labels' or 'questions' (or both) at its beginning."
        raise SchemaError((SchemaProblem(root.line, reason),))
    _no_others(root, ("labels", "questions", "label_sets"), "a schema", problems)
    if "labels" in root.values and "label_sets" in root.values:
        problems.add(root.lines["label_sets"], "'label_sets' and 'labels' are the same; give one of them.")
    given = root.values.get("labels", root.values.get("label_sets"))
    sets = [_set(node, problems) for node in _parts(given, "labels", "label sets", problems)]
    questions = [
        _question(node, problems) for node in _parts(root.values.get("questions"), "questions", "questions", problems)
    ]
    if not sets and not questions and not problems.found:
        problems.add(root.line, "give at least one label set or one question.")
    names = [(line, one.name) for line, one in sets] + [(line, one.name) for line, one in questions]
    _unique(names, "label set or question", problems)
    problems.check()
    return LabelSchema(tuple(one for _, one in sets), tuple(one for _, one in questions))


def _parts(node: Node | None, field: str, what: str, problems: Problems) -> list[Fields]:
    if node is None or (isinstance(node, Word) and node.null):
        return []
    if not isinstance(node, Listing):
        problems.add(node.line, f"'{field}' must be a list of {what}, each beginning with '- name:'.")
        return []
    if len(node.items) > MOST_PARTS:
        problems.add(node.items[MOST_PARTS].line, f"{len(node.items)} {what} are too many; at most {MOST_PARTS}.")
    for item in node.items:
        if not isinstance(item, Fields):
            problems.add(item.line, f"each of the {what} must be a mapping with a name, not {_kind_of(item)}.")
    return [item for item in node.items[:MOST_PARTS] if isinstance(item, Fields)]


def _kind_of(node: Node) -> str:
    if isinstance(node, Word):
        return "nothing" if node.null else shown(node.text)
    return "a list" if isinstance(node, Listing) else "a mapping"


def _set(fields: Fields, problems: Problems) -> tuple[int, LabelSet]:
    line, name = _name(fields, "a label set", problems)
    _no_others(fields, _OF_A_SET, f"the label set {shown(name)}", problems)
    labels: list[Label] = []
    listed = fields.values.get("labels")
    if not isinstance(listed, Listing) or not listed.items:
        at = listed.line if listed is not None else fields.line
        problems.add(at, f"the label set {shown(name)} needs 'labels': a list with at least one label.")
    else:
        labels = _labels(listed, name, problems)
    one = LabelSet(
        name=name,
        title=_text(fields, "title", TITLE_CHARS, problems) or name,
        unit=_one_of(fields, "unit", get_args(Unit), "span", problems),
        labels=tuple(labels),
        overlap=_flag(fields, "overlap", False, problems),
        help=_text(fields, "help", HELP_CHARS, problems, lines=True),
    )
    return line, one


def _labels(listed: Listing, name: str, problems: Problems) -> list[Label]:
    if len(listed.items) > MOST_LABELS:
        problems.add(
            listed.items[MOST_LABELS].line,
            f"the label set {shown(name)} has {len(listed.items)} labels; at most {MOST_LABELS} are allowed.",
        )
    labels: list[Label] = []
    lines: list[tuple[int, str]] = []
    keys: list[Word | None] = []
    for item in listed.items[:MOST_LABELS]:
        if isinstance(item, Word):
            item = Fields(item.line, {"name": item}, {"name": item.line})
        if not isinstance(item, Fields):
            problems.add(item.line, f"a label of {shown(name)} must be a name or a mapping with a name, not a list.")
            continue
        line, own = _name(item, f"a label of {shown(name)}", problems)
        _no_others(item, _OF_A_LABEL, f"the label {shown(own)}", problems)
        title = _text(item, "title", TITLE_CHARS, problems) or own
        labels.append(Label(own, title, _text(item, "description", HELP_CHARS, problems, lines=True)))
        lines.append((line, own))
        keys.append(_key(item, problems))
    _unique(lines, f"label of {shown(name)}", problems)
    _unique([(key.line, key.text) for key in keys if key and not key.null], f"key of {shown(name)}", problems)
    return with_keys(labels, [None if key is None else 0 if key.null else int(key.text) for key in keys])


def with_keys(labels: Sequence[Label], keys: Sequence[int | None]) -> list[Label]:
    """The labels with their digits: the one asked for, none for 0, and for None the next that nobody asked for."""
    free = iter([key for key in KEYS if key not in keys])
    return [
        Label(label.name, label.title, label.description, next(free, None) if key is None else key or None)
        for label, key in zip(labels, keys, strict=False)
    ]


def _key(fields: Fields, problems: Problems) -> Word | None:
    node = fields.values.get("key")
    if node is None:
        return None
    if isinstance(node, Word) and (node.null or (NUMBER.fullmatch(node.text) and int(node.text) in KEYS)):
        return Word(node.line, node.text if node.null else str(int(node.text)), node.plain)
    problems.add(node.line, f"a key is a digit from {KEYS[0]} to {KEYS[-1]}, not {_kind_of(node)}.")
    return None


def _question(fields: Fields, problems: Problems) -> tuple[int, Question]:
    line, name = _name(fields, "a question", problems)
    what = f"the question {shown(name)}"
    kinds = get_args(QuestionKind)
    _no_others(fields, (*_OF_ALL_KINDS, *_OF_A_KIND), what, problems)
    if "kind" not in fields.values:
        problems.add(fields.line, f"{what} needs a 'kind': one of {', '.join(kinds)}.")
    kind = _one_of(fields, "kind", kinds, "", problems)
    for field in _OF_A_KIND if kind else ():
        if field in fields.values and field not in FIELDS_OF_KIND[kind]:
            having = " or ".join(other for other, names in FIELDS_OF_KIND.items() if field in names)
            problems.add(fields.lines[field], f"'{field}' belongs to questions of kind {having}, not {kind}.")
    low, high = _number(fields, "low", 1, problems), _number(fields, "high", 5, problems)
    if kind == "likert" and not 0 < high - low < MOST_OPTIONS:
        at = fields.lines.get("high", fields.lines.get("low", fields.line))
        problems.add(at, f"{what} runs from {low} to {high}; it needs 2 to {MOST_OPTIONS} points, the lower one first.")
    one = Question(
        name=name,
        title=_text(fields, "title", TITLE_CHARS, problems) or name,
        kind=kind,
        options=_options(fields, what, problems) if kind in {"choice", "multi"} else (),
        low=low,
        high=high,
        low_text=_text(fields, "low_text", TITLE_CHARS, problems),
        high_text=_text(fields, "high_text", TITLE_CHARS, problems),
        required=_flag(fields, "required", False, problems),
        ties=_flag(fields, "ties", True, problems),
        help=_text(fields, "help", HELP_CHARS, problems, lines=True),
    )
    return line, one


def _options(fields: Fields, what: str, problems: Problems) -> tuple[str, ...]:
    node = fields.values.get("options")
    if not isinstance(node, Listing) or len(node.items) < 2:
        at = node.line if node is not None else fields.line
        problems.add(at, f"{what} needs 'options': a list of at least two, such as [yes, no, unsure].")
        return ()
    if len(node.items) > MOST_OPTIONS:
        problems.add(
            node.items[MOST_OPTIONS].line, f"{what} has {len(node.items)} options; at most {MOST_OPTIONS} are allowed."
        )
    options = []
    for item in node.items[:MOST_OPTIONS]:
        # a word without quotes is text as it is written: numbers, true and null too
        text = item.text.strip() if isinstance(item, Word) else ""
        if not text:
            problems.add(item.line, f"an option of {what} must be a text, not {_kind_of(item)}.")
        elif _fits(text, "an option", item.line, TITLE_CHARS, problems):
            options.append((item.line, text))
    _unique(options, f"option of {what}", problems)
    return tuple(text for _, text in options)


def _no_others(fields: Fields, known: Collection[str], what: str, problems: Problems) -> None:
    for name, line in fields.lines.items():
        if name not in known:
            problems.add(line, f"{what} has no field {shown(name)}; {_nearest(name, known)}")


def _nearest(name: str, known: Collection[str]) -> str:
    said = next((own for own in _SYNONYMS.get(name, ()) if own in known), None)
    close = [said] if said else get_close_matches(name[:80].lower(), known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"its fields are {', '.join(known)}."


def _unique(named: Sequence[tuple[int, str]], what: str, problems: Problems) -> None:
    first: dict[str, int] = {}
    for line, name in named:
        same = unicodedata.normalize("NFC", name)
        if same and same in first:
            before = f" (line {first[same]})" if first[same] else ""
            problems.add(line, f"{shown(name)} is taken already by another {what}{before}.")
        first.setdefault(same, line)


def _name(fields: Fields, what: str, problems: Problems) -> tuple[int, str]:
    node = fields.values.get("name")
    if node is None or (isinstance(node, Word) and (node.null or not node.text)):
        problems.add(node.line if node else fields.line, f"{what} needs a 'name'.")
        return fields.line, ""
    if not isinstance(node, Word) or not NAME.fullmatch(node.text):
        rule = "a name has 1 to 40 letters a to z, digits, '-' and '_'; put other writing into the title."
        problems.add(node.line, f"{what} cannot be called {_kind_of(node)}: {rule}")
        return node.line, ""
    return node.line, node.text


def _text(fields: Fields, field: str, longest: int, problems: Problems, *, lines: bool = False) -> str:
    node = fields.values.get(field)
    if node is None or (isinstance(node, Word) and node.null):
        return ""
    if not isinstance(node, Word):
        problems.add(node.line, f"'{field}' must be a text, not {_kind_of(node)}.")
        return ""
    text = node.text.strip()
    return text if _fits(text, f"'{field}'", node.line, longest, problems, lines=lines) else ""


def _fits(text: str, what: str, line: int, longest: int, problems: Problems, *, lines: bool = False) -> bool:
    if len(text) > longest:
        problems.add(line, f"{what} has {len(text):,} characters; at most {longest:,} are allowed.")
        return False
    for sign in text:
        if sign in _TURNING or (
            unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} and not (lines and sign == "\n")
        ):
            said = "a line break" if sign == "\n" else f"the invisible character U+{ord(sign):04X}"
            problems.add(line, f"{what} holds {said}; remove it.")
            return False
    return True


def _one_of(fields: Fields, field: str, known: Sequence[str], default: str, problems: Problems) -> Any:
    node = fields.values.get(field)
    if node is None:
        return default
    if isinstance(node, Word) and node.text in known:
        return node.text
    close = get_close_matches(node.text[:80].lower(), known, n=1, cutoff=0.5) if isinstance(node, Word) else []
    meant = f"; did you mean '{close[0]}'?" if close else "."
    problems.add(node.line, f"'{field}' is {_kind_of(node)}; it must be one of {', '.join(known)}{meant}")
    return default


def _flag(fields: Fields, field: str, default: bool, problems: Problems) -> bool:
    node = fields.values.get(field)
    if node is None:
        return default
    if isinstance(node, Word) and node.plain and node.text.lower() in {"true", "false"}:
        return node.text.lower() == "true"
    quoted = isinstance(node, Word) and not node.plain
    problems.add(node.line, f"'{field}' must be true or false{' without quotes' * quoted}, not {_kind_of(node)}.")
    return default


def _number(fields: Fields, field: str, default: int, problems: Problems) -> int:
    node = fields.values.get(field)
    if node is None:
        return default
    if isinstance(node, Word) and node.plain and NUMBER.fullmatch(node.text):
        return int(node.text)
    quoted = isinstance(node, Word) and not node.plain
    problems.add(node.line, f"'{field}' must be a whole number{' without quotes' * quoted}, not {_kind_of(node)}.")
    return default
