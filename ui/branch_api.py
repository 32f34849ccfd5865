"""Branches as named endpoints: what the page does with a run, for notebooks and scripts, by the same rules.

Does not know how the page looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from ui.access import viewer_of
from ui.api import record_of, records
from ui.branching import Branching
from ui.errors import said


def register(branching: Branching) -> None:
    """Add the endpoints to the Blocks being built."""
    for endpoint in endpoints(branching):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=8)


def endpoints(branching: Branching) -> tuple[Callable[..., Any], ...]:
    """branch, replicates, undo_branch."""

    def branch(
        uid: str,
        edits: list[dict] | None = None,
        luck: str = "same",
        alignment: str = "suffix",
        changes: dict | None = None,
        first: int = 0,
        draw: int | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> Iterator[dict]:
        """Write a run again after an intervention, as a run of its own. edits: a list of {"start", "stop", "text"} or
        {"start", "stop", "ids"} over the answer's tokens (start == stop inserts, empty ids delete). luck: "same" keeps
        the noise of every token (a counterfactual; inferred where none was recorded), "fresh" draws new noise. changes:
        other values of prompt, system, temperature, top_k, top_p, max_new_tokens, stop; first: without edits, how many
        leading tokens stay. The last item yielded is the branch, in the form that `generate` returns, with `parent`,
        `versus` (distances in [0, 1], first divergence, same-row agreement, fragile tokens); earlier ones are
        progress."""
        fields = {
            "edits": edits,
            "luck": luck,
            "alignment": alignment,
            "changes": changes,
            "first": first,
            "draw": draw,
        }
        with said():
            yield from records(branching.branch(uid, fields, viewer_of(request)))

    def replicates(uid: str, count: int = 8, request: gr.Request = None) -> Iterator[dict]:  # type: ignore[assignment]
        """Draw a branch `count` times more with fresh noise; the last item yielded is the branch with `replicates`:
        their distances to the parent behind the fork, and the branch's percentile among them."""
        with said():
            document = ""
            for document in branching.replicates(uid, count, viewer_of(request)):
                last = json.loads(document.rstrip("\n").rpartition("\n")[2])
                yield {"status": "running", "tokens": last.get("replicates", {}).get("done", 0)}
            yield record_of(document)

    def undo_branch(uid: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """Put a branch of one's own into the bin; gives the run that it left."""
        with said():
            return record_of(branching.undo(uid, viewer_of(request)))

    return branch, replicates, undo_branch
