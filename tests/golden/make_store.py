"""Write the golden files of the store's current version: a database, and the same runs as exchanged lines.

Run once per released version, from the project's folder: `python -m tests.golden.make_store`. Files of earlier
versions are never written again; the tests migrate them.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.label_events import LabelEvent
from engine.label_schema import parse_schema, schema_fields
from storage.annotation_records import NewItem, SessionSettings
from storage.database import Store
from storage.migrations import newest
from storage.transfer import export_runs
from tests.storage.examples import continued, small_trace

FOLDER = Path(__file__).resolve().parent
OWNER = "local"
SCHEMA = """
labels:
  - {name: errors, title: Errors, unit: span, overlap: true, labels: [{name: factual, title: Faktenfehler}, vague]}
questions:
  - {name: correct, title: Is it correct?, kind: choice, options: [yes, no], required: true}
"""


def fill(store: Store) -> list[str]:
    """Runs of every kind: plain, labelled, forked twice, empty, an example, deleted; an analysis, a session, people."""
    plain = small_trace(1, 30)
    first = store.runs.add(
        plain,
        status="finished",
        run_scores={"perplexity": 3.25, "curvature": float("nan"), "worst": float("inf")},
        title="Größe",
        tags=("ü", "b"),
        note="eine Notiz\nmit zwei Zeilen",
        uid="golden-first",
    )
    fork = continued(plain, 20, 2, 35)
    second = store.runs.add(
        fork, status="stopped", run_scores={}, parent=first, fork_position=20, uid="golden-fork", visibility="unlisted"
    )
    third = store.runs.add(
        continued(fork, 30, 3, 32), status="finished", run_scores={}, parent=second, fork_position=30, uid="golden-leaf"
    )
    empty = replace(small_trace(4, 0), settings=None, seed=None, system=None, kind="scored", finish_reason="scored")
    fourth = store.runs.add(empty, status="scored", run_scores={}, uid="golden-empty")
    shown = store.runs.add(
        small_trace(5), owner="examples", status="finished", run_scores={}, example=True, uid="golden-example"
    )
    gone = store.runs.add(small_trace(6), status="failed", run_scores={}, uid="golden-deleted")
    store.runs.delete([gone], viewer=OWNER)
    analysis = store.analyses.add(first, "forking", {"samples": 30, "sites": [1, 2]}, viewer=OWNER)
    outcomes = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    store.analyses.put_array(analysis, "site/1", outcomes, viewer=OWNER, progress="1")
    annotate(store, first, second)
    store.people.add("Ännchen")
    store.people.add("Ben")
    store.people.remove("Ben")
    return [first, second, third, fourth, shown]


def annotate(store: Store, first: str, second: str) -> None:
    """A session with every kind of row: two versions of its guidelines, two members, labels, final labels."""
    known = {"answers": {"correct": "yes"}}
    session = store.annotations.create(
        owner=OWNER,
        title="Prüfung",
        schema=schema_fields(parse_schema(SCHEMA)),
        guidelines="# Erst lesen",
        settings=SessionSettings(order="fixed", seed=7),
        items=[NewItem((first,)), NewItem((second,)), NewItem((first,), "check", known)],
        viewer=OWNER,
        uid="golden-session",
    )
    store.annotations.change(session, viewer=OWNER, guidelines="# Erst lesen, dann urteilen")
    member, _ = store.annotations.add_member(session, viewer=OWNER, name="Ännchen", role="annotator")
    store.annotations.add_member(session, viewer=OWNER, name="Ben", role="adjudicator")
    store.annotations.begin(session, member)
    item = store.annotations.take_next(session, member)
    assert item is not None
    label = {"set": "errors", "label": "factual", "run": 0, "start": 2, "stop": 5}
    events = [
        LabelEvent("golden-1", "label", label, 1500, 2000),
        LabelEvent("golden-2", "answer", {"question": "correct", "value": "no"}, 300, 400),
        LabelEvent("golden-3", "submit", {}, 200, 250),
    ]
    store.annotations.save(session, member, item.uid, events)
    store.annotations.add_final(session, item.uid, {"answers": {"correct": "no"}}, viewer=OWNER, reason="klar")


def main() -> None:
    """Write store_v<N>.db and store_v<N>.jsonl; an existing database is an error."""
    target = FOLDER / f"store_v{newest()}.db"
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "golden.db") as store:
        uids = fill(store)
        store.backup(target)
        lines = target.with_suffix(".jsonl")
        lines.write_text("".join(export_runs(store, uids, viewer=OWNER)), encoding="utf-8")
    print(f"{target.name}: {target.stat().st_size:,} bytes; {lines.name}: {lines.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
