"""On the embedded model: a run comes back to the last bit in this process, in another one and out of the library, and
counterfactuals keep their promises with real weights. Every chosen run is far from a tie (`fragile`), so that other
machines agree."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from engine.counterfactual import counterfactual, counterfactual_steps, plan
from engine.edits import FORCED, Intervention, Splice, hold
from engine.generate import run
from engine.models import LanguageModel
from engine.replay import fragile, replay
from engine.replicates import replicates
from engine.scoring import score_text
from engine.types import GenerationRequest, Step, Trace
from storage.database import Store

REQUEST = GenerationRequest("Tell a short story about a fox who keeps a lighthouse.", max_new_tokens=16, seed=2)
WAYS = {
    "sampled": REQUEST,
    "greedy": replace(REQUEST, temperature=0.0),
    "top-k": replace(REQUEST, temperature=0.8, top_k=40, seed=5),
    "top-p": replace(REQUEST, temperature=1.2, top_p=0.9, system="Answer like a sailor.", seed=7),
}
ARRAYS = ("token_ids", "noise_rows", "margin", "luck", "runner_up", "topk_ids", "topk_logprobs", "tail_mass", "support")
EDIT = [Splice(4, 5, (260, 253))]


@pytest.fixture(scope="module")
def runs(embedded: LanguageModel) -> dict[str, Trace]:
    return {way: run(embedded, request) for way, request in WAYS.items()}


def ids(trace: Trace) -> list[int]:
    return trace.token_ids.tolist()


def fingerprint(trace: Trace) -> str:
    """Changes with any bit of what was drawn and how."""
    digest = hashlib.sha256()
    for name in ARRAYS:
        digest.update(np.ascontiguousarray(getattr(trace, name)).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("way", WAYS)
def test_a_run_comes_back_to_the_last_bit_in_this_process(
    embedded: LanguageModel, runs: dict[str, Trace], way: str
) -> None:
    trace = runs[way]
    assert len(trace) == 16 and replay(embedded, trace) == ids(trace)
    assert fingerprint(run(embedded, WAYS[way])) == fingerprint(trace)
    if way != "greedy":
        other = replace(trace, settings=replace(trace.settings, seed=trace.settings.seed + 1))
        assert replay(embedded, other) != ids(trace), "negative control: another seed writes something else"


AFRESH = """
import json, sys
from engine.counterfactual import counterfactual
from engine.edits import Splice
from engine.replay import replay
from engine.generate import run
from engine.models import load_model
from storage.database import Store
from tests.engine.test_counterfactual_real import EDIT, fingerprint

model = load_model("embedded", device="cpu", dtype="float32")
with Store(sys.argv[1]) as store:
    found = {}
    for uid in sys.argv[2:]:
        trace = store.runs.get(uid, viewer="local").trace
        found[uid] = {
            "stored": fingerprint(trace),
            "replayed": replay(model, trace),
            "again": fingerprint(run(model, trace.settings)),
            "counterfactual": fingerprint(counterfactual(model, trace, EDIT)),
        }
