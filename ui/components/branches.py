"""The branching tree of a run: what was drawn, what left it, and what could have come instead.

Value: NDJSON text of a tree, append-only while it grows. Does not know how trees are kept or grown.
"""

from __future__ import annotations

from ui.components.piece import Piece


class Branches(Piece):
    """Events; `run` is the shown run's uid, `node` an index of the document; with each comes `numbering`, the
    document's token of those.

    tree_open(run): asked once for each run shown. tree_grow(run, node, policy, width, depth, budget, leaves, seed):
    leaves is "more" for one answer more, None for as many as the budget allows; seed is None unless the policy is fair.
    tree_stop(run). tree_edit(run, node, text): a sibling beside node. tree_remove(run, node): what was written, from
    node on. tree_restore(run, removed): what was removed under this name. tree_mark(run, node, bookmark, note, tags):
    None or nothing leaves a field as it is; tags are words with commas between them. tree_import(run, text);
    tree_export(run): answered with an export line. tree_take(run, node, luck): the path to node as a run that goes on,
    luck "same" or "fresh". run_open(uid).
    """

    mount = "mountBranches"
    triggers = (
        "tree_open", "tree_grow", "tree_stop", "tree_edit", "tree_remove", "tree_restore", "tree_mark", "tree_import",
        "tree_export", "tree_take", "run_open",
    )  # fmt: skip
