"""Every score with its definition, searchable, each with an address of its own.

Value: the JSON text of `methods_view.methods`. Does not know how scores are computed.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Methods(Piece):
    """No events: search and jumps stay in the browser."""

    mount = "mountMethods"
