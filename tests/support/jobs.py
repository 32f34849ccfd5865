"""Every kind of long job of the app, over one bench and the tiny model, each beginning from material of its own.

For tests that disturb a job and then ask for the same again. Does not know what goes wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.types import Trace
from storage.records import RunQuery
from tests.support.bench import ME, all_saved, lines
from tests.support.chains import SUM
from ui.actions import Workbench
from ui.branching import Branching
from ui.chains import Chains
from ui.forks import Forks
from ui.probes import Probes
from ui.trees import Trees

SHORT = {"prompt": "Tell me", "max_new_tokens": 10, "seed": 3}
EDIT = {"edits": [{"start": 3, "stop": 4, "text": " so"}]}
FEW = {"changes": {"max_new_tokens": 24}}
FORK = {"extractor": "exact_text", "threshold": 0.03, "draws": 3, "most": 6, "max_tokens": 14}
GROWTH = {"budget": 12, "width": 4, "depth": 6}
PROBE = {"template": "{Sex}: tell me", "values": "her\nhim", "n": 1, "field": "exact_text"}
PROBE |= {"temperature": 1.0, "max_new_tokens": 5, "seed": 4}
# names, times and places in the library differ from one request to the next
PASSING = {"run", "uid", "created", "seconds", "parent", "anchor", "tree", "forks", "chain", "seconds_per_node"}
PASSING |= {"seconds_per_token", "left", "others", "about", "numbering", "key", "speed", "draw", "took", "pace"}


@dataclass(frozen=True)
class Kind:
    """A kind of job. begin: documents of one request, on material made just now; keeps: whether a job that breaks off
    in its middle leaves something in the library."""

    name: str
    begin: Callable[[Workbench, Trace], Iterator[str]]
    keeps: bool = True


def _strategy(name: str, **parameters: object) -> Callable[[Workbench, Trace], Iterator[str]]:
    return lambda bench, trace: bench.generate({**SHORT, "strategy": name, "strategy_parameters": parameters}, ME)


def _stopped(bench: Workbench) -> str:
    """The uid of a run that was stopped after a few tokens."""
    job = bench.generate({**SHORT, "max_new_tokens": 16}, ME)
    for _ in range(5):
        next(job)
    job.close()  # type: ignore[attr-defined]
    all_saved()
    return bench.store.runs.list(RunQuery(ME.name, limit=1)).rows[0].uid


def _branch_of(bench: Workbench, trace: Trace) -> str:
    document = list(Branching(bench).branch(bench.keep(trace, ME), {**EDIT, "luck": "fresh", "draw": 1}, ME))[-1]
    return str(next(line["run"] for line in lines(document) if line.get("done")))


def _scored(bench: Workbench, text: str = SUM) -> str:
    return str(lines(list(bench.score_text("How many?", text, ME))[-1])[-1]["run"])


KINDS = (
    Kind("plain sampling", lambda bench, trace: bench.generate(SHORT, ME)),
    Kind("greedy", _strategy("greedy")),
    Kind("typical", _strategy("typical")),
    Kind("cntp", _strategy("cntp")),
    Kind("power_smc", _strategy("power_smc", particles=3), keeps=False),
    Kind("best_of_n", _strategy("best_of_n", trials=3), keeps=False),
    Kind("continue", lambda bench, trace: bench.continue_run(_stopped(bench), ME)),
    Kind("score a text", lambda bench, trace: bench.score_text("How many?", SUM * 5, ME)),
    Kind("branch, same luck", lambda bench, trace: _branch(bench, bench.keep(trace, ME), luck="same")),
    Kind("branch, fresh luck", lambda bench, trace: _branch(bench, bench.keep(trace, ME), luck="fresh", draw=1)),
    Kind("branch, hindsight", lambda bench, trace: _branch(bench, _scored(bench, SUM[:20]), **FEW, luck="same")),
    Kind("replicates", lambda bench, trace: Branching(bench).replicates(_branch_of(bench, trace), 3, ME)),
    Kind("tree, likely", lambda bench, trace: Trees(bench).grow(bench.keep(trace, ME), GROWTH, ME)),
    Kind("tree, fair", lambda bench, trace: Trees(bench).grow(bench.keep(trace, ME), GROWTH | {"policy": "fair"}, ME)),
    Kind("tree, a text put in", lambda bench, trace: Trees(bench).edit(bench.keep(trace, ME), 2, "oh no", ME), False),
    Kind("probe", lambda bench, trace: Probes(bench).run(PROBE, ME)),
    Kind("forks", lambda bench, trace: Forks(bench).run(bench.keep(trace, ME), FORK, ME)),
    Kind("chain", lambda bench, trace: Chains(bench).trace(_scored(bench), {"start": 30, "stop": 32}, ME), False),
)


def _branch(bench: Workbench, uid: str, **how: object) -> Iterator[str]:
    return Branching(bench).branch(uid, {**EDIT, **how}, ME)


def kept(bench: Workbench) -> int:
    """How many runs and analyses the library holds."""
    rows = bench.store.runs.list(RunQuery(ME.name, limit=500)).rows
    return len(rows) + sum(len(bench.store.analyses.list(row.uid, viewer=ME.name)) for row in rows)


def essence(document: str) -> str:
    """All that a document says but for names and times: the same for the same request, to the last bit."""
    return json.dumps([_lasting(json.loads(line)) for line in document.split("\n") if line], sort_keys=True)


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(part) for name, part in value.items() if name not in PASSING}
    return [_lasting(part) for part in value] if isinstance(value, list) else value
