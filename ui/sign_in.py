"""The door of a team's page: in by a personal link, out by a button, and nothing at all for anybody else.

A link's secret becomes a cookie and leaves the address at once. Knows requests; whose a secret is it asks. Does not
know gradio or the store.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import UserError
from ui.access import SCOPE_KEY, Identity
from ui.addresses import address_of
from ui.identity import asked_from_here, cookie, cookies_of, is_https, is_open, refuse, secret_of, with_cookie
from ui.patience import Patience
from ui.people import PARAMETER, secret_in

COOKIE = "forklore_person"
# how often an open stream asks again whether its person may still be here
ASK_SECONDS = 1.0
WRONG = "unknown"
LABELLING = "labelling"
# what the link of an annotator carries in its address
ANNOTATE = "annotate"
SENTENCES = {
    LABELLING: "That is a labelling link. Sign in with your own personal link first: the session opens afterwards.",
    WRONG: "This link is not known here: check that it is complete, or ask whoever runs this page for a new one.",
    "later": "Too many links were tried just now: wait a minute, then try again.",
    "busy": "Your link cannot be looked up right now: try again in a moment.",
}
STRANGER = "Sign in first: open this page with your personal link, or ask whoever runs it for one."
MAX_FORM = 8_192
_PAGE = Path(__file__).resolve().parent.parent / "assets" / "sign_in.html"


Answer = Callable[[Scope, Receive, Send], Awaitable[None]]


class KnowsPeople(Protocol):
    """What the door asks about a secret."""

    def known_by(self, secret: str) -> Identity | None: ...

    def came(self, secret: str) -> None: ...


class TeamDoor:
    """Puts the Identity of a person beside every request that carries their cookie; all others get no further."""

    def __init__(self, app: ASGIApp, people: KnowsPeople, proxies: int = 0) -> None:
        self.app = app
        self.people = people
        self.proxies = proxies
        self.patience = Patience()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or is_open(scope):
            return await self.app(scope, receive, send)
        if scope["type"] == "http" and (answer := self._of_the_door(scope)):
            return await answer(scope, receive, send)
        secret = secret_of(cookies_of(scope), COOKIE) if asked_from_here(scope, self.proxies) else ""
        try:
            identity = await self._known(secret)
        except UserError as problem:
            return await refuse(scope, receive, send, 503, str(problem))
        if identity is None:
            return await self._stranger(scope, receive, send)
        scope[SCOPE_KEY] = replace(identity, address=address_of(scope, self.proxies))
        if scope["type"] == "http" and scope["path"] == "/":
            await run_in_threadpool(self.people.came, secret)
            send = with_cookie(send, cookie(COOKIE, secret, https=is_https(scope, self.proxies)))
        await self._while_known(secret, scope, receive, send)

    def _of_the_door(self, scope: Scope) -> Answer | None:
        if scope["path"] == "/" and PARAMETER in dict(_asked(scope)):
            return self._by_link
        if scope["method"] == "POST" and scope["path"] == "/sign-in":
            return self._by_form
        if scope["method"] == "POST" and scope["path"] == "/sign-out":
            return self._out
        return None

    async def _known(self, secret: str) -> Identity | None:
        return await run_in_threadpool(self.people.known_by, secret) if secret else None

    async def _stranger(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/" and scope["method"] in ("GET", "HEAD"):
            return await page_for(scope)(scope, receive, send)
        await refuse(scope, receive, send, 401, STRANGER)

    async def _by_link(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope)
        secret = next(value for name, value in asked if name == PARAMETER)
        await self._let_in(secret, [pair for pair in asked if pair[0] != PARAMETER], scope, receive, send)

    async def _by_form(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not asked_from_here(scope, self.proxies):
            return await refuse(scope, receive, send, 403, STRANGER)
        body = await read_body(receive)
        if body is None:
            return await refuse(scope, receive, send, 413, SENTENCES[WRONG])
        fields = dict(parse_qsl(body.decode("utf-8", "replace")))
        further = [pair for pair in parse_qsl(fields.get("next", "")) if pair[0] != PARAMETER]
        if labelling := labelling_secret_in(fields.get("link", "")):
            further = [pair for pair in further if pair[0] not in (ANNOTATE, "sign-in")]
            return await _to([*further, (ANNOTATE, labelling), ("sign-in", LABELLING)])(scope, receive, send)
        await self._let_in(secret_in(fields.get("link", "")), further, scope, receive, send)

    async def _let_in(
        self, secret: str, further: list[tuple[str, str]], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """To the clean address: with the cookie for a person, with the reason for anybody else."""
        address = address_of(scope, self.proxies)
        try:
            known = await self._known(secret)
            reason = "" if known else WRONG
        except UserError:
            reason = "busy"
        further = [pair for pair in further if pair[0] != "sign-in"]
        if reason == WRONG and not await self.patience.wait(address):
            reason = "later"
        if reason:
            return await _to([*further, ("sign-in", reason)])(scope, receive, send)
        response = _to(further)
        response.headers.append("set-cookie", cookie(COOKIE, secret, https=is_https(scope, self.proxies)))
        await response(scope, receive, send)

    async def _out(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not asked_from_here(scope, self.proxies):
            return await refuse(scope, receive, send, 403, STRANGER)
        response = _to([])
        response.headers.append("set-cookie", cookie(COOKIE, "", https=is_https(scope, self.proxies), seconds=0))
        await response(scope, receive, send)

    async def _while_known(self, secret: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a stream that lasts ends like that of a closed tab when its person is sent away meanwhile."""
        gone = asyncio.Event()
        watch = asyncio.create_task(self._watch(secret, gone))
        pending: list[asyncio.Task[Message]] = []
        begun = ended = False

        async def heard() -> Message:
            if gone.is_set():
                return {"type": "http.disconnect"}
            # a caller that only looks gives up at once: what it asked for is kept for the next look
            task = pending.pop() if pending else asyncio.ensure_future(receive())
            left = asyncio.ensure_future(gone.wait())
            try:
                await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                left.cancel()
                if not task.done():
                    pending.append(task)
            return task.result() if task.done() else {"type": "http.disconnect"}

        async def told(message: Message) -> None:
            nonlocal begun, ended
            begun = True
            if gone.is_set() and message["type"] == "http.response.body":
                if ended:
                    return
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            ended = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        try:
            await self.app(scope, heard, told)
            # an answer that broke off by itself stays broken off: whoever reads it must not take it for whole
            if gone.is_set() and begun and not ended:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in (watch, *pending):
                task.cancel()

    async def _watch(self, secret: str, gone: asyncio.Event) -> None:
        while not gone.is_set():
            await asyncio.sleep(ASK_SECONDS)
            with suppress(UserError):
                if await self._known(secret) is None:
                    gone.set()


