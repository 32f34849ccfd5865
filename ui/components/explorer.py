"""The instrument: tinted text, inspector, curves and tables of one run, drawn in the browser.

Value: a document of `ui.views` (NDJSON text). Does not know where the run comes from.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Explorer(Piece):
    """Events, each with the run on show: token_select(index, how), a token was pinned; run_continue(), go on with it.

    branch_ask(edits, luck, alignment, changes, draw, first?): write what would have followed; an edit is {start, stop,
    text} or {start, stop, ids}, changes the settings, prompt or system text that differ, first how many tokens stay
    where nothing but those changed. replicates_ask(count): so many in all. job_stop(). branch_undo(): bin this run,
    open its parent. run_open(uid). run_compare(a, b). score_here().

    deeplink: keep ?run= and ?tok= in the address bar. continues: somebody listens to run_continue, so offer it.
    branches: somebody listens to branch_ask and all the events after it. sharing: more
    people than one use the page, so say who may see a run. forks, chain: their pieces stand on the same
    page, so their tabs are offered.
    """

    mount = "mountExplorer"
    triggers = (
        "token_select", "run_continue", "branch_ask", "replicates_ask", "job_stop", "branch_undo", "branch_redo",
        "run_open", "run_compare", "score_here",
    )  # fmt: skip
