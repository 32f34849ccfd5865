"""Scores of a whole run that follow from its single-pass token scores: one pure function and one entry each.

Every token of the run counts, the end-of-turn token included. A first token that nothing precedes has no
distribution and is left out; any other missing value makes the score NaN (shown as n/a), and so does an empty
run. Does not know models, samples, the store or the page. Adding a score is adding one entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine import token_scores
from engine.errors import BadInput
from engine.token_scores import VARIANCE_FLOOR, Direction
from engine.types import TOP_K, Trace

LOWEST_SHARE = 5  # Min-K% and Min-K%++ average the lowest fifth of the tokens
COMPLETE = 1e-5  # probability outside a row's alternatives below which they are all there is (float32 sums)


@dataclass(frozen=True)
class RunScore:
    """One score of a run: what it is called, what it means, and the pure function that computes it.

    needs: the token scores it follows from ("topk": the alternatives); `compute` takes the run and returns a float,
    NaN when one of them is missing. low, high: its usual range (None: open).
    """

    name: str
    label: str
    symbol: str
    unit: str
    direction: Direction
    definition: str
    short: str
    reference: str
    compute: Callable[[Trace], float]
    needs: tuple[str, ...]
    low: float | None = 0.0
    high: float | None = None
    caveat: str = ""
    group: Literal["main", "more"] = "more"

    @property
    def recorded(self) -> bool:
        """Whether it is stored with a run; the others are known only where its attention was read."""
        return all(token_scores.REGISTRY[name].reads == "distribution" for name in self.needs if name != "topk")


def compute(trace: Trace) -> dict[str, float]:
    """Every score of the registry: name -> float, NaN where it does not exist."""
    return {name: entry.compute(trace) for name, entry in REGISTRY.items()}


def score_named(name: str) -> RunScore:
    """The registry entry of that name. Raises BadInput listing the valid names."""
    if name not in REGISTRY:
        raise BadInput(f"There is no run score named {name[:60]!r}; the scores are: {', '.join(REGISTRY)}.")
    return REGISTRY[name]


def think_just_enough(trace: Trace, k: int = TOP_K) -> float:
    """Mean over tokens of the entropy, in bits, of the k best alternatives renormalised to 1.

    NaN when a row knows fewer than k alternatives although more tokens were possible.
    """
    start = _start(trace)
    logprobs = trace.topk_logprobs[start:, :k].astype(np.float64)
    if logprobs.shape[0] == 0 or logprobs.shape[1] == 0:
        return math.nan
    complete = trace.tail_mass[start:] <= COMPLETE
    if not np.all((np.isfinite(logprobs).sum(axis=1) == k) | complete):
        return math.nan
    weights = np.exp(logprobs - logprobs[:, :1])
    p = weights / weights.sum(axis=1, keepdims=True)
    return float(-(p * np.log2(np.where(p > 0.0, p, 1.0))).sum(axis=1).mean())


def _start(trace: Trace) -> int:
    """1 when the first token has no distribution because nothing precedes it, else 0."""
    surprisal = trace.scores.get("surprisal")
    return int(surprisal is not None and len(surprisal) > 1 and math.isnan(surprisal[0]))


def _of(reduce: Callable[..., float], *names: str) -> Callable[[Trace], float]:
    """`reduce` over the run's token scores of those names, float64 [n] each; NaN when any value is missing."""

    def score(trace: Trace) -> float:
        if any(name not in trace.scores for name in names):
            return math.nan
        start = _start(trace)
        columns = [np.asarray(trace.scores[name][start:], dtype=np.float64) for name in names]
        if any(column.size == 0 or np.isnan(column).any() for column in columns):
            return math.nan
        return float(reduce(*columns))

    return score


def _probability(surprisal: float) -> float:
    """exp(-surprisal); rounding may leave a surprisal just below zero, and a probability is at most 1."""
    return math.exp(-max(0.0, surprisal))


def _perplexity(surprisal: np.ndarray) -> float:
    mean = float(surprisal.mean())
    return math.exp(mean) if mean < 700.0 else math.inf


