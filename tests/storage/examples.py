"""Traces to store: small ones with every awkward value, and realistic ones of full size. Seeded, no model needed.

Also compares traces bit for bit over all fields, so that a field added to `Trace` cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from engine.token_scores import row_scores, rows_from_logits, run_scores
from engine.types import NOISE_VERSION, GenerationRequest, ModelCard, Trace
from storage.traces import needed_ids

CARD = ModelCard(
    name="embedded",
    repo="hub/tiny",
    revision="0123abcd",
    quantization="none",
    dtype="float32",
    device="cpu",
    tokenizer_hash="feed" * 8,
    vocabulary_size=49152,
    context_length=8192,
)
ODD_BYTES = {
    0: b"<|end|>",
    1: b"\xe2\x82",
    2: b"\xac",
    3: b"\xff",
    4: b"",
    5: b"\x00",
    6: "‮🙂".encode(),
    7: b" {{x}} ${y}\n",
}
ODD_PIECES = {0: "<|end|>", 1: "", 2: "€", 3: "\ufffd", 4: "", 5: "\0", 6: "‮🙂", 7: " {{x}} ${y}\n"}

LETTERS = np.frombuffer(b"eeeetttaaooiinnssrrhhlldducmfwygpbvkxqjz", dtype=np.uint8)


def small_trace(seed: int = 0, tokens: int = 12, alternatives: int = 5, scores: int = 3, **changes: Any) -> Trace:
    """A trace with partial characters, control tokens, NaN, infinities and steps that were not sampled."""
    rng = np.random.default_rng(seed)
    vocabulary = {**ODD_BYTES, **{i: f" t{i}".encode() for i in range(8, 300)}}
    token_ids = rng.integers(0, 300, tokens).astype(np.int32)
    token_ids[: min(tokens, 8)] = np.arange(min(tokens, 8))
    topk_ids = rng.integers(0, 300, (tokens, alternatives)).astype(np.int32)
    topk_logprobs = -np.sort(rng.exponential(2, (tokens, alternatives)).astype(np.float32), axis=1)
    if tokens and alternatives > 1:
        topk_ids[-1, -1], topk_logprobs[-1, -1] = -1, -np.inf
    pieces = tuple(ODD_PIECES.get(i, f" t{i}") for i in token_ids.tolist())

    def floats(low: float = -5, high: float = 5) -> np.ndarray:
        values = rng.uniform(low, high, tokens).astype(np.float32)
        values[rng.random(tokens) < 0.2] = np.nan
        return values

    names = [f"score {j} ü" for j in range(scores)]
    matrix = {name: floats() for name in names}
    if tokens > 3 and scores:
        matrix[names[0]][:4] = [np.inf, -np.inf, -0.0, np.float32(1e-45)]
    runner_up = rng.integers(-1, 300, tokens).astype(np.int32)
    shown = {"token_ids": token_ids, "topk_ids": topk_ids, "runner_up": runner_up}
    settings = GenerationRequest("Ein Prompt", "be kind", 50, 0.7, 40, 0.95, 2**63 - 1, ("\n\n", "Ende"))
    trace = Trace(
        prompt="Ein Prompt",
        system="be kind",
        prompt_ids=rng.integers(0, 300, 7).astype(np.int32),
        token_ids=token_ids,
        pieces=pieces,
        text="".join(pieces),
        scores=matrix,
        topk_ids=topk_ids,
        topk_logprobs=topk_logprobs,
        tail_mass=floats(0, 1),
        noise_rows=np.where(rng.random(tokens) < 0.2, -1, np.arange(tokens)).astype(np.int64),
        margin=floats(),
        runner_up=runner_up,
        luck=floats(),
        support=rng.integers(0, 49153, tokens).astype(np.int32),
        log_normalizer=floats(),
        token_bytes={i: vocabulary[i] for i in needed_ids(shown)},
        special_ids=frozenset({0}),
        seed=2**63 - 1,
        finish_reason="stop",
        kind="generation",
        model=CARD,
        settings=settings,
        noise_version=NOISE_VERSION,
        seconds=1.25,
        notes=("first note", "zweite Notiz"),
    )
    return replace(trace, **changes)


def continued(parent: Trace, fork: int, seed: int, tokens: int = 12) -> Trace:
    """A trace that is bit for bit the parent's for `fork` tokens and its own afterwards."""
    other = small_trace(seed, tokens, parent.topk_ids.shape[1], len(parent.scores))
    joined = {name: np.concatenate([getattr(parent, name)[:fork], getattr(other, name)[fork:]]) for name in PER_TOKEN}
    pieces = parent.pieces[:fork] + other.pieces[fork:]
    everything = {**parent.token_bytes, **other.token_bytes}
    return replace(
        other,
        **joined,
        prompt_ids=parent.prompt_ids,
        scores={name: np.concatenate([parent.scores[name][:fork], other.scores[name][fork:]]) for name in other.scores},
        pieces=pieces,
        text="".join(pieces),
        token_bytes={i: everything[i] for i in needed_ids(joined)},
        kind="branch",
    )


