"""Formats of log-probabilities: each recorded shape gives its runs; anything else gives one sentence with a place."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.limits import Limits
from engine.logprob_import import parse
from tests.support.api_answers import HELLO, LEGACY, RESPONSE, chat, entry, one, stream


def refused(document, *words_expected, limits=None):
    data = document if isinstance(document, (str, bytes)) else json.dumps(document)
    with pytest.raises(BadInput) as caught:
        parse(data, limits)
    sentence = str(caught.value)
    assert all(word in sentence for word in words_expected), sentence
    assert len(sentence) < 500 and "\n" not in sentence


def test_several_choices_lines_and_batch_outputs_become_several_runs_in_order():
    two = chat(entry("a", 0.5))
    two["choices"].append({**two["choices"][0], "index": 1, "message": {"content": "b"},
                           "logprobs": {"content": [entry("b", 0.5)]}})  # fmt: skip
    batch = {"id": "batch_req_1", "custom_id": "q1", "response": {"status_code": 200, "body": LEGACY}, "error": None}
    failed = {"id": "batch_req_2", "custom_id": "q2", "response": None, "error": {"message": "too long"}}
    lines = "\r\n".join(json.dumps(d) for d in (two, batch, failed)) + "\n\n"
    assert [t.text for t in parse(lines)] == ["a", "b", "Once upon a"]
    assert [t.text for t in parse(json.dumps([two, batch]))] == ["a", "b", "Once upon a"]
    assert [t.text for t in parse(("\ufeff" + json.dumps(two)).encode("utf-8"))] == ["a", "b"]
    assert [t.text for t in parse(json.dumps(two).encode("utf-16"))] == ["a", "b"]


def test_a_token_and_alternatives_that_cannot_be_one_row_are_refused():
    impossible = chat(entry("a", 0.9, ("b", 0.6), ("c", 0.2)))
    refused(impossible, "content[0].top_logprobs", "adds up to a probability of 1.70")
    (trace,) = parse(json.dumps(chat(entry("a", 0.2, ("b", 0.6), ("c", 0.2)))))
    assert trace.text == "a"


def test_a_reply_without_log_probabilities_beside_others_is_left_out_and_said():
    bare = chat(entry("a", 0.5))
    bare["choices"][0]["logprobs"] = None
    traces = parse(json.dumps([bare, HELLO]))
    assert [t.text for t in traces] == ["Hello!"] and any("1 of 2 answers" in note for note in traces[0].notes)
    refused(bare, "choices[0]", "no log-probabilities", "top_logprobs")
    refused(chat(), "choices[0]", "empty list")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_saved_stream_is_joined_into_the_run_it_was(legacy):
    chunks = list(stream(entry("A", 0.5), entry(" cat", 0.25), legacy=legacy))
    again = [{**chunk, "id": "x-2"} for chunk in chunks]
    mixed = [chunk for pair in zip(chunks, again, strict=True) for chunk in pair]
    events = "".join(f"event: message\ndata: {json.dumps(c)}\n\n" for c in chunks) + ": ping\n\ndata: [DONE]\n"
    for data, count in ((events, 1), (json.dumps(chunks), 1), ("\n".join(map(json.dumps, mixed)), 2)):
        traces = parse(data)
        assert [t.text for t in traces] == ["A cat"] * count
        for trace in traces:
            np.testing.assert_allclose(trace.scores["surprisal"], np.log([2, 4]), rtol=1e-6)
            assert not any("spell" in note for note in trace.notes)
    assert [t.text for t in parse("\n".join(map(json.dumps, chunks + chunks)))] == ["A cat"] * 2, "the first was closed"


def test_a_response_and_its_event_stream_give_the_same_run():
    whole = one(RESPONSE)
    assert whole.text == "Hi." and whole.system == "Be brief." and whole.model.name == "toy-4o-mini"
    np.testing.assert_allclose(whole.scores["surprisal"], np.log([2, 4]), rtol=1e-6)
    bare = {"token": "Hi", "logprob": math.log(0.5)}
    events = [
        {"type": "response.created", "response": {**RESPONSE, "output": []}},
        {"type": "response.output_text.delta", "item_id": "m", "content_index": 0, "delta": "Hi", "logprobs": [bare]},
        {"type": "response.output_text.delta", "item_id": "m", "content_index": 0, "delta": ".",
         "logprobs": [{"token": ".", "logprob": math.log(0.25), "top_logprobs": [{"token": "!", "logprob": -1}]}]},
        {"type": "response.output_text.done", "item_id": "m", "content_index": 0, "text": "Hi."},
    ]  # fmt: skip
    cut = one(events)
    assert cut.text == "Hi." and cut.model.name == "toy-4o-mini"
    ended = one([*events, {"type": "response.completed", "response": RESPONSE}])
    assert ended.text == "Hi." and ended.topk_ids.shape == whole.topk_ids.shape


def test_the_request_beside_an_answer_supplies_the_prompt():
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": [{"type": "text", "text": "Go."}]},
    ]
    trace = one({"request": {"messages": turns}, "response": HELLO})
    assert (trace.prompt, trace.system) == ("Go.", "Be kind.") and any("conversation" in n for n in trace.notes)
    assert one({"request": {"prompt": "Once"}, "response": HELLO}, prompt="other").prompt == "Once"


def test_what_is_only_told_is_cut_and_made_printable():
    trace = one({**HELLO, "model": "toy\ud800" + "x" * 500, "system_fingerprint": 7})
    assert trace.model.name == "toy?" + "x" * 196 and trace.model.revision == ""
    assert one({**HELLO, "model": None}).model.name == "unnamed model"


def test_a_refusal_is_a_run_that_says_so():
    document = chat(entry("No", 0.5), text="")
    choice = document["choices"][0]
    choice["message"] = {"content": None, "refusal": "No"}
    choice["logprobs"] = {"content": None, "refusal": choice["logprobs"]["content"]}
    trace = one(document)
    assert trace.text == "No" and any("refused" in note for note in trace.notes)


def damaged(path, value):
    """HELLO with the value at a path of keys replaced."""
    document = json.loads(json.dumps(HELLO))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


AT = ["choices", 0, "logprobs", "content", 1]
MALFORMED = [
    ([*AT, "logprob"], "-0.5", ["choices[0].logprobs.content[1].logprob is a string", "a number was expected"]),
    ([*AT, "logprob"], None, ["content[1].logprob is missing or null"]),
    ([*AT, "logprob"], True, ["content[1].logprob is true or false"]),
    ([*AT, "logprob"], 0.37, ["content[1].logprob is 0.37", "0 or below"]),
    ([*AT, "logprob"], 10**400, ["content[1].logprob is a huge number"]),
    ([*AT, "logprob"], math.nan, ["content[1].logprob is not a number"]),
    ([*AT, "logprob"], math.inf, ["content[1].logprob is a huge number"]),
    ([*AT, "token"], 5, []),
    ([*AT, "bytes"], [256], ["content[1].bytes", "0 to 255"]),
    ([*AT, "bytes"], [1.0], ["content[1].bytes"]),
    ([*AT, "bytes"], "!", ["content[1].bytes is a string", "a list was expected"]),
    ([*AT, "bytes"], [65] * 1001, ["content[1].bytes has 1,001 bytes"]),
    ([*AT, "top_logprobs"], {"a": -1}, ["content[1].top_logprobs is an object", "a list was expected"]),
    ([*AT, "top_logprobs", 2], None, ["content[1].top_logprobs[2] is missing or null"]),
    ([*AT, "top_logprobs", 2, "logprob"], math.log(0.9), ["content[1].top_logprobs", "1.65", "one distribution"]),
    ([*AT, "top_logprobs"], [{"token": "a", "logprob": -99.0}] * 101, ["has 101 entries", "at most 100"]),
    (AT, "!", ["choices[0].logprobs.content[1] is a string"]),
    (["choices", 0, "logprobs"], [1], ["choices[0].logprobs is a list", "an object"]),
    (["choices", 0, "logprobs", "content"], {"a": 1}, ["choices[0].logprobs.content is an object"]),
    (["choices", 0], 3, ["choices[0] is a number"]),
    (["choices"], "x", ["choices is a string"]),
    (["choices"], [], ["no log-probabilities"]),
    (["choices"], None, ["neither choices nor output"]),
]


@pytest.mark.parametrize("case", range(len(MALFORMED)))
def test_malformed_input_is_refused_by_place_and_expectation(case):
    path, value, expected = MALFORMED[case]
    document = damaged(path, value)
    if not expected:  # bytes are given, so the token's own text is not needed
        assert one(document).text == "Hello!"
        return
    refused(document, *expected)
    if expected[0].startswith("choices"):
        refused(f"{json.dumps(HELLO)}\n{json.dumps(document)}", "line 2: choices")
        refused(json.dumps([HELLO, document]), "[1].choices")


@pytest.mark.parametrize(
    "data, expected",
    [
        ("", "nothing to import"),
        (b"\xef\xbb\xbf \n", "nothing to import"),
        ("hello", "not JSON"),
        ('{"choices": [', "not JSON"),
        (b"PK\x03\x04\xff\xfe\x00", "not text"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "nested too deeply"),
        ("1" * 5000, "thousands of digits"),
        ("7", "The input is a number"),
        ("[]", "no log-probabilities"),
        ("[1]", "[0] is a number"),
        ("{}", "neither choices nor output"),
        ('{"error": {"message": "quota"}}', "no log-probabilities"),
        ('{"choices": []}\n{"choices": ', "Line 2 is not JSON"),
        ('data: {"choices": [}\n', "Line 1 is not JSON"),
        ('{"choices":[{"logprobs":{"content":[{"token":"\\ud83d","logprob":-1}]}}]}', "half of a character"),
        ('{"choices":[{"logprobs":{"content":[{"token":"token_id:17","logprob":-1}]}}]}', "return_tokens_as_token_ids"),
        ('{"choices":[{"text":"a","logprobs":{"tokens":["a"],"token_logprobs":[]}}]}', "token_logprobs has 0 entries"),
        ('{"choices":[{"logprobs":{"tokens":["a"],"token_logprobs":[-1],"top_logprobs":[[]]}}]}', "top_logprobs[0]"),
        ('{"choices":[{"logprobs":{"tokens":["a"],"token_logprobs":[-1],"top_logprobs":[{"b":"x"}]}}]}', "['b']"),
        ('{"choices":[{"logprobs":{"tokens":[1],"token_logprobs":[-1]}}]}', "tokens[0] is a number"),
    ],
    ids=range(21),
)
def test_what_is_no_answer_of_an_api_is_refused(data, expected):
    refused(data, expected)


def test_sizes_are_capped_with_what_to_do():
    tight = Limits(import_bytes=5000, import_tokens=3, import_answers=1, import_containers=60, prompt_chars=10)
    assert parse(json.dumps(chat(*[entry("a", 0.5)] * 3)), tight), "the control: what is allowed passes"
    refused(chat(*[entry("a", 0.5)] * 4), "more than 3 tokens", limits=tight)
    refused([chat(entry("a", 0.5))] * 2, "2 answers; at most 1", limits=tight)
    refused("x" * 5001, "5,001 bytes", limits=tight)
    refused("[" + "{}," * 60, "lists and objects", limits=tight)
    refused(
        {"request": {"prompt": "x" * 11}, "response": chat(entry("a", 0.5))}, "prompt of more than 10", limits=tight
    )
    with pytest.raises(BadInput, match="vocabulary size"):
        parse(json.dumps(HELLO), vocabulary_size=1)


def test_rounding_just_above_zero_is_zero():
    document = damaged([*AT, "logprob"], 9e-7)
    assert one(document).scores["surprisal"][1] == 0.0
    refused(damaged([*AT, "logprob"], 1.1e-6), "0 or below")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "logprobs", "content", "token", "logprob", "bytes", "top_logprobs", "tokens", "token_logprobs",
             "message", "delta", "output", "type", "response", "request", "messages", "text", "id", "object", "model"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def survives(data):
    try:
        traces = parse(data, Limits.public())
    except BadInput as error:
        assert str(error).endswith(".") and len(str(error)) < 600
        return
    for trace in traces:
        assert "".join(trace.pieces) == trace.text and len(trace) == len(trace.pieces) > 0
        trace.text.encode("utf-8")
        trace.model.name.encode("utf-8")


def paths(value, here=()):
    """Every place in a JSON value."""
    yield here
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from paths(item, (*here, key))


STREAM = list(stream(entry("A", 0.5, ("B", 0.25))))
TEMPLATES = [HELLO, LEGACY, RESPONSE, STREAM, {"request": {"messages": [{}]}, "response": HELLO}]
EVERYWHERE = [(template, path) for template in TEMPLATES for path in paths(template) if path]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(range(len(EVERYWHERE))), JSON), min_size=1, max_size=2))
def test_any_value_at_any_place_gives_a_run_or_a_sentence(changes):
    template, _ = EVERYWHERE[changes[0][0]]
    document = copy.deepcopy(template)
    for index, value in changes:
        place, (*way, last) = document, EVERYWHERE[index][1]
        for key in way:
            known = isinstance(place, dict) and key in place
            place = place[key] if known or (isinstance(place, list) and key in range(len(place))) else None
        if isinstance(place, dict) or (isinstance(place, list) and last in range(len(place))):
            place[last] = value
    survives(json.dumps(document))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80) | st.text(st.characters(), max_size=80), st.integers(0, 400), st.integers(0, 400))
def test_any_bytes_and_any_cut_give_a_run_or_a_sentence(noise, start, length):
    survives(noise)
    whole = json.dumps(LEGACY)
    spliced = noise if isinstance(noise, str) else noise.decode("latin-1")
    survives(whole[:start] + spliced + whole[start + length :])
