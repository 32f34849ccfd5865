"""What is left of a person's share of the model, told again as soon as a job of theirs has ended.

Knows the quotas' sentence; does not know what the jobs are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import gradio as gr

from ui.access import Viewer, viewer_of
from ui.actions import Workbench
from ui.components.shares import Shares
from ui.tabs.frames import PRIVATE


def shares_line(workbench: Workbench, viewer: Viewer) -> str:
    """The value of the line for one person."""
    left = workbench.quotas.remaining(viewer)
    return json.dumps({"text": left.sentence, "low": left.low})


def told_after(jobs: Iterable[Any], shares: Shares | None, workbench: Workbench) -> None:
    """Draw the line anew behind each of these jobs, however it ends. jobs: what connecting their events returned;
    shares: None where nobody's share is bounded."""

    def tell(request: gr.Request) -> str:
        return shares_line(workbench, viewer_of(request))

    if shares is not None:
        for job in jobs:
            job.then(tell, None, shares, queue=False, **PRIVATE)
