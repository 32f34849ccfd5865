"""Promises to who evaluates a session: progress, times and checks are right, disputes are settled without names."""

from __future__ import annotations

import base64
import json

import pytest

from engine.errors import BadInput, NotFound
from engine.models import LanguageModel
from storage.database import Store
from tests.support.sessions import OWNER, SCHEMA, STRANGER, Desk, Person, answer, event, label, make, with_runs
from ui.annotating import Annotating


@pytest.fixture
def runs(store: Store, tiny: LanguageModel) -> list[str]:
    return with_runs(store, tiny, 4)


def work(person: Person, *answers: str) -> None:
    """Submit as many items as there are answers; "no" marks the third token as wrong, too."""
    for correct in answers:
        person.next()
        person.submit(correct, *([label(2, 3)] if correct == "no" else []))


def test_progress_is_told_by_annotator_and_in_all(desk: Desk) -> None:
    work(desk.invite("Ada"), "yes", "no", "yes", "yes")
    grace = desk.invite("Grace")
    work(grace, "no")
    grace.next()
    grace.save(("skip", {"reason": "hard"}))
    grace.next()
    grace.save(("flag", {"on": True}), ("comment", {"text": "odd one"}))
    found = desk.overview()
    assert found["progress"] == {"answers": 5, "needed": 8, "items": 4, "complete_items": 1}
    rows = {row["name"]: row for row in found["members"]}
    assert (rows["Ada"]["done"], rows["Grace"]["done"], rows["Grace"]["skipped"]) == (4, 1, 1)
    assert (rows["Grace"]["open"], rows["Grace"]["flags"], rows["Ada"]["me"]) == (1, 1, "A1")
    listed = {row["place"]: row for row in desk.results.items(desk.session, 0, 50, "", OWNER)["rows"]}
    assert listed[3]["comments"] == [{"by": "A2", "text": "odd one"}] and listed[3]["flags"] == 1


def test_hasty_and_slow_items_are_flagged_and_kept(desk: Desk) -> None:
    person = desk.invite("Ada")
    for ms in (500, 5_000, 6_000, 50_000):
        person.next()
        person.submit(ms=ms)
    row = desk.member("Ada")
    # two actions an item: each carries its time
    assert (row["done"], row["hasty"], row["slow"]) == (4, 1, 1)
    assert row["seconds"] == pytest.approx(11.0)


def test_those_that_differ_most_come_first_and_those_that_agree_are_no_dispute(desk: Desk) -> None:
    work(desk.invite("Ada"), "yes", "no", "yes")
    work(desk.invite("Grace"), "yes", "yes", "unsure")
    disputes = desk.results.disputes(desk.session, "", OWNER)
    assert [row["place"] for row in disputes] == [2, 3], "the second differs in its label, too"
    assert disputes[0]["disagreement"] == 1 and disputes[1]["disagreement"] == 1
    rows = desk.results.items(desk.session, 0, 2, "", OWNER)
    assert rows["total"] == 4 and [row["place"] for row in rows["rows"]] == [2, 3]


def test_sides_come_without_names_and_one_can_be_accepted(desk: Desk) -> None:
    work(desk.invite("Ada"), "yes")
    work(desk.invite("Grace"), "no")
    link = desk.invite("Judge", "adjudicator").link
    item = desk.results.disputes("", link, STRANGER)[0]["item"]
    shown = desk.results.dispute("", item, link, STRANGER)
    assert sorted(side["by"] for side in shown["sides"]) == ["A", "B"] and shown["final"] is None
    assert not any(name in json.dumps(shown) for name in ("Ada", "Grace", "A1", "A2"))
    no = next(side["by"] for side in shown["sides"] if side["state"]["answers"]["correct"] == "no")
    left = desk.results.adjudicate("", item, None, "It is wrong.", 4, no, link, STRANGER)
    assert left["left"] == 0
    final = desk.results.dispute("", item, link, STRANGER)["final"]
    assert (final["state"]["answers"], final["reason"], final["confidence"]) == ({"correct": "no"}, "It is wrong.", 4)
    assert [(row["start"], row["stop"]) for row in final["state"]["labels"]] == [(2, 3)] and final[
        "source"
    ] == "accepted"


