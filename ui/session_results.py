"""A session's results: overview, agreement, scores against labels, adjudication, files.

For its owner, for adjudicators by their labelling link, and for anybody where it is an example. Reads and hands on;
what is measured stands in `session_measures`. Does not know gradio.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from engine.errors import BadInput, NotFound, UserError
from engine.label_events import ItemState, check_result, missing, result_fields, result_state, state_fields
from engine.label_schema import LabelSchema
from storage.annotation_records import ACCEPTED, FinalRecord, ItemRecord
from storage.database import Store
from ui import session_files, session_measures
from ui.access import Viewer
from ui.annotating import run_fields, trace_of
from ui.given import text_of, whole_of
from ui.long_answers import Kept, Places
from ui.session_overview import disputed, item_row, overview
from ui.session_states import Desk, SessionStates, StateBook
from ui.wire import number

MOST_ROWS = 500
READERS = ("adjudicator", "owner")
# who comes with nothing but a labelling link
NOBODY = Viewer("nobody", "", False)
# a side may be sent back as it came
STATE_FIELDS = (*state_fields(result_state({"labels": [], "answers": {}})),)
SIDES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Results:
    """The use cases of who evaluates a session, over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._book = StateBook(store)
        # measures take seconds and are asked again with every look: kept as long as nothing was entered
        self._answers = Kept()
        self._places = Places()

    def overview(self, session: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """What the session asks and how far it is."""
        desk = self._desk(session, link, viewer)
        annotations = self._store.annotations
        by_link = not isinstance(desk.reader, str)
        role = "adjudicator" if by_link else "owner" if desk.session.owner == viewer.name else "reader"
        places = annotations.places(desk.session, **desk.asking)
        # how far everybody is, is the owner's to know, also while labelling
        found = self._book.read(desk)
        shown = overview(desk.session, role, found, self._finals(desk), places)
        return shown | {"hidden": len(_hidden(desk, found))}

    def led_to(self, link: Any) -> str:
        """The session whose results a labelling link leads to, "" for an annotator's link or one that leads nowhere."""
        try:
            return self._desk("", link, NOBODY).session.uid if link else ""
        except UserError:
            return ""

    def items(self, session: Any, offset: Any, limit: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """A page of the items, most disagreement first, then in their order."""
        desk = self._desk(session, link, viewer)
        first, rows = whole_of(offset, "first row", 10**9), whole_of(limit, "number of rows", MOST_ROWS)
        found = self._read(desk)
        settled = {final.item for final in self._finals(desk)}
        ranks = {row[0].uid: place for place, row in enumerate(disputed(found))}
        ordered = sorted(found.outline, key=lambda item: (ranks.get(item.uid, len(ranks)), item.place))
        gone = self._store.annotations.gone(desk.session)
        shown = [item_row(item, found, gone, item.uid in settled) for item in ordered[first : first + rows]]
        return {"total": len(ordered), "rows": shown}

    def agreement(self, session: Any, target: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """How far annotators agree on one target."""
        desk = self._desk(session, link, viewer)
        asked = text_of(target, "target")
        return self._kept(desk, ("agreement", asked), viewer, lambda found: session_measures.agreement(found, asked))

    def scores(
        self, session: Any, target: Any, against: Any, positive: Any, link: Any, viewer: Viewer
    ) -> dict[str, Any]:
        """Which score predicts the labels of one target."""
        desk = self._desk(session, link, viewer)
        asked = session_measures.Question(text_of(target, "target"), text_of(against, "side"), _value(positive))
        return self._kept(
            desk, ("scores", asked), viewer, lambda found: session_measures.scores(found, asked, **self._material(desk))
        )

    def curves(
        self, session: Any, target: Any, score: Any, against: Any, positive: Any, link: Any, viewer: Viewer
    ) -> dict[str, Any]:
        """One score against the labels of one target, as curves and items."""
        desk = self._desk(session, link, viewer)
        asked = session_measures.Question(text_of(target, "target"), text_of(against, "side"), _value(positive))
        name = text_of(score, "score")
        return self._kept(
            desk,
            ("curves", asked, name),
            viewer,
            lambda found: session_measures.curves(found, asked, name, **self._material(desk)),
        )

    def disputes(self, session: Any, link: Any, viewer: Viewer) -> list[dict[str, Any]]:
        """What is to be settled, most disagreement first."""
        desk = self._desk(session, link, viewer)
        settled = {final.item for final in self._finals(desk)}
        return [
            {"item": item.uid, "place": item.place + 1, "text": item.text, "n": len(states),
             "disagreement": number(distance), "final": item.uid in settled}
            for item, states, distance in disputed(self._read(desk))
        ]  # fmt: skip

    def dispute(self, session: Any, item: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """The sides of one item as A, B, C in an order that tells nothing, and what was settled."""
        desk = self._desk(session, link, viewer)
        record = self._item(desk, item)
        final = next((one for one in self._finals(desk) if one.item == record.uid), None)
        return {
            "item": record.uid, "place": record.place + 1, "runs": [run_fields(run) for run in record.runs],
            "sides": [
                {"by": side, "state": state_fields(state)} for side, _, state in self._sides(desk, record.uid)
            ],
            "final": _final(final),
        }  # fmt: skip

    def adjudicate(
        self, session: Any, item: Any, state: Any, reason: Any, confidence: Any, source: Any, link: Any, viewer: Viewer
    ) -> dict[str, Any]:
        """Settle one item by a side or by labels of one's own; an earlier settlement stays on record."""
        desk = self._desk(session, link, viewer)
        if desk.session.example:
            raise BadInput("This demonstration comes with the page and cannot be changed; make a session of your own.")
        record = self._item(desk, item)
        if source == "written":
            settled, told = _written(self._read(desk).schema, state, record), "written"
        else:
            side = next((one for one in self._sides(desk, record.uid) if one[0] == source), None)
            if side is None:
                raise BadInput(
                    f"There is no side {str(source)[:40]!a} to accept; use a letter of the item, or written."
                )
            settled, told = result_fields(side[2]), ACCEPTED + side[1]
        if confidence is not None:
            confidence = whole_of(confidence, "confidence", 5, 1)
        self._store.annotations.add_final(
            desk.session, record.uid, settled, **desk.asking, reason=text_of(reason, "reason"),
            confidence=confidence, source=told,
        )  # fmt: skip
        left = [row for row in self.disputes(session, link, viewer) if not row["final"]]
        return {"item": record.uid, "saved": True, "left": len(left), "next": left[0]["item"] if left else None}

    def export(self, session: Any, form: Any, names: Any, link: Any, viewer: Viewer) -> dict[str, Any]:
        """The whole session as a file, with pseudonyms unless its owner asks for names."""
        desk = self._desk(session, link, viewer)
        if not isinstance(names, bool):
            raise BadInput("names must be true or false.")
        if names and desk.session.owner != viewer.name:
            raise BadInput("Only the session's owner exports names; leave them out.")
        if _hidden(desk, self._book.read(desk)):
            raise BadInput(
                "You label in this blind session yourself: submit your items first, or close the session, and take "
                "the file then."
            )
        with self._places.take(viewer):
            whole = self._store.annotations.whole(desk.session, **desk.asking)
            name, kind, data = session_files.export(whole, text_of(form, "form"), names)
        return {"name": name, "type": kind, "base64": base64.b64encode(data).decode()}

    def _desk(self, session: Any, link: Any, viewer: Viewer) -> Desk:
        if link:
            record, member = self._store.annotations.who(secret=text_of(link, "labelling link"))
            if member.role not in READERS or (session and session != record.uid):
                raise NotFound("This labelling link does not lead to the results of a session.")
            return Desk(record, member)
        return Desk(self._store.annotations.get(text_of(session, "session"), viewer=viewer.name), viewer.name)

    def _finals(self, desk: Desk) -> tuple[FinalRecord, ...]:
        return self._store.annotations.finals(desk.session, **desk.asking)

    def _item(self, desk: Desk, item: Any) -> ItemRecord:
        return self._store.annotations.item(desk.session, text_of(item, "item"))

    def _sides(self, desk: Desk, item: str) -> list[tuple[str, str, ItemState]]:
        """(letter, member, state) of who submitted the item, in an order that the item's id decides."""
        submitted = self._read(desk).submitted(item)
        shuffled = sorted(submitted, key=lambda uid: hashlib.sha256(f"{item}:{uid}".encode()).digest())
        letters = [SIDES[i] if i < len(SIDES) else f"S{i + 1}" for i in range(len(shuffled))]
        return [(letter, uid, submitted[uid]) for letter, uid in zip(letters, shuffled, strict=True)]

    def _material(self, desk: Desk) -> dict[str, Any]:
        """What scores against labels need beside the states."""
        return {
            "items": self._store.annotations.items(desk.session, **desk.asking),
            "finals": self._finals(desk),
            "trace_of": lambda run: trace_of(self._store, desk.session, run),
        }

    def _kept(
        self, desk: Desk, asked: tuple[Any, ...], viewer: Viewer, work: Callable[[SessionStates], dict[str, Any]]
    ) -> dict[str, Any]:
        with self._places.take(viewer):
            found = self._read(desk)
            # a change of anything that counts changes the question: events, settlements, the runs that are still there
            mark = (
                desk.session.uid, desk.session.schema_version, found.seq, len(found.states),
                tuple(final.at for final in self._finals(desk)), self._store.annotations.gone(desk.session), *asked,
            )  # fmt: skip
            return self._answers.answer(mark, lambda: work(found))

    def _read(self, desk: Desk) -> SessionStates:
        """Everything of the session; of items that its owner labels, too, and has not submitted, the own part only."""
        found = self._book.read(desk)
        hidden = _hidden(desk, found)
        if not hidden:
            return found
        own = _taking_part(desk, found)
        states = {key: state for key, state in found.states.items() if key[1] not in hidden or key[0] == own}
        return replace(found, states=states)


def _taking_part(desk: Desk, found: SessionStates) -> str:
    """The member as which the session's owner labels, "" for none."""
    mine = (one for one in found.members if one.viewer and one.viewer == desk.reader and not one.revoked)
    return next((one.uid for one in mine), "")


def _hidden(desk: Desk, found: SessionStates) -> frozenset[str]:
    """Items of which the owner, who takes part in an open blind session, must not see what others entered yet."""
    own = _taking_part(desk, found)
    if not own or not desk.session.settings.blind or desk.session.status != "open":
        return frozenset()
    done = {item for (who, item), state in found.states.items() if who == own and state.status == "submitted"}
    return frozenset(item.uid for item in found.outline if item.uid not in done)


def _written(schema: LabelSchema, state: Any, record: ItemRecord) -> dict[str, Any]:
    """A judgement of one's own, complete; BadInput names what is unknown or missing in it."""
    if not isinstance(state, Mapping) or not set(state) & {"labels", "answers"}:
        raise BadInput("A judgement of your own needs labels (a list) or answers (by question).")
    if unknown := [str(name)[:40] for name in state if name not in STATE_FIELDS]:
        raise BadInput(f"A judgement has no field {unknown[0]!a}; use labels and answers.")
    settled = check_result(schema, state, [len(run.pieces) for run in record.runs])
    if lacking := missing(schema, result_state(settled)):
        raise BadInput(f"Still to answer: {'; '.join(lacking)}.")
    return settled


def _final(final: FinalRecord | None) -> dict[str, Any] | None:
    if final is None:
        return None
    return {
        "state": state_fields(result_state(final.state)), "reason": final.reason, "confidence": final.confidence,
        "source": final.source.split(":")[0], "at": final.at.isoformat(timespec="seconds"),
    }  # fmt: skip


def _value(value: Any) -> str | None:
    return None if value in (None, "") else text_of(value, "positive value")
