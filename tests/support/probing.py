"""Probes for tests of what is kept: made, drawn half, or left by a program that died."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bench import ME
from ui import probe_board
from ui.access import Viewer
from ui.probes import Probes

STRANGER = Viewer("visitor:1", "session-9", False)
FIELDS: dict[str, Any] = {
    "template": "{Sex}: tell me",
    "values": "her\nhim",
    "n": 2,
    "field": "exact_text",
    "temperature": 1.0,
    "max_new_tokens": 5,
    "seed": 4,
}
TOTAL = 2 * (2 + 2 + 2)


def made(probing: Probes, viewer: Viewer = ME, **more: Any) -> dict[str, Any]:
    return json.loads(list(probing.run({**FIELDS, **more}, viewer))[-1])


def part_of(probing: Probes, done: int, **more: Any) -> Iterator[str]:
    """A probe that is being drawn and has come so far."""
    job = iter(probing.run({**FIELDS, **more}, ME))
    for document in job:
        if json.loads(document)["progress"]["done"] == done:
            return job
    raise AssertionError("it never came so far")


def crashed(probing: Probes, done: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The uid of a probe whose program died after so many answers: nothing of its end was stored."""
    with monkeypatch.context() as patch:
        patch.setattr(probe_board.Board, "_end", lambda *_: "")
        part_of(probing, done).close()  # type: ignore[attr-defined]
    return probing.list(ME).rows[0].uid
