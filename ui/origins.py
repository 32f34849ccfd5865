"""Where a run came from and where it went: its parent's tokens, how far the two differ, and the runs that leave it.

Turns opened runs into lines of the run's document (see `views`). Does not know the store or who is asking.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import distance
from engine.edits import FORCED, Intervention
from engine.replay import fragile
from engine.types import HINDSIGHT_VERSION, GenerationRequest, Trace
from storage.records import RunHeader, StoredRun
from ui.wire import number, token_fields, wire_line

WORDS = 40
CHANGEABLE = {
    "prompt": "prompt",
    "system": "system text",
    "temperature": "temperature",
    "top_k": "top-k",
    "top_p": "top-p",
    "max_new_tokens": "most tokens",
    "stop": "stop strings",
}
REPLICATES = 8


@dataclass(frozen=True)
class Origin:
    """fields: what the header line says of it; factual: the line with the parent's tokens, "" when it is gone."""

    fields: Mapping[str, Any]
    factual: str = ""


NO_ORIGIN = Origin({"parent": None, "luck": None, "edit": None, "changed": []})


def origin(
    parent: StoredRun | None,
    *,
    uid: str,
    fork: int,
    held: int,
    intervention: Intervention | None,
    settings: GenerationRequest | None,
) -> Origin:
    """The origin of a run that leaves `parent` (uid; None when it cannot be opened) after `fork` of its tokens.

    held: leading tokens of the run that were not drawn; settings: its own.
    """
    header = parent.header if parent else None
    named = {"title": header.title if header else "", "kind": header.kind if header else ""}
    about = {"uid": uid, **named, "fork": fork, "example": bool(header and header.example), "gone": parent is None}
    changed = _changed(parent.trace, settings) if parent else []
    edit: dict[str, Any] | None = None
    if intervention is not None and intervention.splices:
        first, last = intervention.splices[0], intervention.splices[-1]
        shift = sum(len(splice.ids) - (splice.stop - splice.start) for splice in intervention.splices)
        edit = {"start": first.start, "stop": last.stop, "shift": shift, "held": held}
        edit["edits"] = [[s.start, s.stop, len(s.ids)] for s in intervention.splices]
    fields = {
        "parent": about,
        "luck": intervention.luck if intervention else None,
        "edit": edit,
        "changed": changed,
        "alignment": intervention.alignment if intervention else None,
    }
    return Origin(fields, _factual(parent.trace) if parent else "")


def origin_of(run: StoredRun, parent: StoredRun | None) -> Origin:
    """The origin of a stored run; parent: as `origin` has it."""
    header, trace = run.header, run.trace
    if header.parent is None:
        return NO_ORIGIN
    return origin(
        parent,
        uid=header.parent,
        fork=header.fork_position or 0,
        held=held_tokens(trace),
        intervention=trace.intervention,
        settings=trace.settings,
    )


def held_tokens(trace: Trace) -> int:
    """How many leading tokens of a branch were not drawn by it: everything up to the last one that was forced."""
    stop = trace.intervention.splices[-1].stop if trace.intervention and trace.intervention.splices else 0
    last = int(max((trace.noise_rows == FORCED).nonzero()[0], default=-1)) + 1
    shift = 0
    if trace.intervention:
        shift = sum(len(s.ids) - (s.stop - s.start) for s in trace.intervention.splices)
        stop = stop + shift if trace.intervention.splices else trace.intervention.first
    return min(len(trace), max(last, stop))


