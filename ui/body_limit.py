"""Bounds what a request may send before anybody reads it: so many bytes, within so much time.

A body is refused by its announced length, or as soon as more of it arrives than allowed; one that trickles is cut.
Does not know who sends it, nor what it is for.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

UPLOADS = "/upload"
MEBIBYTE = 2**20


@dataclass(frozen=True)
class BodyBounds:
    """Bytes of an upload, and of any other request; seconds until a body must be there, and the bytes a second above
    which a large one gets more time."""

    upload_bytes: int
    other_bytes: int
    seconds: float = 30.0
    bytes_a_second: float = 32 * 1024.0

    @classmethod
    def of_files(cls, file_bytes: int) -> BodyBounds:
        """For a page that takes files up to this size, also as the text of a call, where quotes are escaped."""
        return cls(file_bytes + MEBIBYTE, 2 * file_bytes + MEBIBYTE)


class BodyLimit:
    """Middleware that holds every HTTP request to these bounds."""

    def __init__(self, app: ASGIApp, bounds: BodyBounds, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self.bounds = bounds
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return await self.app(scope, receive, send)
        upload = scope["path"].rstrip("/").endswith(UPLOADS)
        most = self.bounds.upload_bytes if upload else self.bounds.other_bytes
        announced = _announced(scope)
        if announced is not None and announced > most:
            return await answer(send, 413, _too_large(most))
        body = _Body(receive, send, most, self.bounds, self._clock)
        with suppress(BodyRefused):
            await self.app(scope, body.receive, body.send)
        await body.close()


class BodyRefused(Exception):
    """Ends the reading of a body; whoever reads it need not know why."""


class _Body:
    """One body on its way in, and the answer on its way out, which gives way to a refusal."""

    def __init__(self, receive: Receive, send: Send, most: int, bounds: BodyBounds, clock: Callable[[], float]) -> None:
        self._receive, self._send = receive, send
        self._most, self._bounds = most, bounds
        self._clock, self._began = clock, clock()
        self._bytes = 0
        self._whole = self._answered = False
        self._refusal: tuple[int, str] | None = None

    async def receive(self) -> Message:
        # what comes after the body is the end of the connection, and that has no hurry
        if self._whole:
            return await self._receive()
        allowed = self._bounds.seconds + self._bytes / self._bounds.bytes_a_second
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._began + allowed - self._clock()))
        except TimeoutError:
            self._refuse(408, "What was sent took too long to arrive: try again over a faster connection.")
        self._bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._bytes > self._most:
            self._refuse(413, _too_large(self._most))
        return message

    def _refuse(self, status: int, sentence: str) -> None:
        self._refusal = status, sentence
        raise BodyRefused

    async def send(self, message: Message) -> None:
        if self._refusal is None:
            self._answered = True
            await self._send(message)
        else:
            # an application may make an answer of its own of a body that broke off
            await self.close()

    async def close(self) -> None:
        """Answer with the refusal, once, unless an answer has begun before it."""
        if self._refusal is not None and not self._answered:
            self._answered = True
            await answer(self._send, *self._refusal)


async def answer(send: Send, status: int, sentence: str, *more: tuple[bytes, bytes]) -> None:
    """One sentence as the whole answer; the connection is closed, as the rest of the body is not read."""
    body = json.dumps({"detail": sentence}).encode()
    headers = [
        (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"), (b"connection", b"close"), *more,
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _announced(scope: Scope) -> int | None:
    """The length that a request announces, None where it announces none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


def _too_large(most: int) -> str:
    return f"What was sent is larger than the {most / MEBIBYTE:.0f} MB that are taken here at once: send less."
