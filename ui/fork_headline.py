"""The sentence above a run whose forks are known: the token that decides most, and what else it would have come to.

Reads a finished document of `fork_view` once, and what was kept of it ever after. Does not know the store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.fork_curves import NO_ANSWERS
from engine.types import Trace
from ui.headlines import Headline, named, percent, word_around

BEST = "best"
LABEL_CHARS = 60


def best_fork(document: str) -> dict[str, Any] | None:
    """The alternative that moves the curve most among those told from noise; None where there is none, or where no
    continuation of it has an outcome with a name.

    {position, text, probability, there, here}: the commonest outcome behind it and behind the answer's own token, each
    [label, share].
    """
    lines: dict[str, Any] = {}
    for line in document.split("\n"):
        lines |= json.loads(line) if line else {}
    if not lines.get("b"):
        return None
    forks = [row for row in lines["b"] if row[10] and sum(row[6])]
    for best in sorted(forks, key=lambda row: -row[8]):
        there = _commonest(lines["labels"], _shares(best))
        here = _commonest(lines["labels"], _behind_base(lines, best[0]))
        if there and here:
            return {"position": best[0], "text": best[2], "probability": best[3], "there": there, "here": here}
    return None


def _behind_base(lines: Mapping[str, Any], position: int) -> Sequence[float]:
    """The shares of outcomes behind the answer's own token: its draws where every branch has some, else the curve."""
    if lines["estimator"] != "recursion":
        own = next((row for row in lines["b"] if row[0] == position and row[4]), None)
        if own and sum(own[6]):
            return _shares(own)
    curve: dict[int, list[float]] = {row[0]: row[2] for row in lines["p"]}
    end: list[float] = lines["end"]["o"]
    return curve.get(position + 1, end)


def _shares(row: Sequence[Any]) -> list[float]:
    return [count / sum(row[6]) for count in row[6]]


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
    """The commonest outcome that has a name, with its share; [] where there is none."""
    found = [(share, -k) for k, share in enumerate(shares) if share > 0.0 and labels[k] not in NO_ANSWERS]
    if not found:
        return []
    share, at = max(found)
    return [labels[-at], round(share, 4)]


def _short(label: object) -> str:
    words = str(label)
    return words if len(words) <= LABEL_CHARS else f"{words[: LABEL_CHARS - 1]}…"
