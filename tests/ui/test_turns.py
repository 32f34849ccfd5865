"""One job at a time, fairly between people; nobody starves; places are given back however a job ends."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.errors import Busy
from ui.access import Viewer
from ui.turns import Others, Ticket, TurnLimits, Turnstile


def page(name: str, session: str = "", address: str = "") -> Viewer:
    """A page of a stranger."""
    return Viewer(name, session or f"page of {name}", False, address)


def test_turns_come_in_the_order_of_arrival_under_contention():
    turns, order = Turnstile(TurnLimits(capacity=50)), []

    def job(number, joined):
        with turns.enter(page(f"s{number}")) as ticket:
            joined.set()
            while not turns.wait(ticket, 1):
                pass
            order.append(number)

    with turns.enter(page("first")):
        threads = []
        for number in range(20):
            joined = threading.Event()
            threads.append(threading.Thread(target=job, args=(number, joined)))
            threads[-1].start()
            assert joined.wait(5)
    for thread in threads:
        thread.join(10)
    assert order == list(range(20))


def test_a_place_is_given_back_when_its_job_breaks():
    turns = Turnstile(TurnLimits(capacity=1))
    with pytest.raises(ZeroDivisionError), turns.enter(page("a")):
        raise ZeroDivisionError
    with turns.enter(page("b")) as ticket:
        assert turns.wait(ticket, 0)


def test_a_full_queue_and_a_greedy_page_are_refused_with_a_sentence():
    turns = Turnstile(TurnLimits(capacity=2))
    with turns.enter(page("a")), pytest.raises(Busy, match="already at work"), turns.enter(page("a")):
        pass
    with (
        turns.enter(page("a")),
        turns.enter(page("b")),
        pytest.raises(Busy, match="2 people"),
        turns.enter(page("c")),
    ):
        pass


def test_one_stranger_and_one_address_cannot_fill_the_queue():
    turns = Turnstile(TurnLimits.of("public"))
    tickets = [turns.enter(page("a", f"tab {tab}", "here")) for tab in range(3)]
    with tickets[0], tickets[1], pytest.raises(Busy, match="2 jobs of yours"), tickets[2]:
        pass
    assert turns.waiting() == 0
    entered = [turns.enter(page(f"cookie {number}", address="here")) for number in range(7)]
    for one in entered[:6]:
        one.__enter__()
    with pytest.raises(Busy, match="6 jobs from your network"):
        entered[6].__enter__()
    with turns.enter(page("somebody", address="elsewhere")) as ticket:
        assert turns.ahead(ticket) == 1, "whose address has five more waiting comes behind"
    for one in entered[:6]:
        one.__exit__(None, None, None)
    assert turns.waiting() == 0


def test_those_behind_and_ahead_are_counted():
    turns = Turnstile(TurnLimits(capacity=5))
    with turns.enter(page("a")) as a, turns.enter(page("b")) as b:
        assert (turns.ahead(a), turns.behind(a), turns.ahead(b), turns.behind(b)) == (0, 1, 1, 0)
        assert turns.wait(a, 0) and not turns.wait(b, 0)


def test_people_who_wait_are_told_from_other_pages_of_the_same_person():
    turns = Turnstile(TurnLimits(capacity=6))
    with turns.enter(page("a")) as a, turns.enter(page("a", "other tab")) as again:
        assert turns.others(a) == (Others(), Others(pages=1)) and not turns.others(a)[0]
        assert turns.others(again)[0].before() == "another page of yours is before this one"
        with turns.enter(page("b")) as b, turns.enter(page("b", "other tab")):
            assert turns.others(a)[1] == Others(people=1, pages=1), "two jobs of one person are one person's"
            assert turns.others(b)[0].before() == "1 person is before you"
            assert turns.others(again)[0] == Others(people=1, pages=1)
            assert turns.others(again)[0].before() == "1 person and another page of yours are before this one"


def test_stopping_one_page_leaves_the_others_and_a_page_opened_anew_stops_what_its_person_left():
    turns = Turnstile(TurnLimits(capacity=5))
    with turns.enter(page("a")) as a, turns.enter(page("b")) as b, turns.enter(page("b", "other tab")) as other:
        assert turns.stop(page("b")) == 1
        assert b.cancelled.is_set() and not a.cancelled.is_set() and not other.cancelled.is_set()
        assert turns.stop(page("b", "reloaded")) == 2 and other.cancelled.is_set()
        assert turns.stop(page("nobody")) == 0


def test_a_long_job_lets_short_ones_go_first_between_its_steps_and_comes_before_later_long_ones():
    turns, order = Turnstile(TurnLimits(capacity=10)), []

    def job(name, long, joined, steps):
        with turns.enter(page(name), long=long) as ticket:
            joined.set()
            for step in range(steps):
                while not turns.wait(ticket, 1):
                    pass
                order.append(f"{name}{step}")
                turns.give_way(ticket)

    threads = []
    with turns.enter(page("first")) as first:
        assert turns.wait(first, 0) and not turns.give_way(first), "nobody waits"
        for name, long, steps in (("analysis", True, 3), ("other", True, 2), ("short", False, 2)):
            joined = threading.Event()
            threads.append(threading.Thread(target=job, args=(name, long, joined, steps)))
            threads[-1].start()
            assert joined.wait(5)
    for thread in threads:
        thread.join(10)
    assert order == ["analysis0", "short0", "short1", "analysis1", "analysis2", "other0", "other1"]


def test_who_was_served_least_recently_is_next():
    turns = Turnstile(TurnLimits.of("public"))
    with turns.enter(page("busy")):
        pass
    with turns.enter(page("at work")), turns.enter(page("busy")) as busy:
        assert turns.ahead(busy) == 1
        with turns.enter(page("new")) as new:
            assert (turns.ahead(new), turns.ahead(busy)) == (1, 2)
            with turns.enter(page("busy", "second tab")) as second, turns.enter(page("newer")) as newer:
                assert [turns.ahead(one) for one in (new, newer, busy, second)] == [1, 2, 3, 4]


def test_a_new_cookie_from_an_address_that_was_just_served_comes_behind_other_new_people():
    turns = Turnstile(TurnLimits.of("public"))
    with turns.enter(page("cookie 1", address="here")):
        pass
    with (
        turns.enter(page("at work")),
        turns.enter(page("cookie 2", address="here")) as again,
        turns.enter(page("somebody", address="elsewhere")) as somebody,
    ):
        assert turns.ahead(somebody) < turns.ahead(again)


def test_a_job_that_had_its_time_is_told_to_end_with_a_sentence_and_its_pauses_do_not_count():
    now = [0.0]
    turns = Turnstile(TurnLimits(short_seconds=120, long_seconds=600), clock=lambda: now[0])
    with turns.enter(page("a"), long=True) as a:
        now[0] += 1_000
        assert not a.stopped(), "a model that is still being loaded is no time at the model"
        turns.read(1)
        now[0] += 599
        with turns.enter(page("b")) as b:
            assert turns.give_way(a) and turns.wait(b, 0)
            turns.read(5)
            now[0] += 119
            assert not b.stopped()
            now[0] += 1
            assert b.stopped() and "120 seconds" not in b.cut and "2 minutes" in b.cut
        assert turns.wait(a, 0) and not a.stopped(), "while others worked"
        turns.read(1)
        now[0] += 2
        assert a.stopped() and a.cut.startswith("Cut after 10 minutes") and "go on" in a.cut


def test_who_presses_stop_is_told_nothing_of_limits():
    turns = Turnstile(TurnLimits(short_seconds=10))
    with turns.enter(page("a")) as a:
        turns.stop(page("a"))
        a.end("too late")
        assert a.stopped() and a.cut == ""


def test_everybody_can_be_asked_to_stop_with_the_reason():
    turns = Turnstile()
    with turns.enter(page("a")) as a, turns.enter(page("b")) as b:
        assert turns.stop_all("The page is being closed.") == 2
        assert a.stopped() and b.stopped() and {a.cut, b.cut} == {"The page is being closed."}


class _Model:
    """A queue that is driven move by move, each with its promises checked."""

    def __init__(self) -> None:
        self.limits = TurnLimits(capacity=8, each_person=3, overtaking=3, overtaking_long=5)
        self.turns = Turnstile(self.limits)
        self.open: dict[Ticket, object] = {}
        self.begun: dict[Ticket, int] = {}
        self.before: dict[Ticket, int] = {}
        self.rose: dict[Ticket, int] = {}
        self.jobs = 0

    def ahead(self) -> dict[Ticket, int]:
        return {ticket: self.turns.ahead(ticket) for ticket in self.open}

    def join(self, who: int, long: bool) -> None:
        was = self.ahead()
        self.jobs += 1
        entering = self.turns.enter(Viewer(f"p{who}", f"page {self.jobs}", False, f"a{who % 2}"), long=long)
        try:
            ticket = entering.__enter__()
        except Busy:
            assert self.ahead() == was, "who is refused changes nothing"
            return
        self.open[ticket], self.before[ticket] = entering, 0
        now = self.ahead()
        # those after the new one have one more before them, and for nobody else anything has changed
        assert now == {one: was.get(one, now[ticket]) + (one in was and was[one] >= now[ticket]) for one in now}
        for one, before in was.items():
            self.rose[one] = self.rose.get(one, 0) + now[one] - before
            assert self.rose[one] <= (self.limits.overtaking_long if one.long else self.limits.overtaking)
        self.look()

    def look(self) -> None:
        """Whose turn it is now; every job that begins was before all that still wait."""
        for ticket in self.open:
            if self.turns.wait(ticket, 0) and ticket not in self.begun:
                self.begun[ticket] = 1
                for other in self.open:
                    if other not in self.begun:
                        self.before[other] += 1
                most = self.limits.capacity - 1
                most += self.limits.overtaking_long if ticket.long else self.limits.overtaking
                assert self.before[ticket] <= most

    def end(self, number: int) -> None:
        """The job at work ends, or one that waits goes: nobody has more before them by that."""
        if not self.open:
            return
        ticket = sorted(self.open, key=lambda one: one.number)[number % len(self.open)]
        was = self.ahead()
        self.open.pop(ticket).__exit__(None, None, None)  # type: ignore[attr-defined]
        now = self.ahead()
        assert all(now[one] <= was[one] for one in now)
        self.look()

    def work(self) -> None:
        """The job at work ends, or gives way where it is a long one."""
        ticket = next((one for one in self.open if self.turns.wait(one, 0)), None)
        if ticket is None:
            assert not self.open
        elif not (ticket.long and self.turns.give_way(ticket)):
            self.end(sorted(self.open, key=lambda one: one.number).index(ticket))
        self.look()


moves = some.lists(
    some.one_of(
        some.tuples(some.just("join"), some.integers(0, 11), some.booleans()),
        some.tuples(some.just("work")),
        some.tuples(some.just("end"), some.integers(0, 7)),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(moves)
def test_every_admitted_job_begins_after_at_most_so_many_others_whatever_comes(given_moves):
    model = _Model()
    for name, *values in given_moves:
        getattr(model, name)(*values)
    for _ in range(40):
        model.work()
    assert not model.open and model.turns.waiting() == 0, "all are served in the end"


def test_newcomers_without_end_do_not_starve_who_was_served_before():
    limits = TurnLimits.of("public")
    turns = Turnstile(limits)
    with turns.enter(page("old")):
        pass
    at_work = turns.enter(page("new 0"))
    ticket = at_work.__enter__()
    with turns.enter(page("old")) as old:
        passed = 0
        for number in range(1, 50):
            following = turns.enter(page(f"new {number}"))
            newer = following.__enter__()
            at_work.__exit__(None, None, None)
            if turns.wait(old, 0):
                following.__exit__(None, None, None)
                break
            assert turns.wait(newer, 0) and ticket is not newer
            passed, at_work = passed + 1, following
        assert passed == limits.overtaking


def test_nobody_who_comes_while_a_long_job_gives_way_goes_before_it():
    turns = Turnstile(TurnLimits.of("public"))
    with turns.enter(page("analyst")):
        pass
    with turns.enter(page("analyst"), long=True) as long, turns.enter(page("short")) as short:
        assert turns.give_way(long) and turns.wait(short, 0)
        with turns.enter(page("new")) as new:
            assert (turns.ahead(short), turns.ahead(long), turns.ahead(new)) == (0, 1, 2)


def test_a_long_job_gives_way_to_so_many_and_then_comes_to_its_end():
    turns = Turnstile(TurnLimits(overtaking_long=5))
    with turns.enter(page("analyst"), long=True) as long:
        passed = 0
        for number in range(20):
            with turns.enter(page(f"short {number}")) as short:
                if turns.give_way(long):
                    assert turns.wait(short, 0)
                    passed += 1
            assert turns.wait(long, 0)
        assert passed == 5


def test_a_network_of_many_addresses_takes_at_most_the_places_of_two() -> None:
    turns = Turnstile(TurnLimits.of("public"))
    entered = [turns.enter(page(f"cookie {n}", address=f"2001:db8:7:{n:x}::/64")) for n in range(13)]
    for one in entered[:12]:
        one.__enter__()
    with pytest.raises(Busy, match="12 jobs from your network"):
        entered[12].__enter__()
    with turns.enter(page("somebody", address="2001:db8:8:1::/64")):
        assert turns.waiting() == 13
    for one in entered[:12]:
        one.__exit__(None, None, None)
