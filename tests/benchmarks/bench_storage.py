"""What the store costs: file size, saving, opening, listing, searching, exchanging, labelling.

The runs are made, not recorded: peaked random logits over a Zipf-like vocabulary of 49,152 tokens, and every score of
the registry computed from them (see tests/storage/examples.py). Their floats are noise in the last digits as a model's
are; distinct traces are few and stored again and again, which changes no size because every run is packed by itself.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.types import Trace
from storage.database import Store
from storage.limits import StoreLimits
from storage.records import RunQuery
from storage.transfer import export_runs, import_runs
from storage.writing import NewRun, add_run, prepare
from tests.benchmarks.rows import Row
from tests.storage.annotating import desk, event
from tests.storage.examples import realistic_trace, small_trace, word

RUNS = 1_000
LISTED = 10_000
DISTINCT = 3
ACTIONS = 4_000
TAGS = ("arithmetic", "history", "torn", "checked")


def measure(folder: Path, quick: bool) -> list[Row]:
    """Measured in a folder that may be written to; takes under a minute, quick or not."""
    traces = [realistic_trace(seed) for seed in range(DISTINCT)]
    return [*_full_runs(folder, traces), *_long_list(folder), *_long_item(folder)]


def _full_runs(tmp: Path, traces: list[Trace]) -> list[Row]:
    path = tmp / "runs.db"
    with Store(path) as store:
        uids: list[str] = []
        saving = _milliseconds(
            lambda i: uids.append(store.runs.add(traces[i % DISTINCT], status="finished", run_scores=_scores(i))), 20
        )
        packed = [prepare(NewRun(trace, "local", "finished", _scores(0)), None, StoreLimits()) for trace in traces]
        for start in range(20, RUNS, 98):
            with store.write() as session:
                for i in range(start, start + 98):
                    run = packed[i % DISTINCT]
                    uids.append(add_run(session, replace(run, columns={**run.columns, "uid": f"bench-{i}"})))
        assert len(uids) == RUNS
        opening = _milliseconds(lambda i: store.runs.get(uids[i * 37 % RUNS], viewer="local"), 25)
        text = "".join(export_runs(store, uids[:20], viewer="local"))
        with Store(tmp / "imported.db") as other:
            importing = _milliseconds(lambda i: import_runs(other, text, owner=f"viewer {i}"), 1) / 20
    scores = len(traces[0].scores)
    what = f"{RUNS:,} runs of {len(traces[0])} tokens, top-20, {scores} scores"
    return [
        Row(f"file of {what}", path.stat().st_size / 1e6, "MB", "at most 120 MB", at_most=120.0),
        Row("saving one of them", saving, "ms"),
        Row("opening one of them", opening, "ms", "under 300 ms", at_most=300.0),
        Row("exported line of one of them", len(text) / 20 / 1e3, "kB"),
        Row("importing one of them", importing, "ms"),
    ]


def _long_list(tmp: Path) -> list[Row]:
    """10,000 runs with texts of full length (300 words) and few tokens: lists never read arrays."""
    with Store(tmp / "list.db") as store:
        base = prepare(NewRun(small_trace(0, 8, 2, 1), "local", "finished", {}), None, StoreLimits())
        answers = [" ".join(word(500 * a + w).decode().strip() for w in range(300)) for a in range(40)]
        for start in range(0, LISTED, 2_000):
            with store.write() as session:
                for i in range(start, start + 2_000):
                    texts = replace(base.texts, prompt=f"question {i} {answers[i % 37][:200]}", answer=answers[i % 40])
                    columns = {**base.columns, "uid": f"bench-{i}", "title": f"run {i}", "tokens": i % 500}
                    tags = (TAGS[i % 4], TAGS[i * 7 % 3])
                    row = replace(base, columns=columns, texts=texts, tags=tags, run_scores=_scores(i))
                    add_run(session, replace(row, tags=tuple(sorted(set(tags)))))
        list_runs = store.runs.list
        queries = {
            "newest first": RunQuery("local"),
            "sorted by a score, page 100": RunQuery("local", sort="perplexity", offset=5_000),
            "searched for a rare text": RunQuery("local", text="question 7345"),
            "searched for an absent text": RunQuery("local", text="nowhere to be found"),
            "searched, filtered and sorted": RunQuery("local", "question 9", ("torn",), sort="mean_entropy"),
        }
        return [
            Row(
                f"listing {LISTED:,} runs, {name}",
                _milliseconds(lambda i, q=query: list_runs(q), 9),
                "ms",
                "under 200 ms",
                at_most=200.0,
            )
            for name, query in queries.items()
        ]


def _long_item(tmp: Path) -> list[Row]:
    """An action of somebody who did thousands on the same item: nobody else can save meanwhile."""
    with Store(tmp / "labels.db") as store:
        at = desk(store, members=1)
        ada, item = at.members[0], at.take(at.members[0])
        assert item is not None
        for _ in range(0, ACTIONS, 400):
            at.save(ada, item, *(event("time") for _ in range(400)))
        known, anew = [], []
        for _ in range(15):
            at.save(ada, item, event("time"))  # sees what the other app added
            known.append(_milliseconds(lambda _: at.save(ada, item, event("time")), 1))
            with Store(store.path) as other:
                started = replace(at, store=other)
                started.api.who(secret=at.secrets[0])  # its connections are open then
                anew.append(_milliseconds(lambda _, app=started: app.save(ada, item, event("time")), 1))
    ratio = statistics.median(anew) / statistics.median(known)
    return [
        Row(f"saving an action on an item where the same person did {ACTIONS:,}", statistics.median(known), "ms"),
        Row("the same by an app that proves each of them anew", ratio, "times", "at least 2 times", at_least=2.0),
    ]


def _scores(i: int) -> dict[str, float]:
    return {name: (i * 7919 % 10_007) / (k + 3) for k, name in enumerate(("perplexity", "mean_entropy", "g_nll"))}


def _milliseconds(work: Callable[[int], object], times: int) -> float:
    """Median time of one call."""
    taken = []
    for i in range(times):
        start = time.perf_counter()
        work(i)
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)
