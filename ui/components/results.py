"""The owner's page of annotation sessions: making one, how far it is, agreement, adjudication, scores against labels.

Value: "" or {"open": uid} as JSON; everything else is asked for over the page's own endpoints (assets/server.js). Does
not know how sessions are kept.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Results(Piece):
    """Events. run_open(uid, token?): show a run, at a token. annotate_open(session): label a session oneself."""

    mount = "mountResults"
    triggers = ("run_open", "annotate_open")