print(json.dumps(found))
"""


def test_a_run_comes_back_to_the_last_bit_in_another_process_out_of_the_library(
    embedded: LanguageModel, runs: dict[str, Trace], tmp_path: Path, root: Path
) -> None:
    path = tmp_path / "library.db"
    with Store(path) as store:
        uids = {way: store.runs.add(trace, status="finished", run_scores={}) for way, trace in runs.items()}
        stored = {way: store.runs.get(uid, viewer="local").trace for way, uid in uids.items()}
    for way, trace in stored.items():
        assert replay(embedded, trace) == ids(runs[way]), "in this process, out of the library"
    done = subprocess.run(
        [sys.executable, "-c", AFRESH, str(path), *uids.values()], cwd=root, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for way, uid in uids.items():
        assert found[uid] == {
            "stored": fingerprint(runs[way]),
            "replayed": ids(runs[way]),
            "again": fingerprint(runs[way]),
            "counterfactual": fingerprint(counterfactual(embedded, runs[way], EDIT)),
        }
    assert len({fingerprint(trace) for trace in runs.values()}) == len(WAYS), "negative control: bits do differ"


@pytest.mark.parametrize("way", ["sampled", "top-p"])
def test_nothing_changed_is_nothing_changed(embedded: LanguageModel, runs: dict[str, Trace], way: str) -> None:
    trace = runs[way]
    assert fragile(trace) == []
    at = 5
    itself = (int(trace.token_ids[at]),)
    other = (253,) if itself == (260,) else (260,)
    for same in ([Splice(at, at + 1, itself)], [Splice(at, at)], []):
        assert ids(counterfactual(embedded, trace, same)) == ids(trace)
    edited = counterfactual(embedded, trace, [Splice(at, at + 1, other)])
    assert ids(edited) != ids(trace), "negative control: an edit does change something"
    assert ids(counterfactual(embedded, edited, [Splice(at, at + 1, itself)])) == ids(trace)
    inserted = counterfactual(embedded, trace, [Splice(at, at, (260, 253))])
    assert ids(counterfactual(embedded, inserted, [Splice(at, at + 2)])) == ids(trace)


def test_an_edited_run_is_drawn_again_from_its_own_record(embedded: LanguageModel, runs: dict[str, Trace]) -> None:
    trace = runs["sampled"]
    edited = counterfactual(embedded, trace, EDIT)
    child = counterfactual(embedded, edited, [Splice(9, 10)])
    assert child.noise_rows[:12].tolist() == [0, 1, 2, 3, FORCED, FORCED, 5, 6, 7, 9, 10, 11]
    for one in (edited, child, counterfactual(embedded, trace, EDIT, stream=4)):
        assert fragile(one) == [] and replay(embedded, one) == ids(one)


def test_a_batch_writes_what_is_written_one_by_one(embedded: LanguageModel, runs: dict[str, Trace]) -> None:
    """Stream 0 is the run's own luck: the batch holds the counterfactual itself and replicates beside it."""
    trace = runs["sampled"]
    planned = plan(embedded, trace, Intervention(tuple(EDIT)))
    *_, together = replicates(embedded, planned.prompt_ids, planned.request, planned.held, 4, first_stream=0)
    alone = [
        counterfactual(embedded, trace, EDIT),
        *(counterfactual(embedded, trace, EDIT, stream=s) for s in (1, 2, 3)),
    ]
    assert [fragile(one) for one in alone] == [[]] * 4
    assert [one.ids for one in together] == [ids(one) for one in alone]
    assert [one.text for one in together] == [one.text for one in alone]
    assert len({tuple(one.ids) for one in together}) == 4


def test_hindsight_explains_a_pasted_text_and_carries_on_behind_an_edit(embedded: LanguageModel) -> None:
    text = "The keeper was a fox, and every evening she climbed the stairs with a lamp in her mouth."
    trace = score_text(embedded, "Tell a short story.", text)
    written, n = ids(trace), len(trace)

    def drawn(intervention: Intervention, draw: int = 1) -> list[Step]:
        return list(islice(plan(embedded, trace, intervention, draw=draw).steps(embedded), n))

    nothing = Intervention(luck="inferred")
    again = [drawn(nothing, draw) for draw in (1, 2)]
    for steps in again:
        assert [step.token_id for step in steps] == written and all(step.noise_row != FORCED for step in steps)
    assert not np.array_equal(*[[step.luck for step in steps] for steps in again]), "another draw, another explanation"
    fresh = counterfactual_steps(embedded, trace.prompt_ids.tolist(), replace(REQUEST, prompt="-"), hold([], []))
    assert [step.token_id for step in islice(fresh, 4)] != written[:4], "negative control: noise of its own"
    edited = [step.token_id for step in drawn(Intervention((Splice(5, 6, (260,)),), luck="inferred"))]
    assert edited[0] == 260 != written[5] and edited[1:] != written[6:], "an edit is heard"
