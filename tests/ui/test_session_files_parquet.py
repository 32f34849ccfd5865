"""A session as a data set: tables with types, where the `datasets` library looks for them, and a card that says what
it is; no text of a person changes the card's form."""

import io
import json
import zipfile
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml

from tests.support.whole_session import NASTY, PLAIN, SCHEMA, whole
from ui.session_files import export
from ui.session_parquet import DATA, ITEMS


def archive(session=None, names=False):
    return zipfile.ZipFile(io.BytesIO(export(session or whole(), "parquet", names)[2]))


def table(name, session=None, names=False):
    with archive(session, names).open(name) as file:
        return pyarrow.parquet.read_table(io.BytesIO(file.read()))


def rows():
    return {(row["item"], row["annotator"]): row for row in table(DATA).to_pylist()}


def card(session=None, names=False):
    return archive(session, names).read("README.md").decode()


def front(text):
    _, matter, rest = text.split("---\n", 2)
    return yaml.safe_load(matter), rest


def test_the_archive_has_a_card_a_manifest_and_two_tables_and_nothing_else():
    assert archive().namelist() == ["README.md", "manifest.json", DATA, ITEMS]
    assert archive().testzip() is None
    manifest = json.loads(archive().read("manifest.json"))
    assert (manifest["format"], manifest["version"]) == ("forklore-session", 1)
    assert (manifest["schema_version"], manifest["guidelines_version"], manifest["names"]) == (1, 2, False)


def test_the_card_leads_to_the_tables():
    matter, _ = front(card())
    assert DATA == "data/train-00000-of-00001.parquet"
    configs = {config["config_name"]: config for config in matter["configs"]}
    assert configs["default"]["default"] is True
    assert configs["default"]["data_files"] == [{"split": "train", "path": DATA}]
    assert configs["items"]["data_files"] == [{"split": "train", "path": ITEMS}]
    assert matter["size_categories"] == ["n<1K"] and matter["pretty_name"] == "Größe: *two* # people"


def test_there_is_a_row_for_each_item_and_voice():
    assert set(rows()) == {
        (1, "expected"), (2, "A1"), (2, "A2"), (2, "gold"), (3, "A1"), (3, "A2"), (4, "A1"), (5, "A1"), (5, "expected"),
    }  # fmt: skip
    assert table(ITEMS).column("item").to_pylist() == [1, 2, 3, 4, 5]


def test_tokens_and_offsets_are_those_of_the_text():
    for row in table(ITEMS).to_pylist():
        for mark in ("", "_b"):
            if row["tokens" + mark] is None:
                assert mark and row["item"] != 4
                continue
            text, ends = row["text" + mark], row["token_stop_char" + mark]
            assert "".join(row["tokens" + mark]) == text
            spans = zip(row["token_start_char" + mark], ends, strict=True)
            assert [text[start:stop] for start, stop in spans] == row["tokens" + mark]
    pair = table(ITEMS).to_pylist()[3]
    assert (tuple(pair["tokens"]), tuple(pair["tokens_b"])) == (PLAIN, NASTY)


def test_labels_say_where_they_lie_in_tokens_and_characters():
    row = rows()[2, "A1"]
    assert [(one["label"], one["start"], one["stop"]) for one in row["labels"]] == [("fact", 0, 3), ("sum", 2, 6)]
    for one in row["labels"]:
        assert row["text"][one["start_char"] : one["stop_char"]] == one["text"]
        assert "".join(row["tokens"][one["start"] : one["stop"]]) == one["text"]
    assert row["tags_errors"][:4] == ["B-fact", "I-fact", "I-fact|B-sum", "I-sum"]
    assert rows()[3, "A2"]["tags_errors"] is None and rows()[3, "A2"]["labels"][0]["label"] == "fact"


def test_where_nothing_is_known_of_labels_there_are_none_and_no_tags():
    nothing, none = rows()[1, "expected"], rows()[5, "expected"]
    assert (nothing["labels"], nothing["tags_errors"], nothing["answer_right"]) == (None, None, "yes")
    assert (none["labels"], none["tags_errors"]) == ([], ["O"] * len(PLAIN))


