"""A run that has grown: the longer trace takes the place of the shorter one, whose every number it must hold.

Knows what may change at the seam and how forks that share the run's arrays keep reading the same; does not know who
may do what, nor where the new tokens come from.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from engine.errors import BadInput, StoreDamaged
from engine.types import GenerationRequest, Trace
from storage.arrays import pack
from storage.chain import PATCH, ChainArrays, OwnArrays, assemble, divide_from, read_rows, same_bits, to_row
from storage.headers import RawHeader, seal
from storage.schema import RunArray, RunRow, RunScore, RunText
from storage.traces import TOKEN_ARRAYS, Arrays, to_arrays
from storage.writing import PreparedRun, search_text

REPLACEMENT = "\ufffd"
SAME_FIELDS = ("prompt", "system", "seed", "kind", "model", "noise_version")
CHANGED_COLUMNS = ("status", "finish_reason", "tokens", "seconds", "text_hash", "content_hash", "updated_at")
SEAM_ARRAYS = ("scores", "piece_sizes", "text")
"""Arrays whose rows before the seam may change: see `check_grown`."""


def check_grown(before: Trace, after: Trace, over_run: Collection[str]) -> None:
    """BadInput unless `after` is `before` with tokens added, every recorded number of it the same in every bit.

    over_run: scores that need the whole run and so may change. Pieces may change only at the end of `before`, where an
    unfinished character stood as U+FFFD; settings only in how many tokens are allowed.
    """
    n = len(before)
    if len(after) <= n:
        raise _refused(f"it has {len(after):,} tokens, the stored run {n:,}")
    for name in SAME_FIELDS:
        if getattr(before, name) != getattr(after, name):
            raise _refused(f"its {name.replace('_', ' ')} is another one")
    if _without_length(before.settings) != _without_length(after.settings):
        raise _refused("it was drawn with other settings")
    old, new = to_arrays(before), to_arrays(after)
    for name in TOKEN_ARRAYS:
        if name not in SEAM_ARRAYS and not same_bits(old[name], new[name][:n]):
            raise _refused(f"the stored {name.replace('_', ' ')} are no prefix of its own")
    if not same_bits(old["prompt_ids"], new["prompt_ids"]) or list(before.scores) != list(after.scores):
        raise _refused("its prompt's tokens or the names of its scores are others")
    for name, values in before.scores.items():
        if name not in over_run and not same_bits(values, after.scores[name][:n]):
            raise _refused(f"the stored scores '{name}' are no prefix of its own")
    if not before.token_bytes.items() <= after.token_bytes.items() or not before.special_ids <= after.special_ids:
        raise _refused("it knows other bytes or control tokens")
    if not _same_pieces(before.pieces, after.pieces[:n]):
        raise _refused("its text begins in another way")


def grow_run(session: Session, raw: RawHeader, rows: Sequence[Any], before: Arrays, grown: PreparedRun) -> None:
    """Put the checked longer run in the place of the stored one, within the caller's transaction.

    rows, before: the stored arrays, packed (as `read_rows` gives them) and whole. Uid, labels, parent and times of
    creation stay; forks of the run read as before.
    """
    run_id, texts = int(raw.run["id"]), grown.texts
    after = to_arrays(grown.trace)
    _detach_forks(session, raw, before, after)
    changed = {name: grown.columns[name] for name in CHANGED_COLUMNS}
    session.execute(update(RunRow).where(col(RunRow.id) == run_id).values(**changed))
    session.execute(
        update(RunText)
        .where(col(RunText.run_id) == run_id)
        .values(
            answer=texts.answer,
            settings=texts.settings,
            details=texts.details,
            search=search_text(raw.run["title"], raw.run["note"], raw.tags, texts.prompt, texts.answer),
        )
    )
    session.execute(delete(RunScore).where(col(RunScore.run_id) == run_id))
    scores = [{"run_id": run_id, "name": name, "value": value} for name, value in grown.run_scores.items()]
    if scores:
        session.execute(insert(RunScore), scores)
    own = grown.own if raw.run["chain_depth"] == 0 else _after_parent(raw, rows, after, grown)
    session.execute(delete(RunArray).where(col(RunArray.run_id) == run_id, col(RunArray.name) == PATCH))
    for name, (start, packed) in own.packed.items():
        values = {"start": start, **to_row(packed)}
        if name == PATCH:
            session.execute(insert(RunArray).values(run_id=run_id, name=name, **values))
        else:
            session.execute(_array(run_id, name).values(**values))
    seal(session, run_id)


def _detach_forks(session: Session, raw: RawHeader, before: Arrays, after: Arrays) -> None:
    """Give forks of the run a whole array of their own where the rows they share with it are about to change."""
    shares = col(RunRow.parent_id) == raw.run["id"], col(RunRow.chain_depth) == raw.run["chain_depth"] + 1
    for row in session.execute(select(col(RunRow.id), col(RunRow.uid)).where(*shares)).all():
        fork_id, uid = int(row[0] or 0), row[1]
        rows = read_rows(session, fork_id)
        starts = {name: start for level, name, start, *_ in rows if level == 0}
        moved = [
            name
            for name in SEAM_ARRAYS
            if starts.get(name) and not same_bits(before[name][: starts[name]], after[name][: starts[name]])
        ]
        if not moved:
            continue
        try:
            whole = assemble(rows, f"Run {uid}").arrays
        except StoreDamaged:
            continue  # it could not be read before and is named so by its own checksums
        for name in moved:
            session.execute(_array(fork_id, name).values(start=0, **to_row(pack(whole[name]))))


def _after_parent(raw: RawHeader, rows: Sequence[Any], after: Arrays, grown: PreparedRun) -> OwnArrays:
    """The grown run's own arrays where it is itself a fork that shares tokens with its parent."""
    parent: ChainArrays = assemble([row for row in rows if row[0] > 0], raw.label)
    same_scores = any(level == 0 and name == "scores" and start for level, name, start, *_ in rows)
    return divide_from(
        parent, after, grown.trace.token_bytes, fork=int(raw.run["fork_position"]), same_scores=same_scores
    )


def _array(run_id: int, name: str) -> Any:
    return update(RunArray).where(col(RunArray.run_id) == run_id, col(RunArray.name) == name)


def _without_length(settings: GenerationRequest | None) -> GenerationRequest | None:
    return None if settings is None else replace(settings, max_new_tokens=0)


def _same_pieces(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether pieces differ at most in the last ones, there where bytes waited for the rest of their character."""
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b), len(old))
    return all(a == b or REPLACEMENT in a + b for a, b in zip(old[first:], new[first:], strict=True))


def _refused(reason: str) -> BadInput:
    return BadInput(f"The longer run does not continue the stored one: {reason}. Nothing was changed.")
