"""What goes on with forking analyses at the moment, in memory: which are being drawn, who reads, which files are there.

Also how fast each model was. Does not know the store, the queue or gradio.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.types import ModelCard
from ui.access import Viewer
from ui.long_answers import Places

# files of draws that are handed out again while nothing about them has changed
KEPT_FILES = 64
FileKey = tuple[str, ...]


class Underway:
    """One for all who use one store's analyses; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: set[str] = set()
        self._readers = Places(
            of_one=1,
            mine="An analysis is being read for you already: try again when it is there.",
            others="Too many analyses are being read at the same time: try again in a moment.",
        )
        self._files: dict[FileKey, Path] = {}
        self._paces: dict[tuple[str, str, str], float] = {}
        # held while an analysis is written, so that what is read for it is still so
        self.writing = threading.RLock()

    def begin(self, uid: str) -> None:
        """An analysis is being drawn from now on, until its last draw is stored."""
        with self._lock:
            self._drawn.add(uid)

    def end(self, uid: str) -> None:
        """It is stored as it ended."""
        with self._lock:
            self._drawn.discard(uid)

    def is_drawn(self, uid: str) -> bool:
        """Whether somebody draws it, or its last draws are still on their way to the store."""
        with self._lock:
            return uid in self._drawn

    @contextmanager
    def alone(self, viewer: Viewer) -> Iterator[None]:
        """Work something out for this person, one thing at a time. Raises Busy."""
        with self._readers.take(viewer):
            yield

    def file(self, key: FileKey, write: Callable[[], Path]) -> Path:
        """The file that was written for this key, or a new one where there is none, or none any more."""
        with self._lock:
            found = self._files.get(key)
        if found is not None and found.is_file():
            return found
        written = write()
        with self._lock:
            self._files[key] = written
            while len(self._files) > KEPT_FILES:
                del self._files[next(iter(self._files))]
        return written

    def pace(self, card: ModelCard) -> float | None:
        """Seconds a token of a continuation took with this model where it runs, None before anything was drawn."""
        with self._lock:
            return self._paces.get(_model(card))

    def keep_pace(self, card: ModelCard, seconds: float) -> None:
        """Remember it for the next one with the same model."""
        with self._lock:
            self._paces[_model(card)] = seconds


def _model(card: ModelCard) -> tuple[str, str, str]:
    return card.name, card.dtype, card.device