def test_a_final_label_can_be_written_and_written_again(desk: Desk) -> None:
    work(desk.invite("Ada"), "yes")
    work(desk.invite("Grace"), "no")
    item = desk.results.disputes(desk.session, "", OWNER)[0]["item"]
    for value in ("unsure", "no"):
        written = {"labels": [], "answers": {"correct": value}}
        desk.results.adjudicate(desk.session, item, written, "", None, "written", "", OWNER)
        assert desk.results.dispute(desk.session, item, "", OWNER)["final"]["state"]["answers"] == {"correct": value}
    assert desk.overview()["finals"] == 1
    with pytest.raises(BadInput, match="maybe"):
        wrong = {"labels": [], "answers": {"correct": "maybe"}}
        desk.results.adjudicate(desk.session, item, wrong, "", None, "written", "", OWNER)
    with pytest.raises(BadInput, match="'Z'"):
        desk.results.adjudicate(desk.session, item, None, "", None, "Z", "", OWNER)
    with pytest.raises(BadInput, match="confidence"):
        desk.results.adjudicate(desk.session, item, None, "", 9, "A", "", OWNER)


def test_who_labelled_an_item_does_not_settle_it_where_somebody_else_can(desk: Desk, store: Store) -> None:
    desk.sessions.join(desk.session, OWNER)
    mine = Annotating(store)
    mine.begin(desk.session, [], "", OWNER)
    item = mine.next(desk.session, "", OWNER)["item"]
    mine.save(desk.session, item, [event(*answer("correct", "yes")), event("submit", {})], "", OWNER)
    work(desk.invite("Grace"), "no")
    desk.invite("Judge", "adjudicator")
    with pytest.raises(BadInput, match="labelled"):
        desk.results.adjudicate(desk.session, item, None, "", None, "A", "", OWNER)


def test_an_owner_who_takes_part_sees_nothing_of_others_before_submitting(desk: Desk) -> None:
    work(desk.invite("Grace"), "no", "no", "no", "no")
    work(desk.invite("Ada"), "yes", "yes", "yes", "yes")
    desk.sessions.join(desk.session, OWNER)
    mine = Annotating(desk.store)
    mine.begin(desk.session, [], "", OWNER)
    rows = desk.results.items(desk.session, 0, 50, "", OWNER)["rows"]
    assert all(row["answers"] == 0 and row["disagreement"] is None for row in rows)
    assert desk.results.disputes(desk.session, "", OWNER) == []
    told = desk.overview()
    assert (told["hidden"], told["progress"]["answers"]) == (4, 8), "how far everybody is stays known"
    assert desk.results.dispute(desk.session, rows[0]["item"], "", OWNER)["sides"] == []
    with pytest.raises(BadInput, match="submit your items first"):
        desk.results.export(desk.session, "jsonl", False, "", OWNER)
    desk.sessions.edit(desk.session, {"status": "closed"}, OWNER)
    assert len(desk.results.disputes(desk.session, "", OWNER)) == 4


def test_a_judgement_of_ones_own_has_to_be_whole(desk: Desk) -> None:
    work(desk.invite("Ada"), "yes")
    work(desk.invite("Grace"), "no")
    item = desk.results.disputes(desk.session, "", OWNER)[0]["item"]
    for state, sentence in (
        ({}, "labels"),
        (None, "labels"),
        ({"answer": {"correct": "no"}, "labels": []}, "answer"),
        ({"labels": [], "answers": {}}, "Is it correct"),
    ):
        with pytest.raises(BadInput, match=sentence):
            desk.results.adjudicate(desk.session, item, state, "", None, "written", "", OWNER)
    assert desk.overview()["finals"] == 0


