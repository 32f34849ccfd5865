"""Effects of a probe: how often a field changes from one value to another, by how much, and how often by chance alone.

Pure functions over the cells of a probe; every interval comes from one set of resampled runs, so that estimates of
the same runs stay comparable. Does not know models or pages.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.outcomes import TRUNCATED, UNPARSED
from engine.probe import Cell, CellKey, CellKind, ProbePlan

LEVEL = 0.95
RESAMPLES = 2_000
# which rules made an effect: raise it when another number would come out
VERSION = 3
# a mean of fewer runs has no interval: resamples of so few are almost only those few again
LEAST_RUNS = 5
TOO_FEW = f"n below {LEAST_RUNS}"
ALL_EQUAL = "all runs agree"
# codes of labels that are not the field's own text
_MISSING, _CUT, _NOT_FOUND = -3, -2, -1
EffectKind = Literal["total", "direct", "chance", "direct_chance"]


@dataclass(frozen=True)
class Estimate:
    """A mean over n runs with its 95 % interval; None for what does not exist.

    exact: all runs agreed, so that resampling gives no width and the bound of the binomial law stands instead.
    reason: why a value has no interval, as a few words.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    exact: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Effect:
    """What changes from value `source` to value `target`.

    kind: "total" (same luck, the whole answer drawn again), "direct" (same luck, everything up to the field held),
    "chance" (other luck: every run under one value against every other run under the other; source may be target) or
    "direct_chance" (everything up to the field held, other luck behind it: source is target, so that luck is all that
    changes).
    changed: share of runs whose field differs. difference: mean of target minus source, numeric fields only.
    left_out: pairs of answers that say nothing: one was cut off, neither has the field, or (direct) there is no place
    to hold up to. A field that only one of the two has counts as changed.
    """

    kind: EffectKind
    source: int
    target: int
    changed: Estimate
    difference: Estimate
    left_out: int


@dataclass(frozen=True)
class _Column:
    """One answer a run. codes: int64 [runs], equal where labels are; numbers: float64 [runs], NaN for none."""

    codes: np.ndarray
    numbers: np.ndarray

    @property
    def there(self) -> np.ndarray:
        """Which answers are drawn: bool [runs]."""
        return self.codes != _MISSING


def effects(plan: ProbePlan, cells: Iterable[Cell], *, resamples: int = RESAMPLES) -> tuple[Effect, ...]:
    """Every effect that the cells give so far: total and direct for all ordered pairs, chance for all pairs, and
    direct_chance for every value."""
    by_key = {cell.key: cell for cell in cells}
    codes = codes_of(cell.label for cell in by_key.values())
    values = range(len(plan.values))
    weights = resample(plan.runs, resamples)
    runs = [_column([by_key.get(("run", i, v, v)) for i in range(plan.runs)], codes) for v in values]
    found = [_paired("total", a, b, runs[a], runs[b], weights) for a, b in itertools.permutations(values, 2)]
    if plan.direct:
        found += [_held("direct", a, b, plan, by_key, codes, weights) for a, b in itertools.permutations(values, 2)]
    if plan.luck_alone:
        found += [_held("direct_chance", a, a, plan, by_key, codes, weights) for a in values]
    for a in values:
        found += [_chance(a, b, runs[a], runs[b], weights) for b in values if b >= a]
    return tuple(found)


def _held(
    kind: EffectKind,
    a: int,
    b: int,
    plan: ProbePlan,
    by_key: Mapping[CellKey, Cell],
    codes: Mapping[str | None, int],
    weights: np.ndarray,
) -> Effect:
    """Each run under `a` against its answer held up to the field, the rest of which was drawn under `b`."""
    # without a field there is nothing to hold the answer up to
    bases = [_with_field(by_key.get(("run", i, a, a))) for i in range(plan.runs)]
    cell: CellKind = "direct" if kind == "direct" else "luck"
    drawn = [by_key.get((cell, i, a, b)) for i in range(plan.runs)]
    lost = sum(one is not None and base is None for one, base in zip(drawn, bases, strict=True))
    return _paired(kind, a, b, _column(bases, codes), _column(drawn, codes), weights, lost)


def resample(runs: int, resamples: int) -> np.ndarray:
    """How often each run is in each resample of as many runs: float32 [resamples, runs], the same at each call."""
    draws = np.random.default_rng(0).integers(0, runs, size=(resamples, runs))
    counts = np.zeros((resamples, runs), dtype=np.float32)
    np.add.at(counts, (np.arange(resamples)[:, None], draws), 1.0)
    return counts


