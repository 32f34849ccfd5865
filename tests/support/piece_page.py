"""Serves a page with nothing but one piece, and remembers every event of it that reaches the server.

For browser tests of a piece itself. Does not know what is on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from playwright.sync_api import Page

from tests.support.app_server import free_port
from tests.support.doors import app_kwargs
from ui import assets
from ui.theme import page_theme

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass
class ServedPage:
    """The running page and every event that reached the server."""

    url: str
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list, kw_only=True)

    def events(self, name: str) -> list[dict[str, Any]]:
        """What every event of this name carried, oldest first."""
        return [data for heard, data in self.heard if heard == name]


def until(page: Page, done: Callable[[], object], seconds: float = 5.0) -> None:
    """Let the page go on until something is so; an AssertionError when it is not in time."""
    for _ in range(round(20 * seconds)):
        if done():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it did not happen within {seconds:g} seconds")


def address(port: int) -> str:
    """Where a page on this port is found."""
    return f"http://127.0.0.1:{port}/"


@contextmanager
def launched(demo: gr.Blocks, port: int) -> Iterator[None]:
    """The page as the app serves it, on a port of this machine."""
    demo.launch(
        server_port=port, head=assets.head(), theme=page_theme(), prevent_thread_lock=True, quiet=True,
        ssr_mode=False, run_history=False, app_kwargs=app_kwargs(),
    )  # fmt: skip
    yield
    demo.close()


@contextmanager
def served_page(build: Callable[[ServedPage], gr.Blocks]) -> Iterator[ServedPage]:
    """What `build` makes, on a free port; it is given the page whose events it is to remember."""
    port = free_port()
    served = ServedPage(address(port))
    with launched(build(served), port):
        yield served
