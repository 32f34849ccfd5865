"""A forking analysis of a run: what it draws, that it may be interrupted, what it refuses, and that it is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import BadInput
from engine.fork_analysis import analyse
from engine.fork_draws import from_arrays, to_arrays
from engine.fork_plan import ForkSettings, plan_analysis
from engine.fork_sites import base_ids, draws_for, sites
from engine.generate import run
from engine.outcomes import TRUNCATED
from engine.scoring import score_tokens
from engine.testing import END_ID
from engine.types import GenerationRequest
from tests.support.toy_model import END, answers, one_thread, toy_model

SETTINGS = ForkSettings("exact_text", threshold=0.02, draws=8, most=20, max_tokens=18)


@pytest.fixture(scope="module")
def answer(tiny):
    return run(tiny, GenerationRequest("Tell me", max_new_tokens=12, temperature=0.0))


def last(model, trace, settings=SETTINGS, **options):
    *_, report = analyse(model, trace, settings, **options)
    return report


def known(report):
    return {(one.position, one.token_id, one.draw): one.ids for one in report.draws.rollouts}


@pytest.mark.parametrize("estimator", ["recursion", "every-branch"])
def test_on_a_model_that_can_be_listed_the_curve_is_the_exact_one_within_its_bands(estimator):
    toy = toy_model(seed=2)
    length = 5
    with one_thread():
        law = answers(toy, length)
        base = max((ids for ids in law if ids[-1] != END), key=lambda ids: law[ids])[:3]
        trace = score_tokens(toy, (1, 2), base)
        settings = ForkSettings(
            "exact_text", threshold=1e-9, alternates=4, draws=300, most=600, end_draws=400, max_tokens=length,
            estimator=estimator,
        )  # fmt: skip
        report = last(toy, trace, settings, rows=256)
    assert report.done and report.curve.kept_mass == pytest.approx(1, abs=1e-6)
    inside = []
    low, high = report.bands
    for t in range(len(base)):
        # texts of answers that ended; those that were cut count as truncated
        truth = dict.fromkeys(report.curve.labels, 0.0)
        below = {ids: p for ids, p in law.items() if ids[:t] == base[:t] and len(ids) > t}
        for ids, p in below.items():
            text = report.draws.text_of(ids[:-1]) if ids[-1] == END else TRUNCATED
            name = text.strip() or "unparsed"
            truth[name if name in truth else "Other"] = truth.get(name if name in truth else "Other", 0.0) + p
        exact = np.array([truth[name] for name in report.curve.labels]) / sum(below.values())
        assert 0.5 * np.abs(report.curve.probabilities[t] - exact).sum() < 0.06
        inside += ((exact >= low[t] - 0.01) & (exact <= high[t] + 0.01)).tolist()
    assert np.mean(inside) > 0.7


def test_the_end_of_an_answer_counts_for_as_much_as_it_is_probable():
    toy = toy_model(seed=2)
    length = 6
    with one_thread():
        law = answers(toy, length)
        ended = [ids for ids in law if ids[-1] == END and len(ids) == 3]
        base = max(ended, key=lambda ids: law[ids])
        trace = score_tokens(toy, (1, 2), base)
        settings = ForkSettings("exact_text", threshold=1e-9, alternates=4, draws=300, most=600, max_tokens=length)
        report = last(toy, trace, settings, rows=256)
    stop = len(base) - 1
    assert report.plan.sites[-1].position == stop and not any(key == (stop, END) for key in report.plan.counts)
    behind = sum(p for ids, p in law.items() if ids[:stop] == base[:stop])
    share = law[base] / behind
    assert 0.05 < share < 0.9, "the end is not certain here"
    own = report.curve.labels.index(report.draws.text_of(base[:-1]).strip())
    assert report.curve.probabilities[stop][own] == pytest.approx(share, abs=0.05)
    assert report.curve.end[own] == 1


def test_an_analysis_that_was_stopped_goes_on_to_the_same_draws(tiny, answer):
    whole = last(tiny, answer)
    steps = 0

    def cancelled():
        nonlocal steps
        steps += 1
        return steps > 12

    part = last(tiny, answer, cancelled=cancelled)
    assert not part.done and 0 < len(known(part)) < len(known(whole))
    stored = from_arrays(to_arrays(part.draws))
    resumed = last(tiny, answer, resume=stored)
    assert resumed.done and known(resumed) == known(whole) and resumed.tokens < whole.tokens
    assert np.array_equal(resumed.curve.probabilities, whole.curve.probabilities)
    assert resumed.curve.labels == whole.curve.labels or set(resumed.curve.labels) == set(whole.curve.labels)


def test_draws_are_kept_whole_and_read_again_without_the_model(tiny, answer):
    report = last(tiny, answer)
    arrays = to_arrays(report.draws)
    again = from_arrays(arrays)
    assert again.rollouts == report.draws.rollouts and again.base_ids == report.draws.base_ids
    assert [again.text(one) for one in again.rollouts] == [report.draws.text(one) for one in report.draws.rollouts]
    first = again.rollouts[0]
    response = (*again.base_ids[: first.position], first.token_id, *first.ids)
    spoken = [i for i in response if i not in tiny.special_ids]
    assert again.text(first) == b"".join(tiny.token_bytes(i) for i in spoken).decode("utf-8", "replace")
    labels = set(again.labels("exact_text"))
    assert len(again.labels("exact_text")) == len(again.rollouts) and set(again.labels("yes_no")) <= {
        TRUNCATED,
        "unparsed",
    }
    assert TRUNCATED in labels and len(labels) > 3
    assert all(array.dtype != object for array in arrays.values())


def test_the_picture_fills_in_from_the_end_and_the_first_share_is_drawn_everywhere_first(tiny, answer):
    seen = []
    for report in analyse(tiny, answer, SETTINGS):
        if report.curve is not None:
            positions = report.curve.positions.tolist()
            assert positions == list(range(positions[0], len(report.plan.base)))
            seen.append(len(positions))
            if len(positions) == len(report.plan.base):
                break
    assert seen[0] >= 1 and seen == sorted(seen) and seen[-1] == len(report.plan.base)
    assert len(known(report)) < len(known(last(tiny, answer)))


def test_alternates_are_the_likely_tokens_and_the_answers_own_always(tiny, answer):
    for site in sites(answer, range(len(base_ids(answer, tiny.end_ids))), threshold=0.05, most=10):
        logprobs, t = answer.topk_logprobs[site.position], site.position
        likely = {int(i) for i, p in zip(answer.topk_ids[t, :10], np.exp(logprobs[:10]), strict=True) if p >= 0.05}
        assert set(site.token_ids.tolist()) == likely | {int(answer.token_ids[t])}
        assert site.token_ids[0] == answer.token_ids[t] and site.kept_mass <= 1 + 1e-6
        assert site.shares.sum() == pytest.approx(1)
    sampled = run(tiny, GenerationRequest("Tell me", max_new_tokens=12, seed=5))
    rare = [site for site in sites(sampled, range(11), threshold=0.5) if site.probabilities[0] < 0.5]
    assert rare, "an unlikely token of the answer stays a branch"


def test_draws_are_in_proportion_within_their_bounds():
    shares = np.array([0.001, 0.1, 0.3, 0.6, 1.0])
    assert draws_for(shares).tolist() == [2, 10, 30, 60, 100]
    assert draws_for(shares, draws=6, fewest=1, most=9).tolist() == [1, 2, 6, 9, 9]


def test_an_end_of_turn_as_alternate_is_the_answer_so_far_and_takes_no_draw(tiny, answer):
    lenient = replace(SETTINGS, threshold=1e-4, alternates=20)
    plan = plan_analysis(answer, lenient, tiny.end_ids)
    ends = [site.position for site in plan.sites if END_ID in site.token_ids[1:].tolist()]
    assert ends and all((t, END_ID) not in plan.counts for t in ends)
    report = last(tiny, answer, replace(lenient, draws=2, fewest=1, most=2))
    table = report.branches
    chosen = (table.token_ids == END_ID) & ~table.is_base
    assert chosen.sum() == len(ends) and table.certain[chosen].all() and (table.draws[chosen] == 1).all()


def test_an_answer_that_was_cut_is_gone_on_with_at_its_end_and_one_that_ended_is_not(tiny, answer):
    ended = next(
        trace for seed in range(40)
        if (trace := run(tiny, GenerationRequest("Tell me", max_new_tokens=40, seed=seed))).finish_reason == "stop"
        and len(trace) > 4
    )  # fmt: skip
    plan = plan_analysis(ended, SETTINGS if len(ended) < 18 else replace(SETTINGS, max_tokens=60), tiny.end_ids)
    own = {(t, int(ended.token_ids[t])) for t in range(len(ended))}
    assert plan.ends_itself and END_ID not in plan.base and not own & set(plan.counts)
    cut = plan_analysis(answer, SETTINGS, tiny.end_ids)
    assert not cut.ends_itself and cut.counts[11, int(answer.token_ids[11])] == SETTINGS.end_draws
    middle = plan_analysis(ended, replace(SETTINGS, first=1, stop=3), tiny.end_ids)
    assert not middle.ends_itself and (2, int(ended.token_ids[2])) in middle.counts and len(middle.sites) == 2


def test_more_draws_of_one_branch_go_on_from_those_there_are(tiny, answer):
    before = last(tiny, answer)
    (position, token_id), count = next(iter(before.plan.counts.items()))
    extra = replace(SETTINGS, extra=((position, token_id, count + 20),))
    after = last(tiny, answer, extra, resume=from_arrays(to_arrays(before.draws)))
    assert len(known(after)) == len(known(before)) + 20 and known(before).items() <= known(after).items()
    with pytest.raises(BadInput, match="no branch of this analysis"):
        last(tiny, answer, replace(SETTINGS, extra=((position, 5, 9),)))


def test_it_goes_on_until_the_widest_band_is_narrow_enough(tiny, answer):
    wide = last(tiny, answer)
    width = float((wide.bands[1] - wide.bands[0]).max())
    asked = 0.9 * width
    narrow = last(tiny, answer, replace(SETTINGS, most=60, until=asked))
    assert float((narrow.bands[1] - narrow.bands[0]).max()) < asked
    assert len(known(narrow)) > len(known(wide)) and known(wide).items() <= known(narrow).items()


BAD = {
    "an unknown outcome": ({"extractor": "magic"}, "no field 'magic'"),
    "positions outside": ({"first": 5, "stop": 99}, "tokens 1 to 12"),
    "no positions": ({"first": 5, "stop": 5}, "tokens 1 to 12"),
    "another temperature": ({"temperature": 0.7}, "temperature 1 only"),
    "no chance": ({"threshold": 0.0}, "above 0"),
    "too short": ({"max_tokens": 3}, "end before"),
    "no draws": ({"draws": 0}, "draws is 0"),
    "fewer than fewest": ({"fewest": 50}, "fewest draws, 50"),
    "a band of nothing": ({"until": 0.0}, "between 0 and 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_analysed_is_refused_in_a_sentence(tiny, answer, case):
    changes, words = BAD[case]
    with pytest.raises(BadInput, match=words):
        plan_analysis(answer, replace(SETTINGS, **changes), tiny.end_ids)


def test_an_answer_of_one_token_and_one_of_none(tiny, answer):
    short = run(tiny, GenerationRequest("Tell me", max_new_tokens=1, temperature=0.0))
    report = last(tiny, short, replace(SETTINGS, max_tokens=6))
    assert report.curve.probabilities.shape[0] == 1 and report.curve.probabilities.sum() == pytest.approx(1)
    empty = run(tiny, GenerationRequest("Tell me", max_new_tokens=4), cancelled=lambda: True)
    with pytest.raises(BadInput, match="no token before its end"):
        plan_analysis(empty, SETTINGS, tiny.end_ids)
    with pytest.raises(BadInput, match="another answer"):
        last(tiny, short, replace(SETTINGS, max_tokens=6), resume=last(tiny, answer).draws)
