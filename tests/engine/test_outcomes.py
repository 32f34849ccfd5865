"""Fields of answers: what each extractor reads, the traps it must survive, and where in the text the field stands."""

import time

import pytest

from engine.errors import BadInput
from engine.outcomes import REGISTRY, TRUNCATED, UNPARSED, canonical_number, extractor, first_token, outcome

SINGLE = sorted(name for name, entry in REGISTRY.items() if not entry.jointly)
PARAMETERS = {"json_key": "key", "pattern": r"(?i)verdict\W+(\w+)|\bunclear\b"}


def label(name, text):
    return outcome(name, text, parameter=PARAMETERS.get(name, "")).label


CASES = [
    ("last_number", "First 3, then 4 make 7.", "7"),
    ("last_number", "It is 1,234.50 in all", "1234.5"),
    ("last_number", "It is $1234.5", "1234.5"),
    ("last_number", "It is 1234.50.", "1234.5"),
    ("last_number", "from 10-4", "4"),
    ("last_number", "minus: -4", "-4"),
    ("last_number", "minus: \u22124", "-4"),
    ("last_number", "Vitamin B12 and x2", UNPARSED),
    ("last_number", "1, 2, 3", "3"),
    ("last_number", "about 1e5 of them", "100000"),
    ("last_number", "no digits", UNPARSED),
    ("first_number", "€ 45,000 a year, or 3,750 a month", "45000"),
    ("first_number", "0.50 or .5", "0.5"),
    ("first_number", "it is .50", "0.5"),
    ("first_number", "007", "7"),
    ("first_number", "0.000", "0"),
    ("boxed", r"so \boxed{1} and then $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
    ("boxed", r"\boxed{1,234.50}", "1234.5"),
    ("boxed", r"\boxed{3} but \boxed{4", "3"),
    ("boxed", "boxed{3}", UNPARSED),
    ("choice_letter", "The answer is a function of x.", UNPARSED),
    ("choice_letter", "The answer is A function of x.", UNPARSED),
    ("choice_letter", "The answer is A because it fits.", "A"),
    ("choice_letter", "The answer is (B). Option D is tempting.", "B"),
    ("choice_letter", "The answer is (b).", "B"),
    ("choice_letter", "**Answer:** C", "C"),
    ("choice_letter", "**Answer**: C", "C"),
    ("choice_letter", r"Final answer: $\boxed{\text{D}}$", "D"),
    ("choice_letter", "The correct option is **E**.", "E"),
    ("choice_letter", "The answer is option B", "B"),
    ("choice_letter", "B", "B"),
    ("choice_letter", "B) Paris", "B"),
    ("choice_letter", "A) no. B) yes. The answer is B.", "B"),
    ("choice_letter", "I think that (C) is best.", "C"),
    ("choice_letter", "(A) or (C), who knows.", UNPARSED),
    ("choice_letter", "Because of that.", UNPARSED),
    ("choice_letter", "The answer is B-flat", "B"),
    ("choice_letter", "Answer: Don't", UNPARSED),
    ("answer_is", "The answer is **Paris**. It is large.", "Paris"),
    ("answer_is", "Answer: 1,234.50", "1234.5"),
    ("answer_is", "The answer is 3.5. No: the answer is 4.", "4"),
    ("answer_is", "The answer is:\n\nblue", "blue"),
    ("answer_is", "He answered.", UNPARSED),
    ("answer_is", "The answer is ...", UNPARSED),
    ("yes_no", "Yes, of course.", "yes"),
    ("yes_no", "**No**", "no"),
    ("yes_no", "Not at all", UNPARSED),
    ("yes_no", "I know now", UNPARSED),
    ("yes_no", "No one knows.", UNPARSED),
    ("yes_no", "There is no evidence.", UNPARSED),
    ("yes_no", "There is no doubt. The answer is: yes", "yes"),
    ("yes_no", "Yes and no.", UNPARSED),
    ("yes_no", "I would say no.", "no"),
    ("first_line", "\n\n  a  line \nanother", "a line"),
    ("first_line", "   ", UNPARSED),
    ("exact_text", " a\n b ", "a b"),
    ("json_key", 'Here: {"other": 1, "key": "$1,234.50"} and {"key": 2}', "1234.5"),
    ("json_key", '```json\n{"a": {"key": true}}\n```', "true"),
    ("json_key", '{"note": "the \\"key\\": 5 in words", "key": [1, 2]}', "[1, 2]"),
    ("json_key", '{"key": 1', UNPARSED),
    ("json_key", "{key: 1}", UNPARSED),
    ("json_key", '{"note": "key"}', UNPARSED),
    ("pattern", "Verdict: guilty. On appeal, verdict: not that. Verdict - free!", "free"),
    ("pattern", "It is unclear", "unclear"),
    ("pattern", "No decision", UNPARSED),
]


@pytest.mark.parametrize(("name", "text", "expected"), CASES)
def test_each_field_is_read_and_survives_its_traps(name, text, expected):
    assert label(name, text) == expected


def test_every_extractor_has_a_case_that_finds_and_one_that_does_not():
    found = {name for name, _, expected in CASES if expected != UNPARSED}
    missed = {name for name, _, expected in CASES if expected == UNPARSED}
    assert found == set(SINGLE)
    assert missed | {"first_number", "exact_text"} == set(SINGLE)
    assert label("exact_text", " ") == label("first_number", "none") == UNPARSED
    assert all(entry.name == name and entry.version >= 1 and entry.label for name, entry in REGISTRY.items())


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("last_number", "so $1,234.50!", "$1,234.50"),
        ("first_number", "x -4 y", "-4"),
        ("boxed", r"\boxed{ 12 }", "12"),
        ("choice_letter", "The answer is (B).", "B"),
        ("answer_is", "The answer is **red wine**.", "red wine"),
        ("yes_no", "**Yes**, it is", "Yes"),
        ("first_line", "\n first line \nx", "first line"),
        ("json_key", '{"a": "key", "key": "value"}', "value"),
        ("json_key", '{"key": 12}', "12"),
        ("exact_text", " a b ", "a b"),
        ("pattern", "verdict: so; verdict: other", "other"),
    ],
)
def test_the_field_is_found_where_it_stands(name, text, field):
    found = outcome(name, text, parameter=PARAMETERS.get(name, "")).found
    assert text[found.start : found.stop] == field


