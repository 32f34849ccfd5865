"""What may be asked of a forking analysis, checked once, and its settings as plain values and back.

Every refusal names value and remedy. Does not know the store or how an analysis is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_args

from engine import fork_sites, limits
from engine.errors import BadInput
from engine.fork_plan import ForkPlan, ForkSettings
from engine.forking import Estimator
from engine.outcomes import REGISTRY, extractor
from ui.access import Viewer
from ui.numbers import whole

MOST_EXTRA = 200


@dataclass(frozen=True)
class ForkBounds:
    """Upper bounds for one person. tokens: of all draws together, about; draws: of one branch; response: tokens;
    whole: draws of an analysis, those that were added to it or copied with it included; guarded: ways to read an
    outcome that are not for strangers."""

    tokens: int = 5_000_000
    draws: int = 2_000
    response: int = 4_096
    whole: int = 200_000
    guarded: bool = True


TRUSTED = ForkBounds()
# what nobody may draw, but may be told the price of
ANY = ForkBounds(tokens=2**62, response=2**31, whole=2**62)
PUBLIC = ForkBounds(tokens=60_000, draws=100, response=512, whole=5_000, guarded=False)


def bounds_of(viewer: Viewer) -> ForkBounds:
    """What this person may ask for."""
    return TRUSTED if viewer.trusted else PUBLIC


def settings_of(asked: Mapping[str, Any], bounds: ForkBounds) -> ForkSettings:
    """Settings from raw values, numbers also as text; None and "" mean the default. Raises BadInput.

    extractor (last_number), parameter, first (0), stop (the end), estimator (recursion), threshold (0.05), alternates
    (10), draws (30), fewest (2), most (100), end_draws (as draws), max_tokens, until, seed (0), extra (list of
    [position, token id, draws]).
    """
    known = {field.name for field in fields(ForkSettings)}
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise BadInput(
            f"An analysis has no setting {str(unknown[0])[:40]!r}; the settings are: {', '.join(sorted(known))}."
        )
    name = str(asked.get("extractor") or "last_number")
    parameter = str(asked.get("parameter") or "")
    check_allowed(name, bounds)
    extractor(name, parameter)
    estimator: Any = asked.get("estimator") or "recursion"
    if estimator not in get_args(Estimator):
        raise BadInput(f"The estimator {str(estimator)[:40]!r} is unknown; use {' or '.join(get_args(Estimator))}.")
    draws = whole("The number of draws", asked.get("draws"), 1, bounds.draws, fork_sites.DRAWS)
    most = whole(
        "The most draws of a branch", asked.get("most"), 1, bounds.draws, min(bounds.draws, fork_sites.MOST_DRAWS)
    )
    return ForkSettings(
        extractor=name,
        parameter=parameter,
        first=whole("The first position", asked.get("first"), 0, limits.EXACT_FLOAT, 0),
        stop=_optional("The position to stop before", asked.get("stop"), 1, limits.EXACT_FLOAT),
        estimator=estimator,
        threshold=_share("The least probability of an alternative", asked.get("threshold"), fork_sites.THRESHOLD),
        alternates=whole("The number of alternatives", asked.get("alternates"), 1, 20, fork_sites.MOST_ALTERNATES),
        draws=draws,
        fewest=whole("The fewest draws of a branch", asked.get("fewest"), 1, most, min(most, fork_sites.FEWEST_DRAWS)),
        most=most,
        end_draws=whole("The number of draws at the end", asked.get("end_draws"), 1, bounds.draws, draws),
        max_tokens=_optional("The longest response", asked.get("max_tokens"), 2, bounds.response),
        until=_share("The width of the band", asked["until"]) if asked.get("until") not in (None, "") else None,
        seed=whole("The seed", asked.get("seed"), 0, limits.MAX_SEED, 0),
        temperature=_share("The temperature", asked.get("temperature"), 1.0, high=limits.Limits().temperature),
        extra=_extra(asked.get("extra"), bounds),
    )


def check_allowed(name: str, bounds: ForkBounds) -> None:
    """Raises BadInput for a way to read outcomes that this person may not use."""
    entry = REGISTRY.get(name)
    if entry and entry.guarded and not bounds.guarded:
        raise BadInput(
            f"The field '{entry.label}' is for whoever runs this page: choose another field, or run Forklore yourself."
        )


def check_price(plan: ForkPlan, bounds: ForkBounds) -> ForkPlan:
    """The plan again; BadInput when it may take more tokens than this person may ask for."""
    settings = plan.settings
    check_allowed(settings.extractor, bounds)
    # until a band is narrow, every branch may get the most draws there are
    reached = {key: max(count, settings.most) for key, count in plan.counts.items()} if settings.until else plan.counts
    tokens = replace(plan, counts=reached).expected_tokens
    if tokens > bounds.tokens:
        raise BadInput(
            f"This analysis takes about {tokens:,} tokens; at most {bounds.tokens:,} are allowed here: "
            "give fewer draws, a range of positions, or a higher least probability of an alternative."
        )
    if sum(reached.values()) > bounds.whole:
        raise BadInput(
            f"This analysis takes {sum(reached.values()):,} draws; at most {bounds.whole:,} are allowed here: "
            "give fewer draws, a range of positions, or a higher least probability of an alternative."
        )
    if plan.max_tokens > bounds.response:
        raise BadInput(
            f"Responses of this analysis may have {plan.max_tokens:,} tokens; at most {bounds.response:,} are "
            "allowed here: begin one of your own with shorter responses."
        )
    return plan


def over(spent: int, bounds: ForkBounds) -> str:
    """Why no more of an analysis is drawn that took so many tokens, "" while it may go on."""
    if spent <= bounds.tokens:
        return ""
    return (
        f"This analysis took {spent:,} tokens; at most {bounds.tokens:,} are allowed here: begin a smaller one, with "
        "fewer draws, a range of tokens, or a higher least probability of an alternative."
    )


def with_more(
    settings: ForkSettings, plan: ForkPlan, position: int, token_id: int, more: int, most: int, *, drawn: int = 0
) -> ForkSettings:
    """Settings that ask for `more` draws of one branch than are planned, or than were drawn. Raises BadInput."""
    more = whole("The number of draws", more, 1, most)
    have = max(plan.counts.get((position, token_id), 0), drawn)
    if (position, token_id) not in plan.counts:
        raise BadInput(
            f"Nothing is drawn for token id {token_id} at token {position + 1}: choose one of its alternatives."
        )
    if have + more > most:
        raise BadInput(f"This branch has {have:,} draws; at most {most:,} are allowed here.")
    others = tuple(entry for entry in settings.extra if entry[:2] != (position, token_id))
    return _with_extra(settings, (*others, (position, token_id, have + more)))


def with_extra_of(settings: ForkSettings, other: ForkSettings) -> ForkSettings:
    """Settings with the draws that were added to either. Raises BadInput where these are too many."""
    counts: dict[tuple[int, int], int] = {}
    for position, token_id, count in (*other.extra, *settings.extra):
        counts[position, token_id] = max(count, counts.get((position, token_id), 0))
    return _with_extra(settings, tuple((*key, count) for key, count in counts.items()))


def _with_extra(settings: ForkSettings, extra: tuple[tuple[int, int, int], ...]) -> ForkSettings:
    if len(extra) > MOST_EXTRA:
        raise BadInput(
            f"Draws were added to {MOST_EXTRA} branches of this analysis already: begin a new one with more draws."
        )
    return replace(settings, extra=extra)


def to_plain(settings: ForkSettings) -> dict[str, Any]:
    """Settings as JSON has them; a seed as text, as it may need 63 bits."""
    return asdict(settings) | {"seed": str(settings.seed), "extra": [list(entry) for entry in settings.extra]}


def from_plain(values: Mapping[str, Any]) -> ForkSettings:
    """The inverse of `to_plain`. Raises BadInput."""
    return settings_of(values, TRUSTED)


def _optional(label: str, value: object, low: int, high: int) -> int | None:
    return None if value in (None, "") else whole(label, value, low, high)


def _share(label: str, value: object, default: float | None = None, *, high: float = 1.0) -> float:
    if value in (None, "") and default is not None:
        return default
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not 0.0 < number <= high:
        raise BadInput(f"{label} is {str(value)[:40]!a}; it must be a number above 0 and at most {high:g}.")
    return number


def _extra(value: object, bounds: ForkBounds) -> tuple[tuple[int, int, int], ...]:
    if value in (None, "", [], ()):
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MOST_EXTRA:
        raise BadInput(f"The extra draws must be a list of at most {MOST_EXTRA} lists of position, token id and draws.")
    found = []
    for entry in value:
        if not isinstance(entry, Sequence) or isinstance(entry, str) or len(entry) != 3:
            raise BadInput("An entry of the extra draws is a list of position, token id and draws.")
        found.append(
            (
                whole("The position", entry[0], 0, limits.EXACT_FLOAT),
                whole("The token id", entry[1], 0, 2**31 - 1),
                whole("The number of draws", entry[2], 1, bounds.draws),
            )
        )
    return tuple(found)
