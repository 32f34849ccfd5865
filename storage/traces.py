"""A trace as named arrays, JSON and hashes, and back: the only place that knows every field of `Trace`.

Knows no tables. Text is kept once, as UTF-8 bytes with one size per piece; scores are one matrix, because twenty small
blobs waste more of SQLite's pages than they hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

import numpy as np

from engine.edits import from_plain, to_plain
from engine.errors import BadInput, StoreDamaged
from engine.types import FinishReason, GenerationRequest, Kind, ModelCard, Trace
from storage.limits import StoreLimits
from storage.values import MAX_INTEGER, Scalar, clean_text, digest, whole_number

Arrays = dict[str, np.ndarray]

FLOATS = ("tail_mass", "margin", "luck", "log_normalizer")
INTEGERS = ("token_ids", "runner_up", "support")
TOKEN_ARRAYS = (*INTEGERS, "noise_rows", *FLOATS, "topk_ids", "topk_logprobs", "scores", "piece_sizes")
"""Arrays with one row per token: a child run keeps its own rows and takes the others from its parent."""
ARRAY_NAMES = (*TOKEN_ARRAYS, "text", "prompt_ids", "special_ids", "vocabulary_index", "vocabulary_bytes")

# fields of a request that came after the first release, with the value that is not written down
_LATER: Mapping[str, object] = {"stream": 0}
ROUNDING = 1e-3  # how far float32 sums of probabilities may lie outside [0, 1]


@dataclass(frozen=True)
class TraceTexts:
    """What of a trace is no array: JSON texts exactly as stored, and plain columns."""

    prompt: str
    system: str | None
    answer: str
    settings: str | None
    details: str
    card: str
    seed: int | None
    finish_reason: str
    kind: str
    noise_version: str | None
    seconds: float | None


def check_trace(trace: Trace, limits: StoreLimits) -> None:
    """BadInput unless every field has the type, shape and range that `Trace` promises; nothing is written before."""
    n, k = len(trace), trace.topk_ids.shape[1] if trace.topk_ids.ndim == 2 else -1
    whole_number(n, "The number of tokens", 0, limits.tokens)
    whole_number(k, "The number of alternatives", 0, limits.alternatives)
    whole_number(len(trace.scores), "The number of scores", 0, limits.scores)
    _check_array("prompt_ids", trace.prompt_ids, np.int32, (len(trace.prompt_ids),))
    for name in INTEGERS:
        _check_array(name, getattr(trace, name), np.int32, (n,))
    for name in FLOATS:
        _check_array(name, getattr(trace, name), np.float32, (n,))
    for name, values in trace.scores.items():
        clean_text(name, "A score's name", limits.name_chars, empty=False)
        _check_array(f"scores['{name}']", values, np.float32, (n,))
    _check_array("noise_rows", trace.noise_rows, np.int64, (n,))
    _check_array("topk_ids", trace.topk_ids, np.int32, (n, k))
    _check_array("topk_logprobs", trace.topk_logprobs, np.float32, (n, k))
    _check_texts(trace, limits)
    _check_ids(trace)
    _check_numbers(trace)
    if trace.seed is not None:
        whole_number(trace.seed, "The seed")
    for field, value, allowed in (("kind", trace.kind, Kind), ("finish_reason", trace.finish_reason, FinishReason)):
        if value not in get_args(allowed):
            raise BadInput(f"The {field} '{value}' is unknown; use one of {', '.join(get_args(allowed))}.")


def to_arrays(trace: Trace) -> Arrays:
    """Every number of the trace under the names of ARRAY_NAMES, token bytes left out (see `vocabulary_arrays`)."""
    arrays: Arrays = {name: getattr(trace, name) for name in (*INTEGERS, *FLOATS)}
    arrays |= {name: getattr(trace, name) for name in ("noise_rows", "topk_ids", "topk_logprobs", "prompt_ids")}
    columns = [np.asarray(values, dtype=np.float32) for values in trace.scores.values()]
    arrays["scores"] = np.stack(columns, axis=1) if columns else np.zeros((len(trace), 0), np.float32)
    encoded = [piece.encode() for piece in trace.pieces]
    arrays["piece_sizes"] = np.array([len(piece) for piece in encoded], dtype=np.int32)
    arrays["text"] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    arrays["special_ids"] = np.array(sorted(trace.special_ids), dtype=np.int32)
    return arrays


def vocabulary_arrays(token_bytes: Mapping[int, bytes]) -> Arrays:
    """id -> bytes as steps between sorted ids, sizes and joined bytes: vocabulary_index [2, t], vocabulary_bytes."""
    ids = sorted(token_bytes)
    index = np.zeros((2, len(ids)), dtype=np.int32)
    index[0] = np.diff(ids, prepend=0)
    index[1] = [len(token_bytes[i]) for i in ids]
    joined = b"".join(token_bytes[i] for i in ids)
    return {"vocabulary_index": index, "vocabulary_bytes": np.frombuffer(joined, dtype=np.uint8)}


def vocabulary(arrays: Arrays, owner: str) -> dict[int, bytes]:
    """The inverse of `vocabulary_arrays`."""
    index, joined = arrays["vocabulary_index"], arrays["vocabulary_bytes"].tobytes()
    if index.ndim != 2 or index.shape[0] != 2:
        raise _inconsistent(owner, "vocabulary_index")
    parts = cut(joined, index[1])
    if parts is None:
        raise _inconsistent(owner, "vocabulary_bytes")
    return dict(zip(np.cumsum(index[0], dtype=np.int64).tolist(), parts, strict=True))


def needed_ids(arrays: Arrays) -> set[int]:
    """Ids that a reader of these arrays may want the bytes of."""
    joined = np.concatenate([arrays[name].ravel() for name in ("token_ids", "topk_ids", "runner_up")])
    return {i for i in np.unique(joined).tolist() if i >= 0}


def cut(joined: bytes, sizes: np.ndarray) -> list[bytes] | None:
    """`joined` cut into parts of the given sizes, or None when they do not add up to it."""
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    if (sizes.size and sizes.min() < 0) or (ends[-1] if ends else 0) != len(joined):
        return None
    return [joined[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []


def texts_of(trace: Trace) -> TraceTexts:
    """The columns and JSON texts of a checked trace."""
    settings = None
    if trace.settings is not None:
        values = settings_fields(trace.settings)
        same = {"prompt": trace.prompt, "system": trace.system}
        settings = _json({key: value for key, value in values.items() if key not in same or value != same[key]})
    details: dict[str, Any] = {"notes": list(trace.notes), "scores": list(trace.scores)}
    if trace.intervention is not None:
        details["intervention"] = to_plain(trace.intervention)
    return TraceTexts(
        prompt=trace.prompt,
        system=trace.system,
        answer=trace.answer,
        settings=settings,
        details=_json(details),
        card=_json(asdict(trace.model)),
        seed=trace.seed,
        finish_reason=trace.finish_reason,
        kind=trace.kind,
        noise_version=trace.noise_version,
        seconds=None if trace.seconds != trace.seconds else trace.seconds + 0.0,
    )


def from_parts(texts: TraceTexts, arrays: Arrays, token_bytes: Mapping[int, bytes], owner: str) -> Trace:
    """The trace again; StoreDamaged naming `owner` when arrays do not fit together."""
    details = json.loads(texts.details)
    n = len(arrays["token_ids"])
    for name in TOKEN_ARRAYS:
        if len(arrays[name]) != n:
            raise _inconsistent(owner, name)
    if arrays["scores"].shape[1:] != (len(details["scores"]),):
        raise _inconsistent(owner, "scores")
    parts = cut(arrays["text"].tobytes(), arrays["piece_sizes"])
    if parts is None:
        raise _inconsistent(owner, "text")
    try:
        pieces = [part.decode() for part in parts]
    except UnicodeDecodeError as error:
        raise _inconsistent(owner, "text") from error
    scores = {name: np.ascontiguousarray(arrays["scores"][:, j]) for j, name in enumerate(details["scores"])}
    plain: dict[str, Any] = {name: arrays[name] for name in (*INTEGERS, *FLOATS, "noise_rows", "prompt_ids")}
    return Trace(
        prompt=texts.prompt,
        system=texts.system,
        pieces=tuple(pieces),
        text="".join(pieces),
        scores=scores,
        topk_ids=arrays["topk_ids"],
        topk_logprobs=arrays["topk_logprobs"],
        token_bytes=dict(token_bytes),
        special_ids=frozenset(arrays["special_ids"].tolist()),
        seed=texts.seed,
        finish_reason=texts.finish_reason,  # type: ignore[arg-type]
        kind=texts.kind,  # type: ignore[arg-type]
        model=read_card(json.loads(texts.card)),
        settings=read_settings(texts),
        noise_version=texts.noise_version,
        seconds=float("nan") if texts.seconds is None else texts.seconds,
        notes=tuple(details["notes"]),
        intervention=from_plain(details["intervention"]) if "intervention" in details else None,
        **plain,
    )


def settings_fields(settings: GenerationRequest) -> dict[str, Any]:
    """The fields of a request, without those that came later and have their default: old runs keep their checksums."""
    values = asdict(settings)
    return {key: value for key, value in values.items() if key not in _LATER or value != _LATER[key]}


def read_card(values: Mapping[str, Any]) -> ModelCard:
    """A model card from its JSON; fields this version does not know are left out."""
    known = {field.name for field in fields(ModelCard)}
    return ModelCard(**{key: value for key, value in values.items() if key in known})


def read_settings(texts: TraceTexts) -> GenerationRequest | None:
    """The request from its JSON; prompt and system stand there only when they differ from the trace's."""
    if texts.settings is None:
        return None
    values = {"prompt": texts.prompt, "system": texts.system} | json.loads(texts.settings)
    known = {field.name for field in fields(GenerationRequest)}
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items() if key in known}
    return GenerationRequest(**values)


