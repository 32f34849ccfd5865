"""A whole session as files tell it: items in their order, and of each what every person said of it.

People are pseudonyms; what was settled is the voice "gold", what was known beforehand "expected". Pure: is given the
session, knows neither the store nor any form of file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from engine.label_events import AppliedLabel, ItemState, LabelEvent, fold, result_state, standing
from engine.label_schema import LabelSchema, Question, schema_of
from storage.annotation_records import FinalRecord, FrozenRun, ItemRecord, MemberRecord, WholeSession

GOLD = "gold"
EXPECTED = "expected"


@dataclass(frozen=True)
class Voice:
    """What one person, or the adjudication, says of one item.

    who: pseudonym, "gold" or "expected"; name: the person's, "" for those two. labels, answers: the event behind each
    label (by its uuid) and answer (by its question), none for gold. reason, confidence: of what was settled.
    labelled: False where nothing is known of labels, so that their absence says nothing.
    """

    who: str
    name: str
    state: ItemState
    labels: Mapping[str, LabelEvent] = field(default_factory=dict)
    answers: Mapping[str, LabelEvent] = field(default_factory=dict)
    reason: str = ""
    confidence: int | None = None
    labelled: bool = True

    @property
    def counts(self) -> bool:
        """Whether this was handed in, and is not merely begun."""
        return self.state.status == "submitted"


@dataclass(frozen=True)
class Item:
    """One item with its number in files, from 1, and the voices on it: people by number, then gold, then expected."""

    number: int
    record: ItemRecord
    voices: tuple[Voice, ...]


@dataclass(frozen=True)
class Told:
    """A session as files tell it. members: by number; numbers: item uid -> number in files."""

    whole: WholeSession
    schema: LabelSchema
    items: tuple[Item, ...]
    members: tuple[MemberRecord, ...]
    numbers: Mapping[str, int]

    @property
    def voices(self) -> tuple[str, ...]:
        """Everybody who said anything, people first, then gold."""
        found = {voice.who for item in self.items for voice in item.voices}
        people = [member.pseudonym for member in self.members if member.pseudonym in found]
        return (*people, *([GOLD] if GOLD in found else []))

    def pseudonym(self, uid: str) -> str:
        """How files call a member; "" for the session's owner, who may settle without being one."""
        return next((member.pseudonym for member in self.members if member.uid == uid), "")


def tell(whole: WholeSession) -> Told:
    """Fold everything that was done in a session."""
    schema = schema_of(whole.session.schema)
    members = tuple(sorted(whole.members, key=lambda member: member.number))
    done: dict[tuple[str, str], list[LabelEvent]] = {}
    for record in whole.events:
        done.setdefault((record.item, record.member), []).append(record.event)
    finals = {final.item: final for final in whole.finals}
    ordered = sorted(whole.items, key=lambda item: item.place)
    items = [
        Item(number, record, tuple(_voices(record, members, done, finals.get(record.uid), schema)))
        for number, record in enumerate(ordered, start=1)
    ]
    return Told(whole, schema, tuple(items), members, {item.record.uid: item.number for item in items})


def _voices(
    item: ItemRecord,
    members: Sequence[MemberRecord],
    done: Mapping[tuple[str, str], Sequence[LabelEvent]],
    final: FinalRecord | None,
    schema: LabelSchema,
) -> Iterator[Voice]:
    for member in members:
        events = done.get((item.uid, member.uid), ())
        state = fold(events, schema)
        if state.status != "new":
            stands = standing(events)
            yield Voice(
                member.pseudonym,
                member.name,
                state,
                {event.uuid: event for event in stands if event.kind == "label"},
                {event.payload["question"]: event for event in stands if event.kind == "answer"},
            )
    if final is not None:
        yield Voice(GOLD, "", result_state(final.state), reason=final.reason, confidence=final.confidence)
    if item.expected is not None:
        yield Voice(EXPECTED, "", result_state(item.expected), labelled="labels" in item.expected)


def bounds(run: FrozenRun) -> list[int]:
    """Where the tokens of a run begin, in code points of its text, and where the last one ends: n + 1 numbers."""
    return list(accumulate(map(len, run.pieces), initial=0))


def covered(label: AppliedLabel, run: FrozenRun, places: Sequence[int]) -> tuple[int, int, str]:
    """First character of a label, the one behind its last, and the text between them. places: the run's `bounds`."""
    start, stop = places[label.start], places[label.stop]
    return start, stop, run.text[start:stop]


def values(question: Question, value: Any) -> list[Any]:
    """An answer as single values: one, or each chosen option of a multiple choice."""
    return list(value) if question.kind == "multi" else [value]
