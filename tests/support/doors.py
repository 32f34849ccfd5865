"""The door in front of a page that a test serves by itself: without one, everybody who asks is a stranger.

Does not know what is served.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from starlette.middleware import Middleware

from ui.access import LOCAL, SCOPE_KEY, Identity
from ui.identity import Door, IdentityMiddleware


def app_kwargs(mode: str = "local") -> dict[str, Any]:
    """What `launch` takes so that callers are known as they are in this mode."""
    return {"middleware": [Middleware(IdentityMiddleware, Door(mode))]}


def request_of(identity: Identity = Identity(LOCAL, True, False), session: str = "page", query: Any = None) -> Any:  # noqa: B008
    """A request as an endpoint gets it behind the door, of this person."""
    web = SimpleNamespace(scope={SCOPE_KEY: identity}, cookies={})
    return SimpleNamespace(session_hash=session, request=web, query_params=query or {})
