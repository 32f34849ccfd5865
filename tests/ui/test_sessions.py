"""Promises to who makes a session: what is wrong is said with its name, what is answered stays, the rest can change."""

from __future__ import annotations

import json

import pytest

from engine.errors import BadInput, NotFound
from engine.label_schema import SchemaError
from engine.models import LanguageModel
from storage.database import Store
from tests.support.sessions import OWNER, SCHEMA, STRANGER, Desk, event, label, make, with_runs
from ui.annotating import Annotating
from ui.session_presets import PRESETS
from ui.session_results import Results
from ui.sessions import Sessions

PAIRS = "questions: [{name: better, kind: preference}]"


def test_every_preset_is_a_schema_that_can_be_used(store: Store) -> None:
    sessions = Sessions(store, Results(store))
    assert {row["name"] for row in sessions.defaults()["presets"]} == {preset.name for preset in PRESETS}
    for preset in PRESETS:
        assert sessions.check_schema(preset.schema)["ok"], preset.name


def test_a_wrong_schema_is_told_line_by_line(store: Store) -> None:
    found = Sessions(store, Results(store)).check_schema("labels:\n  - name: a\n    unit: word\n    labels: [x]\n")
    assert not found["ok"] and found["schema"] is None
    assert [row["line"] for row in found["problems"]] == [3] and "word" in found["problems"][0]["reason"]


