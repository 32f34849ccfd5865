"""The fields of reported log-probabilities, read one by one: numbers, token bytes, lists of either layout.

Knows single values and token lists, not the documents around them. Every deviation raises BadInput naming the
place, what stands there and what was expected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.limits import Limits

VERY_UNLIKELY = -9_000.0  # APIs write -9999.0 (or minus infinity) for "very unlikely": a mark, not a measurement
ROUNDING = 1e-6  # how far above 0 a log-probability may come out by rounding
MASS_ROUNDING = 0.01  # how far above 1 the probabilities of one list may add up
_NAME_CHARS = 200
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_ESCAPED_TOKEN = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "missing or null"}


@dataclass(frozen=True)
class ReportedToken:
    """One token as an API reported it: raw bytes, log-probability in nats and the alternatives as returned.

    logprob is <= 0, or None where the API gave none or only said "very unlikely"; so are the alternatives'.
    """

    raw: bytes
    logprob: float | None
    alternatives: tuple[tuple[bytes, float | None], ...]


@dataclass
class TokenLists:
    """Reads lists of tokens, counting those of all lists together against the limits."""

    limits: Limits
    count: int = 0

    def entries(self, value: Any, where: str) -> tuple[ReportedToken, ...]:
        """Tokens as a list of objects (chat completions): token, logprob, bytes, top_logprobs; null is empty."""
        tokens = []
        for i, item in enumerate(as_list([] if value is None else value, where)):
            place = f"{where}[{i}]"
            entry = as_object(item, place, "a token with its logprob")
            top = as_list(entry.get("top_logprobs") or [], f"{place}.top_logprobs")
            self._count(len(top), f"{place}.top_logprobs")
            alternatives = []
            for j, other in enumerate(top):
                there = f"{place}.top_logprobs[{j}]"
                alternatives.append(self._entry(as_object(other, there, "a token with its logprob"), there))
            raw, logprob = self._entry(entry, place)
            rivals = _one_distribution(raw, logprob, alternatives, f"{place}.top_logprobs")
            tokens.append(ReportedToken(raw, logprob, rivals))
        return tuple(tokens)

    def columns(self, lists: Mapping[str, Any], where: str) -> tuple[ReportedToken, ...]:
        """Tokens as parallel lists (legacy completions): tokens, token_logprobs, top_logprobs (an object a token).

        A token_logprob may be null: nothing precedes the first token of an echoed prompt.
        """
        names = as_list(lists.get("tokens"), f"{where}.tokens")
        logprobs = self._column(lists.get("token_logprobs"), len(names), f"{where}.token_logprobs")
        tops = [None] * len(names)
        if lists.get("top_logprobs") is not None:
            tops = self._column(lists["top_logprobs"], len(names), f"{where}.top_logprobs")
        tokens = []
        for i, (name, value, top) in enumerate(zip(names, logprobs, tops, strict=True)):
            place = f"{where}.top_logprobs[{i}]"
            others = as_object({} if top is None else top, place, "an object from tokens to log-probabilities")
            self._count(len(others), place)
            alternatives = []
            for other, p in others.items():
                there = f"{place}[{quoted(other)}]"
                alternatives.append((self._token(other, there), as_logprob(p, there)))
            logprob = None if value is None else as_logprob(value, f"{where}.token_logprobs[{i}]")
            raw = self._token(name, f"{where}.tokens[{i}]")
            tokens.append(ReportedToken(raw, logprob, _one_distribution(raw, logprob, alternatives, place)))
        return tuple(tokens)

    def _column(self, value: Any, length: int, where: str) -> list[Any]:
        column = as_list(value, where)
        if len(column) != length:
            raise BadInput(f"{where} has {len(column)} entries; as many as tokens, {length}, were expected.")
        return column

    def _entry(self, entry: Mapping[str, Any], where: str) -> tuple[bytes, float | None]:
        logprob = as_logprob(entry.get("logprob"), f"{where}.logprob")
        raw, token = entry.get("bytes"), entry.get("token")
        if raw is None or (raw == [] and token):
            return self._token(token, f"{where}.token"), logprob
        values = as_list(raw, f"{where}.bytes")
        if not all(type(value) is int and 0 <= value <= 255 for value in values):
            raise BadInput(f"{where}.bytes holds something that is no byte; whole numbers from 0 to 255 were expected.")
        return self._short(bytes(values), f"{where}.bytes"), logprob

    def _token(self, token: Any, where: str) -> bytes:
        r"""The bytes of a token given as text; parts of characters come as \xe2 escapes, with or without "bytes:"."""
        if not isinstance(token, str):
            raise BadInput(f"{where} is {kind(token)}; the token's text was expected.")
        try:
            raw = token.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadInput(
                f"{where} holds half of a character (a lone surrogate); ask the API for the tokens' bytes as well."
            ) from error
        if token.startswith("bytes:") and _ESCAPE.search(raw):
            raw = _unescaped(raw.removeprefix(b"bytes:"))
        elif _ESCAPED_TOKEN.fullmatch(token) and not _is_text(_unescaped(raw)):
            raw = _unescaped(raw)
        return self._short(raw, where)

    def _short(self, raw: bytes, where: str) -> bytes:
        if len(raw) > self.limits.import_token_bytes:
            raise BadInput(f"{where} has {len(raw):,} bytes; a token has at most {self.limits.import_token_bytes:,}.")
        return raw

    def _count(self, alternatives: int, where: str) -> None:
        self.count += 1
        if self.count > self.limits.import_tokens:
            raise BadInput(
                f"The input has more than {self.limits.import_tokens:,} tokens (at {where}); import it in parts."
            )
        if alternatives > self.limits.import_alternatives:
            raise BadInput(
                f"{where} has {alternatives:,} entries; at most {self.limits.import_alternatives} alternatives a token "
                "are read: ask the API for fewer."
            )


def as_logprob(value: Any, where: str) -> float | None:
    """A log-probability in nats, at most 0; None where it only says "very unlikely" (-9999.0, minus infinity)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadInput(f"{where} is {kind(value)}; a number was expected.")
    if isinstance(value, float) and math.isnan(value):
        raise BadInput(f"{where} is not a number; a log-probability (0 or below) was expected.")
    if value > ROUNDING:
        shown = f"{value:g}" if value < 1e12 else "a huge number"
        raise BadInput(f"{where} is {shown}; a natural logarithm of a probability, 0 or below, was expected.")
    return None if value <= VERY_UNLIKELY else min(0.0, float(value))


