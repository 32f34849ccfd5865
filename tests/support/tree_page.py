"""A page with nothing but the branching tree, over documents made by hand; remembers every event.

For browser tests of the piece itself; how trees are kept and grown is tested elsewhere.
"""

from __future__ import annotations

import json
import math
import random
from contextlib import AbstractContextManager
from typing import Any

import gradio as gr
from playwright.sync_api import Locator, Page

from tests.support.piece_page import QUIET, ServedPage, served_page, until
from ui.components.branches import Branches

TREE = "Forklore.branchesPiece.tree"
HOSTILE = "<img src=x onerror=window.__ran=1> ${window.__ran=2} \u202eevil\u200b"
FINISHED, FORCED, CONTROL, RECORDED = 1, 2, 4, 8
WORDS = (
    " the", " farmer", " has", " sheep", " and", " buys", " more", ",", " then", " sells", " nine", ".", " So", " he",
    " is", " left", " with", " thirty", "-three", " of", " them", " now", " which", " means", " that", " we", " add",
)  # fmt: skip
HEADER: dict[str, Any] = {
    "v": 1, "run": "run-a", "tree": "tree-a", "title": "How many sheep?",
    "root": {"text": "How many sheep does he have now?", "tokens": 12},
    "policies": [
        {"name": "likely", "short": "The most probable answers first."},
        {"name": "fair", "short": "A fair sample, no answer twice."},
        {"name": "informative", "short": "First where the model is least certain."},
    ],
    "limits": {"budget": 512, "width": 20, "depth": 256}, "seconds_per_node": 0.125, "noise": "philox4x64-v1",
}  # fmt: skip


def line(**parts: Any) -> str:
    return json.dumps(parts) + "\n"


def row(index: int, parent: int, text: str, p: float, entropy: float | None = 1.0, flags: int = 0) -> list[Any]:
    """A node of the document; p is its probability given the parent."""
    rest = None if entropy is None else 0.2
    return [index, parent, text, math.log(p) if p else None, entropy, rest, flags, 0]


def small() -> str:
    """Two runs that part, a long chain, bytes of a character, a hostile word, a finished and a cut-off answer."""
    rows = [
        row(0, -1, "", 1.0),
        row(1, 0, "He", 0.7, 0.9),
        row(2, 0, "The", 0.25, 2.0),
        row(3, 0, "A", 0.02, None, RECORDED),
    ]
    rows += [row(4, 1, " has", 0.6, 1.4), row(5, 4, " 33", 0.5, 0.1), row(6, 5, "<end>", 0.9, None, FINISHED | CONTROL)]
    rows += [
        row(7, 4, " 42", 0.3, 0.2),
        row(8, 7, "<end>", 0.8, None, FINISHED | CONTROL),
        row(9, 4, HOSTILE, 0.1, None),
    ]
    rows += [row(10 + i, 2 if i == 0 else 9 + i, WORDS[i], 0.9) for i in range(20)]
    rows += [row(30, 1, " owns", 0.04, 0.3, FORCED), row(31, 30, " none", 0.5, None)]
    rows += [
        [32, 2, "", math.log(0.05), 1.0, 0.2, 0, "e2 82"],
        [33, 32, "€", math.log(0.9), 1.0, 0.2, 0, 0],
    ]
    runs = [
        {"uid": "run-a", "title": "How many sheep?", "kind": "sampled", "luck": None, "end": 6, "fork": 0,
         "current": True, "status": "finished"},
        {"uid": "run-b", "title": "The other way", "kind": "branch", "luck": "same", "end": 8, "fork": 4,
         "current": False, "status": "finished"},
    ]  # fmt: skip
    status = {
        "state": "idle", "message": "", "start": 4, "evaluated": 12, "budget": 64, "reason": "budget",
        "masses": {"finished": 0.69, "limited": 0.05, "open": 0.2, "pruned": 0.06}, "policy": "likely", "exact": 1,
        "leaves": [
            {"node": 6, "logprob": math.log(0.45), "finished": True, "weight": None},
            {"node": 8, "logprob": math.log(0.24), "finished": True, "weight": None},
            {"node": 9, "logprob": math.log(0.05), "finished": False, "weight": None},
        ],
        "estimates": [{"label": "mean length", "value": 2.5, "error": 0.25}],
    }  # fmt: skip
    marks = {"bookmarks": [7], "notes": {"5": "the right one"}}
    return line(**HEADER) + line(n=rows) + line(runs=runs) + line(marks=marks) + line(s=status)


