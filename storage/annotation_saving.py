"""Saving what a member did: checked against schema, session and state, appended, all or nothing.

An event that is there already is not added again, whatever came between. Knows rows and what a state allows; leaves
what events mean to the engine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from engine.errors import BadInput, NotFound
from engine.label_course import Course
from engine.label_events import LabelEvent, check_event, check_milliseconds, check_uuid
from engine.label_schema import LabelSchema
from storage.annotation_dealing import RESERVED, find_place, is_filled, reserve
from storage.annotation_events import linked
from storage.annotation_items import tokens_of
from storage.annotation_recent import KnownPlace, Recent, known_place
from storage.annotation_records import EventRecord, SessionSettings
from storage.annotation_rows import Row, change_row, damaged, insert_rows, label_of, next_id, sealed, verified
from storage.limits import StoreLimits
from storage.schema import AnnotationEvent, AnnotationPlace, AnnotationSession
from storage.values import clean_json, microseconds, whole_number

_TARGETED = ("unlabel", "undo", "redo")
# what may still be said of an item that was submitted
_AFTER_SUBMIT = ("reopen", "submit", "time")


def check_open(found: Row, settings: SessionSettings, now: datetime) -> None:
    """BadInput unless the session takes labels at this moment."""
    if found["example"]:
        raise BadInput(
            "This is a demonstration that comes with the page: its labels are fixed. Make a session to label."
        )
    if found["status"] != "open":
        raise BadInput("This session is closed; what was saved is kept. Ask its owner to open it again.")
    if settings.opens_at is not None and now < settings.opens_at:
        raise BadInput(f"This session opens on {settings.opens_at:%Y-%m-%d %H:%M} UTC; come back then.")
    if settings.closes_at is not None and now >= settings.closes_at:
        raise BadInput(
            f"This session closed on {settings.closes_at:%Y-%m-%d %H:%M} UTC; what was saved is kept. "
            "Ask its owner to open it again."
        )


@dataclass(frozen=True)
class Saving:
    """One save: where it goes, by whom and when. Rows are verified ones."""

    session: Session
    found: Row
    member: Row
    item: Row
    schema: LabelSchema
    settings: SessionSettings
    limits: StoreLimits
    now: datetime
    recent: Recent


def save_events(saving: Saving, events: Sequence[LabelEvent]) -> tuple[EventRecord, ...]:
    """Append events to those of the member on an item it was given; returns all of them. NotFound, BadInput."""
    if len(events) > saving.limits.events_once:
        raise BadInput(f"At most {saving.limits.events_once} actions can be saved at once; send them in several parts.")
    place = find_place(saving.session, saving.found, saving.item["id"], saving.member["id"])
    if place is None:
        raise NotFound(f"The item {saving.item['uid']} was not given to you in this session.")
    return _add(saving, place, events, while_open=True)


def import_events(saving: Saving, events: Sequence[LabelEvent]) -> int:
    """Append events of a member that stands for labels made elsewhere, on any item; returns how many were new."""
    session, found, item, member = saving.session, saving.found, saving.item, saving.member
    place = find_place(session, found, item["id"], member["id"])
    place = place or reserve(session, found, item["id"], member, saving.now)
    return len(_add(saving, place, events, while_open=False)) - int(place["events"])


def _add(saving: Saving, place: Row, events: Sequence[LabelEvent], *, while_open: bool) -> tuple[EventRecord, ...]:
    session, found = saving.session, saving.found
    known = known_place(saving.recent, session, found, place, saving.item, saving.member)
    news = _new_rows(saving, known, events)
    if news:
        if while_open:  # asked here, so that a repeated save is answered as the first one was
            check_open(found, saving.settings, saving.now)
            _check_wanted(saving, place, known.course)
        insert_rows(session, AnnotationEvent, news)
        mark_answered(session, found, saving.now)
    changed = _update_place(saving, place, known.course, news)
    if while_open:
        saving.recent.keep(changed["chain"], known)
    return tuple(known.records)


def _check_wanted(saving: Saving, place: Row, course: Course) -> None:
    """BadInput when an item that was skipped is taken up again after others have given all the answers it needs.

    Answers that come late, because a reservation ran out meanwhile, are kept all the same.
    """
    if place["status"] != "skipped" or course.status == "skipped":
        return
    if is_filled(saving.session, saving.found, saving.item, saving.member, saving.settings, saving.now):
        raise BadInput(
            "You skipped this item, and others have taken it over since then: it needs no further answer. "
            "Go on with the next item."
        )


def mark_answered(session: Session, found: Row, now: datetime) -> Row:
    """From the first event on a session counts as answered."""
    if found["answered_at"] is not None:
        return found
    return change_row(session, AnnotationSession, found, answered_at=microseconds(now))


def _new_rows(saving: Saving, known: KnownPlace, events: Sequence[LabelEvent]) -> list[Row]:
    """The rows of those events that are not there yet, in order, each allowed by what came before it.

    known: what is there; follows the new ones as well.
    """
    item = saving.item
    there = _same_uuids(saving, events)
    news: list[Row] = []
    first = next_id(saving.session, AnnotationEvent)
    for event in events:
        payload = check_event(saving.schema, event.kind, event.payload, tokens_of(item))
        said = (item["id"], event.kind, payload)
        if event.uuid not in there:
            _check_found(saving, known, event)
            _check_allowed(saving, known.course, event.kind, payload)
            news.append(_sealed(saving, first + len(news), event, payload))
            known.add(news[-1])
            there[event.uuid] = said
        elif there[event.uuid] != said:
            raise BadInput(f"The action {event.uuid} was saved before with another content; send it as a new one.")
    return news


def _check_found(saving: Saving, known: KnownPlace, event: LabelEvent) -> None:
    """StoreDamaged where the index does not find an action that is there: it must not be kept twice."""
    if event.uuid in known.course:
        raise damaged(label_of(saving.found["uid"]), "the library's index does not find what was labelled")


def _check_allowed(saving: Saving, course: Course, kind: str, payload: dict[str, Any]) -> None:
    """BadInput unless this action may follow those before it."""
    if kind not in _AFTER_SUBMIT and course.status == "submitted":
        raise BadInput("This item was submitted; open it again to change something.")
    if kind in _TARGETED and payload["target"] not in course:
        raise BadInput("The action to take back is not among those saved on this item; load the item again.")
    if kind == "submit" and (lacking := course.missing(saving.schema)):
        raise BadInput(f"Before this item can be submitted it needs an answer to: {'; '.join(lacking)}.")
    if course.events >= saving.limits.events_each:
        raise BadInput(f"An item takes at most {saving.limits.events_each:,} actions of one person; ask for another.")


def _sealed(saving: Saving, row_id: int, event: LabelEvent, payload: dict[str, Any]) -> Row:
    newest = saving.found["guidelines_version"]
    return sealed(
        AnnotationEvent,
        {
            "id": row_id,
            "session_id": saving.found["id"],
            "item_id": saving.item["id"],
            "member_id": saving.member["id"],
            "uuid": event.uuid,
            "kind": event.kind,
            "payload": clean_json(payload, "An action", saving.limits),
            "active_ms": check_milliseconds(event.active_ms),
            "wall_ms": check_milliseconds(event.wall_ms),
            "schema_version": saving.found["schema_version"],
            # somebody may still have an older version before them
            "guidelines_version": min(
                whole_number(event.guidelines_version, "The guidelines' version") or newest, newest
            ),
            "created_at": microseconds(saving.now),
        },
    )


def _same_uuids(saving: Saving, events: Sequence[LabelEvent]) -> dict[str, tuple[int, str, Any]]:
    """What was saved by this member under these uuids, on whichever item: (item id, kind, payload) by uuid."""
    uuids = {check_uuid(event.uuid) for event in events}
    names, marks = ", ".join(AnnotationEvent.model_fields), ", ".join("?" * len(uuids))
    asked = f"SELECT {names} FROM annotation_event WHERE member_id = ? AND uuid IN ({marks})"
    found = saving.session.connection().exec_driver_sql(asked, (saving.member["id"], *uuids))
    rows = (verified(values, AnnotationEvent, label_of(saving.found["uid"])) for values in found)
    return {row["uuid"]: (row["item_id"], row["kind"], json.loads(row["payload"])) for row in rows}


def _update_place(saving: Saving, place: Row, course: Course, news: Sequence[Row]) -> Row:
    """Let status, reservation and running hash follow; a late save renews what had run out."""
    chain = place["chain"]
    for row in news:
        chain = linked(chain, row["row_hash"])
    return change_row(
        saving.session,
        AnnotationPlace,
        place,
        status=course.status,
        flagged=int(course.flagged),
        reserved_until=microseconds(saving.now + RESERVED),
        events=course.events,
        chain=chain,
    )
