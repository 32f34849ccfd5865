"""The draws of a forking analysis as they are kept: whole continuations, so that any extractor can read them again.

Arrays that only grow, in the order in which draws came to their end; labels are made from them and never stored alone.
Does not know the model: it carries the bytes of every token that it needs, and is handed what embeds sentences.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from engine.clusters import distance_of
from engine.errors import BadInput
from engine.fork_curves import NO_ANSWERS, OTHER, UNFINISHED
from engine.meaning import Embed, Meanings
from engine.outcomes import TRUNCATED, UNPARSED, Extractor, extractor, outcome
from engine.rollouts import Ending, Rollout

ENDINGS: tuple[Ending, ...] = get_args(Ending)
Key = tuple[int, int, int]
# extractor and parameter
Reading = tuple[str, str]


@dataclass
class ForkDraws:
    """Continuations by (position, token id, draw). words: id -> bytes; control: ids that are no part of the text;
    embed: makes vectors of texts where outcomes are to be told apart by meaning."""

    base_ids: tuple[int, ...]
    words: dict[int, bytes]
    control: frozenset[int]
    rollouts: list[Rollout] = field(default_factory=list)
    known: set[Key] = field(default_factory=set)
    embed: Embed | None = None
    _read: dict[Reading, list[str]] = field(default_factory=dict)
    _spent: dict[Reading, float] = field(default_factory=dict)
    _together: dict[Reading, Meanings] = field(default_factory=dict)
    _vectors: dict[str, np.ndarray] = field(default_factory=dict)

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

    def first(self, counts: Mapping[tuple[int, int], int]) -> ForkDraws:
        """The first so many draws of each branch (position, token id), ordered by branch and number.

        What they say depends on these alone, not on the order in which they came or on what else was drawn.
        """
        keys = [(one.position, one.token_id, one.draw) for one in self.rollouts]
        chosen = [i for i, (position, token_id, draw) in enumerate(keys) if draw < counts.get((position, token_id), 0)]
        chosen.sort(key=keys.__getitem__)
        found = ForkDraws(self.base_ids, self.words, self.control, embed=self._embedded if self.embed else None)
        found.add(self.rollouts[i] for i in chosen)
        found._read.update(
            (reading, [names[i] for i in chosen]) for reading, names in self._read.items() if len(names) == len(keys)
        )
        return found

    def text(self, one: Rollout) -> str:
        """The whole response of a draw, without control tokens."""
        return self.text_of((*self.base_ids[: one.position], one.token_id, *one.ids))

    def text_of(self, ids: Iterable[int]) -> str:
        raw = b"".join(self.words.get(i, b"") for i in ids if i not in self.control)
        return raw.decode("utf-8", "replace")

    def labels(self, name: str, parameter: str = "", *, provisional: bool = False) -> Sequence[str]:
        """What each draw came to, in their order. Raises UserError for what `extractor` refuses or cannot be read.

        provisional: while more draws come, where labels are found jointly, they may be those of fewer draws.
        """
        entry = extractor(name, parameter)
        if entry.jointly:
            return self._jointly(entry, parameter, provisional)
        read = self._read.setdefault((name, parameter), [])
        for one in self.rollouts[len(read) :]:
            read.append(self._label(self.text(one), one.ending, entry, parameter))
        return read

    def label_of(self, ids: Iterable[int], name: str, parameter: str = "") -> str:
        """What an answer of these ids that ended by itself comes to, among those that were drawn. Raises UserError."""
        entry, text = extractor(name, parameter), self.text_of(ids)
        if entry.jointly:
            return self._meanings(entry, parameter).label(text)
        return self._label(text, "stop", entry, parameter)

    def _label(self, text: str, ending: Ending, entry: Extractor, parameter: str) -> str:
        """What a response came to; one that was cut or stopped counts only if nothing could have followed."""
        key = (entry.name, parameter)
        began, spent = time.perf_counter(), self._spent.get(key, 0.0)
        if entry.seconds is not None and spent > entry.seconds:
            raise BadInput(
                f"{entry.parameter.capitalize()} was given that took more than {entry.seconds:g} s for "
                f"{len(self._read.get(key, ())):,} of {len(self.rollouts):,} answers: write it more simply."
            )
        said = outcome(entry.name, text, parameter=parameter, cut=ending != "stop")
        self._spent[key] = spent + time.perf_counter() - began
        if said.found is None:
            return _stopped(said.label, ending)
        # an answer that says so is an answer
        return f"“{said.label}”" if said.label in NO_ANSWERS else said.label

    def _jointly(self, entry: Extractor, parameter: str, provisional: bool) -> list[str]:
        meanings = self._meanings(entry, parameter)
        meanings.take([self.text(one) if one.ending == "stop" else None for one in self.rollouts[meanings.taken :]])
        names = meanings.labels(provisional=provisional)
        return [_stopped(name, one.ending) for name, one in zip(names, self.rollouts, strict=True)]

    def _meanings(self, entry: Extractor, parameter: str) -> Meanings:
        """The groups of these draws; the answer itself has one, too."""
        key = (entry.name, parameter)
        if key not in self._together:
            if self.embed is None:
                raise BadInput(
                    f"The field '{entry.label}' needs a sentence model, and none is at hand: choose another."
                )
            self._together[key] = Meanings(
                self._embedded, distance_of(parameter), [self.text_of(self.base_ids)],
                blank=UNPARSED, cut=TRUNCATED, reserved=(OTHER, UNFINISHED),
            )  # fmt: skip
        return self._together[key]

    def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts, each of which is embedded once: float32 [n, d]."""
        lacking = list(dict.fromkeys(text for text in texts if text not in self._vectors))
        if lacking and self.embed is not None:
            self._vectors.update(zip(lacking, self.embed(lacking), strict=True))
        return np.stack([self._vectors[text] for text in texts])


def _stopped(label: str, ending: Ending) -> str:
    """One that was stopped early, for what another way of reading had found, did not hit the length limit."""
    return UNFINISHED if label == TRUNCATED and ending == "decided" else label


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


def from_arrays(arrays: Mapping[str, np.ndarray], embed: Embed | None = None) -> ForkDraws:
    """The draws that `to_arrays` wrote."""
    raw, cuts = arrays["word_bytes"].tobytes(), arrays["word_start"].tolist()
    words = {int(i): raw[a:b] for i, a, b in zip(arrays["word_id"], cuts[:-1], cuts[1:], strict=True)}
    draws = ForkDraws(tuple(arrays["base_ids"].tolist()), words, frozenset(arrays["control"].tolist()), embed=embed)
    ids, starts = arrays["ids"].tolist(), arrays["start"].tolist()
    columns = (arrays[name].tolist() for name in ("position", "token_id", "draw", "ending", "close"))
    draws.add(
        Rollout(position, token_id, draw, tuple(ids[a:b]), ENDINGS[ending], close)
        for position, token_id, draw, ending, close, a, b in zip(*columns, starts[:-1], starts[1:], strict=True)
    )
    return draws
