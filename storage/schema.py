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


class AnnotationSession(SQLModel, table=True):
    """One annotation session without its texts. settings: JSON of what is no column of its own.

    items, members, finals count rows of the other tables, so that a lost one is noticed; items_hash covers the items
    with their texts, row_hash this row.
    """

    __tablename__ = "annotation_session"
    id: int | None = Field(default=None, primary_key=True)
    uid: str
    owner: str
    example: int
    title: str
    status: str
    overlap: int
    blind: int
    settings: str
    schema_version: int
    guidelines_version: int
    items: int
    items_hash: str
    members: int
    finals: int
    answered_at: int | None
    created_at: int
    updated_at: int
    deleted_at: int | None
    row_hash: str


class AnnotationText(SQLModel, table=True):
    """One version of a session's guidelines or schema; append-only."""

    __tablename__ = "annotation_text"
    session_id: int = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    body: str
    created_at: int
    row_hash: str


class AnnotationMember(SQLModel, table=True):
    """One person in a session; of the secret of a labelling link only the SHA-256, "" where there is no link."""

    __tablename__ = "annotation_member"
    id: int | None = Field(default=None, primary_key=True)
    session_id: int
    uid: str
    number: int
    name: str
    role: str
    viewer: str
    secret_hash: str
    expires_at: int | None
    revoked: int
    begun_at: int | None
    created_at: int
    row_hash: str


class AnnotationItem(SQLModel, table=True):
    """One item, narrow: run and tokens of its first and perhaps second run, and how the first begins."""

    __tablename__ = "annotation_item"
    id: int | None = Field(default=None, primary_key=True)
    session_id: int
    uid: str
    place: int
    part: str
    run: str
    tokens: int
    other_run: str | None
    other_tokens: int | None
    preview: str
    expected: str | None
    row_hash: str


class AnnotationRun(SQLModel, table=True):
    """The frozen texts of one run of an item. sizes: JSON, characters of each piece of the body."""

    __tablename__ = "annotation_run"
    item_id: int = Field(primary_key=True)
    side: int = Field(primary_key=True)
    prompt: str
    system: str | None
    body: str
    sizes: str
    special: str
    text_hash: str
    model_name: str
    seed: int | None
    row_hash: str


class AnnotationPlace(SQLModel, table=True):
    """Where a member stands with an item that was dealt; follows from the events, kept for dealing and counting.

    dealt: the how-manieth of that member; chain: a running hash over the member's events on the item.
    """

    __tablename__ = "annotation_place"
    item_id: int = Field(primary_key=True)
    member_id: int = Field(primary_key=True)
    session_id: int
    dealt: int
    status: str
    flagged: int
    reserved_until: int
    events: int
    chain: str
    row_hash: str


class AnnotationEvent(SQLModel, table=True):
    """One action of one member on one item; append-only."""

    __tablename__ = "annotation_event"
    id: int | None = Field(default=None, primary_key=True)
    session_id: int
    item_id: int
    member_id: int
    uuid: str
    kind: str
    payload: str
    active_ms: int
    wall_ms: int
    schema_version: int
    guidelines_version: int
    created_at: int
    row_hash: str


class AnnotationFinal(SQLModel, table=True):
    """Labels that stand for an item, written by an adjudicator or (member_id NULL) the owner; append-only."""

    __tablename__ = "annotation_final"
    id: int | None = Field(default=None, primary_key=True)
    session_id: int
    item_id: int
    member_id: int | None
    state: str
    reason: str
    confidence: int | None
    source: str
    created_at: int
    row_hash: str


class PersonRow(SQLModel, table=True):
    """One person of a team; of the secret of the personal link only the SHA-256, "" once the link was taken away."""

    __tablename__ = "person"
    id: int | None = Field(default=None, primary_key=True)
    uid: str
    name: str
    secret_hash: str
    created_at: int
    seen_at: int | None
    revoked: int
    row_hash: str


class UsageRow(SQLModel, table=True):
    """How many tokens the model read for somebody in an hour; who: a digest of the viewer's name."""

    __tablename__ = "usage"
    who: str = Field(primary_key=True)
    hour: int = Field(primary_key=True)
    tokens: int
