"""How far people agree on where labels lie: alpha over tokens, F1 of spans, and gamma where its package is installed.

Items are resampled whole. Does not know schemas or texts; labels are any names.
Sources: Krippendorff 2011; Hripcsak and Rothschild 2005 (F1 as agreement); Mathet, Widlöcher and Métivier 2015 (gamma).
"""

from __future__ import annotations

import importlib.util
import logging
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from engine.agreement import NO_PAIRS, ONE_CATEGORY, Units, nominal_alpha, units
from engine.bootstrap import DRAWS, Interval, draw_counts, interval

NO_SPANS = "no spans"
NOT_INSTALLED = "not installed (pip install pygamma-agreement)"
GAMMA_ITEMS = 40
GAMMA_SAMPLES = 30
GAMMA_PACKAGE = "pygamma_agreement"
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, order=True)
class Span:
    """A label on tokens start to stop, half-open."""

    start: int
    stop: int
    label: str = ""


# what each rater marked on one item, None for one who did not have it
ItemSpans = Sequence[Iterable[Span] | None]


def token_alpha(grids: Sequence[np.ndarray], *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Krippendorff's nominal alpha over the tokens of all items.

    grids: per item float [raters, tokens], one number a category, a row of NaN for a rater who did not have the item.
    """
    found = [pairable for grid in grids if len((pairable := _pairable(grid)).counts)]
    if not found:
        return Interval(reason=NO_PAIRS)
    values = np.unique(np.concatenate([one.values for one in found]))
    differing, counts = np.zeros(len(found)), np.zeros((len(found), len(values)))
    for row, one in enumerate(found):
        sizes = one.sizes
        differing[row] = ((np.square(sizes) - np.square(one.counts).sum(axis=1)) / (sizes - 1.0)).sum()
        counts[row, np.searchsorted(values, one.values)] = one.counts.sum(axis=0)
    value = float(nominal_alpha(differing, counts, np.ones((1, len(found))))[0])
    samples = nominal_alpha(differing, counts, draw_counts(len(found), draws, seed))
    return interval(value, samples, len(found), reason=ONE_CATEGORY)


def span_f1(a: Iterable[Span], b: Iterable[Span], overlap: bool = False) -> float:
    """2 x matched / (spans of a + spans of b) on one item; NaN where neither marked anything.

    A match has the same label and the same tokens or, with overlap, at least one token in common; each span is matched
    once at most, by the matching with most matches.
    """
    one, other = sorted(set(a)), sorted(set(b))
    return 2.0 * _matched(one, other, overlap) / (len(one) + len(other)) if one or other else math.nan


def span_f1_of(items: Sequence[ItemSpans], overlap: bool = False, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The same over all pairs of raters and all items that both had: matches and spans are summed, then divided."""
    matched, spans = [], []
    for item in items:
        had = [sorted(set(one)) for one in item if one is not None]
        if len(had) > 1:
            matched.append(sum(_matched(one, other, overlap) for one, other in combinations(had, 2)))
            spans.append(sum(len(one) + len(other) for one, other in combinations(had, 2)))
    if not matched:
        return Interval(reason=NO_PAIRS)
    weights = np.vstack([np.ones(len(matched), dtype=np.int32), draw_counts(len(matched), draws, seed)])
    above, below = 2.0 * (weights @ np.array(matched)), weights @ np.array(spans)
    values = np.where(below > 0, above / np.maximum(below, 1), np.nan)
    return interval(float(values[0]), values[1:], len(matched), reason=NO_SPANS)


def gamma_installed() -> bool:
    """Whether the optional package is there; looking costs nothing, loading it takes some seconds."""
    return importlib.util.find_spec(GAMMA_PACKAGE) is not None


def gamma(items: Sequence[ItemSpans], *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Mathet's gamma of each item, averaged by the number of spans; of up to 40 items, a sample where there are more.

    Items that nobody marked have none. About a quarter of a second an item.
    """
    shared = [[sorted(set(one)) for one in item if one is not None] for item in items]
    shared = [item for item in shared if len(item) > 1]
    marked = [item for item in shared if any(item)]
    if not marked:
        return Interval(n=len(shared), reason=NO_SPANS if shared else NO_PAIRS)
    if not gamma_installed():
        return Interval(n=len(shared), reason=NOT_INSTALLED)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(marked))[:GAMMA_ITEMS])
    values = np.array([_gamma(marked[at], seed) for at in chosen])
    sizes = np.array([float(sum(map(len, marked[at]))) for at in chosen])
    weights = np.vstack([np.ones(len(chosen), dtype=np.int32), draw_counts(len(chosen), draws, seed)])
    means = (weights @ (values * sizes)) / (weights @ sizes)
    return interval(float(means[0]), means[1:], len(chosen))


def _gamma(raters: Sequence[Sequence[Span]], seed: int) -> float:
    from pyannote.core import Segment
    from pygamma_agreement import CombinedCategoricalDissimilarity, Continuum

    continuum = Continuum()
    for place, spans in enumerate(raters):
        continuum.add_annotator(f"A{place:03d}")
        for span in spans:
            continuum.add(f"A{place:03d}", Segment(span.start, span.stop), span.label)
    with _own_generator(seed):
        found = continuum.compute_gamma(CombinedCategoricalDissimilarity(), n_samples=GAMMA_SAMPLES)
    return float(found.gamma)


@contextmanager
def _own_generator(seed: int) -> Iterator[None]:
    """The package draws from numpy's common generator, and warns of a solver with every alignment: one caller at a
    time, the generator put back as it was, and nobody else's messages kept from them."""
    with _ONE_AT_A_TIME:
        state = np.random.get_state()
        logging.root.addFilter(_not_of_the_package)
        try:
            np.random.seed(seed)
            yield
        finally:
            np.random.set_state(state)
            logging.root.removeFilter(_not_of_the_package)


def _not_of_the_package(record: logging.LogRecord) -> bool:
    # it has no logger of its own, so it is told by its files
    return record.levelno >= logging.ERROR or GAMMA_PACKAGE not in Path(record.pathname).parts


def _matched(one: Sequence[Span], other: Sequence[Span], overlap: bool) -> int:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not overlap:
        return len(set(one) & set(other))
    if not one or not other:
        return 0
    a, b = (np.array([(span.start, span.stop) for span in spans]) for spans in (one, other))
    same = np.array([span.label for span in one])[:, None] == np.array([span.label for span in other])
    meets = same & (np.maximum(a[:, None, 0], b[:, 0]) < np.minimum(a[:, None, 1], b[:, 1]))
    return int((maximum_bipartite_matching(csr_array(meets), perm_type="column") >= 0).sum())


def _pairable(grid: np.ndarray) -> Units:
    found = units(np.asarray(grid, dtype=np.float64))
    return found.only(found.sizes > 1)
