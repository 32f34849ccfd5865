"""What a session's owner does with it: makes, changes, forks, deletes it, and invites people.

Checks what was entered, then leaves it to the store, which knows who may. Does not know gradio, nor what was labelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from engine import run_scores
from engine.errors import BadInput
from engine.label_schema import SchemaError, parse_schema, schema_fields, schema_of
from storage.annotation_records import NewItem, SessionRecord, SessionSettings
from storage.database import Store
from storage.limits import ImportLimits
from ui import session_import
from ui.access import Viewer
from ui.given import text_of
from ui.long_answers import beside
from ui.quotas import QuotaLimits, Quotas
from ui.session_fields import checked_items, items_of, order_scores, settings_fields, settings_of
from ui.session_presets import PRESETS
from ui.session_results import Results

ROLES = ("annotator", "adjudicator")
MOST_DAYS = 3650
CHANGES = ("title", "guidelines", "schema", "settings", "status")
MEMBER_CHANGES = ("name", "role", "revoked", "days", "new_link")
GUIDELINES = "Read the whole answer first. Mark the smallest span that is wrong; when in doubt, say so in a comment."


class Sessions:
    """The owners' use cases over one store. results: how a session is shown; imports: how much one file may hold;
    closed: called when a session was closed; quotas: how much one person may have kept."""

    def __init__(
        self,
        store: Store,
        results: Results,
        imports: ImportLimits | None = None,
        closed: Callable[[], object] = lambda: None,
        quotas: Quotas | None = None,
    ) -> None:
        self._store = store
        self._closed = closed
        self._results = results
        self._imports = imports or ImportLimits()
        self._quotas = Quotas(QuotaLimits()) if quotas is None else quotas

    def defaults(self) -> dict[str, Any]:
        """What a new session begins with."""
        return {
            "schema_yaml": PRESETS[0].schema, "guidelines": GUIDELINES, "settings": settings_fields(SessionSettings()),
            "scores": [{"name": name, "title": title} for name, title in order_scores().items()],
            "presets": [
                {"name": one.name, "title": one.title, "schema_yaml": one.schema, "pairs": one.pairs} for one in PRESETS
            ],
        }  # fmt: skip

    def check_schema(self, text: Any) -> dict[str, Any]:
        """Whether a schema can be used, and what is wrong with it line by line."""
        try:
            schema = parse_schema(text_of(text, "schema"))
        except SchemaError as error:
            problems = [{"line": one.line, "reason": one.reason} for one in error.problems]
            return {"ok": False, "problems": problems, "schema": None}
        return {"ok": True, "problems": [], "schema": schema_fields(schema)}

    def create(
        self, title: Any, runs: Any, schema: Any, guidelines: Any, settings: Any, viewer: Viewer
    ) -> dict[str, Any]:
        """A new session of the viewer; its runs are frozen as they are now."""
        parsed = parse_schema(text_of(schema, "schema"))
        chosen = settings_of(settings, SessionSettings())
        listed = items_of(runs)
        items = checked_items(parsed, listed, [[self._tokens(uid, viewer) for uid in item.runs] for item in listed])
        uid = self._store.annotations.create(
            owner=viewer.name,
            title=_title(title),
            schema=schema_fields(parsed),
            guidelines=text_of(guidelines, "guidelines"),
            settings=chosen,
            items=self._in_order(items, chosen, viewer),
            viewer=viewer.name,
            allow=partial(self._quotas.keep, viewer),
        )
        return self._shown(uid, viewer)

    def edit(self, session: Any, changes: Any, viewer: Viewer) -> dict[str, Any]:
        """Change what `changes` name. BadInput for a schema once something was answered."""
        known = _known(changes, CHANGES, "session")
        record = self._own(session, viewer)
        values: dict[str, Any] = {}
        if "title" in known:
            values["title"] = _title(known["title"])
        if "guidelines" in known:
            values["guidelines"] = text_of(known["guidelines"], "guidelines")
        if "schema" in known:
            values["schema"] = schema_fields(parse_schema(text_of(known["schema"], "schema")))
        if "settings" in known:
            values["settings"] = settings_of(known["settings"], record.settings)
        if "status" in known:
            if known["status"] not in ("open", "closed"):
                raise BadInput(f"A session is open or closed, not {str(known['status'])[:40]!a}.")
            values["status"] = known["status"]
        self._store.annotations.change(record.uid, viewer=viewer.name, **values)
        if values.get("status") == "closed":
            self._closed()
        return self._shown(record.uid, viewer)

    def fork(self, session: Any, title: Any, schema: Any, viewer: Viewer) -> dict[str, Any]:
        """The same items under another schema, as a new session."""
        record = self._own(session, viewer, example=True)
        parsed = parse_schema(text_of(schema, "schema")) if schema else schema_of(record.schema)
        uid = self._store.annotations.fork(
            record.uid,
            viewer=viewer.name,
            title=_title(title),
            schema=schema_fields(parsed),
            allow=partial(self._quotas.keep, viewer),
        )
        return self._shown(uid, viewer)

    def delete(self, session: Any, viewer: Viewer) -> dict[str, Any]:
        """Into the bin."""
        self._store.annotations.delete(text_of(session, "session"), viewer=viewer.name)
        return {"session": session, "deleted": True}

    def restore(self, session: Any, viewer: Viewer) -> dict[str, Any]:
        """Out of the bin."""
        self._store.annotations.restore(text_of(session, "session"), viewer=viewer.name)
        return self._shown(text_of(session, "session"), viewer)

    def add(self, session: Any, name: Any, role: Any, days: Any, viewer: Viewer) -> dict[str, Any]:
        """Somebody with a labelling link, which is told this once."""
        record = self._own(session, viewer)
        member, secret = self._store.annotations.add_member(
            record.uid, viewer=viewer.name, name=_name(name), role=_role(role), expires_at=_expiry(days)
        )
        return {"member": member.uid, "link": link_of(secret), "overview": self._shown(record.uid, viewer)}

    def join(self, session: Any, viewer: Viewer) -> dict[str, Any]:
        """The viewer as an annotator, known without a link; twice is once."""
        record = self._own(session, viewer)
        members = self._store.annotations.members(record.uid, viewer=viewer.name)
        member = next((one for one in members if one.viewer == viewer.name), None)
        if member is None:
            member, _ = self._store.annotations.add_member(
                record.uid, viewer=viewer.name, name="You", role="annotator", member_viewer=viewer.name
            )
        return {"member": member.uid, "link": "", "overview": self._shown(record.uid, viewer)}

    def change_member(self, session: Any, member: Any, changes: Any, viewer: Viewer) -> dict[str, Any]:
        """Another name or role, a new link, or none any more."""
        known = _known(changes, MEMBER_CHANGES, "annotator")
        record = self._own(session, viewer)
        values: dict[str, Any] = {"new_secret": _flag(known.get("new_link", False), "new_link")}
        if "name" in known:
            values["name"] = _name(known["name"])
        if "role" in known:
            values["role"] = _role(known["role"])
        if "revoked" in known:
            values["revoked"] = _flag(known["revoked"], "revoked")
        if "days" in known:
            values["expires_at"] = _expiry(known["days"])
        changed, secret = self._store.annotations.change_member(
            record.uid, text_of(member, "annotator"), viewer=viewer.name, **values
        )
        link = link_of(secret) if secret else ""
        return {"member": changed.uid, "link": link, "overview": self._shown(record.uid, viewer)}

    @beside
    def bring_in(self, data: Any, viewer: Viewer) -> dict[str, Any]:
        """A session from a file, as the viewer's own."""
        contents = session_import.read_session(text_of(data, "file"), self._imports)
        self._quotas.keep(viewer, len(data))
        return self._shown(self._store.annotations.restore_export(contents, viewer=viewer.name), viewer)

    @beside
    def bring_in_labels(self, session: Any, data: Any, viewer: Viewer) -> dict[str, Any]:
        """Labels made elsewhere, as those of a member of their own; lines that do not fit are named."""
        record = self._own(session, viewer)
        items = self._store.annotations.items(record, viewer=viewer.name)
        schema = schema_of(record.schema)
        labels, refused = session_import.read_labels(text_of(data, "file"), items, schema, self._imports)
        self._quotas.keep(viewer, len(data))
        added = self._store.annotations.import_labels(record, labels, viewer=viewer.name) if labels else 0
        return {"added": added, "refused": refused}

    def _own(self, session: Any, viewer: Viewer, *, example: bool = False) -> SessionRecord:
        record = self._store.annotations.get(text_of(session, "session"), viewer=viewer.name)
        if record.example and not example:
            raise BadInput("This demonstration comes with the page and cannot be changed; make a session of your own.")
        return record

    def _shown(self, uid: str, viewer: Viewer) -> dict[str, Any]:
        return self._results.overview(uid, "", viewer)

    def _tokens(self, uid: str, viewer: Viewer) -> int:
        return self._store.runs.header(uid, viewer=viewer.name).tokens

    def _in_order(self, items: list[NewItem], settings: SessionSettings, viewer: Viewer) -> list[NewItem]:
        """Most uncertain first where that is asked for; runs without the score come last."""
        if settings.order != "uncertain":
            return items
        sign = -1 if run_scores.REGISTRY[settings.order_score].direction == "uncertain" else 1

        def key(item: NewItem) -> tuple[bool, float]:
            values = [
                self._store.runs.header(uid, viewer=viewer.name).run_scores.get(settings.order_score, float("nan"))
                for uid in item.runs
            ]
            known = [sign * value for value in values if value == value]
            return (not known, min(known, default=0.0))

        return sorted(items, key=key)


