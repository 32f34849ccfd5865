"""Which item a member is given next, and how many are left: the rules of assignment, in SQL within one transaction.

An item counts those who submitted it and those who hold a live reservation. Knows places; does not know labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from storage.annotation_records import Progress, SessionSettings
from storage.annotation_rows import Row, by_id, change_row, damaged, find, insert_rows, label_of, sealed
from storage.schema import AnnotationItem, AnnotationMember, AnnotationPlace
from storage.values import microseconds

RESERVED = timedelta(minutes=30)
PRIME = 2**31 - 1

# labels made elsewhere take nobody's place; a reservation that ends later than any can, of a clock that was set back
# since, is none: it would keep the item from everybody until that time comes again
_COUNTED = """
    p.session_id = :session AND (p.status = 'submitted' OR (p.status IN ('new', 'open')
        AND p.reserved_until > :now AND p.reserved_until <= :latest))
    AND p.member_id NOT IN (SELECT id FROM annotation_member WHERE session_id = :session AND role = 'import')
"""
_ELIGIBLE = f"""
    WITH taken (item_id, n) AS (
        SELECT p.item_id, count(*) FROM annotation_place AS p INDEXED BY annotation_place_session
        WHERE {_COUNTED} GROUP BY p.item_id
    )
    SELECT {{what}}
    FROM annotation_item AS i LEFT JOIN taken ON taken.item_id = i.id
    WHERE i.session_id = :session AND i.part = 'work'
    AND (:overlap = 0 OR coalesce(taken.n, 0) < :overlap)
    AND NOT EXISTS (SELECT 1 FROM annotation_place AS own WHERE own.item_id = i.id AND own.member_id = :member)
"""
_FIRST = text(_ELIGIBLE.format(what="i.id") + "ORDER BY i.place LIMIT 1")
# fewest first; ties by a polynomial over a prime field, whose values for any three places are independent
_FEWEST = text(
    _ELIGIBLE.format(what="i.id")
    + "ORDER BY coalesce(taken.n, 0), (:a * i.place * i.place + :b * i.place + :c) % :prime, i.place LIMIT 1"
)
_LEFT = text(_ELIGIBLE.format(what="count(*)"))
_UNFINISHED = text("""
    SELECT p.item_id, p.reserved_until, i.part FROM annotation_place AS p JOIN annotation_item AS i ON i.id = p.item_id
    WHERE p.member_id = :member AND p.status IN ('new', 'open') ORDER BY p.dealt
""")
_TAKEN = text(
    f"SELECT count(*) FROM annotation_place AS p WHERE p.item_id = :item AND p.member_id <> :member AND {_COUNTED}"
)
_UNSEEN = text("""
    SELECT i.id FROM annotation_item AS i WHERE i.session_id = :session AND i.part = :part AND NOT EXISTS
    (SELECT 1 FROM annotation_place AS own WHERE own.item_id = i.id AND own.member_id = :member)
    ORDER BY i.place LIMIT 1
""")
_OWN_COUNTS = text("""
    SELECT i.part, p.status, count(*) FROM annotation_place AS p JOIN annotation_item AS i ON i.id = p.item_id
    WHERE p.member_id = :member GROUP BY i.part, p.status
