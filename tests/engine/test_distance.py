"""Distances between answers, by hand."""

import math
import time

from hypothesis import given
from hypothesis import strategies as st

from engine.distance import (
    MOST_COMPARISONS,
    common_prefix,
    percentile,
    same_row_agreement,
    text_distance,
    token_distance,
)


def test_edit_distance_is_divided_by_the_longer_text():
    assert text_distance("kitten", "sitting") == 3 / 7 and text_distance("", "") == 0 and text_distance("", "ab") == 1
    assert token_distance([1, 2, 3], [1, 3]) == 1 / 3 and token_distance([], []) == 0


@given(st.text(), st.text())
def test_distance_is_symmetric_bounded_and_zero_only_for_equal_texts(a, b):
    assert text_distance(a, b) == text_distance(b, a) and 0 <= text_distance(a, b) <= 1
    assert (text_distance(a, b) == 0) == (a == b)


def test_texts_of_any_length_keep_nobody_waiting():
    """What would take minutes, in which nothing else runs, is unknown; equal texts are equal at any length."""
    long, other = "ab" * 2_000_000, "ba" * 2_000_000
    assert math.isnan(text_distance(long, other)) and text_distance(long, "ab" * 2_000_000) == 0
    assert text_distance(long, "ab") == 1 - 2 / len(long), "a long one and a short one are compared"
    assert math.isnan(token_distance([1, 2] * 100_000, [2, 1] * 100_000))
    just = math.isqrt(MOST_COMPARISONS)
    began = time.thread_time()
    assert 0 < text_distance(("abcd" * just)[:just], ("dcab" * just)[:just]) < 1
    assert time.thread_time() - began < 5


def test_where_answers_part_and_what_they_share():
    assert common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2 and common_prefix([1, 2], [1, 2, 3]) == 2
    # rows 0, 2 and 3 were drawn in both; the forced token (row -1) does not count
    assert same_row_agreement([7, 8, 9, 6], [0, 1, 2, 3], [7, 5, 9, 1], [0, -1, 2, 3]) == (2, 3)


def test_ties_count_half_in_a_percentile():
    assert percentile(0.5, [0.1, 0.5, 0.5, 0.9]) == 0.5 and percentile(0.0, [0.1]) == 0 and percentile(1.0, [0.1]) == 1
    assert math.isnan(percentile(0.3, []))


def test_tokens_that_stand_by_intervention_in_both_answers_share_no_row():
    assert same_row_agreement([7, 8, 9], [0, -1, 2], [7, 8, 5], [0, -1, 2]) == (1, 2)
    assert same_row_agreement([8], [-1], [8], [-1]) == (0, 0)
