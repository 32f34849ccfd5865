"""Answers labelled by their meaning, all of them together: a cluster of embeddings is a label.

Each text is embedded once; while answers still come, new ones go to the nearest group and the groups are made anew when
there are half as many again. Does not know which model embeds, nor why answers are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from engine.clusters import Clusters, cluster

# texts -> unit vectors, float32 [n, d]
Embed = Callable[[Sequence[str]], np.ndarray]

GROWTH = 1.5


class Meanings:
    """The groups of one analysis. always: texts that have a group whether they came or not.

    blank: the label of an empty answer; cut: that of one that did not end; reserved: names that no group may have.
    """

    def __init__(
        self,
        embed: Embed,
        distance: float,
        always: Sequence[str],
        *,
        blank: str,
        cut: str,
        reserved: Sequence[str] = (),
    ) -> None:
        self._embed, self._distance = embed, distance
        self._always = [plain(text) for text in always if plain(text)]
        self._blank, self._cut, self._reserved = blank, cut, frozenset((blank, cut, *reserved))
        # None is an answer that did not end
        self._keys: list[str | None] = []
        self._vectors: dict[str, np.ndarray] = {}
        self._counts: Counter[str] = Counter()
        self._places: dict[str, int] = {}
        self._clusters: Clusters | None = None
        self._grouped_at = -1

    @property
    def taken(self) -> int:
        """How many answers were taken in."""
        return len(self._keys)

    def take(self, texts: Sequence[str | None]) -> None:
        """Take in answers; None for one that did not end."""
        new = [None if text is None else plain(text) for text in texts]
        # before they count: what cannot be embedded is asked for again
        self._know([*self._always, *(key for key in new if key)])
        self._keys += new
        self._counts.update(key for key in new if key)

    def labels(self, *, provisional: bool = False) -> list[str]:
        """The label of each answer, in their order.

        provisional: more will come soon, so that groups may be those of fewer answers.
        """
        count = len(self._keys)
        enough = count < GROWTH * self._grouped_at if provisional else count == self._grouped_at
        if not enough or self._grouped_at < 0:
            self._group()
        return self._named(self._keys)

    def label(self, text: str) -> str:
        """The label of an answer that is not among them: its own group where it has one, else the nearest."""
        key = plain(text)
        if self._grouped_at < 0:
            self._group()
        self._know([key] if key else [])
        return self._named([key])[0]

    def _know(self, keys: Sequence[str]) -> None:
        lacking = list(dict.fromkeys(key for key in keys if key not in self._vectors))
        if lacking:
            self._vectors.update(zip(lacking, self._embed(lacking), strict=True))

    def _group(self) -> None:
        self._know(self._always)
        counts = self._counts + Counter(dict.fromkeys(self._always, 1))
        self._clusters = cluster(counts, self._vectors, self._distance) if counts else None
        self._places = dict(self._clusters.members) if self._clusters else {}
        self._grouped_at = len(self._keys)

    def _named(self, keys: Sequence[str | None]) -> list[str]:
        lacking = list(dict.fromkeys(key for key in keys if key and key not in self._places))
        if lacking and self._clusters is None:
            # everything before was empty or cut
            self._clusters = cluster(dict.fromkeys(lacking, 1), self._vectors, self._distance)
        if lacking and self._clusters is not None:
            rows = np.stack([self._vectors[key] for key in lacking])
            self._places.update(zip(lacking, self._clusters.nearest(rows).tolist(), strict=True))
        names = self._clusters.names if self._clusters else ()
        shown = [f"“{name}”" if name in self._reserved else name for name in names]
        return [self._cut if key is None else shown[self._places[key]] if key else self._blank for key in keys]


def plain(text: str) -> str:
    """A text as it is compared: blanks evened out."""
    return " ".join(text.split())
