"""A small provider of sign-ins on this machine, as Hugging Face is one: discovery, authorisation, token, keys.

Everybody who asks is the person it is told to be. Does not know the app.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from tests.support.app_server import free_port, wait_until

CLIENT, PASSWORD = "forklore-test", "a secret of the app and the provider"


@dataclass
class Provider:
    """A running provider. subject, name: who everybody is; lasts: seconds until a sign-in ends."""

    subject: str = "64f0c0ffee"
    name: str = "ada"
    lasts: int = 3600
    port: int = field(default_factory=free_port)
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """What a Space gives an app that asks for sign-ins."""
        return {
            "SYSTEM": "spaces", "SPACE_ID": "someone/forklore", "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_SCOPES": "openid profile", "OAUTH_CLIENT_SECRET": PASSWORD, "OPENID_PROVIDER_URL": self.url,
        }  # fmt: skip

    def start(self) -> Provider:
        """Serve until `stop`."""
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        routes = [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/keys", self._keys),
        ]
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=self.port, log_level="warning")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, 60, "the provider of sign-ins did not start within a minute")
        return self

    def stop(self) -> None:
        """End the server."""
        self._server.should_exit = True
        self._thread.join(timeout=10)

    async def _discovery(self, _: Request) -> JSONResponse:
        named = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        known: dict[str, Any] = {name: f"{self.url}/{path}" for name, path in named.items()}
        return JSONResponse(known | {"issuer": self.url, "id_token_signing_alg_values_supported": ["RS256"]})

    async def _authorize(self, request: Request) -> RedirectResponse:
        asked = request.query_params
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked.get("nonce", "")
        joint = "&" if "?" in asked["redirect_uri"] else "?"
        answer = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}{joint}{answer}")

    async def _token(self, request: Request) -> JSONResponse:
        form = await request.form()
        nonce = self.codes.pop(str(form.get("code")), None)
        if nonce is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT, "sub": self.subject, "iat": now, "exp": now + 600, "nonce": nonce,
            "preferred_username": self.name, "name": self.name, "profile": "", "picture": "",
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        return JSONResponse({"access_token": "t", "token_type": "bearer", "expires_in": self.lasts, "id_token": signed})

    async def _keys(self, _: Request) -> JSONResponse:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})
