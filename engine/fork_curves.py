"""Where an answer forks: how its outcome would be distributed had generation started again before each token.

Knows branches, their probabilities and the labels drawn for each; does not know models, texts or how labels are found.
Source: Bigelow et al., "Forking Paths in Neural Text Generation", arXiv 2412.07961 (outcome distributions o_t and
o_{t,w}, section 2); the backward recursion is the law of total probability at temperature 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from engine.errors import BadInput
from engine.outcomes import TRUNCATED, UNPARSED

Estimator = Literal["recursion", "every-branch"]
OTHER = "Other"
# a continuation that was stopped when its outcome was decided, read by an extractor that cannot tell yet
UNFINISHED = "unfinished"
# labels that are no answers, in the order in which they come last
NO_ANSWERS = (OTHER, UNPARSED, UNFINISHED, TRUNCATED)
RARE = 0.01
# a label that was drawn once only has to make up this much somewhere: draws in proportion to the probability of their
# branch weigh about RARE each
RARE_ONCE = 0.05
MOST_LABELS = 40


@dataclass(frozen=True)
class Branches:
    """n branches (t, w) of one answer, ordered by position, with what their roll-outs came to.

    positions, token_ids: int64 [n]; probabilities: float64 [n], of the token at temperature 1; is_base: bool [n], the
    answer's own token; counts: float64 [n, K], draws of each label, all 0 where nothing was drawn; certain: bool [n],
    the outcome is known without drawing and `counts` says it once; labels: K names.
    """

    positions: np.ndarray
    token_ids: np.ndarray
    probabilities: np.ndarray
    is_base: np.ndarray
    counts: np.ndarray
    certain: np.ndarray
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def draws(self) -> np.ndarray:
        """Draws of each branch: float64 [n]."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def shares(self) -> np.ndarray:
        """p~_t(w), the probability among the branches of a position: float64 [n]."""
        kept = dict(zip(*kept_mass(self), strict=True))
        return np.asarray(self.probabilities / np.array([kept[t] for t in self.positions]))

    def only(self, chosen: np.ndarray) -> Branches:
        """The branches of these indices."""
        return Branches(
            self.positions[chosen],
            self.token_ids[chosen],
            self.probabilities[chosen],
            self.is_base[chosen],
            self.counts[chosen],
            self.certain[chosen],
            self.labels,
        )

    def at(self, position: int) -> np.ndarray:
        """Indices of a position's branches."""
        return (self.positions == position).nonzero()[0]


@dataclass(frozen=True)
class OutcomeCurve:
    """o_t: the distribution of outcomes before token t is chosen.

    positions: int64 [n]; labels: K names; probabilities: float64 [n, K]; kept_mass: float64 [n], in (0, 1]; end:
    float64 [K], the distribution behind the last position, of which the last base token is the cause.
    """

    positions: np.ndarray
    labels: tuple[str, ...]
    probabilities: np.ndarray
    kept_mass: np.ndarray
    end: np.ndarray


def outcome_curve(
    branches: Branches | Sequence[Mapping[str, Any]],
    *,
    estimator: Estimator = "recursion",
    labels: Sequence[str] | None = None,
) -> OutcomeCurve:
    """The curve of a set of branches, which may be records as `branches_of` takes them.

    "recursion": o_t = p~_t(x*_t) o_{t+1} + the sum over alternates, from the base branch's own outcomes at the last
    position backwards; draws of other base branches are not used. "every-branch": o_t = the sum over all branches.
    Raises BadInput where an estimator lacks draws or positions that it needs.
    """
    table = branches if isinstance(branches, Branches) else branches_of(branches, labels)
    chances = frequencies(table)
    positions, kept = kept_mass(table)
    values, end = _curve(table, chances[None], estimator)
    return OutcomeCurve(positions, table.labels, values[0], kept, end[0])