def large(nodes: int = 2000, seed: int = 7) -> str:
    """A run of 150 tokens with recorded alternatives, and thick growth from three places on it."""
    rng = random.Random(seed)
    rows = [row(0, -1, "", 1.0, 2.0)]
    path = [0]
    for _ in range(150):
        rows += children(rng, len(rows), path[-1], 3, RECORDED)
        rows[-3][6] = 0
        path.append(len(rows) - 3)
    fringe = [path[5], path[40], path[90]]
    while len(rows) < nodes:
        parent = fringe.pop(rng.randrange(len(fringe))) if len(fringe) > 40 else fringe.pop(0)
        fresh = children(rng, len(rows), parent, min(rng.choice((1, 1, 2, 3, 4)), nodes - len(rows)), 0)
        rows += fresh
        fringe += [entry[0] for entry in fresh]
    run = {"uid": "run-l", "title": "A long run", "kind": "sampled", "luck": None, "end": path[-1], "fork": 0,
           "current": True, "status": "finished"}  # fmt: skip
    return line(**{**HEADER, "run": "run-l", "tree": "tree-l"}) + line(n=rows) + line(runs=[run]) + line(s=idle())


def children(rng: random.Random, first: int, parent: int, count: int, flags: int) -> list[list[Any]]:
    shares = sorted((rng.random() ** 2 + 0.02 for _ in range(count)), reverse=True)
    total = sum(shares) * rng.uniform(1.02, 1.3)
    words = rng.sample(WORDS, count)
    return [row(first + i, parent, words[i], shares[i] / total, rng.uniform(0, 4), flags) for i in range(count)]


def idle(**changes: Any) -> dict[str, Any]:
    return {
        "state": "idle", "message": "", "start": 0, "evaluated": 0, "budget": 64, "reason": None, "masses": {},
        "leaves": [], "exact": 0, "policy": "likely", "estimates": [], **changes,
    }  # fmt: skip


def build(served: ServedPage) -> gr.Blocks:
    def listener(name: str) -> Any:
        def listen(event: gr.EventData, document: str) -> str:
            data = dict(event._data)
            served.heard.append((name, data))
            return document + answer(name, data)

        return listen

    with gr.Blocks() as demo:
        tree = Branches(small(), elem_id="tree-piece")
        for name in Branches.triggers:
            getattr(tree, name)(listener(name), tree, tree, **QUIET)
        for text, make in (("Empty", lambda: ""), ("Small", small), ("Large", large)):
            gr.Button(text).click(make, None, tree, **QUIET)
    return demo


def answer(name: str, data: dict[str, Any]) -> str:
    """What the server adds to the document after an event."""
    if name == "tree_mark" and data["bookmark"] is not None:
        return line(marks={"bookmarks": [data["node"]] if data["bookmark"] else [], "notes": {}})
    if name == "tree_mark":
        return line(marks={"bookmarks": [], "notes": {str(data["node"]): data["note"]}})
    if name == "tree_grow":
        grown = line(n=[row(40, data["node"], " indeed", 0.5, None)])
        return grown + line(s=idle(state="growing", start=data["node"], evaluated=3, policy=data["policy"]))
    if name == "tree_stop":
        return line(s=idle(evaluated=3, reason="cancelled"))
    if name == "tree_edit":
        return line(n=[row(41, 4, data["text"], 0.001, None, FORCED)]) + line(s=idle(start=41, reason="complete"))
    return line(export={"name": "tree.json", "text": '{"tree": 1}'}) if name == "tree_export" else ""


def serve() -> AbstractContextManager[ServedPage]:
    """The page on a free port."""
    return served_page(build)


def chip(tree: Locator, node: int) -> Locator:
    return tree.locator(f"[role=treeitem][data-node='{node}']")


def heard(page: Page, served: ServedPage, name: str) -> dict[str, object]:
    until(page, lambda: bool(served.events(name)))
    return served.events(name)[-1]


def focus(tree: Locator) -> Locator:
    frame = tree.get_by_role("tree")
    frame.focus()
    return frame


def selected(tree: Locator) -> int:
    return int(tree.get_attribute("data-selected") or -1)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
