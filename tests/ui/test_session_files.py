"""Sessions as files: everything is in them, at the right characters, without names, and no cell is a formula."""

import csv
import io
import itertools
import json
import re
from hashlib import sha256

import pytest

from engine.errors import BadInput
from engine.label_schema import schema_fields
from tests.support.whole_session import GUIDELINES, ITEMS, NASTY, PLAIN, SCHEMA, whole
from ui.session_files import FORMS, export
from ui.session_tables import safe

PRIVATE = ("ada-login", "owner-login", "s-uid", "Ada", "Bob", "Cy", '"m1"', '"x1"')


def lines_of(names=False):
    return [json.loads(line) for line in export(whole(), "jsonl", names)[2].splitlines()]


def table(names=False):
    content = export(whole(), "csv", names)[2].decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content, newline="")))


def conll_lines(names=False):
    return export(whole(), "conll", names)[2].decode().split("\n")


@pytest.mark.parametrize("form", FORMS)
def test_the_same_session_gives_the_same_bytes_and_a_plain_name(form):
    name, kind, content = export(whole(), form, False)
    assert content == export(whole(), form, False)[2]
    assert re.fullmatch(r"forklore-session-groe-two-people\.(jsonl|csv|conll|zip)", name)
    assert "/" in kind and content


@pytest.mark.parametrize("form", ["xml", "", None, ["csv"], "CSV"])
def test_an_unknown_form_names_the_known_ones(form):
    with pytest.raises(BadInput, match="jsonl, csv, conll, parquet"):
        export(whole(), form)


@pytest.mark.parametrize("form", ["jsonl", "csv", "conll"])
def test_names_and_ids_of_the_store_are_in_no_file_unless_they_are_asked_for(form):
    text = export(whole(), form, False)[2].decode("utf-8")
    assert [word for word in PRIVATE if word in text] == []
    named = export(whole(), form, True)[2].decode("utf-8")
    assert "Ada" in named and [word for word in PRIVATE[:3] if word in named] == []


def test_every_line_of_the_exact_file_is_ascii_and_the_last_one_seals_it():
    content = export(whole(), "jsonl", False)[2]
    assert content.isascii() and content.endswith(b"\n") and b"\r" not in content
    body, end = content[:-1].rsplit(b"\n", 1)
    last = json.loads(end)
    assert last == {"kind": "end", "lines": body.count(b"\n") + 1, "sha256": sha256(body + b"\n").hexdigest()}


def test_the_exact_file_has_every_text_item_action_and_final_in_order():
    lines = lines_of()
    first, session = lines[0], whole()
    assert (first["format"], first["version"], first["schema_version"], first["guidelines_version"]) == (
        "forklore-session", 1, 1, 2,
    )  # fmt: skip
    kinds = [line["kind"] for line in lines[1:]]
    assert [kinds.count(kind) for kind in ("text", "member", "item", "event", "final", "state", "end")] == [
        3, 3, 5, len(session.events), 2, 6, 1,
    ]  # fmt: skip
    assert [line["uuid"] for line in lines if line.get("kind") == "event"] == [e.uuid for e in session.events]
    bodies = [line["body"] for line in lines if line.get("kind") == "text"]
    assert bodies == ["old", GUIDELINES, schema_fields(SCHEMA)]
    event = next(line for line in lines if line.get("uuid") == "e-1")
    assert event["at"] == "2026-11-22T14:03:23.123456Z" and (event["item"], event["member"]) == (2, "A1")
    finals = [line for line in lines if line.get("kind") == "final"]
    assert [(final["by"], final["source"]) for final in finals] == [("A3", "accepted:A1"), (None, "written")]


