"""A bias probe: how an extracted field changes with the value of a slot, as table, plot and list of answers.

Values: the JSON text of `probe_view.probe_document`, and a sentence for the price. Does not know where probes are kept.
"""

from __future__ import annotations

from ui.components.piece import Piece


class ProbeBoard(Piece):
    """Events. run_open(uid): an answer that is stored as a run. probe_resume(uid): go on with a stopped probe."""

    mount = "mountProbe"
    triggers = ("run_open", "probe_resume")


class ProbePrice(Piece):
    """No events. Value: what the probe will cost, as a plain sentence; empty to hide."""

    mount = "mountProbePrice"


class ProbeShelf(Piece):
    """The probes that are kept. Value: the JSON text of `probe_shelf.shelf_document`.

    Events. probe_open(uid), probe_resume(uid), probe_delete(uid): one of the list. probe_restore(uid, runs): undo a
    deletion. probe_list(limit): more of the list.
    """

    mount = "mountProbeShelf"
    triggers = ("probe_open", "probe_resume", "probe_delete", "probe_restore", "probe_list")
