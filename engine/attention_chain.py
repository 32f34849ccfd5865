"""Attention chain: which earlier tokens an answer rests on, and a confidence that takes them into account.

Language Model Uncertainty Quantification with Attention Chain (UQAC, Li et al., arXiv 2503.19168). One reading of the
text, a walk back through attention, a filter by similarity, and variants with one token substituted. Positions are
those of response tokens, from 0. Does not know the store or the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from engine.answer_span import AnswerSpan, check_span
from engine.attention_scores import AttentionReading, middle_layers
from engine.attention_taps import AttentionTaps
from engine.chain_backtrack import Arc, Backtrack, Hop
from engine.chain_settings import ChainSettings, checked
from engine.chain_variants import Variant, candidates, product, weighed
from engine.input_rows import input_row
from engine.out_of_memory import spared
from engine.resume import check_same_model
from engine.stop_words import bare, means_nothing, stop_words
from engine.token_scores import attention_scores
from engine.types import Trace

if TYPE_CHECKING:
    from engine.models import LanguageModel

EARLY = 10


@dataclass(frozen=True)
class Confidence:
    """Products of probabilities over the answer, over kept tokens and answer, chain and answer, and the response; their
    means; and p_uqac, the sum over the original and all variants of P(answer) P(kept), NaN until all are known."""

    p_answer: float
    p_kept: float
    p_chain: float
    p_response: float
    mean_chain: float
    mean_kept: float
    mean_response: float
    p_uqac: float = float("nan")


@dataclass(frozen=True)
class AttentionChain:
    """What an answer rests on.

    span: half-open; positions: ascending, the answer's among them; scores: float [m], what attention gathered on each,
    0 for the answer's own; hops: int [m], 0 for the answer; similarity: float [m], mean cosine to the answer's states,
    NaN for the answer's own; kept: positions that passed the filter, in text order. arcs: positions here are those of
    the response. variants: the most probable substitute first. token_scores: name -> float32 [n], from attention.
    weights: float [n], the answer's own attention. rows: how many positions were looked from.
    """

    span: tuple[int, int]
    positions: tuple[int, ...]
    scores: np.ndarray
    hops: np.ndarray
    similarity: np.ndarray
    kept: tuple[int, ...]
    arcs: tuple[Arc, ...]
    variants: tuple[Variant, ...]
    confidence: Confidence
    token_scores: dict[str, np.ndarray]
    weights: np.ndarray
    rows: int
    settings: ChainSettings
    warnings: tuple[str, ...] = ()

    @property
    def p_answer(self) -> float:
        return self.confidence.p_answer

    @property
    def p_kept(self) -> float:
        return self.confidence.p_kept

    @property
    def p_uqac(self) -> float:
        return self.confidence.p_uqac


@dataclass(frozen=True)
class ChainProgress:
    """How far it is. stage: "reading", "tracing" or "variants"; chain: None before the walk has ended."""

    stage: str
    done: int
    total: int
    chain: AttentionChain | None = None


def analyse(
    model: LanguageModel, trace: Trace, answer_span: tuple[int, int], settings: ChainSettings | None = None
) -> AttentionChain:
    """The chain behind the answer at answer_span, half-open positions of the response; see `steps`."""
    chain = None
    for progress in steps(model, trace, answer_span, settings):
        chain = progress.chain
    assert chain is not None
    return chain


@spared
def steps(
    model: LanguageModel,
    trace: Trace,
    answer_span: tuple[int, int],
    settings: ChainSettings | None = None,
    *,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[ChainProgress]:
    """The same piece by piece; whoever stops taking them stops the work. The last one has the whole chain.

    Raises BadInput for an answer that nothing stands before, or settings that make no sense; ModelUnavailable for
    another model than the run's, or one whose attention cannot be had; OutOfMemory.
    """
    asked, stopped = checked(settings or ChainSettings()), cancelled or (lambda: False)
    span = check_span(trace, answer_span)
    check_same_model(trace.model, model.card)
    work = _Work(model, trace, span, asked)
    total = len(work.taps.ids)
    for done in work.taps.read():
        yield ChainProgress("reading", done, total)
        if stopped():
            return
    for hop in work.walk.hops():
        if hop is not None:
            work.hops.append(hop)
        yield ChainProgress("tracing", len(work.hops) + (hop is None), 0)
        if stopped():
            return
    chain = work.chain()
    yield ChainProgress("variants", 0, len(chain.variants), chain)
    if stopped() and chain.variants:
        return
    yield from _variants(work, chain, stopped)


def _variants(work: _Work, chain: AttentionChain, stopped: Callable[[], bool]) -> Iterator[ChainProgress]:
    known = {(one.position, one.token_id): one for one in chain.variants}
    count = len(known)
    if not count:
        yield ChainProgress("variants", 0, 0, _summed(chain))
        return
    found = weighed(
        work.taps, chain.variants, before=work.before, token_ids=work.trace.token_ids, probabilities=work.probabilities,
        kept=chain.kept, answer=range(*chain.span),
    )  # fmt: skip
    done = 0
    for one in found:
        if one is not None:
            done += 1
            known[one.position, one.token_id] = one
            chain = replace(chain, variants=tuple(known.values()))
            yield ChainProgress("variants", done, count, _summed(chain) if done == count else chain)
        if stopped():
            return


def _summed(chain: AttentionChain) -> AttentionChain:
    """With the confidence over the original and every variant."""
    whole = chain.p_kept + sum(one.p_answer * one.p_kept for one in chain.variants)
    return replace(chain, confidence=replace(chain.confidence, p_uqac=float(whole)))


class _Rows:
    """The rows that a walk asks for, and in `answered` what those that predict the answer pay to each response token.

    Apart from `_Work`, which holds the walk: in a circle the whole cache would outlive the analysis.
    """

    def __init__(
        self, taps: AttentionTaps, span: AnswerSpan, settings: ChainSettings, before: int, answered: np.ndarray
    ) -> None:
        self._taps, self._span, self._settings, self._before, self._answered = taps, span, settings, before, answered

    def __call__(self, position: int) -> np.ndarray:
        row = input_row(self._taps.weights(position), self._settings.heads, self._settings.reduction)
        if self._span.start <= position + 1 - self._before < self._span.stop:
            # each of these is looked at once, in the first hop
            self._answered[: position + 1 - self._before] += row[self._before :]
        return row


class _Work:
    """What one analysis has at hand: the reading, the walk, and the text's own probabilities."""

    def __init__(self, model: LanguageModel, trace: Trace, span: AnswerSpan, settings: ChainSettings) -> None:
        self.trace, self.span, self.settings = trace, span, settings
        self.before = len(trace.prompt_ids)
        ids = [*trace.prompt_ids.tolist(), *trace.token_ids.tolist()]
        self.taps = AttentionTaps(model, ids, max(0, self.before - 1))
        self.hops: list[Hop] = []
        self.answered = np.zeros(len(trace))
        passed_over = stop_words(settings.language, settings.extra_stop_words)
        words = {i: bare(model.token_bytes(i).decode("utf-8", "replace")) for i in set(trace.token_ids.tolist())}
        self.walk = Backtrack(
            _Rows(self.taps, span, settings, self.before, self.answered),
            tuple(self.before + t for t in range(span.start, span.stop)),
            self.before,
            {self.before + t for t, i in enumerate(trace.token_ids.tolist()) if means_nothing(words[i], passed_over)},
            settings.most_a_round,
            settings.threshold,
            settings.minimum,
            settings.scan_depth,
        )

    @property
    def probabilities(self) -> np.ndarray:
        """Of the response's tokens: float [n]; NaN for a first one that nothing precedes."""
        return np.exp(-self.surprisal)

    @property
    def surprisal(self) -> np.ndarray:
        logprobs = self.taps.logprobs[:-1]
        return -logprobs if self.before else -np.concatenate([[np.nan], logprobs])

    def chain(self) -> AttentionChain:
        """All but what the variants say. The queries are not needed any more after it."""
        start, stop = self.span.start, self.span.stop
        found = {k - self.before: score for k, score in self.walk.chain.items()}
        positions = tuple(sorted(found))
        hop_of = {k - self.before: hop.number for hop in self.hops for k in hop.found}
        similarity = self._similarity(positions)
        kept = _kept(positions, similarity, self.settings)
        reading = AttentionReading(self.surprisal, self._previous(), self._answer_weights())
        self.taps.release()
        token_ids = self.trace.token_ids
        top_ids, top_logprobs = self._predicted()
        settings = self.settings
        return AttentionChain(
            (start, stop),
            positions,
            np.array([found[t] for t in positions]),
            np.array([hop_of.get(t, 0) for t in positions]),
            similarity,
            kept,
            tuple(
                replace(arc, source=arc.source - self.before, target=arc.target - self.before)
                for hop in self.hops
                for arc in hop.arcs
            ),
            candidates(kept, token_ids, top_ids, top_logprobs, top=settings.top, least=settings.least_probability,
                       more=settings.more),
            self._confidence(positions, kept),
            attention_scores(reading),
            reading.answer,
            self.walk.visited,
            settings,
            self._warnings(positions),
        )  # fmt: skip

    def _predicted(self) -> tuple[np.ndarray, np.ndarray]:
        """What was most probable at each response position: int [n, 5], float [n, 5]."""
        taps = self.taps
        if self.before:
            return taps.top_ids[:-1], taps.top_logprobs[:-1]
        # nothing was predicted at the first one
        ids, logprobs = np.zeros_like(taps.top_ids[:1]), np.full_like(taps.top_logprobs[:1], -np.inf)
        return np.concatenate([ids, taps.top_ids[:-1]]), np.concatenate([logprobs, taps.top_logprobs[:-1]])

    def _similarity(self, positions: Sequence[int]) -> np.ndarray:
        """Mean cosine of each position's state to those of the answer's tokens: float [m], NaN for the answer's own."""
        offset = self.before - self.taps.first
        states = self.taps.states.astype(np.float64)
        unit = states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-12)
        answer = unit[offset + self.span.start : offset + self.span.stop]
        own = range(self.span.start, self.span.stop)
        return np.array([np.nan if t in own else float((answer @ unit[offset + t]).mean()) for t in positions])

    def _previous(self) -> np.ndarray:
        """What the row that predicts a token pays to the token before it: float [layers, heads, n]."""
        found = [heads[:, :-1] for _, heads in self.taps.to_itself(middle_layers(self.taps.layers))]
        if self.before:
            return np.stack(found)
        # nothing predicts the first one
        return np.stack([np.pad(heads, ((0, 0), (1, 0)), constant_values=np.nan) for heads in found])

    def _answer_weights(self) -> np.ndarray:
        """What the rows that predict the answer pay to each response token before it: float [n]."""
        self.answered[self.span.start :] = 0.0
        return self.answered

    def _confidence(self, positions: Sequence[int], kept: Sequence[int]) -> Confidence:
        p = self.probabilities
        answer = list(range(self.span.start, self.span.stop))
        response = p[np.isfinite(p)]
        both = [*kept, *answer]
        return Confidence(
            product(p[answer]), product(p[both]), product(p[list(positions)]), product(response),
            float(p[list(positions)].mean()), float(p[both].mean()), float(response.mean()),
        )  # fmt: skip

    def _warnings(self, positions: Sequence[int]) -> tuple[str, ...]:
        said = []
        alone = len(positions) == self.span.stop - self.span.start
        reachable = set(range(self.before, self.before + self.span.start - 1)) - set(self.walk.skipped)
        if alone and reachable:
            said.append(
                "No token before this answer got any of its attention: the confidence is that of the answer alone."
            )
        elif alone and self.span.start < 2:
            said.append(
                "Only one token stands before this answer, and the row that predicts the answer is that token's own: "
                "there is nothing to follow, and the confidence is that of the answer alone."
            )
        elif alone:
            said.append(
                "Only stop words stand before this answer in the response, so there is no chain: the confidence is "
                "that of the answer alone. Another language of stop words may suit this text better."
            )
        if self.span.start < EARLY:
            said.append(
                f"The answer begins with token {self.span.start + 1}: attention to the {EARLY} tokens before a place "
                "is damped, so the chain of so early an answer says little."
            )
        return tuple(said)


def _kept(positions: Sequence[int], similarity: np.ndarray, settings: ChainSettings) -> tuple[int, ...]:
    """The positions nearest to the answer, in text order."""
    near = [(s, t) for s, t in zip(similarity, positions, strict=True) if s >= settings.floor]
    near.sort(key=lambda pair: -pair[0])
    return tuple(sorted(t for _, t in near[: settings.similar]))
