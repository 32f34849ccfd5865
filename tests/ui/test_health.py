"""Promises to monitors: one small answer that says whether page and store work, names nothing, and needs no model."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from engine.host import ModelHost
from storage.database import Store
from storage.snapshots import SnapshotState
from tests.support.clock import HandClock
from ui import health
from ui.copies import Copies
from ui.health import KEPT_SECONDS, Health, Watch

NOW = datetime.now(UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "secret-name.db") as opened:
        yield opened


@pytest.fixture
def watch(store: Store) -> Watch:
    return Watch("1.0", store.path, lambda: "loading", lambda: 3)


def ask(watch: Watch, method: str = "GET") -> tuple[int, dict[str, Any]]:
    app = Starlette(routes=[Route("/", lambda request: PlainTextResponse("page"))])
    client = TestClient(Health(app, watch))
    assert client.get("/").text == "page"
    response = client.request(method, "/healthz")
    return response.status_code, json.loads(response.content) if response.content else {}


def test_a_sound_app_says_so_with_its_figures_and_no_names(watch: Watch, store: Store) -> None:
    code, said = ask(watch)
    assert (code, said["status"], said["reason"]) == (200, "ok", "")
    assert (said["model"], said["store"], said["queue"]) == ("loading", "writable", 3)
    assert said["snapshot_seconds"] is None and said["free_megabytes"] > 0
    assert not {"secret-name", str(store.path.parent)} & set(json.dumps(said).split('"'))
    assert str(store.path.parent) not in json.dumps(said)


def test_why_there_is_no_model_is_told_without_its_folder_and_the_page_works(watch: Watch, tmp_path: Path) -> None:
    host = ModelHost()
    host.start(str(tmp_path / "nowhere"))
    assert not host.wait(60)
    code, said = ask(replace(watch, model=lambda: host.state.status, trouble=lambda: host.state.trouble))
    assert (code, said["status"], said["model"]) == (200, "ok", "failed")
    assert "nowhere" in said["model_reason"] and str(tmp_path) not in json.dumps(said)
    assert ask(watch)[1]["model_reason"] == ""


def test_a_store_that_is_gone_is_a_503_with_the_reason(watch: Watch, store: Store) -> None:
    store.path.unlink()
    code, said = ask(watch)
    assert (code, said["status"], said["store"]) == (503, "failing", "failing") and "store" in said["reason"]
    assert not store.path.exists()


def test_a_damaged_store_is_a_503(watch: Watch, store: Store) -> None:
    store.close()
    store.path.write_bytes(b"no database" * 1000)
    assert ask(watch)[0] == 503


def test_somebody_elses_write_is_no_failure_and_nobody_waits_for_it(watch: Watch, store: Store) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        code, said = ask(watch)
    assert (code, said["status"], said["reason"], said["store"]) == (200, "ok", "", "busy")


def test_looking_changes_nothing(watch: Watch, store: Store) -> None:
    store.close()
    before = {path.name: path.read_bytes() for path in store.path.parent.iterdir()}
    ask(watch)
    assert {path.name: path.read_bytes() for path in store.path.parent.iterdir() if path.stat().st_size} == before


def test_a_full_disk_is_a_503(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(watch.database.parent)._replace(free=10 * 2**20)
    monkeypatch.setattr(health.shutil, "disk_usage", lambda path: usage)
    code, said = ask(watch)
    assert code == 503 and "disk" in said["reason"] and said["free_megabytes"] == 10


@pytest.mark.parametrize(
    ("minutes", "problem", "code"), [(3, "", 200), (None, "", 200), (16, "", 503), (3, "It failed.", 503)]
)
def test_copies_that_are_late_or_fail_are_a_503(watch: Watch, minutes: int | None, problem: str, code: int) -> None:
    saved = None if minutes is None else datetime.now(UTC) - timedelta(minutes=minutes)
    found = ask(replace(watch, snapshots=lambda: SnapshotState(saved, problem)))
    assert found[0] == code
    assert found[1]["snapshot_seconds"] == (None if minutes is None else pytest.approx(60 * minutes, abs=5))


@pytest.mark.parametrize(
    ("minutes", "problem", "text", "late"),
    [
        (None, "", "library not copied yet", False),
        (None, "no", "library not copied: the copy failed", True),
        (0.5, "", "library copied just now", False),
        (3, "", "library copied 3 min ago", False),
        (15.5, "", "library copied 15 min ago", True),
        (3, "no", "library copied 3 min ago, the last copy failed", True),
        (180, "", "library copied 3 h ago", True),
    ],
)
def test_the_page_says_how_old_the_last_copy_is(minutes: float | None, problem: str, text: str, late: bool) -> None:
    saved = None if minutes is None else NOW - timedelta(minutes=minutes)
    assert Copies(lambda: SnapshotState(saved, problem)).line(NOW) == {"text": text, "late": late}
    assert Copies().line(NOW) is None


def test_asking_often_looks_seldom_and_other_methods_are_refused(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    real, clock = health.report, HandClock()
    monkeypatch.setattr(health, "report", lambda watch: looks.append(1) or real(watch))
    client = TestClient(Health(Starlette(), watch, clock))
    assert {client.get("/healthz").status_code for _ in range(20)} == {200} and len(looks) == 1
    clock.now = KEPT_SECONDS - 0.01
    assert client.head("/healthz").status_code == 200 and client.head("/healthz").content == b""
    assert client.post("/healthz").status_code == 405 and len(looks) == 1
    clock.now = KEPT_SECONDS
    assert {client.get("/healthz").status_code for _ in range(20)} == {200} and len(looks) == 2


def test_a_disk_that_hangs_is_looked_at_once_however_often_it_is_asked_for(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    real, clock, looked, free = health.report, HandClock(), threading.Event(), threading.Event()

    def hanging(watch: Watch) -> dict[str, Any]:
        looks.append(1)
        looked.set()
        free.wait(60)
        return real(watch)

    monkeypatch.setattr(health, "report", hanging)
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.01)
    with TestClient(Health(Starlette(), watch, clock)) as client:
        try:
            for _ in range(5):
                answer = client.get("/healthz")
                assert (answer.status_code, answer.json()["reason"]) == (503, "the store does not answer")
                clock.now += KEPT_SECONDS
            assert looked.wait(20) and len(looks) == 1
        finally:
            free.set()
        monkeypatch.setattr(health, "PATIENCE_SECONDS", 60.0)
        assert client.get("/healthz").json()["status"] == "ok", "it is looked at again when it no longer hangs"
