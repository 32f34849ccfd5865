"""The sentence above a run whose forks are known: the token that decides most, and what else it would have come to.

Reads a finished document of `fork_view` once, and what was kept of it ever after. Does not know the store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.types import Trace
from ui.headlines import Headline, named, percent, word_around

BEST = "best"
LABEL_CHARS = 60


def best_fork(document: str) -> dict[str, Any] | None:
    """The alternative that moves the curve most among those told from noise; None where there is none.

    {position, text, probability, there, here}: the commonest outcome behind it and behind the answer's own token, each
    [label, share].
    """
    lines: dict[str, Any] = {}
    for line in document.split("\n"):
        lines |= json.loads(line) if line else {}
    if not lines.get("b"):
        return None
    labels, curve = lines["labels"], {row[0]: row[2] for row in lines["p"]}
    forks = [row for row in lines["b"] if row[10] and sum(row[6])]
    if not forks:
        return None
    best = max(forks, key=lambda row: row[8])
    here = curve.get(best[0] + 1, lines["end"]["o"])
    there = [count / sum(best[6]) for count in best[6]]
    return {
        "position": best[0],
        "text": best[2],
        "probability": best[3],
        "there": _commonest(labels, there),
        "here": _commonest(labels, here),
    }


def fork_headline(trace: Trace, best: Mapping[str, Any]) -> Headline:
    """What is said above the run, with that token selected first."""
    at = int(best["position"])
    if not 0 <= at < len(trace):
        return Headline()
    piece, word = named(trace.pieces[at]), word_around(trace.pieces, at)
    place = f"“{piece}”" + (f" in “{word}”" if word and word != piece else "")
    if int(trace.token_ids[at]) in trace.special_ids:
        place = "its end"
    (there, share), (here, before) = best["there"], best["here"]
    # a control token, the end, has no text
    words = f"with “{named(str(best['text']))}”" if best["text"] else "had it ended there"
    other = f"{words} ({percent(float(best['probability']))})" + (" instead" if best["text"] else "")
    if there == here:
        far = f"{percent(share)} and not {percent(before)} of what follows ends in {_short(there)}"
    else:
        far = f"{percent(share)} of what follows ends in {_short(there)}, not in {_short(here)}"
    return Headline(f"At {place} the answer forks: {other}, {far}.", at)


def _commonest(labels: Sequence[str], shares: Sequence[float]) -> list[Any]:
    at = max(range(len(labels)), key=lambda k: shares[k])
    return [labels[at], round(shares[at], 4)]


def _short(label: object) -> str:
    words = str(label)
    return words if len(words) <= LABEL_CHARS else f"{words[: LABEL_CHARS - 1]}…"