def test_answers_have_the_type_of_their_question():
    shape = table(DATA).schema
    types = {name: shape.field(f"answer_{name}").type for name in ("right", "kinds", "worth", "why", "where", "better")}
    assert types == {
        "right": pa.string(), "kinds": pa.list_(pa.string()), "worth": pa.int32(), "why": pa.string(),
        "where": pa.int32(), "better": pa.string(),
    }  # fmt: skip
    one, two = rows()[2, "A1"], rows()[2, "A2"]
    assert (one["answer_right"], one["answer_kinds"], one["answer_worth"]) == ("=1+1", ["a", "c"], -2)
    assert (one["answer_where"], two["answer_where"], rows()[4, "A1"]["answer_where"]) == (2, -1, None)
    assert one["answer_why"] == "@SUM(A1)\nnext 😀" and rows()[4, "A1"]["answer_better"] == "tie"


def test_what_was_settled_stands_beside_what_was_said():
    gold = rows()[2, "gold"]
    assert (gold["reason"], gold["confidence"], gold["answer_right"]) == ("=why", 4, "no")
    assert gold["active_seconds"] is None and rows()[2, "A1"]["active_seconds"] == 13.5
    assert (rows()[3, "A1"]["status"], rows()[3, "A1"]["skip_reason"]) == ("skipped", "+not mine")
    assert rows()[3, "A1"]["flagged"] is True and rows()[2, "A1"]["comment"] == "-1 is wrong"
    assert rows()[4, "A1"]["changes"] == 1 and rows()[2, "A1"]["guidelines_versions"] == [1, 2]


def test_the_datasets_library_loads_both_tables_as_the_card_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed; nothing here needs it")
    archive().extractall(tmp_path / "set")
    cache = str(tmp_path / "cache")
    data = datasets.load_dataset(str(tmp_path / "set"), cache_dir=cache)
    assert data["train"].num_rows == 9 and data["train"][1]["tokens"] == list(NASTY)
    assert str(data["train"].features["answer_worth"].dtype) == "int32"
    assert datasets.load_dataset(str(tmp_path / "set"), "items", cache_dir=cache)["train"].num_rows == 5


@pytest.mark.parametrize("names", [False, True])
def test_names_are_in_the_tables_only_when_they_are_asked_for(names):
    found = table(DATA, names=names)
    assert ("annotator_name" in found.column_names) is names
    everything = json.dumps(found.to_pylist()) + card(names=names) + archive(names=names).read("manifest.json").decode()
    assert ("Ada" in everything) is names
    assert [word for word in ("ada-login", "owner-login", "s-uid") if word in everything] == []


def test_a_session_without_pairs_has_no_columns_for_them():
    single = whole()
    single = replace(single, items=tuple(item for item in single.items if len(item.runs) == 1), finals=())
    left = {item.uid for item in single.items}
    single = replace(single, events=tuple(event for event in single.events if event.item in left))
    assert [name for name in table(DATA, single).column_names if name.endswith("_b")] == []


def test_a_session_that_nobody_has_worked_on_has_empty_typed_tables():
    bare = replace(whole(), events=(), finals=(), members=())
    found = table(DATA, bare)
    assert found.num_rows == 2 and found.schema.field("answer_worth").type == pa.int32()


@pytest.mark.parametrize(
    "evil",
    ["---\nconfigs: []\n---", "a\n# b", "<script>x</script>", "[x](javascript:y)", "``` x", "| a | b |", "'\"{}: &x *x"]
)  # fmt: skip
def test_no_title_or_guidelines_change_the_form_of_the_card(evil):
    session = whole()
    record = replace(session.session, title=evil, guidelines=f"{evil}\n`````\n# not a heading of the card")
    text = card(replace(session, session=record))
    matter, rest = front(text)
    assert len(matter["configs"]) == 2 and matter["pretty_name"] == " ".join(evil.split())
    lines = rest.splitlines()
    assert sum(line.startswith("# ") for line in lines[: lines.index("## Annotators")]) == 1
    assert lines[-1] == "``````" and "``````markdown" in lines, "the fence is longer than any within"
    title = next(line for line in lines if line.startswith("# "))
    assert "<" not in title.replace("\\<", "") and "](" not in title.replace("\\](", "").replace("\\]\\(", "")


def test_the_card_holds_schema_and_versions_of_the_guidelines():
    text = card()
    assert "- version 1 of 2026-11-22" in text and "- version 2 of 2026-11-22" in text
    assert "kind: preference" in text and len(SCHEMA.questions) == 6
    assert "| A1 | annotator | 3 | 1 | 0 |" in text and "| gold | adjudicated | 1 | 0 | 0 |" in text
    for name in table(DATA).column_names:
        assert f"| `{name}` |" in text
