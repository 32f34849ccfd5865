"""The door: finds out who sends a request, in every mode, and leaves an Identity beside it.

Knows cookies, headers and what each mode asks for; people and accounts it only asks about. Does not know gradio, the
store or what is behind the door.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.access import LOCAL, SCOPE_KEY, Identity, digest_of
from ui.addresses import address_of, is_loopback_host

COOKIE = "forklore_visitor"
COOKIE_SECONDS = 180 * 24 * 3600
# the same for everybody, so nobody has to be known for them; the last is how gradio finds out that its port is open
OPEN_PATHS = ("/assets/", "/static/", "/favicon.ico", "/healthz", "/gradio_api/startup-events")
_SECRET = re.compile(r"[A-Za-z0-9_-]{32,64}")

Account = Callable[[Scope], Identity | None]


@dataclass(frozen=True)
class Door:
    """What decides who somebody is: the mode, how many proxies stand in front, and who is signed in to an account
    elsewhere, where there are any."""

    mode: str
    proxies: int = 0
    account: Account | None = None


class IdentityMiddleware:
    """Puts an Identity beside every request of one person's machine and of a public page.

    A team's page has a door of its own in front of it (sign_in.py).
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app = app
        self.door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or is_open(scope):
            return await self.app(scope, receive, send)
        if self.door.mode == "local":
            return await self._local(scope, receive, send)
        await self._public(scope, receive, send)

    async def _local(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One trusted person: whatever reaches this machine by its own name and from no other site's page."""
        if sentence := refusal(scope):
            return await refuse(scope, receive, send, 403, sentence)
        scope[SCOPE_KEY] = Identity(LOCAL, True, False, address_of(scope, self.door.proxies))
        await self.app(scope, receive, send)

    async def _public(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = address_of(scope, self.door.proxies)
        # a script on another site could send a visitor's cookie along, too
        here = asked_from_here(scope, self.door.proxies)
        secret = secret_of(cookies_of(scope)) if here else ""
        account = self.door.account(scope) if self.door.account and here else None
        if account is not None:
            scope[SCOPE_KEY] = Identity(account.name, False, False, address, account.label)
        else:
            scope[SCOPE_KEY] = Identity(f"visitor:{digest_of(secret)}" if secret else "", False, True, address)
        if scope["type"] != "http" or scope["path"] != "/":
            return await self.app(scope, receive, send)
        # sent again with every opening of the page, so that it lives on as long as somebody comes back
        given = cookie(COOKIE, secret or secrets.token_urlsafe(32), https=is_https(scope, self.door.proxies))
        await self.app(scope, receive, with_cookie(send, given))


def is_open(scope: Scope) -> bool:
    """Whether what is asked for is the same for everybody."""
    return any(scope["path"] == path or (path[-1] == "/" and scope["path"].startswith(path)) for path in OPEN_PATHS)


def refusal(scope: Scope) -> str:
    """Why a request is none of the person's who sits at this machine; "" when it is.

    A name that somebody else's server resolves to this machine would make their page the same site as this one.
    """
    host = header(scope, b"host")
    if not is_loopback_host(host):
        return (
            "Forklore serves one person at this machine: open it as localhost or 127.0.0.1 (a tunnel may lead there), "
            "or start it with --mode team or --mode public."
        )
    if scope.get("method") not in ("GET", "HEAD") and not asked_from_here(scope):
        return "This page takes nothing from pages of other sites: open Forklore itself and try again there."
    return ""


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    """Answer with one sentence; a socket is closed."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": sentence[:120]})
        return
    response = JSONResponse({"detail": sentence}, status, headers={"cache-control": "no-store"})
    await response(scope, receive, send)


def with_cookie(send: Send, *cookies: str) -> Send:
    """A `send` that hands these cookies over with the answer, which nobody else may keep."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for given in cookies:
                headers.append("set-cookie", given)
            headers["cache-control"] = "no-store"  # one visitor's secret must not be handed to the next
        await send(message)

    return wrapped


def header(scope: Scope, name: bytes) -> str:
    """A header as text, several of one name joined; "" where there is none."""
    return b"; ".join(value for key, value in scope["headers"] if key == name).decode("latin-1")


def cookies_of(scope: Scope) -> dict[str, str]:
    """The cookies of a request by name."""
    return cookie_parser(header(scope, b"cookie"))


def secret_of(cookies: Mapping[str, str], name: str = COOKIE) -> str:
    """The secret among a request's cookies, "" when there is none that could be ours."""
    secret = str(cookies.get(name, ""))
    return secret if _SECRET.fullmatch(secret) else ""


def asked_from_here(scope: Scope, proxies: int = 0) -> bool:
    """Whether a page of ours asks, or no page at all, or a person follows a link to us.

    proxies: as for addresses. Where none stands in front, the name of this server is what the browser connected to,
    whatever else a script has written beside it.
    """
    if header(scope, b"sec-fetch-site") in ("cross-site", "same-site") and not is_navigation(scope):
        return False
    origin = header(scope, b"origin")
    if not origin:
        return True
    try:
        site = urlsplit(origin).netloc.lower()
    except ValueError:
        return False
    own = (header(scope, b"host"), _of_proxy(scope, b"x-forwarded-host", proxies))
    return site != "" and site in (name.lower() for name in own)


def is_navigation(scope: Scope) -> bool:
    """Whether a browser says that it goes to an address, whose answer no other page can read."""
    return scope.get("method") in ("GET", "HEAD") and header(scope, b"sec-fetch-mode") == "navigate"


def is_https(scope: Scope, proxies: int = 0) -> bool:
    """Whether the browser came by https, here or at the proxy in front."""
    asked = re.split("[,;]", header(scope, b"x-forwarded-proto"))[0].strip().lower() if proxies else ""
    return "https" in (scope.get("scheme"), asked)


def _of_proxy(scope: Scope, name: bytes, proxies: int) -> str:
    """What the outermost proxy wrote into a header to which each adds its own; "" where none stands in front."""
    written = [part.strip() for part in re.split("[,;]", header(scope, name)) if part.strip()]
    return written[-min(proxies, len(written))] if proxies and written else ""


def cookie(name: str, secret: str, *, https: bool, seconds: int = COOKIE_SECONDS) -> str:
    """A Space's page stands in a frame of another site: there a cookie is only kept when it says so, over https."""
    where = "SameSite=None; Secure; Partitioned" if https else "SameSite=Lax"
    return f"{name}={secret}; Max-Age={seconds}; Path=/; HttpOnly; {where}"
