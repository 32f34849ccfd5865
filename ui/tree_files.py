"""Trees as files: the JSON that an export writes, and reading one that may hold anything.

Knows the file's fields and what must fit; does not know the store or how a tree is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.errors import BadInput
from engine.tree import LIMITS, Tree
from engine.tree_json import tree_from_dict, tree_to_dict
from engine.tree_runs import copied, merge
from storage import strict_json
from storage.limits import ImportLimits
from ui.tree_fields import TreeBounds, marks_from_plain, marks_to_plain, within
from ui.tree_shelf import OpenTree, weights_of
from ui.tree_view import Marks

if TYPE_CHECKING:
    from engine.models import LanguageModel

NESTING = ImportLimits(json_depth=8)
WORD_BYTES = 1_000


@dataclass(frozen=True)
class TreeFile:
    """A file for somebody to save: its name and what is in it."""

    name: str
    text: str


@dataclass(frozen=True)
class ReadTree:
    """A tree from a file, checked. model: which weights it says it is of; words: id -> bytes; control: ids."""

    tree: Tree
    model: Mapping[str, object]
    marks: Marks
    words: Mapping[int, bytes]
    control: frozenset[int]


def write_tree_file(opened: OpenTree) -> TreeFile:
    """A tree with its marks and the bytes of its tokens, so that it can be read without its model."""
    used = sorted({node.token_id for node in opened.tree if node.token_id >= 0})
    values = tree_to_dict(opened.tree) | {
        "run": opened.run.header.uid,
        "model": weights_of(opened.run.trace.model),
        "marks": marks_to_plain(within(opened.marks, len(opened.tree))),
        "words": {str(i): opened.words[i].hex() for i in used if i in opened.words},
        "control": [i for i in used if i in opened.control],
    }
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return TreeFile(f"tree-{opened.run.header.uid[:12]}.json", text)


def read_tree_file(text: object, bounds: TreeBounds) -> ReadTree:
    """A tree from the text of a file. Raises BadInput, one sentence naming what is wrong."""
    if not isinstance(text, str):
        raise BadInput(f"The tree must be given as JSON text, not {type(text).__name__}.")
    raw = text.encode("utf-8", "replace")
    if len(raw) > bounds.file_bytes:
        raise BadInput(f"The file has {len(raw):,} bytes; at most {bounds.file_bytes:,} can be read here.")
    try:
        values = strict_json.parse(raw, NESTING)
    except BadInput as problem:
        raise BadInput(f"It cannot be read: {problem}.") from problem
    tree = tree_from_dict(values, tree_limits=replace(LIMITS, nodes=bounds.nodes))
    model = values.get("model")
    if not isinstance(model, dict):
        raise BadInput("This file does not say which model its tree is of: export the tree again.")
    control = values.get("control", [])
    known = control if isinstance(control, list) else []
    return ReadTree(
        tree=tree,
        model=model,
        marks=within(marks_from_plain(values.get("marks", {})), len(tree)),
        words=_words(values.get("words", {})),
        control=frozenset(i for i in known if type(i) is int),
    )


def check_fits(file: ReadTree, opened: OpenTree) -> None:
    """BadInput unless a tree from a file is one of the same prompt and model as the run's."""
    wanted = weights_of(opened.run.trace.model)
    differs = [key for key, value in wanted.items() if file.model.get(key) != value]
    if differs or file.tree.vocabulary_size != opened.tree.vocabulary_size:
        shown = str(file.model.get("repo"))[:80]
        about = f" (they differ in {', '.join(differs)})" if differs else ""
        raise BadInput(
            f"This tree is of another model, {shown!r}, than the run, {wanted['repo']!r}{about}: import it where a run "
            "of its own model is open."
        )
    if file.tree.root_ids != opened.tree.root_ids:
        raise BadInput("This tree begins with another prompt than the run: open the run that it was exported from.")


def joined(
    file: ReadTree, opened: OpenTree, bounds: TreeBounds, model: LanguageModel | None
) -> tuple[OpenTree, dict[int, int]]:
    """The run's tree with all of the file's in it, and number in the file -> number in it.

    Probabilities that contradict those that are there already give way. Raises BadInput when it does not fit.
    """
    limits = replace(opened.tree.limits, nodes=max(bounds.nodes, len(opened.tree)))
    tree, _ = copied(opened.tree, tree_limits=limits)
    placed = merge(tree, file.tree)
    # whatever was in the file, what is stored can be read again
    tree_from_dict(tree_to_dict(tree))
    words, control = dict(opened.words), set(opened.control)
    for node in tree:
        token_id = node.token_id
        if token_id >= 0 and token_id not in words:
            words[token_id] = model.token_bytes(token_id) if model else file.words.get(token_id, b"")
            if token_id in (model.special_ids if model else file.control):
                control.add(token_id)
    return replace(opened, tree=tree, words=words, control=frozenset(control)), placed


def _words(values: object) -> dict[int, bytes]:
    """Bytes of tokens as a file gives them; what is none is left out and shown as nothing."""
    found: dict[int, bytes] = {}
    for key, spelled in values.items() if isinstance(values, dict) else ():
        if not (key.isascii() and key.isdigit() and len(key) < 10 and isinstance(spelled, str)):
            continue
        if len(spelled) <= 2 * WORD_BYTES:
            try:
                found[int(key)] = bytes.fromhex(spelled)
            except ValueError:
                continue
    return found
