"""A small stand-in for the hub on this machine: the real client talks to it over HTTP, nothing leaves the machine.

Serves the folders of one directory as repositories owner/name; some names misbehave on purpose.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# owner/name -> what happens: (status, the hub's error code)
TROUBLES = {"trouble/gated": (403, "GatedRepo"), "trouble/down": (503, ""), "trouble/silent": (0, "")}


class HubServer(ThreadingHTTPServer):
    """Repositories live in `folder`/owner/name; `asked` lists every path that was requested."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.asked: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve_hub(folder: Path) -> Iterator[HubServer]:
    """Serve until the block ends."""
    server = HubServer(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path = self.path.split("?")[0].strip("/").split("/")
        if path[:2] == ["api", "models"]:
            self._describe("/".join(path[2:4]), path[4:])
        else:
            self._file("/".join(path[:2]), "/".join(path[4:]))

    do_HEAD = do_GET

    def _describe(self, repo: str, rest: list[str]) -> None:
        status, code = TROUBLES.get(repo, (200, ""))
        if code != "GatedRepo" and status != 200:
            self._fail(status, code)
        elif not (self.server.folder / repo).is_dir():
            self._fail(401, "RepoNotFound")
        elif rest[:1] == ["tree"]:
            self._answer([{"type": "file", "path": name, **facts} for name, facts in self._files(repo).items()])
        else:
            siblings = [{"rfilename": name, **facts} for name, facts in self._files(repo).items()]
            self._answer({"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "tags": []})

    def _files(self, repo: str) -> dict[str, dict[str, Any]]:
        home = self.server.folder / repo
        return {
            str(path.relative_to(home)): {"size": path.stat().st_size, "oid": _etag(path), "blobId": _etag(path)}
            for path in sorted(home.rglob("*"))
            if path.is_file()
        }

    def _file(self, repo: str, name: str) -> None:
        if repo in TROUBLES:
            self._fail(*TROUBLES[repo])
            return
        path = self.server.folder / repo / name
        if not path.is_file():
            self._fail(404, "EntryNotFound")
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{_etag(path)}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def _answer(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, status: int, code: str) -> None:
        if status == 0:
            self.server.closing.wait(60)
            return
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
