"""A disk of a few megabytes that is really full: a file system in memory, filled up to some free blocks.

Needs the right to mount one (root, or a namespace of one's own); tests skip where there is none.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = 4096


class SmallDisk:
    """One such disk, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def leave(self, blocks: int | None) -> None:
        """Let so many blocks of 4 KiB be free; None for all that there are."""
        self._filler.unlink(missing_ok=True)
        if blocks is None:
            return
        free = os.statvfs(self.folder).f_bfree
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - blocks) * BLOCK)


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one for the time of a block; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "small-disk", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount command here: full disks are then tested by a limit of pages only")
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here ({made.stderr.strip()}): only page limits are tested")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
