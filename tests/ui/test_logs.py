"""Promises of the log: one JSON line an event, with kinds, places and figures, and never a word of anybody's."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import models
from engine.errors import BadInput
from engine.host import ModelHost
from ui import logs
from ui.access import Viewer
from ui.logs import job_ended, logging_events, person, take_over_server_log
from ui.turns import Turnstile
from ui.upkeep import Task, Upkeep

CANARY = "zq-canary-7391"


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Where the log goes to."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with logging_events():
        yield written


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    text = stream.getvalue()
    assert CANARY not in text
    return [json.loads(line) for line in text.splitlines()]


def fail(value: str) -> None:
    local = f"{value} in a variable"
    raise ValueError(f"cannot read {local!r}")


def test_an_event_has_its_figures_and_none_of_its_arguments(stream: io.StringIO) -> None:
    extra = {"kind": "long", "seconds": 1.23456, "tokens": 7, "outcome": "done", "prompt": CANARY}
    logging.getLogger("forklore.jobs").info("job of %s", CANARY, extra=extra)
    (event,) = events(stream)
    time = event.pop("time")
    assert time.endswith("+00:00")
    figures = {"kind": "long", "seconds": 1.235, "tokens": 7, "outcome": "done"}
    assert event == {"level": "info", "event": "job of", **figures}


def test_of_an_exception_kinds_and_places_are_kept_and_no_value(stream: io.StringIO) -> None:
    try:
        try:
            fail(CANARY)
        except ValueError as error:
            raise BadInput(CANARY) from error
    except BadInput as error:
        logging.getLogger("forklore").error("unexpected error", exc_info=error)
    (event,) = events(stream)
    assert [one["type"] for one in event["error"]] == ["BadInput", "ValueError"]
    place, line, function = event["error"][1]["places"][-1].replace(" ", ":").split(":")
    assert (place, function) == ("tests/ui/test_logs.py", "fail") and line.isdigit()


def printed() -> None:
    print(CANARY)


def warned() -> None:
    warnings.warn(CANARY, UserWarning, stacklevel=1)


def logged_by_a_library() -> None:
    logging.getLogger("some.library").warning(f"Received inputs: {CANARY}")


def raised_in_a_thread() -> None:
    thread = threading.Thread(target=fail, args=(CANARY,))
    thread.start()
    thread.join()


def printed_as_a_traceback() -> None:
    try:
        fail(CANARY)
    except ValueError:
        traceback.print_exc()


@pytest.mark.parametrize(
    ("act", "event"),
    [
        (printed, "output"), (warned, "message"), (logged_by_a_library, "message"), (raised_in_a_thread, "uncaught"),
        (printed_as_a_traceback, "exception"),
    ],
)  # fmt: skip
def test_what_anything_else_says_is_an_event_without_its_words(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], None], event: str
) -> None:
    # not in a fixture: between that and this the test runner puts streams of its own in place
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with logging_events():
        act()
    found = [one for one in events(stream) if one["event"] == event]
    assert len(found) == 1
    if event in ("uncaught", "exception"):
        assert found[0]["error"][0]["type"] == "ValueError"
    else:
        assert found[0]["kind"] in ("tests.ui.test_logs", "py.warnings", "some.library")


def defect(*_: object, **__: object) -> None:
    fail(CANARY)


def package_missing(*_: object, **__: object) -> None:
    raise ModuleNotFoundError(CANARY, name="tokenizers")


@pytest.mark.parametrize(
    ("load", "kind", "reason"),
    [(None, "model-unavailable", "nowhere"), (defect, "ValueError", "ValueError"),
     (package_missing, "ModuleNotFoundError", "package tokenizers is missing")],
)  # fmt: skip
def test_a_model_that_cannot_be_loaded_is_one_event_with_the_reason(
    load: Callable[..., None] | None, kind: str, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream, host = io.StringIO(), ModelHost()
    monkeypatch.setattr(sys, "stderr", stream)
    if load:
        monkeypatch.setattr(models, "load_model", load)
    with logging_events():
        host.start(str(tmp_path / "nowhere"))
        assert not host.wait(60)
        for thread in threading.enumerate():
            if thread.name == "model-loader":
                thread.join(60)
    (event,) = [one for one in events(stream) if one["event"] == "model"]
    assert (event["level"], event["kind"]) == ("error", kind) and reason in event["reason"]
    assert CANARY not in stream.getvalue()


def test_a_model_that_somebody_names_on_the_page_is_not_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream, host = io.StringIO(), ModelHost()
    monkeypatch.setattr(sys, "stderr", stream)
    with logging_events():
        for name in ("nowhere", CANARY):
            host.start(str(tmp_path / name))
            assert not host.wait(60)
    first, second = [one["reason"] for one in events(stream) if one["event"] == "model"]
    assert "nowhere" in first and second == "model-unavailable" == host.state.trouble and CANARY in host.state.message


class Frozen(ValueError):
    """An exception that takes no attributes, as a frozen dataclass."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


