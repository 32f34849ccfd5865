"""What every decoding strategy promises: replay, cancellation, noise free of order, a recorded run, clear refusals."""

import numpy as np
import pytest

from engine.errors import BadInput
from engine.generate import run
from engine.replay import replay
from engine.run_scores import REGISTRY as RUN_SCORES
from engine.strategies import STRATEGIES, check, note, record, start
from engine.trials import FIRST_STREAM, Outcome, TokenDrawn, TrialBegun, TrialEnded
from engine.types import GenerationRequest
from tests.support.toy_model import one_thread

REQUEST = GenerationRequest("Tell me", max_new_tokens=16, seed=3)
SMALL = {
    "typical": {"mass": 0.6},
    "cntp": {"most": 4, "cap": 6},
    "power_smc": {"particles": 5, "ramp": 3},
    "best_of_n": {"trials": 4},
}
WITH_TRIALS = ("cntp", "power_smc", "best_of_n")


@pytest.fixture(scope="module", autouse=True)
def quick():
    with one_thread():
        yield


def told(events):
    """Events as plain values, every float in full."""
    plain = []
    for event in events:
        if isinstance(event, TokenDrawn):
            step = event.step
            plain.append((event.trial, step.index, step.token_id, step.piece, repr(step.margin), repr(step.scores)))
        elif isinstance(event, Outcome):
            ids = tuple(step.token_id for step in event.steps)
            plain.append((ids, event.settings, repr(event.trials), event.weights, event.log_evidence, event.stopped))
        else:
            plain.append(repr(event))
    return plain


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_request_gives_the_same_events_bit_by_bit_and_another_seed_others(tiny, name):
    first = list(start(tiny, REQUEST, name, SMALL.get(name)))
    assert told(first) == told(start(tiny, REQUEST, name, SMALL.get(name)))
    other = GenerationRequest("Tell me", max_new_tokens=16, seed=4)
    changed = list(start(tiny, other, name, SMALL.get(name)))
    same_ids = [s.token_id for s in changed[-1].steps] == [s.token_id for s in first[-1].steps]
    assert same_ids == (name == "greedy")


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_answer_streams_token_by_token_and_can_be_recorded_as_a_run(tiny, name):
    *events, outcome = start(tiny, REQUEST, name, SMALL.get(name))
    assert isinstance(outcome, Outcome) and not outcome.stopped
    streamed = [event.step.token_id for event in events if isinstance(event, TokenDrawn) and event.trial is None]
    trace = record(tiny, outcome, name, SMALL.get(name))
    assert streamed == trace.token_ids.tolist() != []
    assert trace.finish_reason in ("stop", "length")
    assert trace.text == "".join(step.piece for step in outcome.steps)
    assert [step.index for step in outcome.steps] == list(range(len(trace)))
    assert np.isfinite(trace.scores["surprisal"]).all()
    assert name in trace.notes[0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_is_recorded_replays_with_the_noise_and_settings_that_the_run_names(tiny, name):
    *_, outcome = start(tiny, REQUEST, name, SMALL.get(name))
    trace = record(tiny, outcome, name, SMALL.get(name))
    assert replay(tiny, trace) == trace.token_ids.tolist()


@pytest.mark.parametrize(("name", "request_"), [("greedy", {"temperature": 0.0}), ("sample", {})])
def test_greedy_and_sampling_are_the_plain_ones(tiny, name, request_):
    plain = run(tiny, GenerationRequest("Tell me", max_new_tokens=16, seed=3, **request_))
    *_, outcome = start(tiny, REQUEST, name)
    trace = record(tiny, outcome, name)
    assert trace.token_ids.tolist() == plain.token_ids.tolist()
    for key in ("margin", "luck", "log_normalizer", "topk_logprobs", "tail_mass"):
        np.testing.assert_array_equal(getattr(trace, key), getattr(plain, key))
    np.testing.assert_array_equal(trace.scores["entropy"], plain.scores["entropy"])


@pytest.mark.parametrize("name", ["typical", "cntp", "sample"])
def test_a_strategy_goes_on_behind_earlier_tokens(tiny, name):
    *_, whole = start(tiny, REQUEST, "sample")
    earlier = [step.token_id for step in whole.steps[:5]]
    *_, outcome = start(tiny, REQUEST, name, SMALL.get(name), earlier=earlier)
    assert outcome.first == 5 and outcome.steps[0].index == 5
    assert len(outcome.steps) <= 11
    if name == "sample":
        assert [s.token_id for s in outcome.steps] == [s.token_id for s in whole.steps[5:]]
    with pytest.raises(ValueError):
        record(tiny, outcome, name)


@pytest.mark.parametrize("name", WITH_TRIALS)
def test_every_trial_has_a_stream_begins_and_ends_once_and_exactly_one_path_is_kept(tiny, name):
    *events, outcome = start(tiny, REQUEST, name, SMALL[name])
    begun = [event for event in events if isinstance(event, TrialBegun)]
    ended = [event for event in events if isinstance(event, TrialEnded)]
    assert [event.number for event in begun] == list(range(len(begun))) and len(begun) >= 4
    assert sorted(event.trial.number for event in ended) == list(range(len(begun)))
    assert all(event.stream >= FIRST_STREAM for event in begun)
    assert {event.trial.number: event.trial for event in ended} == {trial.number: trial for trial in outcome.trials}
    for trial in outcome.trials:
        drawn = [event.step for event in events if isinstance(event, TokenDrawn) and event.trial == trial.number]
        assert tuple(step.token_id for step in drawn) == trial.ids
        assert trial.text == "".join(step.piece for step in drawn)
        np.testing.assert_allclose([-step.scores["surprisal"] for step in drawn], trial.logprobs, atol=1e-5)
    rows = [(trial.stream, trial.start + i) for trial in outcome.trials for i in range(len(trial.ids))]
    assert len(set(rows)) == len(rows), "a row of noise was drawn from twice"
    assert any(event.kept for event in ended) and not all(event.kept for event in ended)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("after", [1, 7])
def test_it_stops_within_one_token_and_says_so(tiny, name, after):
    seen = []
    asked: list[bool] = []
    highest = None
    for event in start(tiny, REQUEST, name, SMALL.get(name), cancelled=lambda: bool(asked)):
        seen.append(event)
        drawn = [e for e in seen if isinstance(e, TokenDrawn) and (e.trial is not None or name not in WITH_TRIALS)]
        if len(drawn) == after and highest is None:
            asked.append(True)
            highest, tokens = drawn[-1].step.index, len(drawn)
    assert highest is not None
    late = [e for e in drawn[tokens:] if e.step.index > highest]
    assert late == [], "tokens of later positions came after the stop"
    outcome = seen[-1]
    assert isinstance(outcome, Outcome) and outcome.stopped
    trace = record(tiny, outcome, name, SMALL.get(name))
    assert len(trace) <= highest + 1


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_can_be_closed_at_any_event_and_stopped_before_the_first(tiny, name):
    events = start(tiny, REQUEST, name, SMALL.get(name))
    next(events)
    events.close()
    assert list(events) == []
    *_, outcome = start(tiny, REQUEST, name, SMALL.get(name), cancelled=lambda: True)
    assert outcome.stopped and outcome.steps == ()


def test_best_of_n_keeps_the_answer_of_highest_mean_log_probability(tiny):
    for seed in range(4):
        request = GenerationRequest("Tell me", max_new_tokens=12, seed=seed)
        *_, outcome = start(tiny, request, "best_of_n", {"trials": 5})
        means = [np.mean(trial.logprobs) for trial in outcome.trials]
        best = outcome.trials[int(np.argmax(means))]
        assert tuple(step.token_id for step in outcome.steps) == best.ids
        assert outcome.settings.stream == best.stream == FIRST_STREAM + int(np.argmax(means))


def test_each_answer_of_best_of_n_is_the_run_of_its_stream_however_many_are_drawn_beside_it(tiny):
    *_, few = start(tiny, REQUEST, "best_of_n", {"trials": 3})
    *_, many = start(tiny, REQUEST, "best_of_n", {"trials": 5})
    assert [trial.ids for trial in few.trials] == [trial.ids for trial in many.trials[:3]]
    assert len({trial.ids for trial in many.trials}) == 5
    for trial in many.trials:
        alone = run(tiny, GenerationRequest("Tell me", max_new_tokens=16, seed=3, stream=trial.stream))
        assert tuple(alone.token_ids.tolist()) == trial.ids


def test_best_of_n_stops_early_exactly_where_the_first_answer_is_sure_enough(tiny):
    alone = run(tiny, GenerationRequest("Tell me", max_new_tokens=16, seed=3, stream=FIRST_STREAM))
    entropy = RUN_SCORES["think_just_enough"].compute(alone)
    assert 0.0 < entropy < 4.0
    *_, early = start(tiny, REQUEST, "best_of_n", {"trials": 4, "stop_entropy": entropy + 1e-3})
    *_, late = start(tiny, REQUEST, "best_of_n", {"trials": 4, "stop_entropy": entropy - 1e-3})
    *_, never = start(tiny, REQUEST, "best_of_n", {"trials": 4})
    assert len(early.trials) == 1 and not early.stopped
    assert tuple(step.token_id for step in early.steps) == tuple(alone.token_ids.tolist())
    assert [trial.ids for trial in late.trials] == [trial.ids for trial in never.trials] and len(never.trials) == 4


@pytest.mark.parametrize(
    ("name", "values", "parts"),
    [
        ("typical", {"mass": 0}, ["typical mass", "0", "above 0", "1"]),
        ("typical", {"mass": 1.5}, ["'1.5'", "at most 1"]),
        ("typical", {"mass": "much"}, ["'much'", "a number"]),
        ("cntp", {"most": 0}, ["'0'", "whole number", "from 1 to 32"]),
        ("cntp", {"most": 2.5}, ["'2.5'", "whole number"]),
        ("cntp", {"cap": 257}, ["'257'", "from 1 to 256"]),
        ("cntp", {"low": -1}, ["'-1'", "from 0 to 10"]),
        ("cntp", {"low": 2}, ["1.5", "above the 2 nats"]),
        ("power_smc", {"alpha": 0.5}, ["exponent", "'0.5'", "from 1 to 16"]),
        ("power_smc", {"alpha": float("nan")}, ["'nan'", "from 1 to 16"]),
        ("power_smc", {"alpha": float("inf")}, ["'inf'", "from 1 to 16"]),
        ("power_smc", {"particles": 1}, ["'1'", "from 2 to 64"]),
        ("power_smc", {"particles": True}, ["'True'", "whole number"]),
        ("power_smc", {"threshold": 1.01}, ["'1.01'", "from 0 to 1"]),
        ("power_smc", {"ramp": -1}, ["'-1'", "from 0 to 1000"]),
        ("best_of_n", {"trials": 65}, ["'65'", "from 2 to 64"]),
        ("best_of_n", {"stop_entropy": 5}, ["'5'", "4.32193"]),
        ("best_of_n", {"tries": 5}, ["no parameter 'tries'", "trials, stop_entropy"]),
        ("greedy", {"mass": 1}, ["Greedy", "has none"]),
        ("beam", {}, ["no strategy 'beam'", "greedy, sample, typical, cntp, power_smc, best_of_n"]),
    ],
)
def test_bad_parameters_are_refused_in_a_sentence_that_names_value_and_bound(tiny, name, values, parts):
    with pytest.raises(BadInput) as refusal:
        start(tiny, REQUEST, name, values)
    said = str(refusal.value)
    assert all(part in said for part in parts), said
    assert said.endswith(".") and "\n" not in said


def test_values_may_come_as_a_page_sends_them():
    assert check("cntp", {"most": 4.0, "low": "0.5", "high": None, "cap": ""}) == {
        "most": 4,
        "low": 0.5,
        "high": 1.5,
        "cap": 32,
    }
    assert isinstance(check("cntp", {"most": 4.0})["most"], int)
    assert check("best_of_n") == {"trials": 8}
    assert note("power_smc", {"alpha": 1.234567891}).count("1.234567891") == 1


def test_every_default_is_within_its_bounds_and_every_entry_says_what_it_is():
    for name, strategy in STRATEGIES.items():
        assert strategy.name == name and strategy.short.endswith(".")
        given = {p.name: p.default for p in strategy.parameters if p.default is not None}
        assert check(name, given) == check(name) == given
        for parameter in strategy.parameters:
            assert parameter.low < parameter.high and parameter.label and parameter.short
            most = (
                {"high": 12.0, parameter.name: parameter.high} if name == "cntp" else {parameter.name: parameter.high}
            )
            assert check(name, {**given, **most})[parameter.name] == parameter.high


def test_best_of_n_at_temperature_0_and_an_answer_that_has_ended_are_refused(tiny):
    with pytest.raises(BadInput, match="temperature 0 all 8"):
        list(start(tiny, GenerationRequest("Tell me", temperature=0.0), "best_of_n"))
    with pytest.raises(BadInput, match="has 1 tokens already"):
        list(start(tiny, REQUEST, "sample", earlier=[256]))
    with pytest.raises(BadInput, match="Token id 100000 is outside"):
        list(start(tiny, REQUEST, "sample", earlier=[100_000]))
