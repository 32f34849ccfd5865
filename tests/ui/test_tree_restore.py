"""What was removed from a tree is only out of sight: it comes back with all that grew below it and all its marks."""

from __future__ import annotations

import pytest

from engine.errors import BadInput, Busy
from tests.support.bench import ME
from tests.support.tree_documents import SMALL, afresh, analyses, last, nodes, paths
from tests.ui.test_tree_removal import check_whole, stored_marks, write
from ui import tree_removal
from ui.access import Viewer
from ui.tree_api import record
from ui.trees import Trees


def standing(document: str) -> set[tuple]:
    """Every node with its numbers, by the texts that lead to it, and the marks on it."""
    found, marks = nodes(document), last(document, "marks")
    known: dict[int, tuple[str, ...]] = {0: ()}
    for index in sorted(found)[1:]:
        known[index] = (*known[found[index][1]], found[index][7] or found[index][2])
    return {
        (
            known[i],
            *row[3:7],
            i in marks["bookmarks"],
            marks["notes"].get(str(i)),
            str(marks.get("tags", {}).get(str(i))),
        )
        for i, row in found.items()
    }


def garden(grove: Trees, run: str) -> tuple[int, str]:
    """A tree with written words, growth below them and marks in it: their first node, and the document."""
    (first, *_, end), _ = write(grove, run)
    grown = list(grove.grow(run, {**SMALL, "node": end}, ME))[-1]
    assert max(nodes(grown)) > end + 5
    deep = max(i for i, row in nodes(grown).items() if row[1] == end)
    grove.mark(run, deep, ME, note="deep", tags="odd")
    grove.mark(run, end, ME, bookmark=True)
    return first, grove.mark(run, 3, ME, note="elsewhere")


def test_all_that_grew_below_and_all_marks_come_back_after_something_else_was_saved(bench, run, grove):
    first, full = garden(grove, run)
    removed = grove.remove(run, first, ME)
    name, hidden = last(removed, "s")["removed"], len(nodes(full)) - len(nodes(removed))
    assert hidden > 5 and last(removed, "marks")["bookmarks"] == [] and len(last(removed, "marks")["notes"]) == 1
    # other things are saved with it out of sight, by this program and by one started anew
    grove.mark(run, 4, ME, bookmark=True)
    second = afresh(bench)
    list(second.grow(run, {"node": 5, "budget": 3, "width": 2, "depth": 2}, ME))
    second.mark(run, 5, ME, note="new")
    between = second.open(run, ME)
    away = paths(full) - paths(removed)
    assert len(away) == hidden and not away & paths(between)
    third = afresh(bench)
    back = third.restore(run, name, ME)
    s = last(back, "s")
    assert (s["state"], s["restored"]) == ("idle", name) and f"Brought back {hidden} tokens" in s["message"]
    assert nodes(back)[s["start"]][2:4] == nodes(full)[first][2:4] and nodes(back)[s["start"]][6] & 2
    assert len(nodes(back)) == len(nodes(between)) + hidden
    gone = {entry for entry in standing(full) if entry[0] in away}
    assert len([1 for *_, bookmark, note, _ in gone if bookmark or note]) == 2
    assert gone <= standing(back) == standing(afresh(bench).open(run, ME))
    assert paths(between) < paths(back)
    assert set(last(back, "marks")["notes"].values()) == {"deep", "elsewhere", "new"}
    assert not stored_marks(bench, run).removed
    check_whole(afresh(bench), run)


def test_removing_and_bringing_back_can_be_repeated_and_changes_nothing(bench, run, grove):
    first, full = garden(grove, run)
    for _ in range(3):
        gone = grove.remove(run, first, ME)
        assert paths(gone) < paths(full)
        back = grove.restore(run, last(gone, "s")["removed"], ME)
        assert nodes(back) == nodes(full) and last(back, "marks") == last(full, "marks")
        first = last(back, "s")["start"]
    assert len(analyses(bench, run)) == 1


def test_what_is_saved_from_a_tree_opened_before_does_not_lose_what_is_hidden(bench, run, grove):
    first, full = garden(grove, run)
    gone = grove.remove(run, first, ME)
    stale = afresh(bench)._jobs.load(run, ME)
    assert len(stale.tree) == len(nodes(gone)) < len(nodes(full))
    grove.mark(run, 6, ME, bookmark=True)
    late = afresh(bench)
    late._shelf.save(stale, ME)
    assert paths(afresh(bench).open(run, ME)) == paths(gone)
    assert paths(afresh(bench).restore(run, "", ME)) == paths(full)


