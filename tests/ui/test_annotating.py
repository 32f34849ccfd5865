"""Promises to annotators: one item after another, every action kept once, and nothing of others before its time."""

from __future__ import annotations

import json

import pytest

from engine.errors import BadInput, NotFound
from storage.database import Store
from tests.support.sessions import OWNER, STRANGER, Desk, Person, answer, event, label, make
from ui.annotating import Annotating


def test_a_personal_link_tells_what_is_asked(desk: Desk) -> None:
    person = desk.invite(begun=False)
    asked = person.annotating.open("", person.link, STRANGER)
    assert (asked["title"], asked["me"], asked["role"]) == ("Errors", "A1", "annotator")
    assert (asked["guidelines"], asked["guidelines_read"]) == ("Read *all* of it.", False)
    assert [row["name"] for row in asked["schema"]["label_sets"]] == ["errors"]
    assert asked["progress"] == {"done": 0, "skipped": 0, "total": 3}
    assert asked["scores"] == [], "a blind session names no scores"


def test_nothing_is_given_before_the_guidelines_were_read(desk: Desk) -> None:
    person = desk.invite(begun=False)
    with pytest.raises(BadInput, match="guidelines"):
        person.next()
    person.begin()
    assert person.next()["runs"][0]["tokens"]


def test_a_wrong_answer_on_the_guidelines_is_named_and_may_be_mended(store: Store, runs: list[str]) -> None:
    quiz = [{"question": "Which span?", "options": ["the smallest", "all"], "answer": "the smallest"}]
    person = make(store, runs, quiz=quiz).invite(begun=False)
    assert person.annotating.open("", person.link, STRANGER)["quiz"] == [
        {"question": "Which span?", "options": ["the smallest", "all"]}
    ]
    with pytest.raises(BadInput, match="Which span"):
        person.begin(["all"])
    assert person.begin(["the smallest"])["guidelines_read"]


def test_the_item_shows_the_text_as_tokens_and_what_was_entered(desk: Desk, store: Store, runs: list[str]) -> None:
    person = desk.invite()
    item = person.next()
    trace = store.runs.get(runs[0], viewer=OWNER.name).trace
    assert "".join(token["t"] for token in item["runs"][0]["tokens"]) == trace.text
    assert (item["part"], item["place"], item["state"]["status"]) == ("work", 1, "new")
    saved = person.save(label(1, 3), answer("quality", 4))
    assert saved["saved"].endswith("Z")
    again = person.annotating.item("", item["item"], person.link, STRANGER)
    assert again["state"] == saved["state"]
    assert [(row["label"], row["start"], row["stop"]) for row in again["state"]["labels"]] == [("wrong", 1, 3)]
    assert again["state"]["answers"] == {"quality": 4}


def test_the_same_action_sent_twice_is_kept_once(desk: Desk) -> None:
    person = desk.invite()
    item = person.next()["item"]
    twice = [event(*label(0, 2))]
    first = person.annotating.save("", item, twice, person.link, STRANGER)
    second = person.annotating.save("", item, twice, person.link, STRANGER)
    assert first["state"] == second["state"] and len(second["state"]["labels"]) == 1


def test_going_on_stays_at_the_open_item_and_submitting_leads_to_the_next(desk: Desk) -> None:
    person = desk.invite()
    first = person.next()["item"]
    assert person.next()["item"] == first
    assert person.submit()["progress"] == {"done": 1, "skipped": 0, "total": 3}
    assert person.next()["item"] != first
    assert [row["status"] for row in person.item["mine"]] == ["submitted", "new"]


def test_what_is_required_is_asked_for_before_submitting(desk: Desk) -> None:
    person = desk.invite()
    person.next()
    with pytest.raises(BadInput, match="Is it correct"):
        person.save(("submit", {}))


def test_a_submitted_item_is_changed_only_after_it_was_opened_again(desk: Desk) -> None:
    person = desk.invite()
    person.next()
    person.submit()
    with pytest.raises(BadInput, match="submitted"):
        person.save(answer("quality", 2))
    state = person.save(("reopen", {}), answer("quality", 2), ("submit", {}))["state"]
    assert (state["status"], state["changes"], state["answers"]["quality"]) == ("submitted", 1, 2)


