"""One page of the library as JSON for the browser, and runs as points of the picture "runs at a glance".

Knows headers and the registry of run scores; does not know gradio, plotly, the store's tables or how a row is drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine import run_scores
from engine.catalogue import titles
from engine.errors import BadInput
from engine.logprob_import import BOUND_SIDES
from storage.records import RunHeader, RunPage, RunQuery
from ui.wire import number

QUERY_FIELDS = ("text", "tags", "kinds", "models", "statuses", "examples", "sort", "descending", "limit", "offset")
TITLE_CHARS = 80


def library(
    page: RunPage,
    query: RunQuery,
    *,
    deleted: Sequence[str] = (),
    message: str = "",
) -> str:
    """One page of runs with what the filters can offer.

    deleted: uids just moved to the bin, for Undo. message: one sentence to show once. at: when this was made, so that
    equal answers differ and ages do not depend on the browser's clock. models: every name that may be filtered by,
    those of the query included. model_titles: what catalogue names stand for. bounds: figures that are only bounds in
    imported runs, and of which side.
    """
    known = {*page.models, *query.models} - {""}
    document = {
        "at": datetime.now(UTC).isoformat(),
        "query": {name: _plain(getattr(query, name)) for name in QUERY_FIELDS},
        "total": page.total,
        "rows": [row(header) for header in page.rows],
        "tags": list(page.tags),
        "models": sorted(known),
        "model_titles": {name: title for name, title in titles().items() if name in known},
        "scores": [score_entry(name) for name in run_scores.RECORDED],
        "deleted": list(deleted),
        "message": message,
        "bounds": dict(BOUND_SIDES),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def row(header: RunHeader) -> dict[str, Any]:
    """One run as the library shows it; a score that does not exist is null."""
    return {
        "uid": header.uid,
        "title": header.title,
        "prompt": header.prompt,
        "answer": header.answer,
        "kind": header.kind,
        "status": header.status,
        "model_name": header.model_name,
        "quantization": precision(header.quantization),
        "tokens": header.tokens,
        # a seed may need 63 bits, more than a browser's number holds exactly
        "seed": None if header.seed is None else str(header.seed),
        "created_at": header.created_at.isoformat(),
        "tags": list(header.tags),
        "note": header.note,
        "run_scores": {name: number(value) for name, value in header.run_scores.items()},
        "example": header.example,
        # whether whoever has its link can open it
        "shared": header.visibility == "unlisted" and not header.example,
        "parent": header.parent,
        "fork_position": header.fork_position,
        "damaged": header.damaged,
    }


def precision(quantization: str) -> str:
    """A quantisation as it stands beside a model's name; "" where there is none or nobody knows."""
    return "" if quantization in ("none", "unknown") else quantization


def score_entry(name: str) -> dict[str, Any]:
    """What the list's columns need to know of one run score."""
    score = run_scores.REGISTRY[name]
    fields = ("name", "label", "symbol", "unit", "direction", "low", "high", "short", "group")
    return {field: getattr(score, field) for field in fields}


def called(header: RunHeader) -> str:
    """A run's title, else the beginning of its prompt, of its answer, or its uid."""
    text = header.title or header.prompt or header.answer or header.uid
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"


def exported_sentence(runs: int, matching: int, name: str) -> str:
    """What an export did, in one line."""
    if runs < matching:
        return f"The first {runs:,} of {matching:,} runs exported to {name}; narrow the search for the others."
    return f"{_runs(runs)} exported to {name}."


def imported_sentence(added: int, known: int, problems: Sequence[str]) -> str:
    """What an import did, in one line. known: runs that were there already; problems: a sentence per refused line."""
    said = f"{_runs(added) if added else 'No run'} added"
    if known:
        said += f", {known:,} {'was' if known == 1 else 'were'} there already"
    if problems:
        said += f"; refused: {' '.join(problems[:3])}"
        if len(problems) > 3:
            said += f" And {len(problems) - 3:,} more."
    return said if problems else f"{said}."


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


@dataclass(frozen=True)
class Axis:
    """One axis of the picture. name: "created", "tokens" or a run score; unit "" where there is none."""

    name: str
    label: str
    unit: str = ""


@dataclass(frozen=True)
class Point:
    """One run of the picture; x and y are finite numbers, or a moment for "created"."""

    uid: str
    title: str
    group: str
    x: float | datetime
    y: float | datetime


@dataclass(frozen=True)
class Glance:
    """Runs as points. missing: how many have no value on one of the axes and are not drawn; total: runs that match."""

    x: Axis
    y: Axis
    points: tuple[Point, ...]
    missing: int
    total: int


def axes() -> Mapping[str, Axis]:
    """Every axis that can be chosen, by name: date, length, then the run scores."""
    own = (Axis("created", "Date"), Axis("tokens", "Tokens"))
    scored = (Axis(score.name, score.label, score.unit) for score in run_scores.RECORDED.values())
    return {axis.name: axis for axis in (*own, *scored)}


def glance(page: RunPage, x: str = "tokens", y: str = "mean_entropy") -> Glance:
    """Place the runs of a page by two of their figures. Raises BadInput for an axis there is not."""
    known = axes()
    for name in (x, y):
        if name not in known:
            raise BadInput(f"There is no axis named {str(name)[:60]!r}; the axes are: {', '.join(known)}.")
    sound = [header for header in page.rows if not header.damaged]
    points = []
    for header in sound:
        across, up = _place(header, x), _place(header, y)
        if across is not None and up is not None:
            group = "example" if header.example else header.kind
            points.append(Point(header.uid, called(header), group, across, up))
    return Glance(known[x], known[y], tuple(points), len(page.rows) - len(points), page.total)


def _place(header: RunHeader, name: str) -> float | datetime | None:
    if name == "created":
        return header.created_at
    value = float(header.tokens) if name == "tokens" else header.run_scores.get(name, math.nan)
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