@pytest.mark.parametrize("kind", [KeyError, ValueError, Frozen])
def test_every_printed_exception_is_told_and_none_twice(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    stream, count = io.StringIO(), 20
    monkeypatch.setattr(sys, "stderr", stream)
    with logging_events():
        for _ in range(count):
            try:
                raise kind(CANARY)
            except kind:
                # a traceback is printed in many pieces, and by more than one place on its way up
                traceback.print_exc()
                traceback.print_exc()
    told = [event for event in events(stream) if event["event"] == "exception"]
    assert [event["error"][0]["type"] for event in told] == [kind.__qualname__] * count


def test_afterwards_output_and_loggers_are_as_they_were(stream: io.StringIO) -> None:
    before = sys.stdout
    with logging_events():
        assert sys.stdout is not before
    assert sys.stdout is before


def test_the_servers_own_loggers_write_here_too(stream: io.StringIO) -> None:
    server = logging.getLogger("uvicorn.error")
    server.addHandler(logging.StreamHandler(stream))
    server.propagate = False
    take_over_server_log()
    server.error(f"GET /{CANARY} failed")
    assert [event["kind"] for event in events(stream)] == ["uvicorn.error"]


def test_a_flood_of_one_kind_is_cut_and_counted(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(500):
        logging.getLogger("forklore").info("refused", extra={"kind": "GET /"})
    assert len(events(stream)) == logs.OF_ONE_KIND
    monkeypatch.setattr(logs, "MINUTE", 0.0)
    logging.getLogger("forklore").info("refused", extra={"kind": "GET /"})
    assert events(stream)[-1]["left_out"] == 500 - logs.OF_ONE_KIND


def test_a_job_leaves_one_line_with_what_it_cost_and_how_it_ended(stream: io.StringIO) -> None:
    turns = Turnstile()
    turns.ended = job_ended
    me = Viewer(f"visitor:{CANARY}", "page", False)
    with turns.enter(me):
        turns.read(12)
    with turns.enter(me, long=True):
        turns.stop(me)
    with pytest.raises(BadInput), turns.enter(me):
        raise BadInput(CANARY)
    with pytest.raises(ValueError, match="cannot"), turns.enter(me):
        fail(CANARY)
    found = events(stream)
    assert [(one["event"], one["kind"], one["tokens"], one["outcome"]) for one in found] == [
        ("job", "short", 12, "done"),
        ("job", "long", 0, "stopped"),
        ("job", "short", 0, "bad-input"),
        ("job", "short", 0, "defect"),
    ]
    assert {one["person"] for one in found} == {person(me.name)} and len(person(me.name)) == 8
    assert person("visitor:other") != person(me.name)


def test_upkeep_goes_on_after_a_failure_which_is_logged_without_words(stream: io.StringIO) -> None:
    done = threading.Event()
    upkeep = Upkeep([Task("bad", 60.0, lambda: fail(CANARY)), Task("good", 60.0, done.set, first=0.01)])
    upkeep.start()
    assert done.wait(20) and upkeep.stop(20)
    found = events(stream)
    assert ("upkeep failed", "bad") in [(one["event"], one["kind"]) for one in found]


def test_upkeep_does_at_once_what_is_asked_for_and_not_too_often() -> None:
    times: list[int] = []
    came = threading.Semaphore(0)
    upkeep = Upkeep([Task("copy", 3600.0, lambda: (times.append(1), came.release()), first=3600.0, least=3600.0)])
    upkeep.start()
    for _ in range(5):
        upkeep.soon("copy")
        upkeep.soon("nothing of that name")
    assert came.acquire(timeout=20)
    upkeep.soon("copy")
    assert not came.acquire(timeout=0.3) and upkeep.stop(20) and len(times) == 1
