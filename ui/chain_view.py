"""The document of an attention chain: what the answer rests on, as lines of JSON for the browser.

Knows a chain and its run; does not know the store, the queue or gradio.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from engine import run_scores
from engine.answer_span import AnswerSpan
from engine.attention_chain import AttentionChain, ChainProgress
from engine.chain_settings import WORDS, ChainSettings
from engine.stop_words import LANGUAGES
from engine.tokens import display_text
from engine.types import Trace
from storage.records import AnalysisHeader, StoredRun
from ui.chain_fields import to_plain
from ui.wire import number, wire_line

VERSION = 1
END = "⟨end⟩"
STAGES = {"reading": "Reading the text", "tracing": "Following attention", "variants": "Trying substitutes"}
# as the document calls them -> as run scores are called
ATTENTION_SCORES = {
    "rauq": "rauq_uncertainty",
    "attention_weighted_surprisal": "mean_attention_weighted_surprisal",
}


@dataclass(frozen=True)
class Standing:
    """Where a chain is. state: idle, waiting, running, finished, stopped or failed."""

    state: str
    message: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Opened:
    """A run with the answers that are found in it and the one that is asked about; others: its chains, newest first."""

    run: StoredRun
    found: tuple[AnswerSpan, ...]
    span: AnswerSpan | None
    settings: ChainSettings
    uid: str = ""
    others: tuple[Mapping[str, Any], ...] = ()
    note: str = ""


def header_line(opened: Opened) -> str:
    """What was asked, or can be, of the run on show."""
    header, trace, span = opened.run.header, opened.run.trace, opened.span
    return wire_line(
        {
            "v": VERSION,
            "run": header.uid,
            "chain": opened.uid,
            "title": header.title or header.prompt[:80],
            "pieces": pieces_of(trace),
            "found": [_span_fields(one) for one in opened.found],
            "span": [span.start, span.stop] if span else None,
            "others": list(opened.others),
            "languages": [{"name": name, "label": label} for name, label in LANGUAGES.items()],
            "settings": to_plain(opened.settings),
            "price": {
                "rows": len(trace.prompt_ids) + len(trace),
                "variants": opened.settings.more + opened.settings.similar,
            },
            "note": opened.note,
        }
    )


def chain_lines(trace: Trace, chain: AttentionChain, words: Mapping[int, bytes]) -> str:
    """All that is known of a chain. words: bytes of every substitute."""
    return "".join(
        wire_line(fields)
        for fields in (
            {"tokens": _token_rows(trace, chain)},
            {"arcs": [[arc.source, arc.target, number(arc.weight), arc.hop] for arc in chain.arcs]},
            {"variants": _variant_rows(chain, words)},
            {"confidence": _confidence(trace, chain)},
            {"warnings": [*chain.warnings, *_since(trace, chain)]},
        )
    )


def standing_line(standing: Standing) -> str:
    """The last line: how far it is."""
    return wire_line({"s": asdict(standing)})


def standing_of(progress: ChainProgress) -> Standing:
    """How far a chain is, in words."""
    words = STAGES[progress.stage]
    counted = {
        "reading": f"{words}: {progress.done:,} of {progress.total:,} tokens.",
        "tracing": f"{words}: hop {progress.done:,}.",
        "variants": f"{words}: {progress.done:,} of {progress.total:,}.",
    }
    return Standing("running", counted[progress.stage], progress.done, progress.total)


def refusal(run: str, sentence: str) -> str:
    """The document of a run that cannot be traced."""
    return wire_line({"v": VERSION, "run": run, "chain": "", "refused": sentence})


def pieces_of(trace: Trace) -> list[str]:
    """The response's tokens as text; one that is no text is named."""
    last = len(trace) - 1
    return [
        _named(trace, int(i), piece, last=t == last) if int(i) in trace.special_ids else piece
        for t, (piece, i) in enumerate(zip(trace.pieces, trace.token_ids, strict=True))
    ]


