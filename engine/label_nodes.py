"""A schema's text as a tree in which everything knows its line: mappings, lists and words, nothing else.

YAML as of 1.2 and JSON: a word is the text that is written, so that yes, no, on and off are words like any other.
Aliases, tags and deep nesting are refused. Does not know what a schema is.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from engine.label_types import SchemaError, SchemaProblem

SCHEMA_CHARS = 100_000
MOST_DEPTH = 8
MOST_NODES = 20_000
MOST_PROBLEMS = 50
MOST_DIGITS = 9


@dataclass
class Problems:
    """What is wrong so far, the first fifty of it, in the order of the lines."""

    found: list[SchemaProblem] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Note one problem."""
        if len(self.found) < MOST_PROBLEMS:
            self.found.append(SchemaProblem(line, reason))

    def check(self) -> None:
        """SchemaError if anything was noted."""
        if self.found:
            raise SchemaError(tuple(sorted(self.found, key=lambda problem: problem.line)))


@dataclass(frozen=True)
class Word:
    """A scalar as it is written; `plain` without quotes, so that it may stand for a number, true, false or null."""

    line: int
    text: str
    plain: bool

    @property
    def null(self) -> bool:
        """Whether nothing is written here."""
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True)
class Listing:
    """Values one after another."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Fields:
    """Values by name; `lines` has the line of each name."""

    line: int
    values: Mapping[str, Node]
    lines: Mapping[str, int]


Node = Word | Listing | Fields


def nodes_of_text(text: str) -> Node:
    """The tree of a YAML or JSON text; SchemaError, with lines, where it is neither."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > SCHEMA_CHARS:
        raise _refused(0, f"it has {len(text):,} characters; at most {SCHEMA_CHARS:,} are allowed.")
    if not text.strip():
        raise _refused(1, "it is empty: give at least one label set or one question.")
    text = _json_without_tabs(text)
    breaks = [i for i, sign in enumerate(text) if sign == "\n"]
    try:
        return _Composer(breaks, yaml.parse(text, Loader=_Loader)).document()
    except yaml.reader.ReaderError as error:
        line = bisect_left(breaks, int(error.position)) + 1
        raise _refused(line, f"the character U+{ord(text[error.position]):04X} is not allowed; delete it.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(bisect_left(breaks, mark.index) + 1, len(breaks) + 1) if mark else 0
        raise _refused(line, _said(error)) from error


def _said(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error.context or "it cannot be read")
    if "'\\t'" in problem:
        return "there is a tab here; use blanks."
    if "end of stream" in problem or "<stream end>" in problem:
        return "it is not YAML: the text ends before a bracket or a quotation mark is closed."
    return f"it is not YAML: {problem}."


def _json_without_tabs(text: str) -> str:
    """JSON may be indented with tabs, YAML may not; between the strings of JSON a tab is a blank."""
    if "\t" not in text or not text.lstrip().startswith("{"):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _refused(line: int, reason: str) -> SchemaError:
    return SchemaError((SchemaProblem(line, reason),))


class _Loader(yaml.SafeLoader):
    """Lets unquoted words hold a question mark within { } and [ ], as YAML 1.2 does: questions do end in one."""

    def scan_plain(self) -> yaml.ScalarToken:
        """The next unquoted word, over several lines if need be."""
        ends_flow, blank = (",[]{}" if self.flow_level else ""), "\0 \t\n\x85\u2028\u2029"
        start = end = self.get_mark()
        indent = self.indent + 1
        chunks: list[str] = []
        spaces: list[str] = []
        while self.peek() != "#":
            length = 0
            while (sign := self.peek(length)) not in blank + ends_flow:
                if sign == ":" and self.peek(length + 1) in blank + ends_flow:
                    break
                length += 1
            if length == 0:
                break
            self.allow_simple_key = False
            chunks += [*spaces, self.prefix(length)]
            self.forward(length)
            end = self.get_mark()
            spaces = self.scan_plain_spaces(indent, start)
            if not spaces or (not self.flow_level and self.column < indent):
                break
        return yaml.ScalarToken("".join(chunks), True, start, end)


class _Composer:
    """Builds the tree from a parser's events; a stack of its own keeps deep texts from mattering."""

    def __init__(self, breaks: list[int], events: Iterator[yaml.Event]) -> None:
        self._breaks = breaks
        self._events = events
        self._nodes = 0
        self._problems = Problems()

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                raise _refused(self._line(event), "a second document begins here; leave only one.")
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, 0)
        self._problems.check()
        if root is None:
            raise _refused(1, "it is empty: give at least one label set or one question.")
        return root

    def _line(self, event: yaml.Event) -> int:
        return bisect_left(self._breaks, event.start_mark.index) + 1

    def _node(self, event: yaml.NodeEvent, depth: int) -> Node:
        line = self._line(event)
        self._nodes += 1
        if depth > MOST_DEPTH:
            raise _refused(line, f"it is nested more than {MOST_DEPTH} levels deep.")
        if self._nodes > MOST_NODES:
            raise _refused(line, f"it has more than {MOST_NODES:,} values.")
        if isinstance(event, yaml.AliasEvent):
            raise _refused(line, f"the alias *{event.anchor[:40]} is not allowed; write out what it stands for.")
        if event.anchor is not None:
            raise _refused(line, f"the anchor &{event.anchor[:40]} is not allowed; write the value alone.")
        if event.tag is not None:
            raise _refused(line, f"the tag {event.tag[:60]} is not allowed; write the value alone.")
        if isinstance(event, yaml.ScalarEvent):
            return Word(line, _paired(event.value), event.style is None)
        if isinstance(event, yaml.SequenceStartEvent):
            return Listing(line, tuple(self._node(inner, depth + 1) for inner in self._until(yaml.SequenceEndEvent)))
        return self._fields(line, depth)

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.NodeEvent]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _fields(self, line: int, depth: int) -> Fields:
        values: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for event in self._until(yaml.MappingEndEvent):
            name = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(name, Word):
                self._problems.add(name.line, "a field's name must be a word, not a list or a mapping.")
            elif name.text in values:
                self._problems.add(
                    name.line, f"the field {shown(name.text)} was given in line {lines[name.text]} already."
                )
            else:
                values[name.text], lines[name.text] = value, name.line
        return Fields(line, values, lines)


