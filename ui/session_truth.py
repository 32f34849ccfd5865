"""What counts as true of an item (final labels, the majority, one person), and which answer to a question counts as 1.

Pure, from what was submitted and settled. Does not know scores.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import BadInput
from engine.label_events import ItemState, result_state
from engine.label_types import Question
from storage.annotation_records import FinalRecord
from ui.session_ratings import Target, raters, voices
from ui.session_states import SessionStates, disagreement

GOLD, MAJORITY = "gold", "majority"
# an option of this name is what a score should foretell
NEGATIVE = ("no", "wrong", "incorrect", "false", "bad", "not correct", "hallucinated", "unsupported", "fail")


def sides(found: SessionStates, finals: Sequence[FinalRecord]) -> tuple[str, ...]:
    """Whose labels can be taken as true."""
    return (MAJORITY, *((GOLD,) if finals else ()), *raters(voices(found)))


def verdicts(
    found: SessionStates, finals: Sequence[FinalRecord], against: str, target: Target | None = None
) -> dict[str, list[ItemState]]:
    """Item uid -> what counts as true of it: one state or, for the majority, all of them; items without are left out.

    Gold: what was settled, and what nobody disputes; settled items alone would be the hard ones.
    Raises BadInput for somebody who submitted nothing.
    """
    said = voices(found, target)
    if against == GOLD:
        # the newest settlement of an item stands
        settled = {final.item: [result_state(final.state)] for final in finals if final.item in said}
        return {**(undisputed(found) if settled else {}), **settled}
    if against == MAJORITY:
        return {uid: list(states.values()) for uid, states in said.items() if states}
    if against not in raters(voices(found)):
        known = ", ".join(sides(found, finals))
        raise BadInput(f"There are no labels by {against[:40]!a} in this session; there are: {known}.")
    return {uid: [states[against]] for uid, states in said.items() if against in states}


def undisputed(found: SessionStates) -> dict[str, list[ItemState]]:
    """Item uid -> what two or more submitted of it without a difference."""
    agreed = {}
    for item in found.outline:
        states = list(found.submitted(item.uid).values()) if item.part == "work" else []
        if len(states) > 1 and disagreement(found.schema, states, item.tokens) == 0:
            agreed[item.uid] = states
    return agreed


def positives(question: Question | None) -> tuple[str, ...]:
    """Which answers can count as 1, the usual one first; none where there is nothing to choose.

    Of a scale a step, which then stands for itself and all below it.
    """
    if question is None or question.kind == "token":
        return ()
    if question.kind == "likert":
        middle = question.low + (question.high - question.low + 1) // 2 - 1
        return tuple(str(step) for step in sorted(range(question.low, question.high), key=lambda s: (s != middle, s)))
    if question.kind == "preference":
        return "b", "a"
    named = [option for option in question.options if option.casefold() in NEGATIVE]
    return tuple(dict.fromkeys([*named, *question.options]))


def told(question: Question | None, positive: str) -> str:
    """What counts as 1, for people to read."""
    if question is None or not positive:
        return ""
    if question.kind == "likert":
        return f"{positive} or less"
    return f"{positive} preferred" if question.kind == "preference" else positive


def read_positive(question: Question | None, value: str | None) -> str:
    """The value that counts as 1: the one given, else the usual one. Raises BadInput listing what can be chosen."""
    known = positives(question)
    if not known or not value:
        return known[0] if known else ""
    if value not in known:
        raise BadInput(f"{value[:40]!a} is no answer that can count as 1; there are: {', '.join(known)}.")
    return value


def is_positive(question: Question, value: object, positive: str) -> bool:
    """Whether an answer counts as 1."""
    if question.kind == "likert" and isinstance(value, int):
        return value <= int(positive)
    return positive in value if isinstance(value, list) else value == positive
