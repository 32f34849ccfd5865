"""Files and the store together: a session goes out, comes in elsewhere or beside itself, and goes out the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.models import LanguageModel
from storage.database import Store
from tests.support.sessions import OWNER, Desk, label, make, with_runs
from tests.support.whole_session import whole
from ui.session_files import FORMS, export
from ui.session_import import read_session
from ui.session_results import Results
from ui.sessions import Sessions


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "other.db") as opened:
        yield opened


@pytest.fixture
def desk(store: Store, tiny: LanguageModel) -> Desk:
    """Two people's labels with an undo, a skip and a comment, new guidelines half-way, and one final."""
    runs = with_runs(store, tiny, 4)
    check = {"runs": [runs[3]], "part": "check", "expected": {"answers": {"correct": "no"}}}
    made = make(store, [*runs[:3], check], order="fixed", overlap=0)
    ada, bob = made.invite("Ada"), made.invite("Bob")
    ada.next()
    ada.save(label(0, 4), label(2, 6, "odd"), ("comment", {"text": "=1"}))
    undone = ada.item["item"]
    state = ada.save(("flag", {"on": True}))["state"]
    ada.save(("undo", {"target": state["undo"]}), item=undone)
    ada.submit("no")
    made.sessions.edit(made.session, {"guidelines": "Read it *twice*."}, OWNER)
    bob.next()
    bob.submit("yes", label(1, 2))
    bob.next()
    bob.save(("skip", {"reason": "hard"}))
    dispute = made.results.disputes(made.session, "", OWNER)[0]["item"]
    settled = {"labels": [], "answers": {"correct": "no"}}
    made.results.adjudicate(made.session, dispute, settled, "because", 4, "written", "", OWNER)
    return made


def out(store: Store, session: str, form: str = "jsonl", names: bool = True) -> bytes:
    return base64.b64decode(Results(store).export(session, form, names, "", OWNER)["base64"])


def into(store: Store, data: bytes) -> str:
    return Sessions(store, Results(store)).bring_in(data.decode(), OWNER)["session"]


@pytest.mark.parametrize("names", [False, True])
def test_a_session_comes_in_elsewhere_and_goes_out_as_the_same_bytes(
    store: Store, elsewhere: Store, desk: Desk, names: bool
) -> None:
    data = out(store, desk.session, names=names)
    assert out(elsewhere, into(elsewhere, data), names=names) == data
    lines = [json.loads(line) for line in data.splitlines()]
    assert {line["action"] for line in lines if line.get("kind") == "event"} >= {"label", "undo", "skip", "submit"}
    assert {line.get("guidelines_version") for line in lines if line.get("kind") == "event"} == {1, 2}
    assert ("Ada" in data.decode()) is names
    assert (elsewhere.check().damaged_sessions, elsewhere.check().sessions) == ((), 1)


def test_beside_itself_it_gets_ids_of_its_own_and_still_goes_out_the_same(store: Store, desk: Desk) -> None:
    data = out(store, desk.session)
    first, second = into(store, data), into(store, data)
    assert len({desk.session, first, second}) == 3
    assert out(store, first) == out(store, second) == data
    assert out(store, desk.session) == data


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_what_came_in_is_that_of_the_original(
    store: Store, elsewhere: Store, desk: Desk, form: str
) -> None:
    other = into(elsewhere, out(store, desk.session))
    assert out(elsewhere, other, form, False) == out(store, desk.session, form, False)


def test_a_session_by_hand_with_everything_odd_goes_through_the_store(elsewhere: Store) -> None:
    data = export(whole(), "jsonl", True)[2]
    uid = elsewhere.annotations.restore_export(read_session(data), viewer=OWNER.name)
    assert out(elsewhere, uid) == data


def test_who_comes_in_has_no_login_and_no_link(store: Store, elsewhere: Store, desk: Desk) -> None:
    uid = into(elsewhere, out(store, desk.session))
    members = elsewhere.annotations.members(elsewhere.annotations.get(uid, viewer=OWNER.name).uid, viewer=OWNER.name)
    assert {(member.viewer, member.link) for member in members} == {("", False)}
    assert {member.name for member in members} >= {"Ada", "Bob"}


def test_a_damaged_file_leaves_nothing_in_the_store(store: Store, elsewhere: Store, desk: Desk) -> None:
    data = out(store, desk.session)
    with pytest.raises(BadInput, match="checksum"):
        into(elsewhere, data.replace(b'"comment"', b'"comnent"'))
    assert elsewhere.annotations.sessions(viewer=OWNER.name) == ()


def test_labels_made_elsewhere_come_in_once_and_count_as_one_more_voice(store: Store, desk: Desk) -> None:
    lines = [json.loads(line) for line in out(store, desk.session).splitlines()]
    texts = [line["runs"][0]["text_hash"] for line in lines if line.get("kind") == "item" and line["part"] == "work"]
    mark = {"set": "errors", "label": "wrong", "start_char": 0, "stop_char": 1}
    rows = [{"text_hash": one, "labels": [mark], "answers": {"correct": "no"}} for one in dict.fromkeys(texts)]
    rows.append({"text_hash": "0" * 64, "labels": [mark]})
    data = "\n".join(map(json.dumps, rows))
    sessions = Sessions(store, Results(store))
    first = sessions.bring_in_labels(desk.session, data, OWNER)
    assert first["added"] > 0 and [row["line"] for row in first["refused"]] == [len(rows)]
    again = sessions.bring_in_labels(desk.session, data, OWNER)
    assert again["added"] == 0
    conll = out(store, desk.session, "conll", False).decode()
    header = next(line for line in conll.splitlines() if line.startswith("# columns: "))
    assert "errors:A3" in header or "errors:A4" in header
    assert "B-wrong" in conll


def test_an_annotator_s_many_labels_come_in_at_once(store: Store, tiny: LanguageModel) -> None:
    desk = make(store, with_runs(store, tiny, 1), order="fixed")
    marks = [
        {"set": "errors", "label": name, "start": start, "stop": stop}
        for name in ("wrong", "odd")
        for start in range(10)
        for stop in range(start + 1, 11)
    ]
    (item,) = [json.loads(line) for line in out(store, desk.session).splitlines() if b'"kind":"item"' in line]
    data = json.dumps({"run": item["runs"][0]["run"], "labels": marks})
    added = Sessions(store, Results(store)).bring_in_labels(desk.session, data, OWNER)["added"]
    assert added == 1, "items, not actions"
    assert sum(row.event.kind == "label" for row in store.annotations.all_events(desk.session, viewer="local")) == 110