def _named(trace: Trace, token_id: int, piece: str, *, last: bool) -> str:
    """A control token as a mark. Its piece may begin with what was left of the character before it."""
    own = display_text(trace.token_bytes.get(token_id, piece.encode()))
    return END if last else f"{piece.removesuffix(own) if own else ''}⟨{own.strip('<|>')}⟩"


def run_figures(trace: Trace, chain: AttentionChain) -> dict[str, float]:
    """The scores of the whole run that attention makes known."""
    whole = replace(trace, scores={**trace.scores, **chain.token_scores})
    return {short: run_scores.score_named(name).compute(whole) for short, name in ATTENTION_SCORES.items()}


def _span_fields(span: AnswerSpan) -> dict[str, Any]:
    return {"way": span.way, "label": span.label, "start": span.start, "stop": span.stop, "text": span.text}


def _token_rows(trace: Trace, chain: AttentionChain) -> list[list[Any]]:
    own, kept = range(*chain.span), set(chain.kept)

    def score(name: str, t: int) -> float | int | None:
        return number(float(trace.scores[name][t])) if name in trace.scores else None

    rows = zip(chain.positions, chain.scores, chain.similarity, chain.hops.tolist(), strict=True)
    return [
        [t, number(float(gathered)), number(float(near)), int(t in kept), hop, score("surprisal", t),
         score("entropy", t), number(float(chain.weights[t]))]
        for t, gathered, near, hop in rows if t not in own
    ]  # fmt: skip


def _variant_rows(chain: AttentionChain, words: Mapping[int, bytes]) -> list[list[Any]]:
    return [
        [one.position, one.token_id, display_text(words.get(one.token_id, b"")), number(one.probability),
         number(one.p_answer), number(one.p_answer / chain.p_answer) if chain.p_answer > 0 else None,
         number(one.p_kept)]
        for one in chain.variants
    ]  # fmt: skip


def _confidence(trace: Trace, chain: AttentionChain) -> dict[str, Any]:
    parts: dict[str, float] = {**asdict(chain.confidence), **run_figures(trace, chain)}
    # of a run that was continued the chain knows the beginning
    surprisal = np.asarray(trace.scores.get("surprisal", ()), dtype=np.float64)[: len(chain.weights)]
    return {name: number(float(value)) for name, value in parts.items()} | {
        # the product itself may be smaller than any number there is
        "log10_p_response": number(float(-np.nansum(surprisal) / math.log(10))),
        "kept": len(chain.kept),
        "variants": sum(bool(np.isfinite(one.p_answer)) for one in chain.variants),
    }


def _since(trace: Trace, chain: AttentionChain) -> list[str]:
    """What has become of the run since."""
    count = len(chain.weights)
    if count == len(trace):
        return []
    return [
        f"This run was continued since the chain was traced: what is said of the response is of its first {count:,} "
        "tokens. Trace it again for all of them."
    ]


def others_of(stored: Sequence[AnalysisHeader]) -> tuple[dict[str, Any], ...]:
    """The chains of a run for the page's choice, newest first. how: settings that are not the usual ones, in words."""
    return tuple(
        {"uid": one.uid, "text": str(one.result.get("text", "")), "start": one.result["span"][0],
         "stop": one.result["span"][1], "how": _how(one.settings),
         "created": one.created_at.isoformat(timespec="seconds")}
        for one in stored if one.result.get("span")
    )  # fmt: skip


def _how(settings: Mapping[str, Any]) -> str:
    usual = to_plain(ChainSettings())
    other = {name: value for name, value in settings.items() if name in usual and value != usual[name]}
    words = [LANGUAGES.get(str(other.pop("language")), "")] if "language" in other else []
    words += [f"{WORDS[name]} {value}" for name, value in other.items() if name in WORDS]
    words += ["mean of the heads"] if "reduction" in other else []
    return ", ".join([*words, *(["more stop words"] if "extra_stop_words" in other else [])])
