"""A session's file comes back as the same session and the same bytes; a damaged or foreign one is refused in words."""

import csv
import io
import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from storage.annotation_records import ItemRecord
from storage.limits import ImportLimits
from tests.support.whole_session import ACTIONS, FINALS, ITEMS, MEMBERS, frozen, label, whole
from ui.session_files import export
from ui.session_import import read_session


def content(names=False):
    return export(whole(), "jsonl", names)[2]


def sealed(lines):
    """A file of these lines with a checksum that is right, as somebody with bad intent would make it."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    end = {"kind": "end", "lines": len(lines), "sha256": sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


def parsed():
    return [json.loads(line) for line in content().splitlines()][:-1]


def changed(kind, nth=0, /, **fields):
    """The file with some fields of the nth line of a kind changed, and sealed again."""
    lines = parsed()
    rows = [line for line in lines if line.get("kind", "manifest") == kind]
    rows[nth].update(fields)
    for name in [name for name, value in fields.items() if value is ...]:
        del rows[nth][name]
    return sealed(lines)


@pytest.mark.parametrize("names", [False, True])
def test_what_was_read_is_exported_as_the_same_bytes(names):
    read = read_session(content(names))
    assert export(read, "jsonl", names)[2] == content(names)
    assert export(read_session(export(read, "jsonl", names)[2]), "jsonl", names)[2] == content(names)


@pytest.mark.parametrize("form", ["csv", "conll", "parquet"])
def test_all_other_forms_of_what_was_read_are_the_same_too(form):
    assert export(read_session(content(True)), form, True)[2] == export(whole(), form, True)[2]


def test_what_was_read_is_the_session_but_for_ids_and_people():
    read, given = read_session(content(True)), whole()
    assert [replace(one, uid="") for one in sorted(read.items, key=lambda one: (one.part, one.place))] == [
        replace(one, uid="") for one in sorted(ITEMS, key=lambda one: (one.part, one.place))
    ]
    assert [event.event for event in read.events] == [event.event for event in given.events]
    assert [(member.number, member.name, member.role, member.revoked) for member in read.members] == [
        (member.number, member.name, member.role, member.revoked) for member in MEMBERS
    ]
    assert {(member.viewer, member.link) for member in read.members} == {("", False)}
    assert read.texts == given.texts and read.session.settings == given.session.settings
    assert [final.source for final in read.finals] == ["accepted:A1", "written"] and len(FINALS) == 2
    assert read.session.owner == "" and read.session.schema == given.session.schema
    assert {member.name for member in read_session(content(False)).members} == {"A1", "A2", "A3"}


PIECES = st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=6), max_size=8)


@settings(max_examples=60, deadline=None)
@given(PIECES, st.text(st.characters(exclude_categories=("Cs",)), max_size=20))
def test_any_tokens_and_texts_come_back_exactly(pieces, prompt):
    item = ItemRecord("x", 0, "work", (frozen("r", tuple(pieces), prompt),), None)
    record = replace(whole().session, title=prompt, guidelines=prompt, guidelines_version=1)
    texts = (replace(whole().texts[0], body=prompt), whole().texts[2])
    session = replace(whole(), session=record, texts=texts, items=(item,), events=(), finals=())
    data = export(session, "jsonl", False)[2]
    read = read_session(data)
    assert read.items[0].runs[0].pieces == tuple(pieces) and read.items[0].runs[0].prompt == prompt
    assert (read.session.title, read.session.guidelines) == (prompt, prompt)
    assert export(read, "jsonl", False)[2] == data
    cells = export(session, "csv", False)[2].decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(cells, newline=""))
    assert row["text"].removeprefix("'") == "".join(pieces).replace("\0", "\ufffd").removeprefix("'")
    block = [line for line in export(session, "conll", False)[2].decode().split("\n")[8:] if line]
    assert [len(line.split("\t")) for line in block] == [4] * len(pieces)


def test_a_text_that_was_opened_in_between_with_other_line_ends_is_still_the_file():
    assert read_session(b"\xef\xbb\xbf" + content().replace(b"\n", b"\r\n")) == read_session(content())
    assert read_session(content().decode()) == read_session(content())
    assert read_session(content().rstrip(b"\n")) == read_session(content())


@pytest.mark.parametrize("at", [0.05, 0.3, 0.6, 0.9])
def test_a_file_that_was_changed_anywhere_is_refused(at):
    data = bytearray(content())
    place = int(len(data) * at)
    data[place] = ord("8") if data[place] != ord("8") else ord("9")
    with pytest.raises(BadInput, match=r"checksum is another|no file of an annotation session"):
        read_session(bytes(data))


def test_a_file_that_was_cut_short_or_lost_a_line_is_refused():
    lines = content().splitlines(keepends=True)
    for missing in (lines[:-1], lines[:5], lines[:1]):
        with pytest.raises(BadInput, match="cut short"):
            read_session(b"".join(missing))
    with pytest.raises(BadInput, match="checksum"):
        read_session(b"".join(lines[:5] + lines[6:]))
    with pytest.raises(BadInput, match="checksum"):
        read_session(b"".join([*lines[:5], lines[6], lines[5], *lines[7:]]))


NO_SESSION = [
    b"", b"\n\n", b"hello", b"[]", b"{}", b'{"format":"forklore-runs","version":1}', b"\xff\xfe\x00", b"PK\x03\x04rest",
    b'{"format":"forklore-session","version":"1"}', b"{" * 10_000, b'{"a":' * 1_000,
]  # fmt: skip


@pytest.mark.parametrize("data", NO_SESSION, ids=range(len(NO_SESSION)))
def test_what_is_no_session_is_refused_with_what_is_expected(data):
    with pytest.raises(BadInput, match="no file of an annotation session"):
        read_session(data)


def test_a_newer_file_asks_for_an_update():
    with pytest.raises(BadInput, match="update the program"):
        read_session(changed("manifest", version=2))


@pytest.mark.parametrize("limits", [{"file_bytes": 1_000}, {"line_bytes": 200}])
def test_a_file_beyond_the_limits_is_refused_before_it_is_read(limits):
    with pytest.raises(BadInput, match="at most"):
        read_session(content(), ImportLimits(**limits))


RUN = {"text": "x", "text_hash": "y", "system": None, "seed": None}
EVIL = {
    "an unknown kind": ("event", 0, {"kind": "drop"}, "no line of kind 'drop'"),
    "a missing field": ("event", 0, {"uuid": ...}, "no field 'uuid'"),
    "an unknown item": ("event", 0, {"item": 99}, "no item 99"),
    "an item by truth": ("event", 0, {"item": True}, "no item"),
    "an unknown member": ("event", 0, {"member": "A9"}, "no member 'A9'"),
    "an unknown action": ("event", 0, {"action": "erase"}, "no action 'erase'"),
    "a label outside": (
        "event",
        0,
        {"payload": label("bad", 0, 99)},
        "outside",
    ),
    "a bad id": ("event", 0, {"uuid": "../x"}, "letters, digits"),
    "an id twice": ("event", 0, {"uuid": "e-1"}, "there twice"),
    "a negative time": ("event", 0, {"active_ms": -1}, "milliseconds"),
    "a bad moment": ("event", 0, {"at": "yesterday"}, "must be a time"),
    "an unknown schema": ("event", 0, {"schema_version": 7}, "no version 7"),
    "a run's text changed": (
        "item",
        0,
        {"runs": [{"text": "x", "text_hash": "y", "system": None, "seed": None}]},
        "text_hash",
    ),
    "no runs": ("item", 0, {"runs": []}, "one or two"),
    "a run that is none": ("item", 0, {"runs": [3]}, "a run is a mapping"),
    "an unknown part": ("item", 0, {"part": "play"}, "one of work, training, check"),
    "a bad known answer": ("item", 0, {"expected": {"answers": {"right": "maybe"}}}, "no option 'maybe'"),
    "an item twice": ("item", 0, {"item": 2}, "must stand"),
    "an item of no number": ("item", 0, {"item": -1}, "whole number"),
    "a role": ("member", 0, {"role": "king"}, "one of owner"),
    "a member called otherwise": ("member", 0, {"member": "A01"}, "must be called A1"),
    "a member called anyhow": ("member", 0, {"member": "Ada"}, "is not called"),
    "revoked as text": ("member", 0, {"revoked": "no"}, "true or false"),
    "confidence": ("final", 0, {"confidence": 9}, "whole number"),
    "a source": ("final", 0, {"source": "accepted:A7"}, "no member 'A7'"),
    "another source": ("final", 0, {"source": "guessed"}, "neither"),
    "a final that does not fit": ("final", 0, {"state": {"labels": [], "answers": {"left": 1}}}, "no question 'left'"),
    "a schema that asks nothing": ("text", 2, {"body": {}}, "at least one"),
    "a schema that is none": ("text", 2, {"body": "labels: [a]"}, "must be a mapping"),
    "guidelines that are none": ("text", 0, {"body": {}}, "must be text"),
    "half a character": ("member", 0, {"name": "\ud800"}, "lone surrogate"),
    "settings": ("manifest", 0, {"settings": {}}, "settings must be exactly"),
    "status": ("manifest", 0, {"status": "lost"}, "one of open, closed"),
    "versions": ("manifest", 0, {"schema_version": 3}, "another version of the schema"),
    "no title": ("manifest", 0, {"title": ...}, "no field 'title'"),
}


@pytest.mark.parametrize("name", EVIL)
def test_a_file_with_a_right_checksum_is_not_believed_for_that(name):
    kind, nth, fields, said = EVIL[name]
    with pytest.raises(BadInput) as caught:
        read_session(changed(kind, nth, **fields))
    assert said in str(caught.value) and len(str(caught.value)) < 400
    assert str(caught.value).startswith("Line ") and str(caught.value).endswith("Nothing was imported.")


@pytest.mark.parametrize("starts", [[1], [0, 99], [3, 2], [0, 2, 1], [], [0, True], "0", None])
def test_tokens_that_do_not_go_with_the_text_are_refused(starts):
    run = next(line for line in parsed() if line.get("item") == 3)["runs"][0]
    with pytest.raises(BadInput, match="token_starts"):
        read_session(changed("item", 2, runs=[{**run, "token_starts": starts}]))


def test_a_file_without_its_schema_or_items_is_refused():
    for kind in ("text", "item"):
        lines = [line for line in parsed() if line.get("kind", "manifest") in {"manifest", "text", "item"}]
        with pytest.raises(BadInput):
            read_session(sealed([line for line in lines if line.get("kind") != kind]))


def test_a_session_that_nobody_has_worked_on_comes_back_too():
    bare = replace(whole(), events=(), finals=(), members=())
    data = export(bare, "jsonl", False)[2]
    read = read_session(data)
    assert export(read, "jsonl", False)[2] == data and not read.session.answered
    for form in ("csv", "conll", "parquet"):
        assert export(read, form, False)[2]
    assert len(ACTIONS) > 20
