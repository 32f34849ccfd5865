"""What is known beside what was entered: only what is known counts, and a range has to be about the same."""

from __future__ import annotations

import pytest

from engine.label_events import AppliedLabel, ItemState, result_state
from engine.label_schema import parse_schema
from tests.support.sessions import SCHEMA as SPANS
from ui.known_answers import SAME_PLACE, compare, overlap

SCHEMA = parse_schema(SPANS)
TOKENS = parse_schema(SPANS.replace("unit: span", "unit: token"))
PIECES = [[f"t{i} " for i in range(10)]]


def state(answers: dict | None = None, *labels: tuple[str, int, int]) -> ItemState:
    rows = [{"set": "errors", "label": name, "run": 0, "start": a, "stop": b} for name, a, b in labels]
    return result_state({"labels": rows, "answers": answers or {}})


def known(*labels: tuple[str, int, int]) -> list[dict]:
    return [{"set": "errors", "label": name, "run": 0, "start": a, "stop": b} for name, a, b in labels]


def test_what_is_not_known_is_not_judged() -> None:
    found = compare(SCHEMA, {"answers": {"correct": "no"}}, state({"correct": "no"}, ("wrong", 2, 3)), PIECES)
    assert (found.right, found.of) == (1, 1)


def test_no_label_known_is_another_thing_than_nothing_known_of_labels() -> None:
    found = compare(SCHEMA, {"labels": []}, state({}, ("wrong", 2, 3)), PIECES)
    assert (found.right, found.of) == (0, 1) and "nothing is wrong there" in found.lines[0]
    assert compare(SCHEMA, {"labels": []}, state(), PIECES).of == 0


@pytest.mark.parametrize(("stop", "met"), [(4, True), (3, False), (8, True), (9, False)])
def test_half_of_the_tokens_in_common_is_the_same_place(stop: int, met: bool) -> None:
    assert SAME_PLACE == 0.5
    found = compare(SCHEMA, {"labels": known(("wrong", 2, 5))}, state({}, ("wrong", 2, stop)), PIECES)
    assert found.lines[0].endswith("found" if met else "missed")
    assert (found.right, found.of) == ((1, 1) if met else (0, 2))


def test_less_than_half_in_common_is_another_place() -> None:
    one, other = ("errors", "wrong", 0, 2, 5), ("errors", "wrong", 0, 4, 7)
    assert overlap(one, other) == pytest.approx(0.2)
    assert compare(SCHEMA, {"labels": known(("wrong", 2, 5))}, state({}, ("wrong", 4, 7)), PIECES).right == 0


def test_another_label_on_the_same_words_does_not_meet_it() -> None:
    found = compare(SCHEMA, {"labels": known(("wrong", 2, 5))}, state({}, ("odd", 2, 5)), PIECES)
    assert (found.right, found.of) == (0, 2)


def test_several_choices_count_whatever_their_order() -> None:
    assert compare(SCHEMA, {"answers": {"why": ["a", "b"]}}, state({"why": ["b", "a"]}), PIECES).right == 1
    assert compare(SCHEMA, {"answers": {"why": ["a", "b"]}}, state({"why": ["a"]}), PIECES).right == 0
    assert isinstance(state({}, ("wrong", 0, 1)).labels[0], AppliedLabel)


def test_labels_of_single_tokens_are_compared_token_by_token() -> None:
    dragged = state({}, ("wrong", 2, 5))
    found = compare(TOKENS, {"labels": known(("wrong", 3, 4))}, dragged, PIECES)
    assert (found.right, found.of) == (1, 3), "one token was meant, three were labelled"
    assert compare(TOKENS, {"labels": known(("wrong", 2, 3), ("wrong", 3, 5))}, dragged, PIECES).of == 3


def test_lines_say_what_people_read() -> None:
    found = compare(SCHEMA, {"answers": {"correct": "no"}}, state({"correct": "yes"}), PIECES)
    assert found.lines == ("Is it correct? no, not yes",)
