"""Finds the Chromium that browser tests drive, and installs one where there is none.

`python -m tests.support.chromium --install` prints the path of the browser; `make test` hands it on in CHROMIUM.
Does not know the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_PATHS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# No sandbox exists for root; the rest keeps a test browser from calling out on its own.
FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def find() -> str | None:
    """Path of a Chromium: $CHROMIUM, one on PATH, a Mac application, or Playwright's own; None when there is none."""
    wanted = os.environ.get("CHROMIUM")
    if wanted:
        return shutil.which(wanted)
    for name in (*NAMES, *MAC_PATHS):
        if path := shutil.which(name):
            return path
    return _of_playwright()


def launch_flags() -> list[str]:
    """Command-line flags for a headless test browser, for this user."""
    return [*FLAGS, *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium for as long as the block lasts; its event loop must not outlive it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=launch_flags())
        yield browser
        browser.close()


def install() -> str | None:
    """The browser found, else a newly installed one: Debian's as root, Playwright's otherwise; None when all failed."""
    if path := find():
        return path
    if os.environ.get("CHROMIUM"):
        return None
    if shutil.which("apt-get") and os.geteuid() == 0:
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    if path := find():
        return path
    _run(sys.executable, "-m", "playwright", "install", "chromium")
    return find()


def _of_playwright() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def _run(*command: str) -> None:
    # What an installer says belongs on stderr: stdout carries the path and nothing else.
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environ, check=False)


def main(argv: list[str]) -> int:
    path = install() if "--install" in argv else find()
    if path is None:
        wanted = os.environ.get("CHROMIUM")
        reason = f"CHROMIUM={wanted} is no program" if wanted else "no Chromium found, and none could be installed"
        print(f"Browser tests cannot run: {reason}. Install Chromium or set CHROMIUM to its path.", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
