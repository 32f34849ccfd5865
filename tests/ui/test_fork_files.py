"""The raw draws of an analysis as files: whole, the same in both forms, with hostile texts as data, for its readers."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pyarrow.parquet
import pytest
from gradio.components.api_component import Api

from engine.errors import BadInput, NotFound
from engine.forking import outcome_curve
from tests.support.bench import ME, lines
from tests.support.forking import SMALL
from ui import fork_files
from ui.access import Viewer
from ui.forks import Forks

FEW = SMALL | {"seed": "9007199254740993"}
HOSTILE = b'\xff<script>alert("x")</script>\n\xe2\x80\xa8=1+1,"\x00'


@pytest.fixture
def forks(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "passing"))
    # several parts, the last one not full
    monkeypatch.setattr(fork_files, "PART", 7)
    return Forks(bench)


@pytest.fixture
def uid(forks, answer):
    *_, whole = forks.run(answer, FEW, ME)
    return lines(whole)[0]["forks"]


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and rows of either kind of file."""
    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
        said = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
        texts = {"format", "run", "analysis", "seed", "prompt", "answer"}
        return {name: value if name in texts else json.loads(value) for name, value in said.items()}, table.to_pylist()
    first, *rest = path.read_text("utf-8").split("\n")[:-1]
    return json.loads(first), [json.loads(line) for line in rest]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_every_draw_is_in_the_file_with_all_that_it_takes_to_count_it_again(bench, forks, uid, kind, tiny):
    path = forks.export(uid, kind, ME)
    about, rows = read(path)
    report = forks._opened(uid, ME).report()
    assert len(rows) == report.count == about["draws"] and report.count > 3 * fork_files.PART
    assert [tuple(row["ids"]) for row in rows] == [one.ids for one in report.draws.rollouts]
    names = report.draws.labels("exact_text")
    chances = {(t, i): (p, base) for t, i, p, base, _ in about["branches"]}
    kept = dict(zip(report.curve.positions.tolist(), report.curve.kept_mass.tolist(), strict=True))
    for row, one, name in zip(rows, report.draws.rollouts, names, strict=True):
        assert (row["position"], row["token_id"], row["draw"]) == (one.position, one.token_id, one.draw)
        assert (row["probability"], row["is_base"]) == chances[one.position, one.token_id]
        assert row["kept_mass"] == pytest.approx(kept[one.position]) and row["outcome"] == name
        assert row["ending"] in ("stop", "length") and row["ending"] == one.ending and row["close"] == one.close
        whole = (*report.plan.base[: one.position], one.token_id, *one.ids)
        spoken = b"".join(tiny.token_bytes(i) for i in whole if i not in tiny.special_ids)
        assert row["response"] == spoken.decode("utf-8", "replace")
        assert row["extractor"] == "exact_text" and row["extractor_version"] >= 1 and row["extractor_parameter"] == ""
        assert row["analysis"] == uid and row["run"] == about["run"]
        assert row["token"] == tiny.token_bytes(one.token_id).decode("utf-8", "replace")
    assert about["format"] == "forklore-draws" and about["version"] == 1
    assert about["seed"] == FEW["seed"] == about["settings"]["seed"]
    card = tiny.card
    for name in ("name", "revision", "dtype", "quantization"):
        assert about["model"][name] == getattr(card, name)


def test_both_kinds_say_the_same(forks, uid):
    (about, rows), (said, table) = (read(forks.export(uid, kind, ME)) for kind in ("jsonl", "parquet"))
    assert about == said and rows == table


def test_a_parquet_file_is_typed_packed_and_written_in_parts(forks, uid):
    file = pyarrow.parquet.ParquetFile(forks.export(uid, "parquet", ME))
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types["ids"].startswith("list<") and "int32" in types["ids"] and types["probability"] == "double"
    assert types["position"] == "int32" and types["is_base"] == "bool" and types["response"] == "string"
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    assert len(groups) > 3 and all(group.num_rows <= fork_files.PART for group in groups)
    assert {group.column(i).compression for group in groups for i in range(group.num_columns)} == {"ZSTD"}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_hostile_texts_and_half_characters_stay_data(bench, forks, uid, kind, monkeypatch):
    opened = forks._opened(uid, ME)
    token_id = opened.draws.rollouts[0].token_id
    opened.draws.words[token_id] = HOSTILE
    surrogate = "\ud800 and \udfff; a pair: \ud83d\ude00"
    trace = replace(opened.run.trace, prompt=surrogate)
    monkeypatch.setattr(opened.draws, "labels", lambda *_, **__: [surrogate] * len(opened.draws.rollouts))
    path = fork_files.write_draws("../../etc/x", "../../y\ud800", trace, opened.report(), kind)
    about, rows = read(path)
    assert path.name == f"forklore-draws-______y_.{kind}"
    assert about["prompt"] == rows[0]["outcome"] == "\ufffd and \ufffd; a pair: \U0001f600"
    assert about["analysis"] == "../../y\ufffd"
    shown = HOSTILE.decode("utf-8", "replace")
    assert rows[0]["token"] == shown and shown in rows[0]["response"] and len(rows) == opened.report().count


