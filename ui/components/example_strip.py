"""Finished example runs, one click away.

Value: JSON {examples: [{uid, title}], current: uid, sessions: [uid]}. Does not know what an example holds.
"""

from __future__ import annotations

from ui.components.piece import Piece


class ExampleStrip(Piece):
    """Events. run_open(uid): the reader chose an example; session_show(session): the demonstration of labelling."""

    mount = "mountExampleStrip"
    triggers = ("run_open", "session_show")
