"""A position's row leaves out itself and the sink, damps near keys, and lets the most focused heads speak."""

from __future__ import annotations

import numpy as np
import pytest

from engine.input_rows import DAMPING, FLOOR, damp, input_row
from tests.support.slow_chain import slow_row


def attention(heads, keys, seed=0, sharp=3.0):
    """Rows of [heads, keys] that add up to 1, some much more focused than others."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((heads, keys)) * np.linspace(0.1, sharp, heads)[:, None]
    weights = np.exp(scores)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("keys", [1, 2, 3, 5, 10, 11, 12, 40])
@pytest.mark.parametrize(("heads", "reduction"), [(16, "max"), (16, "mean"), (1, "max"), (100, "mean")])
def test_rows_are_those_of_the_formula_written_out(keys, heads, reduction):
    weights = attention(24, keys)
    row = input_row(weights, heads, reduction)
    assert row.shape == (keys,)
    np.testing.assert_allclose(row, slow_row(weights, heads, reduction), atol=1e-6)


def test_the_position_itself_and_the_sink_are_left_out():
    weights = attention(24, 40)
    row = input_row(weights)
    assert row[0] == 0 and row[-1] == 0 and (row[1:-1] > 0).all()
    assert (weights[:, [0, -1]] > 0).all(), "the control: they had weight"


def test_without_the_rule_of_the_sink_the_row_is_another():
    """A control: a first key that takes almost everything would drown the rest."""
    weights = attention(24, 40)
    weights[:, 0] = 9.0
    weights /= weights.sum(axis=1, keepdims=True)
    kept = weights.copy()
    kept[:, -1] = 0
    assert kept.max(axis=0).argmax() == 0
    row = input_row(weights)
    assert row[0] == 0 and row.max() > 0.2
    np.testing.assert_allclose(row, input_row(attention(24, 40)), atol=1e-5)


def test_keys_nearby_are_damped_by_their_distance_and_no_others():
    weights = np.full((2, 40), 1 / 40)
    damped = damp(weights)
    np.testing.assert_allclose(damped[:, 39 - np.arange(1, 11)] * 40, np.tile(DAMPING, (2, 1)))
    np.testing.assert_allclose(damped[:, 1:29], weights[:, 1:29])
    assert list(DAMPING) == sorted(DAMPING) and len(DAMPING) == 10
    assert (weights == 1 / 40).all(), "what was given stays as it was"


def test_undamped_rows_differ(monkeypatch):
    """A control."""
    weights = attention(24, 40)
    with_damping = input_row(weights)
    monkeypatch.setattr("engine.input_rows.DAMPING", (1.0,) * 10)
    assert np.abs(input_row(weights) - with_damping).max() > 0.05


def test_only_the_most_focused_heads_speak():
    sharp, flat = np.full((3, 60), 1e-9), np.full((40, 60), 1 / 60)
    sharp[[0, 1, 2], [10, 20, 30]] = 1.0
    row = input_row(np.concatenate([flat, sharp]), heads=3)
    assert set(np.flatnonzero(row > 0.5)) == {10, 20, 30}
    assert row[15] < 1e-6, "a flat head says nothing here"
    assert input_row(np.concatenate([flat, sharp]), heads=43)[15] > 0.01, "the control: all heads"


def test_rows_are_not_made_to_add_up_to_one():
    row = input_row(attention(64, 40))
    assert row.sum() > 1.2 and row.max() <= 1.0
    assert input_row(attention(64, 40), reduction="mean").sum() == pytest.approx(1.0, abs=1e-4)


def test_a_row_with_nothing_to_look_at_is_empty_rather_than_broken():
    for keys in (1, 2):
        assert not input_row(attention(4, keys)).any() or keys == 2
    np.testing.assert_array_equal(input_row(np.array([[1.0]])), [0.0])
    np.testing.assert_array_equal(input_row(np.array([[1.0, 0.0]])), [0.0, 0.0])
    assert FLOOR < 1e-9
