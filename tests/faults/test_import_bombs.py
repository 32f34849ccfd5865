"""Files made to break whoever reads them: each is refused with a sentence, quickly, in little memory, changing nothing.

All are tried in one process of their own, so that what the memory of each reached can be seen; the store is compared
row by row before and after.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import bombs

PROMISED = {"files": 40, "seconds": 2, "megabytes": 100}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, dict[str, Any]]:
    """What came of each file: how it was refused, seconds, megabytes over what the process had, the store's digest."""
    folder = tmp_path_factory.mktemp("bombs")
    run = subprocess.run([sys.executable, "-m", "tests.support.bombs", str(folder)], cwd=root, capture_output=True,
                         text=True, timeout=300)  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return {row["name"]: row for row in map(json.loads, run.stdout.splitlines())}


def test_there_are_enough_and_each_import_has_some(outcomes: dict[str, dict[str, Any]]) -> None:
    assert len(outcomes) == len(bombs.NAMES) >= PROMISED["files"]
    assert {name.split(":")[0] for name in outcomes} == {"runs", "session", "labels", "tree", "logprobs", "schema"}


@pytest.mark.parametrize("name", bombs.NAMES)
def test_it_is_refused_at_once_in_little_memory_and_nothing_is_stored(
    outcomes: dict[str, dict[str, Any]], name: str
) -> None:
    found = outcomes[name]
    assert found["sentence"].endswith(".") and "\n" not in found["sentence"], found
    assert "our side" not in found["sentence"], "a defect is no refusal"
    assert len(found["sentence"]) < 600, "no echo of the file"
    assert found["seconds"] < PROMISED["seconds"]
    assert found["megabytes"] < PROMISED["megabytes"]
    assert found["before"] == found["after"], "the store is as it was"
