"""What APIs send when asked for log-probabilities, read into one plain form.

Chat completions, the legacy completions (and servers that copy them), the Responses API, saved streams of each,
JSONL files and batch outputs. Knows documents only; `logprob_fields` reads the token lists in them, and what
follows from the numbers is computed elsewhere. Malformed input raises BadInput naming the place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import BadInput
from engine.limits import Limits
from engine.logprob_fields import ReportedToken, TokenLists, as_list, as_object, as_text

_ID_TOKEN = re.compile(rb"token_id:[0-9]+")
_HOW_TO_ASK = "ask the API for logprobs with as many top_logprobs as it allows, and save its whole answer"
_LAST_EVENTS = ("response.completed", "response.incomplete")


@dataclass(frozen=True)
class ReportedAnswer:
    """One reply, or while reading a piece of one.

    where: its place in the input; text: the reply's own text field, when there is one; key: what the pieces of one
    streamed reply have in common (None: it came whole); closed: no further piece follows; listed: whether it came
    with a list of log-probabilities at all; revision: what the API says about the exact model.
    """

    where: str
    tokens: tuple[ReportedToken, ...]
    text: str | None
    listed: bool
    chat: bool
    model: str
    revision: str
    prompt: str = ""
    system: str | None = None
    key: Hashable = None
    closed: bool = True
    notes: tuple[str, ...] = ()


def read_answers(data: str | bytes, limits: Limits) -> list[ReportedAnswer]:
    """Every reply with log-probabilities in a JSON document, a JSONL file or a saved stream, in order.

    Raises BadInput when something is malformed, too large, or holds no log-probabilities.
    """
    documents = _documents(_decoded(data, limits), limits)
    reader = _Reader(limits, TokenLists(limits))
    pieces = [piece for where, document in documents for piece in reader.document(document, where)]
    if not reader.whole_response:
        pieces += [piece for where, document in documents for piece in reader.text_delta(document, where)]
    answers = _joined(pieces)
    found = [answer for answer in answers if answer.tokens]
    if not found:
        held = "an empty list of log-probabilities" if any(a.listed for a in answers) else "no log-probabilities"
        raise BadInput(f"{answers[0].where if answers else 'The input'} holds {held}; {_HOW_TO_ASK}.")
    if len(found) > limits.import_answers:
        raise BadInput(f"The input holds {len(found)} answers; at most {limits.import_answers} are read at once.")
    for answer in found:
        if all(_ID_TOKEN.fullmatch(token.raw) for token in answer.tokens):
            raise BadInput(
                f"{answer.where} names its tokens by number (token_id:…) instead of by text; ask again without "
                "return_tokens_as_token_ids."
            )
    if missing := len(answers) - len(found):
        left_out = f"{missing} of {len(answers)} answers of this import carried no log-probabilities and were left out."
        found[0] = replace(found[0], notes=(*found[0].notes, left_out))
    return found


@dataclass
class _Reader:
    """Reads documents into pieces of answers.

    whole_response: a Responses document with tokens was seen, so the text deltas before it say nothing new.
    streamed_model: the model a Responses stream named in its first events.
    """

    limits: Limits
    lists: TokenLists
    whole_response: bool = False
    streamed_model: str = field(default="")

    def document(self, document: Any, where: str) -> Iterator[ReportedAnswer]:
        """The pieces of one JSON document, text deltas of a Responses stream excepted."""
        outer = as_object(document, _named(where), "the answer of an API (a JSON object)")
        inner, path = outer, where
        if isinstance(outer.get("response"), dict):  # a batch line, an event, or a pair of request and response
            inner, path = outer["response"], _inside(where, "response")
            if isinstance(inner.get("body"), dict):
                inner, path = inner["body"], _inside(path, "body")
        event = outer.get("type")
        if isinstance(event, str) and event.startswith("response."):
            self.streamed_model = self.streamed_model or as_text(inner.get("model"))
            if event not in _LAST_EVENTS:
                return
        about = self._about(inner, outer.get("request"), where)
        if inner.get("choices") is not None:
            place = _inside(path, "choices")
            for i, choice in enumerate(as_list(inner["choices"], place)):
                yield self._choice(as_object(choice, f"{place}[{i}]", "an answer"), f"{place}[{i}]", inner, about)
        elif inner.get("output") is not None:
            yield from self._response(inner, path, about)
        elif inner.get("error") is None and outer.get("error") is None:
            raise BadInput(
                f"{_named(where)} has neither choices nor output, so it is no answer of a known API; {_HOW_TO_ASK}."
            )

    def text_delta(self, document: Any, where: str) -> Iterator[ReportedAnswer]:
        """The piece in one text delta of a Responses stream."""
        if not isinstance(document, dict) or document.get("type") != "response.output_text.delta":
            return
        yield ReportedAnswer(
            where=_named(where),
            tokens=self.lists.entries(document.get("logprobs"), _inside(where, "logprobs")),
            text=_own_text(document.get("delta")),
            listed=document.get("logprobs") is not None,
            chat=True,
            model=self.streamed_model,
            revision="",
            key=("response", as_text(document.get("item_id")), repr(document.get("content_index"))[:20]),
            closed=False,
        )

    def _choice(
        self, choice: Mapping[str, Any], where: str, document: Mapping[str, Any], about: Mapping[str, Any]
    ) -> ReportedAnswer:
        streamed = "delta" in choice
        message = choice.get("delta") if streamed else choice.get("message")
        said: Mapping[str, Any] = message if isinstance(message, dict) else {}
        texts = [said.get("content"), said.get("refusal"), choice.get("text")]
        tokens, notes = self._logprobs(choice.get("logprobs"), f"{where}.logprobs")
        if document.get("prompt_logprobs") is not None or choice.get("prompt_logprobs") is not None:
            notes.append("The log-probabilities of the prompt (prompt_logprobs) were not read.")
        identity = as_text(document.get("id"))
        # the legacy format calls a piece of a stream by the same name as a whole answer: its id and end tell
        in_pieces = bool(identity) and (streamed or document.get("object") == "text_completion")
        known = [text for text in texts if isinstance(text, str)]
        return ReportedAnswer(
            where=where,
            tokens=tokens,
            text="".join(known) if known else None,
            listed=choice.get("logprobs") is not None,
            chat=message is not None,
            key=(identity, repr(choice.get("index"))[:20]) if in_pieces else None,
            closed=choice.get("finish_reason") is not None,
            notes=(*about["notes"], *notes),
            **{name: value for name, value in about.items() if name != "notes"},
        )

    def _logprobs(self, value: Any, where: str) -> tuple[tuple[ReportedToken, ...], list[str]]:
        """Tokens of a choice in either layout, and what is to be said about them."""
        if value is None:
            return (), []
        lists = as_object(value, where, "an object with content or with tokens")
        if lists.get("tokens") is not None:
            return self.lists.columns(lists, where), []
        refused = self.lists.entries(lists.get("refusal"), f"{where}.refusal")
        said = self.lists.entries(lists.get("content"), f"{where}.content")
        return said + refused, ["The model refused: these are the tokens of its refusal."] if refused else []

    def _response(self, response: Mapping[str, Any], path: str, about: Mapping[str, Any]) -> Iterator[ReportedAnswer]:
        """One answer for each output text of a Responses document."""
        output = _inside(path, "output")
        for i, item in enumerate(as_list(response["output"], output)):
            if not isinstance(item, dict) or item.get("type") != "message":
                continue
            for j, part in enumerate(as_list(item.get("content") or [], f"{output}[{i}].content")):
                if not isinstance(part, dict) or part.get("type") != "output_text":
                    continue
                where = f"{output}[{i}].content[{j}]"
                tokens = self.lists.entries(part.get("logprobs"), f"{where}.logprobs")
                self.whole_response = self.whole_response or bool(tokens)
                yield ReportedAnswer(
                    where=where,
                    tokens=tokens,
                    text=_own_text(part.get("text")),
                    listed=part.get("logprobs") is not None,
                    chat=True,
                    **about,
                )

    def _about(self, document: Mapping[str, Any], request: Any, where: str) -> dict[str, Any]:
        """Model, revision, prompt and system text, from the answer and from the request beside it."""
        asked: Mapping[str, Any] = request if isinstance(request, dict) else {}
        conversation = asked.get("messages") or asked.get("input")
        turns = [t for t in conversation if isinstance(t, dict)] if isinstance(conversation, list) else []
        system = [_flat(t.get("content")) for t in turns if t.get("role") in ("system", "developer")]
        said = [_flat(t.get("content")) for t in turns if t.get("role") == "user"] or [
            _flat(asked.get("prompt") or asked.get("input"))
        ]
        prompt = as_text(said[-1], self.limits.prompt_chars + 1)
        if len(prompt) > self.limits.prompt_chars:
            raise BadInput(f"{_inside(where, 'request')} has a prompt of more than {self.limits.prompt_chars:,} "
                           "characters; shorten it or leave the request out.")  # fmt: skip
        instructions = "\n".join([*system, _flat(asked.get("instructions")) or _flat(document.get("instructions"))])
        earlier = len(turns) > len(system) + 1
        return {
            "model": as_text(document.get("model")),
            "revision": as_text(document.get("system_fingerprint")),
            "prompt": prompt,
            "system": as_text(instructions.strip(), self.limits.system_chars) or None,
            "notes": ("Of a longer conversation only its last question is kept as the prompt.",) if earlier else (),
        }


def _inside(where: str, name: str) -> str:
    """The place of a field: "line 3: " and "choices" are "line 3: choices", "[2]" and "choices" are "[2].choices"."""
    return f"{where}.{name}" if where and not where.endswith(": ") else f"{where}{name}"


def _named(where: str) -> str:
    """A document's place as the subject of a sentence."""
    return where.removesuffix(": ").capitalize() or "The input"


