"""The sentence above a run: where the model was most torn, or a given text surprised it most, in plain words.

Chooses which token is selected first and by which score the text is tinted. Does not know how either is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.logprob_import import knows_bounds_only
from engine.tokens import display_text
from engine.types import Kind, Trace


@dataclass(frozen=True)
class Headline:
    """What is said above a run, which token is selected first and by which score the text is tinted.

    select None, score "": the reader chooses.
    """

    sentence: str = ""
    select: int | None = None
    score: str = ""


def first_words(kind: Kind) -> Headline:
    """What is known before the first token: a given text is tinted by how much it surprises, from its first word on."""
    return Headline(score="surprisal" if kind == "scored" else "")


def headline_of(trace: Trace) -> Headline:
    """For a given text the token that surprised most, for any other run the one with the highest entropy."""
    if trace.kind == "scored":
        return _most_surprising(trace)
    return _most_torn(trace)


def _most_torn(trace: Trace) -> Headline:
    at = _hottest(trace, "entropy")
    if at is None:
        return Headline()
    rival = _best_rival(trace, at)
    if rival is None or "surprisal" not in trace.scores:
        return Headline(select=at)
    other, against = rival
    chosen, piece = _chance(trace, at), trace.pieces[at].strip()
    if _more_likely(trace, at):
        choice = f"its first choice was “{other}” with {against}, “{piece}” had {chosen}"
    else:
        choice = f"{chosen} for “{piece}”, {against} for “{other}”"
    far = ", as far as the reported tokens tell" if knows_bounds_only(trace) else ""
    place = _place(trace, at, "entropy")
    return Headline(f"{place} the model was most torn{far}: {choice}, and {_open_tokens(trace, at)}.", at)


def _most_surprising(trace: Trace) -> Headline:
    at = _hottest(trace, "surprisal")
    if at is None:
        return Headline()
    chosen, rival = _chance(trace, at), _best_rival(trace, at)
    if not _more_likely(trace, at) or rival is None:
        sentence = f"Nothing here surprised the model: even its least expected token had {chosen}."
        return Headline(sentence, at, "surprisal")
    other, against = rival
    place = _place(trace, at, "surprisal")
    expected = f"it gave it {chosen} and expected “{other}”, with {against}"
    return Headline(f"{place} the text surprised the model most: {expected}.", at, "surprisal")


def _hottest(trace: Trace, score: str) -> int | None:
    """Position of the highest value of a score among tokens that can be quoted; None when there is none."""
    values = trace.scores.get(score)
    speakable = [
        bool(piece.strip()) and int(token_id) not in trace.special_ids
        for piece, token_id in zip(trace.pieces, trace.token_ids, strict=True)
    ]
    if values is None or not any(speakable):
        return None
    quoted = np.where(speakable & np.isfinite(values), values, -np.inf)
    at = int(np.argmax(quoted))
    return at if np.isfinite(quoted[at]) else None


def _best_rival(trace: Trace, at: int) -> tuple[str, str] | None:
    """Text and chance of the most likely token that was not taken; None when no other is known."""
    for token_id, logprob in zip(trace.topk_ids[at], trace.topk_logprobs[at], strict=True):
        if token_id >= 0 and token_id != trace.token_ids[at]:
            return named(display_text(trace.token_bytes[int(token_id)])), percent(math.exp(float(logprob)))
    return None


def _more_likely(trace: Trace, at: int) -> bool:
    """Whether the model held another token more likely than the one that stands here."""
    return bool(trace.scores.get("rank", np.zeros(len(trace)))[at] > 0)


def _chance(trace: Trace, at: int) -> str:
    return percent(math.exp(-max(0.0, float(trace.scores["surprisal"][at]))))


def _place(trace: Trace, at: int, score: str) -> str:
    """Where a token stands; says so when a token that cannot be quoted (a break, part of a character) goes further."""
    piece, word = trace.pieces[at].strip(), word_around(trace.pieces, at)
    place = f"“{piece}”" + (f" in “{word}”" if word != piece else "")
    return f"{'At' if trace.scores[score][at] >= np.nanmax(trace.scores[score]) else 'Of all words, at'} {place}"


def _open_tokens(trace: Trace, at: int) -> str:
    known = trace.topk_ids[at] >= 0
    many = int(np.count_nonzero(trace.topk_logprobs[at][known] >= math.log(0.01)))
    tokens = "1 token" if many == 1 else f"{many} tokens"
    # the list may end before the one per cent does
    return f"{'at least ' if many == int(np.count_nonzero(known)) else ''}{tokens} had more than 1\u00a0%"


def named(text: str) -> str:
    """A token's text as a sentence can quote it, with a mark where it is nothing but space."""
    if text.strip():
        return text.strip()
    return "↵" * text.count("\n") or "⇥" * text.count("\t") or "␣"


def word_around(pieces: Sequence[str], at: int) -> str:
    """The word that a token is part of, at most 40 characters of it."""
    start = at
    while start > 0 and not pieces[start][:1].isspace() and not pieces[start - 1][-1:].isspace():
        start -= 1
    end = at + 1
    while end < len(pieces) and not pieces[end][:1].isspace():
        end += 1
    words = "".join(pieces[start:end]).split()
    return (words[0] if len(words) == 1 else pieces[at].strip())[:40].rstrip(".,;:!?")


def percent(probability: float) -> str:
    """A probability as people write it: 41 %, 0.3 %, under 0.01 %, over 99 %."""
    share = 100 * probability
    if share < 0.01:
        return "under 0.01\u00a0%"
    if 99.5 <= share < 100:
        return "over 99\u00a0%"
    return f"{share:.0f}\u00a0%" if share >= 1 else f"{share:.1g}\u00a0%"
