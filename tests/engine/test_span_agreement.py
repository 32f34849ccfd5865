"""Agreement on where labels lie: tokens and spans, by hand, by every matching, and by the package where it is there."""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time

import numpy as np
import pytest

from engine import span_agreement
from engine.agreement import NO_PAIRS, ONE_CATEGORY, krippendorff_alpha
from engine.span_agreement import (
    NO_SPANS,
    NOT_INSTALLED,
    Span,
    gamma,
    gamma_installed,
    span_f1,
    span_f1_of,
    token_alpha,
)
from tests.engine.resampling import bootstrap

NAN = math.nan


def grids(seed, items=12, raters=3, tokens=20):
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(items):
        truth = rng.integers(0, 3, tokens)
        grid = np.where(rng.random((raters, tokens)) < 0.7, truth, rng.integers(0, 3, (raters, tokens))).astype(float)
        grid[rng.integers(0, raters)] = NAN
        out.append(grid)
    return out


def spans(seed, count=6, length=30, labels="ab"):
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, length, count)
    return [Span(int(s), int(s + rng.integers(1, 6)), labels[rng.integers(0, len(labels))]) for s in starts]


def best_matching(one, other):
    """The most pairs that overlap with one label, by trying every assignment."""

    def fits(a, b):
        return a.label == b.label and max(a.start, b.start) < min(a.stop, b.stop)

    short, long_ = sorted((sorted(set(one)), sorted(set(other))), key=len)
    return max(
        sum(fits(a, b) for a, b in zip(short, chosen, strict=True))
        for chosen in itertools.permutations(long_, len(short))
    )


@pytest.mark.parametrize("seed", range(4))
def test_token_alpha_is_alpha_over_all_tokens_of_all_items(seed):
    found = token_alpha(grids(seed), draws=50)
    assert found.value == pytest.approx(krippendorff_alpha(np.hstack(grids(seed))), abs=1e-12)
    assert found.n == 12 and found.low < found.value < found.high


def test_token_alpha_draws_items_not_tokens():
    # every token of an item alike: as many independent values as items, so an interval as wide as theirs
    rng = np.random.default_rng(0)
    said = rng.integers(0, 2, (2, 30)).astype(float)
    by_item = bootstrap(krippendorff_alpha, said, draws=300)
    found = token_alpha([np.repeat(said[:, [i]], 50, axis=1) for i in range(30)], draws=300)
    assert found.high - found.low == pytest.approx(by_item.high - by_item.low, rel=0.05)


def test_token_alpha_takes_items_of_any_length_and_leaves_out_what_one_rater_had():
    full = grids(0)
    alone = np.vstack([np.ones((1, 9)), np.full((2, 9), NAN)])
    assert token_alpha([*full, alone, np.zeros((3, 0))], draws=50) == token_alpha(full, draws=50)


def test_token_alpha_without_pairs_or_variance_is_undefined():
    assert token_alpha([]).reason == NO_PAIRS
    assert token_alpha([np.vstack([np.ones((1, 9)), np.full((1, 9), NAN)])]).reason == NO_PAIRS
    flat = token_alpha([np.zeros((2, 9))] * 6)
    assert math.isnan(flat.value) and flat.reason == ONE_CATEGORY and flat.n == 6


def test_span_f1_exact_and_overlapping_by_hand():
    a = [Span(0, 3, "x"), Span(5, 8, "x"), Span(10, 12, "y")]
    b = [Span(0, 3, "x"), Span(6, 9, "x"), Span(10, 12, "x"), Span(20, 21, "y")]
    assert span_f1(a, b) == pytest.approx(2 * 1 / 7) and span_f1(a, b, overlap=True) == pytest.approx(2 * 2 / 7)
    assert span_f1(b, a) == span_f1(a, b) and span_f1(a, a) == 1.0
    assert span_f1(a, []) == 0.0 and span_f1(a, [], overlap=True) == 0.0
    assert math.isnan(span_f1([], [])) and span_f1([*a, *a], a) == 1.0


def test_spans_that_only_touch_do_not_overlap_and_one_long_span_matches_once():
    assert span_f1([Span(0, 3)], [Span(3, 5)], overlap=True) == 0.0
    assert span_f1([Span(0, 30)], [Span(i, i + 2) for i in range(0, 30, 3)], overlap=True) == pytest.approx(2 / 11)


@pytest.mark.parametrize("seed", range(12))
def test_overlapping_spans_are_matched_by_the_best_matching(seed):
    one, other = spans(seed), spans(seed + 100, count=5)
    expected = 2 * best_matching(one, other) / (len(set(one)) + len(set(other)))
    assert span_f1(one, other, overlap=True) == pytest.approx(expected)


