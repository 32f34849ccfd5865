"""Every size limit as a named setting, and the one place where a person's fields become a request.

What passes `validate` is clean: right types, in range, encodable as UTF-8. Control characters, NUL and
right-to-left marks pass on purpose: they are data and are shown as marks. Does not know models, pages or the store.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from engine.errors import BadInput
from engine.types import GenerationRequest

MAX_SEED = 2**63 - 1
EXACT_FLOAT = 2**53  # the largest whole number below which a float holds every whole number
_SHOWN_CHARS = 40
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LABELS = {
    "prompt": "The prompt",
    "system": "The system text",
    "max_new_tokens": "The number of tokens",
    "temperature": "The temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "seed": "The seed",
    "stop": "A stop string",
}


@dataclass(frozen=True)
class Limits:
    """Upper bounds (lower ones where the name says so); lengths in characters unless the name says bytes.

    temperature_low: the smallest temperature above 0, which itself is greedy decoding.
    text_chars: a pasted text to score. import_*: one file of log-probabilities; containers counts its JSON lists
    and objects, answers its replies, tokens those of all replies together, alternatives those of one token,
    vocabulary the size that is assumed where the sender states none. rollout_megabytes: keys and values of all
    continuations that are drawn at once.
    """

    prompt_chars: int = 100_000
    system_chars: int = 20_000
    text_chars: int = 200_000
    max_new_tokens: int = 4_096
    temperature: float = 2.0
    temperature_low: float = 1e-9
    top_k: int = 1_000
    stop_strings: int = 8
    stop_chars: int = 100
    import_bytes: int = 20_000_000
    import_containers: int = 2_000_000
    import_answers: int = 200
    import_tokens: int = 100_000
    import_token_bytes: int = 1_000
    import_alternatives: int = 100
    import_vocabulary: int = 200_000
    rollout_megabytes: int = 1_024

    @classmethod
    def public(cls) -> Limits:
        """The tighter limits of a page that strangers may use."""
        return cls(
            prompt_chars=20_000,
            system_chars=4_000,
            text_chars=40_000,
            max_new_tokens=512,
            import_bytes=4_000_000,
            import_containers=400_000,
            import_answers=32,
            import_tokens=20_000,
            import_alternatives=32,
        )


# For callers in the same process, who answer for their own sizes; what a value may mean stays as it is.
UNBOUNDED = Limits(
    prompt_chars=10**9,
    system_chars=10**9,
    text_chars=10**9,
    max_new_tokens=10**6,
    top_k=10**9,
    stop_strings=1_000,
    stop_chars=10**6,
)


def validate(request: GenerationRequest, limits: Limits) -> GenerationRequest:
    """The request, checked and cleaned once: see `request_from_fields`."""
    if isinstance(request.stream, bool) or not isinstance(request.stream, int) or not 0 <= request.stream <= MAX_SEED:
        raise BadInput(f"The noise stream is {_shown(request.stream)}; it must be a whole number of at least 0.")
    raw = {f.name: getattr(request, f.name) for f in fields(request) if f.name != "stream"}
    return replace(request_from_fields(raw, limits), stream=request.stream)


def request_from_fields(raw: Mapping[str, Any], limits: Limits) -> GenerationRequest:
    """Build a request from values as a page or an API hands them over.

    raw: some of GenerationRequest's fields; None and "" mean the default. Numbers may be floats that are whole
    (3.0), or text. top_k 0 means off. stop is a list of strings, or one text with a string a line in which the
    two characters \\n and \\t stand for a line break and a tab. Raises BadInput, one sentence naming the field,
    its value and what is allowed.
    """
    # which noise of the seed is drawn from is decided by what is done, not by who asks
    known = [f.name for f in fields(GenerationRequest) if f.name != "stream"]
    unknown = [key for key in raw if key not in known]
    if unknown:
        raise BadInput(f"There is no setting {_shown(unknown[0])}; the settings are: {', '.join(known)}.")
    default = GenerationRequest("")
    return GenerationRequest(
        prompt=_prompt(raw.get("prompt"), limits),
        system=_system(raw.get("system"), limits),
        max_new_tokens=_whole("max_new_tokens", raw.get("max_new_tokens"), 1, limits.max_new_tokens)
        or default.max_new_tokens,
        temperature=_temperature(raw.get("temperature"), default.temperature, limits),
        top_k=_whole("top_k", raw.get("top_k"), 1, limits.top_k, off=0),
        top_p=_top_p(raw.get("top_p")),
        seed=_whole("seed", raw.get("seed"), 0, MAX_SEED) or 0,
        stop=_stop(raw.get("stop"), limits),
    )


def validate_text(text: object, limits: Limits, *, field: str = "text") -> str:
    """A pasted text (or, with field="prompt", the context it follows), unchanged; BadInput when it cannot be used."""
    most = limits.prompt_chars if field == "prompt" else limits.text_chars
    return _text(f"The {field}", text, most, blank=False)


def check_fits(prompt_tokens: int, max_new_tokens: int, context_length: int) -> tuple[int, str]:
    """How many tokens may be generated, and a sentence when that is fewer than asked ("" otherwise).

    Raises BadInput, saying by how many tokens the prompt is too long, when not even one fits.
    """
    room = context_length - prompt_tokens
    if room < 1:
        raise BadInput(
            f"The prompt has {prompt_tokens:,} tokens, {1 - room:,} too many: the model's context holds "
            f"{context_length:,} and one of them must be left for the answer. Shorten the prompt."
        )
    if room < max_new_tokens:
        return room, (
            f"The answer may have {room:,} tokens at most instead of {max_new_tokens:,}: the prompt takes "
            f"{prompt_tokens:,} of the {context_length:,} that fit into the model's context."
        )
    return max_new_tokens, ""


def check_text_fits(context_tokens: int, text_tokens: int, context_length: int) -> None:
    """Raise BadInput, saying by how many tokens, when a text to score and what precedes it do not fit."""
    over = context_tokens + text_tokens - context_length
    if over > 0:
        before = f" after {context_tokens:,} of the prompt" if context_tokens else ""
        raise BadInput(
            f"The text has {text_tokens:,} tokens{before}, {over:,} more than the model's context of "
            f"{context_length:,} holds: shorten it."
        )


def check_ids(ids: Sequence[int] | np.ndarray, vocabulary_size: int) -> None:
    """Raise BadInput unless every token id lies in [0, vocabulary_size)."""
    values = np.asarray(ids)
    if values.size == 0:
        return
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise BadInput(f"Token ids must be one list of whole numbers, not {values.ndim} lists of {values.dtype}.")
    outside = values[(values < 0) | (values >= vocabulary_size)]
    if outside.size:
        raise BadInput(f"Token id {int(outside[0])} is outside the model's vocabulary: ids run from 0 to "
                       f"{vocabulary_size - 1:,}.")  # fmt: skip


def _prompt(value: object, limits: Limits) -> str:
    return _text("The prompt", "" if value is None else value, limits.prompt_chars, blank=False)


def _system(value: object, limits: Limits) -> str | None:
    text = _text("The system text", "" if value is None else value, limits.system_chars)
    return text if text.strip() else None


def _text(label: str, value: object, most: int, *, blank: bool = True) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{label} is {_shown(value)}; it must be text.")
    if len(value) > most:
        raise BadInput(
            f"{label} has {len(value):,} characters; at most {most:,} are allowed: shorten it by {len(value) - most:,}."
        )
    if not blank and not value.strip():
        raise BadInput(f"{label} is empty; write at least one word.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{label} holds half of a character at position {error.start} (a lone surrogate, "
            f"U+{ord(value[error.start]):04X}); remove or retype that character."
        ) from error
    return value


def _temperature(value: object, default: float, limits: Limits) -> float:
    number = _number("temperature", value, f"0 for greedy decoding or a number up to {limits.temperature:g}")
    if number is None:
        return default
    if number != 0.0 and not limits.temperature_low <= number <= limits.temperature:
        raise BadInput(
            f"The temperature is {_shown(value)}; it must be between 0 and {limits.temperature:g} (0 is greedy)."
        )
    return abs(number)  # -0.0 is 0.0


def _top_p(value: object) -> float | None:
    number = _number("top_p", value, "a number above 0 and up to 1, or empty for off")
    if number is not None and not 0.0 < number <= 1.0:
        raise BadInput(f"Top-p is {_shown(value)}; it must be above 0 and at most 1, or empty for off.")
    return number


def _whole(field: str, value: object, low: int, high: int, *, off: int | None = None) -> int | None:
    """A whole number in [low, high]; None for None, "" or the value that means off."""
    if _absent(value):
        return None
    extra = f", or {off} for off" if off is not None else ""
    if isinstance(value, float) and EXACT_FLOAT < abs(value) <= high:
        extra += ", and above 2^53 written as text, because a number box loses its last digits"
    wanted = f"{_LABELS[field]} is {_shown(value)}; it must be a whole number from {low} to {high}{extra}."
    number = _as_int(value)
    if number is None:
        raise BadInput(wanted)
    if number == off:
        return None
    if not low <= number <= high:
        raise BadInput(wanted)
    return number


def _as_int(value: object) -> int | None:
    """The whole number a value stands for, or None; a float beyond 2^53 stands for none, it has lost digits."""
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) <= EXACT_FLOAT else None
    if isinstance(value, str):
        digits = value.strip()
        return int(digits.split(".")[0]) if len(digits) <= _SHOWN_CHARS and _WHOLE.fullmatch(digits) else None
    return None


def _number(field: str, value: object, allowed: str) -> float | None:
    """A finite float, or None for None and ""."""
    if _absent(value):
        return None
    number = math.nan
    if isinstance(value, (float, np.floating)):
        number = float(value)
    elif isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        number = float(value) if abs(int(value)) < 10**_SHOWN_CHARS else math.nan
    elif isinstance(value, str) and len(value) <= _SHOWN_CHARS and _DECIMAL.fullmatch(value.strip()):
        number = float(value)
    if not math.isfinite(number):
        raise BadInput(f"{_LABELS[field]} is {_shown(value)}; it must be {allowed}.")
    return number


def _absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _stop(value: object, limits: Limits) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        lines = _text("The stop strings", value, (limits.stop_chars + 1) * limits.stop_strings * 2).split("\n")
        value = [line.rstrip("\r").replace("\\n", "\n").replace("\\t", "\t") for line in lines]
    if not isinstance(value, (list, tuple)):
        raise BadInput(f"The stop strings are {_shown(value)}; they must be a list of texts, or one text a line.")
    checked = [_text("A stop string", item, limits.stop_chars) for item in value]
    kept = tuple(dict.fromkeys(item for item in checked if item))  # an empty one would end every answer at once
    if len(kept) > limits.stop_strings:
        raise BadInput(f"There are {len(kept)} stop strings; at most {limits.stop_strings} are allowed.")
    return kept


def _shown(value: object) -> str:
    """A value as a sentence can quote it: short, on one line, never failing."""
    if isinstance(value, str):
        text = ascii(value[: _SHOWN_CHARS + 1]) if not value.isprintable() else f"'{value[: _SHOWN_CHARS + 1]}'"
        return text if len(value) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS + 1]}…'"
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (int, np.integer)):
        return str(value) if abs(int(value)) < 10**_SHOWN_CHARS else "a number of more than 40 digits"
    if isinstance(value, (float, np.floating)):
        return "not a number" if math.isnan(value) else f"{float(value):.12g}"
    return "missing" if value is None else f"a {type(value).__name__}"
