"""Starts the app as a person would, as a process of its own, and waits until its page answers.

Used by every test that needs the running app. Does not know what the page shows.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 120.0
MODEL_SECONDS = 240.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(happened: Callable[[], object], seconds: float, otherwise: str = "it did not happen in time") -> None:
    """Look every so often whether something is so; an AssertionError with a sentence when it is not in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


@dataclass
class AppServer:
    """One running app on a database of its own. start_seconds: from launch until the page answered."""

    database: Path
    arguments: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    port: int = field(default_factory=free_port)
    start_seconds: float = float("nan")
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.database.with_suffix(".log")

    def log(self, last: int = 8000) -> str:
        """The end of what the app has printed, over all its starts."""
        return self.log_path.read_text(errors="replace")[-last:] if self.log_path.exists() else ""

    def start(self) -> AppServer:
        """Launch the app and wait until GET / is 200; RuntimeError with its log when that does not happen."""
        command = [self.python, "app.py", "--port", str(self.port), "--database", str(self.database), *self.arguments]
        began = time.monotonic()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"the app ended with {self._process.returncode} at its start:\n{self.log()}")
            if time.monotonic() - began > START_SECONDS:
                self.kill()
                raise RuntimeError(f"no page after {START_SECONDS:.0f} s:\n{self.log()}")
            time.sleep(0.05)
        self.start_seconds = time.monotonic() - began
        return self

    def _environment(self) -> dict[str, str]:
        # a person's second start finds compiled modules, also where the tests are told to write none
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, "PYTHONUNBUFFERED": "1", **self.environ}

    def health(self) -> dict[str, Any]:
        """What the app says of itself."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=30) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as unwell:
            return dict(json.load(unwell))

    def ready(self) -> AppServer:
        """Wait until its model is loaded."""
        wait_until(lambda: self.health()["model"] == "ready", MODEL_SECONDS)
        return self

    def up(self) -> AppServer:
        """Start it unless it runs, and wait until its model is loaded."""
        if not self.running():
            self.start()
        return self.ready()

    def down(self) -> None:
        """Kill it if it runs."""
        if self.running():
            self.kill()

    def stop(self) -> int:
        """End the app as Ctrl-C does; its exit code, or -9 when it had to be killed."""
        assert self._process is not None, "never started"
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End the app and what it started at once, as a power cut would."""
        assert self._process is not None, "never started"
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait(timeout=20)

    def restart(self) -> AppServer:
        """End the app and start it again on the same database and port."""
        self.stop()
        return self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None, "never started"
        return self._process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/", timeout=30) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False
