"""What a forking analysis will draw: settings checked, positions, branches and how many draws each of them gets.

Knows a recorded run; does not know the network, nor what the draws come to.
Source: Bigelow et al., "Forking Paths in Neural Text Generation", arXiv 2412.07961, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine import fork_sites
from engine.errors import BadInput
from engine.fork_curves import Estimator
from engine.fork_sites import Site, base_ids, draws_for
from engine.outcomes import extractor
from engine.types import Trace

# how much longer than the answer a response may become
TOKENS_BEHIND = 200
# what a continuation takes at least on average, near the answer's end too: one that left the answer goes its own way
TYPICAL_TOKENS = 50


@dataclass(frozen=True)
class ForkSettings:
    """What is asked of an analysis.

    extractor, parameter: how an outcome is read; first, stop: the positions, all of them by default; threshold,
    alternates: which alternatives count; draws: of an alternative with a share of 30 %, others in proportion, from
    `fewest` to `most`; end_draws: of what follows the last position where the answer does not end there by itself;
    max_tokens: longest response (None: the answer's length + TOKENS_BEHIND); until: go on until the widest band is
    narrower than this; extra: (position, token id) -> draws in all, for branches that get more than their share.
    """

    extractor: str
    parameter: str = ""
    first: int = 0
    stop: int | None = None
    estimator: Estimator = "recursion"
    threshold: float = fork_sites.THRESHOLD
    alternates: int = fork_sites.MOST_ALTERNATES
    draws: int = fork_sites.DRAWS
    fewest: int = fork_sites.FEWEST_DRAWS
    most: int = fork_sites.MOST_DRAWS
    end_draws: int = fork_sites.DRAWS
    max_tokens: int | None = None
    until: float | None = None
    seed: int = 0
    temperature: float = 1.0
    extra: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class ForkPlan:
    """A checked analysis. base: the answer's tokens without its end; sites: one a position, in order, that of the end
    among them; ends_itself: whether the answer ends by itself with the last position; counts: draws of every sampled
    branch, in the order in which they are taken."""

    settings: ForkSettings
    base: tuple[int, ...]
    sites: tuple[Site, ...]
    ends_itself: bool
    max_tokens: int
    counts: Mapping[tuple[int, int], int]

    @property
    def expected_tokens(self) -> int:
        """About how many tokens the draws take: each the rest of the answer, or TYPICAL_TOKENS where that is less."""
        tokens = 0
        for (position, _), count in self.counts.items():
            rest = min(max(len(self.base) - position - 1, TYPICAL_TOKENS), self.max_tokens - position - 1)
            tokens += count * max(1, rest)
        return tokens


def plan_analysis(trace: Trace, settings: ForkSettings, end_ids: frozenset[int]) -> ForkPlan:
    """What an analysis will draw; raises BadInput for anything that cannot be analysed, saying why and what can."""
    extractor(settings.extractor, settings.parameter)
    _check(settings)
    base = base_ids(trace, end_ids)
    # where the answer has an end of its own, that one is a token like any other: it could have gone on
    length = min(len(trace.token_ids), len(base) + 1)
    stop = length if settings.stop is None else settings.stop
    if not 0 <= settings.first < stop <= length:
        raise BadInput(f"Tokens {settings.first + 1} to {stop} were asked for; the answer has tokens 1 to {length}.")
    ends_itself = stop == length and trace.finish_reason == "stop"
    sites = fork_sites.sites(trace, range(settings.first, stop), threshold=settings.threshold, most=settings.alternates)
    max_tokens = settings.max_tokens or len(base) + TOKENS_BEHIND
    max_tokens = min(max_tokens, trace.model.context_length - len(trace.prompt_ids))
    if max_tokens < stop + 1:
        raise BadInput(
            f"Responses of {max_tokens} tokens end before token {stop} of the answer could be another: allow longer "
            "ones, or analyse fewer tokens."
        )
    return ForkPlan(
        settings, tuple(base), tuple(sites), ends_itself, max_tokens, _counts(settings, sites, ends_itself, end_ids)
    )


def _counts(
    settings: ForkSettings, sites: Sequence[Site], ends_itself: bool, end_ids: frozenset[int]
) -> dict[tuple[int, int], int]:
    """Draws of each sampled branch, from the last position to the first, as the recursion needs them."""
    extra = {(position, token_id): count for position, token_id, count in settings.extra}
    counts: dict[tuple[int, int], int] = {}
    for site in reversed(sites):
        wanted = draws_for(site.shares, draws=settings.draws, fewest=settings.fewest, most=settings.most)
        for place, (token_id, count) in enumerate(zip(site.token_ids.tolist(), wanted.tolist(), strict=True)):
            key = (site.position, token_id)
            last = site is sites[-1]
            if token_id in end_ids or (place == 0 and last and ends_itself):
                continue
            if place == 0 and last:
                count = settings.end_draws
            elif place == 0 and settings.estimator == "recursion":
                continue
            counts[key] = max(count, extra.pop(key, 0))
    if extra:
        position, token_id = next(iter(extra))
        raise BadInput(f"Token id {token_id} at token {position + 1} is no branch of this analysis that can be drawn.")
    return counts


def _check(settings: ForkSettings) -> None:
    if settings.estimator == "recursion" and settings.temperature != 1.0:
        raise BadInput(
            f"The recursion holds for continuations at temperature 1 only, not {settings.temperature:g}: at any other "
            "the answer's own continuations are no mixture of its next tokens' ones. Leave it at 1."
        )
    if settings.temperature != 1.0:
        raise BadInput("Continuations are drawn at temperature 1, at which the published quantities are defined.")
    for name, low, high in (("draws", 1, 10_000), ("fewest", 1, 1_000), ("most", 1, 10_000), ("end_draws", 1, 10_000)):
        value = getattr(settings, name)
        if not low <= value <= high:
            raise BadInput(f"The setting {name} is {value:,}; it must be a whole number from {low:,} to {high:,}.")
    if settings.fewest > settings.most:
        raise BadInput(f"The fewest draws, {settings.fewest}, are more than the most, {settings.most}.")
    if settings.until is not None and not 0.0 < settings.until < 1.0:
        raise BadInput(f"The width of the band to reach is {settings.until:g}; it must lie between 0 and 1.")
