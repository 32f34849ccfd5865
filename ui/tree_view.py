"""A branching tree to the small JSON that the browser draws: a header, nodes, runs, marks, and how growth stands.

Append-only text while a tree grows: after the first lines come only nodes that are new or that have changed, and
what holds now. Texts are decoded as bytes along each path. Does not know gradio, the store, or how a tree grows.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.tree import ROOT, Evaluation, Masses, Tree, masses
from engine.tree_estimates import draw, mean, weights
from engine.tree_policies import POLICIES
from engine.tree_queue import Growth, replay
from engine.types import NOISE_VERSION
from storage.records import RunHeader
from ui.tree_numbering import Numbering
from ui.wire import REPLACEMENT, number, wire_line

NODES_A_LINE = 500
LEAVES_SHOWN = 500
LEAVES_MEANWHILE = 20
FINISHED, FORCED, CONTROL, RECORDED_ONLY = 1, 2, 4, 8


@dataclass(frozen=True)
class PlacedRun:
    """A run whose path lies in the tree. path: the node after each of its first 0, 1, ... tokens; luck: how what it
    does not share with its parent was drawn, None for a run of its own."""

    header: RunHeader
    luck: str | None
    path: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.path[-1]

    @property
    def fork(self) -> int:
        """The last node it shares with its parent, the root for a run of its own."""
        return self.path[min(self.header.fork_position or 0, len(self.path) - 1)]


@dataclass(frozen=True)
class Marks:
    """What a person put on nodes. bookmarks: node numbers; notes: node number -> text; tags: node number -> words;
    removed: what they took out of the tree, as paths of token ids below the root, which no page is shown."""

    bookmarks: tuple[int, ...] = ()
    notes: Mapping[int, str] = field(default_factory=dict)
    tags: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    removed: tuple[tuple[int, ...], ...] = ()

    @property
    def nodes(self) -> frozenset[int]:
        """The nodes that carry any mark."""
        return frozenset((*self.bookmarks, *self.notes, *self.tags))

    @property
    def plain(self) -> dict[str, Any]:
        """What pages are shown, as values of JSON; tags only where there are any, as before there were tags."""
        values: dict[str, Any] = {
            "bookmarks": list(self.bookmarks),
            "notes": {str(node): text for node, text in self.notes.items()},
        }
        if self.tags:
            values["tags"] = {str(node): list(tags) for node, tags in self.tags.items()}
        return values


@dataclass(frozen=True)
class Spelling:
    """What tokens are made of. words: id -> bytes; control: ids of control tokens; tail: bytes of a character that
    the root leaves unfinished."""

    words: Mapping[int, bytes]
    control: Collection[int]
    tail: bytes = b""


@dataclass(frozen=True)
class Standing:
    """Where a growth stands, or what the last one came to.

    state: idle, waiting, growing or failed. growth: its settings, None before the first one. reason: why it ended.
    start: where it does not lie at the growth's; out: answers that have come out, as far as they were counted;
    removed, restored: the name of what was just taken out of the tree or brought back.
    """

    state: str = "idle"
    message: str = ""
    growth: Growth | None = None
    evaluated: int = 0
    budget: int = 0
    reason: str | None = None
    masses: Masses | None = None
    start: int | None = None
    out: int | None = None
    removed: str = ""
    restored: str = ""


def header_line(
    *,
    run: str,
    tree: str,
    title: str,
    root_text: str,
    root_tokens: int,
    offset: int,
    limits: Mapping[str, int],
    seconds_per_node: float | None,
    numbering: str = "",
) -> str:
    """Everything about a tree but what is in it.

    offset: how many of the run's own tokens stand in the root; limits: largest budget, width and depth that may be
    asked for; numbering: the token of its nodes' numbers, which comes back with everything that is asked of a node.
    """
    return wire_line(
        {
            "v": 1,
            "run": run,
            "tree": tree,
            "title": title,
            "root": {"text": root_text, "tokens": root_tokens},
            "offset": offset,
            "policies": [{"name": policy.name, "short": policy.short} for policy in POLICIES.values()],
            "limits": dict(limits),
            "seconds_per_node": number(seconds_per_node),
            "noise": NOISE_VERSION,
            "numbering": numbering,
        }
    )


class NodeLines:
    """Writes the lines of a tree's nodes and remembers what was written, so that only what changed is written again.

    ends: nodes at which runs end, which are no mere alternatives.
    """

    def __init__(self, tree: Tree, spelling: Spelling, ends: Collection[int] = ()) -> None:
        self._tree = tree
        self._spelling = spelling
        self._ends = frozenset(ends)
        self._texts: list[tuple[str, str | int]] = []
        self._tails: list[bytes] = []
        self._evaluations: list[Evaluation | None] = []
        self._children: list[int] = []
        self._numbering = Numbering()

    @property
    def numbering(self) -> str:
        """The token of all numbers that were written."""
        return self._numbering.token

    def changed(self) -> str:
        """Lines of all nodes that were not yet written, or differ from what was; "" when there are none."""
        rows = [self._row(index) for index in self._touched()]
        parts = [rows[i : i + NODES_A_LINE] for i in range(0, len(rows), NODES_A_LINE)]
        return "".join(wire_line({"n": part}) for part in parts)

    def _touched(self) -> list[int]:
        """New nodes, nodes with another evaluation, and the children of the latter, whose flags hang on it."""
        tree, written = self._tree, len(self._evaluations)
        touched = set(range(written, len(tree)))
        for index, before in enumerate(self._evaluations):
            now, children = tree.evaluation(index), len(tree.children(index))
            if now is not before or children != self._children[index]:
                self._evaluations[index], self._children[index] = now, children
                touched.add(index)
                touched.update(tree.children(index))
        for index in range(written, len(tree)):
            self._evaluations.append(tree.evaluation(index))
            self._children.append(len(tree.children(index)))
            self._numbering.take(tree[index])
            self._spell(index)
        return sorted(touched)

    def _spell(self, index: int) -> None:
        node = self._tree[index]
        if index == ROOT:
            self._texts.append(("", 0))
            self._tails.append(self._spelling.tail)
            return
        raw = self._spelling.words.get(node.token_id, b"")
        text, tail = completed(self._tails[node.parent], raw)
        unfinished = (not text and raw) or REPLACEMENT in text
        self._texts.append((text, raw.hex(" ") if unfinished else 0))
        self._tails.append(tail)

    def _row(self, index: int) -> list[Any]:
        node, evaluation = self._tree[index], self._evaluations[index]
        text, raw = self._texts[index]
        known = (number(evaluation.entropy), number(self._tree.rest(index))) if evaluation else (None, None)
        return [index, node.parent, text, number(node.logprob), *known, self._flags(index), raw]

    def _flags(self, index: int) -> int:
        node = self._tree[index]
        flags = FINISHED * node.finished + FORCED * node.forced + CONTROL * (node.token_id in self._spelling.control)
        if index == ROOT or node.forced or index in self._ends or self._evaluations[index] is not None:
            return flags
        above = self._tree.evaluation(node.parent)
        only_recorded = above is not None and not above.width and not above.noise
        return flags + RECORDED_ONLY * only_recorded


def completed(tail: bytes, raw: bytes) -> tuple[str, bytes]:
    """The text that a token's bytes complete behind an unfinished character, and the bytes then unfinished."""
    whole = tail + raw
    text, used = codecs.utf_8_decode(whole, "replace", False)
    return text, whole[used:]


