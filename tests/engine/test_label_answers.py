"""Answers and labels against their schema: what fits is taken as it is, anything else is refused in words."""

import pytest

from engine.errors import BadInput
from engine.label_schema import check_answer, check_label, parse_schema

SCHEMA = parse_schema("""
labels: [{name: errors, labels: [factual, vague]}]
questions:
  - {name: correct, kind: choice, options: [yes, no, unsure]}
  - {name: quality, kind: likert}
  - {name: where, kind: token}
  - {name: better, kind: preference}
""")

GOOD_ANSWERS = [
    ("correct", "yes"),
    ("quality", 1),
    ("quality", 5),
    ("where", 0),
    ("where", 6),
    ("where", "nowhere"),
    ("better", "tie"),
]


@pytest.mark.parametrize(("name", "value"), GOOD_ANSWERS)
def test_an_answer_within_its_question_is_taken_as_it_is(name, value):
    assert check_answer(SCHEMA, name, value, 7) == value


def test_a_multiple_choice_comes_in_the_order_of_its_options_each_once():
    schema = parse_schema("questions: [{name: m, kind: multi, options: [c, b, a]}]")
    assert check_answer(schema, "m", ["a", "c"], 1) == ["c", "a"]
    assert check_answer(schema, "m", ["a", "a", "c"], 1) == ["c", "a"]
    for bad in (["a", "d"], "a", ["a"] * 4, [["a"]], None, {"a": 1}):
        with pytest.raises(BadInput):
            check_answer(schema, "m", bad, 1)


def test_ties_only_where_they_are_allowed():
    schema = parse_schema("questions: [{name: p, kind: preference, ties: false}]")
    assert check_answer(schema, "p", "b", 1) == "b"
    with pytest.raises(BadInput, match="one of a, b"):
        check_answer(schema, "p", "tie", 1)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("correct", "Yes", "no option 'Yes'; choose one of: yes, no, unsure"),
        ("correct", ["yes"], "no option"),
        ("correct", None, "no option"),
        ("quality", 0, "a whole number from 1 to 5"),
        ("quality", 6, "a whole number from 1 to 5"),
        ("quality", 3.0, "a whole number"),
        ("quality", True, "a whole number"),
        ("quality", "3", "a whole number"),
        ("where", 7, "the index of a token from 0 to 6, or 'nowhere'"),
        ("where", None, "the index of a token"),
        ("better", "c", "one of a, b, tie"),
        ("better", ["a"], "one of a, b, tie"),
        ("worse", "a", "no question 'worse'; the questions are: correct, quality, where, better"),
        (3, "a", "no question"),
    ],
)
def test_an_answer_outside_its_question_is_refused(name, value, said):
    with pytest.raises(BadInput) as caught:
        check_answer(SCHEMA, name, value, 7)
    assert said in str(caught.value)


def test_a_label_within_the_text_passes_up_to_its_end():
    check_label(SCHEMA, "errors", "vague", 0, 7, 7)
    check_label(SCHEMA, "errors", "vague", 6, 7, 7)
    with pytest.raises(BadInput, match="outside"):
        check_label(SCHEMA, "errors", "vague", 6, 8, 7)
    with pytest.raises(BadInput, match="outside"):
        check_label(SCHEMA, "errors", "vague", 0, 1, 0)
