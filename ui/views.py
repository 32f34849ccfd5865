"""Domain objects to the small JSON that the browser draws: one header line, one line a token, one closing line.

Append-only text, so a growing answer costs the browser only its new lines, and a stored run is the same text
as a live one. Does not know gradio, the store's tables or how anything is drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine import run_scores, token_scores
from engine.catalogue import model_title
from engine.counterfactual import replayable
from engine.logprob_import import BOUND_SCORES, BOUND_SIDES, knows_bounds_only
from engine.token_scores import TokenScore
from engine.tokens import display_text
from engine.types import GenerationRequest, ModelCard, Trace
from storage.records import RunHeader
from ui.headlines import Headline
from ui.origins import NO_ORIGIN, Origin
from ui.wire import number, piece_fields, wire_line

LIVE_ALTERNATIVES = 5


@dataclass(frozen=True)
class RunIdentity:
    """Who a run is on the page, before and after it is stored. foreign: it is somebody else's, opened by its link."""

    uid: str
    kind: str = "generation"
    title: str = ""
    created: str = ""
    example: bool = False
    foreign: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    origin: Origin = NO_ORIGIN


def state_line(state: str, text: str) -> str:
    """A line that stands in for the run while there is none: queued, loading, failed."""
    return wire_line({"state": state, "text": text})


def waiting_line(people: int, pages: int) -> str:
    """Said to the one whose run is being written: so many others and other pages of theirs wait for it to end."""
    return wire_line({"waiting": people, "pages": pages})


def header_line(
    identity: RunIdentity,
    *,
    prompt: str,
    system: str | None,
    model: ModelCard,
    settings: GenerationRequest | None,
    score_names: Sequence[str],
    bounds: bool = False,
    headline: Headline | None = None,
    notes: Sequence[str] = (),
    replayable: bool = False,
) -> str:
    """Everything about a run but its tokens; score_names fixes the order of every token line's numbers.

    replayable: whether its noise can be made again, so that a branch of it can keep its luck.
    """
    headline = headline or Headline()
    return wire_line(
        {
            "v": 1,
            "run": identity.uid,
            "kind": identity.kind,
            "title": identity.title,
            "created": identity.created,
            "example": identity.example,
            "foreign": identity.foreign,
            "tags": list(identity.tags),
            "remark": identity.note,
            "prompt": prompt,
            "system": system,
            "model": {"title": model_title(model.name)}
            | {key: getattr(model, key) for key in ("name", "repo", "revision", "quantization", "dtype", "device")},
            "settings": _settings(settings),
            "bounds": bounds,
            "scores": [score_entry(name, bounds=bounds) for name in score_names],
            "note": headline.sentence,
            "select": headline.select,
            "score": headline.score,
            "notes": list(notes),
            "replayable": replayable,
        }
        | dict(identity.origin.fields)
    )


def score_entry(name: str, *, bounds: bool = False) -> dict[str, Any]:
    """What legend, switch and table need to know of one token score; bounds: its run knows only the top tokens."""
    score = BOUND_SCORES.get(name) or token_scores.REGISTRY.get(name) or _foreign(name)
    return {
        "name": score.name,
        "label": score.label,
        "symbol": score.symbol,
        "unit": score.unit,
        "direction": score.direction,
        "low": score.low,
        "high": score.high,
        "short": score.short,
        "definition": score.definition,
        "group": score.group,
        "classes": list(score.classes),
        "bound": BOUND_SIDES.get(name, "") if bounds else "",
    }


def _foreign(name: str) -> TokenScore:
    """A score that was recorded by another version and is not known here: shown by its name, without claims."""
    return TokenScore(
        name, name, name, "", "uncertain", "not known to this version", "Recorded by another version.", "",
        lambda rows: rows, 0.0, None,
    )  # fmt: skip


class TokenLines:
    """Writes token lines and remembers which tokens' texts were already sent."""

    def __init__(self, token_bytes: Mapping[int, bytes], special_ids: Iterable[int]) -> None:
        self._bytes = token_bytes
        self._special = frozenset(special_ids)
        self._sent: set[int] = set()

    def line(
        self,
        piece: str,
        token_id: int,
        values: Sequence[float | None],
        alternatives: Sequence[tuple[int, float]],
        tail_mass: float,
        draw: Sequence[float] | None,
    ) -> str:
        raw = self._bytes.get(token_id, b"")
        token = piece_fields(piece, token_id, raw, special=token_id in self._special)
        token["s"] = [number(v) for v in values]
        if alternatives:
            token["k"] = [[i, number(p)] for i, p in alternatives]
        token["r"] = number(tail_mass)
        if draw is not None:
            token["g"] = [number(v) for v in draw]
        mentioned = [token_id, *(i for i, _ in alternatives), *([int(draw[2])] if draw else [])]
        words = {str(i): display_text(self._bytes[i]) for i in mentioned if i not in self._sent and i in self._bytes}
        self._sent.update(mentioned)
        if words:
            token["w"] = words
        return wire_line(token)


