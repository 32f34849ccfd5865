"""Promises of annotation sessions: frozen items, versions of texts, what may change when, who sees what, the bin."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from engine.errors import BadInput, NotFound
from storage.annotation_records import NewItem, SessionSettings
from storage.database import Store
from tests.storage.annotating import KNOWN, NOW, OTHER_SCHEMA, OWNER, SCHEMA, add_runs, answer, desk
from tests.storage.examples import continued, small_trace


def create(store: Store, items: list[NewItem] | None = None, **changes: Any) -> str:
    values: dict[str, Any] = {
        "owner": OWNER,
        "title": "T",
        "schema": SCHEMA,
        "guidelines": "",
        "settings": SessionSettings(),
        "items": [NewItem(("run-0",))] if items is None else items,
        "viewer": OWNER,
    }
    return store.annotations.create(**values | changes)


def test_a_session_comes_back_as_it_was_made(store: Store) -> None:
    add_runs(store, 1)
    settings = SessionSettings(
        3, "fixed", "mean_entropy", 2**60, False, True, 5, NOW, NOW + timedelta(days=1),
        ({"question": "Read?", "options": ["yes", "no"], "answer": "yes"},),
    )  # fmt: skip
    uid = create(store, title="  Größe ", guidelines="# Größe\n\n* eins", settings=settings)
    found = store.annotations.get(uid, viewer=OWNER)
    assert (found.title, found.guidelines, found.settings) == ("Größe", "# Größe\n\n* eins", settings)
    assert (found.schema, found.schema_version, found.guidelines_version) == (SCHEMA, 1, 1)
    assert (found.status, found.items, found.answered, found.example) == ("open", 1, False, False)


def test_items_hold_the_runs_as_they_were_token_by_token(store: Store) -> None:
    add_runs(store, 2)
    uid = create(store, [NewItem(("run-0", "run-1")), NewItem(("run-1",), "check", KNOWN)])
    first, second = store.annotations.items(uid, viewer=OWNER)
    for run, seed in zip(first.runs, (0, 1), strict=True):
        trace = small_trace(seed)
        assert (run.pieces, run.text) == (trace.pieces, trace.text)
        assert (run.prompt, run.system) == (trace.prompt, trace.system)
        assert run.special == tuple(i for i, token in enumerate(trace.token_ids) if int(token) in trace.special_ids)
        assert run.text_hash == store.runs.header(run.uid, viewer=OWNER).text_hash
        assert (run.model_name, run.seed) == ("embedded", 2**63 - 1)
    assert (second.place, second.part, second.expected) == (1, "check", KNOWN)
    assert store.annotations.item(uid, first.uid) == first


def test_a_fork_of_forks_is_frozen_with_the_tokens_that_it_shares(store: Store) -> None:
    trace = small_trace(1, 30)
    parent = store.runs.add(trace, status="finished", run_scores={})
    for seed, fork in ((5, 20), (6, 25)):
        trace = continued(trace, fork, seed, 30)
        parent = store.runs.add(trace, status="finished", run_scores={}, parent=parent, fork_position=fork)
    with store.read() as session:
        assert session.execute(text("SELECT max(chain_depth) FROM run")).scalar_one() == 2
    (item,) = store.annotations.items(create(store, [NewItem((parent,))]), viewer=OWNER)
    assert item.runs[0].pieces == trace.pieces


def test_items_are_read_in_pages_and_as_an_outline_without_texts(store: Store) -> None:
    uid = desk(store, runs=5, members=0).uid
    every = store.annotations.items(uid, viewer=OWNER)
    assert [item.place for item in every] == list(range(5))
    assert store.annotations.items(uid, viewer=OWNER, offset=1, limit=2) == every[1:3]
    outline = store.annotations.outline(uid)
    assert [(row.uid, row.runs, row.tokens) for row in outline] == [(i.uid, (i.runs[0].uid,), (12,)) for i in every]
    shown = "".join(p for i, p in enumerate(every[0].runs[0].pieces) if i not in every[0].runs[0].special)
    assert outline[0].text == shown[:160]


def test_listing_and_outline_read_no_texts(store: Store) -> None:
    uid = desk(store, members=0).uid
    with store.write() as session:
        session.execute(text("DROP TRIGGER annotation_run_kept"))
        session.execute(text("DELETE FROM annotation_run"))
    assert len(store.annotations.outline(uid)) == 4 and len(store.annotations.sessions(viewer=OWNER)) == 1
    assert not store.check().ok


def test_a_deleted_run_stays_in_the_session_and_is_not_purged(store: Store) -> None:
    at = desk(store, runs=3, items=[NewItem(("run-0", "run-1"))])
    before = at.api.items(at.uid, viewer=OWNER)
    store.runs.delete(["run-0", "run-1", "run-2"], viewer=OWNER)
    assert at.api.gone(at.uid) == {"run-0", "run-1"}
    assert store.runs.purge(before=datetime.now(UTC)) == 1, "run-2 is in no session"
    assert at.api.items(at.uid, viewer=OWNER) == before and at.submit(at.members[0]) is not None
    assert store.runs.restore(["run-0", "run-1"], viewer=OWNER) == 2 and at.api.gone(at.uid) == frozenset()
    store.runs.delete(["run-0", "run-1"], viewer=OWNER)
    between = datetime.now(UTC)
    at.api.delete(at.uid, viewer=OWNER)
    assert store.runs.purge(before=between) == 0, "a session in the bin may come back and keeps its runs"
    assert store.runs.purge(before=datetime.now(UTC)) == 2


def test_a_session_deleted_twice_is_purged_as_of_the_first_time(store: Store) -> None:
    uid = desk(store, runs=1).uid
    store.annotations.delete(uid, viewer=OWNER)
    between = datetime.now(UTC)
    store.annotations.delete(uid, viewer=OWNER)
    store.runs.purge(before=between)
    with pytest.raises(NotFound):
        store.annotations.restore(uid, viewer=OWNER)


def test_a_session_from_a_file_neither_keeps_nor_tells_of_somebody_elses_runs(store: Store) -> None:
    at = desk(store, runs=3, items=[NewItem(("run-0", "run-1")), NewItem(("run-2",))])
    store.runs.update("run-2", viewer=OWNER, visibility="unlisted")
    copy = store.annotations.restore_export(at.api.whole(at.uid, viewer=OWNER), viewer="bob")
    assert store.annotations.gone(copy) == {"run-0", "run-1"}, "as if they were not there at all"
    assert at.api.gone(at.uid) == frozenset()
    at.api.delete(at.uid, viewer=OWNER)
    store.runs.purge(before=datetime.now(UTC))
    store.runs.delete([f"run-{i}" for i in range(3)], viewer=OWNER)
    assert store.runs.purge(before=datetime.now(UTC)) == 2, "bob may open run-2, so his session keeps it"
    assert store.annotations.gone(copy) == {f"run-{i}" for i in range(3)}
    assert len(store.annotations.items(copy, viewer="bob")) == 2 and store.check().ok


def test_a_purged_session_leaves_no_row_behind_and_others_stay(store: Store) -> None:
    gone, kept = desk(store), create(store)
    gone.submit(gone.members[0])
    item = gone.api.items(gone.uid, viewer=OWNER)[0]
    gone.api.add_final(gone.uid, item.uid, KNOWN, viewer=OWNER)
    gone.api.delete(gone.uid, viewer=OWNER)
    store.runs.purge(before=datetime.now(UTC) + timedelta(seconds=1))
    with store.read() as session:
        tables = session.execute(text("SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 'annotation%'"))
        counts = {name: session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for (name,) in tables}
    assert {name for name, rows in counts.items() if rows} == {
        "annotation_session", "annotation_text", "annotation_item", "annotation_run",
    }  # fmt: skip
    assert store.check().ok and [row.uid for row in store.annotations.sessions(viewer=OWNER)] == [kept]


def test_a_deleted_session_is_not_there_for_anybody_until_it_is_restored(store: Store) -> None:
    at = desk(store)
    item = at.take(at.members[0])
    assert item is not None
    at.api.delete(at.uid, viewer=OWNER)
    for call in (
        lambda: at.api.get(at.uid, viewer=OWNER),
        lambda: at.take(at.members[0]),
        lambda: at.save(at.members[0], item, answer()),
        lambda: at.api.item(at.uid, item.uid),
        lambda: at.api.all_events(at.uid, viewer=OWNER),
    ):
        with pytest.raises(NotFound, match="no annotation session"):
            call()
    with pytest.raises(NotFound, match="deleted by its owner"):
        at.api.who(secret=at.secrets[0])
    assert at.api.sessions(viewer=OWNER) == ()
    at.api.restore(at.uid, viewer=OWNER)
    assert at.save(at.members[0], item, answer()) == 1 and store.check().ok


def test_somebody_elses_session_is_not_there_in_the_words_of_none(store: Store) -> None:
    uid = desk(store).uid
    sentences = set()
    for name in (uid, "0" * 24, "", None, "x" * 9999):
        with pytest.raises(NotFound) as refusal:
            store.annotations.get(name, viewer="bob")  # type: ignore[arg-type]
        sentences.add(str(refusal.value).replace(str(name)[:64], "NAME"))
    assert len(sentences) <= 2, "an empty name reads differently at most"
    for call in (
        lambda: store.annotations.change(uid, viewer="bob", title="x"),
        lambda: store.annotations.delete(uid, viewer="bob"),
        lambda: store.annotations.fork(uid, viewer="bob", title="x", schema=SCHEMA),
        lambda: store.annotations.items(uid, viewer="bob"),
        lambda: store.annotations.all_events(uid, viewer="bob"),
        lambda: store.annotations.members(uid, viewer="bob"),
        lambda: store.annotations.places(uid, viewer="bob"),
        lambda: store.annotations.finals(uid, viewer="bob"),
        lambda: store.annotations.whole(uid, viewer="bob"),
        lambda: store.annotations.add_member(uid, viewer="bob", name="b", role="annotator"),
    ):
        with pytest.raises(NotFound, match="no annotation session"):
            call()
    with pytest.raises(BadInput, match="viewer"):
        store.annotations.all_events(uid)
    assert store.annotations.sessions(viewer="bob") == ()


def test_an_example_is_read_by_everybody_and_changed_by_nobody(store: Store) -> None:
    add_runs(store, 1)
    uid = create(store, example=True, owner="examples", uid="example-session")
    assert uid == "example-session" and store.annotations.get(uid, viewer="bob").example
    assert [row.uid for row in store.annotations.sessions(viewer="bob")] == [uid]
    assert len(store.annotations.whole(uid, viewer="bob").items) == 1
    for viewer in ("bob", "examples"):
        for call in (
            lambda viewer=viewer: store.annotations.change(uid, viewer=viewer, title="x"),
            lambda viewer=viewer: store.annotations.delete(uid, viewer=viewer),
            lambda viewer=viewer: store.annotations.add_member(uid, viewer=viewer, name="b", role="annotator"),
        ):
            with pytest.raises(BadInput, match="comes with the page"):
                call()
    fork = store.annotations.fork(uid, viewer="bob", title="mine", schema=SCHEMA)
    assert not store.annotations.get(fork, viewer="bob").example


def test_the_schema_is_frozen_after_the_first_answer_and_can_be_forked(store: Store) -> None:
    at = desk(store)
    changed = at.api.change(at.uid, viewer=OWNER, schema=OTHER_SCHEMA)
    assert (changed.schema, changed.schema_version) == (OTHER_SCHEMA, 2)
    assert at.api.change(at.uid, viewer=OWNER, schema=OTHER_SCHEMA).schema_version == 2, "the same is no new version"
    at.api.change(at.uid, viewer=OWNER, schema=SCHEMA)
    item = at.submit(at.members[0])
    assert item is not None and at.api.get(at.uid, viewer=OWNER).answered
    with pytest.raises(BadInput, match="fork it"):
        at.api.change(at.uid, viewer=OWNER, schema=OTHER_SCHEMA, title="half")
    assert at.api.get(at.uid, viewer=OWNER).title != "half"
    fork = at.api.fork(at.uid, viewer=OWNER, title="Fork", schema=OTHER_SCHEMA)
    record = at.api.get(fork, viewer=OWNER)
    assert (record.schema, record.answered, record.title) == (OTHER_SCHEMA, False, "Fork")
    assert [i.runs for i in at.api.items(fork, viewer=OWNER)] == [i.runs for i in at.api.items(at.uid, viewer=OWNER)]
    assert at.api.members(fork, viewer=OWNER) == () and at.api.all_events(fork, viewer=OWNER) == ()
    assert {e.event.schema_version for e in at.api.all_events(at.uid, viewer=OWNER)} == {3} and store.check().ok


def test_a_fork_works_when_the_runs_are_gone(store: Store) -> None:
    at = desk(store)
    store.runs.delete([f"run-{i}" for i in range(4)], viewer=OWNER)
    fork = at.api.fork(at.uid, viewer=OWNER, title="Fork", schema=SCHEMA)
    assert len(at.api.items(fork, viewer=OWNER)) == 4 and len(at.api.gone(fork)) == 4


def test_what_is_known_of_items_must_fit_the_schema_before_and_after_a_change(store: Store) -> None:
    add_runs(store, 1)
    work = NewItem(("run-0",))
    uid = create(store, [work, NewItem(("run-0",), "check", KNOWN)])
    with pytest.raises(BadInput, match="Item 2"):
        store.annotations.change(uid, viewer=OWNER, schema=OTHER_SCHEMA)
    with pytest.raises(BadInput, match="Item 2"):
        store.annotations.fork(uid, viewer=OWNER, title="F", schema=OTHER_SCHEMA)
    outside = {"labels": [{"set": "errors", "label": "vague", "run": 0, "start": 10, "stop": 13}]}
    for expected, match in [
        ({"answers": {"correct": "maybe"}}, "maybe"),
        ({"answers": {"wrong": "yes"}}, "wrong"),
        (outside, "tokens"),
        ({"labels": "x"}, "list"),
        ({"answer": {}}, "labels"),
        (["labels"], "labels"),
    ]:
        with pytest.raises(BadInput, match=match):
            create(store, [work, NewItem(("run-0",), "check", expected)])  # type: ignore[arg-type]
    assert len(store.annotations.sessions(viewer=OWNER)) == 1


def test_guidelines_get_a_version_which_each_label_records(store: Store) -> None:
    at = desk(store)
    ada, ben = at.members
    at.submit(ada)
    at.api.change(at.uid, viewer=OWNER, guidelines="# Read this again")
    at.api.change(at.uid, viewer=OWNER, guidelines="# Read this again")
    at.submit(ben)
    by = {e.member: e.event.guidelines_version for e in at.api.all_events(at.uid, viewer=OWNER)}
    assert by == {ada.uid: 1, ben.uid: 2}
    texts = at.api.whole(at.uid, viewer=OWNER).texts
    assert [(t.kind, t.version, t.body) for t in texts if t.kind == "guidelines"] == [
        ("guidelines", 1, "# Read this"),
        ("guidelines", 2, "# Read this again"),
    ]


def test_settings_that_shape_the_labels_stay_and_the_others_may_change(store: Store) -> None:
    at = desk(store)
    before = at.api.get(at.uid, viewer=OWNER).settings
    hours = {"opens_at": NOW - timedelta(days=1), "closes_at": NOW + timedelta(days=1)}
    quiz = ({"question": "q", "options": ["a", "b"], "answer": "b"},)
    new = replace(before, overlap=5, check_every=3, blind=False, show_scores=True, quiz=quiz, **hours)
    assert at.api.change(at.uid, viewer=OWNER, settings=new).settings == new
    for changes in ({"order": "fixed"}, {"seed": 1}, {"order_score": "x"}):
        with pytest.raises(BadInput, match="fork"):
            at.api.change(at.uid, viewer=OWNER, settings=replace(new, **changes))
    at.submit(at.members[0])
    for changes in ({"blind": True}, {"show_scores": False}):
        with pytest.raises(BadInput, match="have labelled"):
            at.api.change(at.uid, viewer=OWNER, settings=replace(new, **changes))
    assert at.api.change(at.uid, viewer=OWNER, settings=replace(new, overlap=1, closes_at=None)).settings.overlap == 1


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 301}, "301"),
        ({"title": None}, "must be text"),
        ({"title": "\ud800"}, "surrogate"),
        ({"guidelines": "x" * 200_001}, "guidelines"),
        ({"schema": {}}, "schema"),
        ({"schema": {"questions": [{"name": "a b", "title": "x", "kind": "choice"}]}}, "schema"),
        ({"settings": SessionSettings(overlap=-1)}, "overlap"),
        ({"settings": SessionSettings(overlap=True)}, "overlap"),
        ({"settings": SessionSettings(order="random")}, "random"),
        ({"settings": SessionSettings(blind=1)}, "blind"),  # type: ignore[arg-type]
        ({"settings": SessionSettings(blind=True, show_scores=True)}, "blind session shows no scores"),
        ({"settings": SessionSettings(opens_at=NOW, closes_at=NOW)}, "before it opens"),
        ({"settings": SessionSettings(opens_at=datetime(2026, 1, 1))}, "time zone"),
        ({"settings": SessionSettings(quiz=({"question": "q"},))}, "question, options and answer"),
        ({"settings": SessionSettings(quiz=({"question": "q", "options": ["a"], "answer": "a"},))}, "options"),
        (
            {"settings": SessionSettings(quiz=({"question": "q", "options": ["a", "b"], "answer": "c"},))},
            "right answer",
        ),
        ({"items": []}, "1 to 10,000"),
        ({"items": [NewItem(("run-0",))] * 10_001}, "10,001"),
        ({"items": [NewItem(())]}, "one run, or two"),
        ({"items": [NewItem(("run-0",) * 3)]}, "one run, or two"),
        ({"items": [NewItem("run-0")]}, "one run, or two"),  # type: ignore[arg-type]
        ({"items": [NewItem(("a b",))]}, "letters"),
        ({"items": [NewItem(("run-0",), "gold")]}, "gold"),
        ({"items": [NewItem(("run-0",), "check")]}, "is a check"),
        ({"items": [NewItem(("run-0",), "training")]}, "at least one item to work on"),
        ({"owner": ""}, "owner"),
        ({"uid": "a b"}, "session id"),
    ],
)
def test_what_cannot_be_a_session_is_refused_and_nothing_is_stored(
    store: Store, changes: dict[str, Any], match: str
) -> None:
    add_runs(store, 1)
    with pytest.raises(BadInput, match=match):
        create(store, **changes)
    assert store.annotations.sessions(viewer=OWNER) == ()


def test_runs_that_the_viewer_cannot_open_cannot_become_items(store: Store) -> None:
    store.runs.add(small_trace(1), owner="bob", status="finished", run_scores={}, uid="bobs")
    store.runs.add(small_trace(2), status="finished", run_scores={}, uid="binned")
    store.runs.delete(["binned"], viewer=OWNER)
    for run in ("bobs", "binned", "nowhere"):
        with pytest.raises(NotFound, match=run):
            create(store, [NewItem((run,))])
    store.runs.update("bobs", viewer="bob", visibility="unlisted")
    assert create(store, [NewItem(("bobs",))])


def test_an_id_is_taken_once(store: Store) -> None:
    add_runs(store, 1)
    create(store, uid="mine")
    with pytest.raises(BadInput, match="mine is here already"):
        create(store, uid="mine")
