"""The named endpoints of the branching tree, for notebooks and scripts: the page's use cases by the same rules.

Each endpoint is typed and documented for gradio_client. Does not know how the page looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ui.access import viewer_of
from ui.errors import said
from ui.tree_view import CONTROL, FINISHED, FORCED, RECORDED_ONLY
from ui.trees import Trees

NODE = ("node", "parent", "text", "logprob", "entropy", "rest")


def register(trees: Trees) -> None:
    """Add the endpoints to the Blocks being built."""
    for endpoint in tree_endpoints(trees):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=8)


def tree_endpoints(trees: Trees) -> tuple[Callable[..., Any], ...]:
    """The endpoints over one set of use cases."""
    return (*_growing_endpoints(trees), *_kept_endpoints(trees))


def _growing_endpoints(trees: Trees) -> tuple[Callable[..., Any], ...]:
    def tree(uid: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """The branching tree in which a run lies: its nodes with log-probability, entropy of the next token and the
        probability of what is not in the tree (nats; null where nothing looked), the runs in it, and its marks."""
        with said():
            return record(trees.open(uid, viewer_of(request)))

    def grow_tree(
        uid: str,
        node: int = 0,
        policy: str = "likely",
        width: int = 5,
        depth: int = 12,
        budget: int = 64,
        leaves: int | str | None = None,
        seed: int | str = 0,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> Iterator[dict]:
        """Look into up to `budget` more nodes below a node. policy: likely (most probable answers first, exact), fair
        (a sample without replacement, with estimates) or informative. width: children kept of a node; depth: tokens
        below the node; leaves: stop after so many answers in all, "more": after one more. The last item yielded is
        the whole tree, in the form that `tree` returns; earlier items are progress."""
        fields = {"node": node, "policy": policy, "width": width, "depth": depth}
        fields |= {"budget": budget, "leaves": leaves, "seed": seed}
        with said():
            yield from _records(trees.grow(uid, fields, viewer_of(request)))

    def edit_tree(uid: str, node: int, text: str, request: gr.Request = None) -> Iterator[dict]:  # type: ignore[assignment]
        """Put a text in place of a node's token beside it, each token with the model's own log-probability; the
        original stays. The last item yielded is the whole tree, whose `start` is the last new node."""
        with said():
            yield from _records(trees.edit(uid, node, text, viewer_of(request)))

    def remove_from_tree(uid: str, node: int, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Take out of sight what was written by `edit_tree`, from this node on, with all that grew below it; what the
        model chose and what runs go through stays. Other nodes may get other numbers, their marks with them. Gives the
        tree, whose `removed` is the name by which `restore_in_tree` brings it back."""
        with said():
            return record(trees.remove(uid, node, viewer_of(request)))

    def restore_in_tree(uid: str, removed: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Bring back what `remove_from_tree` took out of sight, with all that grew below it and its marks. removed: the
        name that it gave, by default what was removed last. Other nodes may get other numbers. Gives the tree, whose
        `start` is the first node that is back."""
        with said():
            return record(trees.restore(uid, removed, viewer_of(request)))

    return tree, grow_tree, edit_tree, remove_from_tree, restore_in_tree


def _kept_endpoints(trees: Trees) -> tuple[Callable[..., Any], ...]:
    def mark_tree(
        uid: str,
        node: int,
        bookmark: bool | None = None,
        note: str | None = None,
        tags: str | list[str] | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> dict:
        """Set a node's bookmark, note and tags; null leaves each as it is, an empty note or no tag takes it away.
        tags: up to 8 of up to 40 characters, as a list or as a text with commas between them. Gives the tree."""
        with said():
            return record(trees.mark(uid, node, viewer_of(request), bookmark=bookmark, note=note, tags=tags))

    def export_tree(uid: str, request: gr.Request = None) -> str:  # type: ignore[assignment]
        """The tree of a run as JSON text that `import_tree` takes back exactly."""
        with said():
            return trees.export_tree(uid, viewer_of(request)).text

    def import_tree(uid: str, data: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Put a tree made by `export_tree`, of the same prompt and model, into the tree of a run. Gives the tree."""
        with said():
            return record(trees.import_tree(uid, data, viewer_of(request)))

    return mark_tree, export_tree, import_tree


def record(document: str) -> dict[str, Any]:
    """A tree's document as one dict that a script can use without knowing the wire format."""
    lines = [json.loads(line) for line in document.split("\n") if line]
    head, rows = lines[0], {row[0]: row for line in lines for row in line.get("n", [])}
    latest: dict[str, Any] = {}
    for line in lines[1:]:
        latest.update(line)
    nodes = [
        dict(zip(NODE, row, strict=False))
        | {
            "finished": bool(row[6] & FINISHED),
            "forced": bool(row[6] & FORCED),
            "control": bool(row[6] & CONTROL),
            "recorded_only": bool(row[6] & RECORDED_ONLY),
            "bytes": row[7] or None,
        }
        for _, row in sorted(rows.items())
    ]
    about = {key: head[key] for key in ("run", "tree", "title", "root", "noise", "limits")}
    return about | {"nodes": nodes, "runs": latest["runs"], "tags": {}} | latest["marks"] | latest["s"]


def _records(documents: Iterator[str]) -> Iterator[dict[str, Any]]:
    """How far it has come while it grows; the whole tree at the end."""
    document = ""
    for document in documents:
        last = json.loads(document.rstrip("\n").rpartition("\n")[2])
        standing = last.get("s", {})
        yield {key: standing.get(key) for key in ("state", "message", "evaluated", "budget", "out")}
    yield record(document)
