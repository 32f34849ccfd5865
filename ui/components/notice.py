"""One line for what went wrong or what was done, read out by screen readers.

Value: the sentence as plain text, empty to hide. Does not know what it is about.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Notice(Piece):
    """No events; the reader closes it with a click or Escape."""

    mount = "mountNotice"
