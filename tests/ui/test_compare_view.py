"""Two runs side by side: aligned exactly where possible, on one scale, differences only where both values exist."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from engine import run_scores
from engine.generate import run
from engine.scoring import score_tokens
from engine.types import GenerationRequest
from storage.records import RunHeader, StoredRun
from ui import alignment
from ui.compare_view import compare

PER_TOKEN = (
    "token_ids", "topk_ids", "topk_logprobs", "tail_mass", "noise_rows", "margin", "runner_up", "luck", "support",
    "log_normalizer",
)  # fmt: skip


def stored(trace, uid="a"):
    header = RunHeader(
        uid=uid, title=f"Run {uid}", prompt=trace.prompt, answer=trace.answer, kind=trace.kind, status="finished",
        model_name=trace.model.name, quantization=trace.model.quantization, tokens=len(trace), seed=trace.seed,
        created_at=datetime(2025, 1, 1, tzinfo=UTC), tags=(), note="", run_scores={}, example=False, parent=None,
        owner="local",
    )  # fmt: skip
    return StoredRun(header, trace)


def picked(trace, at):
    """The run made of these tokens of another."""
    at = np.asarray(at, dtype=int)
    pieces = tuple(trace.pieces[i] for i in at)
    arrays = {name: getattr(trace, name)[at] for name in PER_TOKEN}
    scores = {name: column[at] for name, column in trace.scores.items()}
    return replace(trace, pieces=pieces, text="".join(pieces), scores=scores, **arrays)


def written(trace, *pieces, tokenizer=None):
    """The run with other pieces of text, cut to their number."""
    trace = picked(trace, range(len(pieces)))
    model = replace(trace.model, tokenizer_hash=tokenizer or trace.model.tokenizer_hash)
    return replace(trace, pieces=pieces, text="".join(pieces), model=model, special_ids=frozenset())


def seen(a, b):
    return json.loads(compare(stored(a), stored(b, "b")))


@pytest.fixture(scope="module")
def trace(tiny):
    return run(tiny, GenerationRequest("Hi", max_new_tokens=24, seed=2**62 + 1, temperature=0.9))


def test_a_run_compared_with_itself_differs_nowhere(trace):
    page = seen(trace, trace)
    n = len(trace)
    assert page["blocks"] == [["equal", 0, n, 0, n]] and page["divergence"] is None and page["unit"] == "tokens"
    assert page["pairs"] == [[i, i] for i in range(n)]
    assert all(value in (0, None) for score in page["scores"] for value in score["difference"])
    assert not any(row["differs"] for row in page["settings"])
    assert all(row["difference"] in (0, None) for row in page["summary"])


def test_one_replaced_token_is_found_and_paired(trace):
    one = written(trace, "I", " like", " red", " wine")
    other = written(trace, "I", " like", " white", " wine")
    scores = {**other.scores, "entropy": one.scores["entropy"] + np.float32(0.25)}
    page = seen(one, replace(other, scores=scores))
    assert page["blocks"] == [["equal", 0, 2, 0, 2], ["replace", 2, 3, 2, 3], ["equal", 3, 4, 3, 4]]
    assert page["divergence"] == [2, 2] and page["pairs"] == [[0, 0], [1, 1], [2, 2], [3, 3]]
    entropy = next(score for score in page["scores"] if score["name"] == "entropy")
    assert entropy["difference"] == pytest.approx([0.25] * 4, abs=1e-5)


def test_added_and_missing_tokens_shift_the_pairs(trace):
    page = seen(written(trace, "a", "b", "c"), written(trace, "a", "x", "y", "b"))
    kinds = [block[0] for block in page["blocks"]]
    assert kinds == ["equal", "insert", "equal", "delete"] and page["pairs"] == [[0, 0], [1, 3]]
    assert len(page["scores"][0]["difference"]) == 2


def test_blocks_cover_both_runs_in_order_whatever_the_tokenizers(trace):
    rng = np.random.default_rng(0)
    for round_, tokenizer in enumerate([None, "other"] * 20):
        pieces = [[str(c) for c in rng.choice(["", "a", "b", " ab", "\ufffd", "é"], rng.integers(0, 12))] for _ in "ab"]
        one, other = written(trace, *pieces[0]), written(trace, *pieces[1], tokenizer=tokenizer)
        blocks = alignment.align(one, other).blocks
        at = (0, 0)
        for kind, a0, a1, b0, b1 in blocks:
            assert (a0, b0) == at and (a1 > a0 or b1 > b0), (round_, blocks)
            assert kind != "equal" or one.pieces[a0:a1] == other.pieces[b0:b1] or tokenizer
            assert kind != "equal" or "".join(one.pieces[a0:a1]) == "".join(other.pieces[b0:b1])
            at = (a1, b1)
        assert at == (len(one), len(other))


def test_the_same_text_cut_by_another_tokenizer_is_the_same(trace):
    page = seen(written(trace, "un", "happy", " end"), written(trace, "unhappy", " en", "d", tokenizer="other"))
    assert page["unit"] == "characters" and page["divergence"] is None
    assert page["blocks"] == [["equal", 0, 2, 0, 1], ["equal", 2, 3, 1, 3]] and page["pairs"] == []


def test_unknown_tokenizers_are_never_taken_for_the_same(trace):
    unknown = replace(trace, model=replace(trace.model, tokenizer_hash=""))
    assert alignment.align(unknown, unknown).unit == "characters"


def test_different_bytes_of_unfinished_characters_are_not_the_same(tiny):
    one, other = score_tokens(tiny, [1], [65, 0xFF]), score_tokens(tiny, [1], [65, 0xFE])
    assert one.pieces == other.pieces and alignment.align(one, other).divergence == (1, 1)
    foreign = replace(other, model=replace(other.model, tokenizer_hash="other"))
    assert alignment.align(one, foreign).divergence == (1, 1)
    assert seen(one, other)["a"]["tokens"][1]["x"] == "ff"


def test_an_empty_run_is_shown_and_has_no_figures(trace):
    page = seen(trace, picked(trace, []))
    n = len(trace)
    assert page["blocks"] == [["delete", 0, n, 0, 0]] and page["divergence"] == [0, 0] and page["pairs"] == []
    assert all(row["b"] is None and row["difference"] is None for row in page["summary"])
    assert any(row["a"] is not None for row in page["summary"])
    both = seen(picked(trace, []), picked(trace, []))
    assert both["blocks"] == [] and both["divergence"] is None


def test_hostile_text_travels_as_data(trace):
    hostile = ("<img src=x onerror=alert(1)>", "${1+1}", "{{v}}", "\u202eevil", "\x00", "\u2028", "</script>", "=1+1")
    one = replace(written(trace, *hostile), prompt=hostile[0], system=hostile[3])
    page = seen(one, written(trace, *hostile[::-1], tokenizer="other"))
    assert [token["t"] for token in page["a"]["tokens"]] == list(hostile)
    assert page["a"]["prompt"] == hostile[0] and page["settings"][1]["a"] == hostile[3]


def test_what_does_not_exist_in_one_run_has_no_difference(trace):
    scores = {**trace.scores, "entropy": np.full(len(trace), np.nan, np.float32)}
    del scores["surprisal"]
    page = seen(trace, replace(trace, scores=scores))
    by_name = {score["name"]: score for score in page["scores"]}
    assert "surprisal" not in by_name and set(by_name["entropy"]["difference"]) == {None}
    assert set(by_name["entropy"]["b"]) == {None} and None not in by_name["entropy"]["a"]
    perplexity = next(row for row in page["summary"] if row["name"] == "perplexity")
    assert perplexity["b"] is None and perplexity["difference"] is None


def test_both_runs_share_one_scale_and_classes_are_not_subtracted(trace):
    twice = {**trace.scores, "renyi_half": trace.scores["renyi_half"] * 2}
    by_name = {score["name"]: score for score in seen(trace, replace(trace, scores=twice))["scores"]}
    open_ended = [score for score in by_name.values() if score["high"] is None]
    assert open_ended == [] and by_name["entropy"]["high"] == 4
    assert set(by_name["quadrant"]["difference"]) == {None} and by_name["quadrant"]["classes"]


def test_the_summary_has_every_run_score_and_the_difference_is_second_minus_first(trace):
    page = seen(trace, picked(trace, range(10)))
    assert [row["name"] for row in page["summary"]] == list(run_scores.RECORDED)
    known = [row for row in page["summary"] if row["a"] is not None and row["b"] is not None]
    assert known
    assert all(row["difference"] == pytest.approx(row["b"] - row["a"], rel=1e-3, abs=1e-4) for row in known)


def test_settings_that_differ_are_marked_and_seeds_stay_exact(trace):
    settings = replace(trace.settings, temperature=0.5)
    rows = {row["name"]: row for row in seen(trace, replace(trace, settings=settings, seed=2**62 + 2))["settings"]}
    assert {name for name, row in rows.items() if row["differs"]} == {"temperature", "seed"}
    assert rows["seed"]["a"] == str(2**62 + 1) and rows["seed"]["b"] == str(2**62 + 2)


def test_a_model_is_called_by_its_title_and_what_an_import_does_not_know_is_not_said(trace):
    model = replace(trace.model, name="embedded", quantization="none")
    foreign = replace(trace.model, name="gpt-x", quantization="unknown", dtype="unknown")
    page = seen(replace(trace, model=model), replace(trace, model=foreign))
    assert page["a"]["model"].startswith("SmolLM2") and page["b"]["model"] == "gpt-x"
    assert page["a"]["quantization"] == page["b"]["quantization"] == ""
    rows = {row["name"]: row for row in page["settings"]}
    assert rows["model"]["a"] == page["a"]["model"]
    assert rows["quantization"]["b"] is None and rows["dtype"]["b"] is None and rows["quantization"]["a"] == "none"


@pytest.mark.parametrize("tokenizer", [None, "other"])
@pytest.mark.parametrize("words", [2, 40, 2000])
def test_long_runs_are_compared_quickly(trace, tokenizer, words):
    rng = np.random.default_rng(words)
    long = picked(trace, rng.integers(0, len(trace), 4000))
    one = written(long, "Start", *(f" w{i}" for i in rng.integers(0, words, 3999)))
    other = written(long, "Start", *(f" w{i}" for i in rng.integers(0, words, 3999)), tokenizer=tokenizer)
    started = time.perf_counter()
    page = seen(one, other)
    assert time.perf_counter() - started < 8  # about one second; room for a busy machine
    assert page["blocks"][0][0] == "equal" and page["divergence"] is not None


def test_texts_too_long_to_search_keep_their_common_ends(trace):
    long = picked(trace, np.zeros(4000, dtype=int))
    one = written(long, "head", *["a"] * 3900, "x", "tail")
    other = written(long, "head", *["b", "a"] * 1950, "tail")
    found = alignment.align(one, other)
    assert found.unit == "ends" and [block[0] for block in found.blocks] == ["equal", "replace", "equal"]


def test_a_bound_stays_a_bound_and_is_not_subtracted(tiny):
    real = run(tiny, GenerationRequest("Hi", max_new_tokens=6, seed=1))
    upper = {"entropy_upper": real.scores["entropy"]}
    imported = replace(real, kind="import", scores={**real.scores, **upper})
    document = json.loads(compare(stored(real), stored(imported, "b")))
    entropy = next(entry for entry in document["scores"] if entry["name"] == "entropy")
    surprisal = next(entry for entry in document["scores"] if entry["name"] == "surprisal")
    assert entropy["bounds"] == ["", "lower"] and set(entropy["difference"]) == {None}
    assert surprisal["bounds"] == ["", ""] and None not in surprisal["difference"]
    figures = {row["name"]: row for row in document["summary"]}
    assert figures["mean_entropy"]["bounds"] == ["", "lower"] and figures["mean_entropy"]["difference"] is None
    assert figures["perplexity"]["difference"] == 0