def page_for(scope: Scope) -> HTMLResponse:
    """The page with the one field, which says what was wrong and remembers where somebody wanted to go."""
    asked = _asked(scope)
    named = dict(asked)
    reason = SENTENCES.get(named.get("sign-in", LABELLING if named.get(ANNOTATE) else ""), "")
    further = urlencode([pair for pair in asked if pair[0] not in ("sign-in", PARAMETER)])
    page = _PAGE.read_text(encoding="utf-8")
    page = page.replace("__WRONG__", html.escape(reason)).replace("__NEXT__", html.escape(further, quote=True))
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )
    return HTMLResponse(page, headers={"content-security-policy": policy, **_QUIET, "referrer-policy": "same-origin"})


def labelling_secret_in(pasted: str) -> str:
    """The secret of a labelling link that somebody pasted where a personal one belongs, "" for anything else."""
    with suppress(ValueError):
        named = dict(parse_qsl(urlsplit(pasted.strip()).query))
        return "" if PARAMETER in named else named.get(ANNOTATE, "").strip()
    return ""


async def read_body(receive: Receive) -> bytes | None:
    """A short body, None for one that is too long."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_FORM:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body


def _asked(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


_QUIET = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


def _to(further: list[tuple[str, str]]) -> RedirectResponse:
    return RedirectResponse(f"./?{urlencode(further)}" if further else "./", 303, headers=_QUIET)
