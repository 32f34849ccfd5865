"""Documents of forking analyses made by hand, for tests of how they are drawn; nothing in them was computed."""

from __future__ import annotations

import json
from typing import Any

HOSTILE = "<img src=x onerror=window.__ran=1> ${window.__ran=2} \u202eevil\u200b"
PIECES = ["The", " sum", " is", " 12", ",\n\n", "I", " think", ".", "", " \u05e9\u05dc\u05d5\u05dd", " end"]
JUMP = 3


def line(**parts: Any) -> str:
    return json.dumps(parts) + "\n"


def header(run: str, *, uid: str = "analysis-1", pieces: list[str] | None = None) -> str:
    """The first line."""
    words = PIECES if pieces is None else pieces
    return line(
        v=1, run=run, forks=uid, title="A sum", pieces=words, extractor="first_number", parameter="",
        field="First number", estimator="recursion", threshold=0.05, drawn=30, until=None, seed="0", first=0,
        stop=len(words), length=len(words), longest=60,
        price={"draws": 90, "branches": 3, "tokens": 900, "seconds": 42.0},
    )  # fmt: skip


def standing(state: str = "finished", draws: int = 90, message: str = "") -> str:
    """The last line."""
    return line(
        s={"state": state, "message": message, "draws": draws, "tokens": 900, "seconds": 9.0, "left": 33.0, "close": 2}
    )


def branch(
    t: int, token_id: int, text: str, p: float, *, base: int = 0, draws: int = 0, counts: list[int],
    distance: float = 0.0, real: int | None = None,
) -> list[Any]:  # fmt: skip
    """A row of the branches."""
    known = draws > 0
    chance = None if base else (0.0002 if real else 0.4)
    band = (
        [[max(0.0, c / draws - 0.1) for c in counts], [min(1.0, c / draws + 0.1) for c in counts]]
        if known
        else [None] * 2
    )
    return [t, token_id, text, p, base, draws, counts, distance, distance * p, chance, real, *band]


def whole(run: str, *, labels: tuple[str, ...] = ("12", HOSTILE, "truncated"), since: int = 0) -> str:
    """A finished analysis whose outcome jumps at JUMP; since: the first position that is known."""
    many = len(labels)

    def shares(first: float) -> list[float]:
        rest = [(1.0 - first) / (many - 1)] * (many - 1) if many > 1 else []
        return [first if many > 1 else 1.0, *rest]

    rows = []
    for t in range(since, len(PIECES)):
        own = shares(0.5 if t <= JUMP else 0.9)
        rows.append(
            [t, 0.8 if t == JUMP else 1.0, own, [max(0.0, x - 0.05) for x in own], [min(1.0, x + 0.05) for x in own]]
        )
    end = shares(0.9)
    branches = [branch(t, t, piece, 0.6, base=1, counts=[0] * many) for t, piece in enumerate(PIECES) if t >= since]
    if many > 1 and since <= JUMP:
        branches.append(branch(JUMP, 77, " 13", 0.2, draws=30, counts=[3, 27, *[0] * (many - 2)], distance=1.1, real=1))
        branches.append(
            branch(JUMP, 78, HOSTILE, 0.05, draws=10, counts=[9, 1, *[0] * (many - 2)], distance=0.05, real=0)
        )
    jumps = [[JUMP, 0.4]] if many > 1 and since <= JUMP else []
    said = {
        "drift": [0.0 if t <= JUMP else 0.5 for t in range(since, len(PIECES))],
        "jumps": {"0.1": jumps, "0.15": jumps, "0.2": jumps},
        "survival": {eps: [1.0 if t < JUMP else 0.7 for t in range(since, len(PIECES))]
                     for eps in ("0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9")},
        "warnings": [],
        "changes": {"flat": False, "range": 0.5, "noise": 0.1, "counts": [0.1, 0.9], "expected": 0.9, "odds": 12.5,
                    "bayes_factor": 2.1, "locations": [[JUMP + 1, JUMP, 0.8]] if many > 1 else [],
                    "second": [JUMP + 1]},
    }  # fmt: skip
    return (
        header(run) + line(labels=list(labels)) + line(p=rows, end={"o": end, "low": end, "high": end})
        + line(b=branches) + line(said=said) + standing()
    )  # fmt: skip
