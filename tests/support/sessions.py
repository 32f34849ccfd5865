"""A store with short runs of the toy model, and people who work in an annotation session as browsers let them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from engine import run_scores
from engine.generate import run as generate
from engine.models import LanguageModel
from engine.types import GenerationRequest
from storage.database import Store
from ui.access import Viewer
from ui.annotating import Annotating
from ui.session_results import Results
from ui.sessions import Sessions

OWNER = Viewer("local", "page", True)
STRANGER = Viewer("visitor:other", "page", False)
SCHEMA = """
labels:
  - name: errors
    title: Errors
    unit: span
    overlap: true
    labels: [wrong, odd]
questions:
  - {name: correct, title: Is it correct?, kind: choice, options: [yes, no, unsure], required: true}
  - {name: quality, title: How good is it?, kind: likert, low: 1, high: 5}
"""


def with_runs(store: Store, tiny: LanguageModel, count: int, *, owner: str = OWNER.name) -> list[str]:
    """Uids of new runs, each of ten tokens."""
    uids = []
    for seed in range(count):
        trace = generate(tiny, GenerationRequest(f"prompt {seed}", max_new_tokens=10, seed=seed))
        uids.append(
            store.runs.add(
                trace, owner=owner, status="finished", run_scores=run_scores.compute(trace), title=f"r{seed}"
            )
        )
    return uids


@dataclass
class Person:
    """One annotator with a labelling link."""

    annotating: Annotating
    link: str
    viewer: Viewer = STRANGER
    item: dict[str, Any] = field(default_factory=dict)

    def begin(self, answers: list[str] | None = None) -> dict[str, Any]:
        return self.annotating.begin("", answers or [], self.link, self.viewer)

    def next(self) -> dict[str, Any]:
        self.item = self.annotating.next("", self.link, self.viewer)
        return self.item

    def save(self, *actions: tuple[str, dict[str, Any]], item: str = "", ms: int = 3000) -> dict[str, Any]:
        events = [event(kind, payload, ms) for kind, payload in actions]
        return self.annotating.save("", item or self.item["item"], events, self.link, self.viewer)

    def submit(self, correct: str = "yes", *more: tuple[str, dict[str, Any]], ms: int = 3000) -> dict[str, Any]:
        return self.save(*more, answer("correct", correct), ("submit", {}), ms=ms)


def event(kind: str, payload: dict[str, Any], ms: int = 3000) -> dict[str, Any]:
    return {"uuid": str(uuid.uuid4()), "kind": kind, "payload": payload, "active_ms": ms, "wall_ms": ms}


def answer(question: str, value: Any) -> tuple[str, dict[str, Any]]:
    return "answer", {"question": question, "value": value}


def label(start: int, stop: int, name: str = "wrong") -> tuple[str, dict[str, Any]]:
    return "label", {"set": "errors", "label": name, "run": 0, "start": start, "stop": stop}


@dataclass
class Desk:
    """An owner with a session."""

    store: Store
    sessions: Sessions
    results: Results
    session: str

    def invite(self, name: str = "Ada", role: str = "annotator", *, begun: bool = True) -> Person:
        link = self.sessions.add(self.session, name, role, None, OWNER)["link"].removeprefix("?annotate=")
        person = Person(Annotating(self.store), link)
        if begun and role == "annotator":
            person.begin()
        return person

    def overview(self) -> dict[str, Any]:
        return self.results.overview(self.session, "", OWNER)

    def member(self, name: str) -> dict[str, Any]:
        return next(row for row in self.overview()["members"] if row["name"] == name)


def make(store: Store, runs: list[Any], schema: str = SCHEMA, **settings: Any) -> Desk:
    """A session of the owner's over these runs."""
    results = Results(store)
    sessions = Sessions(store, results)
    made = sessions.create("Errors", runs, schema, "Read *all* of it.", settings, OWNER)
    return Desk(store, sessions, results, made["session"])
