"""The tables as typed columns, for building queries.

Describes the newest version only; what a file really holds is made by the numbered steps in migrations.py, which
also carry every CHECK constraint. `table=True` classes validate nothing, so values pass values.py and traces.py first.
"""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class ModelRow(SQLModel, table=True):
    """Which weights and tokenizer; `card` is the whole model card as JSON and makes rows unique."""

    __tablename__ = "model"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    repo: str
    revision: str
    quantization: str
    dtype: str
    device: str
    tokenizer_hash: str
    vocabulary_size: int
    context_length: int
    card: str


class RunRow(SQLModel, table=True):
    """One run without its texts and arrays: narrow, so that listing reads little.

    Times are microseconds since 1970 UTC. chain_depth counts the ancestors whose stored tokens this run shares.
    header_hash covers everything but the arrays, content_hash the whole trace; text_hash is SHA-256 of the text.
    """

    __tablename__ = "run"
    id: int | None = Field(default=None, primary_key=True)
    uid: str
    owner: str
    visibility: str
    example: int
    kind: str
    status: str
    finish_reason: str
    root_id: int | None
    parent_id: int | None
    fork_position: int | None
    chain_depth: int
    model_id: int
    seed: int | None
    noise_version: str | None
    tokens: int
    seconds: float | None
    title: str
    note: str
    created_at: int
    updated_at: int
    deleted_at: int | None
    text_hash: str
    content_hash: str
    header_hash: str


class RunText(SQLModel, table=True):
    """The long texts of a run; `search` is the case-folded text that the library searches."""

    __tablename__ = "run_text"
    run_id: int = Field(primary_key=True)
    prompt: str
    system: str | None
    answer: str
    settings: str | None
    details: str
    search: str


class RunScore(SQLModel, table=True):
    """One number per run and name, for sorting; NULL where the score does not exist."""

    __tablename__ = "run_score"
    run_id: int = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: float | None


class RunTag(SQLModel, table=True):
    """One tag of one run."""

    __tablename__ = "run_tag"
    run_id: int = Field(primary_key=True)
    tag: str = Field(primary_key=True)


class RunArray(SQLModel, table=True):
    """One packed array of a run; its first `start` rows are those of the parent's array of the same name."""

    __tablename__ = "run_array"
    run_id: int = Field(primary_key=True)
    name: str = Field(primary_key=True)
    start: int
    dtype: str
    stored: str
    shape: str
    codec: str
    crc32: int
    data: bytes


class AnalysisRow(SQLModel, table=True):
    """One analysis of a run (forking, chain, bias probe ...), resumable through `progress`."""

    __tablename__ = "analysis"
    id: int | None = Field(default=None, primary_key=True)
    uid: str
    run_id: int
    owner: str
    kind: str
    settings: str
    status: str
    progress: str
    result: str
    created_at: int
    updated_at: int
    header_hash: str


class AnalysisArray(SQLModel, table=True):
    """One packed array of an analysis."""

    __tablename__ = "analysis_array"
    analysis_id: int = Field(primary_key=True)
    name: str = Field(primary_key=True)
    dtype: str
    stored: str
    shape: str
    codec: str
    crc32: int
    data: bytes