def test_a_new_session_has_what_was_asked_for(desk: Desk) -> None:
    made = desk.overview()
    assert (made["title"], made["status"], made["role"], made["items"]) == ("Errors", "open", "owner", 3)
    assert made["settings"]["order"] == "fixed" and made["settings"]["overlap"] == 2 and made["blind"]
    assert [row["id"] for row in made["targets"]] == [
        "set:errors", "label:errors/wrong", "label:errors/odd", "question:correct", "question:quality",
    ]  # fmt: skip
    assert Sessions(desk.store, desk.results).check_schema(made["schema_yaml"])["schema"] == made["schema"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"runs": []}, "at least one run"),
        ({"runs": "abc"}, "at least one run"),
        ({"runs": ["not there"]}, "not there"),
        ({"runs": [["a", "a"]]}, "itself"),
        ({"runs": [{"run": "a", "part": "check"}]}, "known answer"),
        ({"runs": [{"run": "a", "sort": "check"}]}, "sort"),
        ({"title": "  "}, "title"),
        ({"title": 3}, "title"),
        ({"schema": "questions: 3"}, "questions"),
        ({"schema": PAIRS}, "pairs"),
        ({"guidelines": None}, "guidelines"),
        ({"settings": {"overlap": -1}}, "overlap"),
        ({"settings": {"overlap": True}}, "overlap"),
        ({"settings": {"colour": 1}}, "colour"),
        ({"settings": {"order": "uncertain"}}, "score"),
        ({"settings": {"order_score": "luckiness"}}, "luckiness"),
        ({"settings": {"order_score": ["x"]}}, "order by"),
        ({"settings": {"order": ["x"]}}, "order"),
        ({"settings": {"opens_at": "tomorrow"}}, "tomorrow"),
        ({"settings": {"opens_at": "0001-01-01T00:00+14:00"}}, "opens_at"),
        ({"settings": {"opens_at": "2026-02-01", "closes_at": "2026-01-01"}}, "close before"),
        ({"settings": {"blind": True, "show_scores": True}}, "blind"),
        ({"settings": {"quiz": [{"question": "?", "options": ["a"], "answer": "a"}]}}, "two options"),
        ({"settings": {"quiz": [{"question": "?", "options": ["a", "b"], "answer": "c"}]}}, "one of its options"),
        ({"settings": 3}, "named values"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_name(store: Store, runs: list[str], changes: dict, sentence: str) -> None:
    asked = {"title": "T", "runs": runs, "schema": SCHEMA, "guidelines": "", "settings": {}} | changes
    with pytest.raises((BadInput, NotFound), match=sentence):
        Sessions(store, Results(store)).create(**asked, viewer=OWNER)
    assert Annotating(store).mine(OWNER) == [], "nothing was made"


def test_a_known_answer_has_to_fit_the_schema_and_the_text(store: Store, runs: list[str]) -> None:
    far = {"labels": [{"set": "errors", "label": "wrong", "run": 0, "start": 3, "stop": 1000}]}
    for expected in (far, {"answers": {"correct": "maybe"}}, {"labels": [{"set": "errors"}]}):
        with pytest.raises(BadInput, match="item 2"):
            make(store, [runs[0], {"run": runs[1], "part": "check", "expected": expected}])


def test_somebody_elses_runs_cannot_be_put_into_a_session(store: Store, tiny: LanguageModel) -> None:
    theirs = with_runs(store, tiny, 1, owner="visitor:theirs")
    with pytest.raises(NotFound):
        make(store, theirs)


def test_the_most_uncertain_runs_come_first_where_that_is_asked(store: Store, runs: list[str]) -> None:
    entropy = {uid: store.runs.header(uid, viewer=OWNER.name).run_scores["mean_entropy"] for uid in runs}
    desk = make(store, runs, order="uncertain", order_score="mean_entropy")
    listed = sorted(desk.results.items(desk.session, 0, 50, "", OWNER)["rows"], key=lambda row: row["place"])
    assert [row["runs"][0] for row in listed] == sorted(runs, key=lambda uid: -entropy[uid])
    sure = make(store, runs, order="uncertain", order_score="min_probability")
    listed = sorted(sure.results.items(sure.session, 0, 50, "", OWNER)["rows"], key=lambda row: row["place"])
    least = {uid: store.runs.header(uid, viewer=OWNER.name).run_scores["min_probability"] for uid in runs}
    assert [row["runs"][0] for row in listed] == sorted(runs, key=lambda uid: least[uid]), "low is uncertain there"


def test_guidelines_change_as_a_new_version_that_is_recorded_with_each_label(desk: Desk) -> None:
    person = desk.invite()
    person.next()
    person.save(label(0, 1))
    assert desk.sessions.edit(desk.session, {"guidelines": "Read it twice."}, OWNER)["guidelines_version"] == 2
    person.save(label(1, 2))
    # somebody whose page still shows the first version
    late = {**event(*label(3, 4)), "guidelines_version": 1}
    person.annotating.save("", person.item["item"], [late], person.link, STRANGER)
    versions = [row.event.guidelines_version for row in desk.store.annotations.all_events(desk.session, viewer="local")
                if row.event.kind == "label"]  # fmt: skip
    assert versions == [1, 2, 1]


def test_the_schema_stays_once_something_was_answered_and_can_be_forked(desk: Desk) -> None:
    other = SCHEMA.replace("odd", "strange")
    assert "strange" in desk.sessions.edit(desk.session, {"schema": other}, OWNER)["schema_yaml"]
    person = desk.invite()
    person.next()
    person.save(label(0, 1))
    with pytest.raises(BadInput, match="fork"):
        desk.sessions.edit(desk.session, {"schema": SCHEMA}, OWNER)
    forked = desk.sessions.fork(desk.session, "Second round", SCHEMA, OWNER)
    assert forked["session"] != desk.session and (forked["items"], forked["members"]) == (3, [])
    assert not forked["answered"] and "odd" in forked["schema_yaml"]


def test_runs_that_left_the_library_stay_in_the_session(desk: Desk, store: Store, runs: list[str]) -> None:
    store.runs.delete(runs, viewer=OWNER.name)
    person = desk.invite()
    assert person.next()["runs"][0]["tokens"]
    person.submit()
    rows = desk.results.items(desk.session, 0, 50, "", OWNER)["rows"]
    assert [row["gone"] for row in rows] == [[True]] * 3 and all(row["text"] for row in rows)


def test_a_personal_link_is_told_once_and_a_new_one_ends_the_old(desk: Desk) -> None:
    person = desk.invite("Ada")
    assert person.link not in json.dumps(desk.overview())
    member = desk.member("Ada")["uid"]
    renewed = desk.sessions.change_member(desk.session, member, {"new_link": True}, OWNER)["link"]
    with pytest.raises((BadInput, NotFound)):
        person.next()
    assert person.annotating.next("", renewed.removeprefix("?annotate="), STRANGER)["item"]


def test_somebody_else_may_neither_see_nor_change_a_session(desk: Desk) -> None:
    person = desk.invite("Ada")
    for attempt in (
        lambda: desk.results.overview(desk.session, "", STRANGER),
        lambda: desk.results.overview(desk.session, person.link, STRANGER),
        lambda: desk.results.export(desk.session, "jsonl", False, person.link, STRANGER),
        lambda: desk.results.disputes(desk.session, person.link, STRANGER),
        lambda: desk.sessions.edit(desk.session, {"title": "Mine"}, STRANGER),
        lambda: desk.sessions.add(desk.session, "Eve", "annotator", None, STRANGER),
        lambda: desk.sessions.delete(desk.session, STRANGER),
        lambda: desk.sessions.fork(desk.session, "Mine", "", STRANGER),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert desk.overview()["title"] == "Errors"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (("", "annotator", None), "name"),
        (("Ada", "king", None), "king"),
        (("Ada", "annotator", -1), "days"),
        (("Ada", "annotator", "soon"), "days"),
    ],
)
def test_a_person_needs_a_name_and_a_role(desk: Desk, values: tuple, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        desk.sessions.add(desk.session, *values, OWNER)


@pytest.mark.parametrize("changes", [{}, {"owner": "me"}, {"status": "paused"}, {"title": ""}, 5])
def test_an_impossible_change_is_refused(desk: Desk, changes: object) -> None:
    with pytest.raises(BadInput):
        desk.sessions.edit(desk.session, changes, OWNER)


def test_a_deleted_session_comes_back_as_it_was(desk: Desk) -> None:
    person = desk.invite()
    person.next()
    person.submit()
    desk.sessions.delete(desk.session, OWNER)
    assert Annotating(desk.store).mine(OWNER) == []
    with pytest.raises((BadInput, NotFound)):
        person.next()
    assert desk.sessions.restore(desk.session, OWNER)["progress"]["answers"] == 1


def test_joining_twice_is_joining_once(desk: Desk) -> None:
    first = desk.sessions.join(desk.session, OWNER)["member"]
    assert desk.sessions.join(desk.session, OWNER)["member"] == first
    assert len(desk.overview()["members"]) == 1
    with pytest.raises(SchemaError):
        desk.sessions.fork(desk.session, "T", "labels: 3", OWNER)
