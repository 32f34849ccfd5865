"""Which parts of two sequences correspond: a longest common subsequence, tidied for readers, grouped into tokens.

Bounded time and memory whatever the texts are (difflib takes minutes on repetitive ones). Knows sequences and their
lengths in characters; does not know runs, scores or pages.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

Kind = Literal["equal", "replaced", "deleted", "inserted"]

# Above this many cells the middle of two texts (what lies between common start and end) counts as rewritten.
MOST_CELLS = 400_000_000
# A word of Latin-like scripts, a number, one character of any other script, or one separator.
SEGMENT = re.compile(r"[^\W\d_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\uffff\U00010000-\U0010ffff]+|\d+|.", re.S)


@dataclass(frozen=True)
class Unit:
    """Tokens a_start to a_end of one side that stand where tokens b_start to b_end of the other do (half-open)."""

    kind: Kind
    a_start: int
    a_end: int
    b_start: int
    b_end: int


@dataclass(frozen=True)
class _Block:
    equal: bool
    a_start: int
    a_end: int
    b_start: int
    b_end: int


def align_ids(a: Sequence[int], b: Sequence[int], a_pieces: Sequence[str], b_pieces: Sequence[str]) -> list[Unit]:
    """Units of two token sequences of ONE tokenizer, in order, covering both; equal units hold one token a side."""
    blocks = _tidy(_blocks(a, b), [len(p.strip()) for p in a_pieces], [len(p.strip()) for p in b_pieces])
    return _units(blocks, range(len(a) + 1), range(len(b) + 1), a, b)


def align_texts(a_pieces: Sequence[str], b_pieces: Sequence[str]) -> list[Unit]:
    """Units of two token sequences of DIFFERENT tokenizers, aligned on their text word by word.

    An equal unit is the smallest group of tokens that spells the same characters on both sides.
    """
    a_text, b_text = "".join(a_pieces), "".join(b_pieces)
    a_words, b_words = SEGMENT.findall(a_text), SEGMENT.findall(b_text)
    blocks = _tidy(_blocks(a_words, b_words), [len(w.strip()) for w in a_words], [len(w.strip()) for w in b_words])
    in_characters = _scaled(blocks, _starts(a_words), _starts(b_words))
    return _units(in_characters, _starts(a_pieces), _starts(b_pieces), a_text, b_text)


def common_subsequence(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Index pairs of a longest common subsequence, in order.

    The bit-vector method of Hyyrö (2004): one big-integer step for each item of b, len(a) bits kept for each.
    """
    if not a or not b or len(a) * len(b) > MOST_CELLS:
        return []
    positions: dict[Hashable, int] = {}
    for i, item in enumerate(a):
        positions[item] = positions.get(item, 0) | (1 << i)
    full = (1 << len(a)) - 1
    row, rows = full, [full]
    for item in b:
        hits = row & positions.get(item, 0)
        row = ((row + hits) | (row - hits)) & full
        rows.append(row)
    pairs = []
    i, j = len(a), len(b)
    while i and j:
        if rows[j] >> (i - 1) & 1:
            i -= 1
        elif not rows[j - 1] >> (i - 1) & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _starts(pieces: Sequence[str]) -> list[int]:
    """Where each piece begins, in characters, and where the last one ends."""
    return list(accumulate((len(piece) for piece in pieces), initial=0))


def _blocks(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[_Block]:
    """Equal and unequal stretches in turn, covering both sequences."""
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    middle = common_subsequence(a[head : len(a) - tail], b[head : len(b) - tail])
    pairs = [(i, i) for i in range(head)]
    pairs += [(i + head, j + head) for i, j in middle]
    pairs += [(len(a) - k, len(b) - k) for k in range(tail, 0, -1)]
    blocks: list[_Block] = []
    i = j = 0
    for x, y in pairs:
        if x > i or y > j:
            blocks.append(_Block(False, i, x, j, y))
        last = blocks[-1] if blocks else None
        if last and last.equal and last.a_end == x and last.b_end == y:
            blocks[-1] = _Block(True, last.a_start, x + 1, last.b_start, y + 1)
        else:
            blocks.append(_Block(True, x, x + 1, y, y + 1))
        i, j = x + 1, y + 1
    if i < len(a) or j < len(b):
        blocks.append(_Block(False, i, len(a), j, len(b)))
    return blocks


def _tidy(blocks: list[_Block], a_sizes: Sequence[int], b_sizes: Sequence[int]) -> list[_Block]:
    """Let a stray match (a comma, an article) between two longer rewritten stretches count as rewritten.

    sizes: visible characters of each item. Without this, two unrelated sentences look like confetti.
    """
    a_sum, b_sum = list(accumulate(a_sizes, initial=0)), list(accumulate(b_sizes, initial=0))

    def size(block: _Block) -> int:
        return max(a_sum[block.a_end] - a_sum[block.a_start], b_sum[block.b_end] - b_sum[block.b_start])

    kept: list[_Block] = []
    for block in blocks:
        kept.append(block)
        while len(kept) >= 3 and not kept[-1].equal and not kept[-3].equal:
            before, between, after = kept[-3:]
            if size(between) > min(size(before), size(after)):
                break
            kept[-3:] = [_Block(False, before.a_start, after.a_end, before.b_start, after.b_end)]
    return kept


def _scaled(blocks: list[_Block], a_starts: Sequence[int], b_starts: Sequence[int]) -> list[_Block]:
    return [
        _Block(x.equal, a_starts[x.a_start], a_starts[x.a_end], b_starts[x.b_start], b_starts[x.b_end]) for x in blocks
    ]


def _units(
    blocks: list[_Block], a_starts: Sequence[int], b_starts: Sequence[int], a: Sequence[Hashable], b: Sequence[Hashable]
) -> list[Unit]:
    """Cut both token sequences wherever a boundary of the one corresponds to a boundary of the other.

    starts: where each token begins in the coordinates of the blocks, and where the last one ends.
    """
    a_bounds, b_bounds = set(a_starts), set(b_starts)
    cuts = [(0, 0)]
    for block in blocks:
        steps = range(1 + block.a_end - block.a_start) if block.equal else ()
        cuts += [
            (block.a_start + k, block.b_start + k)
            for k in steps
            if block.a_start + k in a_bounds and block.b_start + k in b_bounds
        ]
    cuts.append((a_starts[-1], b_starts[-1]))
    units: list[Unit] = []
    i = j = 0
    for number, (x, y) in enumerate(cuts):
        last = number == len(cuts) - 1
        # a token that only begins a character has no text yet and goes with the one that completes it
        m = len(a_starts) - 1 if last else bisect_left(a_starts, x)
        n = len(b_starts) - 1 if last else bisect_left(b_starts, y)
        if m > i or n > j:
            same = m > i and n > j and a[a_starts[i] : a_starts[m]] == b[b_starts[j] : b_starts[n]]
            units.append(Unit(_kind(same, m - i, n - j), i, m, j, n))
            i, j = m, n
    return units


def _kind(same: bool, in_a: int, in_b: int) -> Kind:
    if same:
        return "equal"
    return "replaced" if in_a and in_b else "deleted" if in_a else "inserted"
