"""A figure shows titles as text, never as markup, and carries whose dot is whose."""

import html
import json
from datetime import UTC, datetime

import pytest

from ui import plots
from ui.library_view import Axis, Glance, Point

NATS = Axis("mean_entropy", "Mean entropy", "nats")
LENGTH = Axis("tokens", "Tokens")
HOSTILE = "<b>x</b><a href='javascript:1'>&lt;\u202eevil\x00\u200b %{x} \ud83d"


def glance(*points, x=LENGTH, y=NATS):
    return Glance(x, y, points, missing=0, total=len(points))


def point(uid="u1", title="A title", group="generation", x=12.0, y=1.5):
    return Point(uid, title, group, x, y)


def test_a_dot_carries_the_uid_of_its_run_and_its_two_figures():
    figure = plots.runs_at_a_glance(glance(point(), point("u2", y=2.5), point("u3", group="example")))
    dots = {trace.name: trace for trace in figure.data}
    assert [entry[0] for entry in dots["generated"].customdata] == ["u1", "u2"]
    assert list(dots["generated"].y) == [1.5, 2.5]
    assert [entry[0] for entry in dots["examples"].customdata] == ["u3"]


def test_titles_reach_plotly_escaped_and_with_marks():
    figure = plots.runs_at_a_glance(glance(point(title=HOSTILE)))
    title = figure.data[0].customdata[0][1]
    assert "<" not in title and "\u202e" not in title and "\x00" not in title and "\u200b" not in title
    assert "\ud83d" not in title
    assert html.unescape(title).startswith("<b>x</b>") and "⟨202E⟩evil⟨0000⟩⟨200B⟩" in title
    assert "customdata[1]" in figure.data[0].hovertemplate and "evil" not in figure.data[0].hovertemplate


def test_ordinary_text_of_any_script_is_left_alone():
    for text in ("Ice & density", "Der frühe Vogel", "用一句话", "اكتب", "👩‍💻"[:1]):
        assert html.unescape(plots.shown(text)) == text


def test_axes_say_what_they_measure_and_in_what():
    figure = plots.runs_at_a_glance(glance(point()))
    assert figure.layout.yaxis.title.text == "Mean entropy (nats)" and figure.layout.xaxis.title.text == "Tokens"
    dated = plots.runs_at_a_glance(glance(point(x=datetime(2026, 1, 2, tzinfo=UTC)), x=Axis("created", "Date")))
    assert dated.layout.xaxis.type == "date" and dated.data[0].x[0].startswith("2026-01-02")


def test_nothing_to_draw_is_said():
    figure = plots.runs_at_a_glance(glance())
    assert len(figure.data) == 0 and figure.layout.annotations[0].text


@pytest.mark.parametrize("group", ["generation", "branch", "counterfactual", "import", "scored", "example", "new"])
def test_every_kind_of_run_has_dots_of_its_own(group):
    figure = plots.runs_at_a_glance(glance(point(group=group)))
    assert len(figure.data) == 1
    assert json.loads(figure.to_json())["data"][0]["customdata"][0][0] == "u1"
