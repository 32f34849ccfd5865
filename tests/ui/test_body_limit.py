"""A body too large or too slow is refused before it is read, one that is neither passes byte by byte."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from tests.support.app_server import free_port, wait_until
from ui.body_limit import BodyBounds, BodyLimit
from ui.errors import Caught
from ui.last_word import LastWord

BOUNDS = BodyBounds(upload_bytes=200_000, other_bytes=50_000, seconds=30.0, bytes_a_second=50_000.0)
GONE = -1
heard: list[int] = []


class Clock:
    """Stands still until a test moves it: a machine that stalls is nobody who trickles. asked: how often it was."""

    def __init__(self) -> None:
        self.now, self.asked = 0.0, 0

    def __call__(self) -> float:
        self.asked += 1
        return self.now


clock = Clock()


async def swallow(request: Request) -> JSONResponse:
    try:
        body = await request.body()
    except ClientDisconnect:
        heard.append(GONE)
        raise
    heard.append(len(body))
    return JSONResponse({"bytes": len(body)})


async def careless(request: Request) -> PlainTextResponse:
    """Takes whatever goes wrong with a body for its own business, as web frameworks do."""
    try:
        await request.body()
    except Exception as error:  # noqa: BLE001
        if isinstance(error, ClientDisconnect):
            heard.append(GONE)
        return PlainTextResponse("there was an error parsing the body", 400)
    return PlainTextResponse("fine")


async def broken(request: Request) -> PlainTextResponse:
    raise RuntimeError(await request.body())


async def events(request: Request) -> StreamingResponse:
    async def slowly():  # type: ignore[no-untyped-def]
        for number in range(4):
            clock.now += BOUNDS.seconds
            await asyncio.sleep(0.05)
            yield f"{number}\n"

    await request.body()
    return StreamingResponse(slowly())


@contextmanager
def serving() -> Iterator[int]:
    routes = [
        Route("/take", swallow, methods=["POST", "GET"]),
        Route("/upload", swallow, methods=["POST"]),
        Route("/careless", careless, methods=["POST"]),
        Route("/broken", broken, methods=["POST"]),
        Route("/events", events, methods=["POST"]),
    ]
    app = BodyLimit(LastWord(Starlette(routes=routes), Caught), BOUNDS, clock)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 60, "the server did not start within a minute")
    yield port
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def silence() -> None:
    heard.clear()


def send(port: int, path: str, body: object, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", path, body=body, headers=headers, encode_chunked=headers.get("X") == "chunked")  # type: ignore[arg-type]
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def raw(port: int, head: str, *parts: bytes, pause: float = 0.0) -> str:
    """What the server answers to these bytes; a part is sent after a pause, by the clock."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        asked = clock.asked
        line.sendall(head.encode())
        wait_until(lambda: not pause or clock.asked > asked, 60)
        for part in parts:
            clock.now += pause
            try:
                line.sendall(part)
            except OSError:
                break
        try:
            answer = http.client.HTTPResponse(line)
            answer.begin()
            return f"HTTP/1.1 {answer.status} {answer.read().decode(errors='replace')}"
        except ConnectionResetError:
            return "reset"


@pytest.mark.parametrize(("path", "most"), [("/take", 50_000), ("/upload", 200_000)])
def test_a_body_up_to_the_bound_arrives_whole_and_a_larger_one_is_refused_unread(
    port: int, path: str, most: int
) -> None:
    assert send(port, path, b"x" * most) == (200, f'{{"bytes":{most}}}')
    heard.clear()
    status, text = send(port, path, b"x" * (most + 1))
    assert status == 413 and "larger than" in text and heard == []


def test_an_announced_length_is_refused_before_a_byte_of_it_comes(port: int) -> None:
    head = "POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    assert raw(port, head).startswith("HTTP/1.1 413")
    assert heard == []


@pytest.mark.parametrize("path", ["/take", "/careless"])
def test_chunks_without_an_announced_length_are_counted_as_they_come(port: int, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    assert raw(port, head, *[chunk] * 6).startswith("HTTP/1.1 413")
    assert raw(port, head, *[chunk] * 5, b"0\r\n\r\n").startswith("HTTP/1.1 200")
    assert heard in ([50_000], [])


@pytest.mark.parametrize("path", ["/take", "/careless"])
def test_a_body_that_trickles_is_cut_with_a_sentence(port: int, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    began = time.monotonic()
    answer = raw(port, head, *[b"x"] * 4, pause=BOUNDS.seconds / 3.5)
    assert answer.startswith("HTTP/1.1 408") and "too long to arrive" in answer
    assert time.monotonic() - began < 15 and heard == []


def test_an_answer_may_take_as_long_as_it_likes(port: int) -> None:
    assert send(port, "/events", b"begin") == (200, "0\n1\n2\n3\n")


def test_reading_is_not_bounded(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/take")
    assert connection.getresponse().status == 200


@pytest.mark.parametrize("path", ["/take", "/careless"])
def test_a_refused_body_and_a_caller_who_hangs_up_are_no_defects(
    port: int, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Else anybody could fill the log with tracebacks, and what is one would be lost among them."""
    with caplog.at_level(logging.WARNING):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert raw(port, head, *[b"2710\r\n" + b"x" * 10_000 + b"\r\n"] * 6).startswith("HTTP/1.1 413")
        asked = clock.asked
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx".encode())
            wait_until(lambda: clock.asked >= asked + 2, 60)
        wait_until(lambda: heard == [GONE], 60)
        # what comes next on the same loop comes after what there was to say about it
        assert send(port, "/take", b"x")[0] == 200
    assert caplog.records == []


def test_what_does_go_wrong_is_still_logged_and_told(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "forklore"):
        status, text = send(port, "/broken", b"x")
        # it is told before it is written down
        wait_until(lambda: caplog.records, 60)
    assert status == 500 and json.loads(text)["error"] and len(caplog.records) == 1