def _lowest_mean(values: np.ndarray) -> float:
    """Mean of the lowest fifth of the tokens, rounded down, at least one."""
    count = max(1, values.size // LOWEST_SHARE)
    return float(np.partition(values, count - 1)[:count].mean())


def _curvature(entropy: np.ndarray, surprisal: np.ndarray, varentropy: np.ndarray) -> float:
    return float((entropy - surprisal).sum()) / math.sqrt(max(float(varentropy.sum()), VARIANCE_FLOOR))


def _mean_loss(confidence: np.ndarray) -> float:
    return float(-np.log(np.maximum(confidence, 1e-12)).mean())


def _quantile(share: float) -> Callable[[np.ndarray], float]:
    return lambda surprisal: float(np.quantile(surprisal, share))


_COUNTED = "every token counts, the end-of-turn token included"
_BOUND = "Of an imported run, whose entropies are lower bounds, this is a lower bound too."
_CASCADE = "Gupta et al. 2024 (language model cascades)"


def _by_name(*entries: RunScore) -> Mapping[str, RunScore]:
    return {entry.name: entry for entry in entries}


REGISTRY: Mapping[str, RunScore] = _by_name(
    RunScore(
        "perplexity", "Perplexity", "PPL", "", "uncertain",
        f"exp of the mean surprisal; {_COUNTED}", "Among how many equally likely tokens the model was choosing.",
        "Jelinek et al. 1977", _of(_perplexity, "surprisal"), ("surprisal",), 1.0, None,
        "Comparable only between runs of one tokenizer.", "main",
    ),
    RunScore(
        "mean_entropy", "Mean entropy", "H̄", "nats", "uncertain",
        f"mean of H; {_COUNTED}", "How open the model's next token was on average.",
        "Fomicheva et al. 2020", _of(np.mean, "entropy"), ("entropy",), 0.0, 4.0, _BOUND, "main",
    ),
    RunScore(
        "max_entropy", "Largest entropy", "max H", "nats", "uncertain",
        f"largest H of the run; {_COUNTED}", "How open the most open token was.",
        "Fomicheva et al. 2020", _of(np.max, "entropy"), ("entropy",), 0.0, 8.0,
        f"Grows with the length of the run. {_BOUND}", "main",
    ),
    RunScore(
        "min_probability", "Smallest probability", "min p", "", "confident",
        f"smallest p(token) of the run; {_COUNTED}", "Probability of the least likely token that was written.",
        "Manakul et al. 2023", _of(lambda s: _probability(s.max()), "surprisal"), ("surprisal",), 0.0, 1.0,
        "Falls with the length of the run.", "main",
    ),
    RunScore(
        "sequence_probability", "Sequence probability", "P", "", "confident",
        f"exp of minus the sum of S; {_COUNTED}", "Probability of exactly this reply, token by token.",
        "Malinin and Gales 2021", _of(lambda s: _probability(s.sum()), "surprisal"), ("surprisal",), 0.0, 1.0,
        "Almost zero for any long reply; other wordings of the same answer are not in it.", "main",
    ),
    RunScore(
        "g_nll", "G-NLL", "ΣS", "nats", "uncertain",
        f"sum of S; {_COUNTED}", "Total surprisal of the reply.",
        "Aichberger et al. 2024 (G-NLL)", _of(np.sum, "surprisal"), ("surprisal",), 0.0, None,
        "It is the G-NLL only when the reply was decoded greedily (temperature 0); of a sampled or a given text it is "
        "the plain negative log-likelihood.", "main",
    ),
    RunScore(
        "mean_surprisal", "Mean surprisal", "S̄", "nats", "uncertain",
        f"mean of S; {_COUNTED}", "Surprisal of a token on average.",
        "follows from surprisal", _of(np.mean, "surprisal"), ("surprisal",), 0.0, 6.0,
        "The logarithm of perplexity.",
    ),
    RunScore(
        "sequence_log_probability", "Sequence log-probability", "ln P", "nats", "confident",
        f"minus the sum of S; {_COUNTED}", "Logarithm of the probability of exactly this reply.",
        "Malinin and Gales 2021", _of(lambda s: -s.sum(), "surprisal"), ("surprisal",), None, 0.0,
        "Falls with the length of the run.",
    ),
    RunScore(
        "minkpp_20", "Min-K%++ (20 %)", "z₂₀", "", "confident",
        f"mean of the lowest fifth (rounded down, at least one) of z = (H − S)/√V; {_COUNTED}",
        "How typical the least typical fifth of the tokens is for its rows.",
        "Zhang et al. 2024 (Min-K%++)", _of(_lowest_mean, "minkpp"), ("minkpp",), -6.0, 1.0,
        "Made to tell texts seen in training from others; a quotient where V is almost zero says little.",
    ),
    RunScore(
        "mink_20", "Min-K% (20 %)", "ℓ₂₀", "nats", "confident",
        f"mean of the lowest fifth (rounded down, at least one) of ln p(token); {_COUNTED}",
        "Log-probability of the least likely fifth of the tokens.",
        "Shi et al. 2024 (Min-K%)", _of(lambda s: _lowest_mean(-s), "surprisal"), ("surprisal",), None, 0.0,
        "Made to tell texts seen in training from others.",
    ),
    RunScore(
        "curvature", "Curvature", "c", "", "familiar",
        f"Σ(H − S) / √ΣV; {_COUNTED}", "High when the text is what this model itself would write.",
        "Bao et al. 2024 (Fast-DetectGPT)",
        _of(_curvature, "entropy", "surprisal", "varentropy"), ("entropy", "surprisal", "varentropy"), -4.0, 4.0,
        "Grows with the length of the run; the published thresholds belong to other models.",
    ),
    RunScore(
        "chow_sum", "Chow-sum", "χΣ", "nats", "uncertain",
        f"sum of S, read as a deferral score; {_COUNTED}", "Defer to a larger model above a threshold.",
        _CASCADE, _of(np.sum, "surprisal"), ("surprisal",), 0.0, None, "Prefers short replies; same number as G-NLL.",
    ),
    RunScore(
        "chow_average", "Chow-average", "χ̄", "nats", "uncertain",
        f"mean of S, read as a deferral score; {_COUNTED}", "Deferral score that long replies do not drive.",
        _CASCADE, _of(np.mean, "surprisal"), ("surprisal",), 0.0, 6.0, "Hides one bad token among many sure ones.",
    ),
    RunScore(
        "chow_quantile", "Chow-quantile (80 %)", "χ₈₀", "nats", "uncertain",
        f"80 % quantile of S, linear between order statistics; {_COUNTED}",
        "Deferral score: a fifth of the tokens is more surprising than this.",
        _CASCADE, _of(_quantile(0.8), "surprisal"), ("surprisal",), 0.0, 6.0,
        "Which quantile defers best depends on the task.",
    ),
    RunScore(
        "chow_median", "Chow-quantile (50 %)", "χ₅₀", "nats", "uncertain",
        f"median of S; {_COUNTED}", "Deferral score: half of the tokens is more surprising than this.",
        _CASCADE, _of(np.median, "surprisal"), ("surprisal",), 0.0, 6.0, "Close to zero for most fluent replies.",
    ),
    RunScore(
        "think_just_enough", "Top-20 entropy", "H₂₀", "bits", "uncertain",
        f"mean entropy in bits of the 20 best alternatives renormalised to 1; {_COUNTED}",
        "Reasoning may stop where this stays low.",
        "Sharma and Chopra 2025 (Think just enough)", think_just_enough, ("topk",), 0.0, math.log2(TOP_K),
        "Blind to the tail; its stopping threshold must be fitted on labelled runs. N/a with fewer than 20 "
        "alternatives.",
    ),
    RunScore(
        "mean_self_certainty", "Mean self-certainty", "KL̄(u‖p)", "nats", "confident",
        f"mean of the self-certainty; {_COUNTED}", "Average distance of the rows from uniform.",
        "Kang et al. 2025 (self-certainty)", _of(np.mean, "self_certainty"), ("self_certainty",), 5.0, 20.0,
        "Dominated by how unlikely the unlikely tokens are.",
    ),
    RunScore(
        "mean_boosted_prob", "Mean BoostedProb", "p̄⁺", "", "confident",
        f"mean of BoostedProb; {_COUNTED}", "Average probability that does not punish good alternatives.",
        "Dinh and Niehues 2025 (BoostedProb)", _of(np.mean, "boosted_prob"), ("boosted_prob",), 0.0, 1.0,
    ),
    RunScore(
        "rauq_uncertainty", "RAUQ", "u", "nats", "uncertain",
        f"mean of −ln c, of the layer of the middle third where it is largest; {_COUNTED}",
        "How unsure the run is, token by token and of what each builds on.",
        "Vazhentsev et al. 2025 (RAUQ)", _of(_mean_loss, "rauq"), ("rauq",), 0.0, 4.0,
        "Known once a chain was traced.",
    ),
    RunScore(
        "mean_attention_weighted_surprisal", "Attention-weighted surprisal", "S̄ʷ", "nats", "uncertain",
        f"mean of w S, w the attention that the answer pays to the token, of mean 1; {_COUNTED}, with weight 0 behind "
        "the answer",
        "Mean surprisal of what the answer looks at.",
        "after Lin et al. 2024 (contextualised sequence likelihood)", _of(np.mean, "attention_weighted_surprisal"),
        ("attention_weighted_surprisal",), 0.0, 6.0,
        "Known once a chain was traced; it belongs to that answer.",
    ),
)  # fmt: skip

RECORDED: Mapping[str, RunScore] = {name: entry for name, entry in REGISTRY.items() if entry.recorded}
