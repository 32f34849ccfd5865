"""The instrument: tinted text, inspector, curves and tables of one run, drawn in the browser.

Value: a document of `ui.views` (NDJSON text). Does not know where the run comes from.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Explorer(Piece):
    """Events: token_select(index, run, how), a token was pinned; run_continue(run), an unfinished run shall go on.

    deeplink: keep ?run= and ?tok= in the address bar. continues: somebody listens to run_continue, so offer it.
    """

    mount = "mountExplorer"
    triggers = ("token_select", "run_continue")
