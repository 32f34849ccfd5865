"""What actions come to: shared cases of the fold, laws under random actions, and every bad action refused in words."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.label_course import Course
from engine.label_events import (
    KINDS,
    UNDOABLE,
    LabelEvent,
    check_event,
    check_milliseconds,
    check_result,
    fold,
    grid,
    missing,
    result_fields,
    result_state,
    standing,
    state_fields,
)
from engine.label_schema import schema_of

# the page's own fold is tested with the same file
CASES = json.loads((Path(__file__).parent.parent / "golden" / "label_cases.json").read_text(encoding="utf-8"))
SCHEMA = schema_of(CASES["schema"])
FREE, ONE = SCHEMA.label_sets
TOKENS = (9, 6)


def events_of(case):
    return [event_of(**raw) for raw in case["events"]]


def test_a_time_is_kept_in_whole_milliseconds():
    assert [check_milliseconds(value) for value in (0, 12.6, 13)] == [0, 13, 13]


def event_of(uuid, kind, payload, active_ms=0, wall_ms=0):
    checked = check_event(SCHEMA, kind, payload, TOKENS)
    return LabelEvent(uuid, kind, checked, check_milliseconds(active_ms), check_milliseconds(wall_ms))


@pytest.mark.parametrize("case", CASES["cases"], ids=[case["name"].replace(" ", "-") for case in CASES["cases"]])
def test_events_come_to_the_state_that_was_worked_out_by_hand(case):
    state = state_fields(fold(events_of(case), SCHEMA))
    assert {name: state[name] for name in case["state"]} == case["state"]


def test_the_cases_hold_every_kind_of_action_and_every_field_of_a_state():
    assert {raw["kind"] for case in CASES["cases"] for raw in case["events"]} == set(KINDS)
    assert {name for case in CASES["cases"] for name in case["state"]} == set(state_fields(fold([], SCHEMA)))


def label(uuid, set_name, name, start, stop, run=0):
    payload = {"set": set_name, "label": name, "run": run, "start": start, "stop": stop}
    return LabelEvent(uuid, "label", check_event(SCHEMA, "label", payload, TOKENS))


def brute(events):
    """The labels of a set without overlap, token by token: who wrote on it last."""
    cells = {}
    for event in events:
        if event.kind == "label":
            for token in range(event.payload["start"], event.payload["stop"]):
                cells[token] = event.payload["label"]
    return cells


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["good", "bad"]), st.integers(0, 8), st.integers(1, 9)).filter(lambda x: x[1] < x[2]),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_without_overlap_every_token_has_the_label_that_came_last(drawn):
    events = [label(str(i), "one", name, start, stop) for i, (name, start, stop) in enumerate(drawn)]
    state = fold(events, SCHEMA)
    cells = brute(events)
    expected = [ONE.index(cells[token]) + 1 if token in cells else 0 for token in range(9)]
    assert grid(state, ONE, None, 0, 9).tolist() == expected
    assert sum(one.stop - one.start for one in state.labels) == len(cells), "labels of the set overlap"


@settings(max_examples=150, deadline=None)
@given(ACTIONS, st.randoms(use_true_random=False))
def test_undoing_everything_leaves_nothing_and_redoing_brings_all_of_it_back(drawn, random):
    events = [label(str(i), random.choice(["one"]), name, start, stop) for i, (name, start, stop) in enumerate(drawn)]
    full = fold(events, SCHEMA)
    log = list(events)
    while (target := fold(log, SCHEMA).undoable) is not None:
        log.append(LabelEvent(f"u{len(log)}", "undo", {"target": target}))
    assert fold(log, SCHEMA).labels == ()
    assert len(log) == 2 * len(events)
    while (target := fold(log, SCHEMA).redoable) is not None:
        log.append(LabelEvent(f"r{len(log)}", "redo", {"target": target}))
    assert fold(log, SCHEMA).labels == full.labels
    assert len(log) == 3 * len(events)


def plain_labels(events):
    """The labels of both sets by comparing each with all before it: slow, and simple enough to be believed."""
    standing_now = []
    for event in standing(events):
        if event.kind == "unlabel":
            standing_now = [one for one in standing_now if one[0] != event.payload["target"]]
        if event.kind != "label":
            continue
        new = tuple(event.payload[name] for name in ("set", "label", "run", "start", "stop"))
        if any(one[1:] == new for one in standing_now):
            continue
        kept = []
        for one in standing_now:
            uuid, name, label_name, run, start, stop = one
            if name == "free" or (name, run) != (new[0], new[2]):
                kept.append(one)
                continue
            for low, high in ((start, min(stop, new[3])), (max(start, new[4]), stop)):
                if low < high:
                    kept.append((uuid, name, label_name, run, low, high))
        standing_now = [*kept, (event.uuid, *new)]
    return sorted(standing_now)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["label"] * 5 + ["unlabel", "undo", "redo", "answer", "flag", "submit", "reopen", "skip", "time", "comment"]
        ),
        st.integers(0, 30),
        st.booleans(),
        st.tuples(st.integers(0, 5), st.integers(1, 6)).filter(lambda x: x[0] < x[1]),
    ),
    max_size=40,
)


def steps_to_events(steps):
    events = []
    for i, (kind, number, on, (start, stop)) in enumerate(steps):
        target = {"target": str(number % (i + 1))}
        payload = {
            "label": {
                "set": "one" if on else "free",
                "label": ("good" if number % 2 else "bad") if on else ("fact" if number % 2 else "sum"),
                "run": number // 2 % 2, "start": start, "stop": stop,
            },
            "unlabel": target, "undo": target, "redo": target,
            "answer": {"question": "right", "value": (None, "yes", "no")[number % 3]},
            "flag": {"on": on}, "skip": {"reason": "x"}, "comment": {"text": "x"},
        }.get(kind, {})  # fmt: skip
        events.append(LabelEvent(str(i), kind, payload))
    return events


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_is_done_the_labels_are_those_that_a_plain_comparison_gives(steps):
    events = steps_to_events(steps)
    found = fold(events, SCHEMA).labels
    assert sorted((x.uuid, x.set, x.label, x.run, x.start, x.stop) for x in found) == plain_labels(events)
    assert [(x.run, x.start, x.stop) for x in found] == sorted((x.run, x.start, x.stop) for x in found)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_following_action_by_action_says_what_the_fold_of_all_says(steps):
    course, events = Course(), []
    for event in steps_to_events(steps):
        assert event.uuid not in course
        course.add(event)
        events.append(event)
        state = fold(events, SCHEMA)
        assert (course.status, course.flagged, course.events) == (state.status, state.flagged, state.events)
        assert course.missing(SCHEMA) == missing(SCHEMA, state) and event.uuid in course


def quickest(work, times=3):
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def many(name, count):
    """Label events on an item with room for them, no two alike."""
    schema = schema_of({"label_sets": [{"name": "s", "unit": "span", "overlap": name == "free", "labels": ["a", "b"]}]})
    step = 2 if name == "one" else 1
    events = [
        LabelEvent(f"u{k}", "label", {"set": "s", "label": "a", "run": 0, "start": step * k, "stop": step * k + 2})
        for k in range(count)
    ]
    return events, schema


@pytest.mark.parametrize("name", ["free", "one"])
def test_thousands_of_labels_are_folded_in_a_fraction_of_a_second(name):
    events, schema = many(name, 4000)
    assert len(fold(events, schema).labels) == 4000
    assert quickest(lambda: fold(events, schema)) < 0.3
    half = events[:2000]
    targets = [{"target": event.uuid} for event in half]
    taken = [*half, *(LabelEvent(f"x{k}", "unlabel", target) for k, target in enumerate(targets))]
    assert fold(taken, schema).labels == () and quickest(lambda: fold(taken, schema)) < 0.3
    undone = [*half, *(LabelEvent(f"x{k}", "undo", target) for k, target in enumerate(targets))]
    assert fold(undone, schema).labels == () and quickest(lambda: fold(undone, schema)) < 0.3


def test_repeating_the_whole_log_changes_nothing():
    for case in CASES["cases"]:
        events = events_of(case)
        assert fold(events + events, SCHEMA) == fold(events, SCHEMA)


def test_what_stands_is_each_event_once_without_those_that_were_undone():
    events = [label(str(i), "free", "fact", i, i + 1) for i in range(3)]
    undo = LabelEvent("u", "undo", {"target": "1"})
    assert standing([*events, undo, events[0]]) == (events[0], events[2], undo)
    assert standing([*events, undo, LabelEvent("r", "redo", {"target": "1"})])[:3] == tuple(events)


def test_guidelines_that_were_in_force_are_told():
    events = [replace(label(str(i), "free", "fact", i, i + 1), guidelines_version=v) for i, v in enumerate([2, 1, 2])]
    assert fold(events, SCHEMA).guidelines_versions == (1, 2)
    assert fold(events, SCHEMA).events == 3


def test_a_required_question_is_missing_until_it_is_answered():
    assert missing(SCHEMA, fold([], SCHEMA)) == ("Right?",)
    answer = LabelEvent("a", "answer", {"question": "right", "value": "no"})
    assert missing(SCHEMA, fold([answer], SCHEMA)) == ()
    cleared = LabelEvent("b", "answer", {"question": "right", "value": None})
    assert missing(SCHEMA, fold([answer, cleared], SCHEMA)) == ("Right?",)


def test_a_grid_of_overlapping_labels_has_the_one_listed_first():
    state = fold(
        [label("a", "free", "sum", 2, 6), label("b", "free", "fact", 4, 8), label("c", "free", "fact", 0, 2, 1)], SCHEMA
    )
    assert grid(state, FREE, None, 0, 9).tolist() == [0, 0, 2, 2, 1, 1, 1, 1, 0]
    assert grid(state, FREE, "sum", 0, 9).tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert grid(state, FREE, None, 1, 6).tolist() == [1, 1, 0, 0, 0, 0]
    assert grid(state, ONE, None, 0, 9).sum() == 0
    assert grid(state, FREE, "fact", 0, 9).dtype == np.int64


GOOD = {
    "label": {"set": "free", "label": "fact", "run": 1, "start": 3, "stop": 4},
    "unlabel": {"target": "abc"},
    "answer": {"question": "right", "value": "yes"},
    "comment": {"text": "x\n\u202ey"},
    "flag": {"on": True},
    "skip": {"reason": "not mine"},
    "submit": {},
    "reopen": {},
    "undo": {"target": "abc"},
    "redo": {"target": "abc"},
    "time": {},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_exactly_its_fields(kind):
    assert check_event(SCHEMA, kind, GOOD[kind], TOKENS) == GOOD[kind]
    with pytest.raises(BadInput, match="carries exactly"):
        check_event(SCHEMA, kind, {**GOOD[kind], "extra": 1}, TOKENS)
    for name in GOOD[kind]:
        with pytest.raises(BadInput, match="carries exactly"):
            check_event(SCHEMA, kind, {key: value for key, value in GOOD[kind].items() if key != name}, TOKENS)
    with pytest.raises(BadInput, match="carries exactly"):
        check_event(SCHEMA, kind, None, TOKENS)
    assert set(UNDOABLE) < set(KINDS)


BAD = [
    ("label", {"stop": 7}, "outside the text, which has 6 tokens"),
    ("label", {"start": -1}, "outside the text"),
    ("label", {"start": 3, "stop": 3}, "holds no token"),
    ("label", {"start": 4, "stop": 2}, "holds no token"),
    ("label", {"start": True}, "must be the index of a token"),
    ("label", {"start": 1.0}, "must be the index of a token"),
    ("label", {"start": 10**400}, "very many digits"),
    ("label", {"stop": 10**400}, "very many digits"),
    ("label", {"run": 2}, "this item has 2"),
    ("label", {"run": -1}, "this item has 2"),
    ("label", {"run": "0"}, "this item has 2"),
    ("label", {"set": "nope"}, "no label set 'nope'; the sets are: free, one"),
    ("label", {"set": ["free"]}, "no label set"),
    ("label", {"label": "good"}, "its labels are: fact, sum"),
    ("label", {"label": None}, "its labels are"),
    ("unlabel", {"target": ""}, "letters, digits"),
    ("unlabel", {"target": "a b"}, "letters, digits"),
    ("undo", {"target": 3}, "letters, digits"),
    ("redo", {"target": "x" * 65}, "letters, digits"),
    ("answer", {"question": "left"}, "no question 'left'; the questions are: right, why, where"),
    ("answer", {"question": "left", "value": None}, "no question"),
    ("answer", {"question": ["right"], "value": None}, "no question"),
    ("answer", {"value": "maybe"}, "no option 'maybe'; choose one of: yes, no"),
    ("answer", {"value": True}, "no option"),
    ("answer", {"question": "where", "value": 9}, "from 0 to 8, or 'nowhere'"),
    ("answer", {"question": "where", "value": -1}, "from 0 to 8"),
    ("answer", {"question": "where", "value": False}, "from 0 to 8"),
    ("answer", {"question": "why", "value": 3}, "must be text"),
    ("answer", {"question": "why", "value": "x" * 10_001}, "10,001 characters"),
    ("answer", {"question": "why", "value": "x\ud800"}, "lone surrogate"),
    ("comment", {"text": None}, "must be text"),
    ("comment", {"text": "x" * 10_001}, "at most 10,000"),
    ("flag", {"on": 1}, "on or off"),
    ("skip", {"reason": "  "}, "needs a reason"),
    ("skip", {"reason": "x" * 1_001}, "at most 1,000"),
]


@pytest.mark.parametrize(("kind", "change", "said"), BAD)
def test_a_bad_action_is_refused_and_says_why(kind, change, said):
    with pytest.raises(BadInput) as caught:
        check_event(SCHEMA, kind, {**GOOD[kind], **change}, TOKENS)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", ["erase", "", None, 3, ["label"]])
def test_an_unknown_action_names_the_known_ones(kind):
    with pytest.raises(BadInput, match="the actions are: label, unlabel"):
        check_event(SCHEMA, kind, {}, TOKENS)


@pytest.mark.parametrize("value", ["", "  \n ", None])
def test_an_empty_text_clears_the_answer(value):
    assert check_event(SCHEMA, "answer", {"question": "why", "value": value}, TOKENS)["value"] is None


def test_a_result_is_checked_cleaned_and_comes_back_as_a_state():
    given_labels = [
        {"id": "x", "set": "one", "label": "bad", "run": 0, "start": 4, "stop": 6},
        {"set": "free", "label": "fact", "run": 0, "start": 0, "stop": 2},
    ]
    cleaned = check_result(SCHEMA, {"labels": given_labels, "answers": {"right": "no", "why": " "}}, TOKENS)
    assert cleaned == {
        "labels": [given_labels[1], {key: value for key, value in given_labels[0].items() if key != "id"}],
        "answers": {"right": "no"},
    }
    assert check_result(SCHEMA, cleaned, TOKENS) == cleaned
    state = result_state(cleaned)
    assert result_fields(state) == cleaned and state.status == "submitted"
    assert check_result(SCHEMA, {}, TOKENS) == {"labels": [], "answers": {}}


@pytest.mark.parametrize(
    "fields",
    [None, [], {"labels": {}}, {"labels": [None]}, {"answers": []}, {"answers": {"left": 1}}, {"labels": ["x"]},
     {"labels": [{"set": "one", "label": "bad", "run": 0, "start": 4, "stop": 60}]}],
)  # fmt: skip
def test_a_bad_result_is_refused(fields):
    with pytest.raises(BadInput):
        check_result(SCHEMA, fields, TOKENS)
