"""Every token score of the heatmap: one pure function and one registry entry each.

Works on rows of the model's own next-token distribution (full vocabulary, temperature 1, before truncation)
in float32, natural logs. Does not know models, runs or the page. Adding a score is adding one entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from engine.attention_scores import AttentionReading, attention_weighted_surprisal, rauq
from engine.errors import BadInput

Direction = Literal["uncertain", "confident", "familiar", "atypical", "flag", "class"]

VARIANCE_FLOOR = 1e-6
QUADRANTS = ("settled", "flat", "fork", "turbulent", "in between")


@dataclass(frozen=True)
class Rows:
    """n next-token distributions over V tokens and what was drawn from each.

    logprobs: float32 [n, V], each row normalised; token_ids: int [n];
    processed_entropy: float [n], nats, of the distribution after temperature and truncation (None: not processed).
    """

    logprobs: np.ndarray
    token_ids: np.ndarray
    processed_entropy: np.ndarray | None = None

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 [n, V]."""
        return np.exp(self.logprobs)

    @cached_property
    def finite_logprobs(self) -> np.ndarray:
        """logprobs with -inf replaced by a large negative number, so that 0 x log 0 is 0: float32 [n, V]."""
        return self.logprobs if np.isfinite(self.logprobs.min()) else np.maximum(self.logprobs, np.float32(-1e4))

    @cached_property
    def surprisal(self) -> np.ndarray:
        return -self.logprobs[np.arange(len(self.token_ids)), self.token_ids].astype(np.float64)

    @cached_property
    def entropy(self) -> np.ndarray:
        return np.maximum(0.0, -_row_dots(self.probabilities, self.finite_logprobs))

    @cached_property
    def varentropy(self) -> np.ndarray:
        # the centred form: sum p l^2 - H^2 loses every digit when one token has nearly all the mass
        centred = self.finite_logprobs + self.entropy[:, None].astype(np.float32)
        np.square(centred, out=centred)
        return np.maximum(0.0, _row_dots(self.probabilities, centred))

    @cached_property
    def two_best(self) -> np.ndarray:
        """The two largest probabilities of each row, largest first: float64 [n, 2]."""
        width = self.probabilities.shape[1]
        if width == 1:
            return np.hstack([self.probabilities, np.zeros_like(self.probabilities)]).astype(np.float64)
        rows = np.arange(len(self.probabilities))
        best_at = self.logprobs.argmax(axis=1)
        best = self.probabilities[rows, best_at]
        rest = self.probabilities.copy()
        rest[rows, best_at] = -1.0
        return np.stack([best, rest.max(axis=1)], axis=1).astype(np.float64)


