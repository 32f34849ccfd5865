"""Effects of a word in the prompt on a field of the answer, on models whose true effects are known."""

from dataclasses import replace

import numpy as np
import pytest

from engine import probe_effects
from engine.counterfactual import counterfactual
from engine.errors import BadInput
from engine.generate import run
from engine.probe import Cell, Price, fill, fit, plan_probe, price, probe, prompt_lengths, slot_of
from engine.probe_effects import codes_of, comparable, effects, mean_with_interval, resample
from engine.types import GenerationRequest
from tests.support.slot_model import SlotModel

REQUEST = GenerationRequest("", max_new_tokens=8, seed=5)
MARKS = {";": 0.5, ":": 0.5}
DIGITS = dict.fromkeys("0123456789", 0.1)
UNDER_A = {"1": 0.5, "2": 0.3, "3": 0.2}
UNDER_B = {"1": 0.2, "2": 0.3, "3": 0.1, "9": 0.4}


def by_step(mark, digit):
    def law(slot, text):
        return mark(slot) if not text else digit(slot, text) if len(text) == 1 else {}

    return SlotModel(law)


MODELS = {
    "the slot decides": by_step(lambda slot: MARKS, lambda slot, text: {"3" if slot == "A" else "7": 1.0}),
    "the slot does nothing": by_step(lambda slot: MARKS, lambda slot, text: DIGITS),
    "only through the mark": by_step(
        lambda slot: {";" if slot == "A" else ":": 1.0}, lambda slot, text: {"3" if text == ";" else "7": 1.0}
    ),
    "the slot leans": by_step(lambda slot: MARKS, lambda slot, text: UNDER_A if slot == "A" else UNDER_B),
    "no field at all": by_step(lambda slot: MARKS, lambda slot, text: {}),
}


def planned(values=("A", "B"), runs=40, field="last_number", **more):
    return plan_probe("{Value}", values, runs, field, more.pop("request", REQUEST), **more)


def cells_of(model, plan, **more):
    return [drawn.cell for drawn in probe(model, plan, **more) if drawn.cell]


def effect(found, kind, source, target):
    return next(e for e in found if (e.kind, e.source, e.target) == (kind, source, target))


def probed(name, **more):
    plan = planned(**more)
    return effects(plan, cells_of(MODELS[name], plan))


def test_a_field_that_the_slot_decides_changes_in_every_run():
    found = probed("the slot decides")
    for kind in ("total", "direct"):
        one, back = effect(found, kind, 0, 1), effect(found, kind, 1, 0)
        assert one.changed.value == back.changed.value == 1.0 and one.changed.n == 40
        assert (one.difference.value, back.difference.value) == (4.0, -4.0)
    assert effect(found, "chance", 0, 0).changed.value == 0.0, "under one value nothing changes it"


def test_a_field_that_the_slot_leaves_alone_never_changes_with_the_same_luck_but_does_by_chance():
    found = probed("the slot does nothing")
    for kind in ("total", "direct"):
        one = effect(found, kind, 0, 1)
        assert one.changed.value == one.difference.value == 0.0
        assert (one.difference.low, one.difference.high, one.difference.reason) == (None, None, "all runs agree")
        assert one.changed.exact and one.changed.high == pytest.approx(1 - 0.025 ** (1 / 40))
    for a, b in ((0, 0), (0, 1), (1, 1)):
        chance = effect(found, "chance", a, b)
        assert chance.changed.value > 0.8 and chance.changed.low <= 0.9 <= chance.changed.high
    assert effect(found, "chance", 0, 1).difference.low < 0 < effect(found, "chance", 0, 1).difference.high


def test_an_effect_through_what_precedes_the_field_is_total_and_not_direct():
    found = probed("only through the mark")
    assert effect(found, "total", 0, 1).changed.value == 1.0 and effect(found, "total", 0, 1).difference.value == 4.0
    assert effect(found, "direct", 0, 1).changed.value == 0.0 and effect(found, "direct", 1, 0).changed.value == 0.0


