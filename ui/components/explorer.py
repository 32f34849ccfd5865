"""The instrument: tinted text, inspector, curves and tables of one run, drawn in the browser.

Value: a document of `ui.views` (NDJSON text). Does not know where the run comes from.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Explorer(Piece):
    """Event token_select(index, run, how): a token was pinned. deeplink: keep ?run= and ?tok= in the address bar."""

    mount = "mountExplorer"
    triggers = ("token_select",)
