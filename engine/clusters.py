"""Answers grouped by meaning: clusters of unit vectors by the cosine between them, each with a short readable name.

Average linkage cut at a distance, on texts in an order of their own, so that the order in which answers came decides
nothing. What two answers begin with alike makes them close whatever follows; a distance is therefore divided by the
share of text that is not shared. Names and numbers decide over closeness: two answers that name different ones are kept
apart. Closeness of embeddings is not entailment: "it is safe" and "it is not safe" lie close together. Does not know
where the vectors come from.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.errors import BadInput

# Of pairs of 83 labelled answers to nine questions 69 % of those that mean the same are joined and 95 % of the others
# are kept apart (76 % and 91 % were names and numbers not looked at); behind a shared beginning of 45 words 64 % and
# 88 %, where without the next two lines all are one.
# One meaning said in very different words is still several groups (51 % of pairs in 23 such answers are joined).
DISTANCE = 0.35
FAR = 2.0
SHORT_WORDS = 12
NUMBERS = re.compile(r"(?<![\w.])[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?")
NAMES = re.compile(r"(?<=[a-z0-9,;] )[A-Z]\w+")
UNSHARED_POWER = 1.25
LEAST_UNSHARED = 0.2
# distinct texts that are compared with each other; the rest goes to the nearest centre
MOST_TEXTS = 2_000
ROWS_AT_ONCE = 1_024
NAME_CHARS = 48
LEAD_CHARS = 14


@dataclass(frozen=True)
class Clusters:
    """Groups of texts. centres: unit vectors [k, d]; names: distinct, one a group; members: text -> its group."""

    centres: np.ndarray
    names: tuple[str, ...]
    members: Mapping[str, int]

    def nearest(self, vectors: np.ndarray) -> np.ndarray:
        """The group whose centre is nearest: int64 [n], for unit vectors [n, d]."""
        parts = [vectors[i : i + ROWS_AT_ONCE] for i in range(0, len(vectors), ROWS_AT_ONCE)]
        found = [np.argmax(part @ self.centres.T, axis=1) for part in parts]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def distance_of(parameter: str) -> float:
    """The cut from a text, DISTANCE for an empty one. Raises BadInput."""
    try:
        distance = float(parameter) if parameter.strip() else DISTANCE
    except ValueError:
        distance = math.nan
    if not 0.0 < distance < 1.0:
        raise BadInput(
            f"The distance between meanings is {parameter.strip()[:40]!a}; it must be a number between 0 and 1, "
            f"for example {DISTANCE:g}: smaller ones make more groups."
        )
    return distance


def cluster(counts: Mapping[str, int], vectors: Mapping[str, np.ndarray], distance: float) -> Clusters:
    """Group the texts. counts: distinct texts and how often each came, at least one; vectors: text -> unit vector [d].

    The commonest MOST_TEXTS are compared with each other (by their hash where they are equally common).
    """
    texts = sorted(counts, key=lambda text: (-counts[text], _digest(text)))[:MOST_TEXTS]
    table = np.stack([vectors[text] for text in texts]).astype(np.float64)
    groups = _linked(distances(texts, table), distance)
    # groups are counted in the order of their first text
    order = list(dict.fromkeys(groups.tolist()))
    places = {group: place for place, group in enumerate(order)}
    members = {text: places[group] for text, group in zip(texts, groups.tolist(), strict=True)}
    centres, central = [], []
    for group in order:
        inside = np.flatnonzero(groups == group)
        centre = table[inside].mean(axis=0)
        centre /= max(float(np.linalg.norm(centre)), 1e-12)
        centres.append(centre)
        # the first of those that are equal but for rounding, so that rounding decides no name
        closeness = np.round(table[inside] @ centre, 5)
        central.append(texts[inside[int(np.argmax(closeness))]])
    return Clusters(np.stack(centres), tuple(distinct_names(central)), members)


def distances(texts: Sequence[str], table: np.ndarray) -> np.ndarray:
    """Cosine distance of each pair of unit vectors [n, d] over the share of its text that is not shared: [n, n]."""
    unshared = np.maximum(1.0 - shared_beginnings(texts), LEAST_UNSHARED)
    apart = np.clip(1.0 - table @ table.T, 0.0, 2.0) / unshared**UNSHARED_POWER
    apart[contradicting(texts)] = FAR
    np.fill_diagonal(apart, 0.0)
    return np.asarray(apart)


def contradicting(texts: Sequence[str]) -> np.ndarray:
    """Which pairs of short answers name different things: their last numbers differ, or each has a name that the other
    lacks; bool [n, n]. Names are words with a capital that begin no sentence; a long answer names much by the way."""
    numbers = [(found[-1].replace(",", "") if (found := NUMBERS.findall(text)) else "") for text in texts]
    named = [frozenset(NAMES.findall(text)) for text in texts]
    short = np.array([len(text.split()) <= SHORT_WORDS for text in texts])
    ids = np.unique(numbers, return_inverse=True)[1]
    known = np.array([bool(number) for number in numbers])
    result = known[:, None] & known[None, :] & (ids[:, None] != ids[None, :])
    every = sorted(frozenset().union(*named))
    if every:
        has = np.array([[name in names for name in every] for names in named], dtype=np.float64)
        # how many names of row i column j lacks
        lacking = has.sum(axis=1)[:, None] - has @ has.T
        result |= (lacking > 0) & (lacking.T > 0)
    return np.asarray(result & short[:, None] & short[None, :])


def shared_beginnings(texts: Sequence[str]) -> np.ndarray:
    """How many words each pair begins with alike, as a share of the longer one's: float64 [n, n]."""
    words = [text.split() for text in texts]
    order = sorted(range(len(words)), key=words.__getitem__)
    # in alphabetical order two texts share what all neighbours between them share
    steps = np.array([_shared([words[a], words[b]]) for a, b in pairwise(order)], dtype=np.float64)
    counts = np.zeros((len(words), len(words)))
    for place, i in enumerate(order):
        counts[i, order[place + 1 :]] = counts[order[place + 1 :], i] = np.minimum.accumulate(steps[place:])
    lengths = np.array([len(one) for one in words], dtype=np.float64)
    np.fill_diagonal(counts, lengths)
    return counts / np.maximum(np.maximum.outer(lengths, lengths), 1.0)


