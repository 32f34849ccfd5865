"""What luck alone does to a field, everything before it held: exact on models whose every answer can be enumerated."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from engine import probe as probe_module
from engine.outcomes import outcome
from engine.probe import ProbePlan, plan_probe, probe
from engine.probe_effects import Effect, effects
from engine.types import GenerationRequest
from tests.support.slot_model import SlotModel

REQUEST = GenerationRequest("", max_new_tokens=8, seed=5)
END = "."


def law(slot: str, text: str) -> dict[str, float]:
    """Under A luck decides a mark, the number behind it, how long it is, and whether there is one; under B nothing."""
    if slot == "B":
        return {";": 1.0} if not text else {"7": 1.0} if len(text) == 1 else {}
    if not text:
        return {";": 0.5, ":": 0.5}
    if len(text) == 1:
        return {"1": 0.55, "2": 0.3, " ": 0.15} if text == ";" else {"3": 1.0}
    return {"5": 0.4, END: 0.6} if len(text) == 2 else {}


def whole_answers(slot: str, text: str) -> Iterator[tuple[str, float]]:
    """Every answer that begins with `text`, and how probable it is given that."""
    for letter, share in (law(slot, text) or {END: 1.0}).items():
        if letter == END:
            yield text, share
        else:
            for answer, rest in whole_answers(slot, text + letter):
                yield answer, share * rest


def enumerated(source: str, target: str, held: bool) -> tuple[float, float]:
    """Share of independent draws whose field differs, and the mean difference of numbers where both have one."""
    weight = differs = numeric = gaps = 0.0
    for base, p in whole_answers(source, ""):
        first = outcome("first_number", base)
        if held and first.found is None:
            continue
        for other, q in whole_answers(target, base[: first.found.start] if held and first.found else ""):
            second = outcome("first_number", other)
            if first.found is None and second.found is None:
                continue
            weight += p * q
            differs += p * q * (first.label != second.label)
            if first.number is not None and second.number is not None:
                numeric += p * q
                gaps += p * q * (second.number - first.number)
    return differs / weight, gaps / numeric


def planned(runs: int = 200, **more: object) -> ProbePlan:
    return plan_probe("{Value}", ("A", "B"), runs, "first_number", REQUEST, **more)  # type: ignore[arg-type]


def found(plan: ProbePlan) -> dict[tuple[str, int, int], Effect]:
    cells = [drawn.cell for drawn in probe(SlotModel(law), plan) if drawn.cell]  # type: ignore[arg-type]
    return {(effect.kind, effect.source, effect.target): effect for effect in effects(plan, cells)}


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[str, int, int], Effect]:
    return found(planned())


def four_sigma(share: float, n: int) -> float:
    return 4 * float(np.sqrt(share * (1 - share) / n))


def test_luck_alone_changes_the_held_field_as_often_as_enumeration_says(drawn) -> None:
    share, gap = enumerated("A", "A", held=True)
    luck = drawn["direct_chance", 0, 0]
    assert 0.3 < share < 0.7 and luck.changed.n > 170
    assert abs(luck.changed.value - share) < four_sigma(share, luck.changed.n)
    assert luck.changed.low < luck.changed.value < luck.changed.high and luck.changed.low < share < luck.changed.high
    assert luck.difference.low < gap < luck.difference.high
    whole, _ = enumerated("A", "A", held=False)
    assert abs(drawn["chance", 0, 0].changed.value - whole) < four_sigma(whole, 200)
    assert whole - share > four_sigma(share, luck.changed.n), "negative control: luck before the field counts no more"


def test_where_luck_decides_nothing_behind_the_held_part_nothing_changes(drawn) -> None:
    luck = drawn["direct_chance", 1, 1]
    assert luck.changed.value == 0.0 and luck.changed.exact and luck.changed.high == pytest.approx(1 - 0.025**0.005)
    assert drawn["direct", 0, 1].changed.value == 1.0, "while the value decides all of it"


def test_with_its_own_luck_a_held_answer_never_changes(monkeypatch) -> None:
    """The negative control of all this: were the fresh luck that of the run, luck alone would seem to do nothing."""
    monkeypatch.setattr(probe_module, "FRESH_STREAM", 0)
    assert found(planned(60))["direct_chance", 0, 0].changed.value == 0.0


def test_an_answer_without_a_field_has_nothing_to_hold_and_is_left_out(drawn) -> None:
    luck = drawn["direct_chance", 0, 0]
    assert luck.left_out == 200 - luck.changed.n > 5
    plan = replace(planned(3), field="boxed")
    nothing = found(plan)["direct_chance", 0, 0]
    assert nothing.changed.value is None and nothing.left_out == 3


def test_a_field_that_opens_the_answer_is_drawn_again_whole_with_fresh_luck() -> None:
    model = SlotModel(lambda slot, text: {} if text else {"3": 0.5, "7": 0.5})
    plan = planned(100)
    cells = [one.cell for one in probe(model, plan) if one.cell]  # type: ignore[arg-type]
    luck = next(e for e in effects(plan, cells) if e.kind == "direct_chance" and e.source == 0)
    assert abs(luck.changed.value - 0.5) < four_sigma(0.5, 100)


def test_it_is_drawn_with_the_direct_effect_and_only_where_luck_has_a_say() -> None:
    def kinds(plan: ProbePlan) -> set[str]:
        return {kind for kind, _, _ in found(plan)}

    assert kinds(planned(2)) == {"total", "direct", "chance", "direct_chance"}
    assert kinds(planned(2, direct=False)) == {"total", "chance"}
    # a probe kept before this baseline was drawn
    assert kinds(replace(planned(2), baseline=False)) == {"total", "direct", "chance"}
    greedy = plan_probe("{Value}", ("A", "B"), 1, "first_number", replace(REQUEST, temperature=0.0))
    assert kinds(greedy) == {"total", "direct", "chance"}


def test_the_other_answers_are_the_same_with_and_without_it() -> None:
    def cells(plan: ProbePlan) -> list[object]:
        return [one.cell for one in probe(SlotModel(law), plan) if one.cell and one.cell.kind != "luck"]  # type: ignore[arg-type]

    assert cells(planned(5)) == cells(replace(planned(5), baseline=False))