def runs_line(runs: Sequence[PlacedRun], current: str) -> str:
    """The runs in the tree; current: the uid of the one on show."""
    return wire_line(
        {
            "runs": [
                {
                    "uid": run.header.uid,
                    "title": run.header.title or run.header.prompt[:60],
                    "kind": run.header.kind,
                    "luck": run.luck,
                    "end": run.end,
                    "fork": run.fork,
                    "current": run.header.uid == current,
                    "status": run.header.status,
                }
                for run in runs
            ]
        }
    )


def marks_line(marks: Marks) -> str:
    """Bookmarks, notes and tags."""
    return wire_line({"marks": marks.plain})


def standing_line(tree: Tree, standing: Standing, outcome: Mapping[str, Any] | None = None, numbering: str = "") -> str:
    """Where a growth stands; with all of its leaves and estimates once it is over, with the latest leaves before.

    outcome: what `outcome_of` gave, where it is known already; numbering: the token of numbers, where more nodes were
    written since the header.
    """
    growth = standing.growth
    also = {"removed": standing.removed, "restored": standing.restored, "numbering": numbering}
    start = standing.start if standing.start is not None else growth.start if growth else ROOT
    shown = standing.masses or masses(tree, start, growth.depth if growth else None)
    return wire_line(
        {
            "s": {
                "state": standing.state,
                "message": standing.message,
                "start": start,
                "evaluated": standing.evaluated,
                "budget": standing.budget,
                "reason": standing.reason,
                "masses": {name: number(share) for name, share in asdict(shown).items()},
                **(outcome if outcome is not None else outcome_of(tree, growth, over=standing.state != "growing")),
                "policy": growth.policy if growth else "",
                **{name: value for name, value in also.items() if value},
            }
        }
    )