def test_when_everything_is_done_it_is_said(desk: Desk) -> None:
    person = desk.invite()
    for _ in range(3):
        person.next()
        person.submit()
    said = person.next()
    assert (said["done"], said["progress"]) == (True, {"done": 3, "skipped": 0, "total": 3})
    assert [row["status"] for row in said["mine"]] == ["submitted"] * 3


def test_a_skipped_item_counts_as_skipped_and_is_not_given_again(desk: Desk) -> None:
    person = desk.invite()
    first = person.next()["item"]
    progress = person.save(("skip", {"reason": "cannot judge"}))["progress"]
    assert (progress["skipped"], progress["done"]) == (1, 0)
    assert person.next()["item"] != first


def everything_said_to(person: Person) -> str:
    """All payloads that one annotator can get at, as text."""
    annotating, link = person.annotating, person.link
    found = [annotating.open("", link, STRANGER), person.next(), annotating.mine(STRANGER)]
    found.append(annotating.item("", person.item["item"], link, STRANGER))
    found.append(person.save(("time", {})))
    return json.dumps(found)


def test_a_blind_session_says_nothing_of_others_or_of_scores(desk: Desk, store: Store, runs: list[str]) -> None:
    other = desk.invite("Grace Hopper")
    other.next()
    other.submit("no", label(4, 5), ("comment", {"text": "telltale"}))
    person = desk.invite("Ada")
    said = everything_said_to(person)
    trace = store.runs.get(runs[0], viewer=OWNER.name).trace
    entropy = trace.scores["entropy"][0]
    assert person.item["runs"][0]["model"] == "" and trace.model.name not in said
    for hidden in ("Grace", "A1", "telltale", "entropy", "others", runs[0], f"{entropy:.4g}", "expected"):
        assert hidden not in said, hidden


def test_an_open_session_shows_scores_and_what_others_entered(store: Store, runs: list[str]) -> None:
    desk = make(store, runs, order="fixed", blind=False, show_scores=True)
    other = desk.invite("Grace Hopper")
    other.next()
    other.submit("no", label(4, 5))
    person = desk.invite("Ada")
    item = person.next()
    trace = store.runs.get(runs[0], viewer=OWNER.name).trace
    assert item["runs"][0]["scores"]["surprisal"][2] == pytest.approx(float(trace.scores["surprisal"][2]), rel=1e-5)
    assert item["runs"][0]["run"] == runs[0]
    assert [(row["by"], row["state"]["answers"]) for row in item["others"]] == [("A1", {"correct": "no"})]
    assert "Grace" not in json.dumps(item)


def test_scores_are_hidden_where_only_others_labels_may_be_seen(store: Store, runs: list[str]) -> None:
    desk = make(store, runs, blind=False)
    person = desk.invite()
    assert "scores" not in person.next()["runs"][0]


def test_somebody_elses_item_or_session_is_not_there(desk: Desk, store: Store, runs: list[str]) -> None:
    person, other = desk.invite("Ada"), desk.invite("Grace")
    theirs = make(store, runs).invite("Eve")
    theirs.next()
    other.next()
    undealt = next(
        row.uid for row in store.annotations.outline(desk.session)
        if row.uid not in {uid for uid, *_ in store.annotations.own_items(*store.annotations.who(secret=person.link))}
    )  # fmt: skip
    for item in (theirs.item["item"], undealt, "nothing", ""):
        with pytest.raises(NotFound):
            person.annotating.item("", item, person.link, STRANGER)
    with pytest.raises(NotFound):
        person.annotating.open(desk.session, "wrong-secret-wrong-secret", STRANGER)
    with pytest.raises(NotFound):
        person.annotating.open(desk.session, "", STRANGER)
    with pytest.raises(NotFound):
        Annotating(store).open(desk.session, theirs.link, STRANGER)


def test_a_withdrawn_link_and_a_closed_session_say_so(desk: Desk) -> None:
    person = desk.invite("Ada")
    person.next()
    desk.sessions.edit(desk.session, {"status": "closed"}, OWNER)
    with pytest.raises(BadInput, match="closed"):
        person.save(answer("quality", 3))
    desk.sessions.edit(desk.session, {"status": "open"}, OWNER)
    person.save(answer("quality", 3))
    desk.sessions.change_member(desk.session, desk.member("Ada")["uid"], {"revoked": True}, OWNER)
    with pytest.raises((BadInput, NotFound), match="link"):
        person.save(answer("quality", 4))


