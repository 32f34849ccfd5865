"""Calls of the app's named endpoints over plain HTTP, as its own page makes them; refusals as exceptions."""

from __future__ import annotations

import json
from typing import Any

import httpx


class Refused(Exception):
    """What the app said instead of an answer. again: whether the same may go well later."""

    def __init__(self, sentence: str, again: bool) -> None:
        super().__init__(sentence)
        self.again = again


class Endpoints:
    """One caller, with a connection (and cookies) of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(timeout=60)

    def call(self, name: str, *values: Any) -> Any:
        """The answer of an endpoint that stands beside the queue; Refused, or httpx's errors without an answer."""
        response = self._client.post(f"{self._url}/gradio_api/run/{name}", json={"data": list(values)})
        body = json.loads(response.text)
        if response.status_code != 200:
            raise Refused(str(body.get("error")), body.get("title") == "Again")
        return body["data"][0]

    def visit(self) -> None:
        """Open the page, which gives a stranger's browser its cookie."""
        self._client.get(f"{self._url}/")
