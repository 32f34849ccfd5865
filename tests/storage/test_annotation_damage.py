"""Promises of checksums: every change, loss or exchange of a row is noticed, the session named, the others open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.errors import StoreDamaged
from storage.database import Store
from tests.storage.annotating import KNOWN, OWNER, Desk, NewItem, break_it, desk, event
from tests.storage.examples import small_trace

DAMAGE = [
    "UPDATE annotation_session SET title = 'x' WHERE id = 1",
    "UPDATE annotation_session SET owner = 'bob' WHERE id = 1",
    "UPDATE annotation_session SET blind = 1 - blind WHERE id = 1",
    "UPDATE annotation_session SET overlap = 9 WHERE id = 1",
    "UPDATE annotation_session SET settings = '{' WHERE id = 1",
    "UPDATE annotation_session SET finals = 0 WHERE id = 1",
    "UPDATE annotation_session SET created_at = 9223372036854775807 WHERE id = 1",
    "UPDATE annotation_text SET body = 'x' WHERE session_id = 1 AND kind = 'guidelines'",
    "UPDATE annotation_text SET body = '{}' WHERE session_id = 1 AND kind = 'schema'",
    "DELETE FROM annotation_text WHERE session_id = 1 AND kind = 'guidelines' AND version = 1",
    "UPDATE annotation_member SET role = 'owner' WHERE id = 1",
    "UPDATE annotation_member SET secret_hash = upper(secret_hash) WHERE id = 1",
    "UPDATE annotation_member SET revoked = 1 WHERE id = 1",
    "UPDATE annotation_item SET part = 'training' WHERE id = 2",
    "UPDATE annotation_item SET expected = NULL WHERE id = 5",
    "UPDATE annotation_item SET preview = 'x' WHERE id = 2",
    "UPDATE annotation_run SET body = 'x' || substr(body, 2) WHERE item_id = 2",
    "UPDATE annotation_run SET sizes = '[]' WHERE item_id = 2",
    "UPDATE annotation_run SET model_name = 'gpt' WHERE item_id = 2",
    "DELETE FROM annotation_run WHERE item_id = 2",
    "UPDATE annotation_run SET item_id = 99 - item_id WHERE item_id IN (2, 3)",
    "UPDATE annotation_place SET status = 'skipped' WHERE item_id = 1",
    "UPDATE annotation_place SET events = 1 WHERE item_id = 1",
    "DELETE FROM annotation_place WHERE item_id = 1",
    "UPDATE annotation_event SET payload = '{}' WHERE id = 1",
    "UPDATE annotation_event SET kind = 'unlabel' WHERE id = 1",
    "UPDATE annotation_event SET active_ms = active_ms + 1 WHERE id = 1",
    "UPDATE annotation_event SET member_id = 2 WHERE id = 1",
    "UPDATE annotation_event SET created_at = created_at + 1 WHERE id = 1",
    "UPDATE annotation_event SET id = 999 WHERE id = 1",
    "DELETE FROM annotation_event WHERE id = 1",
    "DELETE FROM annotation_event WHERE id = (SELECT max(id) FROM annotation_event WHERE session_id = 1)",
    "INSERT INTO annotation_event SELECT 999, session_id, item_id, member_id, 'again', kind, payload, active_ms,"
    " wall_ms, schema_version, guidelines_version, created_at, row_hash FROM annotation_event WHERE id = 1",
    "UPDATE annotation_final SET state = '{}' WHERE id = 1",
    "UPDATE annotation_final SET member_id = 1 WHERE id = 1",
    "DELETE FROM annotation_final WHERE id = 1",
]


@pytest.fixture
def two(store: Store) -> tuple[Desk, str]:
    """A session with every kind of row, and another one that nothing happens to."""
    items = [NewItem((f"run-{i}",)) for i in range(4)] + [NewItem(("run-0",), "check", KNOWN)]
    at = desk(store, items=items, check_every=2)
    for member in at.members:
        at.submit(member), at.submit(member), at.take(member)
    at.api.change(at.uid, viewer=OWNER, guidelines="# Two")
    at.api.add_final(at.uid, at.api.outline(at.uid)[1].uid, KNOWN, viewer=OWNER)
    whole = at.api.whole(at.uid, viewer=OWNER)
    return at, at.api.restore_export(whole, viewer=OWNER)


def see_everything(at: Desk, uid: str) -> None:
    """Read all that anybody can read of a session."""
    api = at.api
    api.get(uid, viewer=OWNER)
    whole = api.whole(uid, viewer=OWNER)
    api.outline(uid), api.places(uid, viewer=OWNER), api.finals(uid, viewer=OWNER)
    for member in whole.members:
        for item in api.own_items(uid, member):
            api.own_events(uid, member, item[0])


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damage_is_named_and_the_other_session_opens(two: tuple[Desk, str], damage: str) -> None:
    at, other = two
    see_everything(at, at.uid)
    assert at.store.check().ok
    if "99 - item_id" in damage:  # two texts change places
        break_it(
            at.store,
            "UPDATE annotation_run SET item_id = -1 WHERE item_id = 2",
            "UPDATE annotation_run SET item_id = 2 WHERE item_id = 3",
            "UPDATE annotation_run SET item_id = 3 WHERE item_id = -1",
        )
    else:
        break_it(at.store, damage)
    report = at.store.check()
    assert [uid for uid, _ in report.damaged_sessions] == [at.uid] and not report.damaged_runs
    assert "restore the library" in report.damaged_sessions[0][1]
    with pytest.raises(StoreDamaged, match=at.uid):
        see_everything(at, at.uid)
    see_everything(at, other)
    listed = {row.uid: row for row in at.api.sessions(viewer=OWNER)}
    assert other in listed and not listed[other].damaged
    assert at.uid not in listed or listed[at.uid].damaged or listed[at.uid].title == "Errors in answers"


def test_a_lost_item_is_noticed(two: tuple[Desk, str]) -> None:
    at, other = two
    break_it(at.store, "DELETE FROM annotation_item WHERE id = 4 AND id NOT IN (SELECT item_id FROM annotation_event)",
             "DELETE FROM annotation_place WHERE item_id = 3",
             "DELETE FROM annotation_event WHERE item_id = 3", "DELETE FROM annotation_item WHERE id = 3")  # fmt: skip
    assert [uid for uid, _ in at.store.check().damaged_sessions] == [at.uid] != [other]


def test_a_damaged_session_takes_no_further_labels(two: tuple[Desk, str]) -> None:
    at, _ = two
    ada = at.members[0]
    item = at.api.own_items(at.uid, ada)[0][0]
    row_id = "(SELECT id FROM annotation_item WHERE uid = '" + item + "')"
    break_it(at.store, f"UPDATE annotation_event SET wall_ms = 7 WHERE item_id = {row_id} AND kind = 'answer'")
    with pytest.raises(StoreDamaged, match=at.uid):
        at.save(ada, item, event("reopen"))
    fine = at.api.own_items(at.uid, ada)[1][0]
    assert at.save(ada, fine, event("reopen")) > 3, "what is whole can still be worked on"


FLIPPED: list[tuple[str, Callable[[], bytes]]] = [
    ("annotation_session", lambda: b"Errors in answers"),
    ("annotation_text", lambda: b"# Read this"),
    ("annotation_member", lambda: b"Person 1"),
    ("annotation_item", lambda: b'{"answers":{"correct":"yes"}}'),
    ("annotation_run", lambda: small_trace(1).text.encode()),
    ("annotation_place", lambda: b"submitted"),
    ("annotation_event", lambda: b'"question":"correct","value":"yes"'),
    ("annotation_final", lambda: b'"answers":{"correct":"yes"}}klar'),
]


@pytest.mark.parametrize(("table", "needle"), FLIPPED)
def test_a_flipped_byte_in_any_table_is_found(tmp_path: Path, table: str, needle: Callable[[], bytes]) -> None:
    path = tmp_path / "library.db"
    with Store(path) as store:
        items = [NewItem((f"run-{i}",)) for i in range(4)] + [NewItem(("run-0",), "check", KNOWN)]
        at = desk(store, items=items)
        item = at.submit(at.members[0])
        assert item is not None
        at.api.add_final(at.uid, item.uid, KNOWN, viewer=OWNER, reason="klar")
        pages = pages_of(store, table)
    content = bytearray(path.read_bytes())
    flipped = 0
    for page in pages:  # everywhere on its pages: what was overwritten there once may still stand beside what holds
        start = content.find(needle(), 4096 * (page - 1), 4096 * page)
        while start >= 0:
            content[start + 3] ^= 0x01
            flipped += 1
            start = content.find(needle(), start, 4096 * page)
    assert flipped, f"nothing was changed in {table}: the test shows nothing"
    path.write_bytes(content)
    with Store(path) as store:
        assert [uid for uid, _ in store.check().damaged_sessions] == [at.uid]


def pages_of(store: Store, table: str) -> list[int]:
    """The pages on which a table's rows lie: found by reading its b-tree from the root."""
    store.close()
    content = store.path.read_bytes()
    with store.read() as session:
        root = session.execute(text("SELECT rootpage FROM sqlite_master WHERE name = :n"), {"n": table}).scalar_one()
    store.close()
    pages, todo = [], [int(root)]
    while todo:
        page = todo.pop()
        at = 4096 * (page - 1) + (100 if page == 1 else 0)
        pages.append(page)
        cells = int.from_bytes(content[at + 3 : at + 5], "big")
        if content[at] in (2, 5):  # interior: children before their separators, the last one in the header
            todo.append(int.from_bytes(content[at + 8 : at + 12], "big"))
            for cell in range(cells):
                pointer = int.from_bytes(content[at + 12 + 2 * cell : at + 14 + 2 * cell], "big")
                todo.append(int.from_bytes(content[4096 * (page - 1) + pointer :][:4], "big"))
    return pages


def test_the_sound_session_is_sound(two: tuple[Desk, str]) -> None:
    """The negative control of all of the above."""
    report = two[0].store.check()
    assert report.ok and (report.sessions, report.events) == (2, 24)
