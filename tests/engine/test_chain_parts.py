"""The parts of a chain by rows and numbers made by hand: the walk back, the filter, the substitutes, products."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.attention_chain import _kept
from engine.attention_scores import AttentionReading, middle_layers, rauq, recurrent_confidence
from engine.chain_backtrack import Backtrack, Hop
from engine.chain_settings import ChainSettings
from engine.chain_variants import CLAMP, candidates, product

FIRST = 2


def walk(rows, answer, *, skipped=(), most=3, threshold=0.5, minimum=5, depth=5):
    """A walk over rows {position: {key: weight}}; where none is given nothing is attended to."""

    def row(j):
        weights = np.zeros(j + 1)
        for key, weight in rows.get(j, {}).items():
            weights[key] = weight
        return weights

    found = Backtrack(row, answer, FIRST, skipped, most, threshold, minimum, depth)
    return found, [hop for hop in found.hops() if hop is not None]


def test_one_looks_from_the_row_before_a_token_and_goes_on_from_the_row_before_what_was_found():
    walked, hops = walk({19: {12: 0.9, 7: 0.6}, 11: {5: 0.8}, 6: {3: 0.7}}, (20,))
    assert walked.chain == {20: 0.0, 12: 0.9, 7: 0.6, 5: 0.8, 3: 0.7}
    assert [sorted(hop.found) for hop in hops] == [[7, 12], [3, 5]]
    assert {(arc.source, arc.target, arc.weight, arc.hop) for hop in hops for arc in hop.arcs} == {
        (20, 12, 0.9, 1), (20, 7, 0.6, 1), (12, 5, 0.8, 2), (7, 3, 0.7, 2),
    }  # fmt: skip
    # rows 19, 11 and 6, then those before what was found last: 4 and 2
    assert walked.visited == 5


def test_what_several_rows_give_adds_up_and_only_the_strongest_are_taken():
    rows = {18: {10: 0.4, 8: 0.3, 6: 0.2, 4: 0.1}, 19: {10: 0.4, 8: 0.3, 6: 0.3}}
    _, hops = walk(rows, (19, 20), most=2)
    assert hops[0].found == pytest.approx({10: 0.8, 8: 0.6})
    assert {arc.target for arc in hops[0].arcs} == {10, 8}


def test_prompt_stop_words_itself_and_tokens_that_were_looked_from_are_passed_over():
    rows = {20: {1: 0.9, 20: 0.9, 19: 0.9, 9: 0.8, 15: 0.7, 5: 0.6}, 14: {9: 0.9, 4: 0.5}}
    walked, _ = walk(rows, (19, 21), skipped={9})
    # row 18, which predicts 19, was looked from in the same round
    assert walked.chain == {19: 0.0, 21: 0.0, 15: 0.7, 4: 0.5}
    walked, _ = walk(rows, (19, 21), skipped={9}, depth=7)
    assert walked.chain == {19: 0.0, 21: 0.0, 15: 0.7, 5: 0.6, 4: 0.5}


def test_a_weak_token_ends_the_walk_only_once_the_chain_is_long_enough():
    rows = {19: {12: 0.3}, 11: {8: 0.2}, 7: {5: 0.1}}
    assert set(walk(rows, (20,))[0].chain) == {20, 12, 8, 5}
    assert set(walk(rows, (20,), minimum=1)[0].chain) == {20, 12}
    assert set(walk(rows, (20,), minimum=1, threshold=0.15)[0].chain) == {20, 12, 8}


def test_keys_beyond_the_scan_are_looked_at_only_while_nothing_was_found():
    rows = {19: {17: 0.9, 15: 0.8, 13: 0.7, 11: 0.6, 9: 0.5, 7: 0.4}}
    words = {17, 15, 13, 11, 9}
    assert set(walk(rows, (20,), skipped=words)[0].chain) == {20, 7}
    # the fifth is found, so that the sixth is not looked at
    assert set(walk(rows, (20,), skipped=words - {9}, most=10)[0].chain) == {20, 9}


def test_a_long_way_back_is_followed_to_its_beginning():
    rows = {j: {j - 1: 0.9} for j in range(4, 100)}
    walked, hops = walk(rows, (100,))
    assert len(hops) > 20 and min(walked.chain) < 6
    assert all(isinstance(hop, Hop) and hop.number == i for i, hop in enumerate(hops, 1))


def test_nothing_attended_to_is_nothing_found():
    walked, hops = walk({}, (20,))
    assert walked.chain == {20: 0.0} and hops == []


def test_the_nearest_tokens_are_kept_in_the_order_of_the_text():
    similarity = np.array([0.2, 0.9, -0.1, 0.5, np.nan])
    assert _kept((3, 5, 7, 9, 11), similarity, ChainSettings(similar=2)) == (5, 9)
    assert _kept((3, 5, 7, 9, 11), similarity, ChainSettings()) == (3, 5, 9)
    assert _kept((3, 5, 7, 9, 11), similarity, ChainSettings(floor=-1.0)) == (3, 5, 7, 9)


def test_the_tokens_own_ids_are_dropped_after_the_largest_were_chosen():
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    logprobs = np.log([[0.6, 0.3, 0.005], [0.5, 0.4, 0.1]])
    found = candidates((0, 1), np.array([1, 5]), ids, logprobs, more=1)
    # of three candidates in all, the largest, two are the text's own
    assert [(one.position, one.token_id) for one in found] == [(1, 4)]
    found = candidates((0, 1), np.array([1, 5]), ids, logprobs)
    assert [(one.position, one.token_id) for one in found] == [(1, 4), (0, 2), (1, 6)], "0.005 is too unlikely"
    assert [one.probability for one in found] == pytest.approx([0.5, 0.3, 0.1])
    assert [one.token_id for one in candidates((0,), np.array([9]), ids, logprobs, top=1)] == [1]


def test_a_product_counts_no_probability_below_the_smallest():
    assert product([]) == 1.0
    assert product([0.5, 0.25]) == pytest.approx(0.125)
    assert product([0.5, 0.0]) == pytest.approx(0.5 * CLAMP) and pytest.approx(1e-12) == CLAMP


def test_the_middle_third_decides_and_in_it_the_least_sure_layer():
    assert list(middle_layers(30)) == list(range(10, 21)) and list(middle_layers(3)) == [1, 2]
    surprisal = np.array([0.1, 1.0, 2.0])
    low, high = np.full((2, 3), 0.1), np.full((2, 3), 0.9)
    reading = AttentionReading(surprisal, np.stack([high, low]), np.ones(3))
    p = np.exp(-surprisal)
    assert rauq(reading) == pytest.approx(recurrent_confidence(p, low[0]))
    expected = [p[0], 0.5 * p[1] + 0.05 * p[0]]
    assert rauq(reading)[:2] == pytest.approx(expected) and not math.isclose(expected[1], p[1])
