"""The app as it is put together for a mode: what strangers and a team may ask for, and what it does for itself.

Looks at the very parts that are served; how each keeps its bounds is tested where it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.limits import Limits
from storage.limits import MEBIBYTE, ImportLimits, StoreLimits
from tests.storage.examples import small_trace
from tests.support.doors import address_of, request_of
from ui.access import Identity, Viewer
from ui.floodgate import FloodLimits
from ui.own_work import OwnWork
from ui.quotas import QuotaLimits
from ui.serve import Parts, open_store, parts_of
from ui.settings import parse
from ui.turns import TurnLimits

DAYS = 3
ADA = Viewer("visitor:ada", "page", False, "203.0.113.5", anonymous=True)
REFUSED = "This page's model is chosen by whoever runs it."


@contextmanager
def put_together(folder: Path, mode: str, *flags: str) -> Iterator[Parts]:
    """An app of this mode that nobody has opened yet."""
    settings = parse(["--mode", mode, "--database", str(folder / "forklore.db"), *flags], {})
    with ExitStack() as held:
        store, snapshots = open_store(settings, held)
        yield parts_of(settings, store, snapshots)


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Parts]]:
    """One of each mode; the first also makes copies."""
    with ExitStack() as held:
        folders = {mode: tmp_path_factory.mktemp(mode) for mode in ("local", "team", "public")}
        more = {"local": ("--snapshots", str(folders["local"] / "copies")), "public": ("--keep-days", str(DAYS))}
        yield {
            mode: held.enter_context(put_together(folder, mode, *more.get(mode, ())))
            for mode, folder in folders.items()
        }


@pytest.fixture
def public(apps: dict[str, Parts]) -> Parts:
    return apps["public"]


def handler(parts: Parts, name: str) -> tuple[int, Callable[..., Any]]:
    """The place and the function of the page's one handler of this name, the first place where it has several."""
    found = [(index, one.fn) for index, one in parts.page.fns.items() if one.fn and one.fn.__name__ == name]
    assert len({function.__qualname__ for _, function in found}) == 1, name
    return found[0]


def do(parts: Parts, name: str) -> None:
    """What the app does for itself under this name, once, now."""
    (task,) = [task for task in parts.upkeep.tasks if task.name == name]
    task.run()


def test_each_mode_has_its_own_bounds_in_every_part(apps: dict[str, Parts]) -> None:
    for mode, parts in apps.items():
        bench = parts.workbench
        assert bench.turns.limits == TurnLimits.of(mode) and bench.quotas.limits == QuotaLimits.of(mode), mode
        assert bench.turns.quotas is bench.quotas, mode
    for mode in ("local", "team"):
        parts = apps[mode]
        assert (parts.workbench.limits, parts.workbench.store.limits) == (Limits(), StoreLimits()), mode
        assert parts.shelf.imports == ImportLimits(), mode
    strangers = apps["public"]
    assert (strangers.workbench.limits, strangers.workbench.store.limits) == (Limits.public(), StoreLimits.public())
    assert strangers.shelf.imports == ImportLimits.public()
    assert strangers.shelf.store is strangers.workbench.store


def test_the_bounds_of_strangers_are_what_they_are_said_to_be() -> None:
    assert TurnLimits.of("public") == TurnLimits(
        capacity=20, each_page=1, each_person=2, each_address=6, overtaking=6, overtaking_long=40,
        short_seconds=120.0, long_seconds=600.0,
    )  # fmt: skip
    assert QuotaLimits.of("public") == QuotaLimits(60, 250_000, 240, 1_000_000, 600.0, 20_000)
    kept = StoreLimits.public()
    assert (kept.runs_each, kept.tokens_each, kept.analyses_each, kept.sessions_each) == (1_000, 400_000, 200, 20)
    assert (kept.session_items, kept.session_members, kept.session_chars) == (500, 60, 5_000_000)
    assert (kept.events_each, kept.file_bytes) == (2_000, 8_192 * MEBIBYTE)
    asked = Limits.public()
    assert (asked.prompt_chars, asked.system_chars, asked.text_chars) == (20_000, 4_000, 40_000)
    assert (asked.max_new_tokens, asked.import_bytes, asked.import_containers) == (512, 4_000_000, 400_000)
    assert (asked.import_answers, asked.import_tokens, asked.import_alternatives) == (32, 20_000, 32)
    brought = ImportLimits.public()
    assert (brought.file_bytes, brought.unpacked_bytes) == (16 * MEBIBYTE, 64 * MEBIBYTE)
    assert (brought.line_bytes, brought.runs) == (8 * MEBIBYTE, 500)
    assert FloodLimits.of_person("public") == FloodLimits(20, 2.0, 120, 20.0, 32, 128 * MEBIBYTE, 5_000, 60, 1.0)
    assert FloodLimits.of_address("public") == FloodLimits(40, 8.0, 400, 80.0, 128, 512 * MEBIBYTE, 5_000, 240, 2.0)


