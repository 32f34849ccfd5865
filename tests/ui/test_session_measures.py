"""Scores are held against what people said, turned the right way, at the right places, and what is left out is told."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from engine import run_scores, token_scores
from engine.errors import BadInput
from engine.types import Trace
from tests.support.session_material import frozen, material, state, trace
from ui.session_evidence import collect, stretches
from ui.session_measures import MOST_WRONG_OF_AN_ITEM, Question, curves, scores
from ui.session_ratings import read_target
from ui.session_scores import columns, labelled_part, run_values, token_rows
from ui.session_truth import positives, read_positive, verdicts

ASKED = Question("label:errors/factual", "majority")


def by_name(answer):
    return {row["name"]: row for row in answer["rows"]}


def asked(given, question, **changes):
    return scores(given.found, question, **given.parts(**changes))


def marked(items=30, tokens=20, seed=0, signal=1.5):
    """Single-token labels of one person, and runs whose entropy is higher there."""
    rng = np.random.default_rng(seed)
    said, runs, truth, entropies = [], [], [], []
    for place in range(items):
        wrong = rng.random(tokens) < 0.2
        wrong[-1] = False
        entropy = rng.gamma(2.0, 0.5, tokens) + signal * wrong
        said.append({"A1": state([("marks", "odd", int(i), int(i) + 1) for i in np.flatnonzero(wrong)])})
        runs.append(trace(place, tokens, entropy))
        truth.append(wrong[:-1])
        entropies.append(entropy[:-1])
    return material(said, runs), np.concatenate(truth), np.concatenate(entropies).astype(np.float32)


def test_token_scores_are_held_against_every_token_but_control_tokens():
    given, truth, entropy = marked()
    answer = asked(given, Question("label:marks/odd", "A1"))
    assert (answer["level"], answer["n"], answer["positives"], answer["items"]) == ("token", 570, truth.sum(), 30)
    row = by_name(answer)["entropy"]
    assert row["auroc"][0] == pytest.approx(roc_auc_score(truth, entropy), abs=1e-5)
    assert row["ap"][0] == pytest.approx(average_precision_score(truth, entropy), abs=1e-5)
    assert row["auroc"][1] < row["auroc"][0] < row["auroc"][2] and row["n"] == 570
    assert answer["rows"][0]["name"] == "entropy" and "Control tokens" in answer["reason"]
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_every_token_score_of_the_registry_has_a_row():
    given, _, _ = marked(items=6)
    answer = asked(given, Question("label:marks/odd", "A1"))
    rows = by_name(answer)
    assert set(rows) == set(token_scores.REGISTRY)
    assert "no order" in rows["quadrant"]["reason"] and rows["quadrant"]["auroc"] == [None, None, None]
    assert "not recorded" in rows["rauq"]["reason"] and rows["rauq"]["n"] == 0
    values = [row["auroc"][0] for row in answer["rows"] if row["auroc"][0] is not None]
    assert values == sorted(values, reverse=True) and len(values) == len(rows) - 3


def test_scores_of_confidence_are_turned_round():
    run = trace(0)
    rows = dict(zip((one.name for one in columns("token")), token_rows(frozen(run, "r"), run), strict=True))
    assert rows["probability"] == pytest.approx(-run.scores["probability"])
    assert rows["minkpp"] == pytest.approx(-run.scores["minkpp"])
    assert rows["curvature_share"] == pytest.approx(-run.scores["curvature_share"])
    assert rows["entropy"] == pytest.approx(run.scores["entropy"]) and rows["rank"] == pytest.approx(run.scores["rank"])
    by_direction = {one.name: one.sign for one in columns("run")}
    for name, entry in run_scores.REGISTRY.items():
        assert by_direction[name] == (1 if entry.direction == "uncertain" else -1)


def test_run_scores_and_summaries_of_tokens_are_held_against_answers():
    rng = np.random.default_rng(3)
    wrong = rng.random(40) < 0.4
    runs = [trace(i, 20, rng.gamma(2.0, 0.5 + bad)) for i, bad in enumerate(wrong)]
    runs = [trace(i, 20, rng.gamma(2.0, 0.3 + 0.5 * bad, 20)) for i, bad in enumerate(wrong)]
    given = material([{"A1": state(correct="no" if bad else "yes")} for bad in wrong], runs)
    answer = asked(given, Question("question:correct", "A1"))
    assert (answer["level"], answer["n"], answer["positives"]) == ("run", 40, wrong.sum())
    assert (answer["positive"], answer["positive_title"]) == ("no", "no")
    rows = by_name(answer)
    assert set(run_scores.REGISTRY) <= set(rows) and {"mean_varentropy", "max_surprisal", "min_margin"} <= set(rows)
    means = [run_scores.compute(run)["mean_entropy"] for run in runs]
    assert rows["mean_entropy"]["auroc"][0] == pytest.approx(roc_auc_score(wrong, means), abs=1e-5)
    least = [-run_scores.compute(run)["min_probability"] for run in runs]
    assert rows["min_probability"]["auroc"][0] == pytest.approx(roc_auc_score(wrong, least), abs=1e-5)
    assert rows["mean_varentropy"]["auroc"][0] == pytest.approx(
        roc_auc_score(wrong, [run.scores["varentropy"].mean() for run in runs]), abs=1e-5
    )
    assert rows["rauq_uncertainty"]["auroc"][0] is None and len(answer["rows"]) == len(columns("run"))


def test_no_summary_of_tokens_stands_twice():
    for level in ("token", "span", "run", "pair"):
        names = [one.name for one in columns(level)]
        assert len(names) == len(set(names)) > 15
        assert len({one.title for one in columns(level)}) == len(names)


def test_spans_are_compared_with_unlabelled_text_of_the_same_lengths():
    said = [{"A1": state([("errors", "factual", 3, 6), ("errors", "vague", 9, 11)])} for _ in range(8)]
    said += [{"A1": state()}] * 4
    given = material(said)
    target = read_target(given.found.schema, "label:errors/factual")
    truth = verdicts(given.found, (), "A1")
    found = collect(target, "", truth, given.items, lambda run: given.runs[run.uid])
    lengths = found.places[:, 3] - found.places[:, 2]
    assert (lengths == 3).all() and found.labels.sum() == 8
    for i, label in enumerate(found.labels):
        place = found.place(i)
        touches = place.item < 8 and place.start < 6 and place.stop > 3
        assert touches == label and place.stop <= 19
    # 3 tokens before the span, 13 behind it; in the items without a span 19 tokens
    assert (~found.labels).sum() == 8 * (1 + 4) + 4 * 6
    run, place = given.runs["run-0-0"], found.place(0)
    names = [one.name for one in columns("span")]
    part = run.scores["surprisal"][place.start : place.stop]
    assert found.values[names.index("mean_surprisal"), 0] == pytest.approx(part.mean(), abs=1e-6)
    assert found.values[names.index("max_surprisal"), 0] == pytest.approx(part.max(), abs=1e-6)
    part = run.scores["margin"][place.start : place.stop]
    assert found.values[names.index("min_margin"), 0] == pytest.approx(-part.min(), abs=1e-6)


def test_spans_at_random_are_told_from_nothing_the_largest_value_too():
    # against whole unlabelled stretches the largest of many tokens would beat the largest of few
    rng, values = np.random.default_rng(0), []
    for seed in range(6):
        said = []
        for _ in range(25):
            start = int(rng.integers(0, 34))
            said.append({"A1": state([("errors", "factual", start, start + int(rng.integers(1, 6)))])})
        given = material(said, [trace(1_000 * seed + i, 40) for i in range(25)])
        rows = by_name(asked(given, Question("label:errors/factual", "A1")))
        values.append(
            [rows[name]["auroc"][0] for name in ("mean_surprisal", "max_surprisal", "min_margin", "max_rank")]
        )
    assert np.mean(values, axis=0) == pytest.approx(0.5, abs=0.06)


def test_labels_may_be_asked_for_at_any_level():
    said = [{"A1": state([("errors", "factual", 3, 6)] if place % 2 else [])} for place in range(20)]
    given = material(said)
    token, run = (asked(given, Question(f"label:errors/factual@{level}", "A1")) for level in ("token", "run"))
    assert (token["level"], token["n"], token["positives"]) == ("token", 20 * 19, 30)
    assert (run["level"], run["n"], run["positives"]) == ("run", 20, 10)


def test_which_token_it_was_is_held_against_all_the_others():
    said = [{"A1": state(where=3)}, {"A1": state(where="nowhere")}, {"A1": state()}, {"A1": state(where=0)}]
    answer = asked(material(said), Question("question:where", "A1"))
    assert (answer["level"], answer["n"], answer["positives"], answer["items"]) == ("token", 57, 2, 3)


def test_the_majority_decides_and_ties_are_left_out_and_counted():
    yes, no = state([("marks", "odd", 2, 4)], correct="no"), state([("marks", "odd", 3, 5)], correct="yes")
    said = [{"A1": yes, "A2": no, "A3": yes}, {"A1": yes, "A2": no}, {"A1": no, "A2": no}]
    given = material(said)
    run = asked(given, Question("question:correct", "majority"))
    assert (run["n"], run["positives"]) == (2, 1) and "1 item on which as many say yes as no" in run["reason"]
    token = asked(given, Question("label:marks/odd", "majority"))
    assert (token["n"], token["positives"]) == (3 * 19 - 2, 2 + 1 + 2)
    assert "2 tokens on which as many" in token["reason"]


def test_gold_is_what_was_settled_and_one_person_is_one_person():
    said = [{"A1": state(correct="no"), "A2": state(correct="yes")} for _ in range(6)]
    settled = {place: state(correct="no" if place < 2 else "yes") for place in range(5)}
    given = material(said).settled(settled)
    gold = asked(given, Question("question:correct", "gold"))
    assert (gold["n"], gold["positives"]) == (5, 2) and gold["againsts"] == ["majority", "gold", "A1", "A2"]
    alone = asked(given, Question("question:correct", "A1"))
    assert alone["rows"] == [] and "All 6 answers are positive" in alone["reason"]
    none = asked(material(said), Question("question:correct", "gold"))
    assert none["n"] == 0 and "no final labels yet" in none["reason"] and none["rows"] == []


def test_gold_takes_in_what_nobody_disputes_and_says_how_much():
    agreed, split = {"A1": state(correct="yes"), "A2": state(correct="yes")}, {"A1": state(correct="no"), "A2": state()}
    given = material([agreed, agreed, split, split, {"A1": state(correct="no")}]).settled({2: state(correct="no")})
    answer = asked(given, Question("question:correct", "gold"))
    assert (answer["n"], answer["positives"]) == (3, 1) and "2 items that nobody disputes" in answer["reason"]
    changed = given.settled({0: state(correct="no"), 2: state(correct="no")})
    assert asked(changed, Question("question:correct", "gold"))["positives"] == 2


def test_final_labels_hold_as_labels_do():
    given = material([{"A1": state()}] * 6).settled({0: state([("marks", "odd", 2, 4)]), 1: state()})
    answer = asked(given, Question("label:marks/odd", "gold"))
    assert (answer["n"], answer["positives"], answer["items"]) == (38, 2, 2)


def test_training_and_checks_are_left_out():
    said = [{"A1": state(correct=value)} for value in ("no", "yes", "no", "yes", "no")]
    given = material(said, parts=lambda place: ("work", "work", "training", "check", "work")[place])
    answer = asked(given, Question("question:correct", "A1"))
    assert (answer["n"], answer["positives"]) == (3, 2)
    wrong = curves(given.found, Question("question:correct", "A1"), "mean_entropy", **given.parts())["wrong"]
    assert {row["item"] for row in wrong} <= {"item-0", "item-1", "item-4"}


def test_runs_that_are_gone_or_differ_have_no_scores_and_are_counted():
    given, _, _ = marked(items=10)
    runs = dict(given.runs)
    del runs["run-0-0"]
    runs["run-1-0"] = trace(77)
    answer = asked(given, Question("label:marks/odd", "A1"), trace_of=lambda run: runs.get(run.uid))
    whole = asked(given, Question("label:marks/odd", "A1"))
    assert answer["n"] == whole["n"] == 190 and by_name(answer)["entropy"]["n"] == 152
    assert "Without scores: 2 answers" in answer["reason"] and "Without" not in whole["reason"]


def test_a_run_that_went_on_is_scored_as_far_as_it_was_labelled():
    run = trace(8, 60, special=False)
    short = frozen(replace_tokens(run, 12), "r")
    cut = labelled_part(short, run)
    assert len(cut.pieces) == 12 and cut.scores["entropy"] == pytest.approx(run.scores["entropy"][:12])
    expected = token_scores.forking_flag(run.scores["entropy"][:12].astype(float))
    assert cut.scores["forking_flag"].tolist() == expected.tolist()
    assert cut.scores["forking_flag"].tolist() != run.scores["forking_flag"][:12].tolist()
    names = [one.name for one in columns("run")]
    assert run_values(short, run)[names.index("mean_entropy")] == pytest.approx(
        run.scores["entropy"][:12].mean(), abs=1e-6
    )
    assert np.isnan(run_values(short, trace(6, 60))).all() and np.isnan(run_values(short, None)).all()


def replace_tokens(run: Trace, n: int) -> Trace:
    return replace(run, token_ids=run.token_ids[:n], pieces=run.pieces[:n], text="".join(run.pieces[:n]))


def test_a_first_token_without_a_distribution_is_left_out_of_whole_answers():
    run = trace(0)
    scores_ = {name: np.concatenate([[np.nan], values[1:]]).astype(np.float32) for name, values in run.scores.items()}
    names = [one.name for one in columns("run")]
    values = dict(zip(names, run_values(frozen(run, "r"), replace(run, scores=scores_)), strict=True))
    assert values["mean_surprisal"] == pytest.approx(run.scores["surprisal"][1:].mean(), abs=1e-6)
    assert values["mean_varentropy"] == pytest.approx(run.scores["varentropy"][1:].mean(), abs=1e-6)


def test_each_run_is_read_once():
    given, _, _ = marked(items=5)
    read = []
    asked(given, Question("label:marks/odd", "A1"), trace_of=lambda run: read.append(run.uid) or given.runs[run.uid])
    assert sorted(read) == sorted(given.runs)


def test_of_two_answers_the_one_that_is_not_preferred_should_be_the_more_uncertain():
    rng = np.random.default_rng(0)
    pairs, said = [], []
    for place in range(30):
        b = rng.random() < 0.5
        low, high = rng.gamma(2.0, 0.3, 20), rng.gamma(2.0, 0.3, 20) + 0.5
        pairs.append((trace(place, 20, high if b else low), trace(place + 99, 20, low if b else high)))
        said.append({"A1": state(better="b" if b else "a")})
    said[0] = {"A1": state(better="tie")}
    given = material(said, pairs)
    for positive in (None, "a", "b"):
        answer = asked(given, Question("question:better", "A1", positive))
        assert (answer["level"], answer["n"]) == ("pair", 29) and "1 item without a preference" in answer["reason"]
        assert by_name(answer)["mean_entropy"]["auroc"][0] > 0.95
    assert answer["positive_title"] == "b preferred"


def test_a_question_on_one_answer_says_nothing_of_two():
    given = material([{"A1": state(correct="no")}] * 3, [(trace(i), trace(i + 9)) for i in range(3)])
    answer = asked(given, Question("question:correct", "A1"))
    assert answer["n"] == 0 and "3 items with another number of answers" in answer["reason"]


def test_what_counts_as_one_is_the_usual_answer_or_the_one_chosen():
    schema = material([{}]).found.schema
    assert (
        positives(schema.question("correct"))[0] == "no"
        and read_positive(schema.question("correct"), "unsure") == "unsure"
    )
    assert positives(schema.question("quality")) == ("2", "1", "3", "4")
    assert positives(schema.question("topics")) == ("sums", "words") and positives(schema.question("better")) == (
        "b",
        "a",
    )
    assert positives(schema.question("where")) == () and read_positive(None, "no") == ""
    said = [{"A1": state(quality=value)} for value in (1, 2, 3, 4, 5)]
    counts = {
        value: asked(material(said), Question("question:quality", "A1", value))["positives"]
        for value in (None, "1", "4")
    }
    assert counts == {None: 2, "1": 1, "4": 4}
    assert asked(material(said), Question("question:quality", "A1"))["positive_title"] == "2 or less"
    topics = material([{"A1": state(topics=["sums", "words"])}, {"A1": state(topics=["words"])}])
    assert asked(topics, Question("question:topics", "A1", "words"))["positives"] == 2
    assert asked(topics, Question("question:topics", "A1", "sums"))["positives"] == 1


def test_one_kind_of_label_has_no_figures_and_says_why():
    answer = asked(material([{"A1": state()}] * 6), Question("label:marks/odd", "A1"))
    assert answer["rows"] == [] and answer["positives"] == 0 and "All 114 tokens are negative" in answer["reason"]
    drawn = curves(material([{"A1": state()}] * 6).found, Question("label:marks/odd", "A1"), "entropy",
                   **material([{"A1": state()}] * 6).parts())  # fmt: skip
    assert drawn["roc"] == [] and drawn["wrong"] == [] and drawn["base"] is None and "negative" in drawn["reason"]


def test_nothing_submitted_says_so():
    answer = asked(material([{}, {}]), ASKED)
    assert (answer["n"], answer["rows"]) == (0, []) and "nobody has submitted" in answer["reason"]
    assert answer["againsts"] == ["majority"]


def test_few_items_have_values_without_intervals_and_say_so_once():
    given, _, _ = marked(items=3)
    answer = asked(given, Question("label:marks/odd", "A1"))
    row = by_name(answer)["entropy"]
    assert row["auroc"][0] is not None and row["auroc"][1:] == [None, None] and row["reason"] == ""
    assert "fewer than 5 items" in answer["reason"]


def test_curves_end_where_they_must_and_what_is_wrong_comes_worst_first():
    given, truth, _ = marked(signal=0.6)
    question = Question("label:marks/odd", "A1")
    drawn = curves(given.found, question, "entropy", **given.parts())
    assert drawn["roc"][0] == [0, 0] and drawn["roc"][-1] == [1, 1] and len(drawn["roc"]) <= 200
    assert drawn["risk_coverage"][-1] == [1, pytest.approx(truth.mean(), abs=1e-5)] and drawn["base"]
    assert sum(one["n"] for one in drawn["calibration"]) == 570
    shares = [row["misplaced"] for row in drawn["wrong"]]
    assert shares == sorted(shares, reverse=True) and min(shares) > 0.5 and len(shares) <= 50
    per_item = [row["item"] for row in drawn["wrong"]]
    assert max(map(per_item.count, per_item)) <= 2 * MOST_WRONG_OF_AN_ITEM
    first = drawn["wrong"][0]
    run = given.runs[first["run"]]
    assert first["text"] == run.pieces[first["token"]] and first["place"] == int(first["item"].split("-")[1]) + 1
    assert first["value"] == pytest.approx(float(run.scores["entropy"][first["token"]]), rel=1e-5)
    labels = {(row["item"], row["token"]): row["label"] for row in drawn["wrong"]}
    for (item, token), label in labels.items():
        place = int(item.split("-")[1])
        assert label == truth[19 * place + token]
    assert {row["label"] for row in drawn["wrong"]} == {0, 1}
    assert json.loads(json.dumps(drawn, allow_nan=False)) == drawn


def test_values_of_confidence_are_shown_as_they_are():
    given, _, _ = marked(items=8)
    drawn = curves(given.found, Question("label:marks/odd", "A1"), "probability", **given.parts())
    for row in drawn["wrong"]:
        assert row["value"] == pytest.approx(
            float(given.runs[row["run"]].scores["probability"][row["token"]]), rel=1e-4
        )


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (Question("set:none", "majority"), "set:errors"),
        (Question("question:correct", "A9"), "majority, A1"),
        (Question("question:correct", ""), "majority, A1"),
        (Question("question:correct", "A1", "maybe"), "no, yes, unsure"),
        (Question("question:why", "A1"), "question:correct"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(question, says):
    with pytest.raises(BadInput, match=says):
        asked(material([{"A1": state(correct="no")}]), question)


def test_an_unknown_score_is_named_with_those_that_there_are():
    given = material([{"A1": state(correct="no")}, {"A1": state(correct="yes")}])
    with pytest.raises(BadInput, match=r"no score 'entropy'.*perplexity"):
        curves(given.found, Question("question:correct", "A1"), "entropy", **given.parts())


def test_stretches_are_the_longest_runs():
    assert stretches(np.array([1, 1, 0, 0, 1], dtype=bool)) == [(0, 2), (4, 5)]
    assert stretches(np.zeros(0, dtype=bool)) == [] == stretches(np.zeros(3, dtype=bool))
