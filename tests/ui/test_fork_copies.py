"""Going on with somebody else's analysis makes a copy of it; what this person may ask for holds for all of it."""

from __future__ import annotations

import pytest

from engine.errors import BadInput, NotFound
from tests.support.bench import ME, STRANGER, head, last
from tests.support.forking import SMALL
from ui import fork_fields
from ui.access import Viewer
from ui.fork_fields import ForkBounds
from ui.fork_job import NOTHING_KEPT

OWNER = Viewer("examples", "session-3", True)


@pytest.fixture
def example(bench, ten_tokens):
    """An example run, which everybody may open."""
    return bench.store.runs.add(ten_tokens, owner=OWNER.name, status="finished", run_scores={}, example=True)


@pytest.fixture
def theirs(forks, example):
    """A finished analysis of it by its owner."""
    *_, whole = forks.run(example, SMALL, OWNER)
    return head(whole)["forks"]


def branch(document):
    return next(row for row in last(document, "b") if row[5] and not row[4])


@pytest.mark.parametrize("viewer", [ME, STRANGER], ids=["trusted", "stranger"])
def test_draws_added_to_somebody_elses_analysis_go_to_a_copy_with_all_that_was_drawn(
    bench, forks, example, theirs, viewer
):
    before = forks.open(theirs, viewer)
    t, token_id, *_ = branch(before)
    frames = list(forks.add_draws(theirs, t, token_id, 20, viewer))
    mine = head(frames[-1])["forks"]
    assert mine != theirs and {head(frame)["forks"] for frame in frames} == {theirs, mine}
    assert last(frames[-1], "s")["draws"] == last(before, "s")["draws"] + 20
    assert forks.open(theirs, viewer) == before, "the other one is as it was"
    copy = forks._opened(mine, viewer)
    assert copy.owner == viewer.name and copy.draws.rollouts[:-20] == forks._opened(theirs, viewer).draws.rollouts
    assert head(forks.of_run(example, viewer))["forks"] == mine
    assert head(forks.of_run(example, OWNER))["forks"] == theirs
    *_, more = forks.add_draws(mine, t, token_id, 5, viewer)
    assert head(more)["forks"] == mine and last(more, "s")["draws"] == last(before, "s")["draws"] + 25
    other = Viewer("visitor:b", "visitor:b", False)
    for call in (forks.open, lambda uid, who: list(forks.add_draws(uid, t, token_id, 5, who))):
        with pytest.raises(NotFound):
            call(mine, other)


def test_somebody_elses_stopped_analysis_is_gone_on_with_in_a_copy(bench, forks, example):
    *_, alone = forks.run(example, SMALL, OWNER)
    stopped = ""
    for number, frame in enumerate(forks.run(example, SMALL, OWNER)):
        stopped = frame
        if number == 6:
            bench.stop(OWNER)
    theirs = head(stopped)["forks"]
    assert last(stopped, "s")["state"] == "stopped" and last(stopped, "s")["draws"] < last(alone, "s")["draws"]
    *_, whole = forks.resume(theirs, ME)
    assert head(whole)["forks"] != theirs and last(whole, "s")["state"] == "finished"
    assert last(whole, "s")["draws"] == last(alone, "s")["draws"]
    assert last(forks.open(theirs, ME), "s")["state"] == "stopped"


def test_a_copy_that_got_no_draw_is_none(bench, forks, example, theirs):
    before = forks.open(theirs, ME)
    t, token_id, *_ = branch(before)
    frames = forks.add_draws(theirs, t, token_id, 20, ME)
    for frame in frames:
        if last(frame, "s")["state"] == "running" and last(frame, "s")["draws"] == last(before, "s")["draws"]:
            bench.stop(ME)
    assert head(frame)["forks"] == theirs and last(frame, "s")["message"] == NOTHING_KEPT
    assert [each.uid for each in bench.store.analyses.list(example, viewer=ME.name)] == [theirs]


def test_what_may_be_asked_holds_for_the_whole_analysis_not_only_for_a_branch(forks, theirs, example, monkeypatch):
    before = forks.open(theirs, STRANGER)
    there = last(before, "s")["draws"]
    t, token_id, *_ = branch(before)
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(60_000, 100, 512, there + 25))
    *_, more = forks.add_draws(theirs, t, token_id, 20, STRANGER)
    mine = head(more)["forks"]
    others = [row for row in last(more, "b") if row[5] and row[:2] != [t, token_id]]
    with pytest.raises(BadInput, match=f"takes {there + 30:,} draws; at most {there + 25:,} are allowed"):
        next(forks.add_draws(mine, others[0][0], others[0][1], 10, STRANGER))
    *_, more = forks.add_draws(mine, others[0][0], others[0][1], 5, STRANGER)
    with pytest.raises(BadInput, match="are allowed here"):
        next(forks.add_draws(mine, others[1][0], others[1][1], 1, STRANGER))
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(there, 100, 512))
    with pytest.raises(BadInput, match=f"at most {there:,} are allowed"):
        next(forks.add_draws(theirs, t, token_id, 1, STRANGER))
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(60_000, 100, 12))
    with pytest.raises(BadInput, match="Responses of this analysis may have 16 tokens; at most 12"):
        next(forks.add_draws(theirs, t, token_id, 1, STRANGER))
    list(forks.add_draws(theirs, t, token_id, 1, ME))


def test_going_on_is_priced_like_beginning(bench, forks, example, monkeypatch):
    stopped = ""
    for number, frame in enumerate(forks.run(example, SMALL, STRANGER)):
        stopped = frame
        if number == 6:
            bench.stop(STRANGER)
    uid = head(stopped)["forks"]
    monkeypatch.setattr(fork_fields, "PUBLIC", ForkBounds(10, 100, 512))
    with pytest.raises(BadInput, match="at most 10 are allowed here"):
        next(forks.resume(uid, STRANGER))


def test_draws_are_added_to_what_was_drawn_not_to_what_was_planned_first(forks, example):
    *_, wide = forks.run(example, SMALL, ME)
    low, high = ([row[k] for row in last(wide, "p")] for k in (3, 4))
    width = max(b - a for one, two in zip(low, high, strict=True) for a, b in zip(one, two, strict=True))
    *_, narrow = forks.run(example, SMALL | {"most": 60, "until": 0.9 * width}, ME)
    first = {tuple(row[:2]): row[5] for row in last(wide, "b")}
    row = next(row for row in last(narrow, "b") if row[5] > first[tuple(row[:2])] and not row[4])
    *_, more = forks.add_draws(head(narrow)["forks"], row[0], row[1], 7, ME)
    assert next(each for each in last(more, "b") if each[:2] == row[:2])[5] >= row[5] + 7


def test_draws_cannot_be_added_to_so_many_branches_that_it_no_longer_opens(forks, theirs, monkeypatch):
    monkeypatch.setattr(fork_fields, "MOST_EXTRA", 2)
    rows = [row for row in last(forks.open(theirs, OWNER), "b") if row[5] and not row[4]]
    for row in rows[:2]:
        list(forks.add_draws(theirs, row[0], row[1], 1, OWNER))
    with pytest.raises(BadInput, match="2 branches of this analysis already"):
        next(forks.add_draws(theirs, rows[2][0], rows[2][1], 1, OWNER))
    list(forks.add_draws(theirs, rows[0][0], rows[0][1], 1, OWNER))
    forks.open(theirs, OWNER)
