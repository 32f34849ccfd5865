"""What becomes of an answer's probability when one token that it rests on is another, nothing being drawn anew.

After UQAC (Li et al., arXiv 2503.19168, section 3). Variants share what stands before their substitute; only what lies
between it and the answer is read again. Does not know how the tokens were found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from engine.attention_taps import AttentionTaps

# a probability below this counts as this
CLAMP = 1e-12


@dataclass(frozen=True)
class Variant:
    """The response with one kept token substituted. position: in the response, from 0; probability: of the substitute.

    p_answer, p_kept: product over the answer's tokens and over the kept ones, the substitute among them; NaN while they
    are not known.
    """

    position: int
    token_id: int
    probability: float
    p_answer: float = float("nan")
    p_kept: float = float("nan")


def candidates(
    kept: Sequence[int],
    token_ids: np.ndarray,
    top_ids: np.ndarray,
    top_logprobs: np.ndarray,
    *,
    top: int = 5,
    least: float = 0.01,
    more: int = 10,
) -> tuple[Variant, ...]:
    """The substitutes to try, the most probable first. kept: response positions; token_ids: [n]; top_ids, top_logprobs:
    [n, k], best first, of what was predicted at each."""
    found = [
        Variant(t, int(i), float(np.exp(logprob)))
        for t in kept
        for i, logprob in zip(top_ids[t, :top], top_logprobs[t, :top], strict=True)
        if np.exp(logprob) > least
    ]
    found.sort(key=lambda one: -one.probability)
    return tuple(one for one in found[: more + len(kept)] if one.token_id != int(token_ids[one.position]))


def product(probabilities: Sequence[float] | np.ndarray) -> float:
    """Of n >= 0 probabilities, none counting less than CLAMP; 1 for none."""
    return float(np.exp(np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), CLAMP)).sum()))


def weighed(
    taps: AttentionTaps,
    variants: Sequence[Variant],
    *,
    before: int,
    token_ids: np.ndarray,
    probabilities: np.ndarray,
    kept: Sequence[int],
    answer: Sequence[int],
) -> Iterator[Variant | None]:
    """The same variants with what they do to the answer, in an order of their own; None where there is time to stop.

    before: tokens of the prompt; token_ids: int [n], probabilities: float [n], those of the response as it is; kept,
    answer: response positions, ascending, no kept one behind the last of the answer. Raises OutOfMemory.
    """
    last = answer[-1]
    # what stands behind a substitute is dropped for good, so the last one goes first
    for one in sorted(variants, key=lambda one: (-one.position, -one.probability)):
        ids = [one.token_id, *token_ids[one.position + 1 : last].tolist()]
        behind = [t for t in sorted({*kept, *answer}) if t > one.position]
        rows: list[np.ndarray] = []
        for part in taps.continued(before + one.position, ids, [t - 1 - one.position for t in behind]):
            rows += list(part)
            if len(rows) < len(behind):
                yield None
        found = {t: float(np.exp(row[token_ids[t]])) for t, row in zip(behind, rows, strict=True)}
        own = {one.position: one.probability, **found}
        yield replace(
            one,
            p_answer=product([own.get(t, probabilities[t]) for t in answer]),
            p_kept=product([own.get(t, probabilities[t]) for t in kept]),
        )
