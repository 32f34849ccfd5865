"""How far raters agree beyond chance: Krippendorff's alpha, the kappas of Cohen and Fleiss, percentages, confusions.

Works on numbers: ratings [raters, items], NaN for not rated. A measure that does not exist is NaN, never 0 or 1, and
its interval says why. Does not know schemas, people or texts.
Sources: Krippendorff, Computing Krippendorff's alpha-reliability, 2011; Cohen 1960 and 1968; Fleiss 1971.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from engine.bootstrap import DRAWS, Interval, draw_counts, interval
from engine.errors import BadInput

Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["linear", "quadratic"]
MeasureName = Literal["alpha_nominal", "alpha_ordinal", "alpha_interval", "percent", "fleiss"]
ONE_RATER = "one annotator only"
NO_PAIRS = "no item with labels of two annotators"
ONE_CATEGORY = "one category only"
UNEQUAL = "no item that everybody labelled"
# resampled totals of ordinal and interval values are made in parts of about so many cells
PART = 4_000_000


@dataclass(frozen=True)
class Units:
    """What was said of each item, whoever said it. counts: float64 [items, K]; values: float64 [K], ascending."""

    counts: np.ndarray
    values: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Ratings of each item: float64 [items]."""
        return np.asarray(self.counts.sum(axis=1))

    def only(self, chosen: np.ndarray) -> Units:
        return Units(self.counts[chosen], self.values)


def units(ratings: npt.ArrayLike) -> Units:
    """Counts of each value on each item. Raises BadInput for anything but [raters, items]."""
    table = _table(ratings)
    raters, items = np.nonzero(~np.isnan(table))
    values, codes = np.unique(table[raters, items], return_inverse=True)
    counts = np.zeros((table.shape[1], len(values)))
    np.add.at(counts, (items, codes), 1.0)
    return Units(counts, values)


def krippendorff_alpha(ratings: npt.ArrayLike, level: Level = "nominal") -> float:
    """Alpha over all items with two ratings or more; NaN where nothing varies or nothing can be paired."""
    if level not in get_args(Level):
        raise BadInput(f"There is no level {str(level)[:40]!r}; the levels are: {', '.join(get_args(Level))}.")
    return _once(_alpha(level), _paired(units(ratings)))


def fleiss_kappa(ratings: npt.ArrayLike) -> float:
    """Fleiss' kappa over the items that every rater rated; NaN where there is none or nothing varies."""
    return _once(fleiss, complete(ratings))


def percent_agreement(ratings: npt.ArrayLike) -> float:
    """The share of pairs of ratings that are equal, averaged over the items with two ratings or more; NaN for none."""
    return _once(percent, _paired(units(ratings)))


def cohen_kappa(a: npt.ArrayLike, b: npt.ArrayLike, weights: Weights | None = None) -> float:
    """Cohen's kappa over the items that both rated, [items] each; NaN where chance alone would agree wholly.

    weights: disagreements count by the distance of the two values, or its square, instead of all alike.
    """
    one, other = _both(a, b)
    if one.size == 0:
        return math.nan
    categories = np.unique(np.concatenate([one, other]))
    return kappa_of(confusion(one, other, categories), categories, weights)


def kappa_of(table: npt.ArrayLike, values: npt.ArrayLike, weights: Weights | None = None) -> float:
    """The same of a table of counts [k, k] over categories of these values [k]; NaN for an empty one too."""
    counts, costs = np.asarray(table, dtype=np.float64), _costs(values, weights)
    found = _kappas((counts * costs).sum()[None], counts.sum(axis=1)[None], counts.sum(axis=0)[None], costs)
    return float(found[0])


