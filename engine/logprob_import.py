"""Log-probabilities that an API returned, as a run like any other: what follows from them, and nothing more.

An API names a few alternatives a token, so the entropy is known only between bounds, and scores that need the
whole distribution do not exist here. There are no token ids either: a run's ids count its distinct tokens.
Does not know wire formats (see `logprob_formats`), models or the store.
"""

from __future__ import annotations

import codecs
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.errors import BadInput
from engine.limits import Limits
from engine.logprob_fields import ReportedToken
from engine.logprob_formats import ReportedAnswer, read_answers
from engine.token_scores import TokenScore
from engine.types import ModelCard, Trace

_CONTROL_TOKEN = re.compile(rb"<[^<>\s]{1,60}>|\[[A-Z_]{2,20}\]")
_SCORES = (
    "entropy", "entropy_upper", "surprisal", "probability", "rank", "max_probability", "margin", "renyi_inf"
)  # fmt: skip


def parse(
    data: str | bytes,
    limits: Limits | None = None,
    *,
    prompt: str = "",
    system: str | None = None,
    vocabulary_size: int | None = None,
) -> list[Trace]:
    """Runs of kind "import" from a JSON document, a JSONL file or a saved stream: one a reply, at least one.

    prompt, system: what the model was asked, where the input does not say it. vocabulary_size: that of the model,
    for the upper bound of the entropy (None: `limits.import_vocabulary` is assumed, and said in the run's notes).
    Scores are surprisal, probability, and where alternatives were reported rank, max_probability, margin,
    renyi_inf, entropy (its lower bound) and entropy_upper; float32 [n] each, NaN where one does not exist.
    Raises BadInput naming the malformed place.
    """
    limits = limits or Limits()
    if vocabulary_size is not None and not 2 <= vocabulary_size < 2**31:
        raise BadInput(f"The vocabulary size is {vocabulary_size}; it must be a whole number of 2 or more.")
    answers = read_answers(data, limits)
    return [
        _trace(replace(a, prompt=a.prompt or prompt, system=a.system or system), limits, vocabulary_size)
        for a in answers
    ]


def entropy_bounds(logprobs: Sequence[float] | np.ndarray, vocabulary_size: int) -> tuple[float, float]:
    """Lower and upper bound, in nats, of the entropy of a distribution of which k log-probabilities are known.

    With r the probability that is left: the entropy is least when one token has all of r, and most when the other
    V - k tokens share it equally. logprobs: k different tokens, nats. 0 <= lower <= upper.
    """
    known = np.asarray(logprobs, dtype=np.float64)
    p = np.exp(known)
    rest = max(0.0, 1.0 - float(p.sum()))
    low = -float((p * np.maximum(known, -1e4)).sum()) - (rest * math.log(rest) if rest > 0.0 else 0.0)
    low = max(0.0, low)
    return low, low + rest * math.log(max(1, vocabulary_size - known.size))


