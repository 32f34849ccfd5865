"""A promise about the log: whatever is asked of the running app, rightly or wrongly, no word of it is written there."""

from __future__ import annotations

import base64
import json
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.testing import save_tiny_folder
from tests.support.app_server import AppServer

CANARY = "zqcanary7391"
SCHEMA = f"labels: [{{name: {CANARY}, unit: span, labels: [odd]}}]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A public page, as strangers use it."""
    folder = tmp_path_factory.mktemp("log")
    save_tiny_folder(folder / "model")
    flags = ["--model", str(folder / "model"), "--device", "cpu", "--mode", "public"]
    server = AppServer(folder / "forklore.db", arguments=flags).start().ready()
    yield server
    server.kill()


def spoken(text: str) -> set[str]:
    """A word in the forms in which it could be written down."""
    encoded = {base64.b64encode(f"{' ' * shift}{text}".encode()).decode()[4:-4] for shift in range(3)}
    return {text, text.upper(), urllib.parse.quote(text), text.encode("utf-16-le").hex(), text.encode().hex(), *encoded}


def endpoints(client: httpx.Client) -> dict[str, int]:
    """How many values each named endpoint takes."""
    info = client.get("/gradio_api/info").json()["named_endpoints"]
    return {name.strip("/"): len(value["parameters"]) for name, value in info.items()}


def ask(client: httpx.Client, name: str, data: list[Any]) -> int:
    """A call, read to its end; refusals of any kind are answers too."""
    try:
        return client.post(f"/gradio_api/run/{name}", json={"data": data}).status_code
    except httpx.ReadTimeout:
        return 0


def queued(client: httpx.Client, name: str, data: list[Any]) -> str:
    """A call by way of the queue, as gradio_client and the page make it."""
    joined = client.post(f"/gradio_api/call/{name}", json={"data": data})
    if joined.status_code != 200:
        return joined.text
    return client.get(f"/gradio_api/call/{name}/{joined.json()['event_id']}").text


def test_no_word_of_a_person_reaches_the_log(server: AppServer) -> None:
    headers = {
        "user-agent": CANARY,
        "referer": f"http://x/{CANARY}",
        "x-forwarded-for": CANARY,
        "cookie": f"a={CANARY}",
    }
    with httpx.Client(base_url=server.url, timeout=60, headers=headers) as client:
        client.get("/")
        # done rightly
        for name, data in (
            ("generate", [f"Say {CANARY}", CANARY, 8]), ("score_text", [f"{CANARY} is a fruit.", CANARY]),
            ("probe", [f"{CANARY} {{thing}}", ["a", CANARY], 2]),
        ):  # fmt: skip
            answered = queued(client, name, data)
            assert "event: complete" in answered or "event: error" in answered
        # every endpoint with the word in each place, with too few and too many values, and as no list at all
        for name, count in endpoints(client).items():
            for data in ([CANARY] * count, [CANARY] * (count + 3), [CANARY], [{CANARY: [CANARY]}] * count):
                ask(client, name, data)
                time.sleep(0.06)  # who asks faster is turned away before anything is read
        client.post("/gradio_api/run/generate", content=f'{{"data": ["{CANARY}'.encode())
        client.post(f"/gradio_api/run/{CANARY}", json={"data": [CANARY]})
        client.post("/gradio_api/queue/join", json={"fn_index": 10**6, "data": [CANARY], "session_hash": CANARY})
        client.post("/gradio_api/queue/join", json={"fn_index": CANARY, "data": CANARY, "session_hash": CANARY})
        for path in (f"/{CANARY}", f"/?run={CANARY}", f"/gradio_api/file={CANARY}", f"/gradio_api/{CANARY}?{CANARY}",
                     f"/?annotate={CANARY}&person={CANARY}"):  # fmt: skip
            client.get(path)
        client.request(CANARY.upper(), "/")
        uploaded = client.post("/gradio_api/upload", files={"files": (f"{CANARY}.jsonl", f"{CANARY}\n".encode())})
        if uploaded.status_code == 200:
            queued(client, "import_runs", [{"path": uploaded.json()[0], "meta": {"_type": "gradio.FileData"}}])
        assert client.get("/healthz").json()["status"] == "ok"
    server.stop()
    log = server.log(10**8)
    lines = log.splitlines()
    assert len(lines) > 20 and not [form for form in spoken(CANARY) if form in log]
    # every line but that of the address is an event
    events = [json.loads(line) for line in lines if not line.startswith("Forklore is at ")]
    assert {"job", "refused", "ended"} <= {event["event"] for event in events}
    assert "127.0.0.1" not in json.dumps(events), "no address of a person either"


def test_the_check_would_notice_a_word(tmp_path: Path) -> None:
    for form in (CANARY, base64.b64encode(f"ab{CANARY}cd".encode()).decode(), urllib.parse.quote(CANARY)):
        assert any(part in form for part in spoken(CANARY)), form