def versus_line(run: StoredRun, parent: StoredRun) -> str:
    """How far a branch lies from the run it left: over everything behind the tokens they share by construction."""
    own, other = run.trace, parent.trace
    fork = min(run.header.fork_position or 0, len(own), len(other))
    ids, others = own.token_ids.tolist(), other.token_ids.tolist()
    first = distance.common_prefix(ids, others)
    parted = None if first == len(ids) == len(others) else [first, first]
    agreed = distance.same_row_agreement(others, rows_of(other), ids[fork:], rows_of(own)[fork:])
    if run.trace.noise_version == HINDSIGHT_VERSION:
        agreed = _agreement_by_index(own, other, fork)
    # what was written by hand differs by definition: what follows it is compared with what followed in the original
    rest, theirs = ids[held_tokens(own) :], others[_resumed(own, fork) :]
    longest = max(len(rest), len(theirs))
    return wire_line(
        {
            "versus": {
                "first": parted,
                "characters": number(distance.text_distance(behind(other, fork), behind(own, fork))),
                "tokens": number(distance.token_distance(spoken(other, fork), spoken(own, fork))),
                "prefix": number(distance.common_prefix(rest, theirs) / longest) if longest else None,
                "agreement": list(agreed) if _shares_noise(own) else None,
                "fragile": fragile(own),
                "fragile_from": fragile(other),
            }
        }
    )


def behind(trace: Trace, fork: int) -> str:
    """The text behind the first `fork` tokens, control tokens left out."""
    pairs = zip(trace.pieces[fork:], trace.token_ids[fork:].tolist(), strict=True)
    return "".join(piece for piece, token_id in pairs if token_id not in trace.special_ids)


def spoken(trace: Trace, fork: int) -> list[int]:
    """The ids behind the first `fork` tokens, control tokens left out, as they are from the text."""
    return [token_id for token_id in trace.token_ids[fork:].tolist() if token_id not in trace.special_ids]


def _resumed(trace: Trace, fork: int) -> int:
    """The parent's token with which what a branch drew is compared first."""
    if trace.intervention is None or not trace.intervention.splices:
        return max(fork, trace.intervention.first if trace.intervention else 0)
    return trace.intervention.splices[-1].stop


def rows_of(trace: Trace) -> list[int]:
    """The noise row of each token, FORCED where it was not drawn."""
    return [int(row) for row in trace.noise_rows]


def children_line(children: Iterable[tuple[RunHeader, str]], luck: Mapping[str, str]) -> str:
    """The runs that leave this one, each with the first words behind its fork; luck: kind -> whose luck it has."""
    entries = [
        {
            "uid": child.uid,
            "title": child.title,
            "kind": child.kind,
            "luck": luck.get(child.kind),
            "fork": child.fork_position,
            "words": words[:WORDS],
            "tokens": child.tokens,
            "status": child.status,
        }
        for child, words in children
    ]
    return wire_line({"children": entries})


def price_line(trace: Trace) -> str:
    """What a token of this run took, from which the page reckons the price of more."""
    drawn = int((trace.noise_rows != FORCED).sum())
    each = trace.seconds / drawn if drawn and math.isfinite(trace.seconds) and trace.seconds > 0 else None
    return wire_line({"price": {"seconds_per_token": number(each), "replicates": REPLICATES}})


def replicates_line(values: Mapping[str, Any]) -> str:
    """What chance alone wrote, as far as it has been drawn."""
    return wire_line({"replicates": dict(values)})


def _factual(trace: Trace) -> str:
    tokens: Sequence[dict[str, Any]] = [
        token_fields(trace, i) | {"row": int(row)} for i, row in enumerate(trace.noise_rows)
    ]
    return wire_line({"from": tokens})


def _changed(parent: Trace, settings: GenerationRequest | None) -> list[str]:
    """Names of the settings that differ from the parent's, in the order of CHANGEABLE."""
    if settings is None:
        return []
    if parent.settings is None:
        same = {"prompt": parent.prompt, "system": parent.system}
        return [label for name, label in CHANGEABLE.items() if name in same and getattr(settings, name) != same[name]]
    differ = [name for name in CHANGEABLE if getattr(settings, name) != getattr(parent.settings, name)]
    return [CHANGEABLE[name] for name in differ]


def _shares_noise(trace: Trace) -> bool:
    return trace.kind == "counterfactual"


def _agreement_by_index(own: Trace, other: Trace, fork: int) -> tuple[int, int]:
    """Under inferred noise row i is the one that made token i of the given text."""
    given = other.token_ids.tolist()
    drawn = [
        (given[row], token)
        for row, token in zip(rows_of(own)[fork:], own.token_ids.tolist()[fork:], strict=True)
        if FORCED < row < len(given)
    ]
    return sum(a == b for a, b in drawn), len(drawn)