def entropy_upper(logprobs: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """The upper bound for each of n rows of known log-probabilities [n, k], -inf where fewer are known: float64 [n]."""
    return np.array([entropy_bounds(row[np.isfinite(row)], vocabulary_size)[1] for row in np.asarray(logprobs)])


BOUND_SCORES: Mapping[str, TokenScore] = {
    "entropy_upper": TokenScore(
        "entropy_upper", "Entropy, upper bound", "H↑", "nats", "uncertain",
        "H↑ = H↓ + r ln(V − k): the probability r outside the k reported tokens spread evenly over the others; "
        "H↓ = −Σ p ln p − r ln r, the lower bound, stands in the entropy's place",
        "How open the next token may have been at most.", "follows from entropy", entropy_upper, 0.0, 4.0,
        "lower bound to ln V", "Depends on the vocabulary size, which APIs do not report; the run's notes say what "
        "was assumed.", group="main",
    )
}  # fmt: skip

# Which figures of an imported run are bounds, and of which side; all others are what the API reported.
BOUND_SIDES: Mapping[str, str] = {
    "entropy": "lower", "entropy_upper": "upper", "mean_entropy": "lower", "max_entropy": "lower"
}  # fmt: skip


def knows_bounds_only(trace: Trace) -> bool:
    """Whether a run's source reported only the most likely tokens, so that sums over the vocabulary are bounds."""
    return any(name in BOUND_SCORES for name in trace.scores)


@dataclass
class _Vocabulary:
    """Ids for tokens that came without: one for each distinct byte string, in order of appearance.

    Different tokens of one row may show the same bytes (parts of characters sent as U+FFFD): the second, third ...
    of them gets an id of its own, so that no row lists an id twice.
    """

    ids: dict[tuple[bytes, int], int] = field(default_factory=dict)

    def id_of(self, raw: bytes, repetition: int = 0) -> int:
        return self.ids.setdefault((raw, repetition), len(self.ids))

    def token_bytes(self) -> dict[int, bytes]:
        return {token_id: raw for (raw, _), token_id in self.ids.items()}


@dataclass(frozen=True)
class _Row:
    """One token with its reported alternatives, best first, as numbers. scores: NaN where one does not exist."""

    token_id: int
    ids: list[int]
    logprobs: list[float]
    tail_mass: float
    scores: dict[str, float]


def _trace(answer: ReportedAnswer, limits: Limits, vocabulary_size: int | None) -> Trace:
    vocabulary = _Vocabulary()
    size = vocabulary_size or limits.import_vocabulary
    requested = _requested(answer.tokens)
    rows = [_row(token, vocabulary, requested, size) for token in answer.tokens]
    n, k = len(rows), max(len(row.ids) for row in rows)
    topk_ids = np.full((n, k), -1, dtype=np.int32)
    topk_logprobs = np.full((n, k), -np.inf, dtype=np.float32)
    for i, row in enumerate(rows):
        topk_ids[i, : len(row.ids)] = row.ids
        topk_logprobs[i, : len(row.ids)] = row.logprobs
    names = _SCORES if k else ("surprisal", "probability")
    pieces = _pieces([token.raw for token in answer.tokens])
    special_ids = _control_ids(answer, pieces, rows)
    return Trace(
        prompt=answer.prompt,
        system=answer.system,
        prompt_ids=np.zeros(0, dtype=np.int32),
        token_ids=np.array([row.token_id for row in rows], dtype=np.int32),
        pieces=pieces,
        text="".join(pieces),
        scores={name: np.array([row.scores[name] for row in rows], dtype=np.float32) for name in names},
        topk_ids=topk_ids,
        topk_logprobs=topk_logprobs,
        tail_mass=np.array([row.tail_mass for row in rows], dtype=np.float32),
        noise_rows=np.full(n, -1, dtype=np.int64),
        margin=np.full(n, np.nan, dtype=np.float32),
        runner_up=np.full(n, -1, dtype=np.int32),
        luck=np.full(n, np.nan, dtype=np.float32),
        support=np.zeros(n, dtype=np.int32),
        log_normalizer=np.full(n, np.nan, dtype=np.float32),
        token_bytes=vocabulary.token_bytes(),
        special_ids=special_ids,
        seed=None,
        finish_reason="imported",
        kind="import",
        model=_card(answer),
        notes=_notes(answer, pieces, special_ids, rows, limits, vocabulary_size),
    )


def _card(answer: ReportedAnswer) -> ModelCard:
    return ModelCard(
        name=answer.model or "unnamed model",
        repo="",
        revision=answer.revision,
        quantization="unknown",
        dtype="unknown",
        device="remote",
        tokenizer_hash="",
        vocabulary_size=0,
        context_length=0,
        has_chat_template=answer.chat,
    )


def _requested(tokens: Sequence[ReportedToken]) -> int:
    """How many alternatives a token were asked for: the fewest that any token with some has.

    0 when the lists only repeat the token itself, as some servers do: they say nothing about its rivals.
    """
    lists = [token for token in tokens if token.alternatives]
    if all(len(token.alternatives) == 1 and token.alternatives[0][0] == token.raw for token in lists):
        return 0
    return min(len(token.alternatives) for token in lists)


def _row(token: ReportedToken, vocabulary: _Vocabulary, requested: int, vocabulary_size: int) -> _Row:
    known = sorted(
        ((raw, logprob) for raw, logprob in token.alternatives if logprob is not None), key=lambda item: -item[1]
    )
    seen: Counter[bytes] = Counter()
    ids = []
    for raw, _ in known:
        ids.append(vocabulary.id_of(raw, seen[raw]))
        seen[raw] += 1
    logprobs = [logprob for _, logprob in known]
    at = _place(token, known)
    token_id = vocabulary.id_of(token.raw) if at is None else ids[at]
    scores = dict.fromkeys(_SCORES, math.nan)
    if token.logprob is not None:
        scores |= {"surprisal": -token.logprob, "probability": math.exp(token.logprob)}
    if not known:
        return _Row(token_id, [], [], math.nan, scores)
    outside = [token.logprob] if at is None and token.logprob is not None else []
    scores["entropy"], scores["entropy_upper"] = entropy_bounds([*logprobs, *outside], vocabulary_size)
    p = [math.exp(logprob) for logprob in logprobs]
    ranked = _ranked(p, at, requested, 1.0 - sum(p) - sum(math.exp(logprob) for logprob in outside))
    if ranked >= 1:
        scores |= {"max_probability": p[0], "renyi_inf": -logprobs[0]}
    if ranked >= 2:
        scores["margin"] = p[0] - p[1]
    if at is not None and at < ranked:
        scores["rank"] = float(sum(value > p[at] for value in p))
    return _Row(token_id, ids, logprobs, max(0.0, 1.0 - sum(p)), scores)


def _place(token: ReportedToken, known: Sequence[tuple[bytes, float]]) -> int | None:
    """Where the token stands among its own alternatives: same bytes, and of several the nearest log-probability."""
    same = [i for i, (raw, _) in enumerate(known) if raw == token.raw]
    own = token.logprob
    if not same or own is None:
        return same[0] if same else None
    return min(same, key=lambda i: abs(known[i][1] - own))


def _ranked(p: Sequence[float], at: int | None, requested: int, rest: float) -> int:
    """How many of the best alternatives are surely the model's best, in order.

    Some servers append the drawn token to the list when it is not among the best, without saying its rank. What
    nobody unnamed can beat, having only `rest` between them, is sure in any case.
    """
    appended = len(p) > requested and at == len(p) - 1
    sure = sum(value >= rest for value in p)
    listed = 0 if requested == 0 else len(p) - appended
    return max(listed, sure)


def _pieces(tokens: Sequence[bytes]) -> tuple[str, ...]:
    """The text that each token completes; bytes that never become a character are U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces = [decoder.decode(raw) for raw in tokens]
    pieces[-1] += decoder.decode(b"", final=True)
    return tuple(pieces)


def _control_ids(answer: ReportedAnswer, pieces: Sequence[str], rows: Sequence[_Row]) -> frozenset[int]:
    """The last token's id when it is an end-of-turn mark: it looks like one and the reply's own text lacks it."""
    last = rows[-1].token_id
    cut = answer.text is not None and "".join(pieces[:-1]) == answer.text
    once = sum(row.token_id == last for row in rows) == 1
    return frozenset({last} if cut and once and _CONTROL_TOKEN.fullmatch(answer.tokens[-1].raw) else ())


def _notes(
    answer: ReportedAnswer,
    pieces: Sequence[str],
    special_ids: frozenset[int],
    rows: Sequence[_Row],
    limits: Limits,
    vocabulary_size: int | None,
) -> tuple[str, ...]:
    """What a reader of these scores must know."""
    notes = ["The log-probabilities are the API's own: some servers report them after temperature or truncation."]
    most = max(len(row.ids) for row in rows)
    if most:
        size = f"{vocabulary_size or limits.import_vocabulary:,} tokens"
        stated = size if vocabulary_size else f"{size} (assumed: the API does not say)"
        notes.append(
            f"Entropies are bounds: of each token at most {most} alternative{'s are' if most > 1 else ' is'} known; "
            f"the upper bound takes a vocabulary of {stated}."
        )
    else:
        notes.append("The API named no alternatives, so only the surprisal of each token is known.")
    if missing := sum(token.logprob is None for token in answer.tokens):
        notes.append(f"{missing} of {len(rows)} tokens came without a log-probability (none, or only “very unlikely”).")
    shown = "".join(piece for piece, row in zip(pieces, rows, strict=True) if row.token_id not in special_ids)
    if answer.text is not None and shown != answer.text:
        notes.append("The tokens do not spell the reply's own text exactly; the tokens are shown.")
    return (*notes, *answer.notes)