def as_object(value: Any, where: str, expected: str) -> Mapping[str, Any]:
    """`value` when it is a JSON object."""
    if not isinstance(value, dict):
        raise BadInput(f"{where} is {kind(value)}; {expected} was expected.")
    return value


def as_list(value: Any, where: str) -> list[Any]:
    """`value` when it is a JSON list."""
    if not isinstance(value, list):
        raise BadInput(f"{where} is {kind(value)}; a list was expected.")
    return value


def as_text(value: Any, most: int = _NAME_CHARS) -> str:
    """A text that is only told, never trusted: cut to `most` characters, broken ones replaced; "" for anything else."""
    return value[:most].encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value), "a number")


def quoted(text: str) -> str:
    """A text as a sentence can quote it: short and on one line."""
    return ascii(text[:20]) + ("…" if len(text) > 20 else "")


def _one_distribution(
    raw: bytes, own: float | None, alternatives: list[tuple[bytes, float | None]], where: str
) -> tuple[tuple[bytes, float | None], ...]:
    """The alternatives as they are, when together with the token, where it is not among them, they can be one row."""
    others = [logprob for _, logprob in alternatives if logprob is not None]
    if alternatives and own is not None and all(other != raw for other, _ in alternatives):
        others.append(own)
    mass = sum(map(math.exp, others))
    if mass > 1.0 + MASS_ROUNDING:
        raise BadInput(f"{where} adds up to a probability of {mass:.2f}; natural logarithms of one distribution, at "
                       "most 1 together, were expected.")  # fmt: skip
    return tuple(alternatives)


def _unescaped(raw: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), raw)


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
