"""A small forking analysis for tests of how one is used: what is asked for, and what its document says."""

from __future__ import annotations

from typing import Any

from tests.support.bench import last

SMALL = {"extractor": "exact_text", "threshold": 0.03, "draws": 6, "most": 12, "max_tokens": 16}


def curve(document: str) -> Any:
    """Outcome shares at every position."""
    return last(document, "p")
