"""Calls, open requests and bytes of one caller are bounded before gradio's queue, those of others are not touched."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from ui.access import SCOPE_KEY, Identity
from ui.addresses import network_of
from ui.floodgate import Floodgate, FloodLimits

PERSON = FloodLimits(queued=3, queued_a_second=1.0, direct=5, direct_a_second=10.0, open=2, bytes=1_000, callers=50)
ADDRESS = FloodLimits(queued=5, queued_a_second=2.0, direct=50, direct_a_second=10.0, open=3, bytes=5_000, callers=50)
ME = Identity("visitor:me", False, True, "203.0.113.5")
NEIGHBOUR = Identity("visitor:neighbour", False, True, "203.0.113.5")
FAR = Identity("visitor:far", False, True, "198.51.100.9")
JOIN = "/gradio_api/queue/join"


class Page:
    """An application behind the gate; held: requests stay open until told."""

    def __init__(self, person: FloodLimits | None = PERSON, address: FloodLimits | None = ADDRESS) -> None:
        self.now = 0.0
        self.gate = Floodgate(self._answer, person, address, lambda: self.now)
        self.held: asyncio.Event | None = None

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            await receive()
        if self.held is not None:
            await self.held.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, who: Identity | None, path: str = JOIN, method: str = "POST", size: int = 0) -> tuple[int, str]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"x" * size, "more_body": False}

        scope = {"type": "http", "method": method, "path": path, "headers": [], SCOPE_KEY: who}
        await self.gate(scope, receive, send)
        body = b"".join(part.get("body", b"") for part in sent)
        return sent[0]["status"], json.loads(body)["detail"] if body else ""

    def status(self, *given: Any, **named: Any) -> int:
        return asyncio.run(self.ask(*given, **named))[0]


def test_queued_calls_are_a_burst_and_then_so_many_a_second() -> None:
    page = Page()
    assert [page.status(ME) for _ in range(5)] == [200, 200, 200, 429, 429]
    assert asyncio.run(page.ask(ME)) == (429, "Too many calls came from you or your network at once: try again in 1 "
                                              "seconds.")  # fmt: skip
    page.now += 1.0
    assert [page.status(ME) for _ in range(2)] == [200, 429]
    page.now += 3_600.0
    assert [page.status(ME) for _ in range(4)] == [200, 200, 200, 429], "no more than the burst is saved up"


def test_what_one_person_is_refused_costs_their_neighbours_nothing_and_an_address_has_a_bound_of_its_own() -> None:
    page = Page()
    for _ in range(50):
        page.status(ME)
    assert [page.status(NEIGHBOUR) for _ in range(3)] == [200, 200, 429], "five of this address in all"
    assert page.status(FAR) == 200
    fresh = [page.status(Identity(f"visitor:{n}", False, True, "192.0.2.1")) for n in range(8)]
    assert fresh == [200] * 5 + [429] * 3, "a new cookie is no new address"


def test_calls_beside_the_queue_have_bounds_of_their_own_and_reading_has_none() -> None:
    page = Page()
    direct = [page.status(ME, "/gradio_api/run/open_run") for _ in range(7)]
    assert direct == [200] * 5 + [429] * 2
    assert page.status(ME) == 200
    assert {page.status(ME, "/assets/a.js", method="GET") for _ in range(500)} == {200}


def test_open_requests_are_bounded_and_given_back() -> None:
    page = Page()

    async def many() -> list[int]:
        page.held = asyncio.Event()
        streams = [asyncio.ensure_future(page.ask(ME, "/gradio_api/queue/data", "GET")) for _ in range(4)]
        streams += [asyncio.ensure_future(page.ask(NEIGHBOUR, "/gradio_api/queue/data", "GET")) for _ in range(2)]
        streams.append(asyncio.ensure_future(page.ask(FAR, "/gradio_api/queue/data", "GET")))
        await asyncio.sleep(0)
        page.held.set()
        return [(await stream)[0] for stream in streams]

    assert asyncio.run(many()) == [200, 200, 429, 429, 200, 429, 200]
    page.held = None
    assert page.status(ME, "/", method="GET") == 200


def test_who_has_sent_too_much_waits_with_the_next_call() -> None:
    page = Page()
    assert page.status(ME, size=1_500) == 200, "what has begun is not broken off"
    status, said = asyncio.run(page.ask(ME))
    assert status == 429 and "30 minutes" in said
    assert page.status(NEIGHBOUR, size=100) == 200
    page.now += 1_801.0
    assert page.status(ME) == 200


def test_made_up_visitors_do_not_grow_the_memory() -> None:
    page = Page()
    for number in range(2_000):
        page.status(Identity(f"visitor:{number}", False, True, f"10.0.{number >> 8}.{number & 255}"))
    assert len(page.gate._persons) <= 50 and len(page.gate._addresses) <= 50  # type: ignore[arg-type]


def test_one_persons_own_page_is_not_bounded_and_who_is_unknown_is_bounded_by_address() -> None:
    assert FloodLimits.of_person("local") is None and FloodLimits.of_address("local") is None
    free = Page(None, None)
    assert {free.status(ME) for _ in range(300)} == {200}
    page = Page()
    nobody = Identity("", False, True, "192.0.2.7")
    assert [page.status(nobody) for _ in range(7)] == [200] * 5 + [429] * 2


def test_one_network_of_many_addresses_has_four_times_the_bound_of_one() -> None:
    page = Page()
    many = [Identity(f"visitor:{n}", False, True, f"2001:db8:7:{n:x}::/64") for n in range(100)]
    asked = [page.status(who) for who in many]
    assert asked == [200] * 20 + [429] * 80
    assert page.status(Identity("visitor:else", False, True, "2001:db8:8:1::/64")) == 200
    assert network_of("2001:db8:7:5::/64") == "2001:db8:7::/48" and network_of("203.0.113.5") == network_of("") == ""


def test_whatever_is_sent_counts_wherever_it_goes() -> None:
    page = Page()
    assert page.status(ME, "/gradio_api/never-heard-of", size=1_500) == 200
    assert page.status(ME, "/gradio_api/never-heard-of") == 429


def test_openings_of_the_page_are_bounded_and_what_it_loads_is_not() -> None:
    limits = replace(PERSON, pages=10, pages_a_second=1.0)
    page = Page(limits, None)
    assert [page.status(ME, "/", method="GET") for _ in range(12)] == [200] * 10 + [429] * 2
    assert page.status(ME, "/config/", method="GET") == 429, "as dear as the page"
    assert {page.status(ME, "/static/x.js", method="GET") for _ in range(100)} == {200}
    assert page.status(NEIGHBOUR, "/", method="GET") == 200
    page.now += 1.0
    assert [page.status(ME, "/", method="GET") for _ in range(2)] == [200, 429]
