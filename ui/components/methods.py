"""What every score means: the reference page.

Value: JSON of ui.methods_view.methods. Does not know runs.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Methods(Piece):
    """Nothing to press that the server hears of."""

    mount = "mountMethods"