def test_the_file_lies_where_the_page_hands_files_out_in_a_folder_nobody_can_guess(bench, forks, uid, monkeypatch):
    one, other = forks.export(uid, "jsonl", ME), Forks(bench).export(uid, "jsonl", ME)
    assert one.parent != other.parent and len(one.parent.name) >= 32 and one.name == other.name
    assert stat.S_IMODE(one.parent.stat().st_mode) == 0o700
    for folder in (None, str(one.parent.parent)):
        monkeypatch.setenv("GRADIO_TEMP_DIR", folder) if folder else monkeypatch.delenv("GRADIO_TEMP_DIR")
        with gr.Blocks():
            assert fork_files.passing_folder().is_relative_to(Path(Api(None, {}).GRADIO_CACHE).resolve())


def test_a_file_is_written_again_only_where_something_has_changed(forks, uid):
    one = forks.export(uid, "jsonl", ME)
    assert forks.export(uid, "jsonl", ME) == one
    others = [forks.export(uid, "parquet", ME), forks.export(uid, "jsonl", ME, "yes_no")]
    assert one not in others and forks.export(uid, "jsonl", ME) == one
    row = next(row for row in lines(forks.open(uid, ME))[3]["b"] if row[5] and not row[4])
    list(forks.add_draws(uid, row[0], row[1], 2, ME))
    longer = forks.export(uid, "jsonl", ME)
    assert longer != one and len(read(longer)[1]) == len(read(one)[1]) + 2
    longer.unlink()
    assert forks.export(uid, "jsonl", ME).is_file()


def test_the_file_and_the_texts_are_read_as_the_page_reads_them(forks, uid):
    (about, rows), (_, kept) = read(forks.export(uid, "jsonl", ME, "first_line")), read(forks.export(uid, "jsonl", ME))
    assert about["settings"]["extractor"] == "first_line" == rows[0]["extractor"]
    assert [row["ids"] for row in rows] == [row["ids"] for row in kept]
    place = rows[0]["position"], rows[0]["token_id"]
    for field, found in (("first_line", rows), ("", kept)):
        groups = lines(forks.texts(uid, *place, ME, field))[0]["texts"]["groups"]
        here = [row["outcome"] for row in found if (row["position"], row["token_id"]) == place]
        assert {group["label"]: group["count"] for group in groups} == {name: here.count(name) for name in here}
    with pytest.raises(BadInput, match="no field 'magic'"):
        forks.texts(uid, *place, ME, "magic")


def test_who_may_not_open_it_gets_no_file_and_no_kind_is_made_up(bench, forks, uid):
    stranger = Viewer("stranger", "session-8", False)
    with pytest.raises(NotFound, match="no forking analysis"):
        forks.export(uid, "jsonl", stranger)
    with pytest.raises(BadInput, match=r"jsonl or parquet, not as 'csv'"):
        forks.export(uid, "csv", ME)
    empty = replace(forks._opened(uid, ME).report(), count=0)
    with pytest.raises(BadInput, match="nothing to export"):
        fork_files.write_draws("r", uid, forks._opened(uid, ME).run.trace, empty, "jsonl")


def test_counts_of_the_file_make_the_curve_that_is_shown(forks, uid):
    about, rows = read(forks.export(uid, "parquet", ME))
    report = forks._opened(uid, ME).report()
    drawn: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        shown = row["outcome"] if row["outcome"] in report.branches.labels else "Other"
        drawn.setdefault((row["position"], row["token_id"]), []).append(shown)
    known = [(t, i) for t, i, _, _, outcome in about["branches"] if outcome is not None]
    assert known and not set(known) & set(drawn), "an end of turn has its outcome without a draw"
    records = [
        {
            "position": t,
            "token_id": i,
            "probability": p,
            "is_base": base,
            "outcomes": drawn.get((t, i), [known] * (known is not None)),
        }
        for t, i, p, base, known in about["branches"]
    ]
    curve = outcome_curve(records, labels=report.branches.labels)
    assert np.allclose(curve.probabilities, report.curve.probabilities)
