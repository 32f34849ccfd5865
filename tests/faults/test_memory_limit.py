"""A promise for small machines, kept for real: the system refuses memory, and what was asked for is told so.

A process under a limit of the kernel reads a prompt and a text that do not fit, and answers as before after each.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# how far the second refused prompt is read, of the first
LEAST_AGAIN = 0.8


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the limits and counters of Linux")
def test_what_the_system_has_no_memory_for_is_told_and_given_back(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.memory_worker", str(tmp_path / "library.db")]
    # else the allocator keeps for itself what was given back to it
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    before, prompt, after, again, text, last = (json.loads(line) for line in done.stdout.splitlines())
    for refused in (prompt, again, text):
        assert "not enough memory" in refused["said"] and "shorten" in refused["said"], refused["said"]
    assert before["answer"] and not before["said"], "there was an answer to begin with"
    assert before["answer"] == after["answer"] == last["answer"], "to the last bit as before"
    first, second = (int(re.findall(r"context of (\d+) tokens", one["said"])[0]) for one in (prompt, again))
    assert second >= LEAST_AGAIN * first, "what the refused prompt took was given back: the next comes as far"
