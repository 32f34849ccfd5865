"""What the store hands out and is asked for: frozen values without any connection to the database.

Knows field meanings; does not know tables or SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

from engine.types import Trace

Status = Literal["finished", "stopped", "failed", "imported", "scored"]
Visibility = Literal["private", "unlisted"]
AnalysisStatus = Literal["running", "finished", "stopped", "failed"]

PROMPT_CHARS = 400
ANSWER_CHARS = 600


@dataclass(frozen=True)
class RunHeader:
    """One run as the library shows it, without arrays.

    prompt: its first 400 characters, answer: its first 600. run_scores: NaN where a score does not exist.
    created_at, updated_at: UTC. parent, root: uids or None; fork_position: how many tokens are the parent's.
    damaged: the stored row fails its checksum, so nothing but the uid may be believed and the other fields are empty.
    """

    uid: str
    title: str
    prompt: str
    answer: str
    kind: str
    status: str
    model_name: str
    quantization: str
    tokens: int
    seed: int | None
    created_at: datetime
    tags: tuple[str, ...]
    note: str
    run_scores: Mapping[str, float]
    example: bool
    parent: str | None
    owner: str
    visibility: str = "private"
    fork_position: int | None = None
    root: str | None = None
    finish_reason: str = ""
    seconds: float = 0.0
    text_hash: str = ""
    updated_at: datetime | None = None
    damaged: bool = False


@dataclass(frozen=True)
class StoredRun:
    """A run opened: its header and the trace exactly as it was stored."""

    header: RunHeader
    trace: Trace


@dataclass(frozen=True)
class RunQuery:
    """Which runs of the library, in which order.

    viewer: sees own runs and examples. text: found anywhere in prompt, answer, title, note or tags, case ignored.
    tags: all of them must be there; kinds, models (names), statuses: any of them, empty means all.
    examples: None both, True only, False none. sort: "created", "tokens", "title" or a run-score name; runs that
    lack the value come last either way. limit within [0, 500].
    """

    viewer: str
    text: str = ""
    tags: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    examples: bool | None = None
    sort: str = "created"
    descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class RunPage:
    """One page of the library. total: runs that match.

    tags, models: every tag and every model's name on runs the viewer sees, whether on this page or not, alphabetically.
    """

    rows: tuple[RunHeader, ...]
    total: int
    tags: tuple[str, ...]
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnalysisHeader:
    """One analysis without its arrays. progress: where to resume, in the analysis' own words; "" at the start."""

    uid: str
    run: str
    owner: str
    kind: str
    settings: Mapping[str, Any]
    status: str
    progress: str
    result: Mapping[str, Any]
    arrays: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class StoredAnalysis:
    """An analysis opened: its header and its arrays by name."""

    header: AnalysisHeader
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckReport:
    """What a check of the whole file found; every list is empty in a sound store.

    integrity, foreign_keys: SQLite's own findings in its words. damaged_runs, damaged_analyses, damaged_sessions (of
    annotation): uid and sentence. runs, arrays, sessions, events: how many were read and verified.
    """

    integrity: tuple[str, ...]
    foreign_keys: tuple[str, ...]
    damaged_runs: tuple[tuple[str, str], ...]
    damaged_analyses: tuple[tuple[str, str], ...]
    runs: int
    arrays: int
    damaged_sessions: tuple[tuple[str, str], ...] = ()
    sessions: int = 0
    events: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing at all was found."""
        damaged = self.damaged_runs or self.damaged_analyses or self.damaged_sessions
        return not (self.integrity or self.foreign_keys or damaged)
