"""Attention chains as named endpoints, for notebooks and scripts: the use cases of `chains` by the same rules.

Each endpoint is typed and documented for gradio_client. Does not know how the page looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from engine.errors import BadInput
from ui.access import viewer_of
from ui.chains import Chains
from ui.errors import said
from ui.wire import document_fields

TOKEN = ("position", "score", "similarity", "kept", "hop", "surprisal", "entropy", "weight")
ARC = ("source", "target", "weight", "hop")
VARIANT = ("position", "token_id", "text", "probability", "p_answer", "ratio", "p_kept_alone")


def register(chains: Chains) -> None:
    """Add the endpoints to the Blocks being built."""
    for endpoint in endpoints(chains):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=8)


def endpoints(chains: Chains) -> tuple[Callable[..., Any], ...]:
    """The endpoints, each a plain function."""

    def trace_attention(
        uid: str,
        start: int | None = None,
        stop: int | None = None,
        language: str = "en",
        settings: dict | None = None,
        request: gr.Request = None,  # type: ignore[assignment]
    ) -> Iterator[dict]:
        """Which earlier tokens the answer of a run rests on (UQAC, Li et al., arXiv 2503.19168). start, stop: the
        answer as half-open token positions of the response; without them it is found (boxed, “answer is”, option
        letter, last number of the last line). language: of the stop words (en, ar, da, de, es, fi, fr, it, nl, no,
        pl, pt, ru, sv, tr, none). settings: any of reduction (max, mean), heads (16), most_a_round (3), threshold
        (0.5), minimum (5), scan_depth (5), similar (10), floor (0), top (5), least_probability (0.01), more (10),
        extra_stop_words. The last item yielded is the chain: tokens with scores, arcs (source rests on target),
        variants with one token substituted and what they do to the answer, confidence with its parts (p_uqac, p_answer,
        p_kept of kept tokens and answer, p_chain, means, rauq and attention_weighted_surprisal in nats of uncertainty),
        warnings. p_uqac = p_kept + the sum of p_answer × p_kept_alone over the variants. Earlier items are progress."""
        document = ""
        with said():
            if not isinstance(settings, (dict, type(None))):
                raise BadInput(f"The settings must be named values, not {str(settings)[:40]!a}.")
            fields = {"language": language, **(settings or {})}
            fields |= {name: value for name, value in (("start", start), ("stop", stop)) if value is not None}
            for document in chains.trace(uid, fields, viewer_of(request)):
                standing = document_fields(document)["s"]
                yield {"status": standing["state"], "message": standing["message"]}
            yield _record(document)

    def open_chain(uid: str, request: gr.Request = None) -> dict:  # type: ignore[assignment]
        """A stored chain, as `trace_attention` gives it; needs no model."""
        with said():
            return _record(chains.open(uid, viewer_of(request)))

    def list_chains(uid: str, request: gr.Request = None) -> list:  # type: ignore[assignment]
        """The chains of the run with this uid, newest first: uid, text of the answer, start, stop, created."""
        with said():
            return chains.analyses(uid, viewer_of(request))

    return trace_attention, open_chain, list_chains


def _record(document: str) -> dict:
    """A document as a script wants it."""
    found = document_fields(document)
    head = {name: found[name] for name in ("run", "chain", "title", "pieces", "span", "found", "settings")}
    for name, columns in (("tokens", TOKEN), ("arcs", ARC), ("variants", VARIANT)):
        head[name] = [dict(zip(columns, row, strict=True)) for row in found.get(name, [])]
    for token in head["tokens"]:
        token["kept"] = bool(token["kept"])
    return {
        **head, "confidence": found.get("confidence"), "warnings": found.get("warnings", []),
        "status": found["s"]["state"], "message": found["s"]["message"],
    }  # fmt: skip
