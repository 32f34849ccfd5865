"""One caller floods a public page with calls, streams and bodies; somebody else's answer comes all the same."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.testing import save_tiny_folder
from tests.support.app_server import AppServer
from ui.floodgate import FloodLimits

CALLS, AT_ONCE = 1_000, 16
READY_SECONDS = 120.0
# of the server: what it has for calls and computing, no matter how many call
THREADS = 100 + 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A public page behind one proxy, which says where callers come from; what its small model says is no matter."""
    folder = tmp_path_factory.mktemp("flood")
    save_tiny_folder(folder / "model")
    arguments = ["--mode", "public", "--proxies", "1", "--model", str(folder / "model")]
    server = AppServer(folder / "forklore.db", arguments=arguments).start()
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and '"ready"' not in Caller(server, "", cookie=False).ask("GET", "/healthz")[1]:
        time.sleep(0.5)
    yield server
    server.stop()


class Caller:
    """Somebody at an address of their own, with a browser's cookie."""

    def __init__(self, app: AppServer, address: str, *, cookie: bool = True) -> None:
        self.port, self.headers = app.port, {"X-Forwarded-For": address, "Content-Type": "application/json"}
        if cookie:
            answer = self.ask("GET", "/")
            self.headers["Cookie"] = str(answer[2]["set-cookie"]).partition(";")[0]

    def ask(self, method: str, path: str, body: Any = None, timeout: float = 120.0) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=self.headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def begin(self, endpoint: str, *data: Any) -> tuple[int, str]:
        """Put a call into the queue: status, and the call's id or the sentence of a refusal."""
        status, text, _ = self.ask("POST", f"/gradio_api/call/{endpoint}", {"data": list(data)})
        said = json.loads(text) if text.startswith("{") else {"detail": text}
        return status, str(said.get("event_id") or said.get("detail"))

    def result(self, endpoint: str, event: str, timeout: float = 240.0) -> str:
        """The whole stream of a call."""
        return self.ask("GET", f"/gradio_api/call/{endpoint}/{event}", timeout=timeout)[1]


def generate(caller: Caller, tokens: int = 8) -> tuple[int, str]:
    return caller.begin("generate", "Name a fruit.", None, tokens, 1.0, None, None, 0, None, "sample", None)


def most_in(limits: FloodLimits | None, seconds: float) -> float:
    """How many calls these bounds let into the queue in so much time: a slow machine gives the flood more of it."""
    assert limits is not None
    return limits.queued + limits.queued_a_second * seconds


def flooded(callers: list[Caller]) -> Counter[int]:
    """What so many calls at once from one address are answered, by status: never more taken than its bounds allow."""
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(lambda caller: generate(caller, 40)[0], callers))
    most = most_in(FloodLimits.of_address("public"), time.monotonic() - began)
    assert answers[200] <= most and set(answers) <= {200, 429}, (answers, most)
    return answers


def test_a_thousand_calls_of_one_caller_leave_room_for_somebody_else(app: AppServer) -> None:
    flooder, somebody = Caller(app, "203.0.113.1"), Caller(app, "198.51.100.1")
    answers: Counter[int] = Counter()
    sentences: set[str] = set()

    def call(_: int) -> None:
        status, said = generate(flooder, 40)
        answers[status] += 1
        if status != 200:
            sentences.add(said)

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        flood = [pool.submit(call, number) for number in range(CALLS)]
        time.sleep(0.5)
        status, event = generate(somebody)
        assert status == 200, event
        stream = somebody.result("generate", event)
        took = time.monotonic() - began
        for one in flood:
            one.result()
    most = most_in(FloodLimits.of_person("public"), time.monotonic() - began)
    assert "event: complete" in stream, stream[-500:]
    assert answers.total() == CALLS and 0 < answers[200] <= most and set(answers) <= {200, 429}, (answers, most)
    assert all("Too many calls" in said for said in sentences)
    print(f"{CALLS} calls: {dict(answers)}; somebody else's answer after {took:.1f} s")


def test_dropping_the_cookie_with_every_call_does_not_help(app: AppServer) -> None:
    assert flooded([Caller(app, "203.0.113.2", cookie=False) for _ in range(300)]).total() == 300
    status, event = generate(Caller(app, "198.51.100.2"))
    assert status == 200
    assert "event: complete" in Caller(app, "198.51.100.2").result("generate", event)


def test_a_forged_address_before_the_proxys_own_word_does_not_help(app: AppServer) -> None:
    forged = [Caller(app, f"10.0.{number % 250}.1, 203.0.113.3", cookie=False) for number in range(300)]
    assert flooded(forged).total() == 300


def test_open_streams_of_one_address_are_bounded_and_others_are_served(app: AppServer) -> None:
    lines = []
    try:
        limits = FloodLimits.of_address("public")
        assert limits is not None
        refused = 0
        for number in range(200):
            line = socket.create_connection(("127.0.0.1", app.port), timeout=10)
            head = f"GET /gradio_api/heartbeat/s{number} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.4\r\n\r\n"
            line.sendall(head.encode())
            lines.append(line)
            refused += b" 429 " in line.recv(200)
        assert refused >= 200 - limits.open >= 60
        status, event = generate(Caller(app, "198.51.100.4"))
        assert status == 200 and event
    finally:
        for line in lines:
            line.close()


def test_a_body_that_never_ends_is_refused_and_one_that_trickles_holds_nobody_up(app: AppServer) -> None:
    caller = Caller(app, "203.0.113.5")
    lines = []
    for _ in range(20):
        line = socket.create_connection(("127.0.0.1", app.port), timeout=10)
        line.sendall(b"POST /gradio_api/call/generate HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.6\r\n"
                     b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{")  # fmt: skip
        lines.append(line)
    with socket.create_connection(("127.0.0.1", app.port), timeout=10) as line:
        line.sendall(b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.5\r\n"
                     b"Content-Length: 99999999999\r\n\r\n")  # fmt: skip
        assert b" 413 " in line.recv(400)
    status, text, _ = caller.ask("POST", "/gradio_api/call/my_limits", {"data": []})
    assert status == 200, text
    for line in lines:
        line.close()


def test_what_is_left_is_told_and_grows_less_with_every_answer(app: AppServer) -> None:
    caller = Caller(app, "198.51.100.7")

    def left() -> dict[str, Any]:
        status, event = caller.begin("my_limits")
        assert status == 200, event
        line = [one for one in caller.result("my_limits", event).split("\n") if one.startswith("data: ")][-1]
        return dict(json.loads(line[6:])[0])

    before = left()
    assert (before["answers"], before["answers_left"], before["tokens_left"]) == (60, 60, before["tokens"])
    status, event = generate(caller)
    assert status == 200 and "event: complete" in caller.result("generate", event)
    after = left()
    assert after["answers_left"] == 59 and 8 < before["tokens_left"] - after["tokens_left"] < 100
    assert after["sentence"].startswith("59 of 60 answers left in 10 minutes, ")
    threads = int((Path("/proc") / str(app.pid) / "status").read_text().partition("Threads:")[2].split()[0])
    # gradio's pool for calls has 40; a thread for each caller of the floods before would be many more
    assert threads < THREADS, threads