def _paired(text: str) -> str:
    """JSON writes characters beyond 16 bits as two escapes, which belong together."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def shown(value: object) -> str:
    """A value for a sentence: cut, and with everything that would not be seen or would turn the line escaped."""
    if isinstance(value, int) and abs(value) >= 10**40:
        return "a number of very many digits"
    text = value if isinstance(value, str) else str(value)
    cut = text[:40] + ("…" if len(text) > 40 else "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return cut
    return f"'{cut}'" if cut.isprintable() else ascii(cut.removesuffix("…"))


def nodes_of_plain(value: Any, depth: int = 0) -> Node:
    """The same tree from values as JSON has them, without lines."""
    if depth > MOST_DEPTH:
        raise _refused(0, f"it is nested more than {MOST_DEPTH} levels deep.")
    if isinstance(value, str):
        return Word(0, value, False)
    if value is None or isinstance(value, bool):
        return Word(0, {None: "null", True: "true", False: "false"}[value], True)
    if isinstance(value, int | float):
        small = not isinstance(value, int) or abs(value) < 10**MOST_DIGITS
        return Word(0, str(value) if small else "a number with too many digits", True)
    if isinstance(value, Mapping):
        values = {str(name): nodes_of_plain(inner, depth + 1) for name, inner in value.items()}
        return Fields(0, values, dict.fromkeys(values, 0))
    if isinstance(value, list | tuple):
        return Listing(0, tuple(nodes_of_plain(inner, depth + 1) for inner in value))
    raise _refused(0, f"it holds a value of type {type(value).__name__}, which JSON does not have.")
