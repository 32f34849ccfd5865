"""What an operator's monitor asks: whether page and store work, in one small answer that names nobody and no place.

Answered before anybody is asked who they are, beside the queue and without the model. Does not know what a store or a
model is: it is given functions that tell.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import UserError
from storage.probing import probe
from storage.snapshots import SnapshotState
from ui.copies import late

PATH = "/healthz"
VERSION = "1.0"
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
_FOLDERS = ("", "gradio_api", "static", "assets", "login", "logout")
# anybody may ask: of a path only the last name is told
_FOLDER = re.compile(r"(?<![\w:/.])~?/(?:[^/\s]+/)*(?=[^/\s])")
# a monitor or a stranger may ask as often as they like: the store is looked at this often
KEPT_SECONDS = 2.0
PATIENCE_SECONDS = 4.0
# below this nothing large can be stored any more
LEAST_ROOM = 64 * 2**20


@dataclass(frozen=True)
class Watch:
    """What is looked at. version: of the program; model: its state; queue: jobs in it, the running one among them;
    snapshots: None where none are made; trouble: why there is no model, "" where nothing failed."""

    version: str
    database: Path
    model: Callable[[], str]
    queue: Callable[[], int]
    snapshots: Callable[[], SnapshotState] | None = None
    trouble: Callable[[], str] = lambda: ""


class Health:
    """Middleware that answers at /healthz and passes on everything else. 200 when all is well, else 503."""

    def __init__(self, app: ASGIApp, watch: Watch, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: by which an answer grows old, in seconds."""
        self.app = app
        self._watch = watch
        self._clock = clock
        self._asked = asyncio.Lock()
        self._looking: asyncio.Task[dict[str, Any]] | None = None
        self._known: tuple[float, int, bytes] = (float("-inf"), 503, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            return await self._passed_on(scope, receive, send)
        if scope["method"] not in ("GET", "HEAD"):
            return await Response(status_code=405, headers={"allow": "GET, HEAD"})(scope, receive, send)
        async with self._asked:
            if self._clock() - self._known[0] >= KEPT_SECONDS:
                status, body = await self._look()
                self._known = self._clock(), status, body
        _, status, body = self._known
        headers = {"cache-control": "no-store"}
        await Response(body, status, headers, media_type="application/json")(scope, receive, send)

    async def _look(self) -> tuple[int, bytes]:
        # a thread whose disk hangs cannot be ended: whoever asks meanwhile waits for that one, and none is added
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(asyncio.to_thread(report, self._watch))
        await asyncio.wait({self._looking}, timeout=PATIENCE_SECONDS)
        if self._looking.done():
            found = self._looking.result()
        else:
            found = {"status": "failing", "reason": "the store does not answer", "version": self._watch.version}
        return 200 if found["status"] == "ok" else 503, json.dumps(found).encode()

    async def _passed_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An answer that says the page has failed is an event for the log, without what was asked."""
        began = time.monotonic()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                seconds = time.monotonic() - began
                logging.getLogger("forklore.page").info(
                    "refused", extra={"outcome": message["status"], "seconds": seconds, "kind": _kind(scope)}
                )
            await send(message)

        await self.app(scope, receive, watched if scope["type"] == "http" else send)


def _kind(scope: Scope) -> str:
    """What was asked for, as far as that can be no text of a person's."""
    first = scope["path"].strip("/").split("/")[0]
    method = scope["method"] if scope["method"] in _METHODS else "other"
    return f"{method} /{first if first in _FOLDERS else '...'}"


def report(watch: Watch) -> dict[str, Any]:
    """What the answer says; looks at the store, so it may take a moment."""
    problems: list[str] = []
    store: str
    try:
        store = probe(watch.database)
    except UserError:
        store = "failing"
        problems.append("the store cannot be read and written")
    try:
        free = shutil.disk_usage(watch.database.parent).free
    except OSError:
        free = 0
    if free < LEAST_ROOM:
        problems.append("the disk is full")
    state = watch.snapshots() if watch.snapshots else None
    age = state.age(datetime.now(UTC)) if state else None
    if state and (age is not None or state.problem) and late(state, datetime.now(UTC)):
        problems.append("the library is not copied to lasting storage")
    return {
        "status": "failing" if problems else "ok",
        "reason": "; ".join(problems),
        "version": watch.version,
        "model": watch.model(),
        "model_reason": _FOLDER.sub("", watch.trouble()),
        "store": store,
        "queue": watch.queue(),
        "snapshot_seconds": None if age is None else round(age.total_seconds()),
        "free_megabytes": free // 2**20,
    }
