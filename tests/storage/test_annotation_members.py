"""Promises of members: labelling links, their end, roles, logins, the guidelines' quiz."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from engine.errors import BadInput, NotFound
from storage.annotation_records import NewItem, SessionSettings
from storage.database import Store
from tests.storage.annotating import KNOWN, OWNER, SCHEMA, desk


def test_a_personal_link_names_its_session_and_member_and_nothing_of_it_is_stored(store: Store) -> None:
    at = desk(store, members=2)
    assert len(set(at.secrets)) == 2 and all(len(secret) == 43 for secret in at.secrets)
    for member, secret in zip(at.members, at.secrets, strict=True):
        session, found = at.api.who(secret=secret)
        assert (session.uid, found) == (at.uid, member) and found.link
    store.close()
    for path in store.path.parent.iterdir():
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in at.secrets)
        assert b"Errors in answers" in content or path != store.path, "the file is searched at all"


def test_members_are_numbered_and_called_so(store: Store) -> None:
    at = desk(store, members=3)
    assert [(m.number, m.pseudonym, m.name) for m in at.api.members(at.uid, viewer=OWNER)] == [
        (1, "A1", "Person 1"),
        (2, "A2", "Person 2"),
        (3, "A3", "Person 3"),
    ]


def test_wrong_and_unknown_links_are_refused_in_one_sentence(store: Store) -> None:
    at = desk(store)
    sentences = set()
    for secret in (at.secrets[0][:-1], at.secrets[0].swapcase(), "x", "x" * 10_000, "\ud800", at.members[0].uid):
        with pytest.raises(NotFound, match="not known here") as refusal:
            at.api.who(secret=secret)
        sentences.add(str(refusal.value))
    assert len(sentences) == 1
    assert at.api.who(secret=at.secrets[0])[1] == at.members[0]


def test_a_revoked_link_ends_everything_at_once_and_can_be_given_back(store: Store) -> None:
    at = desk(store)
    ada = at.members[0]
    item = at.submit(ada)
    assert item is not None
    assert at.api.change_member(at.uid, ada, viewer=OWNER, revoked=True)[0].revoked
    for call in (
        lambda: at.api.who(secret=at.secrets[0]),
        lambda: at.take(ada),
        lambda: at.save(ada, item),
        lambda: at.api.begin(at.uid, ada),
    ):
        with pytest.raises(BadInput, match="ended by its owner; what you entered is kept"):
            call()
    assert len(at.api.all_events(at.uid, viewer=OWNER)) == 3
    at.api.change_member(at.uid, ada, viewer=OWNER, revoked=False)
    assert at.submit(ada) is not None


def test_an_expired_link_says_when_and_only_to_who_has_it(store: Store) -> None:
    at = desk(store)
    past = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    at.api.change_member(at.uid, at.members[0], viewer=OWNER, expires_at=past)
    with pytest.raises(BadInput, match="expired on 2026-01-02 03:04 UTC"):
        at.api.who(secret=at.secrets[0])
    with pytest.raises(NotFound, match="not known"):
        at.api.who(secret=at.secrets[0] + "x")
    with pytest.raises(BadInput, match="expired"):
        at.take(at.members[0])
    changed, _ = at.api.change_member(at.uid, at.members[0], viewer=OWNER, name="Ada")
    assert changed.expires_at == past, "what is not named stays"
    changed, _ = at.api.change_member(at.uid, at.members[0], viewer=OWNER, expires_at=None)
    assert changed.expires_at is None and at.api.who(secret=at.secrets[0])[1] == changed


def test_a_new_link_ends_the_old_one(store: Store) -> None:
    at = desk(store)
    member, secret = at.api.change_member(at.uid, at.members[0].uid, viewer=OWNER, new_secret=True)
    assert secret and secret != at.secrets[0]
    with pytest.raises(NotFound, match="not known"):
        at.api.who(secret=at.secrets[0])
    assert at.api.who(secret=secret)[1] == member == at.members[0]


def test_somebody_with_a_login_needs_no_link_and_sees_the_session_in_the_list(store: Store) -> None:
    at = desk(store, members=0)
    member, secret = at.api.add_member(at.uid, viewer=OWNER, name="Bob", role="annotator", member_viewer="bob")
    assert secret == "" and not member.link
    session, found = at.api.who(session=at.uid, viewer="bob")
    assert (session.uid, found) == (at.uid, member)
    assert [row.uid for row in at.api.sessions(viewer="bob")] == [at.uid]
    with pytest.raises(NotFound, match="no annotation session"):
        at.api.get(at.uid, viewer="bob")
    for stranger in ("carl", OWNER):
        with pytest.raises(NotFound, match="no annotation session"):
            at.api.who(session=at.uid, viewer=stranger)
    with pytest.raises(BadInput, match="member of the session already"):
        at.api.add_member(at.uid, viewer=OWNER, name="Bob", role="annotator", member_viewer="bob")
    with pytest.raises(BadInput, match="no labelling link"):
        at.api.change_member(at.uid, member, viewer=OWNER, new_secret=True)
    at.api.change_member(at.uid, member, viewer=OWNER, revoked=True)
    assert at.api.sessions(viewer="bob") == ()
    with pytest.raises(BadInput, match="ended by its owner"):
        at.api.who(session=at.uid, viewer="bob")


def test_nobody_is_not_somebody(store: Store) -> None:
    at = desk(store)
    with pytest.raises(BadInput, match="viewer"):
        at.api.who(session=at.uid, viewer="")
    with pytest.raises(BadInput, match="viewer"):
        at.api.who()


def test_names_are_for_the_owner_and_pseudonyms_for_adjudicators(store: Store) -> None:
    at = desk(store, members=1)
    judge, chief = at.add("Judge", "adjudicator"), at.add("Chief", "owner")
    seen = at.api.members(at.uid, member=judge)
    assert [member.name for member in seen] == ["A1", "A2", "A3"] and {member.viewer for member in seen} == {""}
    assert [member.name for member in at.api.members(at.uid, member=chief)] == ["Person 1", "Judge", "Chief"]
    with pytest.raises(NotFound, match="owner and its adjudicators"):
        at.api.members(at.uid, member=at.members[0])
    whole = at.api.whole(at.uid, member=judge)
    assert [member.name for member in whole.members] == ["A1", "A2", "A3"]


def test_what_a_record_says_of_its_role_is_not_believed(store: Store) -> None:
    at = desk(store)
    with pytest.raises(NotFound, match="owner and its adjudicators"):
        at.api.all_events(at.uid, member=replace(at.members[0], role="owner"))
    at.api.change_member(at.uid, at.members[0], viewer=OWNER, revoked=True)
    with pytest.raises(BadInput, match="ended by its owner"):
        at.take(replace(at.members[0], revoked=False))


def test_a_member_of_another_session_is_nobody_here(store: Store) -> None:
    at = desk(store)
    uid = at.api.create(
        owner=OWNER, title="Other", schema=SCHEMA, guidelines="", settings=SessionSettings(),
        items=[NewItem(("run-0",))], viewer=OWNER,
    )  # fmt: skip
    with pytest.raises(NotFound, match="no member"):
        at.api.take_next(uid, at.members[0])
    item = at.take(at.members[0])
    assert item is not None
    with pytest.raises(NotFound, match="no item"):
        at.api.item(uid, item.uid)


def test_the_guidelines_come_before_the_first_item(store: Store) -> None:
    at = desk(store, members=0)
    member, _ = at.api.add_member(at.uid, viewer=OWNER, name="New", role="annotator")
    assert member.begun_at is None
    with pytest.raises(BadInput, match="Read the guidelines first"):
        at.take(member)
    begun = at.api.begin(at.uid, member)
    assert begun.begun_at is not None and at.take(member) is not None
    assert at.api.begin(at.uid, member).begun_at == begun.begun_at, "the first time counts"


def test_a_wrong_answer_on_the_guidelines_is_named(store: Store) -> None:
    quiz = (
        {"question": "Are all errors marked?", "options": ["yes", "no"], "answer": "yes"},
        {"question": "And style?", "options": ["yes", "no"], "answer": "no"},
    )
    at = desk(store, members=0, quiz=quiz)
    member, _ = at.api.add_member(at.uid, viewer=OWNER, name="New", role="annotator")
    for answers, match in [
        ([], "all 2 questions"),
        (["yes"], "all 2 questions"),
        ("yes", "all 2 questions"),
        (["no", "no"], "question 1 .*Are all errors"),
        (["yes", "yes"], "question 2 .*And style"),
        (["yes", None], "question 2"),
    ]:
        with pytest.raises(BadInput, match=match):
            at.api.begin(at.uid, member, answers)
    assert at.api.begin(at.uid, member, ["yes", "no"]).begun_at is not None


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"role": "import"}, "import"),
        ({"role": "boss"}, "boss"),
        ({"role": ["owner"]}, "owner"),
        ({"expires_at": datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_what_cannot_be_a_member_is_refused(store: Store, changes: dict[str, object], match: str) -> None:
    at = desk(store)
    with pytest.raises(BadInput, match=match):
        at.api.add_member(at.uid, viewer=OWNER, **{"name": "n", "role": "annotator", **changes})  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=match):
        at.api.change_member(at.uid, at.members[0], viewer=OWNER, **changes)  # type: ignore[arg-type]
    assert at.api.members(at.uid, viewer=OWNER) == tuple(at.members)


def test_a_secret_is_found_through_its_index(store: Store) -> None:
    with store.read() as session:
        plan = session.execute(
            text("EXPLAIN QUERY PLAN SELECT id FROM annotation_member WHERE secret_hash = :h AND secret_hash <> ''"),
            {"h": "0" * 64},
        ).all()
    assert "annotation_member_secret" in str(plan)


def test_final_labels_do_not_turn_an_annotator_into_an_adjudicator(store: Store) -> None:
    at = desk(store)
    item = at.submit(at.members[0])
    assert item is not None
    with pytest.raises(BadInput, match="adjudicators"):
        at.api.add_final(at.uid, item.uid, KNOWN, member=at.members[1])
