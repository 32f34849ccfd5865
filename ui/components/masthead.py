"""The top line: name, which model is there or how far it has loaded, light or dark.

Value: JSON {status, message, fraction, saved: {text, late} or null}. Does not know how models load.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Masthead(Piece):
    """No events: the theme switch stays in the browser."""

    mount = "mountMasthead"
