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
