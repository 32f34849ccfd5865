"""Which alternatives are told from noise: one fork among many, an end that is certain, and none where there is none."""

from __future__ import annotations

from engine.fork_curves import branches_of, outcome_curve
from engine.fork_measures import fork_tests


def records_of(alternates, flipped, certain=False):
    """One answer of as many positions, each with an alternative; those in `flipped` end otherwise, the others as it."""
    rows = []
    for t in range(alternates):
        rows.append({"position": t, "token_id": 0, "probability": 0.9, "is_base": True, "outcomes": []})
        label = "B" if t in flipped else "A"
        rows.append({
            "position": t, "token_id": 1, "probability": 0.1, "is_base": False,
            "outcomes": [label] if certain else [label] * 30, "certain": certain and t in flipped,
        })  # fmt: skip
    rows[-2]["outcomes"] = ["A"] * 60
    return branches_of(rows)


def test_one_fork_among_many_alternatives_is_told_from_noise():
    table = records_of(400, {200})
    found = fork_tests(table, outcome_curve(table))
    assert found.real.sum() == 1 and table.positions[found.real.argmax()] == 200
    assert found.p_values[found.real][0] < 0.05 / 400


def test_an_end_that_is_certain_to_change_the_outcome_is_a_fork():
    rows = [
        {"position": 0, "token_id": 0, "probability": 0.6, "is_base": True, "outcomes": ["A"] * 60},
        {"position": 0, "token_id": 1, "probability": 0.3, "is_base": False, "outcomes": ["B"], "certain": True},
        {"position": 0, "token_id": 2, "probability": 0.1, "is_base": False, "outcomes": ["A"] * 20},
    ]
    table = branches_of(rows)
    found = fork_tests(table, outcome_curve(table))
    assert found.real.tolist() == [False, True, False]
    same = branches_of([rows[0], rows[1] | {"outcomes": ["A"]}, rows[2]])
    assert not fork_tests(same, outcome_curve(same)).real.any(), "the control: the same outcome"
