"""What people did on the items that they are at, kept in memory from one save to the next.

A save reads all rows of its place again; those that are the ones it verified last time need no second proof. Knows
rows, their order and their running hash; does not know what a state allows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from engine.label_course import Course
from storage.annotation_events import check_chain, to_events
from storage.annotation_records import EventRecord
from storage.annotation_rows import Row, fetch, label_of, verified
from storage.schema import AnnotationEvent

Values = tuple[Any, ...]

# over all places; of short actions about 25,000
MOST_BYTES = 64 * 2**20
# of an action in memory, as the row and as what it says; its payload comes on top, in three copies of up to 4 bytes
_BYTES_EACH, _BYTES_A_CHARACTER = 2_500, 12


class KnownPlace:
    """What one member did on one item: its rows as they lie in the table, or will when the transaction is carried out,
    and what they say. records: handed out at every save, never to be changed. bytes: at most, in memory."""

    def __init__(self, member: Row, item: Row) -> None:
        """member, item: their verified rows."""
        self.uids = member["uid"], item["uid"]
        self.rows: list[Values] = []
        self.records: list[EventRecord] = []
        self.course = Course()
        self.bytes = 0
        self._members, self._items = {member["id"]: member["uid"]}, {item["id"]: item["uid"]}

    def add(self, row: Row) -> None:
        """Follow one more action, by its verified row."""
        self.rows.append(tuple(row.values()))
        self.records += to_events([row], self._members, self._items)
        self.course.add(self.records[-1].event)
        self.bytes += _BYTES_EACH + _BYTES_A_CHARACTER * len(row["payload"])


class Recent:
    """The places of the last saves by their running hash; for one writer at a time.

    What was deleted for good meanwhile stays in memory until other places need the room.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, KnownPlace] = OrderedDict()

    def take(self, chain: str) -> KnownPlace | None:
        """The place with this running hash, which is then no longer here: it may be changed, and what was changed for a
        save that is refused says nothing any more."""
        known = self._kept.pop(chain, None)
        self._bytes -= known.bytes if known else 0
        return known

    def keep(self, chain: str, known: KnownPlace) -> None:
        """Keep a place for its next save; those that were not asked for longest make room.

        One without actions is not kept: its running hash is that of every new place.
        """
        if not known.rows:
            return
        self.take(chain)
        self._kept[chain] = known
        self._bytes += known.bytes
        while self._bytes > self._most:
            self.take(next(iter(self._kept)))


def known_place(recent: Recent, session: Session, found: Row, place: Row, item: Row, member: Row) -> KnownPlace:
    """What a member did on an item, from the rows that lie there now; StoreDamaged as `read_own` raises it."""
    rows = fetch(session, AnnotationEvent, order="id", item_id=item["id"], member_id=member["id"])
    known = recent.take(place["chain"])
    # a session that was purged and comes back from its file has the same rows, but other members and items
    same = known is not None and known.uids == (member["uid"], item["uid"])
    if known is not None and same and len(rows) == place["events"] and known.rows == rows:
        return known
    return _proved(found, place, item, member, rows)


def _proved(found: Row, place: Row, item: Row, member: Row, rows: Sequence[Values]) -> KnownPlace:
    known = KnownPlace(member, item)
    proved = [verified(values, AnnotationEvent, label_of(found["uid"])) for values in rows]
    check_chain(found, place, proved)
    for row in proved:
        known.add(row)
    return known
