"""Token ids to bytes and to text: what one token is made of, and which token completes which characters.

Reads the decoder of a `tokenizers` tokenizer (byte-level BPE, or SentencePiece pieces with byte fallback) and
follows it exactly. Does not know models, prompts or chat templates.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import ModelUnavailable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

REPLACEMENT = "\ufffd"
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_INCREMENTAL_UTF8 = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True)
class Recipe:
    """How a tokenizer turns token strings into text.

    byte_level: token strings spell bytes in GPT-2's alphabet. replacements: (from, to) in every token.
    byte_fallback: tokens "<0xE2>" stand for one byte. strip: leading spaces to drop from the whole text.
    bare_start: every mark (first replacement) in the first token is dropped instead of replaced.
    """

    byte_level: bool = False
    replacements: tuple[tuple[str, str], ...] = ()
    byte_fallback: bool = False
    strip: int = 0
    bare_start: bool = False


class Vocabulary:
    """Bytes and text of every token of one tokenizer."""

    def __init__(self, backend: Tokenizer) -> None:
        """Raises ModelUnavailable when the tokenizer decodes in a way that cannot be followed byte for byte."""
        self._backend = backend
        self.recipe = read_recipe(backend)
        self._bytes: dict[int, bytes] = {}

    def token_string(self, token_id: int) -> str | None:
        """The vocabulary's own spelling of a token, None for an id it does not hold."""
        return self._backend.id_to_token(token_id) if token_id >= 0 else None

    def token_bytes(self, token_id: int) -> bytes:
        """Raw bytes of one token; b"" for an id the vocabulary does not hold (a padded embedding row)."""
        known = self._bytes.get(token_id)
        if known is None:
            known = self._bytes[token_id] = self._spell(self.token_string(token_id))
        return known

    def decoder(self) -> PieceDecoder:
        """A fresh streaming decoder."""
        return PieceDecoder(self)

    def pieces(self, ids: Iterable[int]) -> tuple[str, ...]:
        """n ids to n pieces whose concatenation is the tokenizer's own decoding, special tokens included.

        The token that completes a character carries it, earlier ones are "". Unlike the streaming decoder this sees
        the whole text: one broken character spoils a whole run of byte-fallback tokens, as the tokenizer has it.
        """
        ids = list(ids)
        decoder = self.decoder()
        broken = self._broken_runs(ids) if self.recipe.byte_fallback else frozenset()
        pieces = [decoder.push(token_id, broken=index in broken) for index, token_id in enumerate(ids)]
        if pieces:
            pieces[-1] += decoder.flush()
        return tuple(pieces)

    def fingerprint(self) -> str:
        """sha256 over every token's id and spelling, and over how they are joined."""
        digest = hashlib.sha256(repr(self.recipe).encode())
        spelled = self._backend.get_vocab(with_added_tokens=True)
        for token, token_id in sorted(spelled.items(), key=lambda item: (item[1], item[0])):
            raw = token.encode("utf-8", "surrogatepass")
            digest.update(f"{token_id}:{len(raw)}:".encode() + raw)
        return digest.hexdigest()

    def is_byte_token(self, token_id: int) -> bool:
        """Whether this is one of the 256 "<0x..>" tokens of a byte-fallback vocabulary."""
        token = self.token_string(token_id)
        return self.recipe.byte_fallback and token is not None and bool(_BYTE_TOKEN.fullmatch(token))

    def _spell(self, token: str | None) -> bytes:
        if token is None:
            return b""
        if self.recipe.byte_level:
            return _byte_level(token)
        if self.recipe.byte_fallback and (match := _BYTE_TOKEN.fullmatch(token)):
            return bytes([int(match[1], 16)])
        for old, new in self.recipe.replacements:
            token = token.replace(old, new)
        return token.encode("utf-8")

    def _broken_runs(self, ids: Sequence[int]) -> frozenset[int]:
        """Indices inside runs of byte tokens that are not UTF-8 as a whole."""
        broken: set[int] = set()
        run: list[int] = []
        for index, token_id in enumerate([*ids, None]):
            if token_id is not None and self.token_string(token_id) is None:
                continue
            if token_id is not None and self.is_byte_token(token_id):
                run.append(index)
                continue
            if not _is_utf8(b"".join(self.token_bytes(ids[i]) for i in run)):
                broken.update(run)
            run = []
        return frozenset(broken)