def branches_of(records: Iterable[Mapping[str, Any]], labels: Sequence[str] | None = None) -> Branches:
    """Branches from records with position, token_id, probability, is_base, outcomes (a list of labels).

    certain (optional): the outcome is known, not drawn. labels: their order; by default that of first appearance, with
    those that are no answers last. With labels given, any other outcome counts as Other, which must be among them.
    Raises BadInput for a position without or with several base tokens, a token twice, or chances that are none.
    """
    rows = sorted(records, key=lambda record: (int(record["position"]), not record["is_base"]))
    if not rows:
        raise BadInput("There are no branches: a forking analysis needs at least the answer's own tokens.")
    names = tuple(labels) if labels is not None else _in_order(label for row in rows for label in row["outcomes"])
    place = {name: index for index, name in enumerate(names)}
    counts = np.zeros((len(rows), len(names)))
    for index, row in enumerate(rows):
        for label in row["outcomes"]:
            found = place.get(label, place.get(OTHER))
            if found is None:
                raise BadInput(f"The outcome {str(label)[:40]!r} is none of the labels: add it, or 'Other'.")
            counts[index, found] += 1
    table = Branches(
        np.array([int(row["position"]) for row in rows], dtype=np.int64),
        np.array([int(row["token_id"]) for row in rows], dtype=np.int64),
        np.array([float(row["probability"]) for row in rows]),
        np.array([bool(row["is_base"]) for row in rows]),
        counts,
        np.array([bool(row.get("certain", False)) for row in rows]),
        names,
    )
    _check(table)
    return table


def kept_mass(branches: Branches) -> tuple[np.ndarray, np.ndarray]:
    """The positions, int64 [T], and m_t of each, float64 [T]: the probability of all its branches together."""
    positions, place = np.unique(branches.positions, return_inverse=True)
    return positions, np.bincount(place, weights=branches.probabilities)


def common_labels(
    records: Iterable[Mapping[str, Any]], *, estimator: Estimator = "recursion", below: float = RARE
) -> tuple[str, ...]:
    """The labels of records, as `branches_of` takes them, that are worth a place of their own; Other for the rest.

    What `without_rare` says of their curve, decided without a table of all labels: where every continuation says
    something else, that would be larger than the memory.
    """
    places: dict[int, list[Mapping[str, Any]]] = {}
    for record in records:
        places.setdefault(int(record["position"]), []).append(record)
    ordered = [row for t in sorted(places) for row in sorted(places[t], key=lambda row: not row["is_base"])]
    names = _in_order(label for row in ordered for label in row["outcomes"])
    index = {name: i for i, name in enumerate(names)}
    now, most, drawn = np.zeros(len(names)), np.zeros(len(names)), np.zeros(len(names))
    for t in sorted(places, reverse=True):
        kept = sum(float(row["probability"]) for row in places[t])
        for row in sorted(places[t], key=lambda row: not row["is_base"]):
            found = np.array([index[label] for label in row["outcomes"]], dtype=np.int64)
            # what is known without drawing is no chance find
            np.add.at(drawn, found, 2.0 if row.get("certain", False) else 1.0)
            share = float(row["probability"]) / kept
            if row["is_base"]:
                if t == max(places) or estimator == "every-branch":
                    now = np.bincount(found, minlength=len(names)) / max(len(found), 1)
                    most = np.maximum(most, now) if t == max(places) else most
                now = share * now
            else:
                np.add.at(now, found, share / max(len(found), 1))
        most = np.maximum(most, now)
    keep = _worth_a_place(names, most, drawn, below)
    rest = len(keep) < len(names) or OTHER in names
    return _in_order([*(names[i] for i in keep), *([OTHER] if rest else [])])


def without_rare(branches: Branches, curve: OutcomeCurve, *, below: float = RARE) -> Branches:
    """The same branches with labels that stay below this share all along the curve counted as Other.

    So are those that one continuation alone came to, below RARE_ONCE, and all but the MOST_LABELS most frequent ones.
    Decided once for the whole answer; what could not be read or was cut off is never folded into an answer.
    """
    most = np.vstack([curve.probabilities, curve.end]).max(axis=0)
    drawn = branches.counts.sum(axis=0) + branches.counts[branches.certain].sum(axis=0)
    keep = _worth_a_place(branches.labels, most, drawn, below)
    rest = [i for i in range(len(branches.labels)) if i not in set(keep)]
    if not rest or (len(rest) == 1 and branches.labels[rest[0]] == OTHER):
        return branches
    names = [branches.labels[i] for i in keep]
    counts = np.column_stack([branches.counts[:, keep], branches.counts[:, rest].sum(axis=1)])
    order = [names.index(name) if name != OTHER else len(keep) for name in _in_order([*names, OTHER])]
    return replace(branches, counts=counts[:, order], labels=_in_order([*names, OTHER]))


