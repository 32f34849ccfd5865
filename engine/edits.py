"""Changes to an answer and what they leave in place: which tokens stand, and with which noise row drawing goes on.

Pure bookkeeping over token ids, no model: an edit never encodes again what it does not touch.
Source: the Gumbel-Max causal model of arXiv 2409.17027 and 2411.07180; the alignment of rows is a convention of ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from engine.errors import BadInput

Alignment = Literal["suffix", "absolute"]
Luck = Literal["same", "fresh", "inferred"]
FORCED = -1
MOST_EDITS = 200
MOST_ROW = 2**31 - 1


@dataclass(frozen=True)
class Splice:
    """Tokens `start` to `stop` - 1 of an answer give way to `ids`.

    start == stop inserts before token `start`; no ids delete. Positions are those of the answer before any edit.
    """

    start: int
    stop: int
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Replace:
    """Token `position` gives way to these ids, or to those of a text."""

    position: int
    token_ids: Sequence[int] | str = ()
    text: str | None = None


@dataclass(frozen=True)
class Insert:
    """These ids, or those of a text, come behind token `after`; -1 puts them in front of the answer."""

    after: int
    token_ids: Sequence[int] | str = ()
    text: str | None = None


@dataclass(frozen=True)
class Delete:
    """Tokens `start` to `end` - 1 are left out."""

    start: int
    end: int


@dataclass(frozen=True)
class EditPrompt:
    """The answer is written to another prompt; with a system text, to that one too."""

    text: str
    system: str | None = None


@dataclass(frozen=True)
class Intervention:
    """What was done to a run to get another one, apart from changed settings, which the other one carries itself.

    splices: from left to right, whatever order they were given in.
    first: without splices, how many leading tokens stay. luck: whose noise the drawn tokens have: "same" the run's
    own, "fresh" another stream of its seed, "inferred" a posterior draw given the run's text (see `hindsight`).
    next_row: the noise row that a token behind the other run would race with, known where that run has no drawn token
    behind the edit to tell it; None otherwise.
    """

    splices: tuple[Splice, ...] = ()
    first: int = 0
    alignment: Alignment = "suffix"
    luck: Luck = "same"
    next_row: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "splices", tuple(sorted(self.splices, key=_place)))


@dataclass(frozen=True)
class Held:
    """What stands before drawing goes on.

    ids: tokens of the new answer that are not drawn; rows: for each the noise row it was drawn with, FORCED where it
    stands by intervention. row: noise row of the first drawn token. shift: tokens inserted minus deleted.
    untouched: leading tokens that are those of the original.
    """

    ids: tuple[int, ...]
    rows: tuple[int, ...]
    row: int
    shift: int
    untouched: int

    def longest(self, max_new_tokens: int) -> int:
        """How long the answer may become: as far down the noise as an unedited one of `max_new_tokens` tokens."""
        return len(self.ids) + max(0, max_new_tokens - self.row)


def hold(
    token_ids: Sequence[int] | np.ndarray,
    noise_rows: Sequence[int] | np.ndarray,
    splices: Sequence[Splice] = (),
    *,
    first: int = 0,
    alignment: Alignment = "suffix",
    next_row: int | None = None,
) -> Held:
    """Apply edits to an answer of n tokens; everything behind the last of them is to be drawn again.

    noise_rows: the row each token was drawn with, FORCED where it was not drawn. first: without splices, how many
    leading tokens stay (an edit of the prompt or of the settings; 0 draws all again). next_row: the row of a token
    behind the answer where it is known to be another than the next after the last drawn one.
    With "suffix" alignment the first drawn token takes the row that the token behind the last edit had, so that what
    follows keeps its luck wherever it moves; with "absolute" alignment row and index are equal.
    Tokens between two edits are held although what precedes them changed, so they count as forced.
    Raises BadInput for an edit beyond the answer, edits that overlap, or an unknown alignment.
    """
    ids = [int(i) for i in token_ids]
    rows = [int(r) for r in noise_rows]
    if alignment not in get_args(Alignment):
        raise BadInput(f"The alignment {alignment!r} is unknown; use one of {', '.join(get_args(Alignment))}.")
    ordered = _ordered(splices, len(ids))
    if not ordered:
        if not 0 <= first <= len(ids):
            raise BadInput(f"{first} tokens cannot be held: the answer has {len(ids)}.")
        row = row_at(rows, first, next_row) if alignment == "suffix" else first
        return Held(tuple(ids[:first]), tuple(rows[:first]), row, 0, first)
    held, held_rows = ids[: ordered[0].start], rows[: ordered[0].start]
    untouched = len(held)
    behind = ordered[0].start
    for splice in ordered:
        between = ids[behind : splice.start]
        held += [*between, *splice.ids]
        held_rows += [FORCED] * (len(between) + len(splice.ids))
        behind = splice.stop
    row = row_at(rows, behind, next_row) if alignment == "suffix" else len(held)
    return Held(tuple(held), tuple(held_rows), row, len(held) - behind, untouched)


def splice_of(edit: Replace | Insert | Delete, encode: Callable[[str], Sequence[int]]) -> Splice:
    """An edit as a splice; encode: text -> ids, for what is written alone. Raises BadInput where nothing is written."""
    if not isinstance(edit, Replace | Insert | Delete):
        raise BadInput(f"{str(edit)[:40]!r} is no edit: use Replace, Insert, Delete or EditPrompt.")
    if isinstance(edit, Delete):
        _whole(edit.start, "The start of an edit")
        _whole(edit.end, "The end of an edit")
        if edit.start >= edit.end:
            raise BadInput(
                f"There is nothing from token {edit.start} to before token {edit.end} that could be deleted."
            )
        return Splice(edit.start, edit.end)
    written = edit.token_ids if edit.text is None else edit.text
    _whole(edit.position if isinstance(edit, Replace) else edit.after, "The position of an edit")
    given = encode(written) if isinstance(written, str) else written or ()
    ids = tuple(_whole(i, "A token id of an edit") for i in given)
    if not ids:
        raise BadInput("The replacement is empty: say which tokens or which text shall stand there, or use Delete.")
    if isinstance(edit, Replace):
        return Splice(edit.position, edit.position + 1, ids)
    return Splice(edit.after + 1, edit.after + 1, ids)


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise BadInput(
            f"{what} is {str(value)[:40] if isinstance(value, float) else repr(value)[:40]}; it must be a whole number."
        )
    return int(value)


def row_at(noise_rows: Sequence[int], index: int, next_row: int | None = None) -> int:
    """The noise row that belongs to position `index` (0 to n) of an answer, whether or not it was drawn with it.

    A drawn token's own row. A forced one borrows: counted back from the next drawn token, but never a row that an
    earlier token used; behind the last drawn token every position counts one row, unless next_row is the row known
    for position n.
    """
    rows = [int(r) for r in noise_rows]
    if not 0 <= index <= len(rows):
        raise BadInput(f"There is no position {index} in an answer of {len(rows)} tokens.")
    if next_row is not None:
        rows.append(next_row)
    if index < len(rows) and rows[index] != FORCED:
        return rows[index]
    before = max((i for i in range(index) if rows[i] != FORCED), default=-1)
    free = rows[before] + 1 if before >= 0 else 0
    after = next((i for i in range(index, len(rows)) if rows[i] != FORCED), None)
    return max(free, rows[after] - (after - index)) if after is not None else free + (index - before - 1)


def _place(splice: Splice) -> tuple[int, int]:
    return splice.start, splice.stop


def _ordered(splices: Sequence[Splice], length: int) -> list[Splice]:
    """The edits from left to right. An insertion at the place where another edit begins comes before it."""
    ordered = sorted(splices, key=_place)
    for splice in ordered:
        if not 0 <= splice.start <= splice.stop <= length:
            place = f"{splice.start} to {splice.stop}"
            raise BadInput(f"The edit of tokens {place} lies outside the answer, which has {length} tokens.")
    for one, other in itertools.pairwise(ordered):
        if other.start < one.stop or one == other:
            raise BadInput(f"Two edits overlap at token {other.start}: make them one edit.")
    return ordered


def to_plain(intervention: Intervention) -> dict[str, Any]:
    """An intervention as JSON has it; `from_plain` is the inverse."""
    plain = {
        "edits": [[splice.start, splice.stop, list(splice.ids)] for splice in intervention.splices],
        "first": intervention.first,
        "alignment": intervention.alignment,
        "luck": intervention.luck,
    }
    return plain if intervention.next_row is None else {**plain, "next_row": intervention.next_row}


def from_plain(values: object) -> Intervention:
    """The intervention again; BadInput for anything that `to_plain` does not write."""
    names = {"edits", "first", "alignment", "luck"}
    if not isinstance(values, Mapping) or set(values) - {"next_row"} != names:
        raise BadInput("An intervention has edits, first, alignment, luck and perhaps next_row, and nothing else.")
    if values["alignment"] not in get_args(Alignment) or values["luck"] not in get_args(Luck):
        raise BadInput("The alignment or the luck of an intervention is unknown.")
    edits = values["edits"]
    if not isinstance(edits, list) or len(edits) > MOST_EDITS:
        raise BadInput(f"An intervention has a list of at most {MOST_EDITS} edits.")
    return Intervention(
        tuple(_plain_splice(edit) for edit in edits),
        _index(values["first"]),
        values["alignment"],
        values["luck"],
        _index(values["next_row"]) if "next_row" in values else None,
    )


def _plain_splice(edit: object) -> Splice:
    if not isinstance(edit, list) or len(edit) != 3 or not isinstance(edit[2], list):
        raise BadInput("An edit of an intervention is a start, a stop and a list of token ids.")
    return Splice(_index(edit[0]), _index(edit[1]), tuple(_index(token_id) for token_id in edit[2]))


def _index(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ROW:
        raise BadInput(f"{str(value)[:40]!a} in an intervention is no token position or id.")
    return value
