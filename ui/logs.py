"""The log: one JSON line on stderr for each event, and nothing of what people wrote in any of them.

What a library prints or logs is recorded as having happened, with the place in its code, since its words may hold
anything; of an exception the kinds and places are kept, not the messages. Does not know what the app does.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, TextIO

ROOT = Path(__file__).resolve().parent.parent
OWN = "forklore"
# what an event of ours may say beside its name; each is written by the program, never by a person
FIELDS = ("kind", "seconds", "tokens", "outcome", "person", "count", "reason")
MOST_FRAMES = 40
MOST_CAUSES = 5
MINUTE = 60.0
OF_ONE_KIND = 60
MOST_KINDS = 2_000
_SALT = secrets.token_bytes(16)
# code that prints for others
_HELPERS = ("traceback", "logging", "warnings", "tqdm", "contextlib")
_MARK = "_forklore_told"
_PASSED_ON = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


class Named(Protocol):
    """Somebody with a name."""

    @property
    def name(self) -> str: ...


class HadTurn(Protocol):
    """What is told of a job: who asked, how long it had the model, and what it read there."""

    @property
    def viewer(self) -> Named: ...

    @property
    def seconds(self) -> float: ...

    long: bool
    tokens: int


def person(name: str) -> str:
    """A short mark that tells people apart within one run of the program, and cannot be led back to them."""
    return hashlib.sha256(_SALT + name.encode("utf-8", "replace")).hexdigest()[:8]


def describe(error: BaseException | None) -> list[dict[str, Any]]:
    """An exception and its causes, outermost first: kinds, and the places they passed, without any value."""
    found: list[dict[str, Any]] = []
    while error is not None and len(found) < MOST_CAUSES:
        places = _places(error.__traceback__)
        found.append({"type": type(error).__qualname__, "places": places[-MOST_FRAMES:]})
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _places(trace: TracebackType | None) -> list[str]:
    places = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{_short(code.co_filename)}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places


def _short(file: str) -> str:
    """A file's path below the project or below the installed packages."""
    path = Path(file)
    if path.is_relative_to(ROOT) and "site-packages" not in path.parts:
        return str(path.relative_to(ROOT))
    for folder in ("site-packages", "dist-packages"):
        if folder in path.parts:
            return "/".join(path.parts[len(path.parts) - path.parts[::-1].index(folder) :])
    return path.name


def job_ended(ticket: HadTurn, outcome: str) -> None:
    """One event for a job that has left the queue; the kind of error that ended it, where one did."""
    raised = sys.exc_info()[1]
    if outcome == "failed" and raised is not None:
        outcome = getattr(raised, "kind", "defect")
    told = {"kind": "long" if ticket.long else "short", "tokens": ticket.tokens, "seconds": ticket.seconds}
    told |= {"outcome": outcome, "person": person(ticket.viewer.name)}
    logging.getLogger(f"{OWN}.jobs").info("job", extra=told)


class JsonLines(logging.Formatter):
    """Records of our own loggers with their fields; of all others only where they come from."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without a line break."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name.partition(".")[0] == OWN:
            # the arguments of a message are values; its own words are the program's
            line["event"] = str(record.msg).partition("%")[0].strip(" :")
            line |= {name: _plain(getattr(record, name)) for name in FIELDS if hasattr(record, name)}
        else:
            line |= {"event": "message", "kind": record.name, "place": f"{_short(record.pathname)}:{record.lineno}"}
        if left_out := getattr(record, "left_out", 0):
            line["left_out"] = left_out
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)


def _plain(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value if isinstance(value, int) else str(value)


class Fewer(logging.Filter):
    """At most so many alike in a minute; how many were left out is told with the next that passes."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._minute = 0.0
        self._seen: dict[tuple[Any, ...], int] = {}
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        key = record.name, record.levelno, record.pathname, record.lineno, getattr(record, "kind", "")
        with self._lock:
            now = time.monotonic()
            if now - self._minute >= MINUTE or len(self._seen) >= MOST_KINDS:
                self._minute, self._seen = now, {}
            count = self._seen[key] = self._seen.get(key, 0) + 1
            if count > OF_ONE_KIND:
                self._left_out += 1
                return False
            record.left_out, self._left_out = self._left_out, 0
            return True


class Watched:
    """Stands in for stdout or stderr: what is printed is logged as an event with the module that printed it."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, real: TextIO) -> None:
        self._real = real
        self._logger = logging.getLogger(f"{OWN}.output")
        self._told = threading.local()

    def write(self, text: str) -> int:
        """Log that something was printed; an exception that is being printed is logged as one, once."""
        if text.strip() and not getattr(self._told, "writing", False):
            self._told.writing = True
            try:
                self._tell()
            finally:
                self._told.writing = False
        return len(text)

    def _tell(self) -> None:
        error = sys.exc_info()[1]
        kind = _printer(sys._getframe(2))
        if error is None:
            self._logger.info("output", extra={"kind": kind})
        # marked itself: its address will be another one's. In the dictionary, since a frozen one takes no attributes
        elif not error.__dict__.get(_MARK):
            error.__dict__[_MARK] = True
            self._logger.error("exception", extra={"kind": kind}, exc_info=error)

    def writelines(self, lines: Any) -> None:
        """As `write`, line by line."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing waits here."""

    def isatty(self) -> bool:
        """Never: nobody needs colours."""
        return False

    def fileno(self) -> int:
        """The real stream's own."""
        return self._real.fileno()

    def writable(self) -> bool:
        """Always."""
        return True


def _printer(frame: FrameType | None) -> str:
    """The module whose code printed: the first that is no helper for printing."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] not in _HELPERS and name != __name__:
            return name
        frame = frame.f_back
    return ""


@contextmanager
def logging_events() -> Iterator[None]:
    """For the time of a block all that is logged, warned of, printed or raised by nobody goes to the log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(Fewer())
    root, own = logging.getLogger(), logging.getLogger(OWN)
    before = root.handlers[:], root.level, own.level, sys.stdout, sys.stderr
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    root.handlers, root.level = [handler], logging.WARNING
    own.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stdout, sys.stderr = Watched(before[3]), Watched(before[4])
    threading.excepthook = lambda lost: _uncaught(lost.exc_value)
    sys.unraisablehook = lambda lost: _uncaught(lost.exc_value)
    try:
        yield
    finally:
        root.handlers, root.level = before[0], before[1]
        own.setLevel(before[2])
        logging.captureWarnings(False)
        sys.stdout, sys.stderr = before[3], before[4]
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def take_over_server_log() -> None:
    """Let the web server's own loggers, which it gives handlers when it starts, write to the log like all others."""
    for name in _PASSED_ON:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True


def _uncaught(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, SystemExit):
        logging.getLogger(OWN).error("uncaught", exc_info=error)
