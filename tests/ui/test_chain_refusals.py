"""What cannot be traced is refused in a sentence before anybody waits: other models, bad fields, others' runs."""

from __future__ import annotations

import json

import pytest

from engine.errors import BadInput, ModelUnavailable, NotFound
from engine.recording import trace_of
from engine.testing import tiny_model
from engine.types import GenerationRequest
from tests.support.bench import ME, STRANGER, head
from tests.support.chains import OTHER, SPAN, traced, without_note
from ui.chains import IMPORTED, NO_TOKENS


def test_strangers_see_and_trace_only_what_they_may(bench, chains, run, recorded):
    uid = head(traced(chains, run))["chain"]
    for call in (
        lambda: chains.of_run(run, STRANGER), lambda: chains.analyses(run, STRANGER),
        lambda: next(chains.trace(run, SPAN, STRANGER)), lambda: chains.open(uid, STRANGER),
        lambda: chains.open("nobody", ME),
    ):  # fmt: skip
        with pytest.raises(NotFound) as error:
            call()
        assert "Tell me" not in str(error.value)
    with pytest.raises(NotFound, match="no attention chain"):
        chains.open(uid, STRANGER)
    own = bench.keep(recorded, STRANGER)
    with pytest.raises(BadInput, match="from 1 to 20"):
        next(chains.trace(own, SPAN | {"similar": 21}, STRANGER))
    traced(chains, own, SPAN | {"similar": 20}, STRANGER)
    traced(chains, run, SPAN | {"similar": 21})


def test_a_run_of_another_model_can_be_looked_at_but_not_traced(bench, chains, run):
    whole = traced(chains, run)
    bench.host.hold(tiny_model(seed=1))
    again = chains.of_run(run, ME)
    assert without_note(again) == without_note(whole)
    assert "is not loaded: load it to trace its answer" in head(again)["note"] and not head(whole)["note"]
    with pytest.raises(ModelUnavailable, match="load it to trace its answer"):
        next(chains.trace(run, SPAN, ME))
    assert bench.stop(ME) == 0


def test_what_an_api_returned_can_be_looked_at_but_not_traced(bench, chains):
    content = [{"token": piece, "logprob": -0.5} for piece in ("The", " answer", " is", " 4")]
    choice = {"message": {"content": "The answer is 4"}, "logprobs": {"content": content}}
    answer = {"model": "remote", "choices": [choice]}
    (run,) = bench.import_logprobs(json.dumps(answer), ME)
    document = chains.of_run(run, ME)
    assert head(document)["note"] == IMPORTED and head(document)["found"]
    with pytest.raises(BadInput, match="imported as log-probabilities"):
        next(chains.trace(run, {}, ME))


def test_a_run_without_tokens_is_refused_in_a_sentence(bench, chains, tiny):
    run = bench.keep(empty_run(tiny), ME)
    for call in (lambda: chains.of_run(run, ME), lambda: next(chains.trace(run, {}, ME))):
        with pytest.raises(BadInput) as error:
            call()
        assert str(error.value) == NO_TOKENS


def empty_run(tiny):

    asked = GenerationRequest("Tell me")
    return trace_of(
        tiny, [], tiny.encode_prompt(asked.prompt, None), prompt=asked.prompt, system=None, settings=asked,
        kind="generation", finish_reason="cancelled", seconds=0.1, notes=(),
    )  # fmt: skip


BAD = {
    "an unknown setting": ({"colour": 1}, "no setting 'colour'; the settings are: extra_stop_words, floor"),
    "heads in words": ({"heads": "many"}, "The number of heads is 'many'; it must be a whole number from 1 to 4,096"),
    "no head": ({"heads": 0}, "The number of heads is 0"),
    "half a token": ({"similar": 2.5}, "The number of kept tokens is 2.5"),
    "a threshold in words": ({"threshold": "high"}, "threshold must be a number from 0 to 10, not high"),
    "no number": ({"threshold": "nan"}, "threshold must be a number from 0 to 10, not nan"),
    "a cosine": ({"floor": 2}, "least cosine must be a number from -1 to 1, not 2"),
    "a switch": ({"least_probability": True}, "least probability of a substitute must be a number"),
    "a language": ({"language": "xx"}, "no stop words for 'xx'; the languages are: en, ar"),
    "a reduction": ({"reduction": "median"}, "max or mean, not 'median'"),
    "words that are none": ({"extra_stop_words": [1, 2]}, "must be text"),
    "too many words": ({"extra_stop_words": " ".join(map(str, range(201)))}, "at most 200 are allowed"),
    "one end only": ({"stop": None}, "needs both ends"),
    "an end in words": ({"start": "here"}, "The answer's start is 'here'"),
    "an empty answer": ({"start": 5, "stop": 5}, "The answer is empty"),
    "ends that cross": ({"start": 6, "stop": 5}, "The answer is empty"),
    "an answer in the prompt": ({"start": -3}, "in the prompt"),
    "an answer beyond the end": ({"stop": 41}, "the response has 40 tokens only"),
    "all of it": ({"start": 0, "stop": 40}, "The whole response is selected"),
    "the first token": ({"start": 0, "stop": 1}, "nothing of the response stands before it"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_fields_are_one_sentence_before_anybody_waits(bench, chains, run, case):
    fields, words = BAD[case]
    with bench.turns.enter(OTHER), pytest.raises(BadInput) as error:
        next(chains.trace(run, SPAN | fields, ME))
    assert words in str(error.value) and len(str(error.value)) < 250 and bench.stop(ME) == 0


def test_fields_as_a_page_sends_them_mean_the_same(chains, run):
    asked = {"start": "30", "stop": 32.0, "heads": "4", "threshold": "0.25", "extra_stop_words": "foo, bar;baz"}
    settings = head(traced(chains, run, asked | {"language": "de", "floor": "", "top": None}))["settings"]
    assert (settings["heads"], settings["threshold"], settings["language"]) == (4, 0.25, "de")
    assert settings["extra_stop_words"] == ["foo", "bar", "baz"] and settings["floor"] == 0.0 and settings["top"] == 5
