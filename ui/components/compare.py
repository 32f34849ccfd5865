"""Two runs side by side, aligned token by token.

Value: the JSON text of `compare_view.compare`, empty to hide. Does not know where runs are kept.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Compare(Piece):
    """Events: compare_close(); run_open(uid). Swapping the sides stays in the browser."""

    mount = "mountCompare"
    triggers = ("compare_close", "run_open")
