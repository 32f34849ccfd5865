"""Promises for machines whose disk does not last: what was copied by the last snapshot is there again after the worst,
and one library is served by one app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client

from engine.errors import Busy
from engine.testing import save_tiny_folder
from storage.database import Store
from storage.snapshots import DAYS_KEPT, NEWEST_KEPT, snapshot_names
from tests.support.app_server import AppServer, free_port, wait_until
from tests.support.endpoints import Endpoints
from ui import chores
from ui.serve import open_store
from ui.settings import parse

SCHEMA = "questions: [{name: good, title: Good?, kind: choice, options: [yes, no], required: true}]"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """One app for all tests here, each of which ends it in another way."""
    folder = tmp_path_factory.mktemp("snapshots")
    save_tiny_folder(folder / "model")
    flags = ["--model", str(folder / "model"), "--device", "cpu", "--snapshots", str(folder / "copies")]
    server = AppServer(folder / "forklore.db", arguments=flags)
    yield server
    server.down()


@pytest.fixture
def server(started: AppServer) -> AppServer:
    """The app, running, its model loaded."""
    return started.up()


@pytest.fixture
def folder(started: AppServer) -> Path:
    """Where its snapshots go."""
    return started.database.parent / "copies"


def lose_disk(server: AppServer) -> None:
    """Kill the app and remove its library, as a Space's restart does; its locks stay and must keep nobody out."""
    server.kill()
    for path in server.database.parent.glob(f"{server.database.name}*"):
        if path.suffix != ".lock":
            path.unlink()


def saved_line(server: AppServer) -> dict[str, Any]:
    """What the page of the one who runs the app says about copies, as any open page is told."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        config = client.get("/config").json()
        (masthead,) = [one["id"] for one in config["components"] if one["props"].get("elem_id") == "masthead"]
        index = next(one["id"] for one in config["dependencies"] if masthead in one["outputs"])
        call = {"fn_index": index, "data": [], "session_hash": "line"}
        told, *_ = client.post("/gradio_api/run/predict", json=call).json()["data"]
    return dict(json.loads(told)["saved"])


def held_by(folder: Path) -> set[str]:
    """Titles of the sessions in the newest snapshot."""
    newest = folder / snapshot_names(folder)[0]
    with Store(newest) as copy:
        return {session.title for session in copy.annotations.sessions(viewer="local")}


def put_older(folder: Path) -> None:
    """Two copies of each of many days ago, in which there is nothing: none of them may become the library."""
    for day in range(1, DAYS_KEPT + 5):
        for hour in (11, 12):
            moment = datetime(2026, 1, day, hour, tzinfo=UTC)
            (folder / f"forklore-{moment:%Y%m%dT%H%M%S.%f}Z-n000000.db").write_bytes(b"")


def pruned(folder: Path) -> bool:
    """Whether the copies are of as many days as are kept, and beyond the newest few only the last of a day."""
    days = [name.partition("T")[0] for name in snapshot_names(folder)]
    return len(set(days)) == DAYS_KEPT and all(
        days[place] not in days[:place] for place in range(NEWEST_KEPT, len(days))
    )


def test_after_a_kill_and_a_lost_disk_everything_up_to_the_last_snapshot_is_there(
    server: AppServer, folder: Path
) -> None:
    client = Client(server.url, verbose=False)
    run = client.predict("Tell me about pears", max_new_tokens=12, seed=3, api_name="/generate")
    owner = Endpoints(server.url)
    wait_until(lambda: len(snapshot_names(folder)) > 0, chores.START_SECONDS + 60)
    wait_until(lambda: saved_line(server)["text"].endswith(("just now", " min ago")), 30)
    # closing a session asks for a snapshot at once, long before five minutes are over
    session = owner.call("create_session", "Pears", [run["uid"]], SCHEMA, "", {})["session"]
    put_older(folder)
    owner.call("edit_session", session, {"status": "closed"})
    wait_until(lambda: "Pears" in held_by(folder), 90)
    # a copy is there before those that it makes needless are gone
    wait_until(lambda: pruned(folder), 90, "more is kept than the newest and the last of each of some days")
    assert server.health()["snapshot_seconds"] < 90
    lose_disk(server)
    server.start().ready()
    assert '"event": "library restored"' in server.log(10**6)
    again = Client(server.url, verbose=False)
    opened = again.predict(run["uid"], api_name="/open_run")
    assert opened["text"] == run["text"] and opened["tokens"] == run["tokens"]
    with Store(server.database) as store:
        assert store.check().ok
        (kept,) = [one for one in store.annotations.sessions(viewer="local") if one.title == "Pears"]
        assert kept.status == "closed"


def test_an_orderly_end_leaves_nothing_out_of_the_snapshot(server: AppServer) -> None:
    client = Client(server.url, verbose=False)
    run = client.predict("Tell me about pears", max_new_tokens=12, seed=3, api_name="/generate")
    assert server.stop() == 130
    lose_disk(server)
    server.start()
    assert Client(server.url, verbose=False).predict(run["uid"], api_name="/open_run")["text"] == run["text"]


def test_a_second_app_on_the_same_library_or_snapshots_is_refused_in_one_sentence(
    server: AppServer, folder: Path, tmp_path: Path, root: Path
) -> None:
    assert server._process is not None
    command = [sys.executable, "app.py", "--port", str(free_port()), "--database", str(server.database)]
    run = subprocess.run(
        [*command, "--snapshots", str(folder)],
        cwd=root, env=dict(os.environ), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 2 and run.stdout == "", run
    assert run.stderr.count("\n") == 1 and "--database" in run.stderr and str(server._process.pid) in run.stderr
    # how it is told is the same for both; who would be the second is this process
    settings = parse(["--database", str(tmp_path / "other.db"), "--snapshots", str(folder)], {})
    with ExitStack() as held, pytest.raises(Busy, match="--snapshots") as refused:
        open_store(settings, held)
    assert str(server._process.pid) in str(refused.value) and not (tmp_path / "other.db").exists()
    assert server.health()["status"] == "ok"


def test_snapshots_that_cannot_be_written_are_said_and_the_app_goes_on(server: AppServer, folder: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.write_text("in the way")
    client, owner = Client(server.url, verbose=False), Endpoints(server.url)
    run = client.predict("Tell me about pears", max_new_tokens=12, seed=3, api_name="/generate")
    session = owner.call("create_session", "Pears", [run["uid"]], SCHEMA, "", {})["session"]
    owner.call("edit_session", session, {"status": "closed"})
    wait_until(lambda: httpx.get(f"{server.url}/healthz", timeout=30).status_code == 503, 90)
    assert "lasting storage" in server.health()["reason"]
    line = saved_line(server)
    assert line["late"] and "failed" in line["text"]
    assert client.predict("Tell me", max_new_tokens=4, api_name="/generate")["text"]
    assert "upkeep failed" in server.log(10**6) and "could not be written" in server.log(10**6)