def test_span_f1_over_items_sums_before_it_divides():
    items = [(spans(i), spans(i + 50), None if i % 2 else spans(i + 90)) for i in range(10)]
    for overlap in (False, True):
        pairs = [(a, b) for item in items for a, b in itertools.combinations([s for s in item if s is not None], 2)]
        sizes = [len(set(a)) + len(set(b)) for a, b in pairs]
        expected = sum(span_f1(a, b, overlap) * size for (a, b), size in zip(pairs, sizes, strict=True)) / sum(sizes)
        found = span_f1_of(items, overlap)
        assert found.value == pytest.approx(expected) and found.n == 10
    assert found.low < found.value < found.high


def test_span_f1_without_pairs_or_spans_is_undefined():
    assert span_f1_of([]).reason == NO_PAIRS and span_f1_of([(spans(0), None)]).reason == NO_PAIRS
    nothing = span_f1_of([([], [])] * 6)
    assert math.isnan(nothing.value) and nothing.reason == NO_SPANS and nothing.n == 6
    # items that nobody marked count as items, not as disagreement
    same = [Span(0, 2), Span(3, 4)]
    assert span_f1_of([(same, same)] * 3 + [([], [])] * 3).value == 1.0


def test_without_its_package_gamma_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(span_agreement.importlib.util, "find_spec", lambda name: None)
    found = gamma([(spans(0), spans(1))])
    assert math.isnan(found.value) and found.reason == NOT_INSTALLED


def test_gamma_of_items_that_nobody_marked_is_no_number():
    nothing = gamma([([], [])] * 6)
    assert math.isnan(nothing.value) and math.isnan(nothing.low) and nothing.reason == NO_SPANS and nothing.n == 6


def test_gamma_quiets_its_package_only_and_gives_the_generator_back_one_caller_at_a_time(caplog):
    # the package logs as nobody in particular: only the file tells it
    warn = compile("logging.warning('a solver is missing')", "/lib/pygamma_agreement/continuum.py", "exec")
    before, inside = np.random.get_state()[1].copy(), []

    def call(name):
        with span_agreement._own_generator(0):
            inside.append(name)
            first = np.random.random()
            time.sleep(0.02)
            inside.append(name)
            exec(warn, {"logging": logging})
            logging.warning("heard %s", first)

    threads = [threading.Thread(target=call, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside[::2] == inside[1::2] and len(inside) == 8
    assert (np.random.get_state()[1] == before).all()
    assert len(caplog.messages) == 4 and len(set(caplog.messages)) == 1 and caplog.messages[0].startswith("heard")
    exec(warn, {"logging": logging})
    assert caplog.messages[-1] == "a solver is missing" and not logging.root.filters


needs_gamma = pytest.mark.skipif(
    not gamma_installed(), reason="pygamma-agreement is not installed (see requirements-extras.txt)"
)


@needs_gamma
def test_gamma_is_one_for_the_same_spans_falls_with_shifts_and_leaves_the_generator_alone():
    one = [Span(0, 4, "a"), Span(10, 14, "b"), Span(30, 36, "a")]
    near = [Span(s.start + 1, s.stop + 1, s.label) for s in one]
    far = [Span(s.start + 3, s.stop + 5, "ab"[i % 2]) for i, s in enumerate(one)]
    before = np.random.get_state()[1].copy()
    same, shifted, apart = (gamma([(one, other)]) for other in (one, near, far))
    assert same.value == pytest.approx(1.0) and same.value > shifted.value > apart.value
    assert (np.random.get_state()[1] == before).all()
    assert gamma([(one, near)]) == shifted


@needs_gamma
def test_gamma_is_that_of_the_package_averaged_over_spans():
    from pyannote.core import Segment
    from pygamma_agreement import CombinedCategoricalDissimilarity, Continuum

    items, expected, sizes = [(spans(i), spans(i + 50)) for i in range(6)], [], []
    for item in items:
        continuum = Continuum()
        for name, marked in zip(("A000", "A001"), item, strict=True):
            for span in set(marked):
                continuum.add(name, Segment(span.start, span.stop), span.label)
        np.random.seed(0)
        expected.append(continuum.compute_gamma(CombinedCategoricalDissimilarity(), n_samples=30).gamma)
        sizes.append(sum(len(set(marked)) for marked in item))
    found = gamma(items)
    assert found.value == pytest.approx(np.average(expected, weights=sizes), abs=1e-6) and found.n == 6


@needs_gamma
def test_gamma_of_nothing_is_undefined():
    assert gamma([([], [])]).reason == NO_SPANS and gamma([(spans(0), None)]).reason == NO_PAIRS
    assert math.isfinite(gamma([(spans(0), [])]).value)
