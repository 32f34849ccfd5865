"""Cautious next-token prediction: when it tries several continuations, where they end, and which one it keeps."""

import numpy as np
import pytest

from engine.cntp import ENDS, Caution, ends_trial, trial_count
from engine.generate import run
from engine.scoring import score_tokens
from engine.strategies import record, start
from engine.token_scores import cntp_trials, rows_from_logits
from engine.trials import FIRST_STREAM, TokenDrawn, TrialBegun, TrialEnded
from engine.types import GenerationRequest
from tests.support.toy_model import one_thread

PAPER = Caution(10, 0.01, 1.5, 32)
SEEDS = range(4)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with one_thread():
        yield


def request(seed: int) -> GenerationRequest:
    return GenerationRequest("Tell me", max_new_tokens=24, seed=seed)


@pytest.fixture(scope="module")
def runs(tiny):
    """Per seed: events and outcome."""
    found = []
    for seed in SEEDS:
        *events, outcome = start(tiny, request(seed), "cntp", {"most": 5, "low": 0.5, "high": 3.0, "cap": 7})
        found.append((events, outcome))
    return found


def test_the_number_of_trials_is_that_of_the_token_score():
    logits = np.random.default_rng(0).normal(size=(200, 30)) * np.linspace(0.1, 12.0, 200)[:, None]
    rows = rows_from_logits(logits, np.zeros(200, dtype=int))
    counts = [trial_count(float(entropy), PAPER) for entropy in rows.entropy]
    assert counts == cntp_trials(rows).astype(int).tolist()
    assert set(counts) == set(range(1, 11))


def test_there_is_one_trial_up_to_the_low_threshold_and_the_most_from_the_high_one():
    assert [trial_count(h, PAPER) for h in (0.0, 0.01, 1.5, 9.0)] == [1, 1, 10, 10]
    assert trial_count(0.01 + 1.49 / 9 + 1e-9, PAPER) == 2
    counts = [trial_count(h, PAPER) for h in np.linspace(0.0, 2.0, 500)]
    assert counts == sorted(counts)
    assert trial_count(5.0, Caution(1, 0.01, 1.5, 32)) == 1


def test_a_trial_ends_at_each_of_the_marks_and_at_nothing_else():
    assert sorted(ENDS) == sorted(".,\n?!:;)]}")
    for mark in ENDS:
        assert ends_trial(f" word{mark}")
    assert not any(ends_trial(piece) for piece in ("", " word", "(", "[", "'", "-", "\t", "…"))


def test_trials_run_to_the_first_mark_or_to_the_cap_or_to_the_end(runs):
    why = {"mark": 0, "cap": 0, "end": 0}
    for events, outcome in runs:
        for trial in outcome.trials:
            pieces = [e.step.piece for e in events if isinstance(e, TokenDrawn) and e.trial == trial.number]
            assert not any(ends_trial(piece) for piece in pieces[:-1])
            assert len(pieces) <= 7
            kind = "end" if trial.finish_reason else "mark" if ends_trial(pieces[-1]) else "cap"
            why[kind] += 1
            assert kind != "cap" or len(pieces) == 7
    assert min(why.values()) > 0, why


def test_of_each_round_the_trial_of_lowest_perplexity_is_kept_by_an_independent_scoring(tiny, runs):
    rounds = 0
    for events, outcome in runs:
        answer = [step.token_id for step in outcome.steps]
        prompt = tiny.encode_prompt("Tell me", None)
        kept = {e.trial.number for e in events if isinstance(e, TrialEnded) and e.kept}
        for position in sorted({trial.start for trial in outcome.trials}):
            group = [trial for trial in outcome.trials if trial.start == position]
            surprisal = [
                score_tokens(tiny, [*prompt, *answer[:position]], trial.ids).scores["surprisal"] for trial in group
            ]
            for trial, scored in zip(group, surprisal, strict=True):
                np.testing.assert_allclose(trial.logprobs, -scored, atol=2e-4)
                assert trial.perplexity == pytest.approx(np.exp(scored.mean()), rel=1e-3)
            best = group[int(np.argmin([scored.mean() for scored in surprisal]))]
            assert [trial.number for trial in group if trial.number in kept] == [best.number]
            assert tuple(answer[position : position + len(best.ids)]) == best.ids
            rounds += len(group) > 1
    assert rounds > len(SEEDS)


def test_as_many_trials_begin_at_a_position_as_its_entropy_asks_for(tiny, runs):
    caution = Caution(5, 0.5, 3.0, 7)
    alone = 0
    for events, outcome in runs:
        starts = [event.start for event in events if isinstance(event, TrialBegun)]
        inside = {i for e in events if isinstance(e, TrialEnded) and e.kept for i in _span(e.trial)}
        for step in outcome.steps:
            wanted = trial_count(step.scores["entropy"], caution)
            if step.index in starts:
                assert starts.count(step.index) == wanted > 1
            elif step.index not in inside:
                assert wanted == 1
                alone += 1
    assert alone > 0, "no token was drawn without trials: the test proves too little"


def _span(trial):
    return range(trial.start + 1, trial.start + len(trial.ids))


def test_no_two_trials_share_a_stream_and_plainly_drawn_tokens_race_with_the_runs_own_noise(runs):
    for events, outcome in runs:
        streams = [event.stream for event in events if isinstance(event, TrialBegun)]
        assert streams == [FIRST_STREAM + i for i in range(len(streams))]
        covered = {i for e in events if isinstance(e, TrialEnded) and e.kept for i in [e.trial.start, *_span(e.trial)]}
        for step in outcome.steps:
            assert step.noise_row == (-1 if step.index in covered else step.index)


def test_without_trials_it_is_plain_sampling(tiny):
    plain = run(tiny, request(2))
    *_, outcome = start(tiny, request(2), "cntp", {"most": 1})
    trace = record(tiny, outcome, "cntp", {"most": 1})
    assert trace.token_ids.tolist() == plain.token_ids.tolist()
    np.testing.assert_array_equal(trace.margin, plain.margin)


def test_its_answers_are_less_perplexing_than_plain_ones(tiny):
    def mean(outcomes):
        return np.mean([np.mean([step.scores["surprisal"] for step in one.steps]) for one in outcomes])

    cautious = [list(start(tiny, request(seed), "cntp", {"cap": 8}))[-1] for seed in range(4)]
    plain = [list(start(tiny, request(seed), "sample"))[-1] for seed in range(4)]
    assert mean(cautious) < mean(plain) - 0.3
