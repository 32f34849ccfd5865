"""Promises of assignment: orders, overlap, reservations that expire and renew, training first, checks in between."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations

import pytest

from engine.errors import BadInput
from storage.annotation_records import MemberRecord, NewItem
from storage.database import Store
from tests.storage.annotating import KNOWN, OWNER, Desk, answer, desk, event, label


def dealt(at: Desk, member: MemberRecord) -> list[int]:
    """Submit item after item; returns their places in that order."""
    places = []
    while (item := at.submit(member)) is not None:
        places.append(item.place)
    return places


def test_the_same_item_comes_again_until_it_is_submitted(store: Store) -> None:
    at = desk(store)
    ada = at.members[0]
    first = at.take(ada)
    assert first is not None and at.take(ada) == first
    at.save(ada, first, label())
    assert at.take(ada) == first
    at.save(ada, first, answer(), event("submit"))
    second = at.take(ada)
    assert second is not None and second.uid != first.uid
    assert [row[0] for row in at.api.own_items(at.uid, ada)] == [first.uid, second.uid]


def test_everybody_gets_each_item_once_and_no_item_more_people_than_the_overlap(store: Store) -> None:
    at = desk(store, runs=6, members=4, overlap=2)
    done: dict[str, list[int]] = {member.uid: [] for member in at.members}
    active = list(at.members)
    while active:
        for member in list(active):
            item = at.submit(member)
            if item is None:
                active.remove(member)
            else:
                done[member.uid].append(item.place)
    assert all(len(set(places)) == len(places) for places in done.values())
    assert Counter(place for places in done.values() for place in places) == Counter(dict.fromkeys(range(6), 2))


def test_without_overlap_everybody_labels_every_item(store: Store) -> None:
    at = desk(store, runs=5, members=3, overlap=0)
    for member in at.members:
        assert sorted(dealt(at, member)) == list(range(5))


def test_twenty_people_at_once_never_exceed_the_overlap(store: Store) -> None:
    at = desk(store, runs=12, members=20, overlap=3)

    def work(member: MemberRecord) -> list[int]:
        return dealt(at, member)

    with ThreadPoolExecutor(8) as pool:
        places = [place for found in pool.map(work, at.members) for place in found]
    assert Counter(places) == Counter(dict.fromkeys(range(12), 3)) and store.check().ok


def test_shuffled_deals_the_fewest_labelled_first_and_each_person_another_order(store: Store) -> None:
    at = desk(store, runs=10, members=4, overlap=0)
    first = [at.submit(member) for member in at.members]
    assert len({item.place for item in first if item is not None}) == 4, "nobody labels twice what others have not seen"
    orders = [dealt(at, member) for member in at.members]
    assert all(one != other for one, other in combinations(orders, 2)) and all(o != sorted(o) for o in orders)


def test_the_shuffle_follows_from_the_seed_and_the_member(store: Store, other: Store) -> None:
    orders = []
    for target, seed in ((store, 1), (other, 1)):
        at = desk(target, runs=10, members=1, overlap=0, seed=seed)
        orders.append(dealt(at, at.members[0]))
    assert orders[0] == orders[1] and sorted(orders[0]) == list(range(10))


def test_another_seed_is_another_order(store: Store, other: Store) -> None:
    orders = []
    for target, seed in ((store, 1), (other, 2)):
        at = desk(target, runs=10, members=1, overlap=0, seed=seed)
        orders.append(dealt(at, at.members[0]))
    assert orders[0] != orders[1]


@pytest.mark.parametrize("order", ["fixed", "uncertain"])
def test_a_fixed_order_is_that_of_the_places(store: Store, order: str) -> None:
    at = desk(store, runs=5, members=2, overlap=1, order=order)
    assert [at.submit(member).place for member in (*at.members, *at.members)] == [0, 1, 2, 3]  # type: ignore[union-attr]
    assert dealt(at, at.members[0]) == [4] and at.take(at.members[1]) is None


def test_a_reservation_keeps_others_away_until_it_expires(store: Store) -> None:
    at = desk(store, runs=1, members=2, overlap=1)
    ada, ben = at.members
    item = at.take(ada)
    at.wait(minutes=29)
    assert item is not None and at.take(ben) is None
    at.wait(minutes=2)
    assert at.take(ben) == item
    assert at.take(ada) is None, "who lost the reservation waits in turn"


def test_every_action_renews_the_reservation(store: Store) -> None:
    at = desk(store, runs=1, members=2, overlap=1)
    ada, ben = at.members
    item = at.take(ada)
    assert item is not None
    for act in (
        lambda: at.save(ada, item, label()),
        lambda: at.save(ada, item, event("time")),
        lambda: at.take(ada),
        lambda: at.save(ada, item),
    ):
        at.wait(minutes=25)
        act()
    at.wait(minutes=25)
    assert at.take(ben) is None


def test_labels_saved_after_the_reservation_ran_out_are_kept_all_the_same(store: Store) -> None:
    at = desk(store, runs=1, members=2, overlap=1)
    ada, ben = at.members
    item = at.take(ada)
    assert item is not None
    at.save(ada, item, label())
    at.wait(hours=1)
    assert at.submit(ben) == item
    assert at.save(ada, item, answer(), event("submit")) == 3
    assert [status for _, _, status in at.api.places(at.uid, viewer=OWNER)] == ["submitted", "submitted"]


def test_who_comes_back_the_next_day_goes_on_where_they_stopped(store: Store) -> None:
    at = desk(store, runs=9, members=1)
    first = at.take(at.members[0])
    assert first is not None
    at.save(at.members[0], first, label())
    at.wait(days=1)
    assert at.take(at.members[0]) == first


def test_a_skipped_item_is_for_somebody_else(store: Store) -> None:
    at = desk(store, runs=1, members=2, overlap=1)
    ada, ben = at.members
    item = at.take(ada)
    assert item is not None
    at.save(ada, item, event("skip", reason="no idea"))
    assert at.take(ada) is None and at.take(ben) == item
    assert at.api.progress(at.uid, ada, now=at.now).skipped == 1


def test_a_skipped_item_that_others_have_answered_is_not_opened_again(store: Store) -> None:
    at = desk(store, runs=1, members=2, overlap=1)
    ada, ben = at.members
    item = at.take(ada)
    assert item is not None
    at.save(ada, item, event("skip", reason="no idea"))
    assert at.save(ada, item, event("reopen"), event("skip", reason="no")) == 3, "nobody else has it yet"
    assert at.submit(ben) == item
    for late in ([event("reopen")], [label()], [answer()], [answer(), event("submit")]):
        with pytest.raises(BadInput, match="others have taken it over since then"):
            at.save(ada, item, *late)
    assert at.save(ada, item, event("time")) == 4, "time that was spent before may still arrive"
    settings = at.api.get(at.uid, viewer=OWNER).settings
    at.api.change(at.uid, viewer=OWNER, settings=replace(settings, overlap=2))
    assert at.save(ada, item, event("reopen"), answer(), event("submit")) == 7


def test_answers_that_come_late_are_kept_though_others_have_filled_the_item(store: Store) -> None:
    at = desk(store, runs=2, members=3, overlap=1)
    ada, ben, cleo = at.members
    first, second = at.take(ada), at.take(cleo)
    assert first is not None and second is not None and first != second
    at.save(cleo, second, answer(), event("submit"), event("reopen"))
    at.wait(hours=1)
    assert {at.submit(ben).uid, at.submit(ben).uid} == {first.uid, second.uid}  # type: ignore[union-attr]
    offline = [event("skip", reason="hm"), event("reopen"), label(), answer(), event("submit")]
    assert at.save(ada, first, *offline) == 5, "the whole of it was done before it could be sent"
    assert at.save(cleo, second, answer("no"), event("submit")) == 5
    assert {status for _, _, status in at.api.places(at.uid, viewer=OWNER)} == {"submitted"}


def test_an_item_that_is_opened_again_comes_first(store: Store) -> None:
    at = desk(store)
    ada = at.members[0]
    first, second = at.submit(ada), at.take(ada)
    assert first is not None and second is not None and first != second
    at.save(ada, first, event("reopen"))
    assert at.take(ada) == first
    at.save(ada, first, event("submit"))
    assert at.take(ada) == second


def test_training_comes_first_in_its_order_and_for_everybody(store: Store) -> None:
    items = [
        NewItem(("run-0",)),
        NewItem(("run-1",), "training", KNOWN),
        NewItem(("run-2",), "training"),
        NewItem(("run-3",)),
    ]
    at = desk(store, items=items, members=3, overlap=1)
    for member, work in zip(at.members, (1, 1, 0), strict=True):
        assert [at.submit(member).place for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
        if work:
            assert at.submit(member).part == "work"  # type: ignore[union-attr]
    assert at.take(at.members[2]) is None


def test_a_check_item_comes_after_every_so_many_submitted_ones(store: Store) -> None:
    items = [NewItem((f"run-{i}",)) for i in range(7)] + [NewItem(("run-7",), "check", KNOWN)] * 2
    at = desk(store, runs=8, items=items, members=1, order="fixed", check_every=2)
    assert dealt(at, at.members[0]) == [0, 1, 7, 2, 3, 8, 4, 5, 6]


def test_a_skipped_item_brings_no_check_nearer(store: Store) -> None:
    items = [NewItem((f"run-{i}",)) for i in range(3)] + [NewItem(("run-3",), "check", KNOWN)]
    at = desk(store, runs=4, items=items, members=1, order="fixed", check_every=1)
    item = at.take(at.members[0])
    assert item is not None
    at.save(at.members[0], item, event("skip", reason="x"))
    assert dealt(at, at.members[0]) == [1, 3, 2]


def test_without_checks_being_asked_for_there_are_none(store: Store) -> None:
    items = [NewItem(("run-0",)), NewItem(("run-1",), "check", KNOWN)]
    at = desk(store, runs=2, items=items, members=1)
    assert dealt(at, at.members[0]) == [0]


def test_progress_counts_what_was_had_and_what_may_still_come(store: Store) -> None:
    items = [NewItem((f"run-{i}",)) for i in range(4)]
    items += [NewItem(("run-4",), "check", KNOWN), NewItem(("run-5",), "training")]
    at = desk(store, runs=6, items=items, members=3, overlap=1, check_every=2, blind=False)
    ada, ben, cleo = at.members

    def told(member: MemberRecord) -> tuple[int, int, int]:
        found = at.api.progress(at.uid, member, now=at.now)
        return found.done, found.skipped, found.total

    assert told(ada) == (0, 0, 5)
    at.submit(ada)
    assert told(ada) == (0, 0, 5), "training is no work"
    at.submit(ada)
    assert told(ada) == (1, 0, 5) and told(ben) == (0, 0, 4), "three items are left for others, and one check for three"
    at.submit(ada), at.submit(ada)
    assert told(ada) == (3, 0, 5), "a check counts like work"
    at.submit(ben), at.submit(ben)
    assert told(ben) == (1, 0, 3) and told(cleo) == (0, 0, 1), "one is left: with it ben would come to a check"
    at.submit(cleo), at.take(cleo)
    assert told(ben) == (1, 0, 1) and told(cleo) == (0, 0, 1), "cleo holds it now"
    assert at.api.progress(at.uid, ada, now=at.now).total == 3, "two works and a check, and nothing is left"


@pytest.mark.parametrize("blind", [True, False])
def test_in_a_blind_session_progress_tells_nothing_of_others(store: Store, blind: bool) -> None:
    items = [NewItem((f"run-{i}",)) for i in range(4)] + [NewItem(("run-4",), "check", KNOWN)]
    at = desk(store, runs=5, items=items, members=2, overlap=1, check_every=3, blind=blind)
    ada, ben = at.members
    at.submit(ada)
    before = at.api.progress(at.uid, ada, now=at.now)
    own = at.api.own_items(at.uid, ada)
    assert (before.done, before.total) == (1, 5), "four works, and a check after three of them"
    at.submit(ben), at.submit(ben), at.take(ben)
    after = at.api.progress(at.uid, ada, now=at.now)
    assert (after == before) == blind, "an open session says that others have taken what was left"
    assert at.api.own_items(at.uid, ada) == own
    assert at.take(ada) is None, "that nothing is left is said when the next item is asked for"
    assert (at.api.progress(at.uid, ada, now=at.now).total == 5) == blind


def test_imported_labels_take_nobodys_place(store: Store) -> None:
    at = desk(store, runs=1, members=1, overlap=1)
    uid = at.api.outline(at.uid)[0].uid
    at.api.import_labels(at.uid, {uid: [label(), answer(), event("submit")]}, viewer=OWNER)
    assert at.submit(at.members[0]) is not None


def test_an_adjudicator_is_given_nothing_and_saves_nothing(store: Store) -> None:
    at = desk(store)
    judge = at.add("Judge", "adjudicator")
    item = at.take(at.members[0])
    assert item is not None
    with pytest.raises(BadInput, match="do not label yourself"):
        at.take(judge)
    with pytest.raises(BadInput, match="do not label yourself"):
        at.save(judge, item, label())


def test_a_larger_overlap_opens_items_again(store: Store) -> None:
    at = desk(store, runs=2, members=2, overlap=1)
    assert len(dealt(at, at.members[0])) == 2 and at.take(at.members[1]) is None
    settings = at.api.get(at.uid, viewer=OWNER).settings
    at.api.change(at.uid, viewer=OWNER, settings=replace(settings, overlap=2))
    assert len(dealt(at, at.members[1])) == 2