def test_tokens_of_the_exact_file_are_those_of_the_text():
    (run,) = next(line for line in lines_of() if line.get("item") == 2)["runs"]
    starts = [*run["token_starts"], len(run["text"])]
    assert tuple(run["text"][a:b] for a, b in itertools.pairwise(starts)) == NASTY
    assert run["text_hash"] == sha256(run["text"].encode()).hexdigest()
    pair = next(line for line in lines_of() if line.get("item") == 4)["runs"]
    assert pair[0]["special"] == [5] and pair[0]["system"] is None
    single = next(line for line in lines_of() if line.get("item") == 3)["runs"][0]
    assert single["seed"] == str(2**62 + 1)


def test_a_state_says_where_its_labels_lie_in_characters():
    state = next(line for line in lines_of() if line.get("kind") == "state" and line["item"] == 2)
    assert [
        (one["start"], one["stop"], one["start_char"], one["stop_char"], one["text"]) for one in state["labels"]
    ] == [
        (0, 3, 0, 6, "=1+2 😀"),
        (2, 6, 4, 9, " 😀a\u0301\n"),
    ]
    assert state["member"] == "A1" and state["status"] == "submitted" and state["active"] == 13.5


def test_no_cell_of_the_table_is_a_formula():
    cells = [
        cell for row in csv.reader(io.StringIO(export(whole(), "csv", True)[2].decode("utf-8-sig"))) for cell in row
    ]
    dangerous = [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell and cell != "-2"]
    assert dangerous == []
    for expected in ("'=1+1", "'@SUM(A1)\nnext 😀", "'-1 is wrong", "'+not mine", "'=Bob", "'=why", "-2"):
        assert expected in cells


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=a", "'=a"), ("+1", "'+1"), ("-", "'-"), ("@x", "'@x"), ("\tx", "'\tx"), ("\rx", "'\rx"), ("\n=1", "'\n=1"),
     ("＝1", "'＝1"), ("a=b", "a=b"), ("", ""), (None, ""), (-2, -2), (1.5, 1.5), (True, "true"), ("'=", "'="),
     ("a\0b", "a\ufffdb"), ("\ud800", "\ufffd")],
)  # fmt: skip
def test_a_cell_is_made_safe_only_where_it_must_be(value, cell):
    assert safe(value) == cell


def test_the_table_has_a_row_a_label_with_its_characters_and_versions():
    rows = [row for row in table() if row["kind"] == "label"]
    assert len(rows) == 7
    one = next(row for row in rows if row["annotator"] == "A1" and row["value"] == "sum")
    assert [one[name] for name in ("item", "name", "start", "stop", "start_char", "stop_char", "text", "status")] == [
        "2", "errors", "2", "6", "4", "9", " 😀a\u0301\n", "submitted",
    ]  # fmt: skip
    assert (one["run"], one["guidelines_version"], one["at"]) == ("run-a", "1", "2026-11-22T14:03:23.123456Z")
    tone = [(row["value"], row["start"], row["stop"]) for row in rows if row["name"] == "tone"]
    assert tone == [("good", "0", "4"), ("bad", "4", "6"), ("good", "6", "12")]
    gold = [row for row in rows if row["annotator"] == "gold"]
    assert [(row["value"], row["text"]) for row in gold] == [("sum", " 😀a\u0301\n")]


def test_the_table_has_a_row_for_each_answer_option_and_for_each_text():
    rows = table()
    mine = [
        (r["name"], r["value"]) for r in rows if r["kind"] == "answer" and (r["annotator"], r["item"]) == ("A1", "2")
    ]
    assert mine == [
        ("right", "'=1+1"), ("kinds", "a"), ("kinds", "c"), ("worth", "-2"),
        ("why", "'@SUM(A1)\nnext 😀"), ("where", "2"),
    ]  # fmt: skip
    where = next(row for row in rows if row["name"] == "where" and row["value"] == "2")
    assert (where["text"], where["start_char"], where["stop_char"]) == (" 😀", "4", "6")
    texts = [row for row in rows if row["kind"] == "text"]
    assert [(row["item"], row["run_index"], row["stop"]) for row in texts] == [
        ("1", "0", "0"), ("2", "0", "12"), ("3", "0", "6"), ("4", "0", "6"), ("4", "1", "12"), ("5", "0", "6"),
    ]  # fmt: skip
    assert texts[2]["text"] == "".join(PLAIN) and texts[2]["text_hash"] == ITEMS[1].runs[0].text_hash


