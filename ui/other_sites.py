"""Keeps pages of other sites out: what their scripts ask for is refused, and nothing tells a browser to let them read.

One half stands outside of everything, gradio's own answers to such scripts included, the other next to the doors.
Does not know who asks, nor what for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.identity import asked_from_here, header, is_open, refuse

SENTENCE = "This page takes nothing from pages of other sites: open Forklore itself and try again there."
ASKED_BEFORE = b"access-control-request-method"
ALLOWING = b"access-control-"


class SilentToOthers:
    """Answers no script of another site that asks what it may do, and takes leave to read out of every answer."""

    def __init__(self, app: ASGIApp, proxies: int = 0) -> None:
        self.app = app
        self.proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["method"] == "OPTIONS" and header(scope, ASKED_BEFORE) and not asked_from_here(scope, self.proxies):
            return await refuse(scope, receive, send, 403, SENTENCE)

        async def silent(message: Message) -> None:
            # a page of ours reads its own server without leave
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                message["headers"] = [pair for pair in given if not pair[0].lower().startswith(ALLOWING)]
            await send(message)

        await self.app(scope, receive, silent)


class OwnPagesOnly:
    """Middleware that lets through what a page of ours asks for, what no page does, and a person who follows a link."""

    def __init__(self, app: ASGIApp, proxies: int = 0) -> None:
        self.app = app
        self.proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or is_open(scope) or asked_from_here(scope, self.proxies):
            return await self.app(scope, receive, send)
        await refuse(scope, receive, send, 403, SENTENCE)


def outermost(proxies: int) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """What runs when an application starts, before its port opens: puts SilentToOthers around all of its middleware,
    of which gradio adds some outside of what it is given."""

    @asynccontextmanager
    async def started(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = SilentToOthers(app.middleware_stack, proxies)
        yield

    return started