def export_line(name: str, text: str) -> str:
    """A file for the browser to save."""
    return wire_line({"export": {"name": name, "text": text}})


def with_problem(document: str, message: str) -> str:
    """A document and what went wrong with what was asked of it; what it said last of a growth is kept."""
    last: dict[str, Any] = {"start": ROOT, "leaves": [], "estimates": [], "exact": 0, "policy": "", "masses": {}}
    for line in reversed(document.split("\n")):
        if line.startswith('{"s":'):
            last = json.loads(line)["s"]
            break
    plain = {"evaluated": 0, "budget": 0, "reason": None}
    return document + wire_line({"s": plain | last | {"state": "failed", "message": message}})


def outcome_of(tree: Tree, growth: Growth | None, *, over: bool) -> dict[str, Any]:
    """Leaves in the order in which they came out, how many did (out), how many of them nothing can overtake (exact),
    and what they say of all answers."""
    if growth is None:
        return {"leaves": [], "out": 0, "exact": 0, "estimates": []}
    outcome = replay(tree, growth)
    weight: dict[int, float] = {}
    estimates: list[dict[str, Any]] = []
    if growth.policy == "fair" and over:
        sample = draw(tree, seed=growth.seed, width=growth.width, depth=growth.depth, start=growth.start)
        weight = dict(zip(sample.leaves.tolist(), weights(sample).tolist(), strict=True))
        lengths = [tree[leaf].depth - tree[growth.start].depth for leaf in sample.leaves.tolist()]
        for label, values in (
            (f"Answer length in tokens, counted up to {growth.depth}", lengths),
            ("Share of answers that end by themselves", sample.finished.astype(float)),
        ):
            estimate = mean(sample, values)
            estimates.append(
                {"label": label, "value": number(estimate.value), "error": number(estimate.standard_error)}
            )
    leaves = [
        {
            "node": leaf.node,
            "logprob": number(leaf.phi),
            "finished": leaf.finished,
            "weight": number(weight.get(leaf.node)),
        }
        for leaf in (outcome.leaves[:LEAVES_SHOWN] if over else outcome.leaves[-LEAVES_MEANWHILE:])
    ]
    # the order of informative growth is about uncertainty, not about answers
    exact = 0 if growth.policy == "informative" else outcome.exact
    return {"leaves": leaves, "out": len(outcome.leaves), "exact": exact, "estimates": estimates}
