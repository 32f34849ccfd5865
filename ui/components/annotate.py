"""The annotator's page: sessions to work in, guidelines, one item after another, what was saved.

Value: "" or {"open": session uid}. Everything else goes between the browser and the named endpoints through
assets/server.js; a labelling link stands in the page's address (?annotate=SECRET). Does not know where labels are kept.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Annotate(Piece):
    """Events. session_show(session): the owner's page of a session is wanted ("" for a new one)."""

    mount = "mountAnnotate"
    triggers = ("session_show",)
