"""Makes the demonstration session that ships with the project: `python -m assets.make_example_session`.

The embedded model answers sums and questions; two programs then label its answers through the annotators' own use
cases, by the known answer and with slips of their own, and a third settles some disputes. Nobody is shown as a person
who is none: title, guidelines and names say that they are simulated. Writes assets/example_session.zip.
"""

from __future__ import annotations

import random
import re
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.generate import run as generate
from engine.models import LanguageModel, load_model
from engine.run_scores import compute
from engine.types import GenerationRequest, Trace
from storage.database import Store
from ui.access import Viewer
from ui.annotating import Annotating
from ui.example_session import FILE, pack_session, run_uid
from ui.examples import OWNER
from ui.session_results import Results
from ui.sessions import Sessions

SUMS = (
    (17, 25), (48, 36), (9, 8), (63, 29), (120, 45), (7, 6), (256, 128), (33, 34), (81, 19), (14, 15), (75, 50),
    (99, 12), (5, 3), (140, 260), (27, 58), (2, 2), (64, 64), (302, 119), (18, 4), (46, 47), (6, 3), (10, 5), (20, 30),
    (3, 4),
)  # fmt: skip
TASK = "Calculate {} + {}."
TRAINING, CHECKS = 1, 3  # of the sums, in their order
TITLE = "Demonstration: wrong sums, labelled by two simulated annotators"
GUIDELINES = """\
**This is a demonstration.** The answers are real ones of the small model that comes with the page. The annotators are
*simulated*: two programs that know each sum and make slips of their own, one more than the other.

## What to mark

- Mark every number of the answer that is **wrong** as an *Arithmetic error*.
- Say whether the final answer is correct.
- Say how good the answer is: 1 is poor, 5 is excellent.

In a session of your own these guidelines are what annotators read first; each change makes a new version.
"""
SCHEMA = """\
labels:
  - name: errors
    title: Errors
    unit: span
    labels:
      - {name: arithmetic, title: Arithmetic error, description: A number that is wrong}
questions:
  - {name: correct, title: Is the final answer correct?, kind: choice, options: [yes, no, unsure], required: true}
  - {name: quality, title: How good is the answer?, kind: likert, low: 1, high: 5, low_text: poor, high_text: excellent}
"""


@dataclass(frozen=True)
class Truth:
    """What is known of one answer: half-open token ranges that are wrong, whether it is correct, how good it is."""

    wrong: tuple[tuple[int, int], ...]
    correct: str
    quality: int

    def fields(self) -> dict[str, Any]:
        labels = [{"set": "errors", "label": "arithmetic", "run": 0, "start": a, "stop": b} for a, b in self.wrong]
        return {"labels": labels, "answers": {"correct": self.correct, "quality": self.quality}}


@dataclass(frozen=True)
class Simulated:
    """One program that labels: how often it misreads an answer, and how often it misses where a span ends."""

    name: str
    slips: float
    misplaced: float
    seed: int


PEOPLE = (Simulated("Simulated annotator 1", 0.05, 0.1, 1), Simulated("Simulated annotator 2", 0.2, 0.3, 2))


def main() -> None:
    model = load_model("embedded")
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "session.db") as store:
        truths = {}
        for number, (a, b) in enumerate(SUMS, 1):
            trace, uid = answer(model, a, b, number), run_uid(number)
            store.runs.add(
                trace, owner=OWNER, title=f"{a} + {b}", status="finished", run_scores=compute(trace),
                visibility="unlisted", uid=uid,
            )  # fmt: skip
            truths[uid] = truth_of(trace, a, b)
            print(f"{a} + {b}: {trace.answer.strip()!r} {truths[uid]}", flush=True)
        session = make_session(store, truths)
        for person in PEOPLE:
            label_all(store, session, person, truths)
        settle(store, session, truths)
        Sessions(store, Results(store)).edit(session, {"status": "closed"}, VIEWER)
        FILE.write_bytes(pack_session(store, session, list(truths)))
    print(f"{FILE}: {FILE.stat().st_size / 1024:.0f} KB")


def answer(model: LanguageModel, a: int, b: int, seed: int) -> Trace:
    """One answer of the model, drawn warm enough that it errs now and then."""
    return generate(model, GenerationRequest(TASK.format(a, b), max_new_tokens=60, temperature=0.5, seed=seed))


