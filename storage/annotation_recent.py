"""Where people stand on the items that they are at, kept in memory from one save to the next.

A save reads all rows of its place again; those that are the ones it verified last time need no second proof. Knows
rows, their order and their running hash; does not know what a state allows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from engine.label_course import Course
from storage.annotation_events import check_chain, to_events
from storage.annotation_records import EventRecord
from storage.annotation_rows import Row, fetch, label_of, verified
from storage.schema import AnnotationEvent

Values = tuple[Any, ...]

# over all places, at about 2 kB each: twenty people with a thousand actions on the item before them
MOST_EVENTS = 20_000


@dataclass
class Standing:
    """What one member did on one item. rows: as they lie in the table, verified; records and course say the same.

    Changed in place by `add`; of no use any more where the transaction is not carried out.
    """

    member: Row
    item: Row
    rows: list[Values] = field(default_factory=list)
    records: list[EventRecord] = field(default_factory=list)
    course: Course = field(default_factory=Course)

    def add(self, row: Row) -> None:
        """Follow one more action, by its verified row."""
        self.rows.append(tuple(row.values()))
        self.records += to_events([row], {self.member["id"]: self.member["uid"]}, {self.item["id"]: self.item["uid"]})
        self.course.add(self.records[-1].event)


class Recent:
    """The standings of the last saves by their running hash, which no two places share; for one writer at a time."""

    def __init__(self, most: int = MOST_EVENTS) -> None:
        self._most = most
        self._events = 0
        self._kept: OrderedDict[str, Standing] = OrderedDict()

    def take(self, chain: str) -> Standing | None:
        """The standing with this running hash, which is then no longer here."""
        standing = self._kept.pop(chain, None)
        self._events -= len(standing.rows) if standing else 0
        return standing

    def keep(self, chain: str, standing: Standing) -> None:
        """Keep a standing until the place's next save; those that were not asked for longest make room.

        One without actions is not kept: its running hash is that of every new place.
        """
        if not standing.rows:
            return
        self.take(chain)
        self._kept[chain] = standing
        self._events += len(standing.rows)
        while self._events > self._most:
            self.take(next(iter(self._kept)))


def standing_of(recent: Recent, session: Session, found: Row, place: Row, item: Row, member: Row) -> Standing:
    """What a member did on an item, from the rows that lie there now; StoreDamaged as `read_own` raises it."""
    rows = fetch(session, AnnotationEvent, order="id", item_id=item["id"], member_id=member["id"])
    standing = recent.take(place["chain"])
    if standing is not None and standing.rows == rows:
        return standing
    return _proved(found, place, item, member, rows)


def _proved(found: Row, place: Row, item: Row, member: Row, rows: Sequence[Values]) -> Standing:
    standing = Standing(member, item)
    proved = [verified(values, AnnotationEvent, label_of(found["uid"])) for values in rows]
    check_chain(found, place, proved)
    for row in proved:
        standing.add(row)
    return standing