def test_shared_luck_follows_the_closed_form_of_agreement_and_other_luck_the_product_of_both_laws():
    found = probed("the slot leans", runs=200)
    both = [v for v in UNDER_A if v in UNDER_B]
    everywhere = sorted({*UNDER_A, *UNDER_B})
    p, q = UNDER_A.get, UNDER_B.get
    agree = sum(1 / sum(max(p(v, 0) / p(i), q(v, 0) / q(i)) for v in everywhere) for i in both)
    meet = sum(p(i) * q(i) for i in both)
    mean = sum(int(v) * q(v) for v in UNDER_B) - sum(int(v) * p(v) for v in UNDER_A)
    four_sigma = 4 * np.sqrt(agree * (1 - agree) / 200)
    for kind in ("total", "direct"):
        for a, b in ((0, 1), (1, 0)):
            assert abs(effect(found, kind, a, b).changed.value - (1 - agree)) < four_sigma
        shift = effect(found, kind, 0, 1).difference
        assert shift.low < mean < shift.high
    chance = effect(found, "chance", 0, 1)
    assert abs(chance.changed.value - (1 - meet)) < 4 * np.sqrt(meet * (1 - meet) / 200)
    assert chance.changed.value - (1 - agree) > four_sigma, "negative control: other luck changes it more often"
    assert chance.difference.value == pytest.approx(effect(found, "total", 0, 1).difference.value, abs=0.05)


def test_each_answer_is_the_counterfactual_of_every_other_value():
    model, plan = MODELS["the slot leans"], planned(runs=6)
    cells = {cell.key: cell for cell in cells_of(model, plan)}
    for i in range(6):
        base = run(model, replace(REQUEST, prompt="A", seed=REQUEST.seed + i))
        other = replace(base.settings, prompt="B")
        assert cells["run", i, 0, 0].ids == tuple(base.token_ids.tolist())
        assert cells["run", i, 1, 1].ids == tuple(counterfactual(model, base, settings=other).token_ids.tolist())
        at = cells["run", i, 0, 0].field_at
        assert at == 1 and cells["direct", i, 0, 1].held == 1
        held = counterfactual(model, base, settings=other, first=at)
        assert cells["direct", i, 0, 1].ids == tuple(held.token_ids.tolist())


def test_on_a_real_network_answers_are_counterfactuals_too(tiny):
    plan = plan_probe("Tell {who}", ("me", "him"), 2, "exact_text", replace(REQUEST, max_new_tokens=12))
    cells = {cell.key: cell for cell in cells_of(tiny, plan)}
    base = run(tiny, replace(plan.request, prompt="Tell me"))
    other = counterfactual(tiny, base, settings=replace(plan.request, prompt="Tell him"))
    assert cells["run", 0, 1, 1].ids == tuple(other.token_ids.tolist()) != tuple(base.token_ids.tolist())
    assert cells["run", 0, 0, 0].ids == tuple(base.token_ids.tolist())


def test_a_stopped_probe_goes_on_to_the_same_answers():
    model, plan = MODELS["the slot leans"], planned(runs=5)
    whole = cells_of(model, plan)
    for tokens in (0, 1, 7, 20):
        seen = []
        before = []
        for drawn in probe(model, plan, cancelled=lambda seen=seen, tokens=tokens: len(seen) >= tokens):
            seen.append(drawn)
            if drawn.cell:
                before.append(drawn.cell)
        assert before == whole[: len(before)] and len(before) < len(whole)
        assert before + cells_of(model, plan, done=before) == whole
    assert cells_of(model, plan, done=whole) == []
    other = planned(runs=5, request=replace(REQUEST, seed=77))
    assert cells_of(model, other) != whole, "negative control: another seed gives other answers"


def test_more_runs_keep_those_there_were():
    model = MODELS["the slot leans"]
    assert cells_of(model, planned(runs=7))[: len(cells_of(model, planned(runs=4)))] == cells_of(model, planned(runs=4))


def test_progress_is_told_at_every_token_and_each_run_comes_as_it_was_recorded():
    drawn = list(probe(MODELS["the slot leans"], planned(runs=1)))
    assert [d.tokens for d in drawn if not d.cell][:3] == [1, 2, 3]
    traces = [d.trace for d in drawn if d.trace]
    assert [(t.prompt, t.settings.seed, t.finish_reason) for t in traces] == [("A", 5, "stop"), ("B", 5, "stop")]
    assert all(d.trace is None for d in drawn if d.cell and d.cell.kind == "direct")


def test_without_a_field_nothing_is_claimed():
    found = probed("no field at all", runs=3)
    for one in found:
        assert one.changed.value is None and one.changed.n == 0 and one.difference.value is None
    assert effect(found, "total", 0, 1).left_out == 3 and effect(found, "direct", 0, 1).left_out == 3
    assert effect(found, "chance", 0, 0).left_out == 6