def test_a_removal_within_a_removal_stays_when_the_outer_one_is_taken_back(run, grove):
    (first, second, *_), full = write(grove, run, "hoho")
    inner = grove.remove(run, second, ME)
    outer = grove.remove(run, first, ME)
    assert paths(outer) < paths(inner) < paths(full)
    assert paths(grove.restore(run, last(outer, "s")["removed"], ME)) == paths(inner)
    assert paths(grove.restore(run, last(inner, "s")["removed"], ME)) == paths(full)


def test_words_written_once_more_come_back_with_what_grew_below_them(run, grove):
    first, full = garden(grove, run)
    grove.remove(run, first, ME)
    again = list(grove.edit(run, 2, "ho", ME))[-1]
    assert standing(again) == standing(full)


def test_what_a_growth_finds_by_itself_is_the_models_own_until_it_is_brought_back(bench, run, grove):
    above = nodes(grove.open(run, ME))[2][1]
    (first, *_), _ = write(grove, run, "h")
    list(grove.grow(run, {**SMALL, "node": first}, ME))
    full = grove.open(run, ME)
    name = last(grove.remove(run, first, ME), "s")["removed"]
    wide = list(grove.grow(run, {"node": above, "width": 50, "depth": 1, "budget": 1}, ME))[-1]
    text = nodes(full)[first][2]

    def beside(document: str) -> list:
        return [row for row in nodes(document).values() if row[1] == above and row[2] == text]

    found = beside(wide)
    assert not any(row[6] & 2 for row in found)
    back = grove.restore(run, name, ME)
    assert [row[6] & 2 for row in beside(back)] == [2] and paths(back) >= paths(full)
    check_whole(grove, run)


def test_what_cannot_be_brought_back_is_said_in_a_sentence(bench, run, grove):
    with pytest.raises(BadInput, match="Nothing that was removed"):
        grove.restore(run, "", ME)
    (first, *_), _ = write(grove, run)
    name = last(grove.remove(run, first, ME), "s")["removed"]
    for wrong in ("nothing", 7, [1]):
        with pytest.raises(BadInput, match="is back already, or too much"):
            grove.restore(run, wrong, ME)
    job = grove.grow(run, SMALL, ME)
    next(job), next(job)
    with pytest.raises(Busy, match="growing"):
        grove.restore(run, name, ME)
    list(job)
    assert record(grove.restore(run, name, ME))["restored"] == name
    with pytest.raises(BadInput, match="Nothing that was removed"):
        grove.restore(run, name, ME)


def test_of_very_much_that_was_removed_the_oldest_goes_for_good(bench, run, grove, monkeypatch):
    monkeypatch.setattr(tree_removal, "REMOVED_KEPT", 2)
    names = []
    for text in ("hoa", "kub", "vic"):
        (first, *_), _ = write(grove, run, text)
        gone = grove.remove(run, first, ME)
        names.append(last(gone, "s")["removed"])
    before = paths(gone)
    assert paths(afresh(bench).open(run, ME)) == before and len(stored_marks(bench, run).removed) == 2
    fresh = afresh(bench)
    with pytest.raises(BadInput, match="too much was removed since"):
        fresh.restore(run, names[0], ME)
    for name in names[1:]:
        fresh.restore(run, name, ME)
    assert len(paths(fresh.open(run, ME)) - before) == 6


def test_what_the_owner_of_an_example_removed_is_nobody_elses(bench, run):
    trace = bench.store.runs.get(run, viewer="local").trace
    uid = bench.store.runs.add(trace, owner="examples", status="finished", run_scores={}, example=True)
    grove, owner, guest = afresh(bench), Viewer("examples", "session-9", True), Viewer("visitor:a", "visitor:a", False)
    written = last(list(grove.edit(uid, 2, "ho", owner))[-1], "s")["start"]
    full = paths(grove.open(uid, owner))
    gone = grove.remove(uid, written, owner)
    name = last(gone, "s")["removed"]
    assert paths(grove.open(uid, guest)) == paths(gone) < full
    with pytest.raises(BadInput, match="You removed nothing"):
        grove.restore(uid, name, guest)
    # with a copy of the guest's own, too
    grove.mark(uid, 1, guest, bookmark=True)
    for each in (grove, afresh(bench)):
        with pytest.raises(BadInput, match=r"You removed nothing|is back already"):
            each.restore(uid, name, guest)
        assert paths(each.open(uid, guest)) == paths(gone)
    assert paths(afresh(bench).restore(uid, name, owner)) == full
