"""Gives every failed answer a sentence: a call that gradio or the page could not take ends in words, not in silence.

Stands next to gradio, so that what it raises is logged once and never reaches the server's own bare page for errors.
A body that was refused, and a caller who hung up, are no failures. Does not know what was called; answers that have a
sentence pass as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.body_limit import BodyRefused

UNTAKEN = (
    "This call could not be taken: what it sent is not what the page or an endpoint takes. Reload the page, or look up "
    "the endpoint's arguments with ?view=api behind the address."
)
FAILED = 500


class Problem(Protocol):
    """What came of a block; sentence: empty when all went well."""

    sentence: str


class LastWord:
    """Middleware that looks at answers of 500 and above, and at calls that end in an exception."""

    def __init__(self, app: ASGIApp, caught: Callable[[], AbstractContextManager[Problem]]) -> None:
        """caught: runs a block and logs what it raises."""
        self.app = app
        self._caught = caught

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        answer = _Answer(send)
        with self._caught() as caught:
            try:
                await self.app(scope, receive, answer.send)
            except (BodyRefused, ClientDisconnect):
                # the bound on bodies has words of its own, and who is gone hears none
                return
        if caught.sentence and not answer.started:
            await answer.say()


class _Answer:
    """Passes an answer on; one that says it failed is held back until it is known what it says."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: Message | None = None
        self._body = b""
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= FAILED:
            self._held = message
            return
        if self._held is None:
            self.started = True
            return await self._send(message)
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            await self._judge(self._held)

    async def _judge(self, start: Message) -> None:
        if not _has_sentence(self._body):
            return await self.say(start["status"])
        self.started = True
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._body})

    async def say(self, status: int = FAILED) -> None:
        """The sentence in the form in which endpoints refuse."""
        self.started = True
        body = json.dumps({"error": UNTAKEN}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _has_sentence(body: bytes) -> bool:
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and any(
        isinstance(said.get(name), str) and said[name] for name in ("error", "detail")
    )
