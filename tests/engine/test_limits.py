"""Fields become a clean request once: what is refused says field, value and remedy; data of any script passes."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import limits
from engine.errors import BadInput, UserError
from engine.limits import UNBOUNDED, Limits, check_fits, request_from_fields, validate
from engine.types import GenerationRequest

HERE = Limits()


def build(**raw):
    return request_from_fields({"prompt": "Say hello.", **raw}, HERE)


def test_empty_boxes_mean_the_defaults():
    empty = {f.name: "" for f in fields(GenerationRequest) if f.name != "stream"} | {"prompt": "Say hello."}
    assert request_from_fields(empty, HERE) == GenerationRequest("Say hello.")
    assert (
        request_from_fields({key: None if key != "prompt" else value for key, value in empty.items()}, HERE) == build()
    )


def test_numbers_from_boxes_become_the_field_s_own_type():
    got = build(max_new_tokens=64.0, temperature="0.7", top_k=40.0, top_p=1, seed="9007199254740993", system=" \n")
    assert got == GenerationRequest(
        "Say hello.", max_new_tokens=64, temperature=0.7, top_k=40, top_p=1.0, seed=9007199254740993
    )
    assert [type(v) for v in (got.max_new_tokens, got.temperature, got.top_k, got.seed)] == [int, float, int, int]
    assert build(max_new_tokens=np.int64(5), temperature=np.float32(0.5)).max_new_tokens == 5
    assert math.copysign(1, build(temperature=-0.0).temperature) == 1


@pytest.mark.parametrize("off", [0, 0.0, "0", "", None])
def test_top_k_zero_or_empty_is_off(off):
    assert build(top_k=off).top_k is None


REFUSED = [
    ("max_new_tokens", 3.7, ["number of tokens", "3.7", "whole number", "1 to 4096"]),
    ("max_new_tokens", -5, ["number of tokens", "-5", "1 to 4096"]),
    ("max_new_tokens", 0, ["number of tokens", "is 0", "1 to 4096"]),
    ("max_new_tokens", 4097, ["4097", "1 to 4096"]),
    ("max_new_tokens", True, ["number of tokens", "true"]),
    ("max_new_tokens", math.inf, ["number of tokens", "inf"]),
    ("temperature", math.nan, ["temperature", "not a number", "up to 2"]),
    ("temperature", math.inf, ["temperature", "inf"]),
    ("temperature", 2.001, ["temperature", "2.001", "between 0 and 2"]),
    ("temperature", -0.5, ["temperature", "-0.5"]),
    ("temperature", 1e-320, ["temperature", "between 0 and 2"]),
    ("temperature", "warm", ["temperature", "'warm'"]),
    ("temperature", "1_0", ["temperature", "'1_0'"]),
    ("temperature", False, ["temperature", "false"]),
    ("temperature", [1.0], ["temperature", "a list"]),
    ("temperature", 10**5000, ["temperature", "more than 40 digits"]),
    ("top_k", -1, ["Top-k", "-1", "1 to 1000", "0 for off"]),
    ("top_k", 1001, ["Top-k", "1001"]),
    ("top_p", 0, ["Top-p", "is 0", "above 0 and at most 1"]),
    ("top_p", 1.01, ["Top-p", "1.01"]),
    ("top_p", "nan", ["Top-p", "'nan'"]),
    ("seed", "1" * 30, ["seed", "1" * 30, str(2**63 - 1)]),
    ("seed", "1" * 100_000, ["seed", "…"]),
    ("seed", 10**5000, ["seed", "more than 40 digits"]),
    ("seed", 2**63, ["seed", str(2**63)]),
    ("seed", -1, ["seed", "-1"]),
    ("seed", 1e18, ["seed", "1e+18", "written as text"]),
    ("seed", "٣", ["seed", "٣"]),
    ("prompt", "", ["prompt", "empty"]),
    ("prompt", " \n\t", ["prompt", "empty"]),
    ("prompt", None, ["prompt", "empty"]),
    ("prompt", 7, ["prompt", "is 7", "text"]),
    ("prompt", "half \ud83d here", ["prompt", "position 5", "U+D83D"]),
    ("system", "\udc00", ["system", "position 0"]),
    ("system", "x" * 20_001, ["system", "20,001", "20,000"]),
    ("stop", ["x"] * 3 + [5], ["stop string", "is 5"]),
    ("stop", ["x" * 101], ["stop string", "101", "100"]),
    ("stop", [str(i) for i in range(9)], ["9 stop strings", "8"]),
    ("stop", {"a": 1}, ["stop strings", "a dict"]),
    ("temprature", 1, ["'temprature'", "temperature"]),
]


@pytest.mark.parametrize("case", range(len(REFUSED)), ids=lambda i: f"{REFUSED[i][0]}-{i}")
def test_a_refusal_names_the_field_the_value_and_what_is_allowed(case):
    field, value, words = REFUSED[case]
    with pytest.raises(BadInput) as caught:
        build(**{field: value})
    sentence = str(caught.value)
    assert all(word in sentence for word in words), sentence
    assert len(sentence) < 400 and "\n" not in sentence and sentence.isprintable()


def test_a_prompt_of_a_megabyte_is_refused_with_how_much_to_cut():
    with pytest.raises(BadInput, match=r"1,000,000 characters; at most 100,000 are allowed: shorten it by 900,000"):
        build(prompt="a" * 1_000_000)
    assert len(build(prompt="a" * 100_000).prompt) == 100_000, "the control: the longest prompt allowed passes"


@pytest.mark.parametrize(
    "data", ["a\x00b", "\u202ereversed\u202c", "\x1b[31mred", "ﬁ 👩‍👩‍👧 \ufeff", "<script>", "${x}{{y}}"]
)
def test_control_and_direction_characters_are_data_and_pass_unchanged(data):
    assert build(prompt=data).prompt == data
    assert limits.validate_text(data, HERE) == data


def test_stop_strings_come_as_a_list_or_one_a_line():
    assert build(stop="END\r\n\n\\n\\n\n a \nEND").stop == ("END", "\n\n", " a ")
    assert build(stop=["END", "", "\\n", "END"]).stop == ("END", "\\n")
    assert build(stop=()).stop == build(stop="").stop == ()


def test_validating_twice_changes_nothing_and_a_public_page_allows_less():
    request = build(temperature=0.3, top_k=5, top_p=0.9, seed=3, stop=["x"], system="Be brief.", max_new_tokens=1000)
    assert validate(request, HERE) == request
    with pytest.raises(BadInput, match="1 to 512"):
        validate(request, Limits.public())
    assert validate(replace(request, max_new_tokens=10**6), UNBOUNDED).max_new_tokens == 10**6
    with pytest.raises(BadInput, match="temperature"):
        validate(replace(request, temperature=2.5), UNBOUNDED)


def test_no_public_limit_is_wider_than_the_private_one():
    for field in fields(Limits):
        assert getattr(Limits.public(), field.name) <= getattr(HERE, field.name), field.name


def test_what_does_not_fit_is_said_in_tokens_and_what_fits_in_part_is_shortened():
    assert check_fits(100, 50, 200) == (50, "")
    assert check_fits(150, 50, 200) == (50, "")
    budget, note = check_fits(190, 50, 200)
    assert budget == 10 and "10 tokens at most instead of 50" in note
    assert check_fits(199, 50, 200)[0] == 1
    with pytest.raises(BadInput, match=r"1,200 tokens, 1,001 too many.*200"):
        check_fits(1200, 50, 200)
    with pytest.raises(BadInput, match=r"200 tokens, 1 too many"):
        check_fits(200, 1, 200)


def test_a_text_to_score_must_fit_with_its_context():
    limits.check_text_fits(100, 100, 200)
    with pytest.raises(BadInput, match=r"150 tokens after 100 of the prompt, 50 more"):
        limits.check_text_fits(100, 150, 200)


def test_ids_outside_the_vocabulary_are_named():
    limits.check_ids([], 10)
    limits.check_ids([0, 9], 10)
    limits.check_ids(np.array([3], dtype=np.int32), 10)
    for ids, named in (([0, 10], "10"), ([-1], "-1"), ([0.5], "float")):
        with pytest.raises(BadInput, match=named):
            limits.check_ids(ids, 10)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=60)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([f.name for f in fields(GenerationRequest)]) | st.text(max_size=8)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(NAMES, ANYTHING, max_size=8), st.booleans())
def test_whatever_comes_in_leaves_as_a_request_within_its_limits_or_as_one_sentence(raw, with_prompt):
    raw = raw | ({"prompt": "Say hello."} if with_prompt else {})
    try:
        got = request_from_fields(raw, HERE)
    except UserError as error:
        assert isinstance(error, BadInput) and str(error).endswith(".") and "\n" not in str(error)
        return
    assert got.prompt.strip() and 1 <= got.max_new_tokens <= 4096 and 0 <= got.temperature <= 2
    assert 0 <= got.seed < 2**63 and (got.top_k is None or 1 <= got.top_k <= 1000)
    assert (got.top_p is None or 0 < got.top_p <= 1) and all(got.stop) and len(got.stop) <= 8
    (got.prompt + (got.system or "") + "".join(got.stop)).encode("utf-8")
    assert validate(got, HERE) == got
