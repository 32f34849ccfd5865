"""One job at a time, first come first served; places are given back however a job ends."""

import threading

import pytest

from engine.errors import Busy
from ui.turns import Turnstile


def test_turns_come_in_the_order_of_arrival_under_contention():
    turns, order = Turnstile(50, 1), []

    def job(number, joined):
        with turns.enter(f"s{number}") as ticket:
            joined.set()
            while not turns.wait(ticket, 1):
                pass
            order.append(number)

    with turns.enter("first"):
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
    turns = Turnstile(1, 1)
    with pytest.raises(ZeroDivisionError), turns.enter("a"):
        raise ZeroDivisionError
    with turns.enter("b") as ticket:
        assert turns.wait(ticket, 0)


def test_a_full_queue_and_a_greedy_session_are_refused_with_a_sentence():
    turns = Turnstile(2, 1)
    with turns.enter("a"), pytest.raises(Busy, match="already at work"), turns.enter("a"):
        pass
    with turns.enter("a"), turns.enter("b"), pytest.raises(Busy, match="2 people"), turns.enter("c"):
        pass


def test_those_behind_and_ahead_are_counted():
    turns = Turnstile(5, 1)
    with turns.enter("a") as a, turns.enter("b") as b:
        assert (turns.ahead(a), turns.behind(a), turns.ahead(b), turns.behind(b)) == (0, 1, 1, 0)
        assert turns.wait(a, 0) and not turns.wait(b, 0)


def test_stopping_one_session_leaves_the_others():
    turns = Turnstile(5, 2)
    with turns.enter("a") as a, turns.enter("b") as b:
        assert turns.stop("b") == 1 and b.cancelled.is_set() and not a.cancelled.is_set()
        assert turns.stop("nobody") == 0


def test_a_long_job_lets_short_ones_go_first_between_its_steps_and_comes_before_later_long_ones():
    turns, order = Turnstile(10, 1), []

    def job(name, long, joined, steps):
        with turns.enter(name, long=long) as ticket:
            joined.set()
            for step in range(steps):
                while not turns.wait(ticket, 1):
                    pass
                order.append(f"{name}{step}")
                turns.give_way(ticket)

    threads = []
    with turns.enter("first") as first:
        assert turns.wait(first, 0) and not turns.give_way(first), "nobody waits"
        for name, long, steps in (("analysis", True, 3), ("other", True, 2), ("short", False, 2)):
            joined = threading.Event()
            threads.append(threading.Thread(target=job, args=(name, long, joined, steps)))
            threads[-1].start()
            assert joined.wait(5)
    for thread in threads:
        thread.join(10)
    assert order == ["analysis0", "short0", "short1", "analysis1", "analysis2", "other0", "other1"]
