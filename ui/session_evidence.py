"""Labels of people beside scores of models, observation by observation: tokens, spans, whole answers, or pairs of them.

Says which observation is of label 1 by what counts as true of each item, and what every score of the registries has
there, turned so that higher means more uncertain. Pure; does not measure anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.label_events import ItemState, grid
from engine.types import Trace
from storage.annotation_records import FrozenRun, ItemRecord
from ui.session_ratings import Target
from ui.session_scores import Column, columns, labelled_part, pair_values, run_values, span_values, token_rows
from ui.session_truth import is_positive

TraceOf = Callable[[FrozenRun], Trace | None]
# lengths of spans that are tried on one stretch of text
LOOKED_AT = 50


@dataclass(frozen=True)
class Place:
    """Where an observation is: tokens start to stop of run `run` of item `item` (its place among those given)."""

    item: int
    run: int
    start: int
    stop: int


@dataclass(frozen=True)
class Evidence:
    """labels: bool [n]; places: int32 [n, 4], item, run, start and stop of each; columns: all scores, with float
    [columns, n] in `values`, infinite where they are; notes: what was left out, as sentences."""

    labels: np.ndarray
    places: np.ndarray
    columns: tuple[Column, ...]
    values: np.ndarray
    notes: tuple[str, ...]

    @property
    def groups(self) -> np.ndarray:
        """The item of each observation: int32 [n]."""
        return np.asarray(self.places[:, 0])

    def place(self, i: int) -> Place:
        """Where observation i is."""
        return Place(*map(int, self.places[i]))


@dataclass
class _Left:
    """What is left out, counted."""

    ties: int = 0
    controls: int = 0
    gone: int = 0
    twofold: int = 0


def collect(
    target: Target,
    positive: str,
    truth: Mapping[str, Sequence[ItemState]],
    items: Sequence[ItemRecord],
    trace_of: TraceOf,
) -> Evidence:
    """All observations of the items that have a verdict, in their order."""
    left, known, lengths = _Left(), columns(target.level), _Lengths(target, truth, items)
    places, labels = [np.zeros((0, 4), np.int32)], [np.zeros(0, dtype=bool)]
    values = [np.zeros((len(known), 0), _precision(target))]
    for at, item in enumerate(items):
        here = _observed(target, positive, truth[item.uid], item, at, lengths, left) if truth.get(item.uid) else []
        if not here:
            continue
        traces = [labelled_part(run, trace_of(run)) for run in item.runs]
        used = {place.run for place, _ in here} if target.level != "pair" else {0, 1}
        left.gone += sum(traces[run] is None for run in used)
        values.append(_values(target, positive, item, traces, [place for place, _ in here]))
        places.append(np.array([(place.item, place.run, place.start, place.stop) for place, _ in here], np.int32))
        labels.append(np.array([label for _, label in here], dtype=bool))
    return Evidence(
        np.concatenate(labels),
        np.concatenate(places),
        known,
        np.concatenate(values, axis=1),
        _notes(left, target, len(labels) > 1),
    )


def _observed(
    target: Target,
    positive: str,
    states: Sequence[ItemState],
    item: ItemRecord,
    at: int,
    lengths: _Lengths,
    left: _Left,
) -> list[tuple[Place, bool]]:
    if target.level in ("run", "pair"):
        return _whole(target, positive, states, item, at, left)
    found = []
    for run, frozen in enumerate(item.runs):
        share = _token_share(target, states, run, len(frozen.pieces))
        if share is None:
            continue
        there = np.ones(len(share), dtype=bool)
        there[list(frozen.special)] = False
        left.controls += len(frozen.special)
        left.ties += int((there & (share == 0.5)).sum())
        if target.level == "token":
            chosen = np.flatnonzero(there & (share != 0.5))
            found += [(Place(at, run, int(i), int(i) + 1), bool(share[i] > 0.5)) for i in chosen]
        else:
            found += _spans(at, run, share, there, lengths)
    return found


def _token_share(target: Target, states: Sequence[ItemState], run: int, tokens: int) -> np.ndarray | None:
    """How many of those who said something gave each token the label: float64 [tokens] from 0 to 1."""
    if target.question is None:
        assert target.label_set is not None
        marks = [grid(state, target.label_set, target.label, run, tokens) > 0 for state in states]
        return np.mean(marks, axis=0)
    said = [state.answers.get(target.question.name) for state in states]
    given = [value for value in said if value is not None]
    if not given or run != 0:
        return None
    return np.mean([np.arange(tokens) == (value if isinstance(value, int) else -1) for value in given], axis=0)


def stretches(mask: np.ndarray) -> list[tuple[int, int]]:
    """The longest runs of True, half-open, from left to right."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