def test_training_comes_first_and_tells_what_was_right(store: Store, runs: list[str]) -> None:
    known = {"labels": [dict(zip(("set", "label", "run", "start", "stop"), ("errors", "wrong", 0, 2, 4), strict=True))]}
    training = {"run": runs[2], "part": "training", "expected": {**known, "answers": {"correct": "no"}}}
    person = make(store, [*runs[:2], training], order="fixed").invite()
    item = person.next()
    assert item["part"] == "training" and item["feedback"] is None and "expected" not in json.dumps(item)
    feedback = person.submit("yes", label(2, 4))["feedback"]
    assert (feedback["right"], feedback["of"]) == (1, 2)
    assert any("found" in line for line in feedback["lines"]) and feedback["expected"]["answers"] == {"correct": "no"}
    assert person.next()["part"] == "work"
    assert person.item["progress"]["done"] == 0, "training is no work"


def test_where_only_an_answer_is_known_labels_are_not_judged(store: Store, runs: list[str]) -> None:
    training = {"run": runs[2], "part": "training", "expected": {"answers": {"correct": "no"}}}
    person = make(store, [*runs[:2], training]).invite()
    person.next()
    feedback = person.submit("no", label(2, 4))["feedback"]
    assert (feedback["right"], feedback["of"]) == (1, 1)


def test_a_check_item_looks_like_any_other_and_never_tells(store: Store, runs: list[str]) -> None:
    check = {"run": runs[2], "part": "check", "expected": {"answers": {"correct": "no"}}}
    desk = make(store, [*runs[:2], check], order="fixed", check_every=1)
    person = desk.invite()
    parts, feedback = [], []
    while not person.next().get("done"):
        parts.append(person.item["part"])
        feedback.append(person.submit("yes")["feedback"])
    assert parts == ["work"] * 3 and feedback == [None] * 3
    assert desk.member("Ada")["checks"] == {"right": 0, "of": 1}
    assert desk.member("Ada")["done"] == 2, "checks are no work of the session"


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ("text", "list"),
        ([{"kind": "flag"}], "id"),
        ([{"uuid": "a b", "kind": "flag", "payload": {"on": True}}], "id"),
        ([{"kind": "flag", "payload": {"on": True}}], "id"),
        ([{"uuid": "a", "kind": "flag", "payload": []}], "payload"),
        ([None], "payload"),
        ([event("explode", {})], "explode"),
        ([event("label", {"set": "errors", "label": "wrong", "run": 0, "start": 5, "stop": 99})], "token"),
        ([event("label", {"set": "nothing", "label": "wrong", "run": 0, "start": 0, "stop": 1})], "nothing"),
        ([event("answer", {"question": "correct", "value": "perhaps"})], "perhaps"),
        *[
            ([{**event("flag", {"on": True}), "active_ms": ms}], "time")
            for ms in (float("nan"), -1, True, "5", 10**400)
        ],
        ([{**event("flag", {"on": True}), "wall_ms": -1}], "time"),
        ([event("comment", {"text": "x" * 20_000})], "20,000"),
    ],
)
def test_what_cannot_be_an_action_is_refused_whole(desk: Desk, events: list, sentence: str) -> None:
    person = desk.invite()
    item = person.next()["item"]
    good = [event("flag", {"on": True})]
    with pytest.raises(BadInput, match=sentence):
        person.annotating.save("", item, good + events if isinstance(events, list) else events, person.link, STRANGER)
    assert not person.annotating.item("", item, person.link, STRANGER)["state"]["flag"], "nothing of it was kept"


def test_the_sessions_that_concern_somebody_are_listed(desk: Desk, store: Store, runs: list[str]) -> None:
    annotating = Annotating(store)
    assert [(row["title"], row["role"], row["member"]) for row in annotating.mine(OWNER)] == [
        ("Errors", "owner", False)
    ]
    assert annotating.mine(STRANGER) == []
    desk.sessions.join(desk.session, OWNER)
    assert annotating.mine(OWNER)[0]["member"]
