"""How far annotators agree on one target, as JSON: measures with intervals, and pairs of annotators with confusions.

Pure, from what was submitted; a measure that does not exist is null with its reason. The measures themselves stand in
`engine.agreement` and `engine.span_agreement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.agreement import (
    NO_PAIRS,
    ONE_RATER,
    MeasureName,
    Weights,
    confusion,
    fleiss,
    kappa_interval,
    measure,
    measure_units,
    most_rated,
    percent_agreement,
)
from engine.bootstrap import Interval
from engine.label_events import ItemState
from engine.label_types import Question
from engine.span_agreement import gamma, span_f1_of, token_alpha
from ui.session_ratings import (
    Answers,
    Target,
    answers,
    item_grid,
    item_spans,
    label_names,
    raters,
    read_target,
    voices,
    work,
)
from ui.session_states import SessionStates
from ui.wire import number

# a table of more would not be read
MOST_CATEGORIES = 20
MOST_PAIRS = 60
ALPHAS: dict[MeasureName, str] = {
    "alpha_ordinal": "Krippendorff’s alpha, ordinal",
    "alpha_interval": "Krippendorff’s alpha, interval",
    "alpha_nominal": "Krippendorff’s alpha, nominal",
}
NOBODY = "Nobody has submitted an item of the work yet."
ALONE = "One annotator only: agreement needs two people who submitted the same items."
APART = "No item was submitted by two people yet."
MOST_SHARED = "Of {many:,} pairs of annotators the {shown} with most items in common are shown."
NEVER_USED = "There is no item on which two people answered this question, or on which anybody used this label."


def agreement(found: SessionStates, target: str) -> dict[str, Any]:
    """The answer to session_agreement: every measure that fits the target. Raises BadInput for an unknown target."""
    asked = read_target(found.schema, target)
    said = voices(found, asked)
    people = raters(said)
    shared = sum(len(states) > 1 for states in said.values())
    reason = NOBODY if not people else ALONE if len(people) < 2 else "" if shared else APART
    if asked.question is not None:
        table = answers(said, asked.question)
        measures, (pairs, many) = _question_measures(asked.question, table), _question_pairs(asked.question, table)
    else:
        measures, (pairs, many) = _label_measures(asked, found, said), _label_pairs(asked, found, said, people)
    if many > len(pairs):
        reason = MOST_SHARED.format(many=many, shown=len(pairs))
    elif not reason and all(one["value"] is None for one in measures):
        reason = NEVER_USED
    return {
        "target": target, "title": asked.title, "n_items": shared, "raters": list(people), "measures": measures,
        "pairs": pairs, "reason": reason,
    }  # fmt: skip


def _question_measures(question: Question, table: Answers) -> list[dict[str, Any]]:
    names = list(ALPHAS) if question.kind == "likert" else ["alpha_nominal"]
    rows = [_measure(name, ALPHAS[name], measure(name, table.values)) for name in ALPHAS if name in names]
    rows.append(_measure("percent", "Percent agreement", measure("percent", table.values)))
    units = most_rated(table.values)
    why = ONE_RATER if len(table.raters) < 2 else "" if len(units.counts) else NO_PAIRS
    ratings = f" ({int(units.sizes[0])} answers an item)" if len(units.counts) else ""
    rows.append(_measure("fleiss", f"Fleiss’ kappa{ratings}", measure_units(fleiss, units, reason=why)))
    return rows


def _question_pairs(question: Question, table: Answers) -> tuple[list[dict[str, Any]], int]:
    """The rows, and how many pairs there are."""
    there = (~np.isnan(table.values)).astype(np.int64)
    pairs, many = _most_shared(there @ there.T)
    rows = []
    for a, b in pairs:
        one, other = table.values[a], table.values[b]
        both = ~np.isnan(one) & ~np.isnan(other)
        # a scale is wanted whole, of other answers only what one of the two gave
        used = [code for code in table.codes if question.kind == "likert" or code in one[both] or code in other[both]]
        places = np.searchsorted(used, one[both]), np.searchsorted(used, other[both])
        said = (*places, np.arange(both.sum()), used)
        row: dict[str, Any] = {
            "a": table.raters[a], "b": table.raters[b], "n": int(both.sum()),
            "percent": number(percent_agreement([one, other])), "kappa": _kappa(*said),
        }  # fmt: skip
        if question.kind == "likert":
            row["kappa_linear"], row["kappa_quadratic"] = (
                _kappa(*said, "linear"),
                _kappa(*said, "quadratic"),
            )
        rows.append(row | {"confusion": _confusion(table.categories, confusion(one, other, table.codes))})
    return rows, many


def _most_shared(common: np.ndarray) -> tuple[list[tuple[int, int]], int]:
    """The pairs of people with most items in common that a page shows, in the order of people, and how many there are.

    common: int [people, people], how many items both have.
    """
    there = [(int(a), int(b)) for a, b in zip(*np.nonzero(np.triu(common, 1)), strict=True)]
    return sorted(sorted(there, key=lambda pair: -common[pair])[:MOST_PAIRS]), len(there)


def _kappa(
    one: np.ndarray, other: np.ndarray, items: np.ndarray, values: Sequence[float], weights: Weights | None = None
) -> list[float | int | None]:
    """[value, low, high] over items."""
    found = kappa_interval(one, other, items, values, weights)
    return [number(found.value), number(found.low), number(found.high)]


def _label_measures(
    target: Target, found: SessionStates, said: dict[str, dict[str, ItemState]]
) -> list[dict[str, Any]]:
    grids, spans = [], []
    for item in work(found):
        states = list(said[item.uid].values())
        if len(states) > 1:
            grids.append(np.array([item_grid(target, state, item) for state in states], dtype=np.float64))
            spans.append([item_spans(target, state, item) for state in states])
    rows = [_measure("alpha_tokens", "Krippendorff’s alpha over tokens", token_alpha(grids))]
    assert target.label_set is not None
    if target.label_set.unit == "token":
        return [*rows, _measure("f1_tokens", "F1 of labelled tokens", span_f1_of(spans))]
    return [
        *rows,
        _measure("f1_exact", "F1 of spans, exactly the same", span_f1_of(spans)),
        _measure("f1_overlap", "F1 of spans that overlap", span_f1_of(spans, overlap=True)),
        _measure("gamma", "Gamma (Mathet et al.)", gamma(spans)),
    ]


def _label_pairs(
    target: Target, found: SessionStates, said: dict[str, dict[str, ItemState]], people: tuple[str, ...]
) -> tuple[list[dict[str, Any]], int]:
    """Token by token, over all items that both submitted; and how many pairs there are."""
    names, items = label_names(target), work(found)
    there = np.array([[name in said[item.uid] for item in items] for name in people], dtype=np.int64)
    pairs, many = _most_shared(there @ there.T) if len(people) > 1 else ([], 0)
    # everybody's labels once, as small as they can be: pairs are compared one after another
    small = np.min_scalar_type(len(names))
    asked = {name for pair in pairs for name in pair}
    grids = {
        (name, at): item_grid(target, said[item.uid][people[name]], item).astype(small)
        for at, item in enumerate(items) for name in asked if there[name, at]
    }  # fmt: skip
    sizes = np.array([sum(item.tokens) for item in items])
    rows = []
    for a, b in pairs:
        both = np.flatnonzero(there[a] & there[b])
        one, other = (np.concatenate([grids[name, int(at)] for at in both]) for name in (a, b))
        cells = np.bincount(one.astype(np.int64) * len(names) + other, minlength=len(names) ** 2)
        whole = cells.reshape(len(names), len(names))
        kappa = _kappa(one, other, np.repeat(both, sizes[both]), range(len(names)))
        percent = number(np.trace(whole) / whole.sum() if whole.sum() else None)
        row = {"a": people[a], "b": people[b], "n": len(both), "percent": percent}
        rows.append(row | {"kappa": kappa, "confusion": _confusion(names, whole)})
    return rows, many


def _measure(name: str, title: str, found: Interval) -> dict[str, Any]:
    return {
        "name": name, "title": title, "value": number(found.value), "low": number(found.low),
        "high": number(found.high), "n": found.n, "reason": found.reason,
    }  # fmt: skip


def _confusion(categories: tuple[str, ...], counts: np.ndarray) -> dict[str, Any]:
    if len(categories) > MOST_CATEGORIES:
        return {"categories": [], "counts": []}
    return {"categories": list(categories), "counts": counts.tolist()}