class _Lengths:
    """Lengths of labelled spans, one after another without end, in an order that no text decides."""

    def __init__(self, target: Target, truth: Mapping[str, Sequence[ItemState]], items: Sequence[ItemRecord]) -> None:
        found: list[int] = []
        for item in items if target.level == "span" else ():
            for run, frozen in enumerate(item.runs if truth.get(item.uid) else ()):
                share = _token_share(target, truth[item.uid], run, len(frozen.pieces))
                found += [stop - start for start, stop in stretches(share > 0.5)] if share is not None else []
        self._all = np.random.default_rng(0).permutation(found).tolist()
        self._least = min(found, default=0)
        self._at = 0

    def fitting(self, room: int) -> int | None:
        """The next length that fits into so many tokens; None where none, or none of the next fifty, does."""
        for step in range(min(len(self._all), LOOKED_AT) if room >= self._least else 0):
            length = int(self._all[(self._at + step) % len(self._all)])
            if length <= room:
                self._at += step + 1
                return length
        return None


def _spans(at: int, run: int, share: np.ndarray, there: np.ndarray, lengths: _Lengths) -> list[tuple[Place, bool]]:
    """Labelled spans, and stretches without any label cut to the lengths of labelled ones.

    Of equal lengths, because the largest of many scores is larger than the largest of few whatever they are.
    """
    found = [(Place(at, run, start, stop), True) for start, stop in stretches((share > 0.5) & there)]
    for start, stop in stretches((share < 0.5) & there):
        while (length := lengths.fitting(stop - start)) is not None:
            found.append((Place(at, run, start, start + length), False))
            start += length
    return sorted(found, key=lambda one: one[0].start)


def _whole(
    target: Target, positive: str, states: Sequence[ItemState], item: ItemRecord, at: int, left: _Left
) -> list[tuple[Place, bool]]:
    if target.question is None:
        return _labelled_runs(target, states, item, at, left)
    if (target.level == "pair") != (len(item.runs) == 2):
        left.twofold += 1
        return []
    said = [state.answers.get(target.question.name) for state in states]
    given = [value for value in said if value is not None and not (target.level == "pair" and value == "tie")]
    if not given:
        left.ties += target.level == "pair" and any(value == "tie" for value in said)
        return []
    share = float(np.mean([is_positive(target.question, value, positive) for value in given]))
    if share == 0.5:
        left.ties += 1
        return []
    return [(Place(at, 0, 0, len(item.runs[0].pieces)), share > 0.5)]


def _labelled_runs(
    target: Target, states: Sequence[ItemState], item: ItemRecord, at: int, left: _Left
) -> list[tuple[Place, bool]]:
    """Each run of the item, and whether it has the label anywhere."""
    assert target.label_set is not None
    found = []
    for run, frozen in enumerate(item.runs):
        n = len(frozen.pieces)
        share = float(np.mean([grid(state, target.label_set, target.label, run, n).any() for state in states]))
        if share == 0.5:
            left.ties += 1
        else:
            found.append((Place(at, run, 0, n), share > 0.5))
    return found


def _values(
    target: Target, positive: str, item: ItemRecord, traces: Sequence[Trace | None], places: Sequence[Place]
) -> np.ndarray:
    """Every score at every place: float [columns, n]."""
    if target.level == "pair":
        # the one that is not preferred should be the more uncertain
        other, own = (0, 1) if positive == "b" else (1, 0)
        return pair_values(item.runs[other], traces[other], item.runs[own], traces[own])
    out = np.empty((len(columns(target.level)), len(places)), dtype=_precision(target))
    for run, frozen in enumerate(item.runs):
        mine = [i for i, place in enumerate(places) if place.run == run]
        if not mine:
            continue
        bounds = np.array([(places[i].start, places[i].stop) for i in mine])
        if target.level == "token":
            with np.errstate(over="ignore"):
                out[:, mine] = token_rows(frozen, traces[run])[:, bounds[:, 0]]
        elif target.level == "span":
            out[:, mine] = span_values(frozen, traces[run], bounds)
        else:
            out[:, mine] = run_values(frozen, traces[run])[:, None]
    return out


def _precision(target: Target) -> type[np.floating[Any]]:
    """Tokens are many and recorded so; values of whole answers may be larger than that can hold."""
    return np.float32 if target.level == "token" else np.float64


def _notes(left: _Left, target: Target, observed: bool) -> tuple[str, ...]:
    notes = []
    if target.level == "span" and observed:
        notes.append("Labelled spans are compared with stretches of unlabelled text of the same lengths.")
    if left.ties:
        what = "token" if target.level in ("token", "span") else "item"
        undecided = "without a preference" if target.level == "pair" else "on which as many say yes as no"
        notes.append(f"Left out: {counted(left.ties, what)} {undecided}.")
    if left.gone:
        notes.append(f"Without scores: {counted(left.gone, 'answer')}, deleted or changed since.")
    if left.twofold:
        notes.append(f"Left out: {counted(left.twofold, 'item')} with another number of answers than is asked about.")
    if left.controls and target.level in ("token", "span"):
        notes.append("Control tokens, such as the end of the turn, are not counted.")
    return tuple(notes)


def counted(n: int, what: str) -> str:
    """So many of it, in words that fit."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
