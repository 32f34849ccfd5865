"""What a chain makes known of its run: two scores more, for whoever may see the chain, as long as it fits the run."""

from __future__ import annotations

from dataclasses import replace

from engine import generate
from engine.types import GenerationRequest
from tests.support.bench import ME, STRANGER, head, last, lines
from tests.support.chains import SPAN, scores_of, traced
from ui.chain_view import ATTENTION_SCORES


def figures(document):
    return {entry["name"]: entry["value"] for entry in lines(document)[-1]["summary"]}


def test_a_run_has_the_scores_that_need_attention_once_a_chain_was_traced(bench, chains, run):
    names, of_run = ["rauq", "attention_weighted_surprisal"], ATTENTION_SCORES
    before = bench.open_run(run, ME)
    assert not set(names) & set(scores_of(before)) and [figures(before)[of_run[name]] for name in names] == [None] * 2
    whole = traced(chains, run)
    after = bench.open_run(run, ME)
    assert scores_of(after) == [*scores_of(before), *names]
    found = {name: figures(after)[of_run[name]] for name in names}
    assert found == {name: last(whole, "confidence")[name] for name in names} and min(found.values()) > 0
    others = set(figures(before)) - set(of_run.values())
    assert len(others) > 15 and all(figures(after)[name] == figures(before)[name] for name in others)
    rows = [line["s"][-2:] for line in lines(after) if "t" in line]
    assert len(rows) == 40 and all(0 <= rauq <= 1 for rauq, _ in rows)
    weighted = [value for _, value in rows]
    assert any(weighted[:30]) and weighted[30:] == [0] * 10
    traced(chains, run, {"start": 20, "stop": 21})
    newest = [line["s"][-1] for line in lines(bench.open_run(run, ME)) if "t" in line]
    assert newest[20:] == [0] * 20 and newest[:20] != weighted[:20]


def test_a_strangers_chain_changes_nothing_of_what_others_see_of_a_run(bench, chains, recorded):
    run = bench.store.runs.add(recorded, owner="examples", status="finished", run_scores={}, example=True)
    traced(chains, run, SPAN, STRANGER)
    assert "rauq" in scores_of(bench.open_run(run, STRANGER)) and "rauq" not in scores_of(bench.open_run(run, ME))


def test_a_run_that_was_continued_keeps_its_chain_which_says_so_and_claims_nothing_of_the_rest(bench, chains, tiny):
    asked = GenerationRequest("Tell me", max_new_tokens=40, seed=3)
    trace = generate.run(tiny, replace(asked, max_new_tokens=24))
    run = bench.keep(trace, ME)
    whole = traced(chains, run, {"start": 20, "stop": 22})
    assert "rauq" in scores_of(bench.open_run(run, ME))
    list(bench.continue_run(run, ME))
    again = chains.of_run(run, ME)
    assert len(head(again)["pieces"]) > 24 and "its first 24 tokens" in last(again, "warnings")[-1]
    assert not last(whole, "warnings") and last(again, "tokens") == last(whole, "tokens")
    assert last(again, "confidence") == last(whole, "confidence")
    assert "rauq" not in scores_of(bench.open_run(run, ME))
