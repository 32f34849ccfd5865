"""Which score agrees with people, as JSON: the sorted table of all scores, and one score's curves with its errors.

Pure, from what was submitted, settled and recorded. Agreement among people stands in `session_agreement`, the measures
in `engine.evaluation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.bootstrap import Interval
from engine.errors import BadInput
from engine.evaluation import NO_VALUES, ScoreEvaluation, evaluate, why_undefined
from engine.evaluation_curves import curves as curves_of
from engine.ranking import misplaced
from engine.types import Trace
from storage.annotation_records import FinalRecord, FrozenRun, ItemRecord
from ui.session_agreement import agreement
from ui.session_evidence import Evidence, Place, collect, counted
from ui.session_ratings import Target, read_target
from ui.session_scores import Column, unranked
from ui.session_states import SessionStates
from ui.session_truth import GOLD, positives, read_positive, sides, told, verdicts
from ui.wire import number

__all__ = ["Question", "agreement", "curves", "scores"]

MOST_WRONG = 50
MOST_WRONG_OF_AN_ITEM = 3
PREVIEW_CHARS = 160
# up to so many observations, as many resamples: more observations leave less to chance, and take longer
DRAWS = ((100_000, 500), (500_000, 200))
LEAST_DRAWS = 100
NOTHING = "There are no labels to hold scores against yet: nobody has submitted an item of the work."
NOTHING_LEFT = "What was submitted leaves nothing to hold scores against."
NOT_SETTLED = "There are no final labels yet; settle disputed items first, or choose the majority."
ONE_KIND = {
    "all labels are 0": "All {n} are negative: there is nothing that a score could tell apart.",
    "all labels are 1": "All {n} are positive: there is nothing that a score could tell apart.",
}
LEVEL_WORDS = {"token": "tokens", "span": "spans", "run": "answers", "pair": "pairs"}


@dataclass(frozen=True)
class Question:
    """What is asked. against: "gold", "majority" or a pseudonym; positive: the answer that counts as 1, None for the
    usual one."""

    target: str
    against: str
    positive: str | None = None


def scores(
    found: SessionStates,
    question: Question,
    *,
    items: Sequence[ItemRecord],
    finals: Sequence[FinalRecord],
    trace_of: Callable[[FrozenRun], Trace | None],
) -> dict[str, Any]:
    """The answer to session_scores: one row a score, the largest AUROC first. Raises BadInput for what is not there."""
    target, positive, evidence = _evidence(found, question, items, finals, trace_of)
    rows: list[dict[str, Any]] = []
    why = why_undefined(evidence.labels)
    if not why:
        columns = {one.name: evidence.values[i] for i, one in enumerate(evidence.columns)}
        by_name = {one.name: one for one in evidence.columns}
        draws = next((draws for most, draws in DRAWS if evidence.labels.size <= most), LEAST_DRAWS)
        found_rows = evaluate(evidence.labels, columns, evidence.groups, draws=draws)
        rows = [_row(by_name[one.name], one) for one in found_rows]
        rows += [_row(one, None) for one in unranked()] if target.level == "token" else []
    shared = _shared_reason(rows)
    return {
        "target": question.target, "title": target.title, "against": question.against,
        "againsts": list(sides(found, finals)), "positive": positive, "positive_title": told(target.question, positive),
        "choices": [[value, told(target.question, value)] for value in positives(target.question)],
        "level": target.level, "n": evidence.labels.size, "positives": int(evidence.labels.sum()),
        "items": len(np.unique(evidence.groups)), "rows": rows,
        "reason": " ".join(filter(None, [_reason(why, question, target, evidence), shared])),
    }  # fmt: skip


def curves(
    found: SessionStates,
    question: Question,
    score: str,
    *,
    items: Sequence[ItemRecord],
    finals: Sequence[FinalRecord],
    trace_of: Callable[[FrozenRun], Trace | None],
) -> dict[str, Any]:
    """The answer to session_curves: the curves of one score, and what it gets wrong, worst first."""
    target, positive, evidence = _evidence(found, question, items, finals, trace_of)
    place = next((i for i, one in enumerate(evidence.columns) if one.name == score), None)
    if place is None:
        known = ", ".join(one.name for one in evidence.columns)
        raise BadInput(f"There is no score {score[:60]!a} to hold against {target.title}; there are: {known}.")
    values = evidence.values[place].astype(np.float64)
    drawn = curves_of(evidence.labels, values, evidence.groups)
    return {
        "target": question.target, "against": question.against, "score": score, "positive": positive,
        "level": target.level, "roc": _points(drawn.roc), "risk_coverage": _points(drawn.risk_coverage),
        "best": _points(drawn.best), "base": number(drawn.base),
        "calibration": [
            {"predicted": number(one.predicted), "observed": number(one.observed), "n": one.n}
            for one in drawn.calibration
        ],
        "wrong": _wrong(evidence, evidence.columns[place], values, items, target),
        "reason": _reason(drawn.reason, question, target, evidence),
    }  # fmt: skip


def _evidence(
    found: SessionStates,
    question: Question,
    items: Sequence[ItemRecord],
    finals: Sequence[FinalRecord],
    trace_of: Callable[[FrozenRun], Trace | None],
) -> tuple[Target, str, Evidence]:
    target = read_target(found.schema, question.target)
    positive = read_positive(target.question, question.positive)
    known: dict[str, Trace | None] = {}

    def once(run: FrozenRun) -> Trace | None:
        if run.uid not in known:
            known[run.uid] = trace_of(run)
        return known[run.uid]

    truth = verdicts(found, finals, question.against, target)
    work = [item for item in items if item.part == "work"]
    evidence = collect(target, positive, truth, work, once)
    agreed = len(set(truth) - {final.item for final in finals}) if question.against == GOLD else 0
    if agreed:
        note = f"Counted as gold: {counted(agreed, 'item')} that nobody disputes, beside those that were settled."
        evidence = replace(evidence, notes=(*evidence.notes, note))
    return target, positive, evidence


def _row(column: Column, found: ScoreEvaluation | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": column.name,
        "title": column.title,
        "direction": "low" if column.sign < 0 else "high",
    }
    if found is None:
        nothing = [None, None, None]
        return row | {
            "n": 0, "positives": 0, "items": 0, "auroc": nothing, "ap": nothing, "prr": nothing, "ece": None,
            "spearman": None, "reason": column.reason,
        }  # fmt: skip
    reason = "not recorded with these answers" if found.reason == NO_VALUES else found.auroc.reason or found.reason
    return row | {
        "n": found.n, "positives": found.positives, "items": found.items, "auroc": _triple(found.auroc),
        "ap": _triple(found.average_precision), "prr": _triple(found.prr), "ece": number(found.ece),
        "spearman": number(found.spearman), "reason": reason,
    }  # fmt: skip


def _shared_reason(rows: list[dict[str, Any]]) -> str:
    """What every row with a value says, as a sentence; taken out of the rows, where it would stand forty times."""
    valued = [row for row in rows if row["auroc"][0] is not None]
    said = {row["reason"] for row in valued}
    if len(said) != 1 or said == {""}:
        return ""
    for row in valued:
        row["reason"] = ""
    reason = str(said.pop())
    return f"{reason[0].upper()}{reason[1:]}."


def _triple(found: Interval) -> list[float | int | None]:
    return [number(found.value), number(found.low), number(found.high)]


def _points(points: Sequence[tuple[float, float]]) -> list[list[float | int | None]]:
    return [[number(x), number(y)] for x, y in points]


def _reason(why: str, question: Question, target: Target, evidence: Evidence) -> str:
    """What must be known to read the figures; where there are none, why."""
    if evidence.labels.size == 0:
        # notes are of what was submitted and left out
        first = NOT_SETTLED if question.against == GOLD else NOTHING_LEFT if evidence.notes else NOTHING
        return " ".join([first, *evidence.notes]) if evidence.notes else first
    if why in ONE_KIND:
        only = ONE_KIND[why].format(n=f"{evidence.labels.size:,} {LEVEL_WORDS[target.level]}")
        return " ".join([only, *evidence.notes])
    return " ".join(evidence.notes)


def _wrong(
    evidence: Evidence, column: Column, values: np.ndarray, items: Sequence[ItemRecord], target: Target
) -> list[dict[str, Any]]:
    """Observations that a score puts behind most of the other kind, as many of either; few of one item, so that others
    are seen too."""
    known = np.flatnonzero(~np.isnan(values))
    shares = np.zeros(len(values))
    shares[known] = np.nan_to_num(misplaced(evidence.labels[known], values[known]))
    work = [item for item in items if item.part == "work"]
    chosen: list[int] = []
    for kind in (True, False):
        of_item: dict[int, int] = {}
        mine: list[int] = []
        for i in map(int, np.argsort(-np.where(evidence.labels == kind, shares, 0.0), kind="stable")):
            if shares[i] <= 0.5 or evidence.labels[i] != kind or len(mine) == MOST_WRONG // 2:
                break
            group = int(evidence.groups[i])
            of_item[group] = of_item.get(group, 0) + 1
            mine += [i] if of_item[group] <= MOST_WRONG_OF_AN_ITEM else []
        chosen += mine
    rows = []
    for i in sorted(chosen, key=lambda i: -shares[i]):
        place = evidence.place(i)
        item = work[place.item]
        rows.append({
            "item": item.uid, "place": item.place + 1, "value": number(column.sign * float(values[i])),
            "label": int(evidence.labels[i]), "text": _text(item, place, target), "run": item.runs[place.run].uid,
            "token": place.start if target.level in ("token", "span") else None, "misplaced": number(shares[i]),
        })  # fmt: skip
    return rows


def _text(item: ItemRecord, place: Place, target: Target) -> str:
    run = item.runs[place.run]
    if target.level in ("token", "span"):
        return "".join(run.pieces[place.start : place.stop])[:PREVIEW_CHARS]
    return run.text[:PREVIEW_CHARS]
