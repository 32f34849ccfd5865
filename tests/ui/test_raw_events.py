"""Handlers of the page called with events that no page sends: each says what is missing, none calls it our fault.

Calls the very functions of the built page; how they are reached over the wire is tested elsewhere.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from engine.errors import UserError
from engine.host import ModelHost
from engine.limits import Limits
from storage.database import Store
from tests.support.doors import request_of
from ui import examples
from ui.actions import Workbench
from ui.errors import DEFECT
from ui.page import build_page
from ui.settings import Settings
from ui.shelf import Shelf

# what a handler may find in place of what its piece sends
ODD: tuple[Any, ...] = (None, {}, [], 7, "x", {"uid": 7, "uids": 7, "run": [], "query": 7, "a": {}, "b": None},
                        {"uid": ["x"], "uids": [7], "limit": "many", "position": {}, "node": "root"})  # fmt: skip


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Every function of the page that hears an event or takes a file, by name and place."""
    folder = tmp_path_factory.mktemp("raw")
    with Store(folder / "forklore.db") as store:
        examples.install(store)
        settings = Settings("embedded", None, None, None, folder / "forklore.db", folder, "127.0.0.1", 7860, 1, "local")
        page = build_page(Workbench(store, ModelHost(), Limits()), Shelf(store), settings)
        functions = [one.fn for one in page.fns.values() if one.fn is not None]
        yield {f"{one.__module__}.{one.__qualname__}": one for one in functions if wants(one)}
        page.close()


def wants(function: Any) -> bool:
    names = inspect.signature(function).parameters
    return "event" in names or "file" in names


def told(function: Any, odd: Any) -> list[Any]:
    """All that a handler answers when its event carries this, and when every component does."""
    given = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            event = gr.EventData(None, odd)
            given.append(event if name == "event" else request_of() if name == "request" else odd)
    try:
        answer = function(*given)
        return list(answer) if inspect.isgenerator(answer) else [answer]
    except (UserError, gr.Error) as problem:
        return [str(problem)]


def test_an_event_of_the_wrong_kind_gets_a_sentence_that_is_about_it(
    handlers: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert len(handlers) > 40, "all of them"
    wrong = []
    with caplog.at_level(logging.ERROR, "forklore"):
        for name, function in handlers.items():
            for odd in ODD:
                caplog.clear()
                said = told(function, odd)
                if caplog.records or DEFECT in str(said):
                    wrong.append((name, odd, str(caplog.records[0].exc_info[1]) if caplog.records else ""))
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "odd", "sentence"),
    [
        ("ui.tabs.probe.wire.<locals>.resume", {}, "Say which one: the call came without the id of what it is about."),
        ("ui.tabs.probe._wire_shelf.<locals>.delete", {"uid": None}, "Say which one: the call came without the id"),
        ("ui.tabs.probe._wire_shelf.<locals>.show", {}, "Say which one: the call came without the id"),
        ("ui.tabs.library._wire_files.<locals>.bring_in", {}, "No file came along; choose one file and try again."),
        ("ui.tabs.explore.wire.<locals>.bring_in", 7, "No file came along; choose one file and try again."),
        ("ui.tabs.explore.wire.<locals>.bring_in", None,
         "Paste what the API returned as text, or choose a file of it."),
    ],
)  # fmt: skip
def test_it_says_what_is_missing(handlers: dict[str, Any], name: str, odd: Any, sentence: str) -> None:
    assert sentence in str(told(handlers[name], odd))
