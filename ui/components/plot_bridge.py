"""Hears clicks on a plotly figure that a gr.Plot shows, which has no click event of its own.

Value: the elem_id of that gr.Plot. Put it outside tabs that may be unopened. Does not know what the figure shows.
"""

from __future__ import annotations

from ui.components.piece import Piece


class PlotBridge(Piece):
    """Event plot_click(uid): the first entry of the clicked point's customdata."""

    mount = "mountPlotBridge"
    triggers = ("plot_click",)
