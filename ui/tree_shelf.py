"""Trees of runs as they are kept: what is stored of one, and in it the runs of its family as they are now.

One tree for each first run and person, as an analysis of that run, which nobody else sees unless the run is an
example; whoever saves last loses nothing of what was saved meanwhile. Does not know how a tree grows or is drawn.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from engine.errors import Busy, NotFound, StoreDamaged
from engine.tree import LIMITS, Tree
from engine.tree_json import tree_from_dict, tree_to_dict
from engine.tree_queue import Growth
from engine.tree_runs import copied, graft, known_ends, merge, root_of, tokens_in_root, tree_for
from engine.types import ModelCard, Trace
from storage.database import Store
from storage.records import AnalysisHeader, AnalysisStatus, RunHeader, StoredRun
from storage.traces import vocabulary, vocabulary_arrays
from ui import actions
from ui.access import Viewer
from ui.tree_family import anchor_of, chosen
from ui.tree_fields import (
    bounds_of,
    growth_from_plain,
    growth_to_plain,
    marks_from_plain,
    marks_to_plain,
    moved,
    moved_growth,
)
from ui.tree_removal import bounded
from ui.tree_view import Marks, PlacedRun, Spelling, completed

if TYPE_CHECKING:
    from engine.models import LanguageModel

KIND = "tree"
# trees of one person, trees of all people together, and nodes in all of these
REMEMBERED = 8
REMEMBERED_BY_ALL = 128
REMEMBERED_NODES = 8 * LIMITS.nodes
# what grew within bounds has to open and to be stored again, whatever came together in it
STORED = replace(LIMITS, nodes=2**31 - 1)
SET_ASIDE = "What was stored of this tree is damaged and was left aside; growing it again stores it anew."

# marks as they are, and number in the tree handed in -> number in the tree that is stored
Remark = Callable[[Marks, Mapping[int, int]], Marks]


@dataclass(frozen=True)
class OpenTree:
    """A tree with its runs, as one person sees it.

    run: the one asked for; anchor: the run it is stored with; tree: never changed once it is here; words: id -> bytes
    of every token in it; control: ids of control tokens; growth: settings of the last one; analysis, version: what of
    the store it comes from, "" for nothing; message: what is to be said of it; own: whether this person stored it;
    whole: the same with what is hidden in it, None where nothing is.
    """

    run: StoredRun
    anchor: str
    tree: Tree
    words: Mapping[int, bytes]
    control: frozenset[int]
    runs: tuple[PlacedRun, ...]
    marks: Marks
    growth: Growth | None
    analysis: str
    version: str
    message: str = ""
    own: bool = True
    whole: OpenTree | None = None

    @property
    def spelling(self) -> Spelling:
        """What its tokens are made of."""
        trace = self.run.trace
        first = trace.token_ids[: tokens_in_root(trace)].tolist()
        tail = completed(b"", b"".join(self.words.get(i, b"") for i in first))[1]
        return Spelling(self.words, self.control, tail)


@dataclass(frozen=True)
class _Kept:
    """What is stored of a tree: version and analysis "" where nothing is."""

    tree: Tree | None = None
    words: Mapping[int, bytes] | None = None
    control: frozenset[int] = frozenset()
    marks: Marks = field(default_factory=Marks)
    growth: Growth | None = None
    analysis: str = ""
    version: str = ""
    message: str = ""
    own: bool = True


@dataclass(frozen=True)
class Saved:
    """What became of a tree that was stored: all of its marks, and number in the tree handed in -> number in it."""

    marks: Marks
    placed: Mapping[int, int]


class TreeShelf:
    """Opens and saves the trees of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # held for a moment only; `_saving`, one for each tree, is held while the store may be waited for
        self._lock = threading.Lock()
        self._saving: WeakValueDictionary[tuple[str, str], threading.Lock] = WeakValueDictionary()
        # trees as they were shown last: a node keeps its number from one look to the next
        self._shown: OrderedDict[tuple[str, str], OpenTree] = OrderedDict()

    def load(self, uid: str, viewer: Viewer, at_hand: Callable[[Trace], LanguageModel | None]) -> OpenTree:
        """The tree in which a run lies, with every run of its family that shares its prompt and model.

        at_hand: gives a run's own model where it is loaded; it says which tokens end a turn. Raises NotFound,
        StoreDamaged; however full the tree is, it opens.
        """
        run = self._store.runs.get(uid, viewer=viewer.name)
        model = at_hand(run.trace)
        family = self._family(run, viewer)
        anchor = anchor_of(run, family)
        kept = self._kept(anchor, viewer, shared=any(r.header.uid == anchor and r.header.example for r in family))
        with self._lock:
            shown = self._shown.get((viewer.name, anchor))
        base = shown.tree if shown else None
        if kept.tree is not None and (shown is None or shown.version != kept.version):
            # what is stored counts, with what was shown here and could not be stored
            base = kept.tree if base is None else _together(kept.tree, base)
        traces = [each.trace for each in family]
        ends = known_ends(traces) if model is None else model.end_ids
        if base is None:
            base = tree_for(traces[0], ends)
        room = replace(LIMITS, nodes=max(LIMITS.nodes, len(base) + sum(map(_most_nodes, traces))))
        tree, placed = copied(base, end_ids=base.end_ids | ends if model is None else ends, tree_limits=room)
        paths = [graft(tree, trace) for trace in traces]
        words = {**(kept.words or {}), **(shown.words if shown else {})}
        for each in reversed(traces):
            words.update(each.token_bytes)
        control = kept.control.union(shown.control if shown else (), *(trace.special_ids for trace in traces))
        opened = OpenTree(
            run=run,
            anchor=anchor,
            tree=tree,
            words=words,
            control=control,
            runs=tuple(PlacedRun(each.header, _luck(each), path) for each, path in zip(family, paths, strict=True)),
            marks=moved(kept.marks, placed, len(base)),
            growth=moved_growth(kept.growth, placed),
            analysis=kept.analysis,
            version=kept.version,
            message=kept.message,
            own=kept.own,
        )
        self.remember(opened, viewer)
        return opened

    def save(
        self,
        opened: OpenTree,
        viewer: Viewer,
        *,
        growth: Growth | None = None,
        status: AnalysisStatus = "finished",
        remark: Remark | None = None,
    ) -> Saved:
        """Store a tree that was opened and has grown or was marked since (`opened` with its new tree and words).

        What was stored meanwhile stays: both are put together. Somebody else's large save is waited for, as what has
        grown may have taken minutes. Raises Busy, BadInput, StoreDamaged.
        """
        deadline = time.monotonic() + actions.SAVE_PATIENCE_SECONDS
        while True:
            try:
                return self._save(opened, viewer, growth or opened.growth, status, remark)
            except Busy:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(actions.POLL_SECONDS)

    def _save(
        self, opened: OpenTree, viewer: Viewer, growth: Growth | None, status: AnalysisStatus, remark: Remark | None
    ) -> Saved:
        with self._lock:
            saving = self._saving.setdefault((viewer.name, opened.anchor), threading.Lock())
        with saving:
            own = self._own(opened.anchor, viewer)
            changed = own is not None and _version(own) != opened.version
            now = self._read(own, viewer) if own and changed else _Kept()
            words, control = {**(now.words or {}), **opened.words}, opened.control | now.control
            tree, placed, marks, growth = _put_together(opened, now, growth)
            if remark is not None:
                marks = remark(marks, placed)
            if len(marks.removed) > len(opened.marks.removed):
                on_runs = {placed[node] for run in opened.runs for node in run.path if node in placed}
                tree, marks, left = bounded(tree, marks, on_runs, bounds_of(viewer).nodes)
                placed = {node: left[here] for node, here in placed.items() if here in left}
                growth = moved_growth(growth, left)
            uid = own.uid if own else self._begin(opened, viewer)
            self._store.analyses.save(
                uid,
                viewer=viewer.name,
                arrays=_arrays(tree, words, control),
                status=status,
                result={"marks": marks_to_plain(marks), "growth": growth_to_plain(growth)},
            )
            stored = self._own(opened.anchor, viewer)
        whole = replace(opened, tree=tree, words=words, control=control, version=_version(stored), whole=None)
        self.remember(whole, viewer)
        return Saved(marks, placed)

    def remember(self, opened: OpenTree, viewer: Viewer) -> None:
        """Take a tree for what this person sees from now on; nobody may change it any more."""
        if opened.whole is not None:
            tree, *_ = _put_together(opened, _Kept(), None)
            opened = replace(opened, tree=tree, whole=None)
        with self._lock:
            self._shown[viewer.name, opened.anchor] = opened
            self._shown.move_to_end((viewer.name, opened.anchor))
            held = Counter(name for name, _ in self._shown)
            if held[viewer.name] > REMEMBERED:
                self._forget(viewer.name)
            while len(self._shown) > 1 and (
                len(self._shown) > REMEMBERED_BY_ALL
                or sum(len(each.tree) for each in self._shown.values()) > REMEMBERED_NODES
            ):
                held = Counter(name for name, _ in self._shown)
                # of those who have as many, whoever looked at a tree longest ago: the first in this order
                self._forget(max((name for name, _ in self._shown), key=lambda name: held[name]))

    def _forget(self, name: str) -> None:
        """Drop the tree that this person has not looked at for longest."""
        del self._shown[next(key for key in self._shown if key[0] == name)]

    def _family(self, run: StoredRun, viewer: Viewer) -> list[StoredRun]:
        """The runs that share this one's prompt and model, oldest first, itself among them."""
        headers = self._store.runs.family(run.header.uid, viewer=viewer.name)
        family = []
        for header in chosen(run.header, [*self._above(headers, viewer), *headers]):
            if header.uid == run.header.uid:
                family.append(run)
                continue
            try:
                other = self._store.runs.get(header.uid, viewer=viewer.name)
            except (NotFound, StoreDamaged):
                continue  # binned this very moment, or damaged: the library says so where it is listed
            if root_of(other.trace) == root_of(run.trace) and same_weights(other.trace.model, run.trace.model):
                family.append(other)
        return family

    def _above(self, headers: Iterable[RunHeader], viewer: Viewer) -> list[RunHeader]:
        """Runs of others from which these come and which this person may open, the topmost first.

        No library lists them, but without them a branch would hang on another tree than the run that it left.
        """
        waiting, found = list(headers), list[RunHeader]()
        asked = {header.uid for header in waiting}
        while waiting:
            parent = waiting.pop().parent
            if parent is None or parent in asked:
                continue
            asked.add(parent)
            try:
                above = self._store.runs.header(parent, viewer=viewer.name)
            except (NotFound, StoreDamaged):
                continue  # somebody's own, binned or damaged: what comes from it begins a tree here
            found.append(above)
            waiting.append(above)
        return found[::-1]

    def _kept(self, anchor: str, viewer: Viewer, *, shared: bool) -> _Kept:
        """What this person stored of a tree; else, where it is shared, what the run's owner did."""
        own = self._own(anchor, viewer)
        if own is not None:
            return self._read(own, viewer)
        if not shared:
            return _Kept()
        others = self._store.analyses.list(anchor, viewer=viewer.name, kind=KIND)
        return replace(self._read(others[-1], viewer), own=False) if others else _Kept()

    def _own(self, anchor: str, viewer: Viewer) -> AnalysisHeader | None:
        found = self._store.analyses.list(anchor, viewer=viewer.name, kind=KIND)
        return next((header for header in reversed(found) if header.owner == viewer.name), None)

    def _begin(self, opened: OpenTree, viewer: Viewer) -> str:
        tokens = next((run.header.tokens for run in opened.runs if run.header.uid == opened.anchor), 0)
        return self._store.analyses.add(opened.anchor, KIND, {"tokens": tokens}, viewer=viewer.name)

    def _read(self, header: AnalysisHeader, viewer: Viewer) -> _Kept:
        version = _version(header)
        marks = marks_from_plain(header.result.get("marks", {}))
        if "tree" not in header.arrays:
            return _Kept(marks=marks, analysis=header.uid, version=version)
        try:
            arrays = self._store.analyses.get(header.uid, viewer=viewer.name).arrays
        except StoreDamaged:
            return _Kept(analysis=header.uid, version=version, message=SET_ASIDE)
        return _Kept(
            tree=tree_from_dict(json.loads(arrays["tree"].tobytes()), tree_limits=STORED),
            words=vocabulary(dict(arrays), f"Analysis {header.uid}"),
            control=frozenset(arrays["control"].tolist()),
            marks=marks,
            growth=growth_from_plain(header.result.get("growth")),
            analysis=header.uid,
            version=version,
        )