""")
_PARTS = text("SELECT part, count(*) FROM annotation_item WHERE session_id = :session GROUP BY part")
_LAST_DEALT = text("SELECT coalesce(max(dealt), 0) FROM annotation_place WHERE member_id = :member")

Counts = Mapping[tuple[str, str], int]


def take_next(session: Session, found: Row, member: Row, settings: SessionSettings, now: datetime) -> int | None:
    """The id of the item to label now, reserved; None when nothing is left for this member."""
    asked = _asked(found, member, settings, now)
    resumed = _resume(session, asked)
    if resumed is not None:
        _renew(session, found, resumed, member, now)
        return resumed
    item = _training(session, asked)
    if item is None and _check_due(_own_counts(session, asked), settings.check_every):
        item = session.execute(_UNSEEN, {**asked, "part": "check"}).scalar()
    if item is None:
        item = _work(session, asked, settings, member["number"])
    if item is not None:
        reserve(session, found, item, member, now)
    return item


def progress(session: Session, found: Row, member: Row, settings: SessionSettings, now: datetime) -> Progress:
    """What this member has done, and how many items it had or could still be given.

    In a blind session the total tells nothing of others: every item counts as one that may still come.
    """
    asked = _asked(found, member, settings, now)
    # from verified rows: what is shown must not be counted in a damaged file
    counts = Counter((part, status) for _, _, part, status, _ in read_own(session, found, member))
    there = {part: int(count) for part, count in session.execute(_PARTS, asked)}
    if sum(there.values()) != found["items"]:
        raise damaged(label_of(found["uid"]), "some of its items are missing")
    if settings.blind:
        had = there.get("work", 0)
    else:
        had = _sum(counts, "work") + int(session.execute(_LEFT, asked).scalar_one())
    checks = _sum(counts, "check")
    if settings.check_every:
        checks = max(checks, min(there.get("check", 0), had // settings.check_every))
    return Progress(
        done=counts.get(("work", "submitted"), 0) + counts.get(("check", "submitted"), 0),
        skipped=counts.get(("work", "skipped"), 0) + counts.get(("check", "skipped"), 0),
        total=had + checks,
    )


def find_place(session: Session, found: Row, item_id: int, member_id: int) -> Row | None:
    """The verified row of an item that this member was given, or None."""
    rows = find(session, AnnotationPlace, label_of(found["uid"]), item_id=item_id, member_id=member_id)
    return rows[0] if rows else None


def read_own(session: Session, found: Row, member: Row) -> tuple[tuple[str, int, str, str, bool], ...]:
    """(item uid, place, part, status, flagged) of what a member was given, in that order. StoreDamaged."""
    rows = find(session, AnnotationPlace, label_of(found["uid"]), member_id=member["id"], order="dealt")
    _check_none_lost(session, found, rows, "member_id", member["id"])
    items = by_id(session, found, AnnotationItem, (row["item_id"] for row in rows))
    pairs = ((items[row["item_id"]], row) for row in rows)
    return tuple((item["uid"], item["place"], item["part"], row["status"], bool(row["flagged"])) for item, row in pairs)


def read_places(session: Session, found: Row) -> tuple[tuple[str, str, str], ...]:
    """(member uid, item uid, status) of all that was dealt, by member and in that order. StoreDamaged."""
    label, order = label_of(found["uid"]), "member_id, dealt"
    rows = find(session, AnnotationPlace, label, session_id=found["id"], order=order)
    _check_none_lost(session, found, rows, "session_id", found["id"])
    members = by_id(session, found, AnnotationMember, (row["member_id"] for row in rows))
    items = by_id(session, found, AnnotationItem, (row["item_id"] for row in rows))
    return tuple((members[row["member_id"]]["uid"], items[row["item_id"]]["uid"], row["status"]) for row in rows)


def _check_none_lost(session: Session, found: Row, rows: Sequence[Row], key: str, value: int) -> None:
    """StoreDamaged unless the places of a member or session account for all events there are."""
    asked = f"SELECT count(*) FROM annotation_event WHERE {key} = ?"
    if sum(row["events"] for row in rows) != session.connection().exec_driver_sql(asked, (value,)).scalar_one():
        raise damaged(label_of(found["uid"]), "some of its progress, or of what was labelled, is missing")


def reserve(session: Session, found: Row, item_id: int, member: Row, now: datetime) -> Row:
    """Deal an item to a member who did not have it."""
    row = sealed(
        AnnotationPlace,
        {
            "item_id": item_id,
            "member_id": member["id"],
            "session_id": found["id"],
            "dealt": 1 + int(session.execute(_LAST_DEALT, {"member": member["id"]}).scalar_one()),
            "status": "new",
            "flagged": 0,
            "reserved_until": microseconds(now + RESERVED),
            "events": 0,
            "chain": "",
        },
    )
    insert_rows(session, AnnotationPlace, [row])
    return row


def _asked(found: Row, member: Row, settings: SessionSettings, now: datetime) -> dict[str, Any]:
    return {
        "session": found["id"],
        "member": member["id"],
        "now": microseconds(now),
        # twice as long: two calls at once may see the clock in another order than the file
        "latest": microseconds(now + 2 * RESERVED),
        "overlap": settings.overlap,
    }


def _resume(session: Session, asked: Mapping[str, Any]) -> int | None:
    """An item this member holds: first one with a live reservation, then one that has not been filled by others."""
    unfinished = session.execute(_UNFINISHED, asked).all()
    for item_id, until, _ in unfinished:
        if until > asked["now"]:
            return int(item_id)
    for item_id, _, part in unfinished:
        if part != "work" or not _filled(session, asked, item_id):
            return int(item_id)
    return None


def is_filled(session: Session, found: Row, item: Row, member: Row, settings: SessionSettings, now: datetime) -> bool:
    """Whether others have, or hold, an item as often as the overlap asks for."""
    return item["part"] == "work" and _filled(session, _asked(found, member, settings, now), item["id"])


def _filled(session: Session, asked: Mapping[str, Any], item_id: int) -> bool:
    others = int(session.execute(_TAKEN, {**asked, "item": item_id}).scalar_one())
    return 0 < asked["overlap"] <= others


def _renew(session: Session, found: Row, item_id: int, member: Row, now: datetime) -> None:
    place = find_place(session, found, item_id, member["id"])
    if place is not None:
        change_row(session, AnnotationPlace, place, reserved_until=microseconds(now + RESERVED))


def _training(session: Session, asked: Mapping[str, Any]) -> int | None:
    found: int | None = session.execute(_UNSEEN, {**asked, "part": "training"}).scalar()
    return found


def _check_due(counts: Counts, every: int) -> bool:
    return every > 0 and counts.get(("work", "submitted"), 0) // every > _sum(counts, "check")


def _work(session: Session, asked: Mapping[str, Any], settings: SessionSettings, number: int) -> int | None:
    if settings.order == "shuffled":
        shuffled = {**asked, **shuffle(settings.seed, number), "prime": PRIME}
        item: int | None = session.execute(_FEWEST, shuffled).scalar()
    else:
        item = session.execute(_FIRST, asked).scalar()
    return item


def shuffle(seed: int, number: int) -> dict[str, int]:
    """What shuffles the items of a member; follows from seed and the member's number alone."""
    key = blake2b(f"{seed}:{number}".encode(), digest_size=24).digest()
    return {name: int.from_bytes(key[8 * i : 8 * i + 8], "little") % PRIME for i, name in enumerate("abc")}


def _own_counts(session: Session, asked: Mapping[str, Any]) -> Counts:
    return {(part, status): count for part, status, count in session.execute(_OWN_COUNTS, asked)}


def _sum(counts: Counts, part: str) -> int:
    return sum(count for (name, _), count in counts.items() if name == part)
