"""Frozen values that cross borders: what was asked, what happened at each token, what model it was.

Holds numpy arrays; does not know torch, the page or the store. All log-probabilities are natural logs
of the model's own next-token distribution (full vocabulary, temperature 1) unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.edits import Intervention

NOISE_VERSION = "philox4x64-v1"
HINDSIGHT_VERSION = NOISE_VERSION + "+hindsight"
TOP_K = 20

Kind = Literal["generation", "branch", "counterfactual", "import", "scored"]
FinishReason = Literal["stop", "length", "stop_string", "cancelled", "failed", "scored", "imported"]


@dataclass(frozen=True)
class GenerationRequest:
    """Everything that decides which tokens are drawn.

    temperature in [0, 2] (0 is greedy); top_k >= 1 or None; top_p in (0, 1] or None; seed in [0, 2^63);
    stop holds strings that end the answer (kept in it). max_new_tokens counts the end-of-turn token.
    stream: which noise of the seed; 0 is a run's own, others are those of replicates (see `noise`).
    """

    prompt: str
    system: str | None = None
    max_new_tokens: int = 200
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0
    stop: tuple[str, ...] = ()
    stream: int = 0


@dataclass(frozen=True)
class ModelCard:
    """Which weights produced a run, precisely enough to tell whether two runs are comparable."""

    name: str
    repo: str
    revision: str
    quantization: str
    dtype: str
    device: str
    tokenizer_hash: str
    vocabulary_size: int
    context_length: int
    has_chat_template: bool = True


@dataclass(frozen=True)
class Alternatives:
    """The k most likely next tokens of one step, best first (ties: lowest id first).

    ids: int32 [k]; logprobs: float32 [k], nats.
    """

    ids: np.ndarray
    logprobs: np.ndarray


@dataclass(frozen=True)
class Step:
    """One decoded token with everything recorded while its logits existed.

    piece: the text this token completes ("" while a character is unfinished). scores: name -> float for every score
    that needs only this step. support: number of tokens left after truncation (they are the `support` most likely).
    log_normalizer: log of the sum of exp(logprob / temperature) over that support, so that the sampled-from
    log-probability of a supported token is logprob / temperature - log_normalizer.
    margin: best minus second-best of log-weight + Gumbel noise (inf when nothing else was possible);
    runner_up: id of the second best, -1 when none; luck: the winner's Gumbel noise; noise_row: -1 when forced.
    """

    index: int
    token_id: int
    piece: str
    scores: Mapping[str, float]
    alternatives: Alternatives
    tail_mass: float
    noise_row: int
    margin: float
    runner_up: int
    luck: float
    support: int
    log_normalizer: float
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Trace:
    """A finished (or stopped) run: n response tokens with scores, k alternatives each, and how they were drawn.

    prompt_ids: int32 [m]; token_ids: int32 [n]; pieces: n strings whose concatenation is `text`;
    scores: name -> float32 [n] (NaN where a score does not exist);
    topk_ids: int32 [n, k], -1 where fewer are known; topk_logprobs: float32 [n, k], -inf there;
    tail_mass: float32 [n], probability outside the k; noise_rows: int64 [n], -1 where forced;
    margin, luck, log_normalizer: float32 [n] (NaN where not sampled); runner_up, support: int32 [n] (-1, 0 there).
    token_bytes: id -> raw bytes for every id in token_ids, topk_ids and runner_up: a run is readable without its model.
    special_ids: ids among those that are control tokens (end of turn and the like), shown as marks.
    text includes the text of special tokens; `answer` leaves them out.
    intervention: what made it of the run that it branches from; None for a run of its own.
    """

    prompt: str
    system: str | None
    prompt_ids: np.ndarray
    token_ids: np.ndarray
    pieces: tuple[str, ...]
    text: str
    scores: Mapping[str, np.ndarray]
    topk_ids: np.ndarray
    topk_logprobs: np.ndarray
    tail_mass: np.ndarray
    noise_rows: np.ndarray
    margin: np.ndarray
    runner_up: np.ndarray
    luck: np.ndarray
    support: np.ndarray
    log_normalizer: np.ndarray
    token_bytes: Mapping[int, bytes]
    special_ids: frozenset[int]
    seed: int | None
    finish_reason: FinishReason
    kind: Kind
    model: ModelCard
    settings: GenerationRequest | None = None
    noise_version: str | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())
    intervention: Intervention | None = None

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def answer(self) -> str:
        """The text without control tokens, as a person would quote it."""
        return "".join(p for p, i in zip(self.pieces, self.token_ids, strict=True) if int(i) not in self.special_ids)
