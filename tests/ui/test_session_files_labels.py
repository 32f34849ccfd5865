"""Labels made elsewhere: by tokens or characters, for texts by hash, id or words; what does not fit is named."""

import json

import pytest

from engine.errors import BadInput
from engine.label_events import check_event, fold, result_fields
from engine.label_schema import parse_schema
from storage.limits import ImportLimits
from tests.support.whole_session import ITEMS, NASTY, SCHEMA
from ui.session_import import read_labels

NASTY_RUN, PLAIN_RUN = ITEMS[0].runs[0], ITEMS[1].runs[0]
LOOSE = parse_schema(
    "labels: [{name: errors, labels: [fact, sum], overlap: true}]\nquestions: [{name: why, kind: text}]"
)


def read(*rows, schema=SCHEMA, **limits):
    data = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return read_labels(data, ITEMS, schema, ImportLimits(**limits))


def labels_of(events, uid, schema=SCHEMA):
    fields = result_fields(fold(events[uid], schema))["labels"]
    return [(one["set"], one["label"], one["run"], one["start"], one["stop"]) for one in fields]


def tok(start, stop, label="fact"):
    return {"set": "errors", "label": label, "start": start, "stop": stop}


def chars(start, stop, label="fact"):
    return {"set": "errors", "label": label, "start_char": start, "stop_char": stop}


@pytest.mark.parametrize(
    "key", [{"run": "run-a"}, {"text_hash": NASTY_RUN.text_hash}, {"text": NASTY_RUN.text},
            {"run": "run-a", "text": NASTY_RUN.text, "text_hash": NASTY_RUN.text_hash}],
)  # fmt: skip
def test_a_text_is_found_by_hash_by_run_and_by_itself_wherever_it_stands(key):
    events, refused = read({**key, "labels": [tok(0, 3)]})
    if key == {"run": "run-a"} or len(key) == 3:
        assert set(events) == {"x1"}
    else:
        assert labels_of(events, "x3") == [("errors", "fact", 1, 0, 3)], "the pair has the text as its second"
    assert labels_of(events, "x1") == [("errors", "fact", 0, 0, 3)] and refused == []


def test_characters_are_code_points_and_a_part_of_a_token_takes_all_of_it():
    text = NASTY_RUN.text
    smile = text.index("😀")
    cases = {
        (smile, smile + 1): (2, 3),
        (0, 2): (0, 1),
        (1, 3): (0, 2),
        (0, len(text)): (0, len(NASTY)),
        (len(text) - 1, len(text)): (len(NASTY) - 1, len(NASTY)),
    }
    for (start, stop), expected in cases.items():
        events, refused = read({"run": "run-a", "labels": [chars(start, stop)]})
        assert refused == [] and labels_of(events, "x1") == [("errors", "fact", 0, *expected)]


def test_every_character_is_in_the_token_that_is_labelled_for_it():
    for i, sign in enumerate(NASTY_RUN.text):
        events, _ = read({"run": "run-a", "labels": [chars(i, i + 1)]})
        ((_, _, _, start, stop),) = labels_of(events, "x1")
        assert stop == start + 1 and sign in NASTY[start]
        assert len("".join(NASTY[:start])) <= i < len("".join(NASTY[:stop]))


def test_what_fits_is_taken_and_what_does_not_is_named_with_its_line():
    events, refused = read(
        {"run": "run-b", "labels": [tok(0, 1), tok(0, 99), tok(1, 2, "sum")], "answers": {"right": "no", "left": 1}},
        "",
        "not json",
        {"run": "elsewhere", "labels": [tok(0, 1)]},
        {"run": "run-a", "labels": [tok(2, 4)]},
    )
    assert [(row["line"]) for row in refused] == [1, 1, 3, 4]
    reasons = [row["reason"] for row in refused]
    assert "outside the text, which has 6 tokens" in reasons[0]
    assert "no question 'left'" in reasons[1] and "not JSON" in reasons[2]
    assert reasons[3] == "No item of this session has the run 'elsewhere'."
    assert labels_of(events, "x2") == [("errors", "fact", 0, 0, 1), ("errors", "sum", 0, 1, 2)]
    assert labels_of(events, "x3") == labels_of(events, "x2"), "the text stands in two items"
    assert labels_of(events, "x1") == [("errors", "fact", 0, 2, 4)]


