"""Where an answer stands: what the rules find is mapped to exactly the tokens that hold it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.answer_span import NOT_FOUND, check_span, find_answers
from engine.errors import BadInput
from engine.scoring import score_tokens
from engine.testing import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model(context_length=4096)


@pytest.fixture(scope="module")
def write(model):
    """A text as tokens: pairs of letters where there are any, single bytes else."""
    return lambda text: score_tokens(model, [65], model.encode(text))


def by_way(trace):
    return {one.way: one for one in find_answers(trace)}


def held(trace, span):
    return b"".join(trace.token_bytes[int(i)] for i in trace.token_ids[span.start : span.stop]).decode()


@pytest.mark.parametrize(
    ("text", "way", "found"),
    [
        (r"So \boxed{29} it is", "boxed", "29"),
        (r"First \boxed{1}, no: \boxed{\frac{a}{b^{2}}}.", "boxed", r"\frac{a}{b^{2}}"),
        (r"$$\boxed{ x = \{1, 2\} }$$", "boxed", r"x = \{1, 2\}"),
        (r"\boxed{7} and then \boxed{8", "boxed", "7"),
        ("3 boxes, 12 each\n36 - 7 = 29 pencils.\n\n", "last_line_number", "29"),
        ("9\nThe total is 1,234.50 dollars", "last_line_number", "1,234.50"),
        ("Thus -4", "last_line_number", "-4"),
        ("I think that the answer is Paris. It is big.", "answer_is", "Paris"),
        ("Answer: 42 apples", "answer_is", "42"),
        ("The answer is 12, which is the product of 3 and 4.", "answer_is", "12"),
        ("The answer is 20 apples left", "answer_is", "20"),
        ("The answer is 3/4.", "answer_is", "3/4"),
        ("The answer is 36 - 14 = 22.", "answer_is", "36 - 14 = 22"),
        ("The answer is 2x + 1.", "answer_is", "2x + 1"),
        ("The answer is 3 or 4.", "answer_is", "3 or 4"),
        ("The answer is 3, 4 and 5.", "answer_is", "3, 4 and 5"),
        ("The answer is 2024-05-06.", "answer_is", "2024-05-06"),
        ("The answer is 5 million euros.", "answer_is", "5 million euros"),
        ("The answer is room 12 of the house", "answer_is", "room 12 of the house"),
        ("Well, the answer is (C).", "choice_letter", "C"),
        ("Looking at them, I choose option: **B**", "choice_letter", "B"),
    ],
)  # fmt: skip
def test_an_answer_is_found_where_it_stands(write, text, way, found):
    trace = write(text)
    span = by_way(trace)[way]
    assert span.text == found
    assert found in held(trace, span) and len(held(trace, span)) <= len(found) + 2
    start = len("".join(trace.pieces[: span.start]))
    assert start <= text.rindex(found) < start + 2 and span.label


def test_the_most_explicit_answer_comes_first_and_each_place_once(write):
    trace = write("The answer is 12.\nSo \\boxed{12} and 12 it is")
    assert [one.way for one in find_answers(trace)] == ["boxed", "answer_is", "last_line_number"]
    trace = write("We get \\boxed{12}")
    assert [one.way for one in find_answers(trace)] == ["boxed"], "the last number is the same place"


def test_a_number_above_the_last_line_is_no_answer_of_the_last_line(write):
    assert "last_line_number" not in by_way(write("There are 12.\nThat is all of them."))


def test_characters_of_many_bytes_do_not_shift_what_is_found(write):
    for before in ("Ä", "€uro ", "数学 ", "👩‍👩‍👧 ok ", "naïve Σ≠∑ "):
        text = f"{before}so \\boxed{{29}} 👍"
        trace = write(text)
        span = by_way(trace)["boxed"]
        assert held(trace, span) == "29", before


def test_tokens_that_hold_part_of_a_character_belong_to_it(write):
    """The byte model spells € with three tokens, of which none is a character."""
    trace = write("the answer is €5.\n")
    span = by_way(trace)["answer_is"]
    assert span.text == "€5" and held(trace, span) == "€5" and span.stop - span.start == 4
    trace = write("it holds that \\boxed{数学}")
    span = by_way(trace)["boxed"]
    assert span.stop - span.start == 6 and held(trace, span) == "数学"
    assert span.stop == len(trace) - 1


def test_half_a_character_at_the_end_does_no_harm(model):
    ids = [*model.encode("\\boxed{5} then "), 0xE2, 0x82]
    trace = score_tokens(model, [65], ids)
    assert held(trace, by_way(trace)["boxed"]) == "5"


def test_a_token_that_holds_more_than_the_answer_is_taken_whole(write):
    trace = write("the answer is nate")  # "at" may be one token
    span = by_way(trace)["answer_is"]
    assert "nate" in held(trace, span)
    pieces = [len(piece) for piece in trace.pieces]
    assert max(pieces) == 2, "pairs of letters are tokens here"


def test_control_tokens_are_no_part_of_what_is_read(model):
    end = 256
    ids = [*model.encode("so \\boxed{5"), end, *model.encode("7}"), end]
    trace = score_tokens(model, [65], ids)
    span = by_way(trace)["boxed"]
    assert span.text == "57" and trace.pieces[span.start] == "5" and trace.pieces[span.stop - 1] == "7"
    assert span.stop < len(trace)


@pytest.mark.parametrize("text", ["no answer here", "many words.\nand more", "\\boxed{", "\\boxed{}", "\n\n", "€"])
def test_nothing_found_is_nothing_said(write, text):
    assert find_answers(write(text)) == ()
    assert "Select the tokens of the answer yourself." in NOT_FOUND


def test_an_answer_that_nothing_stands_before_is_not_offered(write):
    assert find_answers(write("42")) == ()


def test_a_chosen_span_keeps_its_text(write):
    trace = write("so \\boxed{29}")
    span = by_way(trace)["boxed"]
    chosen = check_span(trace, (span.start, span.stop))
    assert (chosen.start, chosen.stop, chosen.text) == (span.start, span.stop, "29")


@pytest.mark.parametrize("span", [(3, 3), (5, 2), (0, 4), (-1, 4), (3, 99)])
def test_a_chosen_span_that_makes_no_sense_is_refused(write, span):
    with pytest.raises(BadInput, match=r"^The answer (is empty|begins with the first token|begins at|ends at).*\.$"):
        check_span(write("so it is 29"), span)


def test_spans_of_any_text_lie_inside_the_response(write):
    rng = np.random.default_rng(0)
    parts = ["\\boxed{", "}", "the answer is ", "29", "€", "\n", " (B)", "Answer: A", ". ", "-", "$", "👍", "at", "{"]
    found = 0
    for _ in range(60):
        trace = write("x" + "".join(rng.choice(parts, 9)))
        for span in find_answers(trace):
            found += 1
            assert 0 < span.start < span.stop <= len(trace)
            assert span.text in held_loosely(trace, span)
    assert found > 60


def held_loosely(trace, span):
    return b"".join(trace.token_bytes[int(i)] for i in trace.token_ids[span.start : span.stop]).decode(
        "utf-8", "replace"
    )