def kappa_interval(
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    items: npt.ArrayLike,
    values: npt.ArrayLike,
    weights: Weights | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Kappa of two raters, items resampled whole, each with as many ratings as it has.

    one, other: int [n], the places of what either said among the categories' `values`, [k]; items: int [n], the item of
    each rating. Kept as margins, since a table of k x k for every item outgrows any memory.
    """
    a, b = np.asarray(one, dtype=np.int64), np.asarray(other, dtype=np.int64)
    groups = np.unique(np.asarray(items), return_inverse=True)[1]
    costs, n = _costs(values, weights), int(groups.max(initial=-1)) + 1
    differing = np.bincount(groups, costs[a, b], minlength=n)
    rows, columns = (np.bincount(groups * len(costs) + codes, minlength=n * len(costs)) for codes in (a, b))
    margins = [counts.reshape(n, len(costs)).astype(np.float64) for counts in (rows, columns)]
    drawn = np.vstack([np.ones((1, n)), draw_counts(n, draws, seed)])
    found = _kappas(drawn @ differing, drawn @ margins[0], drawn @ margins[1], costs)
    return interval(float(found[0]), found[1:], n, reason=ONE_CATEGORY if n else NO_PAIRS)


def _costs(values: npt.ArrayLike, weights: Weights | None) -> np.ndarray:
    scale = np.asarray(values, dtype=np.float64)
    apart = np.abs(scale[:, None] - scale)
    return np.asarray((apart > 0).astype(float) if weights is None else apart if weights == "linear" else apart**2)


def _kappas(differing: np.ndarray, rows: np.ndarray, columns: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """[d] from the summed costs of each resample [d] and what either said in it, rows and columns [d, k]."""
    # chance would put n_i. n_.j / n into each cell
    expected = ((rows @ costs) * columns).sum(axis=1)
    return 1.0 - _ratio(differing * rows.sum(axis=1), expected)


def confusion(a: npt.ArrayLike, b: npt.ArrayLike, categories: npt.ArrayLike) -> np.ndarray:
    """How often a said the row's category where b said the column's: int64 [k, k]; items that one left out are not
    counted, nor are values that are no category."""
    one, other = _both(a, b)
    names = np.asarray(categories, dtype=np.float64)
    rows, columns = one[:, None] == names, other[:, None] == names
    return np.asarray(rows.astype(np.int64).T @ columns.astype(np.int64))


def disagreement(ratings: npt.ArrayLike, span: float | None = None) -> np.ndarray:
    """Of each item, the share of its pairs of ratings that differ: float64 [items], NaN with fewer than two.

    span: the distance of the two ends of a scale; given that, pairs count by their distance as a share of it.
    """
    table = _table(ratings)
    sums, pairs = np.zeros(table.shape[1]), np.zeros(table.shape[1])
    for first in range(len(table) - 1):
        apart = np.abs(table[first + 1 :] - table[first])
        there = ~np.isnan(apart)
        cost = (apart > 0).astype(float) if span is None else apart / span
        sums += np.where(there, cost, 0.0).sum(axis=0)
        pairs += there.sum(axis=0)
    return np.where(pairs > 0, sums / np.maximum(pairs, 1.0), np.nan)


def measure(name: MeasureName, ratings: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """One measure with its bootstrap interval over the items that count in it, or the reason why there is none."""
    table = _table(ratings)
    found = complete(table) if name == "fleiss" else _paired(units(table))
    return measure_units(MEASURES[name], found, draws=draws, seed=seed, reason=_why_not(table, found))


def measure_units(
    statistic: UnitStatistic, found: Units, *, draws: int = DRAWS, seed: int = 0, reason: str = ""
) -> Interval:
    """The same for counts; `reason` is given where the measure does not exist."""
    items = len(found.counts)
    value = _once(statistic, found)
    if math.isnan(value):
        return Interval(n=items, reason=reason or (ONE_CATEGORY if items else NO_PAIRS))
    return interval(value, statistic(found, draw_counts(items, draws, seed)), items)


UnitStatistic = Callable[[Units, np.ndarray], np.ndarray]


def percent(found: Units, weights: np.ndarray) -> np.ndarray:
    """Percent agreement of each resample of items with two ratings or more; weights [draws, items] -> [draws]."""
    sizes = found.sizes
    shares = (np.square(found.counts).sum(axis=1) - sizes) / (sizes * (sizes - 1.0))
    return _ratio(weights @ shares, weights.sum(axis=1))


def fleiss(found: Units, weights: np.ndarray) -> np.ndarray:
    """Fleiss' kappa of each resample of items of equally many ratings; weights [draws, items] -> [draws]."""
    totals = weights @ found.counts
    by_chance = _ratio(np.square(totals).sum(axis=1), np.square(totals.sum(axis=1)))
    above = percent(found, weights) - by_chance
    return _ratio(above, np.where(_varied(totals), 1.0 - by_chance, 0.0))


def _alpha(level: Level) -> UnitStatistic:
    if level == "nominal":
        return _nominal_alpha
    return lambda found, weights: _scaled_alpha(found, weights, level == "ordinal")


def _nominal_alpha(found: Units, weights: np.ndarray) -> np.ndarray:
    sizes = found.sizes
    differing = (np.square(sizes) - np.square(found.counts).sum(axis=1)) / (sizes - 1.0)
    return nominal_alpha(differing, found.counts, weights)


def nominal_alpha(differing: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Alpha from each item's share of what it is made of: [draws].

    differing: float64 [items], ordered pairs of unlike ratings over (ratings - 1), summed over the item's units;
    counts: [items, K], pairable ratings of each category; weights: [draws, items].
    """
    totals = weights @ counts
    n = totals.sum(axis=1)
    expected = _ratio(np.square(n) - np.square(totals).sum(axis=1), n - 1.0)
    return 1.0 - _ratio(weights @ differing, np.where(_varied(totals), expected, 0.0))


def _scaled_alpha(found: Units, weights: np.ndarray, ordinal: bool) -> np.ndarray:
    """Alpha with squared distances of values or, where ordinal, of mid-ranks among all ratings of the resample.

    Krippendorff's ordinal distance, the ratings between two values and half of those at each, is that of mid-ranks.
    """
    rows = max(1, PART // max(1, len(found.counts)))
    parts = [_scaled_part(found, weights[at : at + rows], ordinal) for at in range(0, len(weights), rows)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _scaled_part(found: Units, weights: np.ndarray, ordinal: bool) -> np.ndarray:
    counts, sizes = found.counts, found.sizes
    totals = weights @ counts
    n = totals.sum(axis=1)
    scale = np.cumsum(totals, axis=1) - totals / 2.0 if ordinal else np.broadcast_to(found.values, totals.shape)
    # about the mean, or large values would take the digits of small differences
    scale = scale - _ratio((totals * scale).sum(axis=1), n, 0.0)[:, None]
    within = sizes[:, None] * (counts @ np.square(scale).T) - np.square(counts @ scale.T)
    observed = (weights.T * within / (sizes - 1.0)[:, None]).sum(axis=0)
    expected = _ratio(n * (totals * np.square(scale)).sum(axis=1), n - 1.0)
    return 1.0 - _ratio(observed, np.where(_varied(totals), expected, 0.0))


MEASURES: Mapping[MeasureName, UnitStatistic] = {
    "alpha_nominal": _alpha("nominal"),
    "alpha_ordinal": _alpha("ordinal"),
    "alpha_interval": _alpha("interval"),
    "percent": percent,
    "fleiss": fleiss,
}


def complete(ratings: npt.ArrayLike) -> Units:
    """The items that every rater rated, where they are two or more; none otherwise."""
    table, found = _table(ratings), units(ratings)
    return found.only((found.sizes == len(table)) & (len(table) > 1))


def most_rated(ratings: npt.ArrayLike) -> Units:
    """The items with the largest number of ratings that an item has, two or more: what Fleiss' kappa can be taken of
    where each item went to some of the raters only."""
    found = units(ratings)
    most = found.sizes.max(initial=0.0)
    return found.only((found.sizes == most) & (most > 1))


def _paired(found: Units) -> Units:
    return found.only(found.sizes > 1)


def _once(statistic: UnitStatistic, found: Units) -> float:
    return float(statistic(found, np.ones((1, len(found.counts))))[0])


def _varied(totals: np.ndarray) -> np.ndarray:
    return np.asarray((totals > 0).sum(axis=-1) > 1)


def _ratio(above: np.ndarray, below: np.ndarray, otherwise: float = math.nan) -> np.ndarray:
    """above / below, and `otherwise` where below is not positive."""
    there = below > 0
    return np.where(there, above / np.where(there, below, 1.0), otherwise)


def _why_not(table: np.ndarray, found: Units) -> str:
    if (~np.isnan(table)).any(axis=1).sum() < 2:
        return ONE_RATER
    if not len(found.counts):
        return UNEQUAL if (~np.isnan(table)).sum(axis=0).max(initial=0) > 1 else NO_PAIRS
    return ONE_CATEGORY


def _both(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if one.ndim != 1 or one.shape != other.shape:
        raise BadInput(f"Two raters must have rated the same items; their ratings are {one.shape} and {other.shape}.")
    known = ~(np.isnan(one) | np.isnan(other))
    return one[known], other[known]


def _table(ratings: npt.ArrayLike | Sequence[Sequence[float | None]]) -> np.ndarray:
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2:
        raise BadInput(f"Ratings must be one row a rater and one column an item; these have {table.ndim} dimensions.")
    return table
