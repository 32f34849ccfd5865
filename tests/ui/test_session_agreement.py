"""What a session says of agreement is what was submitted for the work, measured, and it says what it cannot measure."""

import json
import tracemalloc

import numpy as np
import pytest

from engine.agreement import cohen_kappa, krippendorff_alpha
from engine.errors import BadInput
from tests.support.session_material import material, state, trace
from ui.session_agreement import MOST_PAIRS
from ui.session_measures import agreement
from ui.session_overview import targets
from ui.session_ratings import read_target

SAID = ["yes", "no", "unsure"]


def answered(**columns):
    """Per item what each pseudonym answered: question=[[A1's], [A2's], ...], None for an item not submitted."""
    ((name, table),) = columns.items()
    items = []
    for given in zip(*table, strict=True):
        said = {f"A{i + 1}": value for i, value in enumerate(given) if value is not None}
        items.append({who: state(**({name: value} if value != "" else {})) for who, value in said.items()})
    return material(items)


def by_name(answer):
    return {one["name"]: one for one in answer["measures"]}


def test_every_target_is_answered_in_strict_json():
    found = material([{"A1": state([("errors", "factual", 1, 3)]), "A2": state(correct="no")}] * 6).found
    listed = targets(found.schema)
    assert len(listed) == 9
    for one in listed:
        answer = agreement(found, one["id"])
        assert json.loads(json.dumps(answer, allow_nan=False)) == answer
        assert answer["title"] == one["title"] and answer["raters"] == ["A1", "A2"] and answer["n_items"] == 6
        assert answer["measures"]


def test_an_answer_is_measured_as_the_engine_does():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 30)
    table = np.where(rng.random((3, 30)) < 0.7, truth, rng.integers(0, 3, (3, 30)))
    found = answered(correct=[[SAID[value] for value in row] for row in table]).found
    answer = agreement(found, "question:correct")
    measures = by_name(answer)
    assert list(measures) == ["alpha_nominal", "percent", "fleiss"]
    assert measures["alpha_nominal"]["value"] == pytest.approx(krippendorff_alpha(table), abs=1e-5)
    assert measures["alpha_nominal"]["low"] < measures["alpha_nominal"]["value"] < measures["alpha_nominal"]["high"]
    assert "3 answers" in measures["fleiss"]["title"] and measures["fleiss"]["n"] == 30
    assert [(row["a"], row["b"]) for row in answer["pairs"]] == [("A1", "A2"), ("A1", "A3"), ("A2", "A3")]
    first = answer["pairs"][0]
    assert first["kappa"][0] == pytest.approx(cohen_kappa(table[0], table[1]), abs=1e-5) and first["n"] == 30
    assert first["kappa"][1] < first["kappa"][0] < first["kappa"][2]
    assert first["confusion"]["categories"] == SAID and np.sum(first["confusion"]["counts"]) == 30
    assert first["confusion"]["counts"][0][1] == np.sum((table[0] == 0) & (table[1] == 1))
    assert "kappa_linear" not in first


def test_a_scale_is_ordinal_first_and_has_weighted_kappas():
    table = [[1, 2, 3, 4, 5, 5, 1], [1, 2, 4, 4, 5, 4, 3]]
    answer = agreement(answered(quality=table).found, "question:quality")
    assert list(by_name(answer)) == ["alpha_ordinal", "alpha_interval", "alpha_nominal", "percent", "fleiss"]
    assert by_name(answer)["alpha_ordinal"]["value"] == pytest.approx(krippendorff_alpha(table, "ordinal"), abs=1e-5)
    assert answer["pairs"][0]["kappa_quadratic"][0] == pytest.approx(cohen_kappa(*table, "quadratic"), abs=1e-5)
    assert answer["pairs"][0]["confusion"]["categories"] == ["1", "2", "3", "4", "5"]


def test_each_item_by_two_of_four_people_still_has_fleiss_and_alpha():
    rng = np.random.default_rng(1)
    items = []
    for place in range(20):
        pair = [f"A{1 + place % 4}", f"A{1 + (place + 1) % 4}"]
        items.append({name: state(correct=SAID[rng.integers(0, 2)]) for name in pair})
    answer = agreement(material(items).found, "question:correct")
    assert by_name(answer)["fleiss"]["value"] is not None and by_name(answer)["fleiss"]["n"] == 20
    assert len(answer["pairs"]) == 4 and sum(row["n"] for row in answer["pairs"]) == 20


