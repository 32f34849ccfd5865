"""What may be asked of a tree, checked once, and what is kept beside it as plain values and back.

Every refusal names field, value and remedy. Does not know the store, the model or how a tree is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from engine import limits
from engine.errors import BadInput
from engine.tree import LIMITS
from engine.tree_policies import policy_named
from engine.tree_queue import Growth
from ui.access import Viewer
from ui.numbers import whole
from ui.tree_view import Marks

NOTE_CHARS = 2_000
TAG_CHARS = 40
TAGS_A_NODE = 8
EDIT_CHARS = 2_000
MARKED_NODES = 400
ONE_MORE = "more"


@dataclass(frozen=True)
class TreeBounds:
    """Upper bounds for one person. budget: nodes looked into by one call; nodes: in a tree that still grows;
    file_bytes: an imported tree."""

    budget: int = 2_000
    width: int = 50
    depth: int = 256
    nodes: int = LIMITS.nodes
    file_bytes: int = 64 * 2**20

    @property
    def asked(self) -> dict[str, int]:
        """What the page needs to know of them."""
        return {"budget": self.budget, "width": self.width, "depth": self.depth}


TRUSTED = TreeBounds()
PUBLIC = TreeBounds(budget=200, width=20, depth=64, nodes=20_000, file_bytes=4 * 2**20)


@dataclass(frozen=True)
class AskedGrowth:
    """growth: its settings; budget: nodes to look into; leaves: stop once so many have come out in all, "more": one
    more than there are, None: go on to the end of the budget."""

    growth: Growth
    budget: int
    leaves: int | Literal["more"] | None


def bounds_of(viewer: Viewer) -> TreeBounds:
    """What this person may ask for."""
    return TRUSTED if viewer.trusted else PUBLIC


def asked_growth(fields: Mapping[str, Any], bounds: TreeBounds) -> AskedGrowth:
    """A growth from raw values: node (0), policy (likely), width (5), depth (12), budget (64), leaves (none), seed (0).

    Numbers may be floats that are whole, or text; None and "" mean the default. Raises BadInput.
    """
    known = ("node", "policy", "width", "depth", "budget", "leaves", "seed")
    unknown = [key for key in fields if key not in known]
    if unknown:
        raise BadInput(f"A growth has no setting {str(unknown[0])[:40]!r}; the settings are: {', '.join(known)}.")
    asked, leaves = fields.get("policy"), fields.get("leaves")
    policy = policy_named("likely" if asked in (None, "") else asked).name
    growth = Growth(
        policy=policy,
        width=whole("The width", fields.get("width"), 1, bounds.width, 5),
        depth=whole("The depth", fields.get("depth"), 1, bounds.depth, 12),
        seed=whole("The seed", fields.get("seed"), 0, limits.MAX_SEED, 0),
        start=node_number(fields.get("node"), default=0),
        # only then are the first answers the most probable of all, whatever the width
        widen=policy == "likely",
    )
    return AskedGrowth(
        growth=growth,
        budget=whole("The budget", fields.get("budget"), 1, bounds.budget, 64),
        leaves=(
            None
            if leaves in (None, "")
            else "more"
            if leaves == ONE_MORE
            else whole("The number of answers", leaves, 1, bounds.nodes, 1)
        ),
    )


def node_number(value: object, default: int | None = None) -> int:
    """The number of a node; whether the tree has it is for the tree to say. default: what None and "" mean."""
    return whole("The node", value, 0, LIMITS.nodes, default)


def edit_text(value: object) -> str:
    """The text of an edit. Raises BadInput for none, or one that is too long."""
    if not isinstance(value, str) or not value:
        raise BadInput("There is no text to put beside this node: write at least one character.")
    if len(value) > EDIT_CHARS:
        raise BadInput(f"The text has {len(value):,} characters; at most {EDIT_CHARS:,} can be put beside a node.")
    return value


def remarked(marks: Marks, node: int, bookmark: object, note: object, tags: object = None) -> Marks:
    """Marks with this node's changed: bookmark True, False or None (as it is); note a text, "" takes it away; tags as
    `tags_of` reads them, none at all takes them away."""
    if bookmark is not None and not isinstance(bookmark, bool):
        raise BadInput(f"The bookmark is {str(bookmark)[:40]!r}; it must be true or false.")
    if note is not None and not isinstance(note, str):
        raise BadInput(f"The note is {str(note)[:40]!r}; it must be a text.")
    if note is not None and len(note) > NOTE_CHARS:
        raise BadInput(f"The note has {len(note):,} characters; at most {NOTE_CHARS:,} can be kept.")
    bookmarks, notes = list(marks.bookmarks), dict(marks.notes)
    if bookmark is False and node in bookmarks:
        bookmarks.remove(node)
    if bookmark is True and node not in bookmarks:
        bookmarks.append(node)
    if note is not None:
        notes.pop(node, None)
        # half of a character cannot be written down
        text = note.encode("utf-8", "replace").decode().strip()
        if text:
            notes[node] = text
    tagged = {**marks.tags}
    if tags is not None:
        tagged.pop(node, None)
        if words := tags_of(tags):
            tagged[node] = words
    changed = replace(marks, bookmarks=tuple(bookmarks), notes=notes, tags=tagged)
    if len(changed.nodes) > MARKED_NODES:
        raise BadInput(f"This tree has marks on {MARKED_NODES:,} nodes, which is as many as are kept: take one away.")
    return changed


def tags_of(value: object) -> tuple[str, ...]:
    """Tags from a text with commas between them, or from a list; of two that differ in case only the first.

    Raises BadInput for what is no text, a tag that is too long, or too many.
    """
    parts: list[str] = []
    for part in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(part, str):
            raise BadInput(f"The tags hold {str(part)[:40]!r}; they must be words with commas between them.")
        parts.append(part)
    # half of a character cannot be written down, and a line break is no part of a word
    written = ",".join(parts).encode("utf-8", "replace").decode().split(",")
    words = [" ".join(tag.split()) for tag in written]
    tags = _once(word for word in words if word)
    long = next((tag for tag in tags if len(tag) > TAG_CHARS), None)
    if long is not None:
        raise BadInput(
            f"The tag “{long[:20]}…” has {len(long):,} characters; a tag has at most {TAG_CHARS}: shorten it."
        )
    if len(tags) > TAGS_A_NODE:
        raise BadInput(f"There are {len(tags):,} tags; one node has at most {TAGS_A_NODE}: leave some out.")
    return tags


def _once(tags: Iterable[str]) -> tuple[str, ...]:
    """Each tag as it was written first, whatever its case."""
    found: dict[str, str] = {}
    for tag in tags:
        found.setdefault(tag.casefold(), tag)
    return tuple(found.values())


def together(marks: Marks, others: Marks) -> Marks:
    """Both sets of marks; of two notes on one node the first, of its tags both, as many as a node can have.

    Raises BadInput for more than can be read again."""
    tags = {node: _once((*marks.tags.get(node, ()), *more))[:TAGS_A_NODE] for node, more in others.tags.items()}
    both = replace(
        marks,
        bookmarks=tuple(dict.fromkeys([*marks.bookmarks, *others.bookmarks])),
        notes={**others.notes, **marks.notes},
        tags={**marks.tags, **tags},
    )
    if len(both.nodes) > MARKED_NODES:
        raise BadInput(
            f"Together there would be marks on {len(both.nodes):,} nodes; at most {MARKED_NODES:,} can be kept: take "
            "some away first."
        )
    return both


def moved(marks: Marks, placed: Mapping[int, int], size: int) -> Marks:
    """Marks on a tree of `size` nodes that have other numbers now; those on nodes that are gone are left out.

    Marks on nodes that the tree does not have yet stay: it is growing and will have them.
    """
    here = {node: placed.get(node, -1) if node < size else node for node in marks.nodes}
    return replace(
        marks,
        bookmarks=tuple(dict.fromkeys(here[node] for node in marks.bookmarks if here[node] >= 0)),
        notes={here[node]: text for node, text in marks.notes.items() if here[node] >= 0},
        tags={here[node]: tags for node, tags in marks.tags.items() if here[node] >= 0},
    )


def within(marks: Marks, size: int) -> Marks:
    """The marks on nodes that a tree of this size has, as they are shown and given away with it."""
    return replace(
        marks,
        removed=(),
        bookmarks=tuple(node for node in marks.bookmarks if node < size),
        notes={node: text for node, text in marks.notes.items() if node < size},
        tags={node: tags for node, tags in marks.tags.items() if node < size},
    )


def moved_growth(growth: Growth | None, placed: Mapping[int, int]) -> Growth | None:
    """A growth whose start has another number now; None when it is gone."""
    if growth is None or growth.start not in placed:
        return None
    return replace(growth, start=placed[growth.start])


def marks_to_plain(marks: Marks) -> dict[str, Any]:
    removed = [list(path) for path in marks.removed]
    return marks.plain | ({"removed": removed} if removed else {})


def marks_from_plain(plain: object) -> Marks:
    """The inverse of `marks_to_plain`, also for values from outside. Raises BadInput."""
    if not isinstance(plain, Mapping):
        raise BadInput("The marks of the tree must be an object with bookmarks, notes and tags.")
    bookmarks, notes, tagged = plain.get("bookmarks", []), plain.get("notes", {}), plain.get("tags", {})
    if not (isinstance(bookmarks, list) and isinstance(notes, Mapping) and isinstance(tagged, Mapping)):
        raise BadInput("The marks of the tree must be a list of bookmarks, an object of notes and one of tags.")
    for name, found in (("bookmarks", bookmarks), ("notes", notes), ("tagged nodes", tagged)):
        # looked at one by one, millions of them would take minutes
        if len(found) > MARKED_NODES:
            raise BadInput(f"The tree has {len(found):,} {name}; at most {MARKED_NODES:,} can be kept: leave some out.")
    marks = Marks()
    for node in bookmarks:
        marks = remarked(marks, node_number(node), True, None)
    for node, text in notes.items():
        marks = remarked(marks, node_number(node), None, text)
    for node, tags in tagged.items():
        marks = remarked(marks, node_number(node), None, None, tags)
    removed = plain.get("removed", [])
    whole_paths = isinstance(removed, list) and all(
        isinstance(path, list) and path and all(type(i) is int for i in path) for path in removed
    )
    if not whole_paths:
        raise BadInput("The marks of the tree must list what was removed as paths of token ids.")
    return replace(marks, removed=tuple(tuple(path) for path in removed))


def growth_to_plain(growth: Growth | None) -> dict[str, Any] | None:
    # a seed may need 63 bits, more than many readers of JSON keep
    return None if growth is None else asdict(growth) | {"seed": str(growth.seed)}


def growth_from_plain(plain: Mapping[str, Any] | None) -> Growth | None:
    return None if plain is None else Growth(**{**plain, "seed": int(plain["seed"])})
