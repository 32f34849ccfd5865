"""The whole chain beside a slow one of its own, what it says of odd answers, and that it ends when it is told to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine import attention_chain
from engine.attention_chain import analyse, steps
from engine.attention_taps import CHUNK
from engine.chain_settings import RANGES, ChainSettings
from engine.errors import BadInput, ModelUnavailable
from engine.forward import ForwardPass
from engine.models import load_model
from engine.scoring import score_tokens
from engine.stop_words import bare, stop_words
from engine.testing import tiny_model
from tests.support.slow_chain import slow_chain
from tests.support.small_networks import KINDS, eager_attention, small_model, some_ids
from tests.support.toy_model import one_thread

PROMPT = 17
RESPONSE = 60


@pytest.fixture(autouse=True)
def one_at_a_time():
    with one_thread():
        yield


def text_of(model, seed=0, prompt=PROMPT, response=RESPONSE):
    ids = some_ids(prompt + response, seed)
    return score_tokens(model, ids[:prompt], ids[prompt:])


def slowly(model, trace, span, **settings):
    words = stop_words("en")
    return slow_chain(
        lambda ids: eager_attention(model, ids),
        trace.prompt_ids.tolist(), trace.token_ids.tolist(), span,
        lambda i: bare(model.token_bytes(i).decode("utf-8", "replace")) in words, **settings,
    )  # fmt: skip


def check(found, slow, span):
    own = range(*span)
    assert found.positions == tuple(sorted(slow.chain))
    np.testing.assert_allclose(found.scores, [slow.chain[t] for t in found.positions], atol=1e-4)
    expected = [np.nan if t in own else slow.similarity[t] for t in found.positions]
    np.testing.assert_allclose(found.similarity, expected, atol=1e-4)
    assert found.kept == tuple(slow.kept)
    assert {(one.position, one.token_id) for one in found.variants} == set(slow.variants)
    for one in found.variants:
        values = (one.probability, one.p_answer, one.p_kept)
        np.testing.assert_allclose(values, slow.variants[one.position, one.token_id], rtol=1e-3)
    for name in ("p_answer", "p_chain", "p_uqac"):
        assert getattr(found.confidence, name) == pytest.approx(getattr(slow, name), rel=1e-3), name
    assert found.confidence.p_kept == pytest.approx(slow.p_kept, rel=1e-3)


@pytest.mark.parametrize(
    ("seed", "span", "settings"),
    [
        (0, (58, 59), {}),
        (1, (40, 42), {}),
        (2, (55, 58), {}),
        (3, (50, 54), {}),
        (4, (20, 21), {"reduction": "mean", "heads": 4}),
        (5, (33, 34), {"heads": 2}),
        (6, (59, 60), {"heads": 5}),
        (7, (12, 15), {}),
        (8, (3, 4), {}),
    ],
)
def test_a_chain_is_the_one_that_the_slow_way_finds(tiny, seed, span, settings):
    trace = text_of(tiny, seed)
    found = analyse(tiny, trace, span, ChainSettings(**settings))
    slow = slowly(tiny, trace, span, **settings)
    assert len(found.positions) > span[1] - span[0] and found.kept and found.variants
    check(found, slow, span)


@pytest.mark.parametrize("kind", ["mistral, sliding window", "gemma3, windows", "gpt2", "qwen3"])
def test_other_kinds_of_layers_give_the_slow_ways_chain_too(kind):
    model = small_model(kind, seed=3)
    trace = text_of(model, 5, prompt=40, response=2 * CHUNK)
    span = (2 * CHUNK - 4, 2 * CHUNK - 2)
    check(analyse(model, trace, span), slowly(model, trace, span), span)


def test_the_comparison_sees_a_rule_that_is_left_out(tiny, monkeypatch):
    """A control."""
    trace, span = text_of(tiny, 1), (40, 42)
    slow = slowly(tiny, trace, span)
    monkeypatch.setattr("engine.input_rows.DAMPING", (1.0,) * 10)
    with pytest.raises(AssertionError):
        check(analyse(tiny, trace, span), slow, span)
    monkeypatch.undo()
    monkeypatch.setattr(attention_chain, "means_nothing", lambda *_: False)
    with pytest.raises(AssertionError):
        check(analyse(tiny, trace, span), slow, span)


def test_what_is_reported_beside_the_chain_belongs_together(tiny):
    trace, span = text_of(tiny, 2), (55, 58)
    found = analyse(tiny, trace, span)
    p, answer = np.exp(-trace.scores["surprisal"].astype(float)), list(range(*span))
    assert found.span == span
    assert found.confidence.p_response == pytest.approx(np.exp(np.log(np.maximum(p, 1e-12)).sum()), rel=1e-3)
    assert found.confidence.mean_response == pytest.approx(p.mean(), rel=1e-4)
    assert found.confidence.mean_chain == pytest.approx(p[list(found.positions)].mean(), rel=1e-4)
    assert found.confidence.mean_kept == pytest.approx(p[[*found.kept, *answer]].mean(), rel=1e-4)
    hops = dict(zip(found.positions, found.hops.tolist(), strict=True))
    scores = dict(zip(found.positions, found.scores.tolist(), strict=True))
    assert all(hops[t] == 0 and scores[t] == 0 for t in answer) and max(hops.values()) > 1
    for arc in found.arcs:
        assert 0 <= arc.target < arc.source < len(trace)
        assert hops[arc.target] == arc.hop and hops[arc.source] == arc.hop - 1
    for t in set(found.positions) - set(answer):
        assert sum(arc.weight for arc in found.arcs if arc.target == t) == pytest.approx(scores[t])
    assert found.weights.shape == (len(trace),) and not found.weights[span[0] :].any()
    assert found.rows <= len(answer) + 3 * max(hops.values())
    assert found.warnings == ()


def test_scores_of_attention_are_there_for_every_token(tiny):
    trace = text_of(tiny, 2)
    found = analyse(tiny, trace, (55, 58)).token_scores
    assert set(found) == {"rauq", "attention_weighted_surprisal"}
    assert all(values.shape == (len(trace),) and values.dtype == np.float32 for values in found.values())
    assert np.isfinite(found["rauq"]).all()
    weighted = found["attention_weighted_surprisal"]
    assert not weighted[55:].any() and (weighted[20:50] > 0).any(), "nothing behind the answer"


def test_a_text_without_a_prompt_has_a_chain(tiny):
    trace = text_of(tiny, 3, prompt=0)
    assert len(trace.prompt_ids) == 0
    found = analyse(tiny, trace, (50, 52))
    slow = slowly(tiny, trace, (50, 52))
    assert found.positions == tuple(sorted(slow.chain)) and found.kept == tuple(slow.kept)
    assert 0 not in found.positions, "the first token of all takes no part"
    assert found.p_uqac == pytest.approx(slow.p_uqac, rel=1e-3)
    assert np.isnan(found.token_scores["rauq"][0]) and np.isfinite(found.token_scores["rauq"][1:]).all()
    assert np.isfinite(found.confidence.mean_response)


def test_a_prompt_of_one_token_is_enough(tiny):
    trace = text_of(tiny, 4, prompt=1)
    check(analyse(tiny, trace, (50, 52)), slowly(tiny, trace, (50, 52)), (50, 52))


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ((30, 30), "The answer is empty: select at least one token of the response."),
        ((31, 30), "The answer is empty: select at least one token of the response."),
        ((0, RESPONSE), "The whole response is selected: nothing stands before it that it could rest on. Select less."),
        ((-3, 2), "The answer begins at position -3, in the prompt: choose tokens of the response."),
        ((0, 2), "The answer begins with the first token: nothing of the response stands before it."),
        ((58, 61), "The answer ends at position 61, but the response has 60 tokens only."),
        ((90, 91), "The answer ends at position 91, but the response has 60 tokens only."),
    ],
)
def test_an_answer_that_cannot_be_traced_is_refused_with_a_sentence(tiny, span, said):
    with pytest.raises(BadInput) as refusal:
        analyse(tiny, text_of(tiny), span)
    assert str(refusal.value) == said


def test_an_empty_response_is_refused(tiny):
    trace = text_of(tiny)
    empty = replace(trace, token_ids=trace.token_ids[:0], pieces=())
    for span in ((0, 0), (0, 1)):
        with pytest.raises(BadInput, match=r"select at least one token|has 0 tokens only"):
            analyse(tiny, empty, span)


def test_an_early_answer_is_traced_with_a_warning(tiny):
    found = analyse(tiny, text_of(tiny, 8), (3, 4))
    assert [w for w in found.warnings if w.startswith("The answer begins with token 4: attention to the 10 tokens")]
    assert not analyse(tiny, text_of(tiny, 8), (10, 11)).warnings


def test_nothing_but_stop_words_before_the_answer_leaves_the_answers_own_confidence(tiny):
    ids = [*some_ids(PROMPT), *b"a, i. a! i; (a) i: a? i " * 2, *b"77"]
    trace = score_tokens(tiny, ids[:PROMPT], ids[PROMPT:])
    span = (len(trace) - 2, len(trace))
    found = analyse(tiny, trace, span)
    assert found.positions == (span[0], span[1] - 1)[:2] and found.kept == () and found.variants == ()
    assert any(w.startswith("Only stop words stand before this answer") for w in found.warnings)
    assert found.p_uqac == found.p_answer == found.confidence.p_kept > 0
    # the comma is a stop word in every language, a letter is not
    other = analyse(tiny, trace, span, ChainSettings(language="none"))
    assert len(other.positions) > 2 and not other.warnings


def test_further_stop_words_are_passed_over(tiny):
    trace, span = text_of(tiny, 1), (40, 42)
    before = analyse(tiny, trace, span)
    strongest = max(zip(before.scores, before.positions, strict=True))[1]
    word = chr(trace.token_ids[strongest])
    after = analyse(tiny, trace, span, ChainSettings(extra_stop_words=(f" {word.upper()} ",)))
    assert strongest not in after.positions
    assert all(trace.token_ids[t] != trace.token_ids[strongest] for t in after.positions if t not in range(*span))


def test_another_model_than_the_runs_is_refused(tiny):
    with pytest.raises(ModelUnavailable, match=r"This run was made with tiny .*seed-7.*load it"):
        analyse(tiny, text_of(tiny_model(seed=7)), (40, 42))


def test_a_text_longer_than_the_context_is_refused(tiny):
    trace = text_of(tiny)
    long = replace(trace, prompt_ids=np.array(some_ids(480), dtype=np.int32))
    with pytest.raises(BadInput, match="Prompt and response have 540 tokens; this model's context holds 512"):
        analyse(tiny, long, (40, 42))


@pytest.mark.parametrize("name", RANGES)
def test_settings_out_of_range_are_refused_by_name(tiny, name):
    low, high = RANGES[name]
    trace = text_of(tiny)
    for value in (low - 1, high + 1, float("nan"), "3", True, None):
        with pytest.raises(BadInput, match=r"must be a (whole )?number from .* to .*, not"):
            analyse(tiny, trace, (40, 42), ChainSettings(**{name: value}))
    for value in (low, high):
        analyse(tiny, trace, (40, 42), ChainSettings(**{name: value}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reduction": "median"}, "The heads can be joined by max or mean, not 'median'"),
        ({"language": "kl"}, "There are no stop words for 'kl'; the languages are: en, "),
        ({"extra_stop_words": ("x",) * 201}, "201 further stop words are too many; at most 200 are allowed"),
    ],
)
def test_other_settings_that_make_no_sense_are_refused(tiny, settings, said):
    with pytest.raises(BadInput, match=said):
        analyse(tiny, text_of(tiny), (40, 42), ChainSettings(**settings))


@pytest.fixture(scope="module")
def long_text(tiny):
    return text_of(tiny, 5, prompt=150, response=200)


def test_progress_is_told_from_the_first_part_to_the_last_variant(tiny, long_text):
    seen = list(steps(tiny, long_text, (190, 192)))
    reading = [one for one in seen if one.stage == "reading"]
    tracing = [one for one in seen if one.stage == "tracing"]
    variants = [one for one in seen if one.stage == "variants"]
    assert [one.done for one in reading] == [128, 256, 350] and {one.total for one in reading} == {350}
    assert [one.done for one in tracing] == list(range(1, len(tracing) + 1)) and tracing
    assert [one.done for one in variants] == list(range(len(variants))) and variants[-1].done == variants[-1].total > 2
    assert seen == reading + tracing + variants
    assert all(one.chain is None for one in reading + tracing)
    unfinished = [one.chain for one in variants[:-1]]
    assert all(np.isnan(chain.p_uqac) and chain.p_answer > 0 for chain in unfinished)
    known = [sum(np.isfinite(one.p_answer) for one in progress.chain.variants) for progress in variants]
    assert known == [one.done for one in variants]
    assert np.isfinite(variants[-1].chain.p_uqac)
    kept = {(v.position, v.token_id) for v in unfinished[0].variants}
    assert {(v.position, v.token_id) for v in variants[-1].chain.variants} == kept


def test_cancelling_between_any_two_steps_ends_at_once(tiny, long_text):
    count = len(list(steps(tiny, long_text, (190, 192))))
    assert count > 8
    for after in range(1, count + 1):
        seen = []
        for one in steps(tiny, long_text, (190, 192), cancelled=lambda seen=seen, after=after: len(seen) >= after):
            seen.append(one)
        # what was handed out with the last variant ready cannot be taken back
        assert after <= len(seen) <= after + 1, (after, len(seen))
        assert tiny.network.config._attn_implementation == "sdpa"
    list(steps(tiny, long_text, (190, 192), cancelled=lambda: True))
    assert len(list(steps(tiny, long_text, (190, 192), cancelled=lambda: True))) == 1


def test_an_analysis_changes_nothing_that_the_model_says(tiny, long_text):
    ids = long_text.prompt_ids.tolist()
    before = ForwardPass(tiny).feed(ids, keep=5)
    analyse(tiny, long_text, (190, 192))
    np.testing.assert_array_equal(ForwardPass(tiny).feed(ids, keep=5), before)
    for one in steps(tiny, long_text, (190, 192)):
        if one.stage == "variants":
            break
    np.testing.assert_array_equal(ForwardPass(tiny).feed(ids, keep=5), before)


def test_the_same_question_has_the_same_answer(tiny, long_text):
    one, other = (analyse(tiny, long_text, (190, 192)) for _ in range(2))
    assert one.positions == other.positions and one.p_uqac == other.p_uqac and one.variants == other.variants


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_each_kind_is_loaded_and_traced_as_the_app_does_it(kind, tmp_path):
    made = small_model(kind)
    made.network.save_pretrained(tmp_path)
    made.tokenizer.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), device="cpu", dtype="float32")
    trace = text_of(loaded, 1)
    mine, theirs = analyse(loaded, trace, (40, 42)), analyse(made, text_of(made, 1), (40, 42))
    assert mine.positions == theirs.positions and mine.kept == theirs.kept
    assert mine.p_uqac == pytest.approx(theirs.p_uqac, rel=1e-4)
