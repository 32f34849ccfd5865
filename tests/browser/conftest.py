"""Fixtures of the browser tests: one Chromium, one running app, and pages that fail on any console error.

Where there is no Chromium these tests skip for a person and fail in continuous integration.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.support import chromium as chromium_finder
from tests.support import tree_page
from tests.support.app_server import AppServer
from tests.support.library_page import Served, serve
from tests.support.piece_page import ServedPage
from tests.support.tree_page import chip

IN_CI = os.environ.get("CI", "").lower() == "true"
VIEWPORT = {"width": 1280, "height": 900}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In continuous integration a skipped browser test is a failed one; a failed one shows the app's log."""
    report: pytest.TestReport = yield  # type: ignore[misc,assignment]
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = call.excinfo.value if call.excinfo else "no reason given"
        report.longrepr = f"browser tests must run in continuous integration, this one was skipped: {reason}"
    server = getattr(item, "funcargs", {}).get("app")
    if report.failed and isinstance(server, AppServer):
        report.sections.append(("the app's log", server.log()))
    return report  # type: ignore[return-value]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A headless Chromium for all browser tests; its event loop must not outlive them."""
    if chromium_finder.find() is None:
        pytest.skip("no Chromium: install one or set CHROMIUM to its path; `make test` does")
    with chromium_finder.launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The app, started once for all browser tests on a database of their own; `app.restart()` keeps the database."""
    server = AppServer(tmp_path_factory.mktemp("app") / "forklore.db").start()
    yield server
    server.stop()


@dataclass
class Watch:
    """What a page complained about. allowed: regular expressions of complaints that a test expects."""

    allowed: tuple[str, ...] = ()
    complaints: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.add(f"console: {message.text} ({message.location.get('url', '')})")

    def add(self, complaint: str) -> None:
        if not any(re.search(pattern, complaint) for pattern in self.allowed):
            self.complaints.append(complaint)

    def attach(self, page: Page) -> None:
        page.on("console", self.on_console)
        page.on("pageerror", lambda error: self.add(f"uncaught: {error}"))
        page.on("crash", lambda _: self.add("the page crashed"))


@pytest.fixture
def context_options() -> dict[str, Any]:
    """Options of the browser context; override in a module for another size, colour scheme or locale."""
    return {"viewport": VIEWPORT}


@pytest.fixture
def page(chromium: Browser, context_options: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page in a context of its own; fails the test on any console error or uncaught exception in it.

    Expected complaints are named by the test: @pytest.mark.console_ok("regular expression", ...).
    """
    watch = Watch(tuple(p for mark in request.node.iter_markers("console_ok") for p in mark.args))
    context = chromium.new_context(**context_options)
    context.on("page", watch.attach)
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()
    assert not watch.complaints, "the page complained:\n" + "\n".join(watch.complaints)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page with nothing but the library, of 132 runs, one for each module of tests."""
    with serve(tmp_path_factory.mktemp("library") / "forklore.db") as library_page:
        yield library_page


@pytest.fixture
def library(page: Page, served: Served) -> Locator:
    """The list, drawn, with nothing heard yet; the server answers at once."""
    served.answers.set()
    served.unasked.set()
    page.goto(served.url)
    found = page.locator("#library-piece")
    expect(found.locator(".fl-lib-row")).to_have_count(50)
    served.heard.clear()
    return found


@pytest.fixture(scope="module")
def served_tree() -> Iterator[ServedPage]:
    """A page with nothing but the branching tree, one for each module of tests."""
    with tree_page.serve() as served:
        yield served


@pytest.fixture
def tree(page: Page, served_tree: ServedPage) -> Locator:
    """The small tree, drawn, with nothing heard yet."""
    page.goto(served_tree.url)
    found = page.locator("#tree-piece .fl-tree")
    expect(chip(found, 6)).to_be_visible()
    served_tree.heard.clear()
    return found
