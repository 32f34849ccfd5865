"""Calls that no page would make: arguments of a wrong kind, size, depth and number, others' ids, odd envelopes.

The same seed gives the same calls. Knows how gradio's routes are called; does not know what any endpoint does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support import hostile

# what JSON may carry and Python's writer would not write the same way
DEEP = "[" * 3000 + "]" * 3000
HUGE = "9" * 5000


@dataclass(frozen=True)
class Call:
    """One request: what it is, the route behind /gradio_api, and the body as it goes over the wire."""

    name: str
    route: str
    body: bytes


class Raw(str):
    """Text that stands in a body as it is."""


def written(value: Any) -> str:
    """JSON with raw parts; NaN and halves of characters included."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


def file_of(path: str) -> dict[str, Any]:
    return {"path": path, "url": f"http://127.0.0.1:1{path}", "orig_name": "x", "size": 1, "mime_type": "text/plain",
            "meta": {"_type": "gradio.FileData"}}  # fmt: skip


class Mutator:
    """Makes up arguments. foreign: ids that belong to somebody else; paths: files that are nobody's business."""

    def __init__(self, seed: int, foreign: Sequence[str], paths: Sequence[str]) -> None:
        self.random = random.Random(seed)
        self.foreign, self.paths = list(foreign), list(paths)

    def value(self) -> Any:
        """Anything."""
        pick = self.random.choice
        kinds: list[Any] = [
            None, True, False, 0, -1, 2**31, -(2**63), 2**70, 1e308, -0.0, Raw("NaN"), Raw("-Infinity"),
            Raw('"\\ud800"'), Raw('{"a": 1, "a": 2}'), "", " ", "x" * 100_000, [], {}, [[]], [None] * 1000,
            {"__proto__": {"x": 1}}, {"value": "x", "__type__": "update"}, {"__type__": "update", "visible": True},
            pick(hostile.TEXTS), pick(hostile.TEXTS), pick(self.foreign), [pick(self.foreign)],
            {"uid": pick(self.foreign)},
            file_of(pick(self.paths)), [file_of(pick(self.paths))], {"uids": self.foreign, "all": True},
            json.dumps({"open": pick(self.foreign)}), "../" * 8 + "etc/passwd", "%00", "1e999", "true", "[1,2",
        ]  # fmt: skip
        # most servers refuse these before anybody reads them: few, so that others are read
        return Raw(pick((HUGE, DEEP))) if self.random.random() < 0.01 else pick(kinds)

    def event(self) -> dict[str, Any]:
        """What a piece would send along with an event, about somebody else's work or nothing at all."""
        names = ("uid", "run", "a", "b", "uids", "query", "index", "session", "node", "fields", "position", "token",
                 "text", "all", "edits", "count", "kind", "title", "tags", "note", "limit",
                 "value")  # fmt: skip
        made = {name: self.value() for name in self.random.sample(names, 6)}
        if self.random.random() < 0.7:
            made |= {"uid": self.random.choice(self.foreign), "run": self.random.choice(self.foreign)}
        if self.random.random() < 0.3:
            made |= {"uids": list(self.foreign), "all": self.random.random() < 0.5, "query": {"text": ""}}
        return made

    def arguments(self, count: int, plain: Sequence[Any] = ()) -> list[Any]:
        """So many values, some of them what a page would send, the number itself sometimes wrong."""
        count = max(0, count + self.random.choice((0, 0, 0, 0, 0, 0, 0, -1, 1, 30)))
        usual = list(plain) + [None] * count
        return [self.value() if self.random.random() < 0.6 else usual[i] for i in range(count)]

    def envelope(self, call: dict[str, Any]) -> dict[str, Any]:
        """The call's body, sometimes with parts missing or of the wrong kind."""
        choice = self.random.random()
        if choice < 0.06:
            call.pop(self.random.choice([*call]))
        elif choice < 0.12:
            call[self.random.choice([*call])] = self.value()
        elif choice < 0.2:
            call |= {"trigger_id": self.value(), "batched": True, "simple_format": True, "extra": self.value()}
        return call


def calls(
    mutator: Mutator, named: dict[str, tuple[int, Sequence[Any]]], private: dict[int, int], many: int
) -> Iterator[Call]:
    """So many calls. named: number and usual values of an endpoint's arguments by its name; private: number of inputs
    of every handler by its index."""
    names, indices = sorted(named), sorted(private)
    for i in range(many):
        # a page of its own for each: two that hear one page's stream would hear each other's answers
        session = {"session_hash": f"raw{i}"}
        if i % 2 == 0:
            name = names[(i // 2) % len(names)]
            count, usual = named[name]
            data = mutator.arguments(count, usual)
            if (i // 2) // len(names) == 0 and count:
                # each endpoint is first asked, in an orderly way, for what belongs to somebody else
                data = [mutator.random.choice(mutator.foreign), *usual[1:]]
            route = mutator.random.choice((f"run/{name}", f"run/{name}", f"call/{name}"))
            body = mutator.envelope({"data": data, **session})
        else:
            index = indices[(i // 2) % len(indices)]
            data = mutator.arguments(private[index])
            body = {"data": data, "fn_index": index, "event_data": mutator.event(), **session}
            body = mutator.envelope(body)
            route = mutator.random.choice(("run/predict", "queue/join", "queue/join"))
        yield Call(f"{i} {route} {str(body)[:100]}", route, written(body).encode("utf-8", "surrogatepass"))
