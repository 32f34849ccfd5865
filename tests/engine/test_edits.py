"""Edits move tokens and rows as agreed: goldens for every kind of edit, chains of edits, and bad ones refused."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.edits import FORCED, Held, Splice, hold, row_at
from engine.errors import BadInput

IDS = [10, 11, 12, 13, 14, 15, 16, 17]
ROWS = list(range(8))
N = FORCED

# splices -> ids that stand, their rows, row of the first drawn token, shift, untouched
GOLDEN = {
    "replace 3": ([Splice(3, 4, (99,))], [10, 11, 12, 99], [0, 1, 2, N], 4, 0, 3),
    "replace 3 by two": ([Splice(3, 4, (98, 99))], [10, 11, 12, 98, 99], [0, 1, 2, N, N], 4, 1, 3),
    "delete 2 ending at 4": ([Splice(3, 5)], [10, 11, 12], [0, 1, 2], 5, -2, 3),
    "insert 2 after 3": ([Splice(4, 4, (98, 99))], [10, 11, 12, 13, 98, 99], [0, 1, 2, 3, N, N], 4, 2, 4),
    "insert before all": ([Splice(0, 0, (99,))], [99], [N], 0, 1, 0),
    "delete all": ([Splice(0, 8)], [], [], 8, -8, 0),
    "append": ([Splice(8, 8, (99,))], [*IDS, 99], [*ROWS, N], 8, 1, 8),
    "replace 1 and 4": ([Splice(4, 5, (99,)), Splice(1, 2, (98,))], [10, 98, 12, 13, 99], [0, N, N, N, N], 5, 0, 1),
    "delete 1, insert after 4": ([Splice(1, 2), Splice(5, 5, (99,))], [10, 12, 13, 14, 99], [0, N, N, N, N], 5, 0, 1),
    "insert and replace at 2": ([Splice(2, 3, (99,)), Splice(2, 2, (98,))], [10, 11, 98, 99], [0, 1, N, N], 3, 1, 2),
}  # fmt: skip


@pytest.mark.parametrize("case", GOLDEN)
def test_an_edit_holds_what_precedes_it_and_goes_on_with_the_row_behind_it(case):
    splices, ids, rows, row, shift, untouched = GOLDEN[case]
    assert hold(IDS, ROWS, splices) == Held(tuple(ids), tuple(rows), row, shift, untouched)
    assert hold(IDS, ROWS, splices, alignment="absolute").row == len(ids)


def test_without_edits_the_asked_number_of_tokens_stays():
    assert hold(IDS, ROWS) == Held((), (), 0, 0, 0)
    assert hold(IDS, ROWS, first=3) == Held((10, 11, 12), (0, 1, 2), 3, 0, 3)
    assert hold(IDS, ROWS, first=8).row == 8


def test_a_chain_of_edits_keeps_the_luck_of_the_first_answer():
    """Insert two after token 3, draw on, then edit the child further on, within the insertion, and before it."""
    child_rows = [0, 1, 2, 3, N, N, 4, 5, 6]
    child = list(range(100, 109))
    assert hold(child, child_rows, [Splice(7, 8, (1,))]).row == 6, "behind the insertion rows lag two places"
    assert hold(child, child_rows, [Splice(4, 5, (1,))]).row == 4, "the inserted part takes no row of anybody"
    assert hold(child, child_rows, [Splice(1, 2, (1,))]).row == 2, "before it nothing has moved"
    assert hold(child, child_rows, [Splice(4, 6)]).row == 4, "taking the insertion back restores the rows"


def test_a_chain_over_a_deletion_skips_the_deleted_rows():
    child_rows = [0, 1, 2, 5, 6, 7]
    assert hold(range(6), child_rows, [Splice(4, 5, (1,))]).row == 7
    assert hold(range(6), child_rows, [Splice(2, 3, (1,))]).row == 5


@pytest.mark.parametrize(
    ("rows", "index", "row"),
    [
        ([0, 1, 2], 3, 3), ([], 0, 0), ([N, N], 2, 2), ([0, N, 2], 1, 1), ([0, N, N, 1], 1, 1), ([0, N, N, 1], 2, 1),
        ([0, N, N, 5], 1, 3), ([0, N, N, 5], 2, 4), ([0, 1, N], 2, 2), ([0, 1, N], 3, 3),
    ],
)  # fmt: skip
def test_a_forced_token_borrows_the_row_it_would_have_had(rows, index, row):
    assert row_at(rows, index) == row


@pytest.mark.parametrize(("index", "row"), [(1, 1), (2, 2), (3, 2), (4, 2)])
def test_behind_what_was_inserted_last_the_row_is_the_known_one(index, row):
    assert row_at([0, 1, N, N], index, 2) == row


BAD = {
    "beyond the end": ([Splice(3, 9, (1,))], "outside the answer"),
    "negative": ([Splice(-1, 0, (1,))], "outside the answer"),
    "backwards": ([Splice(5, 3, (1,))], "outside the answer"),
    "overlap": ([Splice(1, 4, (1,)), Splice(3, 5, (1,))], "overlap"),
    "twice the same": ([Splice(2, 2, (1,)), Splice(2, 2, (1,))], "overlap"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_impossible_edit_is_refused_in_a_sentence(case):
    splices, words = BAD[case]
    with pytest.raises(BadInput, match=words):
        hold(IDS, ROWS, splices)


def test_an_unknown_alignment_or_too_many_held_tokens_are_refused():
    with pytest.raises(BadInput, match="suffix, absolute"):
        hold(IDS, ROWS, alignment="sideways")
    with pytest.raises(BadInput, match="has 8"):
        hold(IDS, ROWS, first=9)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_edits_give_the_same_text_as_editing_the_list_and_never_use_a_row_twice(data):
    n = data.draw(st.integers(0, 12))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), min_size=0, max_size=6).filter(lambda c: len(c) % 2 == 0)))
    splices = [
        Splice(a, b, tuple(data.draw(st.lists(st.integers(100, 200), max_size=3))))
        for a, b in zip(cuts[::2], cuts[1::2], strict=True)
    ]
    if len({(s.start, s.stop) for s in splices}) < len(splices) or not splices:
        return
    ids = list(range(n))
    try:
        held = hold(ids, ids, splices)
    except BadInput:
        assert any(b.start < a.stop for a, b in itertools.pairwise(splices)) or len(set(splices)) < len(splices)
        return
    edited, last = list(ids), max(s.stop for s in splices)
    for splice in sorted(splices, key=lambda s: (s.start, s.stop), reverse=True):
        edited[splice.start : splice.stop] = splice.ids
    assert list(held.ids) == edited[: len(edited) - (n - last)]
    assert held.row == last and held.shift == len(held.ids) - last
    drawn = [row for row in held.rows if row != FORCED]
    assert len(set(drawn)) == len(drawn) and all(row < held.row for row in drawn)