def _worth_a_place(names: Sequence[str], most: np.ndarray, drawn: np.ndarray, below: float) -> list[int]:
    """Indices of the labels to keep, in order, but for Other. most: the greatest share of each; drawn: how often."""
    # shares are sums, which come out beside a limit that they are equal to
    enough = most >= np.where(drawn <= 1.0, max(below, RARE_ONCE), below) - 1e-12
    answers = [i for i, name in enumerate(names) if name not in NO_ANSWERS and enough[i]]
    answers = sorted(answers, key=lambda i: -most[i])[:MOST_LABELS]
    return sorted([*answers, *(i for i, name in enumerate(names) if name in NO_ANSWERS and name != OTHER)])


def _curve(branches: Branches, chances: np.ndarray, estimator: Estimator) -> tuple[np.ndarray, np.ndarray]:
    """Curves [B, T, K] and ends [B, K] from chances o_{t,w} [B, n, K]."""
    if estimator not in get_args(Estimator):
        raise BadInput(f"The estimator {estimator!r} is unknown; use one of {', '.join(get_args(Estimator))}.")
    check_estimator(branches, estimator)
    positions = np.unique(branches.positions)
    shares = branches.shares
    last = int(positions[-1])
    values = np.empty((len(chances), len(positions), chances.shape[2]))
    after = end = chances[:, base_at(branches, last)]
    for row in range(len(positions) - 1, -1, -1):
        here = branches.at(int(positions[row]))
        weights, outcomes = shares[here], chances[:, here]
        if estimator == "recursion":
            outcomes = np.where(branches.is_base[here][None, :, None], after[:, None], outcomes)
        after = values[:, row] = np.einsum("w,bwk->bk", weights, outcomes)
    return values, end


def check_estimator(branches: Branches, estimator: Estimator) -> None:
    """BadInput where an estimator lacks draws, or positions in between."""
    positions = np.unique(branches.positions)
    missing = (branches.draws == 0).nonzero()[0]
    if estimator == "recursion":
        if len(positions) != positions[-1] - positions[0] + 1:
            raise BadInput(
                "The recursion needs every position between the first and the last one; some are missing here. Analyse "
                "them too, or choose the estimator every-branch."
            )
        last = base_at(branches, int(positions[-1]))
        missing = missing[~branches.is_base[missing] | (missing == last)]
    if len(missing):
        where, token = int(branches.positions[missing[0]]), int(branches.token_ids[missing[0]])
        raise BadInput(f"Nothing was drawn for token id {token} at position {where}: draw continuations of it first.")


def base_at(branches: Branches, position: int) -> int:
    """Index of the base branch at a position."""
    return int((branches.is_base & (branches.positions == position)).nonzero()[0][0])


def frequencies(branches: Branches) -> np.ndarray:
    """Shares of the labels among the draws of each branch: float64 [n, K], zeros where nothing was drawn."""
    return np.asarray(branches.counts / np.maximum(branches.draws, 1.0)[:, None])


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Each label once, as they appear; those that are no answers last."""
    last = {name: place for place, name in enumerate(NO_ANSWERS, 1)}
    return tuple(sorted(dict.fromkeys(labels), key=lambda name: last.get(name, 0)))


def _check(branches: Branches) -> None:
    chances = branches.probabilities
    if not ((chances > 0.0) & (chances <= 1.0 + 1e-6)).all():
        raise BadInput("The probability of a branch must be above 0 and at most 1.")
    for position in np.unique(branches.positions):
        here = branches.at(int(position))
        if branches.is_base[here].sum() != 1:
            raise BadInput(f"Position {position} has {int(branches.is_base[here].sum())} base tokens; it needs one.")
        if len(set(branches.token_ids[here].tolist())) != len(here):
            raise BadInput(f"Position {position} has the same token twice.")
        if chances[here].sum() > 1.0 + 1e-3:
            raise BadInput(f"The probabilities at position {position} add up to {chances[here].sum():.4f}.")
