"""What is left of a person's share of the model, one quiet line near the buttons that use it up.

Value: JSON {text, low}; its line keeps its height whatever it says. Does not know what a share is.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Shares(Piece):
    """No events."""

    mount = "mountShares"