def run_document(
    trace: Trace, identity: RunIdentity, *, status: str, headline: Headline | None = None, problem: str = ""
) -> str:
    """A whole run as the browser gets it: the same text for a run just finished and one opened years later."""
    bounds = knows_bounds_only(trace)
    header = header_line(
        identity,
        prompt=trace.prompt,
        system=trace.system,
        model=trace.model,
        settings=trace.settings,
        score_names=list(trace.scores),
        bounds=bounds,
        headline=headline,
        notes=trace.notes,
        replayable=replayable(trace),
    )
    summary = [summary_entry(name, value, bounds=bounds) for name, value in run_scores.compute(trace).items()]
    ending = done_line(identity.uid, status, trace.finish_reason, trace.seconds, summary, problem)
    lines = TokenLines(trace.token_bytes, trace.special_ids)
    return "".join([header, identity.origin.factual, *token_lines(trace, lines), ending])


def token_lines(trace: Trace, lines: TokenLines) -> Iterator[str]:
    """The lines of a recorded run's tokens."""
    columns = list(trace.scores.values())
    for i in range(len(trace)):
        known = trace.topk_ids[i] >= 0
        alternatives = list(zip(trace.topk_ids[i][known].tolist(), trace.topk_logprobs[i][known].tolist(), strict=True))
        values = [float(column[i]) for column in columns]
        yield lines.line(
            trace.pieces[i],
            int(trace.token_ids[i]),
            values,
            alternatives,
            float(trace.tail_mass[i]),
            _draw(trace, i),
        )


def done_line(
    uid: str, status: str, reason: str, seconds: float, summary: Sequence[Mapping[str, Any]], problem: str = ""
) -> str:
    """Closes a run: how it ended and its figures; a figure that does not exist is null."""
    return wire_line(
        {
            "done": True,
            "run": uid,
            "status": status,
            "reason": reason,
            "seconds": number(seconds),
            "summary": list(summary),
            "problem": problem,
        }
    )


def broken_off(document: str, problem: str) -> str:
    """A document that stopped growing, closed with what happened; "" when no token is in it or it is closed already."""
    lines = [json.loads(line) for line in document.split("\n") if line]
    if not any("t" in line for line in lines) or "done" in lines[-1]:
        return ""
    return document + done_line(str(lines[0]["run"]), "failed", "failed", math.nan, [], problem)


def summary_entry(name: str, value: float, *, bounds: bool = False) -> dict[str, Any]:
    """One run-level figure with what it means and, where only bounds are known, of which side it is one."""
    score = run_scores.REGISTRY[name]
    return {
        "name": name,
        "label": score.label,
        "value": number(value),
        "unit": score.unit,
        "direction": score.direction,
        "short": score.short,
        "group": score.group,
        "bound": BOUND_SIDES.get(name, "") if bounds else "",
    }


def example_strip(examples: Sequence[RunHeader], current: str, sessions: Sequence[str] = ()) -> str:
    """The row of finished examples, and which one is on show. sessions: uids of demonstration sessions."""
    entries = [{"uid": run.uid, "title": run.title or run.prompt[:60], "prompt": run.prompt} for run in examples]
    return json.dumps({"examples": entries, "current": current, "sessions": list(sessions)}, ensure_ascii=False)


@dataclass(frozen=True)
class Asked:
    """What was asked for a run: kind, prompt, system text, the text when one was given to be scored, the settings, and
    the run's notes, which say how it was decoded."""

    kind: str
    prompt: str
    system: str
    text: str
    settings: Mapping[str, Any] | None
    notes: tuple[str, ...] = ()


def asked_in(document: str) -> Asked:
    """What a document answers; "" and None where there is nothing."""
    head, _, rest = document.partition("\n")
    header = json.loads(head) if head else {}
    kind = str(header.get("kind", ""))
    given = (json.loads(line).get("t", "") for line in rest.split("\n") if line) if kind == "scored" else ()
    return Asked(
        kind,
        header.get("prompt", ""),
        header.get("system") or "",
        "".join(given),
        header.get("settings"),
        tuple(header.get("notes") or ()),
    )


def _draw(trace: Trace, i: int) -> list[float] | None:
    if trace.support[i] <= 0:
        return None
    return [
        int(trace.noise_rows[i]),
        float(trace.margin[i]),
        int(trace.runner_up[i]),
        float(trace.luck[i]),
        int(trace.support[i]),
        float(trace.log_normalizer[i]),
    ]


def _settings(settings: GenerationRequest | None) -> dict[str, Any] | None:
    if settings is None:
        return None
    fields = asdict(settings)
    del fields["prompt"], fields["system"]
    # a seed may need 63 bits, more than a browser's number holds exactly
    return fields | {"seed": str(settings.seed), "stop": list(settings.stop)}