def test_labels_made_elsewhere_and_people_who_left_are_counted_as_what_they_are(desk: Desk, runs: list[str]) -> None:
    line = json.dumps({"run": runs[0], "answers": {"correct": "no"}})
    desk.sessions.bring_in_labels(desk.session, line, OWNER)
    found = desk.overview()
    assert found["progress"]["answers"] == 0
    assert [(row["role"], row["hasty"], row["seconds"]) for row in found["members"]] == [("import", 0, None)]
    everybody = make(desk.store, runs, overlap=0)
    for name in ("Ada", "Grace"):
        work(everybody.invite(name), "yes", "yes", "yes", "yes")
    everybody.sessions.change_member(everybody.session, everybody.member("Grace")["uid"], {"revoked": True}, OWNER)
    assert everybody.overview()["progress"] == {"answers": 8, "needed": 8, "items": 4, "complete_items": 4}


def test_a_link_of_another_session_opens_no_results(desk: Desk, runs: list[str]) -> None:
    link = desk.invite("Judge", "adjudicator").link
    other = make(desk.store, runs)
    with pytest.raises(NotFound):
        desk.results.overview(other.session, link, STRANGER)
    assert desk.results.led_to(link) == desk.session
    assert desk.results.led_to(desk.invite("Ada").link) == desk.results.led_to("nonsense") == ""


def test_measures_are_asked_anew_after_a_settlement_and_after_a_deletion(desk: Desk, runs: list[str]) -> None:
    work(desk.invite("Ada"), "yes", "no", "yes", "no")
    work(desk.invite("Grace"), "no", "no", "yes", "no")

    def gold() -> dict:
        return desk.results.scores(desk.session, "question:correct", "gold", "no", "", OWNER)

    assert gold()["n"] == 0
    item = desk.results.disputes(desk.session, "", OWNER)[0]["item"]
    desk.results.adjudicate(desk.session, item, None, "", None, "A", "", OWNER)
    settled = gold()
    assert settled["n"] == 4
    desk.store.runs.delete([runs[1]], viewer=OWNER.name)
    assert gold() != settled


def test_agreement_follows_the_labels_and_is_asked_anew_after_each(desk: Desk) -> None:
    work(desk.invite("Ada"), "yes", "no", "yes", "no")
    alone = desk.results.agreement(desk.session, "question:correct", "", OWNER)
    assert alone["reason"] and all(row["value"] is None for row in alone["measures"]), (
        "one annotator agrees with nobody"
    )
    work(desk.invite("Grace"), "yes", "no", "yes", "no")
    both = desk.results.agreement(desk.session, "question:correct", "", OWNER)
    values = {row["name"]: row["value"] for row in both["measures"]}
    assert 1.0 in values.values() and both["n_items"] == 4
    with pytest.raises(BadInput, match="question:nothing"):
        desk.results.agreement(desk.session, "question:nothing", "", OWNER)


def test_scores_are_compared_with_labels_and_lead_to_the_items_they_get_wrong(desk: Desk) -> None:
    for name in ("Ada", "Grace"):
        work(desk.invite(name), "yes", "no", "yes", "no")
    found = desk.results.scores(desk.session, "question:correct", "majority", "no", "", OWNER)
    assert (found["n"], found["positives"], found["positive"]) == (4, 2, "no")
    names = [row["name"] for row in found["rows"]]
    assert "perplexity" in names and len(names) == len(set(names))
    erring = next(row["name"] for row in found["rows"] if row["auroc"][0] is not None and row["auroc"][0] < 1)
    tokens = desk.results.scores(desk.session, "set:errors", "A1", None, "", OWNER)
    assert (tokens["n"] > 4, tokens["positives"]) == (True, 2)
    curves = desk.results.curves(desk.session, "question:correct", erring, "majority", "no", "", OWNER)
    assert curves["roc"] and curves["risk_coverage"] and curves["wrong"][0]["run"]