def link_of(secret: str) -> str:
    """The end of a labelling link's address."""
    return f"?annotate={secret}"


def _known(changes: Any, names: tuple[str, ...], what: str) -> Mapping[str, Any]:
    if not isinstance(changes, Mapping) or not changes:
        raise BadInput(f"Say what to change of the {what}: any of {', '.join(names)}.")
    if unknown := [str(name)[:40] for name in changes if name not in names]:
        raise BadInput(f"The {what} has no {unknown[0]!a} to change; use {', '.join(names)}.")
    return changes


def _expiry(days: Any) -> datetime | None:
    if days in (None, ""):
        return None
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= MOST_DAYS:
        raise BadInput(
            f"A labelling link holds for more than 0 and at most {MOST_DAYS:,} days, not {str(days)[:40]!a}."
        )
    return datetime.now(UTC) + timedelta(days=days)


def _role(value: Any) -> str:
    if value not in ROLES:
        raise BadInput(f"The role {str(value)[:40]!a} is unknown; use one of {', '.join(ROLES)}.")
    return str(value)


def _flag(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"{field} must be true or false, not {str(value)[:40]!a}.")
    return value


def _title(value: Any) -> str:
    text = text_of(value, "title").strip()
    if not text:
        raise BadInput("The session needs a title.")
    return text


def _name(value: Any) -> str:
    text = text_of(value, "name").strip()
    if not text:
        raise BadInput("Give the annotator's name; others see only a letter and a number.")
    return text