def truth_of(trace: Trace, a: int, b: int) -> Truth:
    """Every number that is neither in the question nor the sum is wrong; an answer is correct that states the sum and
    nothing wrong."""
    text = "".join(trace.pieces)
    numbers = [(found.start(), found.end(), int(found.group().replace(",", ""))) for found in
               re.finditer(r"\d[\d,]*\d|\d", text)]  # fmt: skip
    wrong = [_tokens(trace.pieces, start, stop) for start, stop, value in numbers if value not in (a, b, a + b)]
    stated = any(value == a + b for _, _, value in numbers)
    correct = "yes" if stated and not wrong else "no"
    quality = 5 if correct == "yes" else 3 if stated else 2 if numbers else 1
    return Truth(tuple(dict.fromkeys(wrong)), correct, quality)


def _tokens(pieces: Sequence[str], start: int, stop: int) -> tuple[int, int]:
    """The tokens that hold the characters [start, stop)."""
    ends, at = [], 0
    for piece in pieces:
        at += len(piece)
        ends.append(at)
    first = next(i for i, end in enumerate(ends) if end > start)
    return first, 1 + next(i for i, end in enumerate(ends) if end >= stop)


def make_session(store: Store, truths: dict[str, Truth]) -> str:
    """The session over all answers; the first is for training, the next few are checks."""
    runs: list[Any] = []
    for place, (uid, truth) in enumerate(truths.items()):
        part = "training" if place < TRAINING else "check" if place < TRAINING + CHECKS else "work"
        runs.append(uid if part == "work" else {"run": uid, "part": part, "expected": truth.fields()})
    settings = {"overlap": 2, "order": "shuffled", "seed": 1, "blind": True, "check_every": 5}
    made = Sessions(store, Results(store)).create(TITLE, runs, SCHEMA, GUIDELINES, settings, VIEWER)
    return str(made["session"])


def label_all(store: Store, session: str, person: Simulated, truths: dict[str, Truth]) -> None:
    """Everything that one simulated annotator does, through the use cases that a person's browser calls."""
    annotating, dice = Annotating(store), random.Random(person.seed)
    added = Sessions(store, Results(store)).add(session, person.name, "annotator", None, VIEWER)
    link = added["link"].removeprefix("?annotate=")
    annotating.begin("", [], link, VIEWER)
    while not (item := annotating.next("", link, VIEWER)).get("done"):
        uid = store.annotations.item(session, item["item"]).runs[0].uid
        actions = acts(person, truths[uid], len(item["runs"][0]["tokens"]), dice)
        events = [
            {"uuid": str(uuid.UUID(int=dice.getrandbits(128))), "kind": kind, "payload": payload,
             "active_ms": dice.randint(800, 6000), "wall_ms": dice.randint(6000, 9000)}
            for kind, payload in actions
        ]  # fmt: skip
        annotating.save("", item["item"], events, link, VIEWER)


def acts(person: Simulated, truth: Truth, tokens: int, dice: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """What this person would do with an answer of which `truth` is known."""
    slip = dice.random() < person.slips
    actions: list[tuple[str, dict[str, Any]]] = []
    for start, stop in truth.wrong:
        if slip:
            continue
        if dice.random() < person.misplaced:
            start, stop = max(0, start - 1), min(tokens, stop + dice.randint(0, 1))
        actions.append(("label", {"set": "errors", "label": "arithmetic", "run": 0, "start": start, "stop": stop}))
    correct = ("no" if truth.correct == "yes" else "yes") if slip else truth.correct
    quality = min(5, max(1, truth.quality + dice.choice((-1, 0, 0, 0, 1))))
    actions.append(("answer", {"question": "correct", "value": correct}))
    actions.append(("answer", {"question": "quality", "value": quality}))
    return [*actions, ("submit", {})]


def settle(store: Store, session: str, truths: dict[str, Truth]) -> None:
    """A third program settles every other dispute by what is known."""
    sessions, results = Sessions(store, Results(store)), Results(store)
    added = sessions.add(session, "Simulated adjudicator", "adjudicator", None, VIEWER)
    link = added["link"].removeprefix("?annotate=")
    for row in results.disputes(session, link, VIEWER)[::2]:
        uid = store.annotations.item(session, row["item"]).runs[0].uid
        results.adjudicate("", row["item"], truths[uid].fields(), "The sum is known.", 5, "written", link, VIEWER)


VIEWER = Viewer(OWNER, "make", True)

if __name__ == "__main__":
    main()