class PieceDecoder:
    """Ids in, text out, one token at a time, never looking ahead.

    What was pushed out is never taken back; so in a byte-fallback vocabulary a character that stands before a broken
    one in the same run of byte tokens stays readable here, where the tokenizer would spoil it.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._recipe = vocabulary.recipe
        self._utf8 = _INCREMENTAL_UTF8("replace" if self._recipe.byte_level else "strict")
        self._held = 0
        self._run_broken = False
        self._first = True
        self._to_strip = self._recipe.strip

    def push(self, token_id: int, *, broken: bool = False) -> str:
        """The text that this token completes. broken: it belongs to a run of byte tokens known to be no UTF-8."""
        vocabulary = self._vocabulary
        token = vocabulary.token_string(token_id)
        if token is None:
            return ""
        if self._recipe.byte_level:
            return self._utf8.decode(vocabulary.token_bytes(token_id))
        if vocabulary.is_byte_token(token_id):
            self._first = False
            self._run_broken |= broken
            return self._strip(self._push_byte(vocabulary.token_bytes(token_id)))
        if self._first and self._recipe.bare_start:
            text = token.replace(self._recipe.replacements[0][0], "")
        else:
            text = vocabulary.token_bytes(token_id).decode("utf-8")
        self._first = False
        return self._strip(self._end_run() + text)

    def flush(self) -> str:
        """What is still held at the end: U+FFFD for bytes that never became a character."""
        if self._recipe.byte_level:
            return self._utf8.decode(b"", final=True)
        return self._strip(self._end_run())

    def _push_byte(self, byte: bytes) -> str:
        if self._run_broken:
            return self._give_up(1)
        try:
            text = self._utf8.decode(byte)
        except UnicodeDecodeError:
            self._run_broken = True
            return self._give_up(1)
        self._held = 0 if text else self._held + 1
        return text

    def _give_up(self, more: int) -> str:
        marks = REPLACEMENT * (self._held + more)
        self._held = 0
        self._utf8.reset()
        return marks

    def _end_run(self) -> str:
        self._run_broken = False
        return self._give_up(0)

    def _strip(self, text: str) -> str:
        while self._to_strip and text.startswith(" "):
            text = text[1:]
            self._to_strip -= 1
        if text:
            self._to_strip = 0
        return text


def display_text(raw: bytes) -> str:
    """One token on its own as text; bytes that are no UTF-8 by themselves become marks like ⟨e2⟩."""
    text = raw.decode("utf-8", "surrogateescape")
    return "".join(f"⟨{ord(c) - 0xDC00:02x}⟩" if "\udc80" <= c <= "\udcff" else c for c in text)


def read_recipe(backend: Tokenizer) -> Recipe:
    """The decoding steps of a tokenizer. Raises ModelUnavailable for steps that this module does not follow."""
    decoder = backend.decoder
    if decoder is None:
        raise _unknown_decoder("none")
    spec = json.loads(decoder.__getstate__())
    steps = spec["decoders"] if spec["type"] == "Sequence" else [spec]
    if [step["type"] for step in steps if step["type"] != "Fuse"] == ["ByteLevel"]:
        return Recipe(byte_level=True)
    return _sentencepiece_recipe(steps)


def _sentencepiece_recipe(steps: Sequence[dict[str, Any]]) -> Recipe:
    replacements: list[tuple[str, str]] = []
    byte_fallback, fused, bare_start, strip = False, False, False, 0
    for step in steps:
        match step:
            case {"type": "Replace", "pattern": {"String": str(old)}, "content": str(new)} if not byte_fallback:
                replacements.append((old, new))
            case {"type": "Metaspace", "replacement": str(mark)} if not replacements and not fused:
                replacements.append((mark, " "))
                bare_start = step.get("prepend_scheme", "always") != "never"
            case {"type": "ByteFallback"} if not fused:
                byte_fallback = True
            case {"type": "Fuse"}:
                fused = True
            case {"type": "Strip", "content": " ", "start": int(start), "stop": 0} if fused:
                strip = start
            case _:
                raise _unknown_decoder(step["type"])
    return Recipe(False, tuple(replacements), byte_fallback, strip, bare_start)


def _unknown_decoder(kind: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"This model's tokenizer joins its tokens in a way (decoder {kind}) that cannot be shown byte for byte: "
        "choose a model with a byte-level or SentencePiece tokenizer."
    )


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _byte_level(token: str) -> bytes:
    """GPT-2's spelling of bytes: one printable character each; a token with any other character is plain text."""
    raw = [_byte_of(character) for character in token]
    return token.encode("utf-8") if None in raw else bytes(b for b in raw if b is not None)


def _byte_of(character: str) -> int | None:
    """Printable Latin-1 stands for itself, the 68 others follow in order from U+0100 (openai/gpt-2 encoder.py)."""
    code = ord(character)
    if 33 <= code <= 126 or 161 <= code <= 172 or 174 <= code <= 255:
        return code
    if 256 <= code <= 288:
        return code - 256
    if 289 <= code <= 322:
        return code - 289 + 127
    return 173 if code == 323 else None
