"""Long calls: one computation for one question however many ask, errors are not kept, nobody takes all places."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from engine.errors import BadInput, Busy, UserError
from tests.support.bench import ME, OTHER
from ui.access import Viewer
from ui.fork_underway import Underway
from ui.long_answers import BESIDE, MOST_KEPT, OF_ADDRESS, OF_ALL, OF_ONE, Kept, Places
from ui.shelf import Shelf


def test_who_asks_the_same_at_the_same_time_waits_for_the_one_at_work() -> None:
    kept, begun = Kept(), []

    def work() -> dict[str, int]:
        begun.append(1)
        time.sleep(0.2)
        return {"n": len(begun)}

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: kept.answer("question", work), range(6)))
    assert answers == [{"n": 1}] * 6 and len(begun) == 1


def test_another_question_is_another_answer_and_only_the_last_asked_are_kept() -> None:
    kept = Kept()
    for n in range(MOST_KEPT + 1):
        assert kept.answer(n, lambda n=n: {"n": n}) == {"n": n}  # type: ignore[misc]
        assert kept.answer(0, lambda: {"n": 0}) == {"n": 0}
    assert kept.answer(0, lambda: {"n": -1}) == {"n": 0}, "asked all the time"
    assert kept.answer(1, lambda: {"n": -1}) == {"n": -1}, "forgotten"


def test_an_error_is_raised_and_not_kept() -> None:
    kept = Kept()

    def fail() -> dict[str, int]:
        raise BadInput("no")

    with pytest.raises(BadInput):
        kept.answer("q", fail)
    assert kept.answer("q", lambda: {"n": 1}) == {"n": 1}


def test_one_person_and_all_together_have_so_many_places() -> None:
    places, inside, go = Places(), threading.Semaphore(0), threading.Event()

    def of(who: str) -> Viewer:
        return Viewer(who, who, False)

    def hold(who: str) -> None:
        with places.take(of(who)):
            inside.release()
            go.wait(60)

    with ThreadPoolExecutor(OF_ALL) as pool:
        for _ in range(OF_ONE):
            pool.submit(hold, "a")
        for n in range(OF_ALL - OF_ONE):
            pool.submit(hold, f"b{n}")
        try:
            assert all(inside.acquire(timeout=20) for _ in range(OF_ALL))
            for who in ("a", "somebody"):
                with pytest.raises(Busy), places.take(of(who)):
                    pass
        finally:
            go.set()
    with places.take(of("a")):
        pass


def test_pages_of_ones_own_machine_are_bounded_each_and_not_by_its_address() -> None:
    places = Places()
    with ExitStack() as held:
        for n in range(OF_ALL):
            held.enter_context(places.take(replace(ME, session=f"page {n}", address="127.0.0.1")))
        with pytest.raises(Busy), places.take(replace(ME, session="one more", address="127.0.0.1")):
            pass


@pytest.mark.parametrize("address", ["203.0.113.{}", "2001:db8:1:{}::1"])
def test_who_drops_a_cookie_has_no_more_places_of_an_address(address: str) -> None:
    """Addresses of one IPv6 network are one person's; those of IPv4 are not."""
    places, one_network = Places(), ":" in address
    with ExitStack() as held:
        for n in range(OF_ADDRESS):
            where = address.format(n if one_network else 1)
            held.enter_context(places.take(Viewer(f"visitor:{n}", f"{n}", False, where)))
        with pytest.raises(Busy), places.take(Viewer("visitor:new", "new", False, address.format(1))):
            pass
        with places.take(Viewer("visitor:else", "else", False, "198.51.100.7")):
            pass
    with places.take(Viewer("visitor:new", "new", False, address.format(1))):
        pass


def test_files_are_read_and_written_by_so_many_at_once_and_the_place_is_given_back(bench) -> None:
    shelf = Shelf(bench.store)
    with ExitStack() as held:
        for _ in range(OF_ONE):
            held.enter_context(BESIDE.take(ME))
        for work in (
            lambda: shelf.import_text("", ME),
            lambda: shelf.export_text(["x"], ME),
            lambda: bench.import_logprobs("{}", ME),
        ):
            with pytest.raises(Busy, match="Too much is being worked out"):
                work()
        with pytest.raises(UserError) as refused:
            bench.import_logprobs("{}", OTHER)
        assert not isinstance(refused.value, Busy), "somebody else has a place"
    for _ in range(2 * OF_ALL):
        with pytest.raises(UserError) as refused:
            bench.import_logprobs("{}", ME)
        assert not isinstance(refused.value, Busy), "a call that fails gives its place back"


def test_analyses_are_read_for_so_many_people_at_once() -> None:
    underway = Underway()
    with ExitStack() as held:
        for number in range(OF_ALL):
            held.enter_context(underway.alone(replace(OTHER, session=f"page {number}")))
        with pytest.raises(Busy, match="Too many analyses"), underway.alone(ME):
            pass
    with underway.alone(ME):
        pass
