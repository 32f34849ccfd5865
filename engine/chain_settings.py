"""What a reader may choose of an attention chain, with the values of the published method, checked in one place.

Does not know models, texts or the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from engine.errors import BadInput
from engine.input_rows import Reduction
from engine.stop_words import DEFAULT, stop_words


@dataclass(frozen=True)
class ChainSettings:
    """Defaults of UQAC (Li et al., arXiv 2503.19168).

    language: whose stop words are passed over; extra_stop_words: further ones. reduction, heads: how the most focused
    heads speak as one. most_a_round: tokens found a hop. threshold: a score below it ends the walk once the chain has
    `minimum` tokens and the answer. scan_depth: keys of a row that are looked at, unless nothing was found. similar:
    so many tokens are kept, those nearest to the answer with a cosine of at least floor. top, least_probability: which
    substitutes are tried; more: as many as tokens were kept, and so many more.
    """

    language: str = DEFAULT
    extra_stop_words: tuple[str, ...] = ()
    reduction: Reduction = "max"
    heads: int = 16
    most_a_round: int = 3
    threshold: float = 0.5
    minimum: int = 5
    scan_depth: int = 5
    similar: int = 10
    floor: float = 0.0
    top: int = 5
    least_probability: float = 0.01
    more: int = 10


# (lowest, highest) of every number
RANGES: dict[str, tuple[float, float]] = {
    "heads": (1, 4_096),
    "most_a_round": (1, 50),
    "threshold": (0.0, 10.0),
    "minimum": (0, 500),
    "scan_depth": (1, 500),
    "similar": (1, 100),
    "floor": (-1.0, 1.0),
    "top": (1, 5),
    "least_probability": (0.0, 1.0),
    "more": (0, 100),
}
# what each is called in a sentence
WORDS = {
    "heads": "number of heads", "most_a_round": "number of tokens a hop", "threshold": "threshold",
    "minimum": "shortest chain", "scan_depth": "scan depth", "similar": "number of kept tokens",
    "floor": "least cosine",
    "top": "number of substitutes a token", "least_probability": "least probability of a substitute",
    "more": "number of further substitutes",
}  # fmt: skip


def checked(settings: ChainSettings) -> ChainSettings:
    """The settings as they are. Raises BadInput, naming the value and what is allowed, for any that makes no sense."""
    for name, (low, high) in RANGES.items():
        value = getattr(settings, name)
        whole = isinstance(low, int)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            raise BadInput(f"The {WORDS[name]} must be {kind} from {low:g} to {high:g}, not {str(value)[:40]}.")
    if settings.reduction not in get_args(Reduction):
        raise BadInput(
            f"The heads can be joined by {' or '.join(get_args(Reduction))}, not {str(settings.reduction)[:40]!r}."
        )
    stop_words(settings.language, settings.extra_stop_words)
    return settings
