"""Promises for restarts: whoever ends the app, what was running is kept, and it is gone within five seconds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.client import Job

from storage.database import Store
from storage.records import RunHeader, RunQuery
from tests.support.app_server import AppServer, free_port, wait_until
from tests.support.endpoints import Endpoints

MOST_SECONDS = 5.0
SCHEMA = "labels: [{name: errors, unit: span, labels: [factual]}]"
# the model goes on telling for longer than this
TALE = "Write a very long story about a fox."
LONG = 1_500


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The app with its real model, which every test here ends."""
    folder = tmp_path_factory.mktemp("ending")
    server = AppServer(folder / "forklore.db", arguments=["--snapshots", str(folder / "snapshots")])
    yield server
    server.down()


@pytest.fixture
def server(started: AppServer) -> AppServer:
    """The app, running, its model loaded."""
    return started.up()


def end(server: AppServer, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
    """Exit code and seconds of an orderly end."""
    assert server._process is not None
    began = time.monotonic()
    server._process.send_signal(number)
    try:
        return server._process.wait(timeout=20), time.monotonic() - began
    except subprocess.TimeoutExpired:
        return server.kill(), time.monotonic() - began


def runs(path: Path) -> list[RunHeader]:
    with Store(path) as store:
        assert store.check().ok
        return list(store.runs.list(RunQuery("local", examples=False)).rows)


def writes(job: Job) -> bool:
    """Whether the model has begun to answer: what waits reports that, too, but no tokens."""
    return any(one["tokens"] for one in job.outputs())


def ended(server: AppServer) -> dict[str, Any]:
    """The last event of the log."""
    events = [json.loads(line) for line in server.log(10**6).splitlines() if line.startswith("{")]
    return next(event for event in reversed(events) if event["event"] == "ended")


def test_a_run_in_the_middle_is_kept_as_stopped_with_its_tokens(server: AppServer) -> None:
    client, *others = [Client(server.url, verbose=False) for _ in range(3)]
    job = client.submit(TALE, max_new_tokens=LONG, temperature=0.0, api_name="/generate")
    wait_until(lambda: job.done() or writes(job), 240)
    waiting = [other.submit("Name a fruit.", api_name="/generate") for other in others]
    wait_until(lambda: job.done() or server.health()["queue"] == 3, 240)
    assert not job.done(), "the long one was to be in its middle"
    code, seconds = end(server)
    assert code == 0 and seconds < MOST_SECONDS, (code, seconds, server.log())
    assert ended(server)["outcome"] == "kept"
    run = runs(server.database)[0]
    assert run.prompt == TALE and run.status == "stopped" and 0 < run.tokens < LONG
    for one in waiting:
        assert one.exception(timeout=20) is not None
    server.start()
    opened = Client(server.url, verbose=False).predict(run.uid, api_name="/open_run")
    assert len(opened["tokens"]) == run.tokens and opened["status"] == "stopped"


def test_an_analysis_in_the_middle_is_kept_and_goes_on(server: AppServer) -> None:
    client = Client(server.url, verbose=False)
    run = client.predict("Name a fruit.", max_new_tokens=12, temperature=0.0, api_name="/generate")
    job = client.submit(run["uid"], field="last_number", draws=40, max_tokens=60, api_name="/analyse_forks")
    wait_until(lambda: any(one["draws"] > 3 for one in job.outputs()), 240)
    code, seconds = end(server)
    assert code == 0 and seconds < MOST_SECONDS, server.log()
    with Store(server.database) as store:
        assert store.check().ok
        (found,) = store.analyses.list(run["uid"], viewer="local", kind="forks")
    assert found.status == "stopped" and found.arrays
    server.start()
    again = Client(server.url, verbose=False)
    (listed,) = again.predict(run["uid"], api_name="/list_forks")
    assert listed["status"] == "stopped" and listed["draws"] > 3


def test_no_save_that_was_acknowledged_is_lost_when_annotators_are_at_work(server: AppServer) -> None:
    """By Ctrl-C this time, and with a run in the middle beside them, which is kept too."""
    owner = Endpoints(server.url)
    texts = Client(server.url, verbose=False)
    run = texts.predict("A pear is a fruit.", api_name="/score_text")
    session = owner.call("create_session", "Sums", [run["uid"]], SCHEMA, "Mark.", {"overlap": 1})["session"]
    link = owner.call("add_annotator", session, "Ada", "annotator", None)["link"].partition("=")[2]
    owner.call("begin_annotating", "", [], link)
    item = owner.call("next_item", "", link)["item"]
    acknowledged: list[str] = []

    def label() -> None:
        number = 0
        while True:
            number += 1
            name = f"save-{number}"
            event = {"uuid": name, "kind": "comment", "payload": {"text": name}, "active_ms": 10, "wall_ms": 20}
            try:
                owner.call("save_annotation", "", item, [event], link)
            except (httpx.HTTPError, json.JSONDecodeError):
                return
            acknowledged.append(name)

    job = texts.submit(TALE, max_new_tokens=LONG, temperature=0.0, api_name="/generate")
    wait_until(lambda: job.done() or writes(job), 240)
    labelling = threading.Thread(target=label, daemon=True)
    labelling.start()
    wait_until(lambda: len(acknowledged) > 20 or not labelling.is_alive(), 240)
    assert not job.done()
    code, seconds = end(server, signal.SIGINT)
    assert code == 130 and seconds < MOST_SECONDS, server.log()
    assert ended(server)["outcome"] == "kept"
    labelling.join(20)
    newest = runs(server.database)[0]
    assert newest.status == "stopped" and 0 < newest.tokens < LONG
    with Store(server.database) as store:
        record, member = store.annotations.who(secret=link)
        kept = {event.event.uuid for event in store.annotations.own_events(record, member, item)}
        assert store.check().ok
    assert len(acknowledged) > 20 and set(acknowledged) <= kept


def listens(process: subprocess.Popen[str]) -> bool:
    """Whether a process has taken SIGTERM over from the system."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def begin(folder: Path, root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "app.py", "--database", str(folder / "x.db"), "--port", str(free_port())]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process listens to is told by Linux only")
def test_an_end_during_the_start_is_an_end_too(tmp_path: Path, root: Path) -> None:
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        process = begin(tmp_path, root)
        wait_until(lambda process=process: process.poll() is not None or listens(process), 120)  # type: ignore[misc]
        time.sleep(0.3)
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == code and "Traceback" not in said, (process.returncode, said)
    if (tmp_path / "x.db").exists():
        with Store(tmp_path / "x.db") as store:
            assert store.check().ok


def test_an_end_before_anything_has_begun_is_the_systems_own(tmp_path: Path, root: Path) -> None:
    process = begin(tmp_path, root)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM and said == "" and not (tmp_path / "x.db").exists()
