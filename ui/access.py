"""Who is asking: what the server found out about a request, as the viewer that every read and write takes.

Rights never come from a component's value or from state a script can set: identity.py decides once per request and
leaves what it found beside it. Does not know gradio, cookies or people.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Protocol

LOCAL = "local"
SCOPE_KEY = "forklore.identity"
OF_A_SESSION = "visitor:session-"
OF_A_CALL = "visitor:call-"


class HasSession(Protocol):
    """The part of a page's request that tells open pages apart; `request` is the web request it came with."""

    session_hash: str | None
    request: Any


@dataclass(frozen=True)
class Identity:
    """What the server knows of who sent a request.

    name: "local", "person:<uid>", "account:<subject>" or "visitor:<digest>"; "" for a stranger without a cookie, who
    is one person for as long as the open page's session lasts. trusted: may name models. anonymous: nobody could find
    their work again without this browser. address: where the call came from, for budgets, IPv6 cut to its /64. label:
    what the page calls them, "" for nobody in particular.
    """

    name: str
    trusted: bool
    anonymous: bool
    address: str = ""
    label: str = ""


@dataclass(frozen=True)
class Viewer:
    """name: owner of what this person makes; session: this open page; trusted: may name models; address: where the
    call came from, for budgets; anonymous: a stranger known by a cookie at most."""

    name: str
    session: str
    trusted: bool
    address: str = ""
    anonymous: bool = False

    @property
    def place(self) -> str:
        """What holds one place in the queue: an open page on a private machine, elsewhere all pages of a person."""
        return self.session if self.name == LOCAL else self.name

    @property
    def fleeting(self) -> bool:
        """Whether nothing but the open page tells this person from others: their browser sent no cookie along."""
        return self.name.startswith((OF_A_SESSION, OF_A_CALL))


def viewer_of(request: HasSession | None) -> Viewer:
    """Who asks, by what the server found out; a request that passed no door is a stranger for this one call."""
    session = str(getattr(request, "session_hash", None) or f"call-{secrets.token_hex(8)}")
    identity = identity_of(request)
    if identity is None:
        return Viewer(f"{OF_A_CALL}{secrets.token_hex(16)}", session, False, anonymous=True)
    # a session's name is chosen by the caller: its digest can be no other visitor's name
    name = identity.name or f"{OF_A_SESSION}{digest_of(session)}"
    return Viewer(name, session, identity.trusted, identity.address, identity.anonymous)


def identity_of(request: HasSession | None) -> Identity | None:
    """What the server found out about the web request that a page's request came with."""
    scope = getattr(getattr(request, "request", None), "scope", None)
    found = scope.get(SCOPE_KEY) if isinstance(scope, dict) else None
    return found if isinstance(found, Identity) else None


def digest_of(secret: str) -> str:
    """What the store may know of a secret: who reads it there cannot become that visitor."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]
