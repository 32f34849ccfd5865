"""Decoding strategies through the workbench: streamed, stored, replayed, stopped, and their trials kept in the tree."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple
from functools import partial
from typing import Any

import pytest

from engine.errors import BadInput
from engine.generate import run
from engine.models import LanguageModel
from engine.replay import replay
from engine.strategies import STRATEGIES
from engine.tree import masses
from engine.types import GenerationRequest, Trace
from tests.support.bench import FIELDS, ME, OTHER, all_saved, lines, stored
from tests.support.toy_model import one_thread
from ui import strategy_jobs
from ui.access import Viewer
from ui.actions import Workbench
from ui.tree_shelf import TreeShelf

STRANGER = Viewer("visitor:x", "session-9", False)
SMALL: dict[str, dict[str, Any]] = {
    "typical": {"mass": 0.6},
    "cntp": {"most": 4, "cap": 6},
    "power_smc": {"particles": 5, "ramp": 3},
    "best_of_n": {"trials": 4},
}
WITH_TRIALS = ("cntp", "power_smc", "best_of_n")


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with one_thread():
        yield


def asked(name: str, **changed: Any) -> dict[str, Any]:
    return {**FIELDS, "max_new_tokens": 16, "strategy": name, "strategy_parameters": SMALL.get(name), **changed}


def done(bench: Workbench, name: str, viewer: Viewer = ME, **changed: Any) -> tuple[list[str], Trace, str]:
    """All documents, the stored run and its uid."""
    documents = list(bench.generate(asked(name, **changed), viewer))
    uid = lines(documents[-1])[-1]["run"]
    return documents, bench.store.runs.get(uid, viewer=viewer.name).trace, uid


def tree_of(bench: Workbench, uid: str, tiny: LanguageModel, viewer: Viewer = ME) -> Any:
    return TreeShelf(bench.store).load(uid, viewer, lambda trace: tiny)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_gives_a_stored_run_that_its_own_noise_draws_again(bench, tiny, name) -> None:
    documents, trace, uid = done(bench, name)
    assert len(trace) > 0 and replay(tiny, trace) == trace.token_ids.tolist()
    assert lines(documents[-1])[-1]["problem"] == "" and stored(bench)[0].uid == uid
    assert bench.open_run(uid, ME) == documents[-1]
    if name == "sample":
        assert trace.notes == ()
    else:
        assert f"({name}" in trace.notes[0]
        values = {**{p.name: p.default for p in STRATEGIES[name].parameters}, **SMALL.get(name, {})}
        assert all(f"{key} = {value!r}" in trace.notes[0] for key, value in values.items() if value is not None)
        assert strategy_jobs.named_in(trace.notes).name == name


def test_plain_sampling_is_what_it_was(bench, tiny) -> None:
    plain = run(tiny, GenerationRequest("Tell me", max_new_tokens=16, seed=3))
    for fields in ({}, {"strategy": None}, {"strategy": "sample"}, {"strategy": "", "strategy_parameters": {}}):
        *_, last = bench.generate({**FIELDS, "max_new_tokens": 16, **fields}, ME)
        trace = bench.store.runs.get(lines(last)[-1]["run"], viewer=ME.name).trace
        assert trace.token_ids.tolist() == plain.token_ids.tolist() and trace.margin.tolist() == plain.margin.tolist()
        assert trace.notes == plain.notes == ()
    assert done(bench, "greedy")[1].token_ids.tolist() != plain.token_ids.tolist()


@pytest.mark.parametrize("name", ["greedy", "typical", "cntp"])
def test_the_answer_streams_while_it_is_being_drawn(bench, name) -> None:
    documents, trace, _ = done(bench, name)
    counts = [document.count('\n{"t":') for document in documents]
    assert counts == sorted(counts) and counts[-1] == len(trace) and len(set(counts)) > 3


@pytest.mark.parametrize("name", ["power_smc", "best_of_n"])
def test_before_the_answer_is_known_the_page_says_how_much_was_tried(bench, monkeypatch, name) -> None:
    ticks = iter(range(10**6))
    monkeypatch.setattr(strategy_jobs.time, "monotonic", lambda: float(next(ticks)))
    documents, trace, _ = done(bench, name)
    waiting = [line for document in documents for line in lines(document) if "state" in line]
    assert waiting[0]["text"] == strategy_jobs.READING and {line["state"] for line in waiting} == {"drawing"}
    assert "begun" in waiting[-1]["text"] and len({line["text"] for line in waiting}) > 3
    assert all(len(lines(document)) == 1 for document in documents if '"state"' in document)
    assert documents[-1].count('\n{"t":') == len(trace)


@pytest.mark.parametrize("name", WITH_TRIALS)
def test_the_tree_of_the_run_holds_its_trials_and_its_masses_add_up(bench, tiny, name) -> None:
    _, trace, uid = done(bench, name)
    opened = tree_of(bench, uid, tiny)
    tree = opened.tree
    assert opened.analysis and sum(astuple(masses(tree))) == pytest.approx(1.0, abs=1e-6)
    plain_uid = bench.keep(trace, ME)
    assert len(tree) > len(tree_of(bench, plain_uid, tiny).tree) + 5
    own = opened.runs[0].path
    assert [tree[node].token_id for node in own[1:]] == trace.token_ids.tolist()
    deep = [node for node in tree if node.depth > 1 and node.index not in own and node.parent not in own]
    assert deep, "no trial goes on beside the answer"
    row = run(tiny, GenerationRequest("Tell me", max_new_tokens=1, seed=3))
    first = {int(i): float(p) for i, p in zip(row.topk_ids[0], row.topk_logprobs[0], strict=True)}
    shared = [tree[child] for child in tree.children(0) if tree[child].token_id in first]
    assert shared and all(node.logprob == pytest.approx(first[node.token_id], abs=1e-4) for node in shared)
    assert all(node.token_id in opened.words for node in tree if node.token_id >= 0)


@pytest.mark.parametrize("name", ["greedy", "typical", "sample"])
def test_where_nothing_was_tried_no_tree_is_stored(bench, tiny, name) -> None:
    assert tree_of(bench, done(bench, name)[2], tiny).analysis == ""


@pytest.mark.parametrize("name", ["typical", "cntp", "power_smc", "best_of_n"])
@pytest.mark.parametrize("how", ["stop", "close"])
def test_what_there_is_when_it_is_stopped_or_its_tab_is_closed_is_kept(bench, tiny, name, how) -> None:
    long = {"max_new_tokens": 40, "seed": 4}
    whole = done(bench, name, **long)[1]
    documents = bench.generate(asked(name, **long), ME)
    for at, _document in enumerate(documents):
        if at == 30:
            if how == "close":
                documents.close()  # type: ignore[attr-defined]
            else:
                assert bench.stop(ME) == 1
    all_saved()
    assert len(stored(bench)) == 2
    trace = bench.store.runs.get(stored(bench)[0].uid, viewer=ME.name).trace
    assert 0 < len(trace) < len(whole) and trace.finish_reason == "cancelled"
    assert replay(tiny, trace) == trace.token_ids.tolist()
    assert f"({name}" in trace.notes[0]
    if name in ("power_smc", "best_of_n"):
        assert "before all trials had ended" in trace.notes[-1]
        assert tree_of(bench, stored(bench)[0].uid, tiny).analysis


def test_a_run_that_goes_on_by_plain_sampling_says_so_once(bench, tiny) -> None:
    uid = done(bench, "best_of_n", max_new_tokens=6, seed=2)[2]
    list(bench.continue_run(uid, ME))
    list(bench.continue_run(uid, ME))
    trace = bench.store.runs.get(uid, viewer=ME.name).trace
    assert len(trace) > 12 and trace.notes[1:] == ("From token 7 on by plain sampling.",)
    assert replay(tiny, trace) == trace.token_ids.tolist()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"strategy": "beam"}, "no strategy 'beam'"),
        ({"strategy": ["sample"]}, "There is no strategy"),
        ({"strategy": "sample", "strategy_parameters": {"mass": 1}}, "it has none"),
        ({"strategy": "best_of_n", "strategy_parameters": {"trials": 65}}, "from 2 to 64"),
        ({"strategy": "best_of_n", "strategy_parameters": "trials 8"}, "name=value"),
        ({"strategy": "best_of_n", "strategy_parameters": "trials=2.5"}, "a whole number"),
        ({"strategy": "best_of_n", "strategy_parameters": 8}, "name=value"),
        ({"strategy": "typical", "strategy_parameters": "trials=8"}, "no parameter 'trials'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(bench, fields, words) -> None:
    with pytest.raises(BadInput, match=words):
        next(iter(bench.generate({**FIELDS, **fields}, ME)))
    assert stored(bench) == ()


def test_best_of_n_at_temperature_0_is_refused_before_anybody_waits_and_nothing_is_kept(bench) -> None:
    with bench.turns.enter(OTHER):
        with pytest.raises(BadInput, match="all 4 answers would be the same: choose one above 0"):
            next(iter(bench.generate(asked("best_of_n", temperature=0), ME)))
        waiting = bench.generate(asked("best_of_n", temperature=0.1), ME)
        assert lines(next(iter(waiting)))[0]["state"] == "queued", "negative control: a possible one waits"
        waiting.close()  # type: ignore[attr-defined]
    assert stored(bench) == ()


def test_trials_are_kept_with_the_lock_of_the_shelf_that_the_page_saves_with(bench, monkeypatch) -> None:
    """Two saves of one tree at once, of a strategy and of the page, come one after the other."""
    uid = done(bench, "best_of_n")[2]

    def most_at_once(shelf: TreeShelf, within: Callable[[], object]) -> int:
        at_once, most, save, counting = 0, 0, bench.store.analyses.save, threading.Lock()

        def slow(*given: Any, **more: Any) -> None:
            nonlocal at_once, most
            with counting:
                at_once += 1
                most = max(most, at_once)
            within()
            save(*given, **more)
            with counting:
                at_once -= 1

        tried = [strategy_jobs.TriedTree(bench.tree_shelf, ME), strategy_jobs.TriedTree(shelf, ME)]
        opened = tree_of(bench, uid, bench.host.model())
        with monkeypatch.context() as patch:
            patch.setattr(bench.store.analyses, "save", slow)
            threads = []
            for one in tried:
                one._tree = opened.tree
                threads.append(threading.Thread(target=one.keep, args=(uid, bench.host.model())))
                threads[-1].start()
            for thread in threads:
                thread.join(60)
        return most

    assert most_at_once(bench.tree_shelf, partial(time.sleep, 0.15)) == 1
    both = partial(threading.Barrier(2).wait, 20)
    assert most_at_once(TreeShelf(bench.store), both) == 2, "negative control: a shelf of its own does not wait"


def test_parameters_are_read_from_text_as_from_values() -> None:
    assert strategy_jobs.parameters_text("best_of_n") == "trials=8"
    for name in STRATEGIES:
        text = strategy_jobs.parameters_text(name)
        found, rest = strategy_jobs.asked_strategy({"strategy": name, "strategy_parameters": text, "seed": 1}, ME)
        assert rest == {"seed": 1} and (found is None) == (name == "sample")
        if found:
            assert strategy_jobs.parameters_text(name, found.values) == text
    written = strategy_jobs.parameters(" trials = 4,\nstop_entropy=1.5; ")
    assert written == {"trials": "4", "stop_entropy": "1.5"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (asked("best_of_n", strategy_parameters={"trials": 17}), "at most 16"),
        (asked("power_smc", strategy_parameters={"particles": 64}), "at most 16"),
        (asked("cntp", strategy_parameters={"most": 20}), "at most 16"),
    ],
)
def test_a_stranger_draws_at_most_16_trials(bench, fields, words) -> None:
    with pytest.raises(BadInput, match=words):
        next(iter(bench.generate(fields, STRANGER)))
    assert list(bench.generate(fields, ME))  # the owner may


def test_all_trials_of_a_stranger_together_draw_at_most_16_times_a_plain_run(bench, monkeypatch) -> None:
    made: list[strategy_jobs.Decoding] = []
    original = strategy_jobs.Decoding

    def made_here(*given: Any) -> strategy_jobs.Decoding:
        made.append(original(*given))
        return made[-1]

    monkeypatch.setattr(strategy_jobs, "Decoding", made_here)
    bold = {"most": 16, "low": 0.0, "high": 1e-9, "cap": 256}
    fields = {"max_new_tokens": 60, "seed": 3, "strategy_parameters": bold}
    done(bench, "cntp", ME, **fields)
    done(bench, "cntp", STRANGER, **fields)
    assert made[0].drawn > 16 * 60 >= made[1].drawn, "the negative control draws no more than the bound"
    assert made[1].bounded and not made[0].bounded
    trace = done(bench, "cntp", STRANGER, **fields)[1]
    assert "16 times as many" in trace.notes[-1] and trace.finish_reason == "cancelled"
    allowed = {"max_new_tokens": 20, "seed": 2, "strategy_parameters": {"trials": 16}}
    mine, theirs = (done(bench, "best_of_n", viewer, **allowed)[1] for viewer in (ME, STRANGER))
    assert theirs.token_ids.tolist() == mine.token_ids.tolist() and theirs.notes == mine.notes
    assert len(theirs.notes) == 1


def test_a_stranger_is_refused_what_would_need_too_much_memory_at_once(bench, monkeypatch) -> None:
    monkeypatch.setattr(strategy_jobs, "PUBLIC_CONTEXT", 100)
    with pytest.raises(BadInput, match="fewer trials or tokens"):
        list(bench.generate(asked("best_of_n", max_new_tokens=40), STRANGER))
    assert list(bench.generate(asked("best_of_n", max_new_tokens=40), ME))


def test_a_tree_too_small_for_the_trials_is_said_in_a_note_and_the_run_is_kept(bench, tiny, monkeypatch) -> None:
    from ui.tree_fields import TreeBounds

    monkeypatch.setattr(strategy_jobs, "bounds_of", lambda viewer: TreeBounds(nodes=12))
    _, trace, uid = done(bench, "best_of_n")
    assert "without its trials" in trace.notes[-1] and "12 nodes" in trace.notes[-1]
    assert tree_of(bench, uid, tiny).analysis == ""


def test_the_list_of_strategies_is_plain_values() -> None:
    entries = json.loads(json.dumps(strategy_jobs.listed(), allow_nan=False))
    assert [entry["name"] for entry in entries] == list(STRATEGIES)
    assert {"name", "label", "short", "default", "low", "high"} <= entries[-1]["parameters"][0].keys()
