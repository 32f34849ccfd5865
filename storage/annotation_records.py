"""What annotation sessions are made of, as frozen values without any connection to the database.

Knows field meanings; does not know tables, SQL or how labels are folded. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from engine.label_events import LabelEvent

Order = Literal["shuffled", "fixed", "uncertain"]
Part = Literal["work", "training", "check"]
# "import": holds labels made elsewhere; answers of it take nobody's place
Role = Literal["owner", "adjudicator", "annotator", "import"]
SessionStatus = Literal["open", "closed"]
PlaceStatus = Literal["new", "open", "submitted", "skipped"]
TextKind = Literal["guidelines", "schema"]

# what a final judgement says of where it comes from
ACCEPTED = "accepted:"
WRONG_SOURCE = "The source of final labels is 'written', or 'accepted:' and the id of a member."


@dataclass(frozen=True)
class SessionSettings:
    """How a session deals its items.

    overlap: how many people label an item, 0 for everybody. order_score: with "uncertain", the token score (its mean)
    or run score by which items were put in order. seed decides ties of "shuffled". check_every: a silent check item
    after so many submitted ones, 0 for never. quiz: {"question", "options", "answer"} on the guidelines.
    """

    overlap: int = 2
    order: str = "shuffled"
    order_score: str = ""
    seed: int = 0
    blind: bool = True
    show_scores: bool = False
    check_every: int = 0
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    quiz: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class NewItem:
    """One item to be: uids of one run, or of two that stand beside each other.

    expected: what is known of a training or check item, {"labels": [{set, label, run, start, stop}], "answers": {}}.
    """

    runs: tuple[str, ...]
    part: str = "work"
    expected: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FrozenRun:
    """The item's own copy of a run, which stays when the run is deleted or goes on.

    pieces: one string per token, together `text`. special: positions of control tokens. text_hash: SHA-256 of text.
    """

    uid: str
    prompt: str
    system: str | None
    text: str
    pieces: tuple[str, ...]
    special: tuple[int, ...]
    text_hash: str
    model_name: str
    seed: int | None


@dataclass(frozen=True)
class ItemRecord:
    """One item with its texts. place: its number in the session's order, from 0."""

    uid: str
    place: int
    part: str
    runs: tuple[FrozenRun, ...]
    expected: Mapping[str, Any] | None


@dataclass(frozen=True)
class ItemOutline:
    """One item without its texts. tokens: of each run; text: how the first run begins."""

    uid: str
    place: int
    part: str
    runs: tuple[str, ...]
    tokens: tuple[int, ...]
    text: str
    expected: Mapping[str, Any] | None


@dataclass(frozen=True)
class MemberRecord:
    """One person in a session. number: from 1, the pseudonym "A1". viewer: "" for one who comes by labelling link.

    begun_at: when the guidelines were read. link: whether there is a labelling link.
    """

    uid: str
    number: int
    name: str
    role: str
    viewer: str
    expires_at: datetime | None
    revoked: bool
    begun_at: datetime | None
    created_at: datetime
    link: bool = False

    @property
    def pseudonym(self) -> str:
        """How others and files call this person."""
        return f"A{self.number}"


@dataclass(frozen=True)
class SessionRecord:
    """One session. schema: fields as of `engine.label_schema.schema_fields`; items: how many.

    answered: whether anything was saved in it, from when on the schema stays. damaged: the stored row fails its
    checksum, so nothing but the uid may be believed and the other fields are empty.
    """

    uid: str
    owner: str
    title: str
    schema: Mapping[str, Any]
    schema_version: int
    guidelines: str
    guidelines_version: int
    settings: SessionSettings
    status: str
    items: int
    created_at: datetime
    updated_at: datetime
    example: bool
    answered: bool
    damaged: bool = False


@dataclass(frozen=True)
class TextVersion:
    """One version of the guidelines (Markdown) or of the schema (JSON of its fields)."""

    kind: str
    version: int
    body: str
    at: datetime


@dataclass(frozen=True)
class EventRecord:
    """One stored action. seq: its place among all events of the store. member: a uid, or a pseudonym for others."""

    seq: int
    uuid: str
    member: str
    item: str
    event: LabelEvent


@dataclass(frozen=True)
class Progress:
    """How far one member is; training items are left out, check items count as work.

    total: items had or still to be had; in a blind session also those that others may have taken by then.
    """

    done: int
    skipped: int
    total: int


@dataclass(frozen=True)
class FinalRecord:
    """The labels that stand for an item after adjudication.

    by: member uid, "" for the session's owner. state: {"labels": [...], "answers": {}}. confidence: 1 to 5 or None.
    source: "accepted:<member uid>" or "written".
    """

    item: str
    by: str
    state: Mapping[str, Any]
    reason: str
    confidence: int | None
    source: str
    at: datetime


@dataclass(frozen=True)
class WholeSession:
    """Everything of a session, for files. Secrets of labelling links are no part of it.

    texts: every version of guidelines and schema; events in the order of their arrival; finals: all, oldest first.
    """

    session: SessionRecord
    texts: tuple[TextVersion, ...]
    members: tuple[MemberRecord, ...]
    items: tuple[ItemRecord, ...]
    events: tuple[EventRecord, ...]
    finals: tuple[FinalRecord, ...] = field(default=())
