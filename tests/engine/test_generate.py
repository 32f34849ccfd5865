"""The decode loop draws what its noise says, records what it drew from, and stops when told."""

from dataclasses import replace

import numpy as np
import pytest

from engine import noise
from engine.errors import BadInput
from engine.generate import generate, run
from engine.types import GenerationRequest

REQUEST = GenerationRequest("Tell me", max_new_tokens=24, seed=3)


@pytest.fixture(scope="module")
def trace(tiny):
    return run(tiny, REQUEST)


def same_run(a, b):
    return a.token_ids.tolist() == b.token_ids.tolist() and np.array_equal(a.margin, b.margin)


def test_the_same_seed_gives_identical_tokens_and_another_seed_does_not(tiny, trace):
    assert same_run(trace, run(tiny, REQUEST))
    assert not same_run(trace, run(tiny, replace(REQUEST, seed=4)))


def test_tokens_are_those_of_an_independent_gumbel_race(tiny, trace):
    """Recomputed from scratch: one full forward pass over everything, noise row t, argmax of logits + Gumbel."""
    import torch

    ids = [*trace.prompt_ids.tolist(), *trace.token_ids.tolist()]
    with torch.inference_mode():
        logits = tiny.network(input_ids=torch.tensor([ids])).logits[0].double().numpy()
    start = len(trace.prompt_ids)
    for t, token in enumerate(trace.token_ids):
        race = logits[start + t - 1] + noise.gumbel_row(REQUEST.seed, 0, t, logits.shape[1])
        order = np.argsort(-race)
        assert order[0] == token and order[1] == trace.runner_up[t]
        assert race[order[0]] - race[order[1]] == pytest.approx(trace.margin[t], abs=1e-4)
        wrong_row = logits[start + t - 1] + noise.gumbel_row(REQUEST.seed, 0, t + 1, logits.shape[1])
        assert t > 0 or wrong_row.argmax() != token, "the negative control must draw something else"
    assert trace.noise_rows.tolist() == list(range(len(trace)))


def test_scores_ignore_temperature_and_truncation(tiny):
    warm = run(tiny, replace(REQUEST, temperature=0.5, top_k=5, top_p=0.9))
    from engine.scoring import score_tokens

    forced = score_tokens(tiny, warm.prompt_ids.tolist(), warm.token_ids.tolist())
    for name in ("surprisal", "entropy", "varentropy", "margin", "rank"):
        np.testing.assert_allclose(warm.scores[name], forced.scores[name], atol=1e-3, err_msg=name)
    assert (warm.support <= 5).all() and (warm.support >= 1).all()


def test_the_recorded_normaliser_gives_the_distribution_that_was_sampled_from(tiny):
    temperature, top_k = 0.6, 7
    warm = run(tiny, replace(REQUEST, temperature=temperature, top_k=top_k))
    for t in range(len(warm)):
        q = np.exp(warm.topk_logprobs[t, : warm.support[t]] / temperature - warm.log_normalizer[t])
        assert q.sum() == pytest.approx(1.0, abs=1e-4)
        assert warm.token_ids[t] in warm.topk_ids[t, : warm.support[t]]


def test_alternatives_are_the_chosen_tokens_own_row(trace):
    for t in range(len(trace)):
        assert (np.diff(trace.topk_logprobs[t]) <= 0).all()
        place = np.flatnonzero(trace.topk_ids[t] == trace.token_ids[t])
        if place.size:
            assert trace.topk_logprobs[t, place[0]] == pytest.approx(-trace.scores["surprisal"][t], abs=1e-6)
            assert trace.scores["rank"][t] == place[0]
        assert np.exp(trace.topk_logprobs[t].astype(float)).sum() + trace.tail_mass[t] == pytest.approx(1, abs=1e-5)


def test_temperature_zero_takes_the_most_likely_token(tiny):
    greedy = run(tiny, replace(REQUEST, temperature=0.0))
    assert (greedy.scores["rank"] == 0).all() and (greedy.support == 1).all()


def test_cancelling_stops_within_one_token_and_keeps_what_there_is(tiny):
    seen = []
    for step in generate(tiny, REQUEST, cancelled=lambda: len(seen) >= 3):
        seen.append(step)
    assert len(seen) == 3 and seen[-1].finish_reason is None
    assert run(tiny, REQUEST, cancelled=lambda: True).finish_reason == "cancelled"


def test_a_stop_string_ends_the_answer_and_stays_in_it(tiny, trace):
    middle = next(p for p in trace.pieces[3:] if p.strip())
    stopped = run(tiny, replace(REQUEST, stop=(middle,)))
    assert stopped.finish_reason == "stop_string" and middle in stopped.text
    assert len(stopped) <= len(trace)


def test_pieces_concatenate_to_the_text(tiny, trace):
    streamed = "".join(step.piece for step in generate(tiny, REQUEST))
    assert streamed == trace.text == "".join(trace.pieces)


def test_two_interleaved_answers_do_not_disturb_each_other(tiny, trace):
    other = replace(REQUEST, prompt="Something else", seed=9)
    pairs = list(zip(generate(tiny, REQUEST), generate(tiny, other), strict=False))
    assert [a.token_id for a, _ in pairs] == trace.token_ids[: len(pairs)].tolist()
    assert [b.token_id for _, b in pairs] == run(tiny, other).token_ids[: len(pairs)].tolist()


def test_a_prompt_longer_than_the_context_is_refused_with_how_much_to_cut(tiny):
    with pytest.raises(BadInput, match="token"):
        list(generate(tiny, replace(REQUEST, prompt="x" * (tiny.context_length * 8))))


def test_an_answer_longer_than_the_context_is_shortened_to_what_fits(tiny):
    free = tiny.context_length - len(tiny.encode_prompt("Tell me"))
    full = run(tiny, replace(REQUEST, max_new_tokens=4000, temperature=2.0))
    assert len(full) <= free


def test_the_end_of_turn_token_is_recorded_and_left_out_of_the_answer(tiny):
    for seed in range(200):
        ended = run(tiny, replace(REQUEST, seed=seed, max_new_tokens=200, temperature=2.0))
        if ended.finish_reason == "stop":
            assert int(ended.token_ids[-1]) in tiny.end_ids
            assert ended.text.endswith(ended.pieces[-1]) and "<|end|>" in ended.pieces[-1]
            assert "<|end|>" not in ended.answer
            return
    pytest.fail("no seed ended its turn")
