"""Endpoints for what is one's own: sharing a run, deleting for good, how long it is kept.

The page calls the very same ones as scripts do. Does not know how the page looks.
"""

from __future__ import annotations

import gradio as gr

from ui.access import viewer_of
from ui.errors import said
from ui.own_work import OwnWork


def register(own: OwnWork) -> None:
    """Add the endpoints to the Blocks being built."""

    def run_access(uid: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Who may see a run that you see: {run, mine, shared, example, branches}. shared: whoever has its link may open
        it; branches: how many runs of yours come from it."""
        with said():
            return own.access(uid, viewer_of(request))

    def share_run(uid: str, shared: bool = True, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Let whoever has the link of a run of yours (`?run=` and its uid) open it, or stop that; nobody else can
        change it, and no list shows it. Answers like `run_access`."""
        with said():
            return own.share(uid, shared, viewer_of(request))

    def delete_runs(
        uids: list[str],
        with_branches: bool = False,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> int:
        """Delete runs of yours for good, at once and past the bin, all or none; gives how many went. with_branches:
        also every run that you made from them. Branches that stay keep all their tokens."""
        with said():
            return own.delete(uids, with_branches, viewer_of(request))

    def count_branches(uids: list[str], request: gr.Request = None) -> int:  # type: ignore[assignment]
        """How many runs more `delete_runs` would delete with the branches."""
        with said():
            return own.branches(uids, viewer_of(request))

    def delete_everything(confirm: str = "", request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Delete all that is yours for good: runs, analyses, trees and annotation sessions; confirm: "everything". What
        you labelled in sessions of others stays there without your name. Gives how much went."""
        with said():
            return own.delete_everything(confirm, viewer_of(request))

    def kept_until(request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """How long your work is kept without a change: {days, until, known}, days and until null where it is kept for
        good. known: false where no cookie came along: then it is yours for as long as the page is open."""
        with said():
            return own.kept(viewer_of(request))

    for endpoint in (run_access, share_run, delete_runs, count_branches, delete_everything, kept_until):
        gr.api(endpoint, api_name=endpoint.__name__, queue=False)
