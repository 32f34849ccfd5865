"""Made-up sessions for measures: items, what people submitted, and runs whose scores are as a test wants them.

Nothing is stored; states are given, not folded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engine.label_events import AppliedLabel, ItemState, result_fields
from engine.label_schema import parse_schema
from engine.token_scores import Rows, row_scores, run_scores
from engine.types import ModelCard, Trace
from storage.annotation_records import FinalRecord, FrozenRun, ItemOutline, ItemRecord, MemberRecord
from ui.session_states import SessionStates

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CARD = ModelCard("made up", "", "", "", "float32", "cpu", "", 20, 512)
SCHEMA = """
labels:
  - name: errors
    unit: span
    overlap: true
    labels: [{name: factual, title: Factual error}, vague]
  - {name: marks, unit: token, labels: [odd]}
questions:
  - {name: correct, title: Is it correct?, kind: choice, options: [yes, no, unsure]}
  - {name: quality, title: How good?, kind: likert, low: 1, high: 5}
  - {name: topics, title: What about?, kind: multi, options: [sums, words]}
  - {name: where, title: Where?, kind: token}
  - {name: better, title: Which?, kind: preference}
  - {name: why, title: Why?, kind: text}
"""


def trace(seed: int, tokens: int = 20, entropy: Sequence[float] | None = None, special: bool = True) -> Trace:
    """A run with every score of the registry from random rows over 20 tokens; entropy: what to write in its place."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(tokens, 20)) * rng.uniform(0.2, 4, (tokens, 1))
    logprobs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    ids = rng.integers(0, 19, tokens)
    if special:
        ids[-1] = 19
    scores = run_scores(row_scores(Rows(logprobs, ids)))
    if entropy is not None:
        scores = {**scores, "entropy": np.asarray(entropy, dtype=np.float32)}
    order = np.argsort(-logprobs, axis=1)
    pieces = tuple("</s>" if i == 19 else f" w{i}" for i in ids)
    none = np.zeros(tokens)
    return Trace(
        "prompt", None, np.zeros(1, np.int32), ids.astype(np.int32), pieces, "".join(pieces), scores,
        order.astype(np.int32), np.take_along_axis(logprobs, order, axis=1), none, none, none, none, none, none, none,
        {}, frozenset({19}), seed, "stop", "generation", CARD,
    )  # fmt: skip


def frozen(run: Trace, uid: str) -> FrozenRun:
    special = tuple(i for i, token in enumerate(run.token_ids) if int(token) in run.special_ids)
    digest = hashlib.sha256(run.text.encode()).hexdigest()
    return FrozenRun(uid, run.prompt, None, run.text, run.pieces, special, digest, "made up", run.seed)


def state(labels: Sequence[tuple[Any, ...]] = (), status: str = "submitted", **answers: Any) -> ItemState:
    """labels: (set, label, start, stop) or (set, label, start, stop, run)."""
    applied = [AppliedLabel(str(i), one[0], one[1], one[4] if len(one) > 4 else 0, one[2], one[3])
               for i, one in enumerate(labels)]  # fmt: skip
    return ItemState(labels=tuple(applied), answers=answers, status=status)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Material:
    """A session for `session_measures`. runs: uid -> the run as it is in the library."""

    found: SessionStates
    items: tuple[ItemRecord, ...]
    runs: Mapping[str, Trace]
    finals: tuple[FinalRecord, ...] = ()

    def parts(self, **changes: Any) -> dict[str, Any]:
        """What scores and curves are given beside the states and the question."""
        known = {"items": self.items, "finals": self.finals, "trace_of": lambda run: self.runs.get(run.uid)}
        return {**known, **changes}

    def settled(self, states: Mapping[int, ItemState]) -> Material:
        """With final labels of these items, by their place."""
        finals = []
        for place, given in states.items():
            finals.append(FinalRecord(self.items[place].uid, "", result_fields(given), "", None, "written", NOW))
        return replace(self, finals=tuple(finals))


def material(
    said: Sequence[Mapping[str, ItemState]],
    runs: Sequence[Trace | tuple[Trace, Trace]] | None = None,
    parts: Callable[[int], str] = lambda place: "work",
    schema: str = SCHEMA,
) -> Material:
    """said: per item pseudonym -> state; runs: per item, made up where they are not given."""
    given = [run if isinstance(run, tuple) else (run,) for run in runs or [trace(i) for i in range(len(said))]]
    names = sorted({name for states in said for name in states})
    people = tuple(
        MemberRecord(f"m-{name}", int(name[1:]), f"Person {name}", "annotator", "", None, False, NOW, NOW)
        for name in names
    )
    items, outline, known, states = [], [], {}, {}
    for place, (own, answers) in enumerate(zip(given, said, strict=True)):
        uid, part = f"item-{place}", parts(place)
        copies = tuple(frozen(run, f"run-{place}-{side}") for side, run in enumerate(own))
        known |= {copy.uid: run for copy, run in zip(copies, own, strict=True)}
        items.append(ItemRecord(uid, place, part, copies, None))
        tokens = tuple(len(copy.pieces) for copy in copies)
        outline.append(ItemOutline(uid, place, part, tuple(copy.uid for copy in copies), tokens, copies[0].text, None))
        states |= {(f"m-{name}", uid): one for name, one in answers.items()}
    found = SessionStates(parse_schema(schema), tuple(outline), people, states, {})
    return Material(found, tuple(items), known)
