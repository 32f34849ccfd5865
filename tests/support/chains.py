"""Helpers for tests of attention chains: whose they are, a span of the recorded run, and what a document says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.bench import ME, head, last
from ui.access import Viewer
from ui.actions import Workbench
from ui.chains import Chains

SPAN = {"start": 30, "stop": 32}
OTHER = Viewer("other", "session-7", True)
# its answer can be found
SUM = "We add 12 apples to 30 apples and count all of them. The answer is 42."


def state(document: str) -> str:
    return str(last(document, "s")["state"])


def traced(chains: Chains, run: str, fields: Mapping[str, Any] = SPAN, viewer: Viewer = ME) -> str:
    """The document of an answer that was traced to its end."""
    *_, document = chains.trace(run, fields, viewer)
    assert state(document) == "finished"
    return document


def without_note(document: str) -> tuple[dict[str, Any], str]:
    """A document but for what it says of the model that is loaded now."""
    first, rest = document.split("\n", 1)
    return {name: value for name, value in json.loads(first).items() if name != "note"}, rest


def stored_chains(bench: Workbench, run: str, viewer: Viewer = ME) -> list[str]:
    return [one.uid for one in bench.store.analyses.list(run, viewer=viewer.name)]


def scores_of(document: str) -> list[str]:
    """The names of a run's token scores."""
    return [score["name"] for score in head(document)["scores"]]
