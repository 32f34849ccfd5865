"""Which runs share one tree, and with which of them it is kept.

Over headers alone. Does not know the store, nor what is in a tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from storage.records import RunHeader, StoredRun

MOST_RUNS = 60


def chosen(run: RunHeader, headers: Sequence[RunHeader]) -> list[RunHeader]:
    """At most MOST_RUNS of a family: the run itself, those it comes from, then the newest; oldest first."""
    known = {header.uid: header for header in headers}
    wanted = dict.fromkeys([run.uid, *_ancestors(run, known), *reversed(known)])
    kept = set(list(wanted)[:MOST_RUNS])
    return [header for header in headers if header.uid in kept]


def _ancestors(run: RunHeader, known: Mapping[str, RunHeader]) -> list[str]:
    found: list[str] = []
    above = known.get(run.parent or "")
    while above is not None and above.uid not in found:
        found.append(above.uid)
        above = known.get(above.parent or "")
    return found


def anchor_of(run: StoredRun, family: Iterable[StoredRun]) -> str:
    """The uid of the topmost run from which this one comes without a change of the prompt."""
    known = {each.header.uid: each.header for each in family}
    return [run.header.uid, *_ancestors(run.header, known)][-1]
