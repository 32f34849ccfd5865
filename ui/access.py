"""Who is asking: turns what the server knows of a request into a viewer that every read and write takes.

Rights never come from a component's value or from state a script can set: on a public page a visitor is known by a
secret cookie that only the server writes. Does not know gradio.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = "local"
COOKIE = "forklore_visitor"
COOKIE_SECONDS = 180 * 24 * 3600
_SECRET = re.compile(r"[A-Za-z0-9_-]{32,64}")


class HasSession(Protocol):
    """The part of a page's request that tells open pages apart; `request` is the web request it came with."""

    session_hash: str | None
    request: Any


@dataclass(frozen=True)
class Viewer:
    """name: owner of what this person makes; session: this open page; trusted: may name models."""

    name: str
    session: str
    trusted: bool

    @property
    def place(self) -> str:
        """What holds one place in the queue: an open page of a trusted person, all pages of a stranger together."""
        return self.session if self.trusted else self.name


def viewer_of(request: HasSession | None, *, public: bool) -> Viewer:
    """On a private machine everybody is the local user; on a public page each browser is a person of its own.

    A caller without the cookie (a script) is one person for as long as its session lasts, without a session for one
    call only.
    """
    session = str(getattr(request, "session_hash", None) or f"call-{secrets.token_hex(8)}")
    if not public:
        return Viewer(LOCAL, session, True)
    web = getattr(request, "request", None)
    secret = secret_of(getattr(web, "cookies", None) or {}) if _asked_from_here(getattr(web, "headers", {})) else ""
    # the store keeps a digest: who reads it cannot become the visitor
    known_by = hashlib.sha256(secret.encode()).hexdigest()[:32] if secret else f"session-{session}"
    return Viewer(f"visitor:{known_by}", session, False)


def _asked_from_here(headers: Mapping[str, str]) -> bool:
    """Whether a page of ours asks: a script on another site could send a visitor's cookie along, too."""
    if "origin" not in headers:
        return True
    origin = urlsplit(headers["origin"]).netloc.lower()
    return origin != "" and origin in (headers.get(name, "").lower() for name in ("host", "x-forwarded-host"))


def secret_of(cookies: Mapping[str, str]) -> str:
    """The visitor's secret among a request's cookies, "" when there is none that could be ours."""
    secret = str(cookies.get(COOKIE, ""))
    return secret if _SECRET.fullmatch(secret) else ""


class VisitorCookie:
    """Middleware that gives every browser a secret of its own when it opens the page, and lets it keep it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/":
            return await self.app(scope, receive, send)
        # sent again with every opening of the page, so that it lives on as long as somebody comes back
        secret = secret_of(_cookies(scope)) or secrets.token_urlsafe(32)

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.append("set-cookie", _cookie(secret, _is_https(scope)))
                headers["cache-control"] = "no-store"  # one visitor's secret must not be handed to the next
            await send(message)

        await self.app(scope, receive, with_cookie)


def _header(scope: Scope, name: bytes) -> str:
    return b"; ".join(value for key, value in scope["headers"] if key == name).decode("latin-1")


def _cookies(scope: Scope) -> dict[str, str]:
    return cookie_parser(_header(scope, b"cookie"))


def _is_https(scope: Scope) -> bool:
    """Whether the browser came by https, here or at the proxy in front."""
    asked = re.split("[,;]", _header(scope, b"x-forwarded-proto"))[0].strip().lower()
    return "https" in (scope.get("scheme"), asked)


def _cookie(secret: str, https: bool) -> str:
    """A Space's page stands in a frame of another site: there a cookie is only kept when it says so, over https."""
    where = "SameSite=None; Secure; Partitioned" if https else "SameSite=Lax"
    return f"{COOKIE}={secret}; Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; {where}"