def same_weights(one: ModelCard, other: ModelCard) -> bool:
    """Whether two runs were made with the same weights in the same numbers, on whatever device."""
    return weights_of(one) == weights_of(other)


def weights_of(card: ModelCard) -> dict[str, str]:
    """What tells one set of weights from another."""
    return {key: getattr(card, key) for key in ("repo", "revision", "quantization", "dtype", "tokenizer_hash")}


def _put_together(
    opened: OpenTree, now: _Kept, growth: Growth | None
) -> tuple[Tree, Mapping[int, int], Marks, Growth | None]:
    """A tree that was opened with what was stored meanwhile (`now`) and with what is hidden: nothing of these is lost.

    With it number in the tree opened -> number in it, the marks of all, and the growth (of the tree opened) in it.
    """
    whole = opened.whole
    if now.tree is None and whole is None:
        return opened.tree, {node: node for node in range(len(opened.tree))}, opened.marks, growth
    if now.tree is not None:
        base, marks, before = now.tree, now.marks, now.growth
    elif whole is not None:
        base, marks, before = whole.tree, whole.marks, whole.growth
    tree, renumbered = copied(base, end_ids=opened.tree.end_ids, tree_limits=STORED)
    if whole is not None:
        merge(tree, whole.tree)
    placed = merge(tree, opened.tree)
    # where the last growth began may be hidden
    kept = moved_growth(growth, placed) or moved_growth(before, renumbered)
    return tree, placed, moved(marks, renumbered, len(base)), kept


def _together(stored: Tree, shown: Tree) -> Tree:
    both, _ = copied(stored)
    merge(both, shown)
    return both


def _most_nodes(trace: Trace) -> int:
    """As many nodes as a run can put into a tree."""
    # while it is put in, room is asked for a token and its alternatives, known or not
    return len(trace) + trace.topk_ids.size + 1


def _luck(run: StoredRun) -> str | None:
    intervention = run.trace.intervention
    return intervention.luck if intervention is not None else None


def _version(header: AnalysisHeader | None) -> str:
    return f"{header.uid} {header.updated_at.isoformat()}" if header else ""


def _arrays(tree: Tree, words: Mapping[int, bytes], control: Iterable[int]) -> dict[str, np.ndarray]:
    text = json.dumps(tree_to_dict(tree), separators=(",", ":"), allow_nan=False)
    used = {node.token_id for node in tree}
    return {
        "tree": np.frombuffer(text.encode(), dtype=np.uint8),
        "control": np.array(sorted(used.intersection(control)), dtype=np.int32),
        **vocabulary_arrays({token_id: words[token_id] for token_id in used if token_id in words}),
    }
