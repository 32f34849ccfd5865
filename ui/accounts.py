"""Accounts of Hugging Face on a public page: who signed in there, and what their browser made before.

Knows the session that Gradio's sign-in keeps in a signed cookie and nobody's password; offers no sign-in where the
variables of a real one are missing. Does not know gradio.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any

from starlette.types import Scope

from storage.database import Store
from ui.access import HasSession, Identity, digest_of, identity_of
from ui.identity import secret_of

ACCOUNT = "account:"
_VARIABLES = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL", "SPACE_ID")
_SUBJECT = re.compile(r"[A-Za-z0-9._|-]{1,128}")


def offered(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a real sign-in can be had: anywhere else Gradio would sign every caller in as whoever started the app."""
    return environ.get("SYSTEM") == "spaces" and all(environ.get(name) for name in _VARIABLES)


def account_of(scope: Scope) -> Identity | None:
    """Who is signed in according to the session that only the server can write; None for nobody, or nobody any more."""
    session = scope.get("session")
    info = session.get("oauth_info") if isinstance(session, Mapping) else None
    user = info.get("userinfo") if isinstance(info, Mapping) else None
    if not isinstance(info, Mapping) or not isinstance(user, Mapping):
        return None
    expires, subject = info.get("expires_at"), user.get("sub")
    if not isinstance(expires, (int, float)) or expires <= time.time():
        return None
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        return None
    return Identity(f"{ACCOUNT}{subject}", False, False, label=str(user.get("preferred_username") or "")[:64])


def take_over(store: Store, request: HasSession | None) -> str:
    """Give an account what its browser made without one; the sentence about it, "" where there was nothing."""
    identity = identity_of(request)
    if identity is None or not identity.name.startswith(ACCOUNT):
        return ""
    cookies: Any = getattr(getattr(request, "request", None), "cookies", None)
    secret = secret_of(cookies or {})
    if not secret or not store.belongings.anything(viewer=(visitor := f"visitor:{digest_of(secret)}")):
        return ""
    runs = store.belongings.hand_over(visitor, to=identity.name)
    moved = {0: "What", 1: "The run"}.get(runs, f"All {runs:,} runs that")
    return f"{moved} you made in this browser before you signed in now belong{'s' if runs < 2 else ''} to your account."
