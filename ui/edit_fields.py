"""An intervention as a page or a script asks for it, checked: edits in words or ids, luck, changed settings.

Turns texts into ids of the edited span alone. Does not know runs in the store or what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.edits import MOST_EDITS, Alignment, Held, Splice
from engine.errors import BadInput
from engine.models import LanguageModel
from engine.types import Trace
from ui.numbers import whole

AskedLuck = Literal["same", "fresh"]
MOST_CHARS = 4_000
MOST_TOKENS = 1_000
MOST_DRAW = 100_000
MOST_POSITION = 2**31 - 1
CHANGES = ("prompt", "system", "temperature", "top_k", "top_p", "max_new_tokens", "stop")
NOT_CANONICAL = (
    "The edited text is cut into tokens at the edit; the tokenizer would cut the whole text differently there."
)

OVERWRITTEN = "An earlier edit stood behind this one: everything behind an edit is drawn anew, so it is gone here."


@dataclass(frozen=True)
class AskedEdit:
    """Tokens start to stop - 1 give way to a text or to ids; no ids delete them."""

    start: int
    stop: int
    text: str | None
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Asked:
    """A checked request for a branch; draw 0: the next one."""

    edits: tuple[AskedEdit, ...]
    luck: AskedLuck
    alignment: Alignment
    changes: Mapping[str, Any]
    first: int
    draw: int


def check_asked(fields: Mapping[str, Any]) -> Asked:
    """The request in `fields`; BadInput, naming value and remedy, for anything else.

    edits: list of {start, stop, text} or {start, stop, ids}; changes: settings of the run to change, raw values; first:
    without edits, how many leading tokens stay; draw: which fresh or inferred luck, from 1 (left out: the next one).
    """
    luck: Any = fields.get("luck") or "same"
    if luck not in get_args(AskedLuck):
        raise BadInput(f"The luck {str(luck)[:40]!r} is unknown; choose one of {', '.join(get_args(AskedLuck))}.")
    alignment: Any = fields.get("alignment") or "suffix"
    if alignment not in get_args(Alignment):
        raise BadInput(
            f"The alignment {str(alignment)[:40]!r} is unknown; use one of {', '.join(get_args(Alignment))}."
        )
    edits = fields.get("edits") or []
    if not isinstance(edits, Sequence) or isinstance(edits, str) or len(edits) > MOST_EDITS:
        raise BadInput(f"The edits must be a list of at most {MOST_EDITS} edits.")
    changes = fields.get("changes") or {}
    if not isinstance(changes, Mapping):
        raise BadInput("The changes must be settings by name, such as temperature.")
    for name in changes:
        if name not in CHANGES:
            raise BadInput(f"{str(name)[:40]!r} cannot be changed in a branch; what can be: {', '.join(CHANGES)}.")
    first = whole("The number of tokens to keep", fields.get("first"), 0, MOST_POSITION, 0)
    draw = whole("The draw", fields.get("draw"), 0, MOST_DRAW, 0)
    return Asked(tuple(_edit(edit) for edit in edits), luck, alignment, changes, first, draw)


def splices_of(model: LanguageModel, trace: Trace, asked: Asked) -> tuple[Splice, ...]:
    """The edits as ids: only what was written is encoded, nothing around it. Raises BadInput."""
    return tuple(
        Splice(edit.start, edit.stop, edit.ids if edit.text is None else _encoded(model, edit.text))
        for edit in asked.edits
    )


def edit_notes(model: LanguageModel, trace: Trace, held: Held) -> tuple[str, ...]:
    """Says so when the edited beginning is not what the tokenizer would make of its text, but the original's was."""
    if held.untouched == len(held.ids) or _is_canonical(model, held.ids):
        return ()
    return (NOT_CANONICAL,) if _is_canonical(model, trace.token_ids[: len(held.ids)].tolist()) else ()


def _is_canonical(model: LanguageModel, ids: Sequence[int]) -> bool:
    return model.encode("".join(model.pieces(ids))) == list(ids)


def _encoded(model: LanguageModel, text: str) -> tuple[int, ...]:
    ids = model.encode(text)
    if not ids:
        raise BadInput("The model's tokenizer has no token for anything in this replacement; write it differently.")
    if len(ids) > MOST_TOKENS:
        raise BadInput(f"The replacement has {len(ids):,} tokens; at most {MOST_TOKENS:,} are taken: shorten it.")
    return tuple(ids)


def _edit(values: object) -> AskedEdit:
    if not isinstance(values, Mapping):
        raise BadInput("An edit names start, stop, and either text or ids.")
    start = _position(values.get("start"), "The start of an edit")
    stop = _position(values.get("stop", start), "The end of an edit")
    text, ids = values.get("text"), values.get("ids")
    if (text is None) == (ids is None):
        raise BadInput("An edit has either a text or ids; an empty list of ids deletes.")
    if ids is not None:
        if not isinstance(ids, Sequence) or isinstance(ids, str):
            raise BadInput("The ids of an edit must be a list of token ids; an empty list deletes.")
        if start == stop and not len(ids):
            raise BadInput(f"The edit at token {start} changes nothing: it inserts nothing.")
        return AskedEdit(start, stop, None, tuple(_position(i, "A token id") for i in ids))
    if not isinstance(text, str) or not text:
        raise BadInput("The replacement is empty: type what shall stand there, or choose to delete.")
    if len(text) > MOST_CHARS:
        raise BadInput(
            f"The replacement has {len(text):,} characters; at most {MOST_CHARS:,} are taken: score a longer text as a "
            "run of its own."
        )
    return AskedEdit(start, stop, text, ())


def _position(value: object, what: str) -> int:
    return whole(what, value, 0, MOST_POSITION)
