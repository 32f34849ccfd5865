"""Published roll-outs of other models, read from beside the project; tests skip where they are not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.fork_curves import OTHER, Branches, branches_of

STRIDED = ("deepseek_row002", "llama_row012_s1000_stride4")


@dataclass(frozen=True)
class RecordedRow:
    """One answer: its branches with all recorded draws, the published curve, and expected values."""

    name: str
    records: tuple[dict[str, Any], ...]
    labels: tuple[str, ...]
    published: np.ndarray
    expected: dict[str, Any]

    def branches(self, draws: slice = slice(None)) -> Branches:
        """With these of each branch's draws."""
        return branches_of([{**r, "outcomes": r["outcomes"][draws]} for r in self.records], self.labels)


def recorded_rows(shared: Path) -> Iterator[RecordedRow]:
    """Every row there is."""
    golden = shared / "golden" / "forking_expected.json"
    folder = shared / "data" / "forking"
    if not golden.is_file() or not folder.is_dir():
        pytest.skip("no recorded roll-outs in the shared folder")
    for name, expected in json.loads(golden.read_text("utf-8"))["rows"].items():
        with gzip.open(folder / f"{name}.json.gz", "rt", encoding="utf-8") as file:
            row = json.load(file)
        yield RecordedRow(
            name, tuple(_record(branch, row["categories"]) for branch in row["branches"]), tuple(row["categories"]),
            np.array(row["o_t_full"]), expected,
        )  # fmt: skip


def _record(branch: dict[str, Any], labels: list[str]) -> dict[str, Any]:
    return {
        "position": branch["t"],
        "token_id": branch["tok_id"],
        "probability": branch["tok_p"],
        "is_base": branch["is_base"],
        "outcomes": [answer if answer in labels else OTHER for answer in branch["answers"]],
    }
