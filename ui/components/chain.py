"""The attention chain of a run: which earlier tokens an answer rests on, its variants, its confidence.

Two pieces: one with the document, whole each time, one with what comes beside it. Does not know how a chain is found,
drawn or kept.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Chain(Piece):
    """Value: a document of `ui.chain_view`.

    Events; `run` is the shown run's uid: chain_open(run, uid?): asked once for each run shown, the newest where no uid
    is given. chain_trace(run, fields): start and stop, half-open indices of response tokens, language, reduction, heads
    and the other settings. chain_stop(run). chain_scores(run): the run again, with what attention made
    known of it.
    """

    mount = "mountChain"
    triggers = ("chain_open", "chain_trace", "chain_stop", "chain_scores")


class ChainAside(Piece):
    """What comes beside the document: {run, n, problem}, problem "" where there is none any more."""

    mount = "mountChainAside"
