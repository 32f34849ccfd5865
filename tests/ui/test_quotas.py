"""What one person may ask for: refused before the queue with a sentence, given back in time, bounded in memory."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import Busy, UserError
from storage.database import Store
from tests.support.clock import HandClock
from ui.access import Viewer, digest_of
from ui.quotas import BYTES_A_TOKEN, HOUR, QuotaLimits, Quotas
from ui.turns import TurnLimits, Turnstile

ME = Viewer("visitor:me", "page", False, "203.0.113.5")
NEIGHBOUR = Viewer("visitor:neighbour", "page", False, "203.0.113.5")
STRANGER = Viewer("visitor:far", "page", False, "198.51.100.9")
LIMITS = QuotaLimits(jobs=3, tokens=100, address_jobs=5, address_tokens=150)
NOON = 500_000 * HOUR + 1_800.0


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOON)


def refusal(quotas: Quotas, viewer: Viewer) -> str:
    with pytest.raises(Busy) as error:
        quotas.admit(viewer)
    return str(error.value)


def test_jobs_are_counted_over_a_sliding_window(clock: HandClock) -> None:
    quotas = Quotas(LIMITS, clock)
    for _ in range(3):
        quotas.admit(ME)
        clock.now += 100
    assert refusal(quotas, ME) == "Your share of 3 answers in 10 minutes is used up: there is more in 5 minutes."
    assert quotas.remaining(ME).jobs_left == 0
    clock.now += 299
    assert "in 2 seconds" in refusal(quotas, ME)
    clock.now += 1
    quotas.admit(ME)
    assert "in 2 minutes" in refusal(quotas, ME), "only the first one has left the window"


def test_a_new_cookie_is_a_new_visitor_and_not_a_new_address(clock: HandClock) -> None:
    quotas = Quotas(LIMITS, clock)
    for number in range(5):
        quotas.admit(replace(ME, name=f"visitor:{number}"))
    assert refusal(quotas, replace(ME, name="visitor:fresh")).startswith("Your network's share of 5 answers")
    quotas.admit(STRANGER)
    quotas.spend(STRANGER, 10)
    for number in range(2):
        quotas.spend(replace(ME, name=f"visitor:{number}"), 90)
    clock.now += 600
    assert refusal(quotas, NEIGHBOUR).startswith("Your network's share of 150 tokens a day is used up")
    assert quotas.remaining(NEIGHBOUR).tokens_left == 0 and quotas.remaining(STRANGER).tokens_left == 90


def test_tokens_come_back_hour_by_hour_after_a_day(clock: HandClock) -> None:
    quotas = Quotas(LIMITS, clock)
    quotas.spend(ME, 30)
    clock.now += 3 * HOUR
    quotas.spend(ME, 90)
    said = refusal(quotas, ME)
    assert said == "Your share of 100 tokens a day is used up: there is more in 21 hours."
    clock.now += 20.4 * HOUR
    assert "there is more in 6 minutes" in refusal(quotas, ME)
    clock.now += 0.1 * HOUR
    assert quotas.remaining(ME).tokens_left == 10
    quotas.admit(ME)
    clock.now += 3 * HOUR
    assert quotas.remaining(ME).tokens_left == 100


def test_who_is_refused_is_not_counted_and_takes_no_place(clock: HandClock) -> None:
    quotas = Quotas(LIMITS, clock)
    turns = Turnstile(TurnLimits.of("public"), quotas)
    for _ in range(3):
        with turns.enter(ME):
            pass
    for _ in range(10):
        with pytest.raises(Busy, match="Your share of 3 answers"), turns.enter(ME):
            pass
    assert turns.waiting() == 0 and quotas.remaining(NEIGHBOUR).jobs_left == 2
    clock.now += 600
    assert quotas.remaining(ME).jobs_left == 3


def test_a_job_that_never_had_its_turn_is_not_counted(clock: HandClock) -> None:
    quotas = Quotas(LIMITS, clock)
    turns = Turnstile(TurnLimits.of("public"), quotas)
    with turns.enter(STRANGER), turns.enter(ME):
        assert quotas.remaining(ME).jobs_left == 2
    assert quotas.remaining(ME).jobs_left == 3 and quotas.remaining(STRANGER).jobs_left == 2


def test_a_job_in_the_middle_is_ended_when_the_share_is_and_the_next_one_is_not_begun(clock: HandClock) -> None:
    quotas = Quotas(LIMITS, clock)
    turns = Turnstile(TurnLimits.of("public"), quotas)
    with turns.enter(ME) as ticket, turns.enter(replace(ME, session="tab 2")) as waiting:
        turns.read(60)
        assert not ticket.stopped()
        turns.read(50)
        assert ticket.stopped() and ticket.tokens == 110
        assert ticket.cut.startswith("Your share of 100 tokens a day is used up: there is more in 24 hours.")
        assert "kept" in ticket.cut
        assert not waiting.stopped()
        ticket_left = quotas.remaining(ME).tokens_left
    assert ticket_left == 0
    with pytest.raises(Busy, match="tokens a day"), turns.enter(ME):
        pass
    quotas = Quotas(LIMITS, clock)
    turns = Turnstile(TurnLimits.of("public"), quotas)
    first = turns.enter(ME)
    first.__enter__()
    with turns.enter(replace(ME, session="tab 2")) as second:
        turns.read(100)
        first.__exit__(None, None, None)
        assert turns.wait(second, 0) and second.stopped() and "tokens a day" in second.cut
    assert quotas.remaining(ME).tokens_left == 0


def test_one_trusted_person_is_bounded_by_nothing_and_nothing_is_remembered(clock: HandClock) -> None:
    quotas = Quotas(QuotaLimits.of("local"), clock)
    for _ in range(1_000):
        quotas.admit(ME)
        quotas.spend(ME, 10**9)
    assert len(quotas) == 0
    shares = quotas.remaining(ME)
    assert not shares.bounded and not shares.low and shares.sentence == ""


def test_people_of_a_team_have_shares_and_their_house_has_none() -> None:
    limits = QuotaLimits.of("team")
    assert limits.jobs and limits.tokens and limits.address_jobs is None and limits.address_tokens is None


def test_a_hundred_thousand_made_up_visitors_do_not_grow_the_memory() -> None:
    limits = replace(QuotaLimits.of("public"), accounts=1_000)
    clock = HandClock(NOON)
    quotas = Quotas(limits, clock)
    for number in range(100_000):
        viewer = Viewer(f"visitor:{number}", "page", False, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        quotas.remaining(viewer)
        if number < 50_000:
            quotas.admit(viewer)
            quotas.spend(viewer, 1)
    assert len(quotas) == 2_000
    clock.now += 25 * HOUR
    assert quotas.remaining(Viewer("visitor:49999", "page", False)).tokens_left == limits.tokens
    assert len(quotas) == 1_999, "who is looked at and has nothing left to remember is forgotten"


def test_tokens_of_a_day_outlive_a_restart_and_names_and_addresses_are_not_written_down(
    tmp_path: Path, clock: HandClock
) -> None:
    with Store(tmp_path / "forklore.db") as store:
        quotas = Quotas(LIMITS, clock, store.usage)
        quotas.spend(ME, 30)
        quotas.write_down()
        clock.now += HOUR
        quotas.spend(ME, 20)
        quotas.spend(ME, 5)
        quotas.write_down()
        quotas.write_down()
        rows = store.usage.since(0)
        hour = int(NOON // HOUR)
        assert rows == [(digest_of(ME.name), hour, 30), (digest_of(ME.name), hour + 1, 25)]
        again = Quotas(LIMITS, clock, store.usage)
        assert again.remaining(ME).tokens_left == 45
        assert again.remaining(NEIGHBOUR).tokens_left == 100, "the address is forgotten with the process"
        again.spend(ME, 45)
        assert "used up" in refusal(again, ME)
        clock.now += 24 * HOUR
        again.spend(NEIGHBOUR, 1)
        again.write_down()
        assert [row[2] for row in store.usage.since(0)] == [1], "what no longer counts is forgotten"
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"203.0.113.5" not in written and ME.name.encode() not in written


def test_what_could_not_be_written_down_is_written_with_the_next_call(clock: HandClock) -> None:
    class Full:
        broken = True
        rows: dict = {}  # noqa: RUF012

        def add(self, spent: dict, forget: int) -> None:
            if self.broken:
                raise UserError("There is no room left.")
            self.rows.update(spent)

        def since(self, hour: int) -> list:
            return []

    ledger = Full()
    quotas = Quotas(LIMITS, clock, ledger)
    quotas.spend(ME, 7)
    with pytest.raises(UserError):
        quotas.write_down()
    quotas.spend(ME, 2)
    ledger.broken = False
    quotas.write_down()
    assert list(ledger.rows.values()) == [9]


def test_counting_from_many_threads_loses_nothing(clock: HandClock) -> None:
    quotas = Quotas(QuotaLimits(jobs=10_000, tokens=10**9), clock)

    def work() -> None:
        for _ in range(500):
            quotas.admit(ME)
            quotas.spend(ME, 3)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    shares = quotas.remaining(ME)
    assert (shares.jobs_left, shares.tokens_left) == (6_000, 10**9 - 12_000)


def test_the_line_on_the_page_says_both_shares_and_when_one_is_low(clock: HandClock) -> None:
    quotas = Quotas(QuotaLimits.of("public"), clock)
    for _ in range(22):
        quotas.admit(ME)
    quotas.spend(ME, 18_800)
    shares = quotas.remaining(ME)
    assert shares.sentence == "38 of 60 answers left in 10 minutes, 231,200 of 250,000 tokens left today"
    assert not shares.low
    quotas.spend(ME, 220_000)
    assert quotas.remaining(ME).low


def test_a_network_of_many_addresses_has_the_shares_of_four(clock: HandClock) -> None:
    quotas = Quotas(LIMITS, clock)
    many = [Viewer(f"visitor:{n}", "page", False, f"2001:db8:7:{n:x}::/64") for n in range(21)]
    for viewer in many[:20]:
        quotas.admit(viewer)
    assert "Your network's share of 20 answers" in refusal(quotas, many[20])
    quotas.admit(Viewer("visitor:far", "page", False, "2001:db8:8:1::/64"))
    quotas.admit(STRANGER)


def test_what_is_brought_in_counts_as_the_tokens_it_would_have_taken(clock: HandClock) -> None:
    quotas = Quotas(LIMITS, clock)
    quotas.keep(ME, 40 * BYTES_A_TOKEN + 1)
    assert quotas.remaining(ME).tokens_left == 100 - 41
    with pytest.raises(Busy, match=r"counts as 60 tokens, one for every 512 bytes, and 59 are left to you today"):
        quotas.keep(ME, 60 * BYTES_A_TOKEN)
    assert quotas.remaining(ME).tokens_left == 59, "a refusal costs nothing"
    quotas.keep(ME, 59 * BYTES_A_TOKEN)
    for number in range(50):
        # a cookie a file does not help: the address has a share, too
        quotas.keep(replace(ME, name=f"visitor:{number}"), BYTES_A_TOKEN)
    with pytest.raises(Busy, match="0 are left"):
        quotas.keep(replace(ME, name="visitor:fresh"), 1)
    quotas.keep(STRANGER, 100 * BYTES_A_TOKEN)
    Quotas(QuotaLimits(), clock).keep(ME, 10**12)
