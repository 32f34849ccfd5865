"""A page on another port of this machine, in a real browser, gets at nothing of a Forklore that is open beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.small_site import opened

# every way in which a script asks: with and without what a proxy would write, with leave and without
ASK = """async ([address, headers, mode]) => {
  const about = {method: 'POST', credentials: 'include', headers, mode, body: JSON.stringify({data: []})};
  try { const answer = await fetch(address, about); return `${answer.type} ${answer.status}`; }
  catch (problem) { return String(problem); }
}"""
READ = """async (address) => {
  try { return (await (await fetch(address, {credentials: 'include'})).text()).slice(0, 100); }
  catch (problem) { return String(problem); }
}"""


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel='icon' href='data:,'><title>another site</title>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.console_ok("CORS policy", "Failed to load resource", "Refused to set unsafe header")
@pytest.mark.parametrize("mode", ["local", "team", "public"])
def test_a_script_of_another_port_neither_calls_nor_reads(
    page: Page, tmp_path: Path, elsewhere: int, mode: str
) -> None:
    with opened(tmp_path, mode) as site:
        here = site.url.replace("127.0.0.1", "localhost")
        page.goto(f"{here}/?person={site.secret}" if site.secret else here, wait_until="commit")
        call = f"{here}/gradio_api/run/who"
        assert page.evaluate(ASK, [call, {"content-type": "application/json"}, "cors"]) == "basic 200", "its own page"
        assert len(site.asked) == 1
        for name in ("localhost", "127.0.0.1"):
            other = f"{name}:{elsewhere}"
            page.goto(f"http://{other}/")
            for headers in ({}, {"X-Forwarded-Host": other}, {"X-Forwarded-For": "1.2.3.4", "Forwarded": other}):
                kind = {"content-type": "application/json", **headers}
                assert "Failed to fetch" in page.evaluate(ASK, [call, kind, "cors"]), headers
            # needs no leave and shows no answer: whether it was carried out only the other side knows
            assert page.evaluate(ASK, [call, {"content-type": "text/plain"}, "no-cors"]) == "opaque 0"
            for path in ("/config", "/gradio_api/info", "/", "/healthz", "/gradio_api/queue/data?session_hash=x"):
                assert "Failed to fetch" in page.evaluate(READ, here + path), path
        assert len(site.asked) == 1