def test_options_chosen_together_and_tokens_are_categories():
    multi = answered(topics=[[["sums"], ["sums", "words"]] * 3, [["sums"], ["words"]] * 3]).found
    answer = agreement(multi, "question:topics")
    assert by_name(answer)["percent"]["value"] == 0.5
    assert answer["pairs"][0]["confusion"]["categories"] == ["sums", "sums + words", "words"]
    where = answered(where=[[3, "nowhere", 0, 5, 5], [3, "nowhere", 1, 5, 5]]).found
    answer = agreement(where, "question:where")
    assert by_name(answer)["percent"]["value"] == 0.8
    assert answer["pairs"][0]["confusion"]["categories"] == ["nowhere", "0", "1", "3", "5"]


def test_labels_are_compared_token_by_token_and_span_by_span():
    items = [{
        "A1": state([("errors", "factual", 2, 5), ("errors", "vague", 8, 9)]),
        "A2": state([("errors", "factual", 2 + place % 2, 5)]),
    } for place in range(10)]  # fmt: skip
    found = material(items).found
    answer = agreement(found, "label:errors/factual")
    measures = by_name(answer)
    grids = np.zeros((2, 200))
    for place in range(10):
        grids[0, 20 * place + 2 : 20 * place + 5] = 1
        grids[1, 20 * place + 2 + place % 2 : 20 * place + 5] = 1
    assert measures["alpha_tokens"]["value"] == pytest.approx(krippendorff_alpha(grids), abs=1e-5)
    assert measures["f1_exact"]["value"] == 0.5 and measures["f1_overlap"]["value"] == 1
    assert answer["pairs"][0]["confusion"] == {
        "categories": ["no label", "Factual error"],
        "counts": [[170, 0], [5, 25]],
    }
    assert answer["pairs"][0]["kappa"][0] == pytest.approx(cohen_kappa(*grids), abs=1e-5)
    every = by_name(agreement(found, "set:errors"))
    assert every["f1_overlap"]["value"] == pytest.approx(2 * 10 / 30, abs=1e-5)
    assert every["gamma"]["value"] is not None or "not installed" in every["gamma"]["reason"]


def test_labels_of_tokens_have_no_spans():
    items = [{"A1": state([("marks", "odd", 2, 6)]), "A2": state([("marks", "odd", 4, 6)])}] * 6
    measures = by_name(agreement(material(items).found, "set:marks"))
    assert list(measures) == ["alpha_tokens", "f1_tokens"] and measures["f1_tokens"]["value"] == pytest.approx(
        4 / 6, abs=1e-5
    )


def test_labels_of_the_second_run_count_as_its_own():
    pairs = [(trace(i), trace(i + 50, tokens=9)) for i in range(6)]
    same = [{"A1": state([("errors", "vague", 1, 3, 1)]), "A2": state([("errors", "vague", 1, 3, 1)])}] * 6
    other = [{"A1": state([("errors", "vague", 1, 3, 1)]), "A2": state([("errors", "vague", 1, 3, 0)])}] * 6
    assert by_name(agreement(material(same, pairs).found, "set:errors"))["f1_exact"]["value"] == 1
    assert by_name(agreement(material(other, pairs).found, "set:errors"))["f1_overlap"]["value"] == 0


def test_training_checks_and_what_was_not_submitted_are_left_out():
    agreed = {"A1": state(correct="yes"), "A2": state(correct="yes")}
    split = {"A1": state(correct="yes"), "A2": state(correct="no")}
    open_ = {"A1": state(correct="no"), "A2": state(status="open", correct="yes")}
    skipped = {"A1": state(correct="no"), "A2": state(status="skipped", correct="yes")}
    found = material(
        [agreed, split, agreed, split, open_, skipped], parts=lambda i: ["work", "work", "training", "check"][min(i, 3)]
        if i < 4 else "work",
    ).found  # fmt: skip
    answer = agreement(found, "question:correct")
    assert answer["n_items"] == 2 and by_name(answer)["percent"]["value"] == 0.5
    assert answer["pairs"][0]["n"] == 2