def test_a_session_without_variance_says_undefined_and_not_a_number(desk: Desk) -> None:
    for name in ("Ada", "Grace"):
        work(desk.invite(name), "yes", "yes", "yes", "yes")
    agreement = desk.results.agreement(desk.session, "question:correct", "", OWNER)
    alpha = next(row for row in agreement["measures"] if "alpha" in row["name"])
    assert alpha["value"] is None and alpha["reason"]
    scores = desk.results.scores(desk.session, "question:correct", "majority", "no", "", OWNER)
    assert scores["reason"] and all(row["auroc"][0] is None for row in scores["rows"])


@pytest.mark.parametrize("form", ["jsonl", "csv", "conll", "parquet"])
def test_files_carry_pseudonyms_unless_the_owner_asks_for_names(desk: Desk, form: str) -> None:
    work(desk.invite("Ada Lovelace"), "no")
    link = desk.invite("Judge", "adjudicator").link
    file = desk.results.export(desk.session, form, False, "", OWNER)
    data = base64.b64decode(file["base64"])
    assert data and file["name"] and b"Lovelace" not in data
    if form == "jsonl":
        named = desk.results.export(desk.session, form, True, "", OWNER)
        assert b"Lovelace" in base64.b64decode(named["base64"])
    with pytest.raises(BadInput, match="owner"):
        desk.results.export(desk.session, form, True, link, STRANGER)


def test_an_unknown_form_or_item_is_refused(desk: Desk) -> None:
    with pytest.raises(BadInput, match="docx"):
        desk.results.export(desk.session, "docx", False, "", OWNER)
    with pytest.raises(NotFound):
        desk.results.dispute(desk.session, "nothing", "", OWNER)
    with pytest.raises(BadInput, match="rows"):
        desk.results.items(desk.session, 0, 10_000, "", OWNER)


def test_a_session_goes_through_a_file_and_comes_back_equal(desk: Desk) -> None:
    work(desk.invite("Ada"), "yes", "no")
    file = base64.b64decode(desk.results.export(desk.session, "jsonl", True, "", OWNER)["base64"]).decode()
    copy = desk.sessions.bring_in(file, STRANGER)
    assert copy["session"] != desk.session and copy["progress"]["answers"] == 2 and copy["role"] == "owner"
    again = desk.results.export(copy["session"], "csv", True, "", STRANGER)["base64"]
    first = desk.results.export(desk.session, "csv", True, "", OWNER)["base64"]
    keep = [line.split(",")[1:] for line in base64.b64decode(first).decode().split("\n")]
    assert [line.split(",")[1:] for line in base64.b64decode(again).decode().split("\n")] == keep


def test_labels_made_elsewhere_are_added_and_what_does_not_fit_is_named(desk: Desk, runs: list[str]) -> None:
    lines = [
        {"run": runs[0], "labels": [{"set": "errors", "label": "wrong", "start": 1, "stop": 2}]},
        {"text": "never said", "answers": {"correct": "no"}},
        {"run": runs[1], "answers": {"correct": "perhaps"}},
    ]
    report = desk.sessions.bring_in_labels(desk.session, "\n".join(map(json.dumps, lines)), OWNER)
    assert report["added"] == 1 and [row["line"] for row in report["refused"]] == [2, 3]


def test_labels_made_elsewhere_say_nothing_of_the_sets_they_do_not_name(desk: Desk, runs: list[str]) -> None:
    schema = SCHEMA.replace("questions:", "  - {name: style, title: Style, unit: span, labels: [bad]}\nquestions:")
    both = make(desk.store, runs, schema=schema, order="fixed")
    work(both.invite("Ada"), "yes", "no", "yes", "no")

    def seen(target: str) -> int:
        return both.results.scores(both.session, f"{target}@token", "majority", None, "", OWNER)["n"]

    before = seen("set:style"), seen("set:errors")
    mark = {"set": "errors", "label": "wrong", "start": 2, "stop": 3}
    both.sessions.bring_in_labels(
        both.session, json.dumps({"run": runs[0], "labels": [mark], "answers": {"correct": "no"}}), OWNER
    )
    assert seen("set:style") == before[0]
    assert seen("set:errors") == before[1] - 1, "one says so, one does not"
