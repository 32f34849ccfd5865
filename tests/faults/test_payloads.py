"""Every endpoint and every handler of the page, called raw with what no page would send, on a public page.

No traceback and nothing of anybody else comes back, nothing hangs, no failure is without a sentence, and the app still
answers afterwards. Each call comes from an address of its own, so that the bounds on a single caller do not answer in
place of what is asked.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from engine.testing import save_tiny_folder
from storage.database import Store
from tests.storage.examples import small_trace
from tests.support.app_server import AppServer
from tests.support.payloads import Call, Mutator, calls

PROMISED = {"payloads": 500, "seconds": 10}
SEED = 20_261
CANARY = f"canary{secrets.token_hex(8)}"
OWNER = "visitor:" + hashlib.sha256(b"somebody else").hexdigest()[:32]
# a traceback, a path of ours, Python's own words
GIVEN_AWAY = re.compile(rf'Traceback|File \\?"/|site-packages|\.py\b|sqlite3\.|{CANARY}|root:x:0|SQLite format 3')
# what ends a stream, and what shows that a job is at work; signs of life of an idle connection are neither
ENDED = re.compile(r"process_completed|event: (?:complete|error)|unexpected_error|close_stream")
AT_WORK = re.compile(r"process_generating|event: generating")


@dataclass(frozen=True)
class Answer:
    """What came back; text: the body, and of a queued call its whole stream. seconds: until something came of it."""

    call: Call
    status: int
    text: str
    seconds: float


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppServer, list[str]]]:
    """A public app on a tiny model, whose store holds runs of another visitor; their ids."""
    folder = tmp_path_factory.mktemp("payloads")
    save_tiny_folder(folder / "model")
    uids = [f"{CANARY[6:]}{k}" for k in range(4)]
    with Store(folder / "forklore.db") as store:
        for uid in uids:
            trace = replace(small_trace(1), prompt=f"{CANARY} prompt")
            store.runs.add(trace, uid=uid, owner=OWNER, title=f"{CANARY} title", note=f"{CANARY} note",
                           tags=(CANARY,), status="finished", run_scores={})  # fmt: skip
        store.runs.delete(uids[3:], viewer=OWNER)
    environ = {"FORKLORE_MODEL": str(folder / "model"), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    server = AppServer(
        folder / "forklore.db", arguments=["--mode", "public", "--proxies", "1"], environ=environ
    ).start()
    yield server.ready(), uids
    server.stop()


class Stranger:
    """A visitor with the cookie of a page of theirs, who sends anything."""

    _addresses = itertools.count()

    def __init__(self, url: str) -> None:
        self.url = url
        # what takes longer than promised is judged like any other answer
        self.client = httpx.Client(timeout=6 * PROMISED["seconds"])
        self.client.get(url + "/", headers=self._from())

    def _from(self) -> dict[str, str]:
        n = next(self._addresses)
        return {"X-Forwarded-For": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"}

    def send(self, call: Call) -> Answer:
        """The answer; of what went into a queue the stream of it too, until its end or its second piece of work."""
        began, headers = time.monotonic(), {"Content-Type": "application/json", **self._from()}
        # no cookie of an earlier call: every call is a visitor of its own
        self.client.cookies.clear()
        answer = self.client.post(f"{self.url}/gradio_api/{call.route}", content=call.body, headers=headers)
        text = answer.text
        if answer.status_code == 200:
            text += self._stream(call, answer, headers)
        return Answer(call, answer.status_code, text, time.monotonic() - began)

    def _stream(self, call: Call, answer: httpx.Response, headers: dict[str, str]) -> str:
        found = answer.json()
        if call.route.startswith("call/"):
            address = f"{self.url}/gradio_api/{call.route}/{found['event_id']}"
        elif call.route == "queue/join":
            session = json.loads(call.body.decode("utf-8", "replace"), strict=False).get("session_hash")
            address = f"{self.url}/gradio_api/queue/data?session_hash={session}"
        else:
            return ""
        heard = ""
        with self.client.stream("GET", address, headers=headers) as stream:
            for part in stream.iter_text():
                heard += part
                if ENDED.search(heard) or len(AT_WORK.findall(heard)) > 1:
                    break
        return heard


def shape(url: str) -> tuple[dict[str, tuple[int, list[Any]]], dict[int, int]]:
    """Every endpoint with its arguments, every handler with its inputs, as anybody can read them off the page."""
    client = httpx.Client(timeout=30)
    client.get(url + "/")
    config = client.get(url + "/config").json()
    info = client.get(url + "/gradio_api/info").json()["named_endpoints"]
    named = {
        name.lstrip("/"): (len(about["parameters"]), [one.get("parameter_default") for one in about["parameters"]])
        for name, about in info.items()
    }
    return named, {one["id"]: len(one["inputs"]) for one in config["dependencies"]}


def wrong_with(answer: Answer) -> str:
    """What must not be in an answer; "" for nothing."""
    if answer.seconds > PROMISED["seconds"]:
        return f"it took {answer.seconds:.1f} s"
    if found := GIVEN_AWAY.search(answer.text):
        return f"it gives away {answer.text[max(0, found.start() - 60) : found.end() + 60]!r}"
    if answer.status >= 500:
        try:
            said = json.loads(answer.text).get("error")
        except ValueError:
            said = None
        if not isinstance(said, str) or not said.strip():
            return f"{answer.status} without a sentence: {answer.text[:120]}"
    return ""


def test_no_call_gets_a_traceback_somebody_elses_work_or_silence(house: tuple[AppServer, list[str]]) -> None:
    server, foreign = house
    named, private = shape(server.url)
    assert len(named) > 50 and len(private) > 60, "all of them"
    mutator = Mutator(SEED, foreign, ["/etc/passwd", str(server.database), "/proc/self/environ"])
    made = list(calls(mutator, named, private, PROMISED["payloads"] + 60))
    assert len({call.body for call in made}) >= PROMISED["payloads"]
    strangers = [Stranger(server.url) for _ in range(4)]
    with ThreadPoolExecutor(len(strangers)) as pool:
        answers = list(pool.map(lambda pair: strangers[pair[0] % 4].send(pair[1]), enumerate(made)))
    wrong = [(answer.call.name, said) for answer in answers if (said := wrong_with(answer))]
    assert wrong == [], f"{len(wrong)} of {len(answers)}"
    statuses = Counter(answer.status for answer in answers)
    assert statuses[429] < len(answers) / 10, "it was the endpoints that answered, not the bound on callers"
    assert server.running() and httpx.get(server.url + "/", timeout=30).status_code == 200


def test_what_belongs_to_somebody_else_is_there_for_them(house: tuple[AppServer, list[str]]) -> None:
    """Else the test above could pass on an empty store."""
    server, uids = house
    with Store(server.database) as store:
        assert CANARY in store.runs.get(uids[0], viewer=OWNER).trace.prompt
        assert store.runs.get(uids[0], viewer=OWNER).header.title == f"{CANARY} title", "and nobody changed it"