def test_cut_answers_are_left_out_and_a_field_that_vanishes_is_a_change():
    codes = codes_of(["3", "unparsed", "truncated", "4", "3"])

    def says(one, other):
        return bool(comparable(np.array(codes[one]), np.array(codes[other])))

    assert says("3", "unparsed") and says("3", "3") and says("3", "4") and codes["3"] != codes["4"]
    assert not says("unparsed", "unparsed") and not says("truncated", "3") and not says(None, "3")
    plan = planned(runs=2, direct=False, request=replace(REQUEST, max_new_tokens=2))
    cells = cells_of(MODELS["the slot decides"], plan)
    assert {cell.label for cell in cells} == {"truncated"}
    assert effect(effects(plan, cells), "total", 0, 1).left_out == 2
    vanished = [replace(cell, label="3" if cell.value == 0 else "unparsed") for cell in cells]
    one = effect(effects(plan, vanished), "total", 0, 1)
    assert one.changed.value == 1.0 and one.difference.value is None and one.left_out == 0


def test_where_all_pairs_agree_the_bound_counts_pairs_that_share_no_run():
    plan, cells = numbered((4.0, 2.0), (4.0, 2.0))
    found = effects(plan, cells)
    for a, b in ((0, 0), (0, 1)):
        chance = effect(found, "chance", a, b).changed
        assert (chance.value, chance.n, chance.exact) == (1.0, 2, True) and chance.low == pytest.approx(0.025)


def test_one_run_alone_has_no_chance_to_compare_with_and_no_spread():
    found = probed("the slot decides", runs=1)
    assert effect(found, "chance", 0, 1).changed.value is None
    one = effect(found, "total", 0, 1)
    assert one.changed.value == 1.0 and one.changed.low == pytest.approx(0.025) and one.difference.low is None


def numbered(*columns):
    """Answers with these numbers, one column a value; and their plan."""
    plan = planned([f"value {v}" for v in range(len(columns))], runs=len(columns[0]), direct=False)
    cells = [
        Cell("run", i, v, v, str(x), float(x), (1,), 0, 0, str(x), "stop")
        for v, column in enumerate(columns)
        for i, x in enumerate(column)
    ]
    return plan, cells


@pytest.mark.parametrize("kind", ["total", "chance"])
def test_a_mean_difference_of_fewer_than_five_runs_has_no_interval_and_says_why(kind):
    few = effect(effects(*numbered([500, 100, 0, 7], [0, 46, 9, 8])), kind, 0, 1).difference
    assert few.value == pytest.approx(-136) and few.n == 4
    assert (few.low, few.high, few.reason) == (None, None, "n below 5")
    five = effect(effects(*numbered([500, 100, 0, 7, 1], [0, 46, 9, 8, 3])), kind, 0, 1).difference
    assert five.low < five.value < five.high and five.n == 5 and five.reason == ""


@pytest.mark.parametrize("kind", ["total", "chance"])
def test_where_all_differences_are_equal_there_is_no_interval_without_width(kind):
    equal = effect(effects(*numbered([0.1] * 7, [0.3] * 7)), kind, 0, 1).difference
    assert equal.value == pytest.approx(0.2) and (equal.low, equal.high) == (None, None)
    assert equal.reason == "all runs agree"


def test_answers_of_the_largest_probe_are_compared_as_arrays_and_come_out_as_one_by_one(monkeypatch):
    asked = []
    monkeypatch.setattr(probe_effects, "comparable", lambda *codes: asked.append(1) or comparable(*codes))
    rng = np.random.default_rng(1)
    plan, cells = numbered(*rng.integers(0, 50, size=(20, 200)))
    found = effects(plan, cells, resamples=20)
    assert 0 < len(asked) <= 20 * 19 + 210, "once for each pair of values, not of answers"
    labels = np.array([cell.label for cell in cells]).reshape(20, 200)
    differs = labels[3][:, None] != labels[11]
    expected = differs[~np.eye(200, dtype=bool)].mean()
    assert effect(found, "chance", 3, 11).changed.value == pytest.approx(expected)
    assert effect(found, "total", 3, 11).changed.value == (labels[3] != labels[11]).mean()


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, hits = np.random.default_rng(3), 0
    weights = resample(60, 500)
    for _ in range(300):
        values = (rng.random(60) < 0.3).astype(float)
        mean, low, high = mean_with_interval(values, np.ones(60, dtype=bool), weights)
        assert low <= mean <= high
        hits += low <= 0.3 <= high
    assert 0.90 < hits / 300 < 0.985
    narrow = sum(abs((rng.random(60) < 0.3).mean() - 0.3) < 0.02 for _ in range(300))
    assert narrow / 300 < 0.6, "negative control: an interval that is too narrow would be noticed"