def mean_with_interval(values: np.ndarray, valid: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Mean of the valid values and the percentile bootstrap's 95 % bounds.

    values, valid: [runs]; weights: [resamples, runs] from `resample`. At least one value must be valid.
    """
    kept = np.where(valid, values, 0.0)
    return float(kept.sum() / valid.sum()), *_bounds(weights @ kept, weights @ valid.astype(np.float32))


def _bounds(sums: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    there = sizes > 0
    low, high = np.quantile(sums[there] / sizes[there], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _share(value: float, low: float, high: float, n: int, trials: int | None = None) -> Estimate:
    """A share; where all agree, the exact binomial bound in place of an interval without width.

    n: runs; trials: independent comparisons among them, by default one a run.
    """
    if 0.0 < value < 1.0:
        return Estimate(value, low, high, n)
    far = ((1 - LEVEL) / 2) ** (1 / (trials or n))
    return Estimate(0.0, 0.0, 1 - far, n, True) if value == 0.0 else Estimate(1.0, far, 1.0, n, True)


def _paired(
    kind: EffectKind, a: int, b: int, one: _Column, other: _Column, weights: np.ndarray, lost: int = 0
) -> Effect:
    there = one.there & other.there
    valid = comparable(one.codes, other.codes)
    changed = difference = Estimate()
    if valid.any():
        differs = (one.codes != other.codes).astype(float)
        changed = _share(*mean_with_interval(differs, valid, weights), int(valid.sum()))
    gaps = other.numbers - one.numbers
    numeric = np.isfinite(gaps) & there
    if numeric.any():
        scale = float(np.abs([one.numbers[numeric], other.numbers[numeric]]).max())
        difference = _mean(*mean_with_interval(gaps, numeric, weights), int(numeric.sum()), scale)
    return Effect(kind, a, b, changed, difference, int((there & ~valid).sum()) + lost)


def _chance(a: int, b: int, one: _Column, other: _Column, weights: np.ndarray) -> Effect:
    """Run i under `a` against run j under `b`, i != j: their noise is independent, as fresh noise would be."""
    apart = ~np.eye(len(one.codes), dtype=bool)
    valid = apart & comparable(one.codes[:, None], other.codes)
    there = apart & one.there[:, None] & other.there
    changed = difference = Estimate()
    if valid.any():
        differs = one.codes[:, None] != other.codes
        runs = _runs_in(valid)
        # a run is part of one independent pair only
        pairs = max(1, runs // 2)
        changed = _share(*_pairs_with_interval(differs.astype(float), valid, weights), runs, pairs)
    if a != b:
        difference = _apart(one.numbers, other.numbers, weights)
    return Effect("chance", a, b, changed, difference, int((there & ~valid).sum()))


def _apart(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> Estimate:
    """Difference of two means, [runs] each, with the interval that it has where the two share no luck."""
    first, second = np.isfinite(one), np.isfinite(other)
    n = int(min(first.sum(), second.sum()))
    if n < 2:
        return Estimate()
    # resamples of the second in reverse order: each run is drawn for itself, and no longer together with its partner
    ones, others = _means(one, first, weights), _means(other, second, weights[::-1])
    low, high = np.nanquantile(others - ones, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    scale = float(max(np.abs(one[first]).max(), np.abs(other[second]).max()))
    return _mean(float(other[second].mean() - one[first].mean()), float(low), float(high), n, scale)


def _mean(value: float, low: float, high: float, n: int, scale: float) -> Estimate:
    """A mean difference; without an interval, and with the reason, where resampling cannot tell how sure it is.

    scale: the largest of the numbers it was made from, beside which a rounding error is nothing.
    """
    if n < LEAST_RUNS:
        return Estimate(value, n=n, reason=TOO_FEW)
    if high - low <= 1e-9 * scale:
        return Estimate(value, n=n, reason=ALL_EQUAL)
    return Estimate(value, low, high, n)


def _means(values: np.ndarray, valid: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean of each resample, NaN for one without a valid value: [resamples]."""
    sizes = weights @ valid.astype(np.float32)
    return np.where(sizes > 0, weights @ np.where(valid, values, 0.0) / np.maximum(sizes, 1.0), np.nan)


def _pairs_with_interval(values: np.ndarray, valid: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Mean over valid pairs, [runs, runs], and its bounds when runs, not pairs, are resampled."""
    kept = np.where(valid, values, 0.0).astype(np.float32)
    mask = valid.astype(np.float32)
    sums, sizes = ((weights @ kept) * weights).sum(1), ((weights @ mask) * weights).sum(1)
    return float(kept.sum(dtype=np.float64) / mask.sum()), *_bounds(sums, sizes)


def _runs_in(valid: np.ndarray) -> int:
    return int(min(valid.any(0).sum(), valid.any(1).sum()))


def codes_of(labels: Iterable[str | None]) -> dict[str | None, int]:
    """A whole number for every label, so that pairs are compared as arrays; None is an answer not drawn yet."""
    fixed: dict[str | None, int] = {None: _MISSING, TRUNCATED: _CUT, UNPARSED: _NOT_FOUND}
    found = (label for label in dict.fromkeys(labels) if label not in fixed)
    return fixed | {label: code for code, label in enumerate(found)}


def comparable(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which labels say anything about each other: both drawn, neither cut off, at least one of them found.

    Codes from `codes_of`, of shapes that broadcast; bool of their common shape.
    """
    return (one > _CUT) & (other > _CUT) & ((one != _NOT_FOUND) | (other != _NOT_FOUND))


def _column(cells: Sequence[Cell | None], codes: Mapping[str | None, int]) -> _Column:
    numbers = [cell.number if cell and cell.number is not None else np.nan for cell in cells]
    labels = [codes[cell.label if cell else None] for cell in cells]
    return _Column(np.array(labels, dtype=np.int64), np.array(numbers, dtype=np.float64))


def _with_field(cell: Cell | None) -> Cell | None:
    return cell if cell and cell.field_at >= 0 else None
