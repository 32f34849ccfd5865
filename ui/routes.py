"""The addresses that the page and its clients use; every other one of gradio's is closed.

Gradio brings more than this app has need of: recordings, edits of code, statistics, files of other kinds. What nobody
uses here nobody bounds either. Does not know what is behind an address.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from ui.identity import refuse

SENTENCE = "There is nothing at this address: open Forklore at its first page, or look up its endpoints there."
_GRADIO = "/gradio_api"
READ = re.compile(
    r"/|/(config|theme\.css|manifest\.json|robots\.txt|favicon\.ico|pwa_icon(/\d+)?|logout)/?"
    r"|/(static|assets)/.+|/login/(huggingface|callback)"
    rf"|{_GRADIO}/(info|openapi\.json|theme\.css|startup-events|queue/data|upload_progress|app_id|login_check)/?"
    rf"|{_GRADIO}/(heartbeat/[^/]+|call/(v2/)?[^/]+/[^/]+|file=.*)",
    re.DOTALL,
)
SENT = re.compile(rf"{_GRADIO}/(queue/join|upload|cancel|reset|(run|api|call|call/v2)/[^/]+)/?")
METHODS = {"GET": READ, "HEAD": READ, "POST": SENT}


class OpenRoutes:
    """Middleware that answers 404 with a sentence at every address that is not one of these."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and is_used(scope["method"], scope["path"])):
            return await self.app(scope, receive, send)
        await refuse(scope, receive, send, 404, SENTENCE)


def is_used(method: str, path: str) -> bool:
    """Whether anything here is asked for in this way at this address."""
    known = METHODS.get(method)
    return known is not None and known.fullmatch(path) is not None
