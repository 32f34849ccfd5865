"""Every named endpoint is driven on a store with one of everything: none makes the model read outside a turn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest

from engine.models import LanguageModel
from storage.database import Store
from tests.support.bench import FIELDS
from tests.support.chains import SUM
from tests.support.doors import request_of
from tests.support.probing import FIELDS as FIELDS_OF_PROBE
from tests.ui.test_metering import FORKS, ME, OutsideATurn, bench_of, uid_of
from ui import api, branch_api, chain_api, fork_api, probe_api, tree_api
from ui.access import Identity
from ui.branching import Branching
from ui.chains import Chains
from ui.forks import Forks
from ui.probes import Probes
from ui.shelf import Shelf
from ui.trees import Trees

# those that have the model read, by the name of their endpoint
JOBS = {
    "generate", "continue_run", "score_text", "branch", "replicates", "grow_tree", "edit_tree", "probe", "resume_probe",
    "analyse_forks", "resume_forks", "more_fork_draws", "trace_attention",
}  # fmt: skip


@pytest.fixture
def endpoints(
    tmp_path: Any, tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[dict[str, Callable[..., Any]], dict[str, Any], Any]]:
    """The endpoints by name, values for their parameters, and the workbench; its model refuses to read unasked."""
    found: dict[str, Callable[..., Any]] = {}
    monkeypatch.setattr(gr, "api", lambda work, **named: found.setdefault(work.__name__, work))
    with Store(tmp_path / "forklore.db") as store:
        bench = bench_of(store, tiny)
        branching, trees, forks = Branching(bench), Trees(bench), Forks(bench)
        chains, probes = Chains(bench), Probes(bench)
        api.register(bench, Shelf(store))
        for module, work in (
            (branch_api, branching), (tree_api, trees), (fork_api, forks), (chain_api, chains), (probe_api, probes),
        ):  # fmt: skip
            module.register(work)  # type: ignore[attr-defined]
        uid = uid_of(list(bench.generate(FIELDS, ME))[-1])
        summed = uid_of(list(bench.score_text("How many?", SUM, ME))[-1])
        list(trees.grow(uid, {"budget": 4}, ME))
        list(forks.run(uid, FORKS, ME))
        list(chains.trace(summed, {}, ME))
        list(probes.run(FIELDS_OF_PROBE, ME))
        values = {
            "uid": uid, "run": uid, "uids": [uid], "text": "fruit", "prompt": "Tell me", "data": "{}", "node": 1,
            "forks": forks.analyses(uid, ME)[0]["uid"], "chain": chains.analyses(summed, ME)[0]["uid"],
            "tree": "{}", "position": 37, "removed": "", "label": "", "limit": 5, "offset": 0,
        }  # fmt: skip
        yield found, values, bench
    tiny.meter.listener = None


def test_no_endpoint_has_the_model_read_outside_a_turn(endpoints: Any, tiny: LanguageModel) -> None:
    found, values, _ = endpoints
    assert found.keys() >= JOBS and len(found) >= 35, sorted(found)
    request = request_of(Identity(ME.name, True, False, ME.address), ME.session)
    answered = []
    for name, work in found.items():
        if name in JOBS:
            continue
        parameters = inspect.signature(work).parameters
        given = {
            one: values.get(one, 1)
            for one, parameter in parameters.items()
            if parameter.default is inspect.Parameter.empty
        }
        if "forks" in name or "fork" in name:
            given["uid"] = values["forks"] if name != "list_forks" else values["uid"]
        if name == "open_chain":
            given["uid"] = values["chain"]
        if "request" in parameters:
            given["request"] = request
        before = tiny.meter.total
        try:
            answer = work(**given)
            if inspect.isgenerator(answer):
                list(answer)
            answered.append(name)
        except (gr.Error, TypeError) as error:
            assert OutsideATurn.__name__ not in repr(error) and "went wrong on our side" not in str(error), name
        assert tiny.meter.total == before, f"{name} made the model read"
    wanted = {"open_run", "list_runs", "export_runs", "scores", "strategies", "my_limits", "tree", "list_forks"}
    assert wanted <= set(answered), sorted(answered)