def test_the_table_tells_what_was_skipped_begun_and_known():
    rows = {(r["item"], r["annotator"]): r for r in table() if r["kind"] == "status"}
    assert (rows["3", "A1"]["value"], rows["3", "A1"]["reason"]) == ("skipped", "'+not mine")
    assert rows["3", "A2"]["value"] == "open"
    assert (rows["2", "gold"]["value"], rows["2", "gold"]["active_seconds"]) == ("submitted", "")
    assert ("4", "A2") not in rows, "who only read an item has said nothing"
    known = [(r["item"], r["name"], r["value"]) for r in table() if r["annotator"] == "expected"]
    assert known == [("1", "right", "yes"), ("5", "right", "no")]
    assert rows["4", "A1"]["changes"] == "1" and "annotator_name" not in table()[0]
    assert {r["annotator_name"] for r in table(True)} == {"", "Ada <b>", "'=Bob"}


def blocks():
    found, current = {}, None
    for line in conll_lines():
        match = re.match(r"# item (\d+) run_index (\d)", line)
        if match:
            current = found.setdefault((int(match[1]), int(match[2])), [])
        elif line and not line.startswith("# ") and current is not None:
            current.append(line.split("\t"))
    return found


def test_tokens_stand_below_each_other_with_a_column_for_each_set_and_voice():
    header = next(line for line in conll_lines() if line.startswith("# columns: "))
    columns = header.removeprefix("# columns: ").split()
    assert columns[:4] == ["id", "token", "start_char", "stop_char"]
    assert columns[4:] == ["errors:A1", "errors:A2", "errors:gold", "tone:A1", "tone:A2", "tone:gold"]
    found = blocks()
    assert [len(found[key]) for key in [(1, 0), (2, 0), (3, 0), (4, 0), (4, 1), (5, 0)]] == [0, 12, 6, 6, 12, 6]
    for rows in found.values():
        assert {len(row) for row in rows} <= {10}
    tags = {name: [row[4 + i] for row in found[2, 0]] for i, name in enumerate(columns[4:])}
    assert tags["errors:A1"][:7] == ["B-fact", "I-fact", "I-fact|B-sum", "I-sum", "I-sum", "I-sum", "O"]
    assert tags["errors:gold"][:4] == ["O", "O", "B-sum", "I-sum"]
    assert tags["tone:A2"] == ["B-good"] * 4 + ["B-bad"] * 2 + ["B-good"] * 6
    assert {row[5] for row in found[3, 0]} == {"_"}, "begun and not handed in"
    assert {row[4] for row in found[3, 0]} == {"_"}, "skipped"
    assert {row[4] for row in found[4, 1]} == {"O"}, "the only label on the second run was undone"


def test_tokens_in_columns_come_back_exactly_and_break_no_line():
    unescape = {"\\s": " ", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\\\": "\\", "\\e": ""}

    def back(token):
        return re.sub(r"\\(?:u([0-9a-f]{4})|.)", lambda m: chr(int(m[1], 16)) if m[1] else unescape[m[0]], token)

    rows = blocks()[2, 0]
    assert tuple(back(row[1]) for row in rows) == NASTY
    text = "".join(NASTY)
    assert [text[int(row[2]) : int(row[3])] for row in rows] == list(NASTY)
    whole_text = export(whole(), "conll", False)[2].decode()
    assert whole_text.splitlines() == whole_text.split("\n")[:-1]
    assert all(len(line.split()) == 10 for line in conll_lines() if line and not line.startswith("#"))


def test_versions_are_told_in_every_form():
    assert "schema version 1; guidelines version 2" in conll_lines()[0]
    assert {row["schema_version"] for row in table() if row["kind"] == "status"} == {"1"}
