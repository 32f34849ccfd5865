"""Log-probabilities from APIs become runs: hand-checked numbers, characters, ids, ranks and proven entropy bounds."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import logprob_import, run_scores, token_scores
from engine.logprob_import import entropy_bounds, parse
from tests.support.api_answers import HELLO, LEGACY, chat, entry, one, words

SEEDS = st.integers(0, 2**31)


def test_a_chat_completion_becomes_a_run_with_the_numbers_worked_out_by_hand():
    trace = one(HELLO, prompt="Greet me.", vocabulary_size=7)
    ln2 = math.log(2)
    assert trace.text == "Hello!" and trace.pieces == ("Hello", "!") and trace.prompt == "Greet me."
    assert (trace.kind, trace.finish_reason, trace.seed, trace.settings) == ("import", "imported", None, None)
    assert (trace.model.name, trace.model.revision) == ("toy-4o-2024-08-06", "fp_44709d6fcb")
    assert words(trace, 0) == [b"Hello", b"Hi", b"Hey"] and words(trace, 1) == [b" there", b"!", b"."]
    assert trace.token_bytes[int(trace.token_ids[1])] == b"!"
    expected = {
        "surprisal": [ln2, 2 * ln2],
        "probability": [0.5, 0.25],
        "rank": [0, 1],
        "max_probability": [0.5, 0.5],
        "margin": [0.25, 0.25],
        "renyi_inf": [ln2, ln2],
        # 1/2 ln 2 + 1/4 2 ln 2 + 1/8 3 ln 2 for what is named, 1/8 3 ln 2 for the rest in one piece
        "entropy": [1.75 * ln2] * 2,
        # the rest of 1/8 spread over 7 - 3 = 4 tokens adds 1/8 ln 4
        "entropy_upper": [2.0 * ln2] * 2,
    }
    assert trace.scores.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(trace.scores[name], values, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(trace.tail_mass, [0.125, 0.125], atol=1e-7)
    np.testing.assert_allclose(trace.topk_logprobs[1], np.log([0.5, 0.25, 0.125]), rtol=1e-6)
    assert any("bounds" in note and "7 tokens" in note for note in trace.notes)


def test_every_array_is_as_a_run_promises():
    trace = one(HELLO)
    n, k = 2, 3
    for name, dtype, shape in (
        ("prompt_ids", np.int32, (0,)), ("token_ids", np.int32, (n,)), ("topk_ids", np.int32, (n, k)),
        ("topk_logprobs", np.float32, (n, k)), ("tail_mass", np.float32, (n,)), ("noise_rows", np.int64, (n,)),
        ("margin", np.float32, (n,)), ("runner_up", np.int32, (n,)), ("luck", np.float32, (n,)),
        ("support", np.int32, (n,)), ("log_normalizer", np.float32, (n,)),
    ):  # fmt: skip
        assert getattr(trace, name).dtype == dtype and getattr(trace, name).shape == shape, name
    assert all(v.dtype == np.float32 and v.shape == (n,) for v in trace.scores.values())
    assert (trace.noise_rows == -1).all() and (trace.runner_up == -1).all() and (trace.support == 0).all()
    assert np.isnan(trace.margin).all() and np.isnan(trace.luck).all() and np.isnan(trace.log_normalizer).all()


def test_run_scores_that_need_more_than_an_api_tells_are_not_available():
    got = run_scores.compute(one(HELLO))
    assert got["g_nll"] == pytest.approx(3 * math.log(2), rel=1e-6)
    assert got["perplexity"] == pytest.approx(2**1.5, rel=1e-6)
    assert got["mean_entropy"] == pytest.approx(1.75 * math.log(2), rel=1e-6)
    assert all(math.isnan(got[name]) for name in ("curvature", "minkpp_20", "think_just_enough", "mean_boosted_prob"))


def test_characters_split_over_tokens_are_put_together_by_the_token_that_completes_them():
    tokens = [
        {"token": "\\xf0\\x9f", "bytes": [0xF0, 0x9F], "logprob": -0.1, "top_logprobs": []},
        {"token": "\\x98\\x8a", "bytes": [0x98, 0x8A], "logprob": -0.2, "top_logprobs": []},
        {"token": "é", "bytes": [0xC3, 0xA9], "logprob": -0.2, "top_logprobs": []},
        {"token": "\\xe2", "bytes": [0xE2], "logprob": -0.3, "top_logprobs": []},
    ]
    trace = one(chat(*tokens, text="😊é�"))
    assert trace.pieces == ("", "😊", "é", "\ufffd") and trace.token_bytes[int(trace.token_ids[0])] == b"\xf0\x9f"
    assert trace.scores.keys() == {"surprisal", "probability"} and trace.topk_ids.shape == (4, 0)
    assert np.isnan(trace.tail_mass).all() and any("no alternatives" in note for note in trace.notes)


@pytest.mark.parametrize(
    "token, raw",
    [
        ("bytes:\\xe2\\x80", b"\xe2\x80"),
        ("bytes: \\xf0\\x9f", b" \xf0\x9f"),
        ("\\xe2\\x80", b"\xe2\x80"),
        ("bytes:", b"bytes:"),
        ("bytes: 12", b"bytes: 12"),
        ("\\x41", b"\\x41"),
        ("\\xzz", b"\\xzz"),
        ("a\x00\u202eb", "a\x00\u202eb".encode()),
    ],
)
def test_escapes_stand_for_bytes_only_where_an_api_had_to_write_them(token, raw):
    legacy = {"choices": [{"text": "", "logprobs": {"tokens": [token], "token_logprobs": [-1], "top_logprobs": None}}]}
    trace = one(legacy)
    assert trace.token_bytes[int(trace.token_ids[0])] == raw
    assert one(chat(entry(token, 0.5, raw=False))).token_bytes == {0: raw}


def test_the_legacy_layout_with_an_echoed_prompt_and_an_appended_token():
    trace = one(LEGACY)
    assert trace.text == "Once upon a" and not trace.model.has_chat_template
    np.testing.assert_allclose(trace.scores["surprisal"], [np.nan, math.log(2), 4 * math.log(2)], rtol=1e-6)
    np.testing.assert_allclose(trace.scores["margin"], [np.nan, 0.25, 0.25], rtol=1e-6)
    # two alternatives were asked for; the drawn one came on top of them, its true rank is not known
    np.testing.assert_allclose(trace.scores["rank"], [np.nan, 0, np.nan])
    assert words(trace, 0) == [] and words(trace, 2) == [b" the", b" my", b" a"]
    assert any("prompt_logprobs" in note for note in trace.notes) and any("1 of 3 tokens" in n for n in trace.notes)
    assert run_scores.compute(trace)["g_nll"] == pytest.approx(5 * math.log(2), rel=1e-6), (
        "the echoed start is left out"
    )


def test_lists_that_only_repeat_the_token_say_nothing_about_its_rivals_unless_nobody_can_beat_it():
    trace = one(chat(entry("a", 0.75, ("a", 0.75)), entry("b", 0.25, ("b", 0.25))))
    np.testing.assert_allclose(trace.scores["rank"], [0, np.nan])
    np.testing.assert_allclose(trace.scores["max_probability"], [0.75, np.nan], rtol=1e-6)
    assert np.isnan(trace.scores["margin"]).all()


def test_a_token_that_is_not_listed_keeps_its_own_surprisal_and_tightens_the_bounds():
    trace = one(chat(entry("x", 0.125, ("a", 0.5), ("b", 0.25))), vocabulary_size=7)
    assert words(trace, 0) == [b"a", b"b"] and int(trace.token_ids[0]) not in trace.topk_ids[0]
    assert trace.scores["surprisal"][0] == pytest.approx(3 * math.log(2), rel=1e-6)
    assert math.isnan(trace.scores["rank"][0]) and trace.tail_mass[0] == pytest.approx(0.25)
    assert trace.scores["entropy"][0] == pytest.approx(1.75 * math.log(2), rel=1e-6)
    assert trace.scores["entropy_upper"][0] == pytest.approx(2 * math.log(2), rel=1e-6)


@pytest.mark.parametrize("mark", ["-9999.0", "-1e308", "-Infinity", "-" + "9" * 400])
def test_very_unlikely_is_missing_not_a_number(mark):
    document = json.dumps(chat(entry("a", 0.5, ("b", 0.75)), entry("c", 0.5, ("c", 0.5), ("d", 0.25))))
    trace = parse(document.replace(repr(math.log(0.5)), mark, 1).replace(repr(math.log(0.25)), mark, 1))[0]
    np.testing.assert_allclose(trace.scores["surprisal"], [np.nan, math.log(2)], rtol=1e-6)
    assert words(trace, 1) == [b"c"] and any("1 of 2 tokens" in note for note in trace.notes)


def test_a_very_unlikely_token_inside_a_run_leaves_its_sums_open():
    tokens = [entry("a", 0.5), entry("b", 0.5) | {"logprob": -9999.0}, entry("c", 0.5)]
    assert math.isnan(run_scores.compute(one(chat(*tokens)))["g_nll"])


def test_an_end_of_turn_mark_that_the_text_lacks_is_a_control_token():
    ended = one(chat(entry("Hi", 0.5), entry("<|im_end|>", 0.5), text="Hi"))
    assert ended.answer == "Hi" and ended.text == "Hi<|im_end|>" and len(ended) == 2
    assert not any("spell" in note for note in ended.notes)
    for text, token in (("Hi<b>", "<b>"), ("Hi", " stop")):
        assert one(chat(entry("Hi", 0.5), entry(token, 0.5), text=text)).special_ids == frozenset()


def test_a_text_that_the_tokens_do_not_spell_is_said():
    assert any("spell" in note for note in one(chat(entry("�", 0.5), text="😊")).notes)
    assert not any("spell" in note for note in one(HELLO).notes)


def test_tokens_that_look_alike_stay_apart_and_equal_ones_share_an_id():
    trace = one(chat(entry("�", 0.25, ("�", 0.5), ("�", 0.25)), entry("�", 0.5, ("�", 0.5)), entry("a", 0.5)))
    first = trace.topk_ids[0].tolist()
    assert len(set(first)) == 2 and trace.token_ids[0] == first[1] and trace.token_ids[1] == first[0]
    assert trace.scores["rank"][0] == 1 and {trace.token_bytes[i] for i in first} == {"�".encode()}
    assert one(chat(entry("a", 0.5), entry("b", 0.5), entry("a", 0.5))).token_ids.tolist() == [0, 1, 0]


@settings(max_examples=300, deadline=None)
@given(SEEDS, st.integers(2, 60), st.integers(1, 25), st.floats(0.05, 12.0))
def test_the_true_entropy_lies_between_the_bounds(seed, size, k, scale):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=size) * scale
    logprobs = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
    entropy = -(np.exp(logprobs) * logprobs).sum()
    low, high = entropy_bounds(-np.sort(-logprobs)[:k], size)
    assert low <= entropy + 1e-9 and entropy <= high + 1e-9 and low <= high
    anywhere = rng.permutation(logprobs)[:k]
    low, high = entropy_bounds(anywhere, size)
    assert low <= entropy + 1e-9 and entropy <= high + 1e-9, "the bounds need no top-k, only different tokens"
    if k >= size:
        assert low == pytest.approx(entropy, abs=1e-7) and high == pytest.approx(entropy, abs=1e-7)


def test_the_bounds_are_reached_and_a_smaller_vocabulary_breaks_the_upper_one():
    known = np.log([0.5, 0.25])
    low, high = entropy_bounds(known, 2 + 16)
    assert low == pytest.approx(-(0.5 * np.log(0.5) + 2 * 0.25 * np.log(0.25))), "one token with all of the rest"
    spread = np.array([0.5, 0.25] + [0.25 / 16] * 16)
    entropy = -(spread * np.log(spread)).sum()
    assert high == pytest.approx(entropy), "sixteen equal tokens"
    assert entropy_bounds(known, 2 + 8)[1] < entropy - 0.1, "the control: the wrong vocabulary is no bound"
    renormalised = np.exp(known) / 0.75
    naive = -(renormalised * np.log(renormalised)).sum()
    assert naive < low - 0.1, "the control: renormalising the known ones alone is no bound"


def test_the_bound_score_says_what_it_is_and_agrees_with_the_run():
    score = logprob_import.BOUND_SCORES["entropy_upper"]
    assert all((score.label, score.symbol, score.definition, score.short, score.caveat))
    assert "entropy_upper" not in token_scores.REGISTRY
    trace = one(HELLO, vocabulary_size=7)
    np.testing.assert_allclose(score.compute(trace.topk_logprobs, 7), trace.scores["entropy_upper"], rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(1, 12), st.integers(1, 8))
def test_what_an_api_would_report_of_a_known_model_comes_back(seed, n, k):
    rng = np.random.default_rng(seed)
    size = 30
    rows = token_scores.rows_from_logits(rng.normal(size=(n, size)).astype(np.float32) * 2, rng.integers(0, size, n))
    truth = token_scores.run_scores(token_scores.row_scores(rows))
    names = [chr(0x4E00 + i) for i in range(size)]
    content = []
    for row, drawn in zip(rows.logprobs, rows.token_ids, strict=True):
        best = sorted(range(size), key=lambda i: -row[i])[:k]
        top = [{"token": names[i], "logprob": min(0.0, float(row[i]))} for i in best]
        content.append({"token": names[drawn], "logprob": min(0.0, float(row[drawn])), "top_logprobs": top})
    trace = one({"choices": [{"message": {"content": None}, "logprobs": {"content": content}}]}, vocabulary_size=size)
    assert trace.text == "".join(names[i] for i in rows.token_ids)
    for name in ("surprisal", "probability", "rank", "max_probability", "margin", "renyi_inf"):
        got = trace.scores[name]
        known = ~np.isnan(got)
        np.testing.assert_allclose(got[known], truth[name][known], rtol=1e-5, atol=1e-6, err_msg=name)
    assert (trace.scores["entropy"] <= truth["entropy"] + 1e-4).all()
    assert (trace.scores["entropy_upper"] >= truth["entropy"] - 1e-4).all()
    if k > 1:
        listed = [d in t for d, t in zip(trace.token_ids, trace.topk_ids.tolist(), strict=True)]
        assert (~np.isnan(trace.scores["rank"]) == listed).all() and not np.isnan(trace.scores["margin"]).any()
