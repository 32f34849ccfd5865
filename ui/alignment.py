"""Which tokens of one run stand where which tokens of another stand: blocks of equal, replaced, added, missing tokens.

Works on pieces of text and, where a piece says too little, on raw bytes. Does not know scores or the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import Literal

from engine.types import Trace
from ui.wire import REPLACEMENT

Block = tuple[str, int, int, int, int]
Match = tuple[int, int, int]

# difflib compares each unit with all its equals on the other side, and again for each block found; beyond this
# many comparisons a coarser unit is taken, and in the end only what the two have in common at both ends
MOST_COMPARISONS = 3_000_000
_WORD = re.compile(r"\s*\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Alignment:
    """blocks: (kind, a0, a1, b0, b1), half-open token ranges that cover both runs in order; kind as in difflib.

    unit: what was compared; "ends" when the texts are too long to look between their common start and end.
    An equal block of different token counts is the same text cut differently.
    """

    blocks: tuple[Block, ...]
    unit: Literal["tokens", "characters", "words", "ends"]

    @property
    def divergence(self) -> tuple[int, int] | None:
        """The first token of each run that is not the same, None when there is none."""
        return next(((a0, b0) for kind, a0, _, b0, _ in self.blocks if kind != "equal"), None)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Tokens that stand in each other's place: the i-th with the i-th in every block of equal counts."""
        return [(a0 + i, b0 + i) for _, a0, a1, b0, b1 in self.blocks if a1 - a0 == b1 - b0 for i in range(a1 - a0)]


def align(a: Trace, b: Trace) -> Alignment:
    """Align by tokens when both runs come from one tokenizer, otherwise by text mapped back to tokens."""
    if a.model.tokenizer_hash and a.model.tokenizer_hash == b.model.tokenizer_hash:
        left, right = _token_keys(a), _token_keys(b)
        matches = _matches(left, right)
        unit: Literal["tokens", "ends"] = "tokens" if matches is not None else "ends"
        found = matches if matches is not None else _ends(left, right)
        return Alignment(_blocks([(i, j, i + size, j + size) for i, j, size in found], len(a), len(b)), unit)
    return _align_text(a, b)


def _token_keys(trace: Trace) -> list[Hashable]:
    """The piece of each token, its id where the piece does not tell it from others."""
    return [
        token_id if token_id in trace.special_ids or not piece or REPLACEMENT in piece else piece
        for piece, token_id in zip(trace.pieces, trace.token_ids.tolist(), strict=True)
    ]


def _align_text(a: Trace, b: Trace) -> Alignment:
    left, right = "".join(a.pieces), "".join(b.pieces)
    unit: Literal["characters", "words", "ends"] = "characters"
    found = _matches(left, right)
    if found is None:
        unit, found = "words", _word_matches(left, right)
    if found is None:
        unit, found = "ends", _ends(left, right)
    cuts = _common_cuts(a, b, [*found, (len(left), len(right), 0)])
    same = [
        (i0, j0, i1, j1)
        for (i0, j0), (i1, j1) in pairwise(cuts)
        if i1 > i0 and j1 > j0 and _spelled(a, i0, i1) == _spelled(b, j0, j1)
    ]
    return Alignment(_blocks(same, len(a), len(b)), unit)


def _common_cuts(a: Trace, b: Trace, matches: Sequence[Match]) -> list[tuple[int, int]]:
    """Token boundaries (i, j) that fall on the same place of matched text, from the start to the end of both runs.

    Of boundaries without text between them the first counts, so that the parts of a character stay together.
    """
    starts_a, starts_b = _boundaries(a), _boundaries(b)
    cuts = [(0, 0)]
    for at_a, at_b, size in matches:
        for k in range(size + 1):
            i, j = starts_a.get(at_a + k), starts_b.get(at_b + k)
            if i is not None and j is not None and i >= cuts[-1][0] and j >= cuts[-1][1] and (i, j) != cuts[-1]:
                cuts.append((i, j))
    return cuts if cuts[-1] == (len(a), len(b)) else [*cuts, (len(a), len(b))]


def _boundaries(trace: Trace) -> dict[int, int]:
    """Character offset -> the first token boundary there."""
    first: dict[int, int] = {}
    for i, offset in enumerate(accumulate(map(len, trace.pieces), initial=0)):
        first.setdefault(offset, i)
    return first


def _spelled(trace: Trace, start: int, end: int) -> tuple[str, bytes]:
    """The text of some tokens, and their bytes where the text does not tell them from others."""
    text = "".join(trace.pieces[start:end])
    if text and REPLACEMENT not in text:
        return text, b""
    return text, b"".join(trace.token_bytes.get(int(i), b"") for i in trace.token_ids[start:end])


def _word_matches(left: str, right: str) -> list[Match] | None:
    words_a, words_b = _WORD.findall(left), _WORD.findall(right)
    found = _matches(words_a, words_b)
    if found is None:
        return None
    at_a = list(accumulate(map(len, words_a), initial=0))
    at_b = list(accumulate(map(len, words_b), initial=0))
    return [(at_a[i], at_b[j], at_a[i + size] - at_a[i]) for i, j, size in found]


def _matches(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Match] | None:
    """Matching blocks (start in left, start in right, length), None when finding them would take too long."""
    ends = _ends(left, right)
    head, tail = ends[0][2], ends[1][2]
    middle_a, middle_b = left[head : len(left) - tail], right[head : len(right) - tail]
    counts = Counter(middle_b)
    if sum(counts[unit] for unit in middle_a) > MOST_COMPARISONS:
        return None
    inner = SequenceMatcher(None, middle_a, middle_b, autojunk=False).get_matching_blocks()
    return [ends[0], *((i + head, j + head, size) for i, j, size in inner if size), ends[1]]


def _ends(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Match]:
    """What both have in common at the start and at the end, two matches of length 0 and more."""
    shorter = min(len(left), len(right))
    head = next((i for i in range(shorter) if left[i] != right[i]), shorter)
    tail = next((i for i in range(shorter - head) if left[-1 - i] != right[-1 - i]), shorter - head)
    return [(0, 0, head), (len(left) - tail, len(right) - tail, tail)]


def _blocks(same: Sequence[tuple[int, int, int, int]], length_a: int, length_b: int) -> tuple[Block, ...]:
    """The ranges (a0, b0, a1, b1) that are the same, in order, with what lies between them."""
    blocks: list[Block] = []
    at_a = at_b = 0
    for a0, b0, a1, b1 in [*same, (length_a, length_b, length_a, length_b)]:
        if a0 > at_a or b0 > at_b:
            kind = "replace" if a0 > at_a and b0 > at_b else "delete" if a0 > at_a else "insert"
            blocks.append((kind, at_a, a0, at_b, b0))
        if a1 > a0:
            _append_equal(blocks, a0, a1, b0, b1)
        at_a, at_b = a1, b1
    return tuple(blocks)


def _append_equal(blocks: list[Block], a0: int, a1: int, b0: int, b1: int) -> None:
    """Join with the block before when both say which token is which."""
    if blocks and a1 - a0 == b1 - b0:
        kind, was_a0, was_a1, was_b0, was_b1 = blocks[-1]
        if kind == "equal" and was_a1 == a0 and was_b1 == b0 and was_a1 - was_a0 == was_b1 - was_b0:
            blocks[-1] = ("equal", was_a0, a1, was_b0, b1)
            return
    blocks.append(("equal", a0, a1, b0, b1))