BAD = [
    ({"labels": [tok(0, 1)]}, "names no text"),
    ({"run": 3, "labels": [tok(0, 1)]}, "must be text"),
    ({"run": "run-b"}, "neither labels nor answers"),
    ({"run": "run-b", "labels": {}, "answers": {}}, "must be a list"),
    ({"run": "run-b", "labels": [], "answers": []}, "must be a list"),
    ({"run": "run-b", "spans": []}, "no field 'spans'"),
    ({"run": "run-b", "text": NASTY_RUN.text, "labels": [tok(0, 1)]}, "name different texts"),
    ({"text": "unknown \ud800", "labels": [tok(0, 1)]}, "has the text 'unknown \\ud800'"),
    ({"text": "unknown", "labels": [tok(0, 1)]}, "has the text 'unknown'"),
    ({"text_hash": "00", "labels": [tok(0, 1)]}, "has the text_hash '00'"),
    ({"run": "run-a", "labels": ["fact"]}, "a label is a mapping"),
    ({"run": "run-a", "labels": [{"set": "errors", "label": "fact"}]}, "either start and stop or"),
    ({"run": "run-a", "labels": [{**tok(0, 1), "start_char": 0}]}, "either start and stop or"),
    ({"run": "run-a", "labels": [tok(-1, 1)]}, "outside"),
    ({"run": "run-a", "labels": [tok(1, 1)]}, "holds no token"),
    ({"run": "run-a", "labels": [tok(0.0, 1)]}, "index of a token"),
    ({"run": "run-a", "labels": [chars(-1, 1)]}, "not within the text"),
    ({"run": "run-a", "labels": [chars(2, 2)]}, "not within the text"),
    ({"run": "run-a", "labels": [chars(0, 999)]}, "not within the text"),
    ({"run": "run-a", "labels": [chars(True, 2)]}, "whole numbers"),
    ({"run": "run-a", "labels": [{**tok(0, 1), "set": "nope"}]}, "no label set 'nope'"),
    ({"run": "run-a", "labels": [{**tok(0, 1), "label": "nope"}]}, "no label 'nope'"),
    ({"run": "run-d", "labels": [tok(0, 1)]}, "which has 0 tokens"),
    ({"run": "run-a", "answers": {"right": "maybe"}}, "no option 'maybe'"),
    ('{"run": "run-a", "run": "run-b", "labels": []}', "twice"),
    ("[" * 5_000, "nested"),
    ("[]", "not a JSON object"),
    ('{"run": NaN}', "no JSON number"),
]


@pytest.mark.parametrize(("row", "said"), BAD, ids=range(len(BAD)))
def test_a_line_that_does_not_fit_is_refused_and_the_next_one_is_taken(row, said):
    events, refused = read(row, {"run": "run-b", "labels": [tok(0, 1)]})
    assert [one["line"] for one in refused] == [1] and said.lower() in refused[0]["reason"].lower()
    assert len(refused[0]["reason"]) < 300
    assert set(events) == {"x2", "x3"}


def test_the_same_file_gives_the_same_actions_and_doubles_none():
    rows = [
        {"run": "run-a", "labels": [tok(0, 1), tok(0, 1)], "answers": {"why": "x"}},
        {"run": "run-a", "labels": [tok(0, 1)]},
    ]
    events, _ = read(*rows, schema=LOOSE)
    assert events == read(*rows, schema=LOOSE)[0]
    assert [event.kind for event in events["x1"]] == ["reopen", "label", "answer", "submit"]
    more, _ = read(*rows, {"run": "run-a", "labels": [tok(2, 3)]}, schema=LOOSE)
    old, new = {e.uuid for e in events["x1"]}, {e.uuid for e in more["x1"]}
    assert len(old & new) == 2, "labels keep their ids, opening and handing in belong to the content"
    both = [*events["x1"], *(event for event in more["x1"] if event.uuid not in old)]
    state = fold(both, LOOSE)
    assert state.status == "submitted" and len(state.labels) == 2
    other = read({"run": "run-b", "labels": [tok(0, 1)]}, schema=LOOSE)[0]
    assert {e.uuid for e in other["x2"]}.isdisjoint({e.uuid for e in other["x3"]})


def test_an_item_is_handed_in_only_with_what_is_required():
    events, _ = read({"run": "run-a", "labels": [tok(0, 1)]})
    assert [event.kind for event in events["x1"]] == ["reopen", "label"]
    events, _ = read({"run": "run-a", "answers": {"right": "no"}})
    assert [event.kind for event in events["x1"]] == ["reopen", "answer", "submit"]


def test_every_action_is_one_that_the_store_will_take():
    events, _ = read({"text": PLAIN_RUN.text, "labels": [chars(0, 3)], "answers": {"right": "no", "kinds": ["c", "a"]}})
    tokens = {item.uid: [len(run.pieces) for run in item.runs] for item in ITEMS}
    assert set(events) == {"x2", "x3", "c1"}
    for uid, own in events.items():
        for event in own:
            assert check_event(SCHEMA, event.kind, event.payload, tokens[uid]) == event.payload


def test_bounds_hold():
    for data in ("", " \n \n", b"PK\x03\x04zip", "x" * 300):
        with pytest.raises(BadInput):
            read_labels(data, ITEMS, SCHEMA, ImportLimits(file_bytes=250))
    _, refused = read(*["bad"] * 10, problems=3)
    assert [row["line"] for row in refused] == [1, 2, 3, 0] and refused[-1]["reason"] == "7 more were refused."
    _, refused = read({"run": "run-a", "labels": [tok(0, 1)] * 30}, line_bytes=200)
    assert "at most 200" in refused[0]["reason"]
    with pytest.raises(BadInput, match="200,000 lines"):
        read_labels("\n" * 200_001, ITEMS, SCHEMA)
