"""Teacher forcing gives the numbers of a plain forward pass, in flat memory, for ids exactly as given."""

import json
import tracemalloc

import numpy as np
import pytest

from engine import run_scores, scoring
from engine.errors import BadInput
from engine.generate import run
from engine.types import GenerationRequest


def plain_logprobs(model, ids):
    import torch

    with torch.inference_mode():
        return torch.log_softmax(model.network(input_ids=torch.tensor([ids])).logits[0].float(), -1).numpy()


@pytest.mark.parametrize("length", [1, 31, 32, 33, 255, 256, 257, 300])
def test_chunking_changes_no_number(tiny, length):
    rng = np.random.default_rng(length)
    prompt, tokens = rng.integers(0, 256, 9).tolist(), rng.integers(0, 256, length).tolist()
    trace = scoring.score_tokens(tiny, prompt, tokens)
    expected = plain_logprobs(tiny, prompt + tokens)
    drawn = expected[np.arange(8, 8 + length), tokens]
    np.testing.assert_allclose(trace.scores["surprisal"], -drawn, atol=1e-4)
    assert trace.token_ids.tolist() == tokens and trace.prompt_ids.tolist() == prompt
    assert not np.allclose(trace.scores["surprisal"], -expected[np.arange(9, 9 + length) % len(expected), tokens])


def test_without_any_context_the_first_token_has_no_score(tiny):
    trace = scoring.score_tokens(tiny, [], [5, 6, 7])
    assert np.isnan(trace.scores["surprisal"][0]) and np.isfinite(trace.scores["surprisal"][1:]).all()
    assert (trace.topk_ids[0] == -1).all() and np.isnan(trace.tail_mass[0])
    expected = plain_logprobs(tiny, [5, 6, 7])
    assert trace.scores["surprisal"][2] == pytest.approx(-expected[1, 7], abs=1e-4)


def test_a_generated_run_scores_as_it_did_while_it_was_written(tiny):
    made = run(tiny, GenerationRequest("Hello", max_new_tokens=30, seed=1))
    forced = scoring.score_tokens(tiny, made.prompt_ids.tolist(), made.token_ids.tolist())
    for name, values in made.scores.items():
        if name not in ("cntp_trials",):
            np.testing.assert_allclose(forced.scores[name], values, atol=2e-3, rtol=1e-3, err_msg=name)
    np.testing.assert_array_equal(forced.topk_ids[:, 0], made.topk_ids[:, 0])


@pytest.mark.parametrize(("tokens", "words"), [([], "paste"), ([999_999], "vocabulary"), ([-1], "vocabulary")])
def test_bad_ids_are_refused(tiny, tokens, words):
    with pytest.raises(BadInput, match=words):
        scoring.score_tokens(tiny, [1], tokens)


def test_a_text_longer_than_the_context_is_refused_with_how_much_to_cut(tiny):
    with pytest.raises(BadInput, match="token"):
        scoring.score_tokens(tiny, [1], [5] * (tiny.context_length + 1))


def test_cancelling_stops_between_blocks(tiny):
    steps = list(scoring.score_steps(tiny, [1, 2], [5] * 300, cancelled=lambda: True))
    assert len(steps) == 0
    seen = []
    for step in scoring.score_steps(tiny, [1, 2], [5] * 300, cancelled=lambda: len(seen) > 0):
        seen.append(step)
    assert 0 < len(seen) <= scoring.SCORE_CHUNK


@pytest.mark.model
def test_golden_values(embedded, shared_dir):
    golden = json.loads((shared_dir / "golden" / "scores_expected.json").read_text())
    names = {"max_prob": "max_probability", "typical": "typical_deviation"}
    for case in golden["cases"]:
        trace = scoring.score_tokens(embedded, case["prompt_ids"], case["token_ids"])
        for key, expected in case.items():
            name = names.get(key, key)
            if name in trace.scores:
                np.testing.assert_allclose(trace.scores[name], expected, atol=1e-4, err_msg=name)
        figures = run_scores.compute(trace)
        for name in ("curvature", "g_nll", "mean_entropy"):
            assert figures[name] == pytest.approx(case[name], abs=1e-4), name
        peer = case["lm_polygraph"]
        np.testing.assert_allclose(trace.scores["entropy"][:-1], peer["TokenEntropy"], atol=1e-4)
        np.testing.assert_allclose(trace.scores["surprisal"][:-1], peer["MaximumTokenProbability"], atol=1e-4)
        assert trace.scores["surprisal"].mean() == pytest.approx(peer["Perplexity"], abs=1e-4)
        by_text = scoring.score_text(embedded, case["prompt"], case["text"])
        assert by_text.prompt_ids.tolist() == case["prompt_ids"] and by_text.token_ids.tolist() == case["token_ids"]
        assert by_text.text == case["text"]


@pytest.mark.model
def test_greedy_generation_is_the_golden_reply(embedded, shared_dir):
    golden = json.loads((shared_dir / "golden" / "scores_expected.json").read_text())
    for case in golden["cases"]:
        trace = run(embedded, GenerationRequest(case["prompt"], temperature=0.0))
        assert trace.token_ids.tolist() == case["token_ids"] and trace.finish_reason == "stop"
        np.testing.assert_allclose(trace.scores["entropy"], case["entropy"], atol=1e-4)


@pytest.mark.model
def test_memory_stays_flat_in_the_length_of_the_text(embedded):
    """Peak of the arrays made while scoring, at two lengths; one [T, V] block alone would take 590 MB at 3,000."""
    ids = np.random.default_rng(0).integers(100, 40_000, 3000).tolist()
    peaks = []
    for count in (1000, 3000):
        tracemalloc.start()
        seen = sum(1 for _ in scoring.score_steps(embedded, [1], ids[:count]))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert seen == count
    assert peaks[1] < 1.2 * peaks[0] and peaks[1] < 200e6


@pytest.mark.model
def test_eight_thousand_tokens_go_through(embedded):
    ids = np.random.default_rng(0).integers(100, 40_000, 8000).tolist()
    surprisals = [step.scores["surprisal"] for step in scoring.score_steps(embedded, [1], ids)]
    assert len(surprisals) == 8000 and np.isfinite(surprisals).all()
