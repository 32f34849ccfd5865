"""A page with a few endpoints, opened as the app opens its own: with every door of a mode, in a second.

Does not know what the doors are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from storage.database import Store
from tests.support.app_server import free_port
from ui.access import viewer_of
from ui.people import People
from ui.serve import open_port
from ui.settings import Settings


@dataclass
class Site:
    """One open page. asked: by whom `who` was called; secret: of the personal link of a team's one member."""

    port: int
    secret: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def opened(folder: Path, mode: str, proxies: int = 0) -> Iterator[Site]:
    """Such a page in this mode, which knows `who` (nothing to say) and `join` (two texts)."""
    settings = Settings(
        "embedded", None, None, None, folder / "site.db", folder, "127.0.0.1", free_port(), 1, mode, proxies=proxies
    )
    site = Site(settings.port)

    def who(request: gr.Request) -> str:
        viewer = viewer_of(request)
        site.asked.append(viewer.name)
        return f"{viewer.name} {viewer.address}"

    def join(first: str, second: str) -> str:
        return first + second

    with Store(settings.database) as store, gr.Blocks() as page:
        if mode == "team":
            _, site.secret = store.people.add("Ada")
        gr.api(who)
        gr.api(join)
        open_port(page, settings, None, People(store))
        yield site
        page.close()