def test_resampling_is_the_same_each_time_and_keeps_the_number_of_runs():
    weights = resample(7, 50)
    np.testing.assert_array_equal(weights, resample(7, 50))
    assert weights.shape == (50, 7) and (weights.sum(1) == 7).all() and len(np.unique(weights, axis=0)) > 30


def test_the_slot_is_filled_everywhere_and_the_value_is_taken_as_it_is():
    assert slot_of('{ Sex }: a {Sex} and {"json": 1} {}') == "Sex"
    assert fill("{Sex} or { Sex }", "{Sex} \\1 $0") == "{Sex} \\1 $0 or {Sex} \\1 $0"


def test_the_price_is_known_before_and_is_not_exceeded():
    plan = planned(("A", "B", "C"), runs=4)
    assert price(plan) == Price(12, 36, 48 * 8)
    assert price(replace(plan, direct=False)) == Price(12, 0, 96)
    model = MODELS["the slot decides"]
    lengths = prompt_lengths(model, planned(("A", "BB", "CCC"), runs=4))
    assert lengths == (1, 2, 3)
    # each prompt stands before 4 answers of its own, 8 held under the two others and 4 held with fresh luck
    assert price(plan, lengths) == Price(12, 36, 48 * 8, 6 * 16) and price(plan, lengths).work == 480
    assert price(replace(plan, baseline=False), lengths) == Price(12, 24, 36 * 8, 6 * 12)
    assert price(replace(plan, direct=False), lengths).read == 6 * 4
    cells = cells_of(model, plan)
    assert len(cells) == 48 and sum(len(cell.ids) - cell.held for cell in cells) <= 48 * 8


REFUSED = {
    "no template": ({"template": "  "}, "The template is empty"),
    "no slot": ({"template": 'Hello {"a": 1} {}'}, "has no slot"),
    "two slots": ({"template": "{Sex} {Age}"}, "different slots, {Sex} and {Age}"),
    "no value": ({"values": ["", " "]}, "There is no value for {Value}: give at least two"),
    "one value": ({"values": ["A"]}, "There is one value for {Value}"),
    "equal values": ({"values": ["A", " A "]}, "The value 'A' is there twice"),
    "many values": ({"values": [str(i) for i in range(21)]}, "There are 21 values for {Value}; at most 20"),
    "long value": ({"values": ["A", "B" * 2001]}, "has 2,001 characters"),
    "no runs": ({"runs": 0}, "0 runs a value were asked for; choose between 1 and 200"),
    "many runs": ({"runs": 201}, "201 runs a value"),
    "unknown field": ({"field": "colour"}, "There is no field 'colour'"),
    "greedy": ({"request": replace(REQUEST, temperature=0.0)}, "At temperature 0 all runs of a value are the same"),
    "last seed": ({"request": replace(REQUEST, seed=2**63 - 1)}, "leaves no room for 8 runs"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_impossible_probe_is_refused_in_a_sentence(case):
    changed, words = REFUSED[case]
    given = {"template": "{Value}", "values": ["A", "B"], "runs": 8, "field": "last_number", "request": REQUEST}
    assert plan_probe(**given).slot == "Value"
    with pytest.raises(BadInput) as refusal:
        plan_probe(**{**given, **changed})
    assert words in str(refusal.value)


def test_a_prompt_that_does_not_fit_is_refused_by_its_value_and_a_long_answer_is_shortened_for_all():
    plan = planned(("A", "B" * 30), runs=1)
    with pytest.raises(BadInput, match=r"With 'B+' in the slot: The prompt has 30 tokens, 7 too many"):
        fit(MODELS["the slot decides"], plan)
    fitted, note = fit(MODELS["the slot decides"], planned(("A", "B" * 20), runs=1))
    assert fitted.request.max_new_tokens == 4 and "4 tokens at most instead of 8" in note
    assert fit(MODELS["the slot decides"], planned())[0] == planned()


def test_where_the_field_opens_the_answer_the_direct_effect_is_the_total_one_and_costs_nothing():
    model = SlotModel(lambda slot, text: {} if text else {"3": 0.5, "7": 0.5} if slot == "A" else {"7": 1.0})
    plan = replace(planned(runs=20), baseline=False)
    drawn = list(probe(model, plan))
    assert sum(d.cell is None for d in drawn) == sum(len(d.cell.ids) for d in drawn if d.cell and d.trace)
    found = effects(plan, [d.cell for d in drawn if d.cell])
    assert effect(found, "direct", 0, 1).changed == effect(found, "total", 0, 1).changed
    assert 0 < effect(found, "direct", 0, 1).changed.value < 1