def shortened(trace: Trace, tokens: int, **changes: Any) -> Trace:
    """The run as it was when only its first tokens had been written; what is left out of its text are whole pieces."""
    first = {name: getattr(trace, name)[:tokens].copy() for name in PER_TOKEN}
    pieces = trace.pieces[:tokens]
    cut = replace(
        trace,
        **first,
        scores={name: values[:tokens].copy() for name, values in trace.scores.items()},
        pieces=pieces,
        text="".join(pieces),
        token_bytes={i: trace.token_bytes[i] for i in needed_ids(first)},
        finish_reason="cancelled",
        seconds=trace.seconds / 2,
    )
    return replace(cut, **changes)


PER_TOKEN = (
    "token_ids",
    "topk_ids",
    "topk_logprobs",
    "tail_mass",
    "noise_rows",
    "margin",
    "runner_up",
    "luck",
    "support",
    "log_normalizer",
)


def realistic_trace(seed: int, tokens: int = 500, alternatives: int = 20, vocabulary: int = 49152) -> Trace:
    """A run of full size: peaked random logits over a Zipf-like vocabulary, every registered score computed from them.

    The peak's height varies by token between near certainty and a wide choice, as in real text. Float noise is real
    noise: nothing repeats, so nothing compresses better than it would for a model.
    """
    rng = np.random.default_rng(seed)
    common = -np.log(np.arange(1, vocabulary + 1, dtype=np.float32))
    logits = rng.standard_normal((tokens, vocabulary), dtype=np.float32) * np.float32(2) + common
    peaks = rng.integers(0, vocabulary // 20, tokens)
    logits[np.arange(tokens), peaks] += rng.gamma(8, 1.8, tokens).astype(np.float32)
    logprobs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    token_ids = np.argmax(logprobs + rng.gumbel(size=logprobs.shape).astype(np.float32), axis=1).astype(np.int32)
    order = np.argpartition(-logprobs, alternatives, axis=1)[:, :alternatives]
    ranked = np.take_along_axis(order, np.argsort(-np.take_along_axis(logprobs, order, 1), axis=1), 1)
    topk_ids = ranked.astype(np.int32)
    topk_logprobs = np.take_along_axis(logprobs, ranked, 1).astype(np.float32)
    scores = run_scores(row_scores(rows_from_logits(logits, token_ids)))
    runner_up = topk_ids[:, 1].copy()
    token_bytes = {
        i: word(i) for i in needed_ids({"token_ids": token_ids, "topk_ids": topk_ids, "runner_up": runner_up})
    }
    pieces = tuple(token_bytes[i].decode() for i in token_ids.tolist())
    prompt = "".join(word(i).decode() for i in rng.integers(0, 2000, 60).tolist()).strip()
    return Trace(
        prompt=prompt,
        system=None,
        prompt_ids=rng.integers(0, 2000, 90).astype(np.int32),
        token_ids=token_ids,
        pieces=pieces,
        text="".join(pieces),
        scores=scores,
        topk_ids=topk_ids,
        topk_logprobs=topk_logprobs,
        tail_mass=(1 - np.exp(topk_logprobs).sum(axis=1)).astype(np.float32).clip(0, 1),
        noise_rows=np.arange(tokens, dtype=np.int64),
        margin=rng.exponential(1, tokens).astype(np.float32),
        runner_up=runner_up,
        luck=rng.gumbel(size=tokens).astype(np.float32),
        support=rng.geometric(0.01, tokens).astype(np.int32),
        log_normalizer=rng.normal(-0.05, 0.02, tokens).astype(np.float32),
        token_bytes=token_bytes,
        special_ids=frozenset(),
        seed=seed,
        finish_reason="length",
        kind="generation",
        model=CARD,
        settings=GenerationRequest(prompt, max_new_tokens=tokens, top_p=0.95, seed=seed),
        noise_version=NOISE_VERSION,
        seconds=16.5,
    )


def word(token_id: int) -> bytes:
    """A made-up word for an id, with the lengths of a byte-level BPE: common ids short, most with a leading blank."""
    rng = np.random.default_rng(token_id)
    length = int(rng.integers(1, 3 + min(8, token_id.bit_length() // 2)))
    return (b" " if token_id % 3 else b"") + rng.choice(LETTERS, length).tobytes()


def assert_same_trace(left: Trace, right: Trace) -> None:
    """Every field equal, arrays in dtype, shape and every bit (NaN payloads and signs of zero included)."""
    for field in fields(Trace):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if field.name == "scores":
            assert list(a) == list(b), "names or order of the scores differ"
            for name in a:
                assert same_bits(a[name], b[name]), f"score {name} differs"
        elif isinstance(a, np.ndarray):
            assert same_bits(a, b), f"{field.name} differs"
        elif isinstance(a, Mapping):
            assert dict(a) == dict(b), f"{field.name} differs"
        else:
            assert a == b and type(a) is type(b), f"{field.name} differs: {a!r} and {b!r}"


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