def _own_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _flat(content: Any) -> str:
    """The text of a message, given as text or as a list of parts."""
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _joined(pieces: Sequence[ReportedAnswer]) -> list[ReportedAnswer]:
    """Answers from pieces: those of one stream share a key, until one of them closes it."""
    answers: list[list[ReportedAnswer]] = []
    streams: dict[Hashable, list[ReportedAnswer]] = {}
    for piece in pieces:
        parts = streams.get(piece.key) if piece.key is not None else None
        if parts is None:
            parts = []
            answers.append(parts)
        parts.append(piece)
        if piece.closed:
            streams.pop(piece.key, None)
        elif piece.key is not None:
            streams[piece.key] = parts
    return [_concatenated(parts) for parts in answers]


def _concatenated(parts: Sequence[ReportedAnswer]) -> ReportedAnswer:
    texts = [part.text for part in parts if part.text is not None]
    return replace(
        parts[0],
        tokens=tuple(token for part in parts for token in part.tokens),
        text="".join(texts) if texts else None,
        listed=any(part.listed for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _decoded(data: str | bytes, limits: Limits) -> str:
    if len(data) > limits.import_bytes:
        raise BadInput(f"The input has {len(data):,} bytes; at most {limits.import_bytes:,} are read at once: import "
                       "it in parts.")  # fmt: skip
    if isinstance(data, str):
        text = data
    else:
        try:
            text = data.decode(json.detect_encoding(data))
        except UnicodeDecodeError as error:
            raise BadInput(f"The input is not text (byte {error.start} is no {error.encoding}); a JSON or JSONL file "
                           "was expected.") from error  # fmt: skip
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise BadInput("There is nothing to import: paste the JSON that an API returned, or choose its file.")
    if text.count("[") + text.count("{") > limits.import_containers:
        raise BadInput(f"The input holds more than {limits.import_containers:,} lists and objects; import it in parts.")
    return text


def _documents(text: str, limits: Limits) -> list[tuple[str, Any]]:
    """(place, JSON value) of every document: the whole text, the items of its list, or one a line."""
    try:
        whole = json.loads(text)
    except RecursionError as error:
        raise BadInput("The input is nested too deeply to be the answer of an API.") from error
    except ValueError as error:
        lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if _holds_data(line)]
        if not lines or (_parsed(lines[0][1])[1] and not lines[0][1].startswith("data:")):
            raise BadInput(f"The input is not JSON: {_json_problem(error)}.") from error
        _check_count(lines, limits)
        return [(f"line {i}: ", _document_on(i, line)) for i, line in lines]
    if not isinstance(whole, list):
        return [("", whole)]
    _check_count(whole, limits)
    return [(f"[{i}]", item) for i, item in enumerate(whole)]


def _check_count(documents: Sequence[Any], limits: Limits) -> None:
    most = 2 * limits.import_tokens  # a stream has a piece a token and some around them
    if len(documents) > most:
        raise BadInput(f"The input holds {len(documents):,} documents; at most {most:,} are read: import it in parts.")


def _holds_data(line: str) -> bool:
    """False for blank lines and for the lines of a saved event stream that carry no data."""
    content = line.strip()
    return bool(content) and not content.startswith((":", "event:", "id:", "retry:")) and content != "data: [DONE]"


def _document_on(number: int, line: str) -> Any:
    document, problem = _parsed(line)
    if problem:
        raise BadInput(f"Line {number} is not JSON: {problem}.")
    return document


def _parsed(line: str) -> tuple[Any, str]:
    """The JSON value on a line and "", or None and what is wrong with it."""
    try:
        return json.loads(line.strip().removeprefix("data:")), ""
    except RecursionError:
        return None, "it is nested too deeply"
    except ValueError as error:
        return None, _json_problem(error)


def _json_problem(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "it holds a number with thousands of digits"