def test_one_annotator_nobody_and_nothing_shared_say_so():
    alone = agreement(material([{"A1": state(correct="yes")}] * 3).found, "question:correct")
    assert alone["reason"].startswith("One annotator only") and alone["pairs"] == []
    assert {one["value"] for one in alone["measures"]} == {None} and alone["raters"] == ["A1"]
    assert all(one["reason"] for one in alone["measures"])
    nobody = agreement(material([{}, {}]).found, "set:errors")
    assert nobody["reason"].startswith("Nobody has submitted") and nobody["raters"] == []
    apart = agreement(material([{"A1": state()}, {"A2": state()}]).found, "set:errors")
    assert "No item was submitted by two" in apart["reason"] and apart["n_items"] == 0


@pytest.mark.parametrize("target", ["question:correct", "question:quality", "set:errors", "set:marks"])
def test_no_variance_is_undefined_never_nought_or_one(target):
    same = {"correct": "yes", "quality": 4}
    answer = agreement(material([{"A1": state(**same), "A2": state(**same)}] * 8).found, target)
    for name, one in by_name(answer).items():
        if name == "percent":
            assert one["value"] == 1
        else:
            assert one["value"] is None and one["low"] is None and one["reason"], name
    assert by_name(answer)[next(iter(by_name(answer)))]["reason"] == "one category only"


def test_a_question_that_nobody_answered_says_so():
    answer = agreement(answered(correct=[["", ""], ["", ""]]).found, "question:correct")
    assert "no item on which two people answered" in answer["reason"] and answer["pairs"] == []


def test_people_come_in_the_order_of_their_numbers():
    items = [{f"A{i}": state(correct="yes" if i % 2 else "no") for i in (10, 2, 1)}]
    assert agreement(material(items).found, "question:correct")["raters"] == ["A1", "A2", "A10"]


def crowd(people, items, each):
    """Many annotators; the first two share every item, the others some."""
    rng = np.random.default_rng(0)
    said = []
    for place in range(items):
        names = [1, 2, *(3 + (place * each + i) % (people - 2) for i in range(each))]
        said.append({
            f"A{name}": state([("errors", "factual", int(rng.integers(0, 5)), 8)], correct=SAID[rng.integers(0, 3)])
            for name in names
        })  # fmt: skip
    return material(said).found


@pytest.mark.parametrize("target", ["set:errors", "question:correct"])
def test_of_many_pairs_those_with_most_items_in_common_are_shown_and_it_says_so(target):
    answer = agreement(crowd(16, 40, 9), target)
    assert len(answer["pairs"]) == MOST_PAIRS
    assert f"the {MOST_PAIRS} with most items in common" in answer["reason"]
    assert (answer["pairs"][0]["a"], answer["pairs"][0]["b"], answer["pairs"][0]["n"]) == ("A1", "A2", 40)
    order = [(int(row["a"][1:]), int(row["b"][1:])) for row in answer["pairs"]]
    assert order == sorted(order)
    few = agreement(crowd(6, 40, 3), target)
    assert len(few["pairs"]) == 15 and not few["reason"]


def test_pairs_need_no_table_of_every_item():
    labels = ", ".join(f"l{i}" for i in range(40))
    schema = f"labels: [{{name: many, unit: token, labels: [{labels}]}}]"
    rng = np.random.default_rng(0)
    found = material([
        {f"A{name}": state([("many", f"l{rng.integers(0, 40)}", 2, 9)]) for name in range(1, 11)} for _ in range(60)
    ], schema=schema).found  # fmt: skip
    tracemalloc.start()
    answer = agreement(found, "set:many")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 45 pairs of 60 items of 41 x 41 cells would be 36 MB
    assert len(answer["pairs"]) == 45 and peak < 20e6


@pytest.mark.parametrize(
    "target",
    [
        "",
        "set",
        "set:none",
        "label:errors/none",
        "question:why",
        "question:correct@token",
        "set:errors@pair",
        "x" * 999,
    ],
)
def test_an_unknown_target_names_those_that_there_are(target):
    with pytest.raises(BadInput, match=r"set:errors, label:errors/factual") as caught:
        agreement(material([{}]).found, target)
    assert len(str(caught.value)) < 600


def test_the_level_of_a_target_follows_what_is_labelled():
    schema = material([{}]).found.schema
    asked = ("set:errors", "set:marks", "question:where", "question:better", "question:correct", "set:errors@run")
    levels = {uid: read_target(schema, uid).level for uid in asked}
    assert levels == {
        "set:errors": "span", "set:marks": "token", "question:where": "token", "question:better": "pair",
        "question:correct": "run", "set:errors@run": "run",
    }  # fmt: skip
    assert read_target(schema, "label:marks/odd").label == "odd"
