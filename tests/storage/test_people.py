"""Promises about a team's people: a link is its holder's until it is renewed or taken away; the store holds none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.errors import BadInput, NotFound, StoreDamaged
from storage.annotation_rows import change_row, find
from storage.database import Store
from storage.people import LABEL, hashed
from storage.schema import PersonRow
from storage.values import microseconds


def test_the_secret_of_a_link_is_told_once_and_names_its_person(store: Store) -> None:
    ada, secret = store.people.add("Ada")
    ben, other = store.people.add(" Ben ")
    assert len(secret) >= 43 and secret != other and ada.viewer != ben.viewer
    assert store.people.by_secret(secret) == ada and store.people.by_secret(other) == ben
    assert [person.name for person in store.people.list()] == ["Ada", "Ben"]
    for wrong in ("", secret[:-1], secret + "a", secret.swapcase(), hashed(secret), "Ada", ada.uid, "\ud800", "a\0b"):
        assert store.people.by_secret(wrong) is None, wrong


def test_who_reads_the_file_finds_no_secret(store: Store) -> None:
    _, secret = store.people.add("Ada")
    store.close()
    files = [path.read_bytes() for path in store.path.parent.iterdir()]
    assert any(b"Ada" in body for body in files) and not any(secret.encode() in body for body in files)


def test_a_link_that_was_renewed_or_taken_away_is_nobody_s_at_once(store: Store) -> None:
    ada, first = store.people.add("Ada")
    with Store(store.path) as elsewhere:
        _, second = elsewhere.people.renew("Ada")
        assert store.people.by_secret(first) is None
        assert store.people.by_secret(second) == ada
        assert elsewhere.people.remove("Ada").revoked
        assert store.people.by_secret(second) is None and store.people.by_secret("") is None
        again, third = elsewhere.people.renew("Ada")
    assert (again.uid, again.revoked) == (ada.uid, False), "who comes back finds what was theirs"
    assert store.people.by_secret(third) == again


def test_a_name_is_one_person_s_for_good(store: Store) -> None:
    store.people.add("Ada")
    with pytest.raises(BadInput, match="renew"):
        store.people.add("Ada")
    store.people.remove("Ada")
    with pytest.raises(BadInput, match="renew"):
        store.people.add("Ada")
    for empty in ("", "  ", "x" * 101, "\ud800"):
        with pytest.raises(BadInput, match="name"):
            store.people.add(empty)
    for action in (store.people.renew, store.people.remove):
        with pytest.raises(NotFound, match="nobody called"):
            action("Nobody")
    assert len(store.people.list()) == 1


def test_of_who_was_erased_neither_name_nor_time_nor_link_is_left_and_the_name_is_free(store: Store) -> None:
    ada, secret = store.people.add("Ada Lovelace")
    ben, _ = store.people.add("Ben")
    store.people.saw(ada.uid, datetime(2026, 11, 22, 8, 0, tzinfo=UTC))
    store.people.erase("Ada Lovelace")
    assert [person.name for person in store.people.list()] == ["Ben"] and store.check().ok
    assert store.people.by_secret(secret) is None and store.people.by_secret("") is None
    for action in (store.people.renew, store.people.remove, store.people.erase, store.people.named):
        for name in ("Ada Lovelace", ada.uid, f" {ada.uid}", ""):
            with pytest.raises(NotFound):
                action(name)
    with closing(sqlite3.connect(store.path)) as connection:
        row = connection.execute("SELECT secret_hash, created_at, seen_at FROM person WHERE uid = ?", (ada.uid,))
        assert row.fetchall() == [("", 0, None)]
    assert not any(b"Lovelace" in path.read_bytes() for path in store.path.parent.iterdir())
    again, _ = store.people.add("Ada Lovelace")
    assert again.viewer not in (ada.viewer, ben.viewer), "who is called the same has nothing of hers"


def seen_in_the_file(store: Store) -> int:
    with closing(sqlite3.connect(store.path)) as connection:
        return int(connection.execute("SELECT seen_at FROM person").fetchone()[0])


def test_of_when_somebody_was_here_last_the_hour_is_kept(store: Store) -> None:
    ada, _ = store.people.add("Ada")
    assert ada.seen_at is None
    hour = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    for moment in (hour, hour + timedelta(minutes=59, seconds=59, microseconds=999_999), hour.astimezone(elsewhere)):
        store.people.saw(ada.uid, moment)
        assert [person.seen_at for person in store.people.list()] == [hour]
        assert seen_in_the_file(store) == microseconds(hour)


def test_a_moment_that_an_older_program_kept_is_told_by_the_hour(store: Store) -> None:
    ada, _ = store.people.add("Ada")
    moment = datetime(2026, 11, 22, 8, 17, 3, 141, tzinfo=UTC)
    with store.write() as session:
        (row,) = find(session, PersonRow, LABEL, uid=ada.uid)
        change_row(session, PersonRow, row, seen_at=microseconds(moment))
    assert seen_in_the_file(store) == microseconds(moment)
    assert [person.seen_at for person in store.people.list()] == [moment.replace(minute=0, second=0, microsecond=0)]


@pytest.mark.parametrize("change", ["revoked = 0, secret_hash = 'x' || substr(secret_hash, 2)", "name = 'Eve'"])
def test_a_row_that_was_tampered_with_lets_nobody_in_and_is_named_by_a_check(store: Store, change: str) -> None:
    _, secret = store.people.add("Ada")
    assert store.check().ok
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(f"UPDATE person SET {change}")
    with pytest.raises(StoreDamaged, match="list of people"):
        store.people.list()
    report = store.check()
    assert not report.ok and any("list of people" in line for line in report.integrity)
    if "Eve" in change:
        with pytest.raises(StoreDamaged):
            store.people.by_secret(secret)
    else:
        assert store.people.by_secret(secret) is None
