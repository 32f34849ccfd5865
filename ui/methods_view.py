"""The reference page's data: every score that the registries hold and every quantity of the analyses.

Generated, so that a score cannot be added without its definition being readable. Does not know how it is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from engine import run_scores, token_scores
from engine.logprob_import import BOUND_SCORES
from engine.run_scores import RunScore
from engine.token_scores import TokenScore
from engine.types import NOISE_VERSION, TOP_K
from ui import chain_glossary, fork_glossary, session_glossary


def methods() -> str:
    """JSON {token, bounds, run, forking, chain, session: lists of entries; noise: name of the noise's version;
    alternatives: how many}.

    bounds: scores that only imported runs have. An entry has every field of its registry entry but `compute`;
    an open end of a range is null.
    """
    page = {
        "token": _entries(token_scores.REGISTRY.values()),
        "bounds": _entries(BOUND_SCORES.values()),
        "run": _entries(run_scores.REGISTRY.values()),
        "forking": [asdict(quantity) for quantity in fork_glossary.QUANTITIES],
        "chain": [asdict(quantity) for quantity in chain_glossary.QUANTITIES],
        "session": [asdict(quantity) for quantity in session_glossary.QUANTITIES],
        "noise": NOISE_VERSION,
        "alternatives": TOP_K,
    }
    return json.dumps(page, ensure_ascii=False, allow_nan=False)


def _entries(scores: Iterable[TokenScore] | Iterable[RunScore]) -> list[dict[str, Any]]:
    return [{f.name: getattr(score, f.name) for f in fields(score) if f.name != "compute"} for score in scores]