def content_hash(texts: TraceTexts, arrays: Arrays, token_bytes: Mapping[int, bytes]) -> str:
    """128 bits over every bit of a trace, whatever the way it is stored."""
    parts: list[Scalar] = [getattr(texts, field.name) for field in fields(TraceTexts)]
    for name in ARRAY_NAMES:
        if not name.startswith("vocabulary"):
            array = arrays[name]
            parts += [name, array.dtype.str, str(array.shape), np.ascontiguousarray(array).tobytes()]
    for token_id in sorted(token_bytes):
        parts += [token_id, token_bytes[token_id]]
    return digest(parts)


def _check_array(name: str, array: object, dtype: type, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise BadInput(f"The run's {name} must be {np.dtype(dtype).name} of shape {shape}, not {found}.")


def _check_texts(trace: Trace, limits: StoreLimits) -> None:
    for field, value in (("prompt", trace.prompt), ("system text", trace.system or ""), ("text", trace.text)):
        clean_text(value, f"The {field}", limits.text_chars)
    for value in (*trace.notes, trace.noise_version or "", *_strings(asdict(trace.model))):
        clean_text(value, "A note, version or field of the model", limits.note_chars)
    if trace.settings is not None:
        values = asdict(trace.settings)
        for value in _strings(values):
            clean_text(value, "A setting", limits.text_chars)
        for name, value in values.items():
            if isinstance(value, int):
                whole_number(int(value), f"The setting {name}", -MAX_INTEGER)
            elif isinstance(value, float) and not math.isfinite(value):
                raise BadInput(f"The setting {name} is {value}, which is not finite; use an ordinary number.")
    if len(trace.pieces) != len(trace) or "".join(trace.pieces) != trace.text:
        raise BadInput(f"The {len(trace.pieces)} pieces of the run do not make up its text of {len(trace)} tokens.")
    for piece in trace.pieces:
        clean_text(piece, "A piece of the text", limits.text_chars)


def _check_ids(trace: Trace) -> None:
    size = whole_number(trace.model.vocabulary_size, "The vocabulary size", 0, 2**31 - 1)
    whole_number(trace.model.context_length, "The context length", 0, 2**62)
    for name, low in (("prompt_ids", 0), ("token_ids", 0), ("topk_ids", -1), ("runner_up", -1)):
        ids = getattr(trace, name)
        if ids.size and (ids.min() < low or (size and ids.max() >= size)):
            raise BadInput(f"The run's {name} hold ids outside the model's vocabulary of {size:,} tokens.")
    for token_id, raw in trace.token_bytes.items():
        whole_number(token_id, "A token id", 0, 2**31 - 1)
        if not isinstance(raw, bytes):
            raise BadInput(f"The bytes of token {token_id} must be bytes, not {type(raw).__name__}.")
    for token_id in trace.special_ids:
        whole_number(token_id, "A control token's id", 0, 2**31 - 1)
    wanted = needed_ids({name: getattr(trace, name) for name in ("token_ids", "topk_ids", "runner_up")})
    if missing := wanted - set(trace.token_bytes):
        raise BadInput(f"The run lacks the bytes of {len(missing)} of its tokens, first of id {min(missing)}.")


def _check_numbers(trace: Trace) -> None:
    """Only scores and what sampling left unknown may be NaN; probabilities are probabilities, best first."""
    logprobs = trace.topk_logprobs
    missing = trace.topk_ids == -1
    if np.isnan(logprobs).any() or (logprobs > ROUNDING).any() or not np.isneginf(logprobs[missing]).all():
        raise BadInput("The run's topk_logprobs must be logarithms of probabilities, -inf where no id is known.")
    if (logprobs[:, 1:] > logprobs[:, :-1]).any():
        raise BadInput("The run's alternatives must be sorted, the most likely first.")
    tail = trace.tail_mass[~np.isnan(trace.tail_mass)]
    if (tail < -ROUNDING).any() or (tail > 1 + ROUNDING).any():
        raise BadInput("The run's tail_mass must be probabilities between 0 and 1, NaN where unknown.")
    if (trace.noise_rows < -1).any() or (trace.support < 0).any():
        raise BadInput("The run's noise_rows must be -1 or more and its support 0 or more.")


def _strings(values: Mapping[str, object]) -> list[str]:
    found = []
    for value in values.values():
        found += [v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, str)]
    return found


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise BadInput(f"The settings hold a number that is not finite ({error}); use an ordinary number.") from error


def _inconsistent(owner: str, name: str) -> StoreDamaged:
    return StoreDamaged(
        f"{owner} is damaged: its array '{name}' does not fit the others. "
        "Nothing was changed; restore it from a backup or an export, or delete it."
    )
