"""Two runs side by side.

Value: JSON of ui.compare_view.compare, or "" while nothing is compared (nothing is shown then). Knows no store.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Compare(Piece):
    """Events: compare_close(); compare_swap(a, b: uids in the new order); run_open(uid): show one of the two alone."""

    mount = "mountCompare"
    triggers = ("compare_close", "compare_swap", "run_open")
