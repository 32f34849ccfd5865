"""Reading a tree's document, and branches to put into trees, for tests of the branching tree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from engine import run_scores
from engine.recording import beginning
from engine.scoring import score_tokens
from storage.records import AnalysisHeader
from tests.support.bench import ME, lines
from ui.access import Viewer
from ui.actions import Workbench
from ui.tree_shelf import TreeShelf
from ui.trees import Trees

SMALL = {"budget": 20, "depth": 3, "width": 3}


def nodes(document: str) -> dict[int, list[Any]]:
    """The newest entry of every node."""
    return {row[0]: row for line in lines(document) for row in line.get("n", [])}


def last(document: str, name: str) -> Any:
    """The newest line of a kind."""
    return [line[name] for line in lines(document) if name in line][-1]


def paths(document: str) -> set[tuple[str, ...]]:
    """Every node as the texts (or bytes) that lead to it."""
    found, known = nodes(document), {0: ()}
    for index in sorted(found)[1:]:
        known[index] = (*known[found[index][1]], found[index][7] or found[index][2])
    return set(known.values())


def analyses(bench: Workbench, uid: str, viewer: Viewer = ME) -> list[AnalysisHeader]:
    """The trees that this person stored with a run."""
    return [a for a in bench.store.analyses.list(uid, viewer=viewer.name, kind="tree") if a.owner == viewer.name]


def branch(
    bench: Workbench, uid: str, fork: int, ids: list[int], kind: str = "counterfactual", viewer: Viewer = ME
) -> str:
    """A stored branch: `fork` tokens of a run, then ids; the first of them written by a person."""
    tiny = bench.host.model()
    parent = bench.store.runs.get(uid, viewer=viewer.name).trace
    kept = parent.token_ids.tolist()[:fork]
    scored = score_tokens(tiny, parent.prompt_ids.tolist(), [*kept, *ids], prompt=parent.prompt)
    rows = np.array([*range(fork), -1, *range(fork + 1, fork + len(ids))], dtype=np.int64)
    first = beginning(tiny, parent, fork)
    shared = [name for name in parent.scores if name in scored.scores]
    names = [name for name, value in vars(first).items() if isinstance(value, np.ndarray) and len(value) == fork]
    trace = replace(
        scored,
        **{name: np.concatenate([getattr(first, name), getattr(scored, name)[fork:]]) for name in names},
        kind=kind,
        scores={name: np.concatenate([first.scores[name], scored.scores[name][fork:]]) for name in shared},
        token_bytes={**parent.token_bytes, **scored.token_bytes},
    )
    trace = replace(trace, noise_rows=rows)
    status = {"owner": viewer.name, "status": "finished", "run_scores": run_scores.compute(trace)}
    return bench.store.runs.add(trace, **status, parent=uid, fork_position=fork)


def afresh(bench: Workbench) -> Trees:
    """The trees as a program sees them that has just been started on the same store."""
    bench.tree_shelf = TreeShelf(bench.store)
    return Trees(bench)
