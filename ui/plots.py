"""Pictures drawn by plotly: a view model in, a figure out.

Text of people and models enters escaped, because plotly reads labels as small HTML. Colours hold on light and dark;
texts and lines take the page's own through `.fl-glance` in the style sheet. Does not know gradio or the store.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import plotly.graph_objects as go  # type: ignore[import-untyped]

from ui.library_view import Axis, Glance, Point

HEIGHT = 340
FONT = 'Inter, "Source Sans 3", system-ui, sans-serif'
# group -> name, colour, symbol; a colour keeps 3 : 1 against both backgrounds
Look = tuple[str, str, str]
GROUPS: Mapping[str, Look] = {
    "generation": ("generated", "#b75b26", "circle"),
    "branch": ("branches", "#5b83bb", "triangle-up"),
    "counterfactual": ("counterfactual", "#9a68a8", "diamond"),
    "scored": ("scored texts", "#64862f", "square"),
    "import": ("imported", "#2f877d", "cross"),
    "example": ("examples", "#8d877c", "circle-open"),
}
OTHERS: Look = ("others", "#a8476a", "star")
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff9-\uffff\U000e0000-\U000e0fff]"
)


def shown(text: str) -> str:
    """Text that plotly shows exactly: markup escaped, control and direction characters as marks."""
    return html.escape(HIDDEN.sub(lambda found: f"⟨{ord(found.group()):04X}⟩", text), quote=False)


def runs_at_a_glance(view: Glance) -> go.Figure:
    """Scatter of runs, one dot a run: customdata of a point is [uid, title]; hover shows title and both figures."""
    figure = go.Figure(layout=_layout(view))
    for look in (*GROUPS.values(), OTHERS):
        points = [point for point in view.points if GROUPS.get(point.group, OTHERS) == look]
        if points:
            figure.add_trace(_dots(points, look, view))
    if not view.points:
        figure.add_annotation(
            text="No run has both figures yet.", showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5
        )
    return figure


def _dots(points: Sequence[Point], look: Look, view: Glance) -> go.Scatter:
    label, color, symbol = look
    ring = 1.5 if symbol.endswith("-open") else 0
    return go.Scatter(
        x=[_coordinate(point.x) for point in points],
        y=[_coordinate(point.y) for point in points],
        customdata=[[point.uid, shown(point.title)] for point in points],
        mode="markers",
        name=label,
        marker={"color": color, "symbol": symbol, "size": 9, "opacity": 0.85, "line": {"width": ring}},
        hovertemplate=f"%{{customdata[1]}}<br>{_readout(view.x, 'x')}<br>{_readout(view.y, 'y')}<extra></extra>",
    )  # fmt: skip


def _layout(view: Glance) -> dict[str, object]:
    return {
        "template": "none",
        "height": HEIGHT,
        "margin": {"l": 62, "r": 16, "t": 40, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": "#807b72"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        "showlegend": True,
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "font": {"family": FONT, "size": 13}},
        "dragmode": False,
        "xaxis": _axis(view.x),
        "yaxis": _axis(view.y),
    }


def _axis(axis: Axis) -> dict[str, object]:
    return {
        "title": {"text": _title(axis), "standoff": 12},
        "type": "date" if axis.name == "created" else "linear",
        "zeroline": False,
        "gridcolor": "rgba(141,135,124,0.28)",
        "showline": False,
        "ticks": "",
        "automargin": True,
    }


def _title(axis: Axis) -> str:
    return f"{axis.label} ({axis.unit})" if axis.unit else axis.label


def _readout(axis: Axis, letter: str) -> str:
    form = "|%d %b %Y %H:%M" if axis.name == "created" else ":,d" if axis.name == "tokens" else ":.4~g"
    return f"{axis.label}: %{{{letter}{form}}}{' ' + axis.unit if axis.unit else ''}"


def _coordinate(value: float | datetime) -> float | str:
    return value.isoformat() if isinstance(value, datetime) else value
