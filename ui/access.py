"""Who is asking: turns what the server knows of a request into a viewer that every read and write takes.

Rights never come from a component's value or from state the browser can set. Does not know gradio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LOCAL = "local"


class HasSession(Protocol):
    """The part of a web request that tells sessions apart."""

    session_hash: str | None


@dataclass(frozen=True)
class Viewer:
    """name: owner of what this person makes; session: this open page; trusted: may name models and read all runs."""

    name: str
    session: str
    trusted: bool


def viewer_of(request: HasSession | None, *, public: bool) -> Viewer:
    """On a private machine everybody is the local user; on a public page each open session is a person of its own."""
    session = (getattr(request, "session_hash", None) or "api") if request is not None else "api"
    if not public:
        return Viewer(LOCAL, session, True)
    return Viewer(f"visitor:{session}", session, False)
