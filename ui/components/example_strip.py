"""Finished example runs, one click away.

Value: JSON {examples: [{uid, title}], current: uid}. Does not know what an example holds.
"""

from __future__ import annotations

from ui.components.piece import Piece


class ExampleStrip(Piece):
    """Event run_open(uid): the reader chose an example."""

    mount = "mountExampleStrip"
    triggers = ("run_open",)
