"""Promises for a library that is put back: nobody who was sent away since comes in again, and no old link works."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.database import Store
from storage.restoring import restore
from tests.storage.examples import small_trace


def spoil(path: Path, where: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute(f"UPDATE person SET row_hash = 'x' {where}")


def test_what_was_decided_about_people_since_the_copy_stays_decided(store: Store, tmp_path: Path) -> None:
    people = store.people
    secrets = {name: people.add(name)[1] for name in ("Ada", "Ben", "Cy", "Dee")}
    people.remove("Dee")
    copy = store.backup(tmp_path / "copy.db")
    people.remove("Ada")
    _, renewed = people.renew("Ben")
    _, back = people.renew("Dee")
    eve, new = people.add("Eve")
    people.add("Fay")
    people.remove("Fay")
    before = {person.name: person for person in people.list()}
    store.close()

    told = restore(copy, store.path).people
    assert (told.allowed, told.unread) == (("Ben", "Cy", "Dee", "Eve"), False)
    assert (told.removed, told.renewed, told.added) == (("Ada",), ("Ben", "Dee"), ("Eve",))
    with Store(store.path) as now:
        assert now.check().ok and {person.name: person for person in now.people.list()} == before
        for secret in (secrets["Ada"], secrets["Ben"], secrets["Dee"]):
            assert now.people.by_secret(secret) is None
        for name, secret in {"Ben": renewed, "Cy": secrets["Cy"], "Dee": back, "Eve": new}.items():
            found = now.people.by_secret(secret)
            assert found is not None and found.name == name
        assert before["Eve"] == eve


def test_the_same_name_in_a_library_begun_anew_keeps_the_newer_link_and_the_older_work(
    store: Store, tmp_path: Path
) -> None:
    ada, old = store.people.add("Ada")
    copy = store.backup(tmp_path / "copy.db")
    with Store(tmp_path / "fresh.db") as fresh:
        _, new = fresh.people.add("Ada")
    assert restore(copy, tmp_path / "fresh.db").people.renewed == ("Ada",)
    with Store(tmp_path / "fresh.db") as now:
        found = now.people.by_secret(new)
        assert found is not None and found.uid == ada.uid and now.people.by_secret(old) is None


def test_who_was_erased_since_the_copy_is_erased_again_and_a_namesake_gets_nothing_of_theirs(
    store: Store, tmp_path: Path
) -> None:
    ada, old = store.people.add("Ada")
    ben, _ = store.people.add("Ben")
    for owner in (ada.viewer, ben.viewer):
        store.runs.add(small_trace(1, 30), owner=owner, status="finished", run_scores={})
    copy = store.backup(tmp_path / "copy.db")
    store.people.erase("Ada")
    _, new = store.people.add("Ada")
    store.close()

    told = restore(copy, store.path).people
    assert (told.erased, told.added, told.allowed, told.renewed) == (1, ("Ada",), ("Ada", "Ben"), ())
    with Store(store.path) as now:
        namesake = now.people.by_secret(new)
        assert now.people.by_secret(old) is None and namesake is not None and namesake.viewer != ada.viewer
        assert [now.belongings.held(viewer=one.viewer).runs for one in (ada, ben, namesake)] == [0, 1, 0]


def test_who_is_erased_in_the_copy_stays_so_whatever_an_older_library_says(store: Store, tmp_path: Path) -> None:
    _, secret = store.people.add("Ada")
    older = store.backup(tmp_path / "older.db")
    store.people.erase("Ada")
    copy = store.backup(tmp_path / "copy.db")
    assert restore(copy, older).people.allowed == ()
    with Store(older) as now:
        assert now.people.by_secret(secret) is None and now.people.list() == () and now.check().ok


def test_without_a_list_to_follow_it_is_told_who_comes_in(store: Store, tmp_path: Path) -> None:
    for name in ("Ada", "Ben", "Cy"):
        store.people.add(name)
    copy = store.backup(tmp_path / "copy.db")
    told = restore(copy, tmp_path / "lost.db").people
    assert (told.allowed, told.removed, told.unread) == (("Ada", "Ben", "Cy"), (), False)
    store.people.remove("Ada")
    store.people.remove("Ben")
    store.close()
    spoil(store.path, "WHERE name = 'Ben'")
    told = restore(copy, store.path).people
    assert (told.allowed, told.removed, told.unread) == (("Ben", "Cy"), ("Ada",), True)
    store.path.write_bytes(store.path.read_bytes()[:5000])
    told = restore(copy, store.path).people
    assert (told.allowed, told.removed, told.unread) == (("Ada", "Ben", "Cy"), (), True)


@pytest.mark.parametrize("version", [1, 2])
def test_a_library_from_before_there_were_people_has_no_list(
    version: int, store: Store, root: Path, tmp_path: Path
) -> None:
    store.people.add("Ada")
    old = tmp_path / "old.db"
    old.write_bytes((root / f"tests/golden/store_v{version}.db").read_bytes())
    told = restore(store.backup(tmp_path / "copy.db"), old).people
    assert (told.allowed, told.unread) == (("Ada",), False)
