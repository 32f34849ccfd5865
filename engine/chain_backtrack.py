"""From an answer back through attention: which earlier tokens it rests on, hop by hop.

After UQAC (Li et al., arXiv 2503.19168, section 3). Asks for input rows by position and knows which tokens carry no
meaning; does not know networks, probabilities or texts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

MOST_ROUNDS = 1_000
ROWS_A_STEP = 16


@dataclass(frozen=True)
class Arc:
    """The token at `source` rests on the one at `target`, an earlier one, with this weight. hop: from 1 at the answer.

    Positions are absolute.
    """

    source: int
    target: int
    weight: float
    hop: int


@dataclass(frozen=True)
class Hop:
    """What one round found: tokens with their scores, and the arcs that led there."""

    number: int
    found: dict[int, float]
    arcs: tuple[Arc, ...]


@dataclass
class Backtrack:
    """A walk from answer positions (absolute, ascending) to where nothing new is found.

    row(j): float [j + 1], the input row of position j. first: where the response begins. skipped: positions of tokens
    without meaning. The rest: see `ChainSettings`. chain: position -> score, the answer's own 0; visited: rows that
    were looked at.
    """

    row: Callable[[int], np.ndarray]
    answer: tuple[int, ...]
    first: int
    skipped: Collection[int]
    most_a_round: int
    threshold: float
    minimum: int
    scan_depth: int
    chain: dict[int, float] = field(default_factory=dict)
    visited: int = 0

    def hops(self) -> Iterator[Hop | None]:
        """Every round that found something, in order; None between rows, where there is time to stop."""
        self.chain = dict.fromkeys(self.answer, 0.0)
        sources, done = {a - 1 for a in self.answer}, set[int]()
        enough = self.minimum + len(self.answer)
        for number in range(1, MOST_ROUNDS + 1):
            if not sources:
                return
            done |= sources
            gathered: dict[int, float] = {}
            arcs: list[Arc] = []
            # the row before the response sees nothing of it
            rows = tuple(sorted(j for j in sources if j >= self.first))
            self.visited += len(rows)
            for i, j in enumerate(rows, 1):
                self._scan(j, number, done, enough, gathered, arcs)
                if i % ROWS_A_STEP == 0:
                    yield None
            chosen = self._chosen(gathered, enough)
            self.chain.update(chosen)
            sources = {k - 1 for k in chosen}
            if chosen:
                yield Hop(number, chosen, tuple(arc for arc in arcs if arc.target in chosen))

    def _scan(
        self, j: int, number: int, done: set[int], enough: int, gathered: dict[int, float], arcs: list[Arc]
    ) -> None:
        """Walk the keys of one row, strongest first."""
        row = self.row(j)
        for rank, key in enumerate(np.argsort(-row, kind="stable").tolist()):
            if rank >= self.scan_depth and (any(v > 0 for v in gathered.values()) or len(self.chain) >= enough):
                return
            if key == j or key - 1 in done or key < self.first or key in self.skipped:
                continue
            weight = float(row[key])
            if weight <= 0:
                # nor does anything behind it get any
                return
            gathered[key] = gathered.get(key, 0.0) + weight
            arcs.append(Arc(j + 1, key, weight, number))

    def _chosen(self, gathered: dict[int, float], enough: int) -> dict[int, float]:
        chosen: dict[int, float] = {}
        for key, score in sorted(gathered.items(), key=lambda item: -item[1])[: self.most_a_round]:
            known = len(self.chain) + len(chosen)
            if score <= 0 or (score < self.threshold and known >= enough):
                break
            chosen[key] = score
        return chosen
