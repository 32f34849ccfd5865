"""The draws of a forking analysis as they are kept: whole continuations, so that any extractor can read them again.

Arrays that only grow, in the order in which draws came to their end; labels are made from them and never stored alone.
Does not know the model: it carries the bytes of every token that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from engine.outcomes import outcome
from engine.rollouts import Ending, Rollout

ENDINGS: tuple[Ending, ...] = get_args(Ending)
Key = tuple[int, int, int]


@dataclass
class ForkDraws:
    """Continuations by (position, token id, draw). words: id -> bytes; control: ids that are no part of the text."""

    base_ids: tuple[int, ...]
    words: dict[int, bytes]
    control: frozenset[int]
    rollouts: list[Rollout] = field(default_factory=list)
    known: set[Key] = field(default_factory=set)
    _read: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(self, rollouts: Iterable[Rollout]) -> None:
        """Take in draws that came to their end; one that is there already stays as it is."""
        for one in rollouts:
            key = (one.position, one.token_id, one.draw)
            if key not in self.known:
                self.known.add(key)
                self.rollouts.append(one)

    def missing(self, position: int, token_id: int, count: int) -> list[range]:
        """Which of the first `count` draws of a branch are not there, as ranges in order."""
        absent = [draw for draw in range(count) if (position, token_id, draw) not in self.known]
        found: list[range] = []
        for draw in absent:
            if found and found[-1].stop == draw:
                found[-1] = range(found[-1].start, draw + 1)
            else:
                found.append(range(draw, draw + 1))
        return found

    def text(self, one: Rollout) -> str:
        """The whole response of a draw, without control tokens."""
        return self.text_of((*self.base_ids[: one.position], one.token_id, *one.ids))

    def text_of(self, ids: Iterable[int]) -> str:
        raw = b"".join(self.words.get(i, b"") for i in ids if i not in self.control)
        return raw.decode("utf-8", "replace")

    def labels(self, extractor: str, parameter: str = "") -> Sequence[str]:
        """What each draw came to, in their order; read once. Raises BadInput for an unknown extractor."""
        read = self._read.setdefault((extractor, parameter), [])
        for one in self.rollouts[len(read) :]:
            read.append(label(self.text(one), one.ending, extractor, parameter))
        return read


def label(text: str, ending: Ending, extractor: str, parameter: str) -> str:
    """What a response came to; one that hit the length limit counts only if nothing could have followed."""
    return outcome(extractor, text, parameter=parameter, cut=ending != "stop").label


def to_arrays(draws: ForkDraws) -> dict[str, np.ndarray]:
    """The draws as arrays: one row a continuation, ids end to end with the place where each begins; bytes likewise."""
    rollouts = draws.rollouts
    lengths = [len(one.ids) for one in rollouts]
    word_ids = sorted(draws.words)
    sizes = [len(draws.words[i]) for i in word_ids]
    return {
        "base_ids": np.array(draws.base_ids, dtype=np.int32),
        "position": np.array([one.position for one in rollouts], dtype=np.int32),
        "token_id": np.array([one.token_id for one in rollouts], dtype=np.int32),
        "draw": np.array([one.draw for one in rollouts], dtype=np.int32),
        "ending": np.array([ENDINGS.index(one.ending) for one in rollouts], dtype=np.int32),
        "close": np.array([one.close for one in rollouts], dtype=np.int32),
        "start": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "ids": np.array([i for one in rollouts for i in one.ids], dtype=np.int32),
        "word_id": np.array(word_ids, dtype=np.int32),
        "word_start": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        "word_bytes": np.frombuffer(b"".join(draws.words[i] for i in word_ids), dtype=np.uint8),
        "control": np.array(sorted(draws.control), dtype=np.int32),
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> ForkDraws:
    """The draws that `to_arrays` wrote."""
    raw, cuts = arrays["word_bytes"].tobytes(), arrays["word_start"].tolist()
    words = {int(i): raw[a:b] for i, a, b in zip(arrays["word_id"], cuts[:-1], cuts[1:], strict=True)}
    draws = ForkDraws(tuple(arrays["base_ids"].tolist()), words, frozenset(arrays["control"].tolist()))
    ids, starts = arrays["ids"].tolist(), arrays["start"].tolist()
    columns = (arrays[name].tolist() for name in ("position", "token_id", "draw", "ending", "close"))
    draws.add(
        Rollout(position, token_id, draw, tuple(ids[a:b]), ENDINGS[ending], close)
        for position, token_id, draw, ending, close, a, b in zip(*columns, starts[:-1], starts[1:], strict=True)
    )
    return draws