@pytest.mark.parametrize("text", ["1,234.50", "$1234.5", "1234.50", "1234.5 ", "+1234.5", "€ 1,234.5"])
def test_one_number_written_in_many_ways_is_one_label(text):
    assert canonical_number(text) == ("1234.5", 1234.5)


def test_what_is_no_number_has_no_value():
    assert canonical_number("12 apples") is None and canonical_number("") is None
    assert canonical_number("2e9999")[1] is None
    assert canonical_number("9" * 300)[1] is None


@pytest.mark.parametrize(
    ("name", "text", "settled"),
    [
        ("last_number", "it is 12 ", False),
        ("first_number", "it is 12", False),
        ("first_number", "it is 12,", False),
        ("first_number", "it is 12 and", True),
        ("first_number", "it is 12.\n", True),
        ("first_line", "a line", False),
        ("first_line", "a line\nmore", True),
        ("yes_no", "No", False),
        ("yes_no", "No, be", True),
        ("yes_no", "I say no, be", False),
        ("json_key", '{"key": 1} and', True),
        ("exact_text", "a", False),
        ("answer_is", "the answer is B. And", False),
        ("pattern", "verdict: free. And", False),
    ],
)
def test_a_cut_answer_counts_only_where_nothing_could_change_it(name, text, settled):
    parameter = PARAMETERS.get(name, "")
    whole = outcome(name, text, parameter=parameter)
    cut = outcome(name, text, parameter=parameter, cut=True)
    assert whole.label not in (UNPARSED, TRUNCATED)
    assert cut == whole if settled else (cut.label == TRUNCATED and cut.found is None and cut.number is None)


def test_a_cut_answer_without_a_field_is_truncated_and_not_unparsed():
    assert outcome("last_number", "hm", cut=True).label == TRUNCATED
    assert outcome("last_number", "hm").label == UNPARSED


def test_the_first_token_of_a_field_is_the_one_it_begins_in():
    pieces = ["<s>", "It", " is", "", "", "\U0001f600", " 4", "2"]
    special = [True] + [False] * 7
    text = "".join(pieces[1:])
    assert first_token(pieces, special, text.index("42")) == 6
    assert first_token(pieces, special, text.index("\U0001f600")) == 3, "bytes of a character belong to it"
    assert first_token(pieces, special, 0) == 1
    assert first_token(pieces, special, text.index("is")) == 2
    assert first_token(pieces, special, len(text)) == len(pieces)


def test_a_wrong_field_is_answered_with_what_there_is():
    with pytest.raises(BadInput, match="There is no field 'colour'; the fields are: first_line, first_number"):
        extractor("colour")
    with pytest.raises(BadInput, match="'JSON key' needs the name of the key"):
        outcome("json_key", "{}")
    with pytest.raises(BadInput, match="101 characters; at most 100"):
        outcome("json_key", "{}", parameter="k" * 101)
    with pytest.raises(BadInput, match=r"'Meaning .*' is found from many answers together"):
        outcome("meaning", "anything")
    with pytest.raises(BadInput, match="'Own pattern' needs a regular expression"):
        outcome("pattern", "anything")
    with pytest.raises(BadInput, match="distance between meanings is 'far'; it must be a number between 0 and 1"):
        extractor("meaning", "far")
    assert extractor("meaning", "").jointly and extractor("meaning", " 0.2 ").default


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize(
    "unit",
    ["1", "1,", "{", '{"a":', "[", "answer ", "answer is ", "yes ", "\\boxed{", " ", "(A) ", "$ ", "-", "e1", "*"],
)
def test_no_text_makes_an_extractor_run_away(name, unit):
    began = time.perf_counter()
    outcome(name, unit * (40_000 // len(unit)), parameter=PARAMETERS.get(name, ""))
    assert time.perf_counter() - began < 2.0


@pytest.mark.parametrize(
    ("name", "parameter", "early", "more"),
    [
        ("yes_no", "", "No\n", "No\none knows"),
        ("yes_no", "", "Yes\n", "Yes\nand no"),
        ("json_key", "a", '{"a":{"a":2}', '{"a":{"a":2}}'),
    ],
)
def test_what_more_text_could_change_is_not_settled(name, parameter, early, more):
    entry = extractor(name, parameter)
    found = entry.find(early, parameter)
    assert found is None or not entry.settled(early, found)
    later = entry.find(more, parameter)
    assert found is None or later is None or later.label != found.label or later.start != found.start


def test_an_object_that_lies_in_no_other_is_settled():
    entry = extractor("json_key", "a")
    early = '{"a": 2}'
    assert entry.settled(early, entry.find(early, "a"))
    assert outcome("json_key", early, parameter="a", cut=True).label == "2"
