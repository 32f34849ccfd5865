"""The same luck on another input: replay is exact, a change of nothing changes nothing, edits are followed by the
original's noise, and on a small exactly known model counterfactuals follow the law of resampling."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from engine.along import LogitsAlong
from engine.counterfactual import (
    check_replayable,
    counterfactual,
    hindsight_row,
    plan,
    rewritten,
    within,
)
from engine.distance import same_row_agreement
from engine.edits import FORCED, Intervention, Splice
from engine.errors import BadInput, ModelUnavailable
from engine.generate import run
from engine.hindsight import HindsightNoise
from engine.recording import beginning
from engine.replay import fragile, replay
from engine.replicates import replicates
from engine.testing import END_ID, tiny_model
from engine.types import GenerationRequest

REQUEST = GenerationRequest("Tell me", max_new_tokens=24, seed=3)
WAYS = {
    "sampled": REQUEST,
    "greedy": replace(REQUEST, temperature=0.0),
    "top-k": replace(REQUEST, temperature=0.7, top_k=9),
    "top-p": replace(REQUEST, temperature=1.3, top_p=0.8, seed=8),
}


def ids(trace):
    return trace.token_ids.tolist()


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_drawn_again_from_its_noise_to_the_last_bit(tiny, way):
    trace = run(tiny, WAYS[way])
    assert replay(tiny, trace) == ids(trace)
    assert replay(tiny_model(), trace) == ids(trace), "in another process it is another object"
    other = replace(trace, settings=replace(trace.settings, seed=trace.settings.seed + 1))
    if way != "greedy":
        assert replay(tiny, other) != ids(trace), "negative control: another seed writes something else"


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_of_nothing_gives_the_run_itself(tiny, way):
    trace = run(tiny, WAYS[way])
    for at in (0, 5, len(trace) - 1):
        same = Splice(at, at + 1, (int(trace.token_ids[at]),))
        again = counterfactual(tiny, trace, [same])
        assert ids(again) == ids(trace) and again.finish_reason == trace.finish_reason
        assert (
            again.noise_rows[at] == FORCED
            and np.delete(again.noise_rows, at).tolist() == np.delete(trace.noise_rows, at).tolist()
        )
    for first in (0, 7):
        assert ids(counterfactual(tiny, trace, first=first)) == ids(trace)


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_undone_gives_the_run_back(tiny, way):
    trace = run(tiny, WAYS[way])
    inserted = counterfactual(tiny, trace, [Splice(4, 4, (120, 121))])
    assert ids(counterfactual(tiny, inserted, [Splice(4, 6)])) == ids(trace)
    replaced = counterfactual(tiny, trace, [Splice(4, 5, (120,))])
    assert ids(counterfactual(tiny, replaced, [Splice(4, 5, (int(trace.token_ids[4]),))])) == ids(trace)


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_that_leaves_nothing_to_draw_is_undone_too(tiny, way):
    trace = run(tiny, WAYS[way])
    for at in (0, 6, len(trace) if trace.finish_reason == "length" else len(trace) - 1):
        ended = counterfactual(tiny, trace, [Splice(at, at, (120, END_ID))])
        assert len(ended) == at + 2 and ended.intervention.next_row == at
        assert ids(counterfactual(tiny, ended)) == ids(ended)
        assert ids(counterfactual(tiny, ended, [Splice(at, at + 2)])) == ids(trace)
        longer = counterfactual(tiny, ended, [Splice(at + 1, at + 2)])
        assert longer.noise_rows[at + 1 :].tolist() == list(range(at, at + len(longer) - at - 1))
    assert trace.intervention is None


def test_the_last_token_left_out_and_put_back_gives_the_run_back(tiny):
    trace = run(tiny, replace(REQUEST, max_new_tokens=9))
    assert trace.finish_reason == "length", "or this shows nothing"
    shorter = counterfactual(tiny, trace, [Splice(8, 9)])
    assert len(shorter) == 8
    back = counterfactual(tiny, shorter, [Splice(8, 8, (int(trace.token_ids[8]),))])
    assert ids(back) == ids(trace) and back.finish_reason == "length"


def test_rows_follow_the_text_and_fresh_luck_uses_others(tiny):
    trace = run(tiny, REQUEST)
    edited = counterfactual(tiny, trace, [Splice(4, 4, (120, 121))])
    assert edited.kind == "counterfactual" and edited.noise_rows[:8].tolist() == [0, 1, 2, 3, FORCED, FORCED, 4, 5]
    assert edited.token_ids[4:6].tolist() == [120, 121] and np.isnan(edited.margin[4:6]).all()
    assert np.isfinite(edited.scores["surprisal"]).all(), "tokens that stand by intervention are scored"
    fresh = counterfactual(tiny, trace, [Splice(4, 4, (120, 121))], stream=5)
    assert fresh.kind == "branch" and fresh.settings.stream == 5 and ids(fresh)[:6] == ids(edited)[:6]
    assert ids(fresh) != ids(edited)
    assert replay(tiny, fresh) == ids(fresh) and replay(tiny, edited) == ids(edited)


def test_what_precedes_the_edit_is_kept_bit_by_bit(tiny):
    trace = run(tiny, REQUEST)
    edited = counterfactual(tiny, trace, [Splice(9, 10, (120,))])
    for name in ("token_ids", "noise_rows", "margin", "luck", "topk_ids", "topk_logprobs", "tail_mass"):
        np.testing.assert_array_equal(getattr(edited, name)[:9], getattr(trace, name)[:9])
    assert beginning(tiny, trace, 9).text == trace.text[: len(beginning(tiny, trace, 9).text)]


def test_another_temperature_or_prompt_changes_what_is_drawn_and_not_the_luck(tiny):
    trace = run(tiny, REQUEST)
    for changed in (
        replace(REQUEST, temperature=0.3),
        replace(REQUEST, prompt="Tell him"),
        replace(REQUEST, system="!"),
    ):
        other = counterfactual(tiny, trace, settings=changed)
        assert other.noise_rows.tolist() == list(range(len(other))) and other.settings == changed
        held = counterfactual(tiny, trace, settings=changed, first=6)
        assert ids(held)[:6] == ids(trace)[:6] and held.noise_rows[:6].tolist() == [FORCED] * 6
        assert held.noise_rows[6] == 6
    direct = run(tiny, replace(REQUEST, prompt="Tell him"))
    assert ids(counterfactual(tiny, trace, settings=replace(REQUEST, prompt="Tell him"))) == ids(direct)


def test_an_answer_may_end_earlier_or_later_and_ends_where_an_edit_ends_it(tiny):
    trace = run(tiny, REQUEST)
    ended = counterfactual(tiny, trace, [Splice(5, 6, (END_ID,))])
    assert len(ended) == 6 and ended.finish_reason == "stop"
    longer = counterfactual(tiny, ended, [Splice(5, 6, (int(trace.token_ids[5]),))])
    assert ids(longer) == ids(trace)
    shorter = counterfactual(tiny, trace, [Splice(2, 6)])
    assert len(shorter) <= len(trace) - 4 and shorter.noise_rows[2] == 6
    stopped = counterfactual(tiny, replace(trace, settings=replace(REQUEST, stop=("x",))), [Splice(3, 4, (ord("x"),))])
    assert stopped.finish_reason == "stop_string" and len(stopped) == 4


REFUSED = {
    "beyond the text": (lambda t: ([Splice(90, 91, (1,))], {}), "outside the answer"),
    "unknown id": (lambda t: ([Splice(1, 2, (9999,))], {}), "outside the model's vocabulary"),
    "another seed": (lambda t: ([], {"settings": replace(REQUEST, seed=4)}), "fresh luck"),
    "text behind the end": (lambda t: ([Splice(1, 2, (END_ID, 65))], {}), "nothing can stand behind it"),
    "too long": (lambda t: ([Splice(1, 2, (65,) * 600)], {}), "fit into the model's context"),
    "endless prompt": (lambda t: ([], {"settings": replace(REQUEST, prompt="x" * 900)}), "Shorten the prompt"),
    "bad temperature": (lambda t: ([], {"settings": replace(REQUEST, temperature=-1.0)}), "temperature"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_impossible_intervention_is_refused_in_a_sentence(tiny, case):
    trace = run(tiny, REQUEST)
    (splices, more), words = REFUSED[case][0](trace), REFUSED[case][1]
    with pytest.raises(BadInput, match=words):
        counterfactual(tiny, trace, splices, **more)


def test_a_run_without_recorded_luck_or_of_another_model_is_refused(tiny):
    trace = run(tiny, REQUEST)
    with pytest.raises(BadInput, match="use hindsight"):
        check_replayable(replace(trace, settings=None, noise_version=None))
    with pytest.raises(BadInput, match="cannot be made again here"):
        check_replayable(replace(trace, noise_version="philox-0"))
    with pytest.raises(ModelUnavailable, match="was made with"):
        plan(tiny_model(seed=9), replace(trace, model=replace(trace.model, revision="elsewhere")), Intervention())


def test_close_calls_are_named(tiny):
    trace = run(tiny, REQUEST)
    margin = trace.margin.copy()
    margin[3] = 5e-4
    assert fragile(replace(trace, margin=margin)) == [3]
    coarse = replace(trace, margin=np.full(len(trace), 0.1, np.float32), model=replace(trace.model, dtype="bfloat16"))
    assert len(fragile(coarse)) == len(trace)


def test_replicates_are_those_drawn_one_by_one_whatever_the_batch(tiny):
    trace = run(tiny, replace(REQUEST, temperature=1.2))
    splices = [Splice(4, 5, (120,))]
    planned = plan(tiny, trace, Intervention(tuple(splices)))
    request, prompt_ids, held = planned.request, planned.prompt_ids, planned.held
    *_, together = replicates(tiny, prompt_ids, request, held, 6)
    *_, two = replicates(tiny, prompt_ids, request, held, 2, first_stream=3)
    alone = [counterfactual(tiny, trace, splices, stream=stream) for stream in range(1, 7)]
    assert [one.ids for one in together] == [ids(one) for one in alone]
    assert [one.ids for one in two] == [one.ids for one in together[2:4]]
    assert [one.text for one in together] == [one.text for one in alone]
    assert len({tuple(one.ids) for one in together}) > 1
    with pytest.raises(BadInput, match="between 1 and"):
        list(replicates(tiny, prompt_ids, request, held, 0))


def test_shared_luck_keeps_more_of_the_text_than_fresh_luck(tiny):
    """A small change of temperature: with the same noise more tokens stay the same than with new noise."""
    same, fresh = [], []
    for seed in range(25):
        trace = run(tiny, replace(REQUEST, seed=seed, temperature=1.0))
        warmer = replace(trace.settings, temperature=1.1)
        kept = counterfactual(tiny, trace, settings=warmer)
        drawn = counterfactual(tiny, trace, settings=warmer, stream=1)
        for other, into in ((kept, same), (drawn, fresh)):
            equal, shared = same_row_agreement(ids(trace), trace.noise_rows, ids(other), other.noise_rows)
            into.append(equal / shared)
    assert np.mean(same) > 2 * np.mean(fresh)


def test_where_numbers_are_coarse_the_kept_beginning_is_read_as_it_was_written(tiny):
    coarse = copy(tiny)
    coarse.card = replace(coarse.card, dtype="bfloat16")
    trace = run(coarse, REQUEST)
    at = 12
    again = counterfactual(coarse, trace, [Splice(at, at + 1, (int(trace.token_ids[at]),))])
    assert again.topk_logprobs[at:].tobytes() == trace.topk_logprobs[at:].tobytes()
    fine = counterfactual(tiny, run(tiny, REQUEST), [Splice(at, at + 1, (int(trace.token_ids[at]),))])
    assert fine.topk_logprobs[at:].tobytes() != trace.topk_logprobs[at:].tobytes(), "or nothing is shown here"


@pytest.mark.parametrize("splice", [Splice(6, 6, (70, 71)), Splice(6, 8, (72,)), Splice(6, 9)], ids=str)
def test_a_branch_to_which_nothing_is_done_comes_back_with_what_was_written_into_it(tiny, splice):
    trace = run(tiny, REQUEST)
    branch = counterfactual(tiny, trace, [splice])
    ids = branch.token_ids.tolist()
    assert counterfactual(tiny, branch).token_ids.tolist() == ids
    for at in (0, 3, 6, 7, len(ids) - 1):
        again = counterfactual(tiny, branch, [Splice(at, at + 1, (ids[at],))])
        assert again.token_ids.tolist() == ids, at
    for at, gone in ((0, True), (9, False)):
        intervention = Intervention((Splice(at, at + 1, (75,)),))
        assert rewritten(branch, plan(tiny, branch, intervention)) == gone
    assert not rewritten(branch, plan(tiny, branch, Intervention((Splice(3, 4, (ids[3],)),))))


def test_another_prompt_or_temperature_draws_all_of_a_branch_anew_unless_its_beginning_is_asked_for(tiny):
    branch = counterfactual(tiny, run(tiny, REQUEST), [Splice(6, 8, (72,))])
    for settings in (replace(REQUEST, prompt="Tell us"), replace(REQUEST, temperature=0.3)):
        whole = counterfactual(tiny, branch, settings=settings)
        assert whole.noise_rows.tolist() == list(range(len(whole)))
        assert ids(whole) == ids(run(tiny, settings)), "the same seed, the same noise, the same input"
        assert rewritten(branch, plan(tiny, branch, Intervention(), settings=settings))
        held = counterfactual(tiny, branch, settings=settings, first=7)
        assert ids(held)[:7] == ids(branch)[:7] and (held.noise_rows[:7] == FORCED).all()


def test_a_branch_whose_end_was_left_out_comes_back_too(tiny):
    trace = run(tiny, replace(REQUEST, max_new_tokens=9))
    shorter = counterfactual(tiny, trace, [Splice(5, 9)])
    assert len(shorter) == 5 and shorter.finish_reason == "length" and shorter.intervention.next_row == 9
    assert ids(counterfactual(tiny, shorter)) == ids(shorter)
    for at in range(5):
        assert ids(counterfactual(tiny, shorter, [Splice(at, at + 1, (ids(shorter)[at],))])) == ids(shorter), at
    longer = counterfactual(tiny, shorter, [Splice(5, 5, (70, 71))])
    assert ids(longer) == [*ids(shorter), 70, 71]
    assert ids(counterfactual(tiny, longer, [Splice(5, 7)])) == ids(shorter)


def test_a_close_call_of_greedy_decoding_is_named(tiny):
    greedy = run(tiny, replace(REQUEST, temperature=0.0))
    logits = LogitsAlong(tiny, greedy.prompt_ids.tolist(), ids(greedy))
    for at in range(4):
        first, second = np.sort(logits.before(at))[::-1][:2]
        assert greedy.margin[at] == pytest.approx(first - second, abs=1e-4)
    assert (greedy.runner_up >= 0).all() and (greedy.runner_up != greedy.token_ids).all()


def test_a_hindsight_row_lets_the_observed_token_win_and_is_the_one_that_counterfactuals_use(tiny):
    logits = np.random.default_rng(0).normal(size=300, scale=3)
    for row, token_id in ((0, 5), (7, int(logits.argmin()))):
        noise = hindsight_row(logits, token_id, seed=3, stream=10**6, row=row)
        assert int((logits + noise).argmax()) == token_id
        assert not np.array_equal(noise, hindsight_row(logits, token_id, seed=3, stream=10**6 + 1, row=row))
    prompt = tiny.encode("ab")
    along = HindsightNoise(tiny, prompt, [70, 71], seed=3, draw=2)
    logits = LogitsAlong(tiny, prompt, [70, 71]).before(0).astype(float)
    used = along(0, len(logits))
    assert np.array_equal(-used, hindsight_row(logits, 70, seed=3, stream=10**6 + 2, row=0))


@pytest.mark.parametrize("splice", [Splice(4, 4, (120, 121)), Splice(4, 7)], ids=str)
def test_replicates_go_on_with_the_row_behind_an_edit_and_end_as_a_single_draw_does(tiny, splice):
    trace = run(tiny, replace(REQUEST, temperature=1.2, max_new_tokens=12))
    planned = plan(tiny, trace, Intervention((splice,)))
    assert planned.held.row != len(planned.held.ids), "or the row of the index would do"
    *_, drawn = replicates(tiny, planned.prompt_ids, planned.request, planned.held, 3)
    alone = [counterfactual(tiny, trace, [splice], stream=stream) for stream in (1, 2, 3)]
    assert [one.ids for one in drawn] == [ids(one) for one in alone]
    assert [one.finish_reason for one in drawn] == [one.finish_reason for one in alone]
    assert "length" in {one.finish_reason for one in alone}, "or this shows too little"


def test_replicates_stop_within_one_token(tiny):
    planned = plan(tiny, run(tiny, REQUEST), Intervention((Splice(1, 2, (120,)),)))
    seen = []
    for drawn in replicates(tiny, planned.prompt_ids, planned.request, planned.held, 2, cancelled=lambda: bool(seen)):
        seen.append([len(one.ids) for one in drawn])
    assert seen == [[3, 3]]


def test_a_plan_draws_no_more_than_it_is_cut_down_to(tiny):
    trace = run(tiny, REQUEST)
    for splice in (Splice(4, 4, (120, 121)), Splice(4, 7)):
        planned = within(plan(tiny, trace, Intervention((splice,))), 3)
        steps = list(planned.steps(tiny))
        assert len(steps) == len(splice.ids) + 3 and steps[-1].finish_reason == "length"


def test_of_a_text_given_to_fresh_luck_nothing_says_how_it_was_drawn(tiny):
    trace = run(tiny, REQUEST)
    fresh = counterfactual(tiny, trace, [Splice(6, 7, (120,))], stream=2)
    assert np.isfinite(trace.margin[:6]).all()
    assert np.isnan(fresh.margin[:6]).all() and np.isnan(fresh.luck[:6]).all()
    assert (fresh.noise_rows[:6] == FORCED).all() and (fresh.runner_up[:6] == -1).all()


def test_more_than_an_earlier_intervention_wrote_can_be_held(tiny):
    branch = counterfactual(tiny, run(tiny, REQUEST), [Splice(4, 5, (120,))])
    cooler = replace(REQUEST, temperature=0.3)
    held = counterfactual(tiny, branch, settings=cooler, first=10)
    assert ids(held)[:10] == ids(branch)[:10] and held.noise_rows[:10].tolist() == [FORCED] * 10
    assert counterfactual(tiny, branch, settings=cooler).noise_rows[5:10].tolist() == list(range(5, 10))