def rows_from_logits(logits: np.ndarray, token_ids: np.ndarray, processed_entropy: np.ndarray | None = None) -> Rows:
    """Normalise logits [n, V] of any float type in float32 and wrap them.

    Raises BadInput when a row has no finite logit or holds NaN.
    """
    values = np.asarray(logits, dtype=np.float32)
    top = values.max(axis=1, keepdims=True)
    if not np.all(np.isfinite(top)):
        raise BadInput("The model returned logits that are not numbers; load it in float32 or bfloat16 and try again.")
    values = values - top
    values -= np.log(np.exp(values).sum(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)
    return Rows(values, np.asarray(token_ids), processed_entropy)


def _row_dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # A product and a pairwise sum. einsum's running sum in float32 loses the fifth digit over 50,000 terms, and
    # np.dot's BLAS threads keep spinning and halve the speed of the forward pass that follows.
    return (a * b).sum(axis=1).astype(np.float64)


def renyi_half(rows: Rows) -> np.ndarray:
    return np.maximum(0.0, 2.0 * np.log(np.sqrt(rows.probabilities).sum(axis=1, dtype=np.float64)))


def renyi_2(rows: Rows) -> np.ndarray:
    return np.maximum(0.0, -np.log(_row_dots(rows.probabilities, rows.probabilities)))


def rank(rows: Rows) -> np.ndarray:
    drawn = rows.logprobs[np.arange(len(rows.token_ids)), rows.token_ids]
    return np.count_nonzero(rows.logprobs > drawn[:, None], axis=1).astype(np.float64)


def self_certainty(rows: Rows) -> np.ndarray:
    width = rows.logprobs.shape[1]
    return np.maximum(0.0, -rows.logprobs.mean(axis=1, dtype=np.float64) - math.log(width))


def boosted_prob(rows: Rows, relative: float = 0.3, absolute: float = 0.005) -> np.ndarray:
    """Mass of the dominant set when the drawn token is in it, else its own probability (arXiv 2505.14681 style)."""
    out = np.exp(-rows.surprisal)
    for n, p in enumerate(rows.probabilities):
        large = p > absolute
        head = np.sort(p[large])[::-1].astype(np.float64)
        if head.size == 0:
            continue
        # only tokens above the absolute gap can end the set, so the tail matters through its largest member alone
        beyond = float(head[-1] if p.size == head.size else np.where(large, 0.0, p).max())
        gaps = head - np.append(head[1:], beyond)
        ends = np.flatnonzero((gaps > relative * head) & (gaps > absolute))
        if ends.size and p[rows.token_ids[n]] >= np.float32(head[ends[-1]]):
            out[n] = min(1.0, head[: ends[-1] + 1].sum())
    return out


def cntp_trials(rows: Rows) -> np.ndarray:
    entropy = rows.entropy if rows.processed_entropy is None else rows.processed_entropy
    return 1.0 + np.floor(9.0 * np.clip((entropy - 0.01) / 1.49, 0.0, 1.0))


def minkpp(entropy: np.ndarray, surprisal: np.ndarray, varentropy: np.ndarray) -> np.ndarray:
    return (entropy - surprisal) / np.sqrt(np.maximum(varentropy, VARIANCE_FLOOR))


def curvature_share(entropy: np.ndarray, surprisal: np.ndarray, varentropy: np.ndarray) -> np.ndarray:
    return (entropy - surprisal) / math.sqrt(max(float(np.nansum(varentropy)), VARIANCE_FLOOR))


def quadrant(entropy: np.ndarray, varentropy: np.ndarray) -> np.ndarray:
    low_entropy, medium_entropy, high_entropy, low_varentropy, high_varentropy = 0.3, 1.2, 2.5, 1.2, 2.5
    return np.select(
        [
            (entropy < low_entropy) & (varentropy < low_varentropy),
            (entropy > high_entropy) & (varentropy < low_varentropy),
            (entropy < high_entropy) & (varentropy > high_varentropy),
            (entropy > medium_entropy) & (varentropy > high_varentropy),
        ],
        [0.0, 1.0, 2.0, 3.0],
        4.0,
    )


def forking_flag(entropy: np.ndarray, share: float = 0.2) -> np.ndarray:
    """1 where the entropy reaches the (1 - share) quantile of the run, else 0."""
    if not np.isfinite(entropy).any():
        return np.full(entropy.size, np.nan)
    return (entropy >= np.nanquantile(entropy, 1.0 - share)).astype(np.float64)


@dataclass(frozen=True)
class TokenScore:
    """One score: what it is called, what it means, and the pure function that computes it.

    needs: names of other scores it follows from; empty when it needs the distribution itself. `compute` takes
    `Rows` in the second case, otherwise those scores' arrays [n], and returns float [n].
    over_run: needs every token of the run (a quantile, a sum), so it exists only once the run has ended.
    reads: "attention" for one that needs a reading of the text with its attention, which an attention chain makes;
    its `compute` takes an `AttentionReading`.
    low, high: the range of the colour scale (None: the largest value of the run).
    """

    name: str
    label: str
    symbol: str
    unit: str
    direction: Direction
    definition: str
    short: str
    reference: str
    compute: Callable[..., np.ndarray]
    low: float = 0.0
    high: float | None = None
    range: str = ""
    caveat: str = ""
    needs: tuple[str, ...] = ()
    over_run: bool = False
    group: Literal["main", "more"] = "more"
    classes: tuple[str, ...] = field(default=())
    reads: Literal["distribution", "attention"] = "distribution"


def _by_name(*entries: TokenScore) -> Mapping[str, TokenScore]:
    return {entry.name: entry for entry in entries}


REGISTRY: Mapping[str, TokenScore] = _by_name(
    TokenScore(
        "entropy", "Entropy", "H", "nats", "uncertain",
        "H = −Σ p ln p over the full vocabulary", "How open the next token was.",
        "Shannon 1948", lambda rows: rows.entropy, 0.0, 4.0, "0 to ln V",
        "Counts every way of going on, also ones that mean the same.", group="main",
    ),
    TokenScore(
        "surprisal", "Surprisal", "S", "nats", "uncertain",
        "S = −ln p(token)", "How unexpected the chosen token was.",
        "Shannon 1948; Levy 2008", lambda rows: rows.surprisal, 0.0, 6.0, "0 and above",
        "High for a rare draw even where the model was sure of something else.", group="main",
    ),
    TokenScore(
        "probability", "Probability", "p", "", "confident",
        "p = exp(−S)", "The model's own probability of the chosen token.",
        "follows from surprisal", lambda surprisal: np.exp(-surprisal), 0.0, 1.0, "0 to 1",
        "At temperature 1 and before truncation, not the probability it was sampled with.",
        needs=("surprisal",), group="main",
    ),
    TokenScore(
        "varentropy", "Varentropy", "V", "nats²", "uncertain",
        "V = Σ p (ln p)² − H²", "How uneven the alternatives' surprisals are: high at a choice between few.",
        "Kontoyiannis and Verdú 2014", lambda rows: rows.varentropy, 0.0, 8.0, "0 and above",
        "Zero both when the model is certain and when it is uniformly lost.", group="main",
    ),
    TokenScore(
        "minkpp", "Min-K%++", "z", "", "confident",
        "z = (H − S) / √V, with V held at 1e−6 or more", "Standardised likelihood of the token within its own row.",
        "Zhang et al. 2024 (Min-K%++)", minkpp, -3.0, 1.0, "unbounded",
        "Where V is almost zero the quotient says little.", needs=("entropy", "surprisal", "varentropy"), group="main",
    ),
    TokenScore(
        "entropy_normalized", "Normalised entropy", "H / ln V", "", "uncertain",
        "H / ln V", "Entropy as a share of the largest possible.",
        "follows from entropy", lambda rows: rows.entropy / max(math.log(rows.logprobs.shape[1]), 1e-12), 0.0, 0.4,
        "0 to 1", "Compares models with different vocabularies only roughly.",
    ),
    TokenScore(
        "rank", "Rank", "r", "", "uncertain",
        "number of tokens more likely than the chosen one (0 = the most likely)", "How many rivals were ahead.",
        "Gehrmann et al. 2019 (GLTR)", rank, 0.0, 10.0, "0 to V − 1", "A rank of 3 among near-equals is no surprise.",
    ),
    TokenScore(
        "max_probability", "Largest probability", "p₍₁₎", "", "confident",
        "p of the most likely token; 1 − p₍₁₎ is its uncertainty", "How sure the model was of its first choice.",
        "Hendrycks and Gimpel 2017", lambda rows: rows.two_best[:, 0], 0.0, 1.0, "0 to 1",
    ),
    TokenScore(
        "margin", "Margin", "p₍₁₎ − p₍₂₎", "", "confident",
        "p of the most likely minus p of the second; 1 − margin is its uncertainty",
        "Lead of the first choice over the second.", "Scheffer et al. 2001",
        lambda rows: rows.two_best[:, 0] - rows.two_best[:, 1], 0.0, 1.0, "0 to 1",
    ),
    TokenScore(
        "renyi_half", "Rényi entropy, order ½", "H½", "nats", "uncertain",
        "2 ln Σ √p", "Entropy that listens to the long tail.", "Rényi 1961", renyi_half, 0.0, 8.0, "H to ln V",
        "Dominated by thousands of tokens that will never be drawn.",
    ),
    TokenScore(
        "renyi_2", "Rényi entropy, order 2", "H₂", "nats", "uncertain",
        "−ln Σ p²", "Entropy that listens to the likely tokens.", "Rényi 1961", renyi_2, 0.0, 3.0, "0 to H",
    ),
    TokenScore(
        "renyi_inf", "Rényi entropy, order ∞", "H∞", "nats", "uncertain",
        "−ln p₍₁₎", "Surprisal of the model's first choice.", "Rényi 1961",
        lambda best: -np.log(np.maximum(best, 1e-45)), 0.0, 2.0, "0 to ln V", needs=("max_probability",),
    ),
    TokenScore(
        "typical_deviation", "Typical deviation", "|S − H|", "nats", "atypical",
        "|S − H|; S < H: more likely than typical, S > H: less", "Distance from what this row makes typical.",
        "Meister et al. 2023 (locally typical sampling)", lambda surprisal, entropy: np.abs(surprisal - entropy),
        0.0, 4.0, "0 and above", "The sign (S − H) stands in the table of values through S and H.",
        needs=("surprisal", "entropy"),
    ),
    TokenScore(
        "curvature_share", "Fast-DetectGPT share", "c", "", "familiar",
        "(H − S) / √ΣV, the sum over the run", "What this token adds to the run's curvature.",
        "Bao et al. 2024 (Fast-DetectGPT)", curvature_share, -0.5, 0.3, "unbounded",
        "Sums to the run's curvature; depends on the length of the run.",
        needs=("entropy", "surprisal", "varentropy"), over_run=True,
    ),
    TokenScore(
        "self_certainty", "Self-certainty", "KL(u‖p)", "nats", "confident",
        "−(1/V) Σ ln p − ln V", "Distance of the row from uniform.", "Kang et al. 2025 (self-certainty)",
        self_certainty, 5.0, 20.0, "0 and above", "Dominated by how unlikely the unlikely tokens are.",
    ),
    TokenScore(
        "boosted_prob", "BoostedProb", "p⁺", "", "confident",
        "mass of the dominant set when the token is in it, else p(token); the set ends at the last sorted p with a "
        "gap above 30 % of itself and above 0.005", "Probability that does not punish good alternatives.",
        "Dinh and Niehues 2025 (BoostedProb)", boosted_prob, 0.0, 1.0, "0 to 1",
    ),
    TokenScore(
        "forking_flag", "Forking token (80/20)", "F", "", "flag",
        "1 where H reaches the 80 % quantile of the run", "Among the fifth of tokens with the highest entropy.",
        "Wang et al. 2025 (high-entropy minority tokens)", forking_flag, 0.0, 1.0, "0 or 1",
        "A share of the run, so every run has some.", needs=("entropy",), over_run=True,
    ),
    TokenScore(
        "cntp_trials", "CNTP trials", "N", "", "uncertain",
        "1 + ⌊9 clip((H′ − 0.01) / 1.49, 0, 1)⌋, H′ after temperature and truncation",
        "How many tries cautious decoding would spend here.", "Cautious next-token prediction, 2025",
        cntp_trials, 1.0, 10.0, "1 to 10", "Depends on the sampling settings; scored text counts at temperature 1.",
    ),
    TokenScore(
        "quadrant", "Entropy/varentropy class", "Q", "", "class",
        "settled: H < 0.3, V < 1.2; flat: H > 2.5, V < 1.2; fork: H < 2.5, V > 2.5; turbulent: H > 1.2, V > 2.5; "
        "else in between; the first that fits", "What kind of uncertainty this is.", "Entropix, 2024",
        quadrant, 0.0, 4.0, "5 classes", "Fixed thresholds; another model may need others.",
        needs=("entropy", "varentropy"), classes=QUADRANTS,
    ),
    TokenScore(
        "rauq", "RAUQ confidence", "c", "", "confident",
        "c₁ = p₁, cₜ = ½ pₜ + ½ aₜ cₜ₋₁, with aₜ the attention to the token before by the row that predicts this one, "
        "in the most attentive head of each layer of the middle third; of the layer that is least sure of the run",
        "How sure the token is, with what it builds on.",
        "Vazhentsev et al. 2025 (RAUQ)", rauq, 0.0, 1.0, "0 to 1",
        "Known once a chain was traced. The share ½ was tuned for instruction-tuned models.", reads="attention",
    ),
    TokenScore(
        "attention_weighted_surprisal", "Attention-weighted surprisal", "w S", "nats", "uncertain",
        "wₜ Sₜ, with wₜ the attention that the answer pays to the token, of mean 1; 0 behind the answer",
        "Surprise where the answer looks.",
        "after Lin et al. 2024 (contextualised sequence likelihood)",
        attention_weighted_surprisal, 0.0, 6.0, "0 and above",
        "Known once a chain was traced; it belongs to that answer.", reads="attention",
    ),
)  # fmt: skip


def row_scores(rows: Rows) -> dict[str, np.ndarray]:
    """Every score that needs no other token of the run: name -> float64 [n]."""
    out: dict[str, np.ndarray] = {}
    for entry in REGISTRY.values():
        if not entry.needs and entry.reads == "distribution":
            out[entry.name] = entry.compute(rows)
    return _follow(out, over_run=False)


def attention_scores(reading: AttentionReading) -> dict[str, np.ndarray]:
    """Every score that needs the text's attention: name -> float32 [n]."""
    entries = [entry for entry in REGISTRY.values() if entry.reads == "attention"]
    return {entry.name: entry.compute(reading).astype(np.float32) for entry in entries}


def run_scores(scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All scores of a run from its row scores, those over the whole run included: name -> float32 [n]."""
    everything = _follow(dict(scores), over_run=True)
    return {name: np.asarray(everything[name], dtype=np.float32) for name in REGISTRY if name in everything}


def _follow(scores: dict[str, np.ndarray], *, over_run: bool) -> dict[str, np.ndarray]:
    for entry in REGISTRY.values():
        if entry.needs and (over_run or not entry.over_run) and all(name in scores for name in entry.needs):
            scores[entry.name] = entry.compute(*(scores[name] for name in entry.needs))
    return scores


def score_named(name: str) -> TokenScore:
    """The registry entry of that name. Raises BadInput listing the valid names."""
    if name not in REGISTRY:
        raise BadInput(f"There is no score named {name[:60]!r}; the scores are: {', '.join(REGISTRY)}.")
    return REGISTRY[name]
