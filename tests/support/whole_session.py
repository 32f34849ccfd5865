"""A whole annotation session by hand, with everything a file may trip over: formulas, emoji, empty tokens, pairs.

Three people and an adjudication on five items; times, versions and ids are fixed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from engine.label_events import LabelEvent
from engine.label_schema import parse_schema, schema_fields
from storage.annotation_records import (
    EventRecord,
    FinalRecord,
    FrozenRun,
    ItemRecord,
    MemberRecord,
    SessionRecord,
    SessionSettings,
    TextVersion,
    WholeSession,
)

SCHEMA = parse_schema("""
labels:
  - {name: errors, title: Errors, unit: span, overlap: true, labels: [{name: fact, title: "=Fact"}, sum]}
  - {name: tone, title: Tone, unit: token, labels: [good, bad]}
questions:
  - {name: right, title: Is it right?, kind: choice, options: [yes, no, "=1+1"], required: true}
  - {name: kinds, title: Which?, kind: multi, options: [a, b, c]}
  - {name: worth, title: How good?, kind: likert, low: -2, high: 2}
  - {name: why, title: Why?, kind: text}
  - {name: where, title: Where?, kind: token}
  - {name: better, title: Better?, kind: preference}
""")
BEGAN = datetime(2026, 11, 22, 14, 3, 22, 123456, tzinfo=UTC)
NASTY = ("=1", "+2", " 😀", "", "a\u0301", "\n", "\tx", "\u2028", "\\n", " שלום", "\u202e", "@end")
PLAIN = ("The", " answer", " is", " 42", ".", "<end>")
GUIDELINES = "# Mark errors\n\n```\ncode\n```\nSimulated annotators."


def frozen(uid: str, pieces: tuple[str, ...], prompt: str = "=cmd()", system: str | None = None) -> FrozenRun:
    text = "".join(pieces)
    special = (len(pieces) - 1,) if pieces and pieces[-1] == "<end>" else ()
    seed = None if system is None else 2**62 + 1
    return FrozenRun(uid, prompt, system, text, pieces, special, sha256(text.encode()).hexdigest(), "tiny/model", seed)


ITEMS = (
    ItemRecord("x1", 1, "work", (frozen("run-a", NASTY),), None),
    ItemRecord("x2", 2, "work", (frozen("run-b", PLAIN, system="Be brief."),), None),
    ItemRecord("x3", 3, "work", (frozen("run-b", PLAIN), frozen("run-c", NASTY)), None),
    ItemRecord("t1", 0, "training", (frozen("run-d", ()),), {"answers": {"right": "yes"}}),
    ItemRecord("c1", 4, "check", (frozen("run-e", PLAIN),), {"labels": [], "answers": {"right": "no"}}),
)
MEMBERS = (
    MemberRecord("m1", 1, "Ada <b>", "annotator", "ada-login", None, False, BEGAN, BEGAN, True),
    MemberRecord("m2", 2, "=Bob", "annotator", "", BEGAN + timedelta(days=9), True, None, BEGAN, True),
    MemberRecord("m3", 3, "Cy", "adjudicator", "", None, False, None, BEGAN, True),
)


def label(name: str, start: int, stop: int, run: int = 0) -> dict[str, Any]:
    where = "errors" if name in {"fact", "sum"} else "tone"
    return {"set": where, "label": name, "run": run, "start": start, "stop": stop}


# member, item, kind, payload
ACTIONS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("m1", "x1", "label", label("fact", 0, 3)),
    ("m1", "x1", "label", label("sum", 2, 6)),
    ("m2", "x1", "label", label("good", 0, 12)),
    ("m2", "x1", "label", label("bad", 4, 6)),
    ("m1", "x1", "answer", {"question": "right", "value": "=1+1"}),
    ("m1", "x1", "answer", {"question": "kinds", "value": ["a", "c"]}),
    ("m1", "x1", "answer", {"question": "worth", "value": -2}),
    ("m1", "x1", "answer", {"question": "why", "value": "@SUM(A1)\nnext 😀"}),
    ("m1", "x1", "answer", {"question": "where", "value": 2}),
    ("m1", "x1", "comment", {"text": "-1 is wrong"}),
    ("m1", "x1", "submit", {}),
    ("m2", "x1", "answer", {"question": "right", "value": "no"}),
    ("m2", "x1", "answer", {"question": "where", "value": "nowhere"}),
    ("m2", "x1", "submit", {}),
    ("m1", "x2", "flag", {"on": True}),
    ("m1", "x2", "skip", {"reason": "+not mine"}),
    ("m2", "x2", "label", label("fact", 3, 4)),
    ("m1", "x3", "label", label("sum", 0, 2, 1)),
    ("m1", "x3", "answer", {"question": "better", "value": "tie"}),
    ("m1", "x3", "answer", {"question": "right", "value": "yes"}),
    ("m1", "x3", "submit", {}),
    ("m2", "x3", "time", {}),
    ("m1", "c1", "answer", {"question": "right", "value": "no"}),
    ("m1", "c1", "submit", {}),
)  # fmt: skip


def events() -> tuple[EventRecord, ...]:
    found = []
    for i, (member, item, kind, payload) in enumerate(ACTIONS):
        moment, version = BEGAN + timedelta(seconds=i), 1 if i < 10 else 2
        event = LabelEvent(f"e-{i}", kind, payload, 1500, 2500, moment, 1, version)
        found.append(EventRecord(i + 1, event.uuid, member, item, event))
    after = (("e-open", "reopen", {}), ("e-undo", "undo", {"target": "e-17"}), ("e-again", "submit", {}))
    for i, (uuid, kind, payload) in enumerate(after):
        event = LabelEvent(uuid, kind, payload, 0, 0, BEGAN + timedelta(seconds=90 + i), 1, 2)
        found.append(EventRecord(len(found) + 1, uuid, "m1", "x3", event))
    return tuple(found)


ANSWERS = {"right": "no"}
FINALS = (
    FinalRecord("x1", "m3", {"labels": [label("fact", 0, 3)], "answers": ANSWERS}, "", None, "accepted:m1", BEGAN),
    FinalRecord("x1", "", {"labels": [label("sum", 2, 6)], "answers": ANSWERS}, "=why", 4, "written", BEGAN),
)  # fmt: skip


def whole() -> WholeSession:
    """The session, freshly made."""
    body = json.dumps(schema_fields(SCHEMA), ensure_ascii=False, separators=(",", ":"))
    texts = (
        TextVersion("guidelines", 1, "old", BEGAN),
        TextVersion("guidelines", 2, GUIDELINES, BEGAN + timedelta(hours=1)),
        TextVersion("schema", 1, body, BEGAN),
    )
    settings = SessionSettings(closes_at=BEGAN, quiz=({"question": "q?", "options": ["a", "b"], "answer": "a"},))
    record = SessionRecord(
        "s-uid", "owner-login", "Größe: *two*\n# people", schema_fields(SCHEMA), 1, GUIDELINES, 2, settings, "closed",
        len(ITEMS), BEGAN, BEGAN + timedelta(days=1), False, True,
    )  # fmt: skip
    return WholeSession(record, texts, MEMBERS, ITEMS, events(), FINALS)