def _linked(apart: np.ndarray, distance: float) -> np.ndarray:
    """The group of each row of distances [n, n]: average linkage, merged while below `distance`; int64 [n]."""
    from sklearn.cluster import AgglomerativeClustering

    if len(apart) < 2:
        return np.zeros(len(apart), dtype=np.int64)
    linkage = AgglomerativeClustering(
        n_clusters=None, distance_threshold=distance, metric="precomputed", linkage="average"
    )
    return np.asarray(linkage.fit(apart).labels_, dtype=np.int64)


def distinct_names(texts: Sequence[str]) -> list[str]:
    """A short name for each of these distinct texts: how it begins, and where several begin alike, how it goes on
    from where they part."""
    words = [text.split() for text in texts]
    names = [""] * len(texts)
    waiting = [(list(range(len(texts))), 0)]
    while waiting:
        alike, start = waiting.pop()
        shown: dict[str, list[int]] = defaultdict(list)
        for i in alike:
            names[i] = _name(words[i], start)
            shown[names[i]].append(i)
        for group in shown.values():
            shared = _shared([words[i] for i in group]) if len(group) > 1 else 0
            if shared > start:
                waiting.append((group, shared))
    return _numbered(names)


def _name(words: Sequence[str], start: int) -> str:
    """How a text begins; with `start`, its first words and those around that one, where it parts from others."""
    if start == 0:
        return _cut(" ".join(words), NAME_CHARS)
    lead = _cut(" ".join(words[:start]), LEAD_CHARS).removesuffix("…").rstrip()
    room = NAME_CHARS - len(lead) - 3
    # a text that ends where others go on is told apart by its last words
    shown = _cut(" ".join(words[start:]), room)
    first = start
    while first > 0 and len(words[first - 1]) + 1 + len(shown) <= room:
        first -= 1
        shown = f"{words[first]} {shown}".rstrip()
    return shown if first == 0 else f"{lead} … {shown}"


def _cut(text: str, most: int) -> str:
    """At most so many characters, at the end of a word where there is one."""
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    whole = kept.rsplit(" ", 1)[0] if " " in kept and text[most - 1] != " " else kept
    return whole.rstrip(" ,;:.") + "…"


def _shared(many: Sequence[list[str]]) -> int:
    """How many words all of them begin with."""
    first, last = min(many), max(many)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _numbered(names: Sequence[str]) -> list[str]:
    """The names with a number behind those that are there already."""
    seen: Counter[str] = Counter()
    taken = set(names)
    found = []
    for name in names:
        seen[name] += 1
        while seen[name] > 1 and f"{name} ({seen[name]})" in taken:
            seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
        taken.add(found[-1])
    return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
