"""A page of the library holds every field exactly, only finite numbers, and no more runs than were asked for."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine import run_scores
from engine.errors import BadInput
from storage.records import RunHeader, RunPage, RunQuery
from ui import library_view

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{value}} \u202eevil\x00 \u2028 </script>"

WHEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def header(uid="u1", **changes):
    run = RunHeader(
        uid=uid, title="A title", prompt="A prompt", answer="An answer", kind="generation", status="finished",
        model_name="embedded", quantization="none", tokens=12, seed=7, created_at=WHEN,
        tags=("b", "a"), note="A note", run_scores={"mean_entropy": 1.25, "perplexity": math.nan, "g_nll": math.inf},
        example=False, parent=None, owner="local",
    )  # fmt: skip
    return replace(run, **changes)


def page(*rows, total=None, tags=("a", "b"), models=()):
    return RunPage(rows, len(rows) if total is None else total, tags, models)


def listed(runs, query=None, **more):
    return json.loads(library_view.library(runs, query or RunQuery("local"), **more))


def test_every_label_and_text_arrives_as_it_is():
    (row,) = listed(page(header(title=HOSTILE, note=HOSTILE, tags=(HOSTILE,), prompt=HOSTILE, answer=HOSTILE)))["rows"]
    assert row["title"] == row["note"] == row["prompt"] == row["answer"] == row["tags"][0] == HOSTILE
    assert (row["uid"], row["kind"], row["status"], row["tokens"]) == ("u1", "generation", "finished", 12)
    assert datetime.fromisoformat(row["created_at"]) == WHEN


def test_a_figure_that_does_not_exist_is_null_and_never_zero():
    (row,) = listed(page(header()))["rows"]
    assert row["run_scores"] == {"mean_entropy": 1.25, "perplexity": None, "g_nll": None}


def test_a_seed_of_63_bits_stays_exact():
    (row,) = listed(page(header(seed=2**63 - 1)))["rows"]
    assert row["seed"] == str(2**63 - 1)
    assert listed(page(header(seed=None)))["rows"][0]["seed"] is None


def test_who_owns_a_run_stays_on_the_server():
    assert "visitor:somebody" not in library_view.library(page(header(owner="visitor:somebody")), RunQuery("me"))


def test_a_run_that_others_can_open_by_its_link_is_marked_and_an_example_is_not():
    rows = [header(), header(visibility="unlisted"), header(visibility="unlisted", example=True)]
    assert [row["shared"] for row in listed(page(*rows))["rows"]] == [False, True, False]


def test_a_damaged_run_is_said_to_be_damaged():
    assert listed(page(header(damaged=True)))["rows"][0]["damaged"] is True


def test_the_query_comes_back_so_that_the_list_knows_what_it_shows():
    query = RunQuery("local", text="sheep", tags=("a",), models=("m",), examples=False, sort="perplexity", offset=50)
    said = listed(page(header(), total=10_000), query)
    assert said["query"]["text"] == "sheep" and said["query"]["tags"] == ["a"] and said["query"]["offset"] == 50
    assert said["query"]["examples"] is False and "viewer" not in said["query"]
    assert said["total"] == 10_000 and len(said["rows"]) == 1


def test_filters_offer_every_model_there_is_and_the_one_asked_for_by_its_title():
    said = listed(page(header(), models=("", "embedded", "on another page")), RunQuery("local", models=("asked",)))
    assert said["models"] == ["asked", "embedded", "on another page"]
    assert "SmolLM2" in said["model_titles"]["embedded"] and set(said["model_titles"]) == {"embedded"}


@pytest.mark.parametrize(("stored", "shown"), [("none", ""), ("unknown", ""), ("", ""), ("nf4", "nf4")])
def test_a_quantisation_that_nobody_knows_is_not_shown(stored, shown):
    assert listed(page(header(quantization=stored)))["rows"][0]["quantization"] == shown


@pytest.mark.parametrize(
    ("added", "known", "problems", "line"),
    [
        (3, 6, (), "3 runs added, 6 were there already."),
        (1, 1, (), "1 run added, 1 was there already."),
        (0, 6, (), "No run added, 6 were there already."),
        (2, 0, (), "2 runs added."),
        (1200, 0, ("line 3: bad.", "line 4: bad."), "1,200 runs added; refused: line 3: bad. line 4: bad."),
        (0, 0, tuple(f"line {i}: bad." for i in range(2, 7)),
         "No run added; refused: line 2: bad. line 3: bad. line 4: bad. And 2 more."),
    ],
)  # fmt: skip
def test_an_import_says_what_it_added_and_what_was_there(added, known, problems, line):
    assert library_view.imported_sentence(added, known, problems) == line


def test_an_export_says_how_many_runs_it_wrote_and_what_it_left_out():
    assert library_view.exported_sentence(1, 1, "f.jsonl") == "1 run exported to f.jsonl."
    assert library_view.exported_sentence(78, 78, "f.jsonl") == "78 runs exported to f.jsonl."
    assert "first 5,000 of 7,001 runs" in library_view.exported_sentence(5000, 7001, "f.jsonl")


def test_deleted_runs_and_a_message_travel_along_and_equal_answers_differ():
    said = listed(page(), deleted=("u9",), message="Done.")
    assert said["deleted"] == ["u9"] and said["message"] == "Done."
    assert library_view.library(page(), RunQuery("local")) != library_view.library(page(), RunQuery("local"))


def test_every_run_score_can_be_a_column():
    scores = listed(page())["scores"]
    assert [entry["name"] for entry in scores] == list(run_scores.RECORDED)
    assert all(entry["label"] and entry["short"] and entry["direction"] for entry in scores)


def test_a_run_without_a_title_is_called_by_what_it_says():
    assert library_view.called(header(title="", prompt=" Two\nlines ")) == "Two lines"
    assert library_view.called(header(title="", prompt="", answer="Yes")) == "Yes"
    assert library_view.called(header(title="", prompt="", answer="")) == "u1"
    assert len(library_view.called(header(title="x" * 300))) == library_view.TITLE_CHARS


def test_points_are_placed_by_two_figures_and_the_others_are_counted():
    runs = page(header(), header("u2", run_scores={}), header("u3", example=True), header("u4", damaged=True), total=9)
    view = library_view.glance(runs, "tokens", "mean_entropy")
    assert [(point.uid, point.x, point.y, point.group) for point in view.points] == [
        ("u1", 12.0, 1.25, "generation"),
        ("u3", 12.0, 1.25, "example"),
    ]
    assert view.missing == 2 and view.total == 9
    assert library_view.glance(page(header()), "created", "perplexity").points == ()
    assert library_view.glance(page(header()), "created", "tokens").points[0].x == header().created_at


@pytest.mark.parametrize("name", ["nonsense", "", "uid", HOSTILE])
def test_an_axis_there_is_not_is_refused_with_those_there_are(name):
    with pytest.raises(BadInput, match="mean_entropy"):
        library_view.glance(page(header()), name, "tokens")
    with pytest.raises(BadInput, match="created"):
        library_view.glance(page(header()), "tokens", name)
