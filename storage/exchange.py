"""One run as one line of JSON and back: readable fields in front, arrays as base64 of raw little-endian bytes.

A line from outside may hold anything: every field is checked for presence, type and size, unknown ones are refused,
and the finished trace passes the same check as one the engine made. Knows no tables and no files.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import sys
import types
import zlib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from engine.edits import from_plain, to_plain
from engine.errors import BadInput
from engine.types import GenerationRequest, ModelCard, Trace
from storage.limits import ImportLimits, StoreLimits
from storage.records import StoredRun
from storage.strict_json import parse
from storage.traces import FLOATS, INTEGERS, check_trace, cut, settings_fields, to_arrays, vocabulary_arrays
from storage.values import clean_tags, clean_text, clean_uid, digest, microseconds, whole_number

_ARRAYS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(INTEGERS, ("<i4", 1)),
    **dict.fromkeys(FLOATS, ("<f4", 1)),
    "prompt_ids": ("<i4", 1),
    "noise_rows": ("<i8", 1),
    "topk_ids": ("<i4", 2),
    "topk_logprobs": ("<f4", 2),
    "scores": ("<f4", 2),
    "piece_sizes": ("<i4", 1),
    "special_ids": ("<i4", 1),
    "vocabulary_index": ("<i4", 2),
    "vocabulary_bytes": ("|u1", 1),
}
_HINTS: dict[str, Any] = {
    "uid": str,
    "kind": str,
    "status": str,
    "finish_reason": str,
    "title": str,
    "tags": tuple[str, ...],
    "note": str,
    "created": str,
    "prompt": str,
    "system": str | None,
    "text": str,
    "answer": str,
    "seed": int | None,
    "noise_version": str | None,
    "seconds": float | None,
    "parent": str | None,
    "fork_position": int | None,
    "notes": tuple[str, ...],
    "score_names": tuple[str, ...],
    "model": dict,
    "settings": dict | None,
    "run_scores": dict,
    "arrays": dict,
    "digest": str | None,
}
# fields that a line has only where there is something to say
_OPTIONAL = {"intervention": dict}
LARGEST = sys.float_info.max
_WORDS = {"inf": math.inf, "-inf": -math.inf}

Record = TypeVar("Record", ModelCard, GenerationRequest)


@dataclass(frozen=True)
class IncomingRun:
    """A run read from a line, complete and checked."""

    uid: str
    trace: Trace
    status: str
    title: str
    tags: tuple[str, ...]
    note: str
    created_at: datetime
    run_scores: Mapping[str, float]
    parent: str | None
    fork_position: int | None


def to_line(run: StoredRun) -> str:
    """The run as one line of strict JSON without a line break; every number comes back bit for bit."""
    header, trace = run.header, run.trace
    arrays = {**to_arrays(trace), **vocabulary_arrays(trace.token_bytes)}
    values = {
        "uid": header.uid,
        "kind": trace.kind,
        "status": header.status,
        "finish_reason": trace.finish_reason,
        "title": header.title,
        "tags": header.tags,
        "note": header.note,
        "created": header.created_at.isoformat(),
        "prompt": trace.prompt,
        "system": trace.system,
        "text": trace.text,
        "answer": trace.answer,
        "seed": trace.seed,
        "noise_version": trace.noise_version,
        "seconds": _to_number(trace.seconds),
        "parent": header.parent,
        "fork_position": header.fork_position,
        "notes": trace.notes,
        "score_names": tuple(trace.scores),
        "model": asdict(trace.model),
        "settings": None if trace.settings is None else settings_fields(trace.settings),
        "run_scores": {name: _to_number(value) for name, value in header.run_scores.items()},
        "arrays": {name: _to_array(arrays[name]) for name in _ARRAYS},
    }
    if trace.intervention is not None:
        values["intervention"] = to_plain(trace.intervention)
    values["digest"] = _digest(values)
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _digest(values: Mapping[str, Any]) -> str:
    """128-bit BLAKE2b of the other fields as sorted ASCII JSON, so that a changed digit anywhere is noticed."""
    rest = {name: value for name, value in values.items() if name != "digest"}
    return digest([json.dumps(rest, sort_keys=True, separators=(",", ":"))])


def from_line(line: bytes, limits: StoreLimits, bounds: ImportLimits) -> IncomingRun:
    """The run of one line; BadInput with what is wrong and where, for anything that is not exactly a run.

    A line made by another program may have null as its digest; then nothing but the arrays' checksums is compared.
    """
    found = parse(line, bounds)
    values = _checked_fields(found)
    if values["digest"] not in (None, _digest(found)):
        raise BadInput("it was changed after it was exported: its digest does not match (null skips this check)")
    arrays = {name: _from_array(name, value) for name, value in _named_arrays(values["arrays"]).items()}
    trace = _trace(values, arrays)
    check_trace(trace, limits)
    if values["answer"] != trace.answer:
        raise BadInput("its answer is not what its text holds without control tokens")
    if (values["parent"] is None) != (values["fork_position"] is None):
        raise BadInput("parent and fork_position belong together, and one of them is missing")
    return IncomingRun(
        uid=clean_uid(values["uid"], "uid"),
        trace=trace,
        status=values["status"],
        title=clean_text(values["title"], "title", limits.title_chars),
        tags=clean_tags(values["tags"], limits),
        note=clean_text(values["note"], "note", limits.note_chars),
        created_at=_from_time(values["created"]),
        run_scores={name: _from_number(value, f"run_scores['{name}']") for name, value in values["run_scores"].items()},
        parent=None if values["parent"] is None else clean_uid(values["parent"], "parent"),
        fork_position=None
        if values["fork_position"] is None
        else whole_number(values["fork_position"], "fork_position"),
    )


def _checked_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := set(values) - set(_HINTS) - set(_OPTIONAL):
        raise BadInput(f"it has a field {min(unknown)[:40]!a} that runs do not have")
    if missing := set(_HINTS) - set(values):
        raise BadInput(f"its field '{min(missing)}' is missing")
    present = _HINTS | {name: hint for name, hint in _OPTIONAL.items() if name in values}
    return {name: _conform(values[name], hint, name) for name, hint in present.items()}


def _conform(value: Any, hint: Any, field: str) -> Any:
    """`value` as the type hint asks for it: texts, numbers, None, lists of texts as tuples; BadInput otherwise."""
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if hint is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return _from_number(value, field)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_conform(item, str, field) for item in value)
    if hint is str and isinstance(value, str):
        return clean_text(value, f"its field '{field}'", len(value))
    if hint in (int, bool, dict) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise BadInput(f"its field '{field}' has the wrong type ({type(value).__name__})")


def _record(kind: type[Record], values: Mapping[str, Any], field: str) -> Record:
    hints = get_type_hints(kind)
    if unknown := set(values) - set(hints):
        raise BadInput(f"{field} has a field {min(unknown)[:40]!a} that this version does not know")
    required = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    if missing := required - set(values):
        raise BadInput(f"{field} lacks its field '{min(missing)}'")
    return kind(**{name: _conform(value, hints[name], f"{field}.{name}") for name, value in values.items()})


def _trace(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Trace:
    names = values["score_names"]
    if arrays["scores"].shape[1] != len(names) or len(set(names)) != len(names):
        raise BadInput("score_names do not match the columns of the array 'scores'")
    index = arrays["vocabulary_index"]
    if index.shape[0] != 2:
        raise BadInput("the array 'vocabulary_index' must have two rows: steps between ids, and sizes")
    if index.size and (index[0, 1:].min(initial=1) < 1 or index[0, 0] < 0):
        raise BadInput("the ids in the array 'vocabulary_index' are not in ascending order")
    ids = np.cumsum(index[0], dtype=np.int64).tolist()
    pieces = _cut(values["text"].encode("utf-8", "surrogatepass"), arrays["piece_sizes"], "piece_sizes")
    token_bytes = dict(zip(ids, _cut(arrays["vocabulary_bytes"].tobytes(), index[1], "vocabulary_index"), strict=True))
    plain: dict[str, Any] = {name: arrays[name] for name in (*INTEGERS, *FLOATS, "noise_rows", "prompt_ids")}
    settings = values["settings"]
    try:
        texts = tuple(piece.decode() for piece in pieces)
    except UnicodeDecodeError as error:
        raise BadInput("the array 'piece_sizes' cuts a character of the text in two") from error
    return Trace(
        **{name: values[name] for name in ("prompt", "system", "text", "seed", "kind", "finish_reason", "notes")},
        pieces=texts,
        scores={name: np.ascontiguousarray(arrays["scores"][:, j]) for j, name in enumerate(names)},
        topk_ids=arrays["topk_ids"],
        topk_logprobs=arrays["topk_logprobs"],
        token_bytes=token_bytes,
        special_ids=frozenset(arrays["special_ids"].tolist()),
        model=_record(ModelCard, values["model"], "model"),
        settings=None if settings is None else _record(GenerationRequest, settings, "settings"),
        noise_version=values["noise_version"],
        seconds=math.nan if values["seconds"] is None else values["seconds"],
        intervention=from_plain(values["intervention"]) if "intervention" in values else None,
        **plain,
    )


def _cut(joined: bytes, sizes: np.ndarray, name: str) -> list[bytes]:
    parts = cut(joined, sizes)
    if parts is None:
        raise BadInput(f"the sizes in the array '{name}' do not add up to what they cut")
    return parts


def _named_arrays(values: Mapping[str, Any]) -> Mapping[str, Any]:
    if set(values) != set(_ARRAYS):
        raise BadInput(f"its arrays differ from the known ones: {', '.join(sorted(set(values) ^ set(_ARRAYS)))[:200]}")
    return values


def _to_array(array: np.ndarray) -> dict[str, Any]:
    raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
    data = base64.b64encode(raw).decode("ascii")
    return {"dtype": array.dtype.str, "shape": list(array.shape), "crc32": zlib.crc32(raw), "data": data}


def _from_array(name: str, value: Any) -> np.ndarray:
    dtype, dimensions = _ARRAYS[name]
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "crc32", "data"}:
        raise BadInput(f"the array '{name}' needs exactly dtype, shape, crc32 and data")
    shape = value["shape"]
    well_formed = isinstance(shape, list) and all(type(side) is int and 0 <= side < 2**31 for side in shape)
    if value["dtype"] != dtype or not well_formed or len(shape) != dimensions or not isinstance(value["data"], str):
        raise BadInput(f"the array '{name}' must be {dtype} with {dimensions} dimensions and base64 data")
    try:
        raw = base64.b64decode(value["data"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"the array '{name}' is not base64") from error
    if len(raw) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise BadInput(f"the array '{name}' holds {len(raw)} bytes, which do not fit its shape {shape}")
    if type(value["crc32"]) is not int or zlib.crc32(raw) != value["crc32"]:
        raise BadInput(f"the array '{name}' does not match its checksum")
    return np.frombuffer(raw, dtype=dtype).reshape(shape).astype(np.dtype(dtype).newbyteorder("="))


def _to_number(value: float) -> float | str | None:
    """NaN as null, infinities as words: JSON has neither."""
    if math.isnan(value):
        return None
    return ("inf" if value > 0 else "-inf") if math.isinf(value) else value


def _from_number(value: Any, field: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not -LARGEST <= value <= LARGEST:
        raise BadInput(f'its field \'{field[:60]}\' must be a number, null, "inf" or "-inf"')
    return float(value)


def _from_time(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadInput(f"its time {value[:40]!a} is not an ISO time") from error
    microseconds(moment)
    return moment
