"""A chain comes out of the store as it went in, and one that was never stored is said to be damaged."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from engine import token_scores
from engine.attention_chain import AttentionChain, Confidence
from engine.chain_backtrack import Arc
from engine.chain_settings import ChainSettings
from engine.chain_variants import Variant
from engine.errors import StoreDamaged
from tests.support.bench import ME
from ui.chain_fields import from_plain, settings_of, to_plain
from ui.chain_record import from_stored, to_arrays, to_result, token_scores_of, words_of

KNOWN = Confidence(0.5, 0.25, 0.125, 1e-40, 0.75, 0.8, 0.7, 0.375)
WORDS = {7: b" seven", 300: b"\xf0\x9f", 9: b""}


def chain(**changes) -> AttentionChain:
    whole = AttentionChain(
        (5, 7), (1, 3, 5, 6), np.array([1.75, 0.5, 0.0, 0.0]), np.array([2, 1, 0, 0]),
        np.array([0.25, -0.5, np.nan, np.nan]), (1,), (Arc(5, 3, 0.1 + 0.2, 1), Arc(3, 1, 1.75, 2)),
        (Variant(1, 7, 0.3, 0.4, 0.05), Variant(1, 300, 0.1)), KNOWN,
        {"rauq": np.array([0.5] * 9, dtype=np.float32), "attention_weighted_surprisal": np.full(9, np.nan, np.float32)},
        np.linspace(0, 1, 9), 4, ChainSettings(language="de", extra_stop_words=("Äpfel", "x"), heads=3),
        ("Early.", "two\u2028lines"),
    )  # fmt: skip
    return replace(whole, **changes)


def through_the_store(bench, run, one):
    uid = bench.store.analyses.add(run, "chain", to_plain(one.settings), viewer=ME.name)
    result = to_result(one, "29", WORDS)
    bench.store.analyses.save(uid, viewer=ME.name, arrays=to_arrays(one), status="finished", result=result)
    stored = bench.store.analyses.get(uid, viewer=ME.name)
    return from_stored(stored.header.settings, stored.header.result, stored.arrays, uid), stored.header.result


def same(one, other):
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=True) and one.dtype.kind == other.dtype.kind
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, Confidence | Variant):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"confidence": replace(KNOWN, p_uqac=float("nan"), mean_response=float("nan"))},
        {"variants": (), "arcs": (), "kept": (), "positions": (5, 6), "scores": np.zeros(2), "hops": np.zeros(2, int),
         "similarity": np.full(2, np.nan)},
        {"token_scores": {}, "warnings": ()},
    ],
    ids=["whole", "figures that do not exist", "nothing before the answer", "no scores"],
)  # fmt: skip
def test_a_chain_comes_back_as_it_was(bench, run, changes):
    one = chain(**changes)
    again, result = through_the_store(bench, run, one)
    for field in fields(one):
        assert same(getattr(one, field.name), getattr(again, field.name)), field.name
    assert result["text"] == "29" and words_of(result) == {v.token_id: WORDS[v.token_id] for v in one.variants}


def test_the_comparison_would_notice_a_difference():
    assert not same(chain().similarity, np.zeros(4))
    for name, value in (("kept", (3,)), ("weights", np.zeros(9)), ("confidence", replace(KNOWN, p_uqac=0.3))):
        assert not same(getattr(chain(), name), value), name


@pytest.mark.parametrize("broken", [
    {"scores": np.ones(1)}, {"positions": np.array([1, 3, 5, 900], dtype=np.int32)}, {"weights": np.zeros(1)},
])  # fmt: skip
def test_arrays_that_are_not_of_one_chain_are_damage(broken):
    one = chain()
    stored = to_arrays(one) | broken
    with pytest.raises(StoreDamaged, match="trace the answer again"):
        from_stored(to_plain(one.settings), to_result(one, "x", WORDS), stored, "abc")


def test_scores_from_attention_come_in_the_registrys_order_whatever_the_stores():
    arrays = to_arrays(chain(token_scores={"attention_weighted_surprisal": np.ones(9), "rauq": np.zeros(9)}))
    # one that is no score of attention, as another version may have written it, is not taken for one
    arrays = dict(sorted(arrays.items())) | {"score_surprisal": np.ones(9)}
    names = list(token_scores_of(arrays))
    assert names == ["rauq", "attention_weighted_surprisal"]
    assert [name for name in token_scores.REGISTRY if name in names] == names[:2]


@pytest.mark.parametrize("missing", ["positions", "arcs", "variants", "variant_probabilities", "weights", "kept"])
def test_one_that_lacks_an_array_is_damaged_and_named(missing):
    arrays = {name: values for name, values in to_arrays(chain()).items() if name != missing}
    with pytest.raises(StoreDamaged, match="Analysis abc was begun and no chain was stored"):
        from_stored(to_plain(chain().settings), to_result(chain(), "29", WORDS), arrays, "abc")


@pytest.mark.parametrize("missing", ["span", "confidence", "rows", "warnings"])
def test_one_that_lacks_a_part_of_its_result_is_damaged_too(missing):
    result = {name: value for name, value in to_result(chain(), "29", WORDS).items() if name != missing}
    with pytest.raises(StoreDamaged, match="abc"):
        from_stored(to_plain(chain().settings), result, to_arrays(chain()), "abc")


def test_arrays_of_different_lengths_are_damaged():
    arrays = to_arrays(chain()) | {"arc_weights": np.ones(5)}
    with pytest.raises(StoreDamaged):
        from_stored(to_plain(chain().settings), to_result(chain(), "29", WORDS), arrays, "abc")


def test_settings_come_back_as_they_were_and_what_is_not_known_any_more_is_left_out():
    settings = ChainSettings(language="none", reduction="mean", extra_stop_words=("a", "b"), floor=-0.5)
    assert from_plain(to_plain(settings)) == settings and from_plain(to_plain(settings) | {"colour": 1}) == settings
    assert from_plain({}) == ChainSettings() == settings_of({}, ME)