def test_the_bounds_of_a_team_are_what_they_are_said_to_be() -> None:
    assert TurnLimits.of("team") == TurnLimits(
        capacity=20, each_page=1, each_person=4, each_address=20, overtaking=6, overtaking_long=40,
        short_seconds=600.0, long_seconds=3_600.0,
    )  # fmt: skip
    assert QuotaLimits.of("team") == QuotaLimits(600, 20_000_000, None, None, 600.0, 20_000)
    assert FloodLimits.of_person("team") == FloodLimits(20, 5.0, 120, 20.0, 32, 4_096 * MEBIBYTE, 5_000, 60, 1.0)
    assert FloodLimits.of_address("team") is None


def test_what_strangers_left_is_kept_for_the_days_that_the_page_was_given(public: Parts) -> None:
    store, now = public.workbench.store, datetime.now(UTC)
    for uid, age in (("two", 2), ("four", 4), ("six", 6)):
        made = now - timedelta(days=age)
        store.runs.add(small_trace(1), uid=uid, owner=ADA.name, status="finished", run_scores={}, created_at=made)
    do(public, "expiry")
    assert store.runs.header("two", viewer=ADA.name).uid == "two" and store.check().runs == 1
    _, kept_until = handler(public, "kept_until")
    told = kept_until(request=request_of(Identity(ADA.name, False, True)))
    assert told["days"] == DAYS == OwnWork(public.workbench, DAYS).kept(ADA)["days"]
    assert datetime.fromisoformat(told["until"]) > now


def test_an_app_that_is_killed_gives_no_share_of_the_day_back(public: Parts, tmp_path: Path) -> None:
    quotas = public.workbench.quotas
    before = quotas.tokens_left(ADA)
    assert before is not None
    quotas.spend(ADA, 1_000)
    do(public, "usage")
    (task,) = [task for task in public.upkeep.tasks if task.name == "usage"]
    assert task.every <= 10 and task.first <= 10, "what is spent between is all that a kill gives back"
    settings = parse(["--mode", "public", "--database", str(tmp_path / "none.db")], {})
    again = parts_of(settings, public.workbench.store, None)
    assert again.workbench.quotas.tokens_left(ADA) == before - 1_000


def test_the_page_says_how_old_the_last_copy_is_where_copies_are_made(apps: dict[str, Parts]) -> None:
    said = {mode: handler(parts, "refresh")[1] for mode, parts in apps.items()}
    assert json.loads(said["team"](request_of())[0])["saved"] is None
    before = json.loads(said["local"](request_of())[0])["saved"]
    do(apps["local"], "snapshot")
    after = json.loads(said["local"](request_of())[0])["saved"]
    assert "not" in before["text"] and "just now" in after["text"] and not after["late"]


def test_a_stranger_loads_no_model_and_is_shown_no_choice_of_one(
    apps: dict[str, Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    public, started = apps["public"], []
    for parts in apps.values():
        monkeypatch.setattr(parts.workbench.host, "start", lambda *given, **more: started.append((given, more)))
    index, load_model = handler(public, "load_model")
    call = {"fn_index": index, "data": ["embedded", "none"], "session_hash": "stranger"}
    with address_of(public.page, "public") as url:
        answer = httpx.post(f"{url.rstrip('/')}/gradio_api/run/predict", json=call, timeout=30)
    assert answer.status_code == 200 and answer.json()["data"] == [REFUSED]
    assert load_model("embedded", "none", request_of(Identity("account:1", False, False))) == REFUSED
    assert started == [] and public.workbench.host.state.status == "empty"
    _, load_model = handler(apps["local"], "load_model")
    assert load_model("embedded", "default", request_of()) == ""
    assert started == [(("embedded",), {"quantization": None})]
    assert {mode: shown(parts, "model") for mode, parts in apps.items()} == {
        "local": True, "team": True, "public": False,
    }  # fmt: skip
    assert not shown(public, "quantization") and not shown(public, "load-model")


def shown(parts: Parts, name: str) -> bool:
    """Whether a component and all that it lies in are to be seen."""
    (block,) = [one for one in parts.page.blocks.values() if one.elem_id == name]
    while block is not None and block is not parts.page:
        if getattr(block, "visible", True) is not True:
            return False
        block = block.parent  # type: ignore[assignment]
    return True
