"""The door in front of a page that a test serves by itself: without one, everybody who asks is a stranger.

Does not know what is served.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio_client import Client
from starlette.middleware import Middleware

from tests.support.app_server import free_port
from ui.access import LOCAL, SCOPE_KEY, Identity
from ui.identity import Door, IdentityMiddleware


def app_kwargs(mode: str = "local") -> dict[str, Any]:
    """What `launch` takes so that callers are known as they are in this mode."""
    return {"middleware": [Middleware(IdentityMiddleware, Door(mode))]}


def request_of(identity: Identity = Identity(LOCAL, True, False), session: str = "page", query: Any = None) -> Any:  # noqa: B008
    """A request as an endpoint gets it behind the door, of this person."""
    web = SimpleNamespace(scope={SCOPE_KEY: identity}, cookies={})
    return SimpleNamespace(session_hash=session, request=web, query_params=query or {})


@contextmanager
def address_of(page: gr.Blocks, mode: str = "local") -> Iterator[str]:
    """Serves a page behind its door for as long as the block lasts; gives its address."""
    _, url, _ = page.launch(
        server_name="127.0.0.1",
        server_port=free_port(),
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        app_kwargs=app_kwargs(mode),
    )
    yield url
    page.close()


@contextmanager
def client_of(page: gr.Blocks, mode: str = "local") -> Iterator[Client]:
    """A client of such a page."""
    with address_of(page, mode) as url:
        yield Client(url, verbose=False, analytics_enabled=False)
