"""Answers as APIs send them when asked for log-probabilities: recorded shapes with round numbers in them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from engine.logprob_import import parse
from engine.types import Trace


def entry(token: str, probability: float, *others: tuple[str, float], raw: bool = True) -> dict[str, Any]:
    """One element of a chat completion's list, as the API writes it."""
    got = {"token": token, "logprob": math.log(probability), "bytes": list(token.encode()) if raw else None}
    return got | {"top_logprobs": [{k: v for k, v in entry(t, p, raw=raw).items() if k != "top_logprobs"}
                                   for t, p in others]}  # fmt: skip


def chat(*entries: dict[str, Any], text: str | None = None, **more: Any) -> dict[str, Any]:
    """A chat completion with these tokens; text: the message, where it is not what the tokens spell."""
    content = "".join(e["token"] for e in entries) if text is None else text
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1702685778,
        "model": "toy-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None},
                "logprobs": {"content": list(entries), "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": len(entries)},
        "system_fingerprint": "fp_44709d6fcb",
        **more,
    }


HELLO = chat(
    entry("Hello", 0.5, ("Hello", 0.5), ("Hi", 0.25), ("Hey", 0.125)),
    entry("!", 0.25, ("!", 0.25), (" there", 0.5), (".", 0.125)),
)


LEGACY = {
    "id": "cmpl-97v6",
    "object": "text_completion",
    "created": 1711674836,
    "model": "toy-instruct",
    "choices": [
        {
            "text": "Once upon a",
            "index": 0,
            "logprobs": {
                "tokens": ["Once", " upon", " a"],
                "token_logprobs": [None, math.log(0.5), math.log(0.0625)],
                "top_logprobs": [
                    None,
                    {" upon": math.log(0.5), " more": math.log(0.25)},
                    {" the": math.log(0.5), " my": math.log(0.25), " a": math.log(0.0625)},
                ],
                "text_offset": [0, 4, 9],
            },
            "finish_reason": "length",
            "prompt_logprobs": [None, {"12": {"logprob": -1.0, "rank": 1, "decoded_token": "x"}}],
        }
    ],
}


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "model": "toy-4o-mini",
    "instructions": "Be brief.",
    "output": [
        {"type": "reasoning", "summary": []},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "Hi.",
                    "annotations": [],
                    "logprobs": [entry("Hi", 0.5, ("Hi", 0.5)), entry(".", 0.25, ("!", 0.5))],
                }
            ],
        },
    ],
}


def stream(*pieces: dict[str, Any], legacy: bool = False) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed answer: an opening one, one a token, a closing one and the usage."""
    kind = "text_completion" if legacy else "chat.completion.chunk"
    for i, piece in enumerate([None, *pieces, None]):
        logprobs = None if piece is None else {"content": [piece], "refusal": None}
        delta = {"role": "assistant", "content": ""} if i == 0 else {} if piece is None else {"content": piece["token"]}
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": "stop" if i > len(pieces) else None,
        }
        if legacy:
            listed = piece and {"tokens": [piece["token"]], "token_logprobs": [piece["logprob"]], "top_logprobs": None}
            choice = {**choice, "text": piece["token"] if piece else "", "logprobs": listed}
            del choice["delta"]
        yield {"id": "x-1", "object": kind, "model": "toy", "choices": [choice]}
    yield {"id": "x-1", "object": kind, "model": "toy", "choices": [], "usage": {}}


def one(document: Any, **kwargs: Any) -> Trace:
    """The only run in a document."""
    traces = parse(json.dumps(document), **kwargs)
    assert len(traces) == 1
    return traces[0]


def words(trace: Trace, row: int) -> list[bytes]:
    """The bytes of a token's alternatives, best first."""
    return [trace.token_bytes[int(i)] for i in trace.topk_ids[row] if i >= 0]
